// Package discovery is the cluster as one process sees it: its nodes, services, workers, endpoints and elections.
//
// A [Discovery] is one process's way to the cluster. It registers the process as a node, keeps its one session alive, hands
// out elections, and writes the records of its units. All its records vanish with the session, and are written again in the
// next one.
//
// [Discovery.Cluster] and [Discovery.Observe] show what all processes have registered. Only what this process needs for its
// elections is mirrored all the time; the registry is mirrored from the first look on, and let go a while after the last.
// So ten thousand units cost a process that doesn't look at them nothing, and one that looks pays for each change once.
//
// The records are those of the sora framework, so that its nodes, and candidates of etcd's own election recipe, are seen
// here as ours are seen there.
package discovery
