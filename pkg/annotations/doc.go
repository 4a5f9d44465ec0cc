// Package annotations checks the annotations that templates copy into a pod
// without looking at them.
//
// [Check] is called before anything is rendered. It refuses a value that would
// give a proxy which does not start, or traffic rules that are not the ones that
// were asked for, and it names all bad annotations at once. Annotations that it
// has no rule for are not looked at, and proxy.istio.io/config, which is YAML, is
// checked by package config when it is overlaid on the mesh's configuration.
package annotations
