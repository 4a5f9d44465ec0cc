package server

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net/http"
	"testing"
	"time"
)

// TestHTTP2Settings reads what the server tells an HTTP/2 peer of its limits: the
// SETTINGS frame and the WINDOW_UPDATE of the connection that come first.
func TestHTTP2Settings(t *testing.T) {
	ca := newAuthority(t)
	cert := ca.issue(t, "hook")
	r := run(t, Options{
		TLS:     TLSConfig(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return cert, nil }, nil),
		Handler: http.NotFoundHandler(),
	})
	conn, err := tls.Dial("tcp", r.Addr().String(), &tls.Config{RootCAs: ca.pool, ServerName: "hook", NextProtos: []string{"h2"}})
	must(t, err)
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"+"\x00\x00\x00\x04\x00\x00\x00\x00\x00") // no settings of ours
	must(t, err)

	const settingsFrame, windowUpdate = 4, 8
	got := map[uint16]uint32{}
	for got[0] == 0 {
		header := make([]byte, 9) // length, kind, flags, stream
		_, err := io.ReadFull(conn, header)
		must(t, err)
		body := make([]byte, int(header[0])<<16|int(header[1])<<8|int(header[2]))
		_, err = io.ReadFull(conn, body)
		must(t, err)
		switch header[3] {
		case settingsFrame:
			for ; len(body) >= 6; body = body[6:] {
				got[binary.BigEndian.Uint16(body)] = binary.BigEndian.Uint32(body[2:])
			}
		case windowUpdate:
			got[0] = 65535 + binary.BigEndian.Uint32(body) // what every connection begins with, and more
		}
	}
	for what, s := range map[string]struct {
		id   uint16
		want uint32
	}{
		"MAX_CONCURRENT_STREAMS":    {3, maxStreams},
		"INITIAL_WINDOW_SIZE":       {4, maxUnreadStream},
		"MAX_FRAME_SIZE":            {5, maxFrame},
		"window of the connection ": {0, maxUnreadConnection},
	} {
		if got[s.id] != s.want {
			t.Errorf("%s is %d, want %d", what, got[s.id], s.want)
		}
	}
}
