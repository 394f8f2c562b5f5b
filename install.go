package singleton

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// Install adds a unit. Before [Runtime.Run] it is kept until then, and afterwards it starts at once. It is refused for what Run
// refuses, and with [ErrStopped] when the runtime stops. A unit that has finished stays installed until [Runtime.Uninstall].
func (rt *Runtime) Install(u Unit) error {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if err := rt.install(u); err != nil {
		return fmt.Errorf("singleton: install: %w", err)
	}
	return nil
}

func (rt *Runtime) install(u Unit) error {
	if rt.phase == closing {
		return fmt.Errorf("%s: %w", u, ErrStopped)
	}
	in, err := rt.admit(u, rt.units)
	if err != nil {
		return err
	}
	if rt.phase == running {
		if err := in.register(rt.d); err != nil {
			return err
		}
		in.begins()
	}
	rt.units[in.name] = in
	return nil
}

// Uninstall stops the unit with this full name, as "worker/data-sync", in order, and removes it. It returns when the runner has
// returned and leadership is released, so a runner that uninstalls its own unit must not wait: it gives an ended context.
// When ctx ends first, the error says so and the unit goes on to stop.
func (rt *Runtime) Uninstall(ctx context.Context, name string) error {
	rt.mu.Lock()
	in, phase := rt.units[name], rt.phase
	if phase == fresh {
		delete(rt.units, name)
	}
	rt.mu.Unlock()
	if in == nil {
		return fmt.Errorf("singleton: uninstall %q: not installed", name)
	}
	if phase == fresh {
		return nil
	}
	h := in.stop(fmt.Errorf("%w: uninstalled", ErrStopped), true)
	select {
	case <-h.done:
	case <-ctx.Done():
		return fmt.Errorf("singleton: uninstall %s: not stopped yet: %w", name, context.Cause(ctx))
	}
	rt.remove(in) // where the runtime had stopped it first
	return nil
}

// remove forgets a unit that was uninstalled, and has stopped.
func (rt *Runtime) remove(in *instance) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if rt.units[in.name] == in {
		delete(rt.units, in.name)
	}
}

// join returns the installed units together with these. It needs mu.
func (rt *Runtime) join(units []Unit) (map[string]*instance, error) {
	all := maps.Clone(rt.units)
	var errs []error
	for _, u := range units {
		in, err := rt.admit(u, all)
		if errs = append(errs, err); err == nil {
			all[in.name] = in
		}
	}
	return all, errors.Join(errs...)
}

// admit makes an instance of a unit that is sound and not among these.
func (rt *Runtime) admit(u Unit, among map[string]*instance) (*instance, error) {
	if err := u.check(); err != nil {
		return nil, err
	}
	in := newInstance(rt, u)
	if among[in.name] != nil {
		return nil, fmt.Errorf("%s %q: installed already", u.kind, u.name)
	}
	return in, nil
}
