package admission

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/server"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// live is a handler behind a real server.
type live struct {
	*handler
	t       *testing.T
	address string

	mu     sync.Mutex
	events []Event
	limits []string // that turned callers away, as "limit peer"
}

// inside is an engine that lets a test look at the work.
type inside func(context.Context, inject.Request) inject.Result

func (f inside) Inject(ctx context.Context, r inject.Request) inject.Result { return f(ctx, r) }
func (f inside) Hash() string                                               { return "cafe" }

func serveLive(t *testing.T, cfg Config, do inside) *live {
	t.Helper()
	l := &live{t: t}
	cfg.Engine = func() Engine { return do }
	cfg.Peer = server.Peer
	cfg.Observe = func(ev Event) { l.mu.Lock(); defer l.mu.Unlock(); l.events = append(l.events, ev) }
	cfg.Rejected = func(r *Rejection) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.limits = append(l.limits, r.Limit+" "+r.Peer)
	}
	l.handler = NewHandler(cfg).(*handler)
	s, err := server.Listen(server.Options{Name: "test", Address: "127.0.0.1:0", Handler: l.handler, Timeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { stop(); <-ended })
	l.address = s.Addr().String()
	return l
}

func (l *live) seen() ([]Event, []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.events), slices.Clone(l.limits)
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) { // between looks
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// begin opens a connection from an address of the loopback network, which is a peer
// of its own, and sends the head of a request that announces so many bytes, and the
// first ones.
func (l *live) begin(peer, query string, announced int, body string) net.Conn {
	l.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(peer)}, Timeout: patience}
	c, err := d.Dial("tcp", l.address)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "POST /inject%s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", query, announced, body); err != nil {
		l.t.Fatal(err)
	}
	return c
}

// call sends a whole review.
func (l *live) call(peer, query, review string) net.Conn {
	l.t.Helper()
	return l.begin(peer, query, len(review), review)
}

