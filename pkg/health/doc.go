// Package health reports how a server is doing. A [Set] runs named checks and
// answers HTTP probes with their report. A [SelfCheck] calls the server's own TLS
// port as a client would. [TouchFile] keeps a file's time current while a check
// succeeds, and [Probe] judges the server by that file, for probes that run a
// command in the container.
package health
