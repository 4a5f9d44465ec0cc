// Package server runs an HTTP or HTTPS server that cannot be held up, and that
// loses no request when it stops. It knows nothing about what it serves.
//
// # Limits
//
// Every connection, header, body and answer has a limit and a time; each is argued
// where it is defined. [Options.MaxConnections] bounds the connections, [Limit]
// the open requests and the bytes of their bodies. What is beyond a limit is
// refused at once, so that callers try elsewhere instead of waiting.
//
// # The end
//
// When the context of [Server.Run] ends, the server goes on for [Options.Delay]
// while [Server.Draining] reports true, then stops accepting, lets what was
// accepted be answered within [Options.Timeout], and only then closes the
// connections.
package server