// answer reads what comes back.
func answer(t *testing.T, c net.Conn) (int, string) {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func mustAnswer(t *testing.T, c net.Conn, status int, says string) {
	t.Helper()
	if code, text := answer(t, c); code != status || !strings.Contains(text, says) {
		t.Errorf("answered %d %.200s, want %d and %q", code, text, status, says)
	}
}

// reviewOf returns a review of a pod of at least that many bytes.
func reviewOf(size int) string {
	return `{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","operation":"CREATE","object":{"metadata":{"annotations":{"a":"` +
		strings.Repeat("x", size) + `"}}}}}`
}

func let(context.Context, inject.Request) inject.Result { return injected }

// Announcing a body costs nothing: only what has arrived counts.
func TestAnnouncedBodies(t *testing.T) {
	l := serveLive(t, Config{Parallel: 2}, let)
	for range 40 { // 280 MiB
		l.begin("127.0.0.2", "", maxBodyBytes, "")
	}
	eventually(t, "all are being read", func() bool { return l.room.reading.Used() == 40 })
	if n := l.room.bytes.Used(); n > 40*firstRead {
		t.Errorf("%d bytes are charged for nothing", n)
	}
	mustAnswer(t, l.call("127.0.0.2", "", reviewOf(1<<20)), http.StatusOK, `"allowed":true`)
	mustAnswer(t, l.call("127.0.0.3", "", reviewOf(1<<20)), http.StatusOK, `"allowed":true`)
}

// One peer has all places for bodies that are being read.
func TestUnfinishedBodies(t *testing.T) {
	l := serveLive(t, Config{Parallel: 2, Limits: Limits{Reading: 8}}, let)
	var open []net.Conn
	for range 8 {
		open = append(open, l.begin("127.0.0.2", "", 1000, "half"))
	}
	eventually(t, "all are being read", func() bool { return l.room.reading.Used() == 8 })
	mustAnswer(t, l.begin("127.0.0.2", "", 1000, "half"), http.StatusTooManyRequests, "8 requests are being read already")
	mustAnswer(t, l.call("127.0.0.3", "", reviewOf(0)), http.StatusOK, `"allowed":true`)
	// The oldest one had to yield, and hears of it.
	mustAnswer(t, open[0], http.StatusTooManyRequests, "8 requests are being read already")
	eventually(t, "both rejections told", func() bool {
		_, limits := l.seen()
		return slices.Equal(limits, []string{"reading 127.0.0.2", "reading 127.0.0.2"})
	})
	eventually(t, "its place is free", func() bool { return l.room.reading.Used() == 7 })
}

// A caller that has to yield while it sends the end of a large body hears why, and its
// connection is not reset under it.
func TestYieldingCallersHearWhy(t *testing.T) {
	const all, rest = 1 << 20, 200 << 10 // net/http takes in up to 256 KiB of a rest
	l := serveLive(t, Config{Parallel: 2, Limits: Limits{Reading: 8}}, let)
	for range 10 {
		first := l.begin("127.0.0.2", "", all, strings.Repeat("x", all-rest))
		eventually(t, "it has come so far", func() bool { return l.room.giants.Used() >= all })
		others := make([]net.Conn, 7)
		for i := range others {
			others[i] = l.begin("127.0.0.2", "", 1000, "half")
		}
		eventually(t, "all are being read", func() bool { return l.room.reading.Used() == 8 })
		mustAnswer(t, l.call("127.0.0.3", "", reviewOf(0)), http.StatusOK, `"allowed":true`)
		for range rest >> 10 {
			if _, err := io.WriteString(first, strings.Repeat("x", 1<<10)); err != nil {
				t.Fatal(err)
			}
		}
		mustAnswer(t, first, http.StatusTooManyRequests, "8 requests are being read already")
		for _, c := range others {
			c.Close()
		}
		eventually(t, "all places are free", func() bool { return l.room.reading.Used() == 0 })
	}
}

// One peer has all bytes there are.
func TestBytesOfBodies(t *testing.T) {
	l := serveLive(t, Config{Parallel: 2, Limits: Limits{Bytes: 2 << 20}}, let)
	first := l.begin("127.0.0.2", "", 400_000, strings.Repeat("x", 390_000))
	eventually(t, "the first has arrived", func() bool { return l.room.giants.Used() > 390_000 })
	l.begin("127.0.0.2", "", 400_000, strings.Repeat("x", 390_000))
	eventually(t, "the second has arrived", func() bool { return l.room.giants.Used() > 780_000 })
	mustAnswer(t, l.call("127.0.0.2", "", reviewOf(400_000)), http.StatusTooManyRequests, "hold 2097152 bytes already")
	mustAnswer(t, l.call("127.0.0.3", "", reviewOf(300_000)), http.StatusOK, `"allowed":true`)
	mustAnswer(t, first, http.StatusTooManyRequests, "hold 2097152 bytes already")
}

// Many peers send large bodies at the same time: those for which there is room come to
// their end, however many others begin, and small ones come between.
func TestLargeBodiesComeToTheirEnd(t *testing.T) {
	l := serveLive(t, Config{Parallel: 2}, let)
	giant := reviewOf(6 << 20)
	var first []net.Conn
	for i := range 2 {
		first = append(first, l.begin(fmt.Sprintf("127.0.0.%d", i+2), "", len(giant), giant[:1<<20]))
		eventually(t, "it has its room", func() bool { return l.room.giants.Used() > int64(i+1)*6<<20 })
	}
	for i := range 20 {
		mustAnswer(t, l.begin(fmt.Sprintf("127.0.1.%d", i+1), "", len(giant), giant[:1<<20]), http.StatusTooManyRequests, "hold 33554432 bytes already")
		mustAnswer(t, l.call(fmt.Sprintf("127.0.2.%d", i+1), "", reviewOf(100_000)), http.StatusOK, `"allowed":true`)
	}
	for _, c := range first {
		if _, err := io.WriteString(c, giant[1<<20:]); err != nil {
			t.Fatal(err)
		}
		mustAnswer(t, c, http.StatusOK, `"allowed":true`)
	}
}

// One peer has a request in every place, and all of them wait.
func TestPlaces(t *testing.T) {
	work := make(chan struct{})
	l := serveLive(t, Config{Parallel: 1, Limits: Limits{Requests: 4}}, func(context.Context, inject.Request) inject.Result {
		<-work
		return injected
	})
	at := l.call("127.0.0.2", "?timeout=30s", reviewOf(0))
	eventually(t, "one at work", func() bool { return l.room.places.Used() == 1 && l.room.small.Waiting() == 0 })
	var wait []net.Conn
	for i := range 3 {
		wait = append(wait, l.call("127.0.0.2", "?timeout=30s", reviewOf(0)))
		eventually(t, "it waits", func() bool { return l.room.small.Waiting() == i+1 })
	}
	mustAnswer(t, l.call("127.0.0.2", "?timeout=30s", reviewOf(0)), http.StatusTooManyRequests, "4 requests are open already")
	other := l.call("127.0.0.3", "?timeout=30s", reviewOf(0))
	mustAnswer(t, wait[0], http.StatusTooManyRequests, "4 requests are open already")
	close(work)
	for _, c := range append(wait[1:], at, other) {
		mustAnswer(t, c, http.StatusOK, `"allowed":true`)
	}
	eventually(t, "all is given back", func() bool {
		return l.room.places.Used() == 0 && l.room.bytes.Used() == 0 && l.room.reading.Used() == 0
	})
}

// A body that does not come is cut long before the whole time for it is over.
func TestPace(t *testing.T) {
	l := serveLive(t, Config{Parallel: 2}, let)
	l.room.paceTime = 50 * time.Millisecond
	for name, body := range map[string]string{"nothing": "", "a bit": "{", "fast first": strings.Repeat(" ", paceBytes+1)} {
		t.Run(name, func(t *testing.T) {
			mustAnswer(t, l.begin("127.0.0.2", "?timeout=30s", maxBodyBytes, body), http.StatusRequestTimeout, "send at least 65536 bytes in 50ms")
		})
	}
	t.Run("a byte now and then", func(t *testing.T) {
		c := l.begin("127.0.0.2", "?timeout=30s", 1000, "{")
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(5 * time.Millisecond):
					_, _ = io.WriteString(c, " ")
				}
			}
		}()
		mustAnswer(t, c, http.StatusRequestTimeout, "send at least")
		close(stop)
	})
	t.Run("no longer than the caller waits", func(t *testing.T) {
		l.room.paceTime = time.Hour
		mustAnswer(t, l.begin("127.0.0.2", "?timeout=50ms", 1000, "{"), http.StatusRequestTimeout, "send at least")
	})
}

