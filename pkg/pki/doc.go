// Package pki issues and checks the certificates of an admission webhook: a
// certificate authority (CA) of its own, see [NewCA], and the serving certificate
// (leaf) that the CA signs, see [IssueLeaf]. [Pair.CheckServing] verifies a leaf as
// the API server does. No other package knows cfssl.
//
// # Shape
//
// Keys are ECDSA P-256. A CA has path length 0, so it can sign leaves only. A leaf
// may sign handshakes and authenticate a server, nothing else, and expires no later
// than its CA.
//
// # Time
//
// The clock is always an argument. A certificate's notBefore is [Backdate] before
// the moment of issue, because the clocks of the API server and of the issuer
// differ; the requested validity counts from the moment of issue. NotAfter minus
// NotBefore is therefore longer than the validity, and a renewal must be planned
// from NotAfter.
//
// # Randomness
//
// Keys and serial numbers come from crypto/rand by way of cfssl, which takes no
// other source.
package pki
