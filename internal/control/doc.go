// Package control runs the control loop of one object in the cluster: read it,
// compare it with what is wanted, write at most one change, wait.
//
// # What a Loop does
//
// [Loop.Run] follows the object and makes a pass, [Loop.Tick], at every change, at
// every moment that the last plan named, after a failure with growing pauses, and
// at least once in [Resync]. A pass calls [Options.Look], which reads the object
// and returns a [Plan], and then [Plan.Write] if there is something to write and
// its time has come.
//
// # What holds for every Loop
//
//   - State is read from the API server in every pass. A watch event only wakes the
//     loop, so an event that is late, lost or out of order does no harm, and neither
//     do resource versions that go backwards after a restore of etcd.
//   - Every call has a deadline, [CallTimeout].
//   - Troubles are what the last pass found. One whose cause has ended ends with the
//     next pass; none can be left over.
//   - Writes have a [Budget]. A loop that fights with somebody over the object, or
//     whose writes do not help, slows down and says so.
//   - One loop has one object, so neither a call that hangs nor a fight over one
//     object delays another.
//
// Time and randomness are arguments.
package control
