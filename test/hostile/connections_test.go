//go:build integration && linux

package hostile

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sidecar-injector/istio-sidecar-injector/test/bench/process"
)

// cutAfter is the longest that a connection may live that sends no request, or
// only part of one: the server's own limit for reading a request, and slack.
const cutAfter = 20 * time.Second

const mib = 1 << 20

// connectionCases attack with connections, and with requests that never come to
// their end.
func connectionCases() []hostileCase {
	return []hostileCase{
		announced("5 bodies announced and never sent", 5, []int{7 * mib, 7 * mib, 7 * mib, 7 * mib, 4 * mib}),
		announced("50 bodies announced and never sent", 50, []int{7 * mib}),
		announced("500 bodies announced and never sent", 500, []int{64 << 10}),
		{
			name: "bodies sent but for the last byte", slow: true,
			does:  "sends 16 bodies of 3 MiB and keeps back the last byte of each",
			right: "answered 408 or 429, or cut",
			run: func(a *attack) {
				body := review(podOf(`"containers":[{"name":"app","image":"i","args":["` + strings.Repeat("x", 3*mib) + `"]}]`))
				a.held(16, func(conn net.Conn) error {
					if _, err := conn.Write([]byte(head(len(body)))); err != nil {
						return err
					}
					_, err := conn.Write(body[:len(body)-1])
					return err
				}, nil)
			},
		},
		{
			name: "bodies by single bytes", slow: true,
			does:  "opens 100 requests of 7 MiB and sends one byte of each every 200 ms",
			right: "answered 408 or 429, or cut, however long bytes come",
			run:   func(a *attack) { a.trickle(100, head(7*mib), "{", 200*time.Millisecond, cutAfter) },
		},
		{
			name: "headers by single bytes", slow: true,
			does:  "opens 200 connections and sends a byte of the header every 200 ms",
			right: "answered 408 or cut within the time for a header",
			run: func(a *attack) {
				a.trickle(200, "POST /inject HTTP/1.1\r\nHost: x\r\nX-Long: ", "a", 200*time.Millisecond, cutAfter)
			},
		},
		{
			name:  "endless header",
			does:  "sends a header without end, on 8 connections",
			right: "answered 431 or cut",
			run: func(a *attack) {
				a.clients(8, func(ctx context.Context, _ int) {
					got := a.raw(ctx, "POST /inject HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("a", mib))
					a.judge("endless header", got, oneOf(http.StatusRequestHeaderFieldsTooLarge))
				})
			},
		},
		{
			name: "TLS handshakes that stop half way", slow: true,
			does:  "opens 300 connections and sends the first half of a TLS greeting",
			right: "cut within the time for a handshake",
			run: func(a *attack) {
				a.silent(300, []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"))
			},
		},
		{
			name: "silent connections", slow: true,
			does:  "opens 1,000 connections and sends nothing",
			right: "cut within the time for a handshake, or at once",
			run:   func(a *attack) { a.silent(1000, nil) },
		},
		{
			name: "more connections than there are places", slow: true,
			does:  "opens 3,000 connections from one address, finishes the TLS handshake on each and leaves it idle",
			right: "those above the peer's share are cut; the good client gets its own",
			run: func(a *attack) {
				open, refused := a.many(3000, 32, func(ctx context.Context) (net.Conn, error) { return a.server.dial(ctx, a.peer) })
				a.notef("%d of 3000 open, %d refused", len(open), refused)
				a.hold(a.lasts)
				closeAll(open)
			},
		},
		{
			name:  "TLS handshakes without a pause",
			does:  "8 clients shake hands and hang up, again and again",
			right: "each handshake is made or refused, the good client is answered in time",
			run: func(a *attack) {
				a.clients(8, func(ctx context.Context, _ int) {
					if conn, err := a.server.dial(ctx, a.peer); err == nil {
						_ = conn.Close()
					}
				})
			},
		},
		{
			name:  "plain HTTP and garbage on the TLS port",
			does:  "sends a plain request and random bytes",
			right: "answered 400 or cut",
			run: func(a *attack) {
				a.clients(8, func(ctx context.Context, client int) {
					text := "POST /inject HTTP/1.1\r\nHost: x\r\n\r\n"
					if client%2 == 1 {
						text = strings.Repeat("\x00\xff\x17\x42", 100)
					}
					raw, err := from(a.peer)(ctx, "tcp", "127.0.0.1:"+a.server.webhook)
					if err != nil {
						return
					}
					a.judge("plain request", exchange(raw, text, 5*time.Second), oneOf(http.StatusBadRequest))
				})
			},
		},
		{
			name:  "half-closed connections",
			does:  "sends a whole request and closes its own direction, or half a request and closes it",
			right: "a whole request is answered, or refused because its caller seems to have gone; half of one gets 400 or is cut",
			run: func(a *attack) {
				body := review(smallPod)
				a.clients(8, func(ctx context.Context, client int) {
					part := body
					if client%2 == 1 {
						part = body[:len(body)/2]
					}
					conn, err := a.server.dial(ctx, a.peer)
					if err != nil {
						return
					}
					defer conn.Close()
					_, _ = io.WriteString(conn, head(len(body))+string(part))
					_ = conn.CloseWrite()
					got := reply(conn, 5*time.Second)
					if client%2 == 1 {
						a.judge("half a request", got, oneOf(http.StatusBadRequest))
					} else if !got.allowed() {
						a.judge("a whole request", got, either(rejected, oneOf()))
					}
				})
			},
		},
		{
			name:  "connections that are reset",
			does:  "sends half a request and resets the connection, 16 clients without a pause",
			right: "nobody is there to answer; the good client is not disturbed",
			run: func(a *attack) {
				body := review(smallPod)
				a.clients(16, func(ctx context.Context, _ int) {
					conn, err := a.server.dial(ctx, a.peer)
					if err != nil {
						return
					}
					_, _ = io.WriteString(conn, head(len(body))+string(body[:len(body)/2]))
					if tcp, ok := conn.NetConn().(*net.TCPConn); ok {
						_ = tcp.SetLinger(0)
					}
					_ = conn.NetConn().Close()
				})
			},
		},
		{
			name: "answers that nobody reads", slow: true,
			does:  "sends requests with large answers on 20 connections without a pause and reads nothing",
			right: "cut when no byte of an answer is taken, and memory stays bounded",
			run: func(a *attack) {
				pod := podOf(`"containers":[{"name":"app","image":"i"}]`, annotation("sidecar.istio.io/logLevel", strings.Repeat("x", 200<<10)))
				body := review(pod)
				request := head(len(body)) + string(body)
				a.held(20, func(conn net.Conn) error {
					go func() {
						for {
							if _, err := io.WriteString(conn, request); err != nil {
								return
							}
						}
					}()
					return nil
				}, unread)
			},
		},
		{
			name:  "a thousand requests at once on one connection",
			does:  "writes 1,000 requests before it reads an answer",
			right: "each is answered, or 429",
			run: func(a *attack) {
				conn, err := a.server.dial(a.ctx, a.peer)
				if err != nil {
					a.wrongf("%v", err)
					return
				}
				defer conn.Close()
				body := review(smallPod)
				request := head(len(body)) + string(body)
				go func() {
					for range 1000 {
						if _, err := io.WriteString(conn, request); err != nil {
							return
						}
					}
				}()
				_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
				in := bufio.NewReader(conn)
				for i := range 1000 {
					response, err := http.ReadResponse(in, nil)
					if err != nil {
						a.wrongf("answer %d: %v", i, err)
						return
					}
					got := read(response)
					_ = response.Body.Close()
					if !got.allowed() && got.status != http.StatusTooManyRequests {
						a.wrongf("answer %d: %s", i, got)
					}
				}
			},
		},
		{
			name:  "chunked body without end",
			does:  "sends chunks until it is stopped",
			right: "answered 413 or cut, before more than the largest body is kept",
			run: func(a *attack) {
				chunk := "10000\r\n" + strings.Repeat(" ", 0x10000) + "\r\n"
				a.clients(4, func(ctx context.Context, _ int) {
					got := a.raw(ctx, "POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+strings.Repeat(chunk, 160))
					a.judge("10 MiB of chunks", got, oneOf(http.StatusRequestEntityTooLarge, http.StatusTooManyRequests))
				})
			},
		},
		{
			name:  "two lengths in one request",
			does:  "sends Content-Length with Transfer-Encoding, two lengths, a negative one, and one above any number",
			right: "answered 400 or 501, or cut; never taken for two requests",
			run: func(a *attack) {
				for _, lines := range []string{
					"Content-Length: 5\r\nContent-Length: 6", "Content-Length: -1", "Content-Length: 99999999999999999999999", "Content-Length: +5",
					"Transfer-Encoding: chunked, identity", "Transfer-Encoding: gzip", "Transfer-Encoding : chunked",
				} {
					got := a.raw(a.ctx, "POST /inject HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"+lines+"\r\n\r\nhello")
					a.judge(lines, got, oneOf(http.StatusBadRequest, http.StatusNotImplemented))
				}
			},
		},
		{
			name:  "bodies too large",
			does:  "announces 8 MiB, 1 GiB and 1 EiB",
			right: "answered 413 before anything is read",
			run: func(a *attack) {
				for _, length := range []int{8 * mib, 1 << 30, 1 << 60} {
					got := a.raw(a.ctx, head(length))
					if got.status != http.StatusRequestEntityTooLarge {
						a.wrongf("%d bytes: %s", length, got)
					}
				}
			},
		},
		{
			name:  "callers who hang up",
			does:  "8 clients send pods that are expensive to inject and hang up after 20 ms",
			right: "the work ends when its caller has gone: the server is idle at once",
			run: func(a *attack) {
				by := a.server.newCaller(a.peer, true)
				body := review(podOf(`"containers":[{"name":"app","image":"i"}]`, annotation("inject.istio.io/templates", strings.TrimSuffix(strings.Repeat("sidecar,", 25_000), ","))))
				a.clients(8, func(ctx context.Context, _ int) {
					ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
					defer cancel()
					by.send(ctx, body, 10*time.Second)
				})
				if err := until(a.ctx, 2*time.Second, "the work to end", func() error {
					now, err := a.server.metrics(a.ctx)
					if err == nil && now["sidecar_injector_requests_in_flight"] > 4 {
						err = fmt.Errorf("%.0f requests in flight", now["sidecar_injector_requests_in_flight"])
					}
					return err
				}); err != nil {
					a.wrongf("%v", err)
				}
			},
		},
		{
			name: "a thousand peers with a connection each", slow: true,
			does:  "1,000 addresses open one request each and send half of its body",
			right: "answered 408 or 429, or cut",
			run: func(a *attack) {
				body := review(smallPod)
				i := 0
				open, refused := a.many(1000, 32, func(ctx context.Context) (net.Conn, error) {
					a.mu.Lock()
					i++
					peer := hostilePeer(i)
					a.mu.Unlock()
					conn, err := a.server.dial(ctx, peer)
					if err == nil {
						_, err = io.WriteString(conn, head(len(body))+string(body[:len(body)/2]))
					}
					return conn, err
				})
				a.notef("%d open, %d refused", len(open), refused)
				a.waitCut(open, nil)
			},
		},
	}
}

// announced opens requests whose bodies never come.
func announced(name string, connections int, lengths []int) hostileCase {
	return hostileCase{
		name: name, slow: true,
		does:  fmt.Sprintf("opens %d requests, announces bodies of %d bytes, and sends nothing of them", connections, lengths[0]),
		right: "answered 408 or 429, or cut; what is only announced takes no place",
		run: func(a *attack) {
			var mu sync.Mutex
			i := 0
			a.held(connections, func(conn net.Conn) error {
				mu.Lock()
				length := lengths[i%len(lengths)]
				i++
				mu.Unlock()
				_, err := io.WriteString(conn, head(length))
				return err
			}, nil)
		},
	}
}

// head is a request's up to its body.
func head(length int) string {
	return fmt.Sprintf("POST /inject?timeout=10s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", process.Hosts()[0], length)
}

// many opens connections, some at a time, and counts those that were refused.
func (a *attack) many(n, atOnce int, open func(context.Context) (net.Conn, error)) (conns []net.Conn, refused int) {
	var mu sync.Mutex
	var all errgroup.Group
	all.SetLimit(atOnce)
	for range n {
		all.Go(func() error {
			a.opening <- struct{}{}
			defer func() { <-a.opening }()
			ctx, cancel := context.WithTimeout(a.ctx, 10*time.Second)
			defer cancel()
			conn, err := open(ctx)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				refused++
				return nil
			}
			conns = append(conns, conn)
			return nil
		})
	}
	_ = all.Wait() // no function returns an error
	return conns, refused
}

func closeAll(conns []net.Conn) {
	for _, c := range conns {
		_ = c.Close()
	}
}

// hold waits, while the good client goes on.
func (a *attack) hold(d time.Duration) {
	select {
	case <-time.After(d):
	case <-a.ctx.Done():
	}
}

// held opens connections, begins something on each, and waits until the server
// has answered or cut all.
func (a *attack) held(n int, begin func(net.Conn) error, wait func(net.Conn) answer) {
	open, refused := a.many(n, 32, func(ctx context.Context) (net.Conn, error) {
		conn, err := a.server.dial(ctx, a.peer)
		if err != nil {
			return nil, err
		}
		_ = conn.SetWriteDeadline(time.Now().Add(cutAfter))
		if err := begin(conn); err != nil {
			_ = conn.Close()
			return nil, err
		}
		return conn, nil
	})
	a.notef("%d held, %d refused", len(open), refused)
	a.waitCut(open, wait)
}

// waitCut waits until the server has ended each connection.
func (a *attack) waitCut(open []net.Conn, wait func(net.Conn) answer) {
	defer closeAll(open)
	if wait == nil {
		wait = func(conn net.Conn) answer { return reply(conn, cutAfter) }
	}
	var all sync.WaitGroup
	var longest time.Duration
	for _, conn := range open {
		all.Go(func() {
			got := wait(conn)
			a.judge("unfinished request", got, oneOf(http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadRequest))
			a.mu.Lock()
			defer a.mu.Unlock()
			longest = max(longest, got.took)
		})
	}
	all.Wait()
	a.notef("the last ended after %.1f s", longest.Seconds())
}

// trickle begins requests and goes on with single pieces until the server ends
// the connection.
func (a *attack) trickle(n int, begin, piece string, pause, most time.Duration) {
	a.held(n, func(conn net.Conn) error {
		_, err := io.WriteString(conn, begin)
		return err
	}, func(conn net.Conn) answer {
		ctx, stop := context.WithTimeout(a.ctx, most)
		defer stop()
		go func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					if _, err := io.WriteString(conn, piece); err != nil {
						return
					}
				}
			}
		}()
		return reply(conn, most)
	})
}

