//go:build integration && linux

package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// Frames of HTTP/2 (RFC 9113, section 6) and their flags.
const (
	frameData, frameHeaders, framePriority, frameReset, frameSettings, framePing, frameGoAway, frameWindow, frameContinuation = 0, 1, 2, 3, 4, 6, 7, 8, 9

	endStream, endHeaders, ack = 1, 4, 1
)

// http2Conn writes frames as an attacker wants them.
type http2Conn struct {
	*tls.Conn
	out *bufio.Writer
	// closed is closed when the server has ended the connection; frames counts
	// what it sent until then, by kind.
	closed chan struct{}
	mu     sync.Mutex
	frames map[byte]int
}

// http2 opens a connection for frames. A server that does not offer HTTP/2 gets
// them all the same, on a connection of which it was not said what it is for.
func (a *attack) http2(ctx context.Context, settings ...byte) (*http2Conn, error) {
	conn, err := a.server.dial(ctx, a.peer, "h2")
	var refused tls.AlertError
	if errors.As(err, &refused) {
		conn, err = a.server.dial(ctx, a.peer)
	}
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	c := &http2Conn{Conn: conn, out: bufio.NewWriter(conn), closed: make(chan struct{}), frames: map[byte]int{}}
	go c.read()
	if _, err := c.out.WriteString("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"); err != nil {
		return nil, err
	}
	c.frame(frameSettings, 0, 0, settings)
	return c, c.out.Flush()
}

// read counts what the server sends.
func (c *http2Conn) read() {
	defer close(c.closed)
	header := make([]byte, 9)
	in := bufio.NewReader(c.Conn)
	for {
		if _, err := io.ReadFull(in, header); err != nil {
			return
		}
		if _, err := in.Discard(int(header[0])<<16 | int(header[1])<<8 | int(header[2])); err != nil {
			return
		}
		c.mu.Lock()
		c.frames[header[3]]++
		c.mu.Unlock()
	}
}

func (c *http2Conn) got(kind byte) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.frames[kind]
}

// frame adds one to what flush sends.
func (c *http2Conn) frame(kind, flags byte, stream uint32, payload []byte) {
	header := []byte{byte(len(payload) >> 16), byte(len(payload) >> 8), byte(len(payload)), kind, flags, 0, 0, 0, 0}
	binary.BigEndian.PutUint32(header[5:], stream)
	_, _ = c.out.Write(header) // Flush says the error
	_, _ = c.out.Write(payload)
}

// fields encodes header fields without compression (RFC 7541, section 6.2.2).
func fields(pairs ...string) (b []byte) {
	for i := 0; i < len(pairs); i += 2 {
		b = append(b, 0)
		for _, s := range pairs[i : i+2] {
			if len(s) < 127 {
				b = append(b, byte(len(s)))
			} else {
				b = append(b, 127)
				b = binary.AppendUvarint(b, uint64(len(s)-127))
			}
			b = append(b, s...)
		}
	}
	return b
}

// post are the fields of a request.
func post(length int) []byte {
	return fields(":method", "POST", ":scheme", "https", ":authority", "x", ":path", "/inject?timeout=10s",
		"content-type", "application/json", "content-length", fmt.Sprint(length))
}

// flood sends what each makes, again and again, until the time is over or the
// server ends the connection; it then begins anew.
func (a *attack) flood(connections int, settings []byte, each func(c *http2Conn, i int)) {
	var cuts, sent int
	a.clients(connections, func(ctx context.Context, _ int) {
		c, err := a.http2(ctx, settings...)
		if err != nil {
			return // refused, as it may be
		}
		defer c.Close()
		_ = c.SetWriteDeadline(time.Now().Add(a.lasts))
		for i := 0; ctx.Err() == nil; i++ {
			each(c, i)
			if i%32 != 0 {
				continue // a record of TLS holds many
			}
			if err := c.out.Flush(); err != nil {
				a.mu.Lock()
				cuts++
				sent += i
				a.mu.Unlock()
				return
			}
		}
	})
	a.notef("cut %d times, after %d in all", cuts, sent)
}