// The engine knows when its caller stops waiting, and hears when it has gone.
func TestEngineHasTheCallersTime(t *testing.T) {
	type look struct {
		left time.Duration
		err  error
	}
	looks, hold := make(chan look, 1), make(chan struct{})
	l := serveLive(t, Config{Parallel: 1}, func(ctx context.Context, _ inject.Request) inject.Result {
		end, ok := ctx.Deadline()
		if !ok {
			t.Error("no deadline")
		}
		looks <- look{left: time.Until(end)}
		<-hold
		select {
		case <-ctx.Done():
			looks <- look{err: context.Cause(ctx)}
		case <-time.After(patience):
			looks <- look{}
		}
		return injected
	})
	c := l.call("127.0.0.2", "?timeout=20s", reviewOf(0))
	if left := (<-looks).left; left > 19500*time.Millisecond || left < 15*time.Second {
		t.Errorf("%s left of 20 s", left)
	}
	// A second one waits, and must not be worked on when its caller has gone.
	waits := l.call("127.0.0.2", "?timeout=20s", reviewOf(0))
	eventually(t, "the second waits", func() bool { return l.room.small.Waiting() == 1 })
	waits.Close()
	eventually(t, "the second gave up", func() bool { return l.room.small.Waiting() == 0 })
	c.Close()
	close(hold)
	if got := <-looks; !errors.Is(got.err, context.Canceled) {
		t.Errorf("the engine was told %v", got.err)
	}
	eventually(t, "all is given back", func() bool { return l.room.places.Used() == 0 })
}

// Large pods wait for each other, small ones for none of them.
func TestLargeAndSmall(t *testing.T) {
	var large atomic.Int32
	hold := make(chan struct{})
	l := serveLive(t, Config{Parallel: 4}, func(_ context.Context, r inject.Request) inject.Result {
		if len(r.Object) > 1<<20 {
			large.Add(1)
			<-hold
		}
		return injected
	})
	giant := reviewOf(3 << 20)
	if c := inject.MemoryFor([]byte(giant)); 2*c <= defaultMaxWork-defaultMaxWork/smallShare {
		t.Fatalf("two giants of %d fit", c)
	}
	first := l.call("127.0.0.2", "?timeout=30s", giant)
	eventually(t, "a giant at work", func() bool { return large.Load() == 1 })
	second := l.call("127.0.0.2", "?timeout=30s", giant)
	eventually(t, "the other one waits", func() bool { return l.room.large.Waiting() == 1 })
	for range 20 {
		mustAnswer(t, l.call("127.0.0.2", "", reviewOf(0)), http.StatusOK, `"allowed":true`)
	}
	if large.Load() != 1 {
		t.Error("two giants at work")
	}
	close(hold)
	mustAnswer(t, first, http.StatusOK, `"allowed":true`)
	mustAnswer(t, second, http.StatusOK, `"allowed":true`)
}

