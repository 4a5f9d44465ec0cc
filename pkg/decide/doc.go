// Package decide answers one question about a pod: is it injected, and why.
//
// [NewRules] compiles the settings of a configuration once; [Pod] applies them to
// a pod. The answer is a [Decision]: a stable [Code], an [Outcome], a message for
// people and, if asked for, the checks that led there. Admission responses,
// metrics, logs and the command line all use these. [Warnings] says what the
// person who made the pod may not have expected.
//
// The constants of [Code] are the truth table: the first row that applies decides.
package decide
