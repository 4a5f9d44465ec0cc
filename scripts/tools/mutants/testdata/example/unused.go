package example

// Same is called by nobody.
func Same(a, b int) bool { return a == b }