// A caller that does not read its answer does not keep the memory from others.
func TestAnswersThatNobodyReads(t *testing.T) {
	result := injected
	result.Patch = []byte(`[{"op":"add","path":"/x","value":"` + strings.Repeat("x", 20<<20) + `"}]`)
	l := serveLive(t, Config{Parallel: 2}, func(_ context.Context, r inject.Request) inject.Result {
		if strings.Contains(string(r.Object), "xxx") {
			return injected
		}
		return result
	})
	l.call("127.0.0.2", "", reviewOf(0))
	eventually(t, "the answer is being sent", func() bool { return l.room.giants.Used() > 20<<20 })
	mustAnswer(t, l.call("127.0.0.3", "", reviewOf(6<<20)), http.StatusOK, `"allowed":true`)
	eventually(t, "the answer is given up", func() bool { return l.room.giants.Used() == 0 })
}

// A panic has a review for an answer, and a stack for the log.
func TestPanicsAreAnswered(t *testing.T) {
	for name, do := range map[string]inside{
		"recovered by the engine": func(context.Context, inject.Request) inject.Result {
			return inject.Result{Err: fmt.Errorf("wrapped: %w", &inject.PanicError{Value: "hunter2", Stack: []byte(strings.Repeat("frame\n", maxStack))})}
		},
		"not recovered": func(context.Context, inject.Request) inject.Result { panic("hunter2") },
	} {
		t.Run(name, func(t *testing.T) {
			l := serveLive(t, Config{Parallel: 1}, do)
			code, text := answer(t, l.call("127.0.0.2", "", reviewOf(0)))
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal([]byte(text), &got); err != nil || code != http.StatusOK {
				t.Fatalf("answered %d %s", code, text)
			}
			r := got.Response
			if r.Allowed || r.UID != "u" || r.Result.Code != http.StatusInternalServerError || r.AuditAnnotations["decision"] != "internal-error" || strings.Contains(text, "hunter2") {
				t.Errorf("answered %s", text)
			}
			eventually(t, "it is told", func() bool { events, _ := l.seen(); return len(events) == 1 })
			events, _ := l.seen()
			if ev := events[0]; len(ev.Stack) == 0 || len(ev.Stack) > maxStack || !strings.Contains(ev.Error, "hunter2") || ev.Decision != "internal-error" {
				t.Errorf("observed %.300s, %d bytes of stack", ev.Error, len(ev.Stack))
			}
		})
	}
}

// Whatever a caller sends, what is told of it is short.
func TestWhatIsToldIsShort(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	l := serveLive(t, Config{Parallel: 1}, func(context.Context, inject.Request) inject.Result {
		r := injected
		r.Decision.Outcome, r.Decision.Message = 0, long
		r.Name, r.Namespace, r.Workload.TypeMeta.Kind, r.Workload.ObjectMeta.Name = long, long, long, long
		r.Templates = strings.Split(strings.Repeat("sidecar,", 100_000), ",")
		r.Warnings = slices.Repeat([]string{long}, 40)
		return r
	})
	code, text := answer(t, l.call("127.0.0.2", "", reviewOf(0)))
	if code != http.StatusOK || len(text) > 40<<10 {
		t.Errorf("answered %d with %d bytes", code, len(text))
	}
	eventually(t, "it is told", func() bool { events, _ := l.seen(); return len(events) == 1 })
	events, _ := l.seen()
	if n := len(fmt.Sprintf("%+v", events[0])); n > 8<<10 {
		t.Errorf("the event has %d bytes", n)
	}
	mustAnswer(t, l.call("127.0.0.2", "", strings.Replace(reviewOf(0), `"uid":"u"`, `"uid":"`+strings.Repeat("u", 2<<20)+`"`, 1)),
		http.StatusBadRequest, "field request.uid has 2097152 bytes, more than 128")
	code, text = answer(t, l.call("127.0.0.2", "", strings.Replace(reviewOf(0), `"uid":"u"`, `"uid":[`+strings.Repeat("[", 100)+`"`+long[:100_000], 1)))
	if code != http.StatusBadRequest || len(text) > 2<<10 {
		t.Errorf("answered %d with %d bytes", code, len(text))
	}
}