func http2Cases() []hostileCase {
	return []hostileCase{
		{
			name: "250 unfinished streams on each of 5 connections", slow: true,
			does:  "opens 1,250 HTTP/2 requests whose bodies never come",
			right: "streams or connections are ended within the time for a request; they take no place",
			run: func(a *attack) {
				var all sync.WaitGroup
				for range 5 {
					all.Go(func() {
						c, err := a.http2(a.ctx)
						if err != nil {
							return // refused
						}
						defer c.Close()
						for i := range 250 {
							c.frame(frameHeaders, endHeaders, uint32(2*i+1), post(7*mib))
						}
						if err := c.out.Flush(); err != nil {
							return // cut
						}
						if err := until(a.ctx, cutAfter, "250 streams to be ended", func() error {
							select {
							case <-c.closed:
								return nil
							default:
							}
							// Each is answered with 408 or 429, or reset, or both.
							if n := max(c.got(frameReset), c.got(frameHeaders)); n < 250 {
								return fmt.Errorf("%d were", n)
							}
							return nil
						}); err != nil {
							a.wrongf("%v", err)
						}
					})
				}
				all.Wait()
			},
		},
		{
			name:  "rapid reset",
			does:  "opens HTTP/2 streams and resets each at once, on 8 connections",
			right: "the good client is answered in time",
			run: func(a *attack) {
				request := post(100)
				a.flood(8, nil, func(c *http2Conn, i int) {
					stream := uint32(2*i + 1)
					c.frame(frameHeaders, endHeaders, stream, request)
					c.frame(frameReset, 0, stream, []byte{0, 0, 0, 8})
				})
			},
		},
		{
			name:  "rapid reset of whole requests",
			does:  "sends whole pods in HTTP/2 streams and resets each at once, on 8 connections",
			right: "the good client is answered in time",
			run: func(a *attack) {
				body := review(smallPod)
				request := post(len(body))
				a.flood(8, nil, func(c *http2Conn, i int) {
					stream := uint32(2*i + 1)
					c.frame(frameHeaders, endHeaders, stream, request)
					c.frame(frameData, endStream, stream, body)
					c.frame(frameReset, 0, stream, []byte{0, 0, 0, 8})
				})
			},
		},
		{
			name:  "continuation flood",
			does:  "sends a header in CONTINUATION frames without end, on 8 connections",
			right: "cut, and memory stays bounded",
			run: func(a *attack) {
				piece := fields("x-long", strings.Repeat("a", 8000))
				a.flood(8, nil, func(c *http2Conn, i int) {
					if i == 0 {
						c.frame(frameHeaders, 0, 1, post(100))
						return
					}
					c.frame(frameContinuation, 0, 1, piece)
				})
			},
		},
		{
			name:  "empty continuation frames",
			does:  "sends CONTINUATION frames without content, on 8 connections",
			right: "the good client is answered in time",
			run: func(a *attack) {
				a.flood(8, nil, func(c *http2Conn, i int) {
					if i == 0 {
						c.frame(frameHeaders, 0, 1, nil)
						return
					}
					c.frame(frameContinuation, 0, 1, nil)
				})
			},
		},
		flooding("ping flood", func(c *http2Conn, int int) { c.frame(framePing, 0, 0, make([]byte, 8)) }),
		flooding("settings flood", func(c *http2Conn, int int) { c.frame(frameSettings, 0, 0, nil) }),
		flooding("settings that change the window", func(c *http2Conn, i int) {
			c.frame(frameSettings, 0, 0, []byte{0, 4, 0, byte(i), 0, 0})
		}),
		flooding("window updates", func(c *http2Conn, int int) { c.frame(frameWindow, 0, 0, []byte{0, 0, 0, 1}) }),
		flooding("priority flood", func(c *http2Conn, i int) {
			c.frame(framePriority, 0, uint32(2*i+1), []byte{0, 0, 0, 0, 1})
		}),
		flooding("empty data frames", func(c *http2Conn, i int) {
			if i == 0 {
				c.frame(frameHeaders, endHeaders, 1, post(100))
			}
			c.frame(frameData, 0, 1, nil)
		}),
		{
			name: "answers without a window", slow: true,
			does:  "asks on 5 connections in 250 streams each for answers, and never opens a window for them",
			right: "streams or connections are ended; memory stays bounded",
			run: func(a *attack) {
				body := review(smallPod)
				var conns []net.Conn
				var mu sync.Mutex
				var all sync.WaitGroup
				for range 5 {
					all.Go(func() {
						c, err := a.http2(a.ctx, 0, 4, 0, 0, 0, 0)
						if err != nil {
							return
						}
						for i := range 250 {
							c.frame(frameHeaders, endHeaders, uint32(2*i+1), post(len(body)))
							c.frame(frameData, endStream, uint32(2*i+1), body)
						}
						_ = c.out.Flush()
						mu.Lock()
						conns = append(conns, c)
						mu.Unlock()
						if err := until(a.ctx, 2*cutAfter, "streams to be ended", func() error {
							select {
							case <-c.closed:
								return nil
							default:
							}
							if n := c.got(frameReset); n < 1 {
								return fmt.Errorf("%d were reset, %d answers began", n, c.got(frameHeaders))
							}
							return nil
						}); err != nil {
							a.wrongf("%v", err)
						}
					})
				}
				all.Wait()
				closeAll(conns)
			},
		},
		{
			name:  "headers that unfold",
			does:  "puts a field of 4 KiB into the compression table and names it 4,000 times in a header, on 4 connections",
			right: "the stream or connection is ended, and memory stays bounded",
			run: func(a *attack) {
				// 0x40: add to the table; 62 is the first entry there.
				long := append([]byte{0x40, 6}, "x-long"...)
				long = append(long, 127)
				long = binary.AppendUvarint(long, 3900-127)
				long = append(long, strings.Repeat("a", 3900)...)
				request := append(post(100), long...)
				request = append(request, []byte(strings.Repeat("\xbe", 4000))...)
				a.flood(4, nil, func(c *http2Conn, i int) {
					c.frame(frameHeaders, endHeaders|endStream, uint32(2*i+1), request)
				})
			},
		},
		{
			name:  "frames against the rules",
			does:  "sends frames that are too large, on stream 0, of unknown kinds, of wrong lengths, streams with even numbers and numbers going back",
			right: "cut or ignored, as the standard says; never a panic",
			run: func(a *attack) {
				broken := []func(*http2Conn){
					func(c *http2Conn) { c.frame(frameData, 0, 0, []byte("x")) },
					func(c *http2Conn) { c.frame(frameHeaders, endHeaders, 0, post(1)) },
					func(c *http2Conn) { c.frame(frameHeaders, endHeaders, 2, post(1)) },
					func(c *http2Conn) { c.frame(frameData, 0, 1, make([]byte, 1<<20)) },
					func(c *http2Conn) { c.frame(0x42, 0xff, 7, make([]byte, 100)) },
					func(c *http2Conn) { c.frame(framePing, 0, 0, make([]byte, 7)) },
					func(c *http2Conn) { c.frame(frameSettings, ack, 0, make([]byte, 6)) },
					func(c *http2Conn) { c.frame(frameSettings, 0, 0, []byte{0, 4, 255, 255, 255, 255}) },
					func(c *http2Conn) { c.frame(frameWindow, 0, 0, []byte{0x7f, 0xff, 0xff, 0xff}) },
					func(c *http2Conn) { c.frame(frameWindow, 0, 1, []byte{0, 0, 0, 0}) },
					func(c *http2Conn) { c.frame(frameContinuation, endHeaders, 1, nil) },
					func(c *http2Conn) { c.frame(5, endHeaders, 1, []byte{0, 0, 0, 2}) }, // PUSH_PROMISE
					func(c *http2Conn) {
						c.frame(frameHeaders, endHeaders|endStream, 9, post(0))
						c.frame(frameHeaders, endHeaders|endStream, 3, post(0))
					},
					func(c *http2Conn) { c.frame(frameHeaders, endHeaders, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff}) },
					func(c *http2Conn) { c.frame(frameHeaders, endHeaders|endStream, 1, fields(":method", "POST")) },
					func(c *http2Conn) {
						c.frame(frameHeaders, endHeaders|endStream, 1, append(post(0), fields("connection", "close", "x y", "\r\n", ":path", "/")...))
					},
				}
				a.clients(4, func(ctx context.Context, client int) {
					for i := range broken {
						c, err := a.http2(ctx)
						if err != nil {
							return
						}
						broken[(client+i)%len(broken)](c)
						_ = c.out.Flush()
						_ = c.Close()
					}
				})
			},
		},
	}
}

// flooding sends one kind of frame without a pause.
func flooding(name string, each func(c *http2Conn, i int)) hostileCase {
	return hostileCase{
		name: name, does: "sends such frames without a pause, on 8 connections",
		right: "the good client is answered in time, and memory stays bounded",
		run:   func(a *attack) { a.flood(8, nil, each) },
	}
}