// silent opens connections without a handshake and waits until they are cut.
func (a *attack) silent(n int, first []byte) {
	open, refused := a.many(n, 64, func(ctx context.Context) (net.Conn, error) {
		conn, err := from(a.peer)(ctx, "tcp", "127.0.0.1:"+a.server.webhook)
		if err != nil {
			return nil, err
		}
		_, err = conn.Write(first)
		return conn, err
	})
	a.notef("%d held, %d refused", len(open), refused)
	a.waitCut(open, nil)
}

// raw sends text on a connection of its own and reads one answer.
func (a *attack) raw(ctx context.Context, text string) answer {
	conn, err := a.server.dial(ctx, a.peer)
	if err != nil {
		return answer{err: errCut}
	}
	return exchange(conn, text, 10*time.Second)
}

// exchange writes and reads at the same time: a server may answer before it has
// read all.
func exchange(conn net.Conn, text string, most time.Duration) answer {
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(most))
	go func() { _, _ = io.WriteString(conn, text) }()
	return reply(conn, most)
}

// errCut is the error of a connection that the server ended without an answer.
var errCut = errors.New("the connection was cut")

// errOpen is the error of one that it did not end in the time.
var errOpen = errors.New("the connection is still open, and nothing was answered")

// reply reads one answer.
func reply(conn net.Conn, most time.Duration) (a answer) {
	begin := time.Now()
	defer func() { a.took = time.Since(begin) }()
	_ = conn.SetReadDeadline(begin.Add(most))
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return answer{err: ended(err)}
	}
	defer response.Body.Close()
	return read(response)
}

func ended(err error) error {
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return errOpen
	}
	return errCut
}

// unread waits until the server cuts a connection of whose answers nothing is
// read. That shows when writing fails, or reading when nothing is left.
func unread(conn net.Conn) (a answer) {
	begin := time.Now()
	defer func() { a.took = time.Since(begin) }()
	raw := conn.(*tls.Conn).NetConn()
	for time.Since(begin) < 2*cutAfter {
		_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := raw.Write([]byte{0}); err != nil {
			var late net.Error
			if !errors.As(err, &late) || !late.Timeout() {
				return answer{err: errCut}
			}
		}
		time.Sleep(100 * time.Millisecond) // writing again is the only way to notice
	}
	return answer{err: errOpen}
}

// oneOf expects a code of HTTP or of the review, or a connection cut.
func oneOf(codes ...int) func(answer) error {
	return func(got answer) error {
		if errors.Is(got.err, errCut) {
			return nil
		}
		if got.err != nil {
			return got.err
		}
		for _, code := range codes {
			if got.code() == code {
				return nil
			}
		}
		return fmt.Errorf("%s, want code %v or a cut", got, codes)
	}
}
