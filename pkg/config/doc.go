// Package config reads the three files that configure an injector: the injection
// configuration, the mesh configuration and the chart values. [Parse] turns
// [Sources] into a [Config].
//
// # Dialects
//
// Injection configurations of two dialects are in use: [Classic] (Istio 1.1) and
// [Current] (Istio 1.10 and later). The file shows which one it is written in, and
// the mesh configuration is read in that dialect's shape.
//
// # Errors and notes
//
// Parse returns every error at once, each an [Error] with file, line and field. A
// field that is not known cannot do harm and may be meant for another reader: it
// becomes a line in [Config.Notes], unless its name looks like a misspelled one.
package config
