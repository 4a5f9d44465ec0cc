// Package server runs an HTTP or HTTPS server that cannot be held up, and that
// loses no request when it stops. It knows nothing about what it serves.
//
// # Limits
//
// Every connection, header, body and answer has a limit and a time; each is argued
// where it is defined. [Options.MaxConnections] bounds the connections. Where there
// are no more, the peer that has the most of them yields: first what is idle or has
// sent no request, and to a peer with fewer also the others. [Peer] names the peer
// for handlers that divide something among peers as well.
//
// # The end
//
// When the context of [Server.Run] ends, the server goes on for [Options.Delay]
// while [Server.Draining] reports true, then stops accepting, lets what was
// accepted be answered within [Options.Timeout], and only then closes the
// connections.
package server
