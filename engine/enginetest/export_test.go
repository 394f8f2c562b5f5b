package enginetest

// Cases returns the name of each case and the duties that it proves.
func Cases() map[string][]int {
	all := map[string][]int{}
	for _, c := range cases() {
		all[c.name] = c.duties
	}
	return all
}
