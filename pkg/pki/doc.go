// Package pki makes and checks the certificates of an admission webhook: a
// certificate authority (CA) of its own and the serving certificate (leaf) that
// the authority signs. It is the only package that knows cfssl.
//
// # Shape
//
// Keys are ECDSA P-256. A CA has path length 0, so nothing but leaves can hang
// below it. A leaf may sign handshakes and authenticate a server, nothing else,
// and never outlives its CA.
//
// # Time
//
// The clock is always an argument. A certificate's notBefore lies Backdate
// before the moment of issue, because the clocks of the API server and of the
// issuer differ; the validity asked for counts from the moment of issue. So
// NotAfter minus NotBefore is longer than the validity, and whoever plans a
// renewal must reckon back from NotAfter.
//
// # Randomness
//
// Keys and serial numbers come from crypto/rand by way of cfssl, which takes no
// other source.
package pki
