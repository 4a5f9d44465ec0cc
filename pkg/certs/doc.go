// Package certs keeps an admission webhook's certificates alive: it makes,
// renews, replaces and heals them in one Secret, and holds the one that is
// served.
//
// A server runs a [Controller]. A process that only needs a good certificate once
// calls [Ensure]. Both act by [Decide].
//
// # One Secret, many actors, no leader
//
// The Secret is the only state ([State] is what it says). Every actor (each
// replica of the server, the init binary, a renewal job) reads it, asks [Decide]
// what is to be done, and writes the result of [Apply] with the resourceVersion
// that it read. When two act at once, one of the writes is refused, and its author
// reads again and decides again. Decide and Apply are functions of their
// arguments, so an actor may be killed after any write: the next one goes on from
// there.
//
// # A change of CA in four phases
//
//	phase     Secret                      caBundle      served
//	announce  CA B in next-ca-*           A             leaf of A
//	trust     the same                    B+A           leaf of A
//	switch    B becomes the CA, leaf of B B+A           leaf of B
//	prune     A leaves root-cert.pem      B             leaf of B
//
// From trust to switch, [Policy] TrustPropagation must pass during which the
// caBundle held B without a gap, so that every API server has it before the first
// leaf of B is served. Each actor measures this itself, against the live object: a
// caBundle that was wiped in between starts the time anew, and no clock of
// another machine is trusted. Prune waits until the last leaf of A has expired
// (old-ca-until in the Secret).
//
// # What is served
//
// A replica does not serve whatever the Secret says. A new leaf replaces the old
// one in its [CertificateSource] only when the live caBundle ([CABundle]) has
// trusted its CA long enough, or when the old leaf is no good any more. So even a
// Secret that was replaced as a whole does no harm while the old certificate
// lasts. [Readiness] checks that the API server accepts what is served.
package certs
