package ramengine

// Watchers returns how many watches the store believes to be open.
func (e *Engine) Watchers() int {
	e.store.mu.Lock()
	defer e.store.mu.Unlock()
	return len(e.store.watchers)
}
