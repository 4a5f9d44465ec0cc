//go:build integration && linux

package hostile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// smallPod is the smallest that is injected.
var smallPod = podOf(`"containers":[{"name":"app","image":"registry.example.com/app:1"}]`)

const oneContainer = `"containers":[{"name":"app","image":"registry.example.com/app:1"}]`

// podOf makes a pod, as JSON, of the fields of its spec and of metadata.
func podOf(spec string, metadata ...string) []byte {
	return []byte(`{"apiVersion":"v1","kind":"Pod","metadata":{` + strings.Join(append([]string{`"name":"victim"`}, metadata...), ",") + `},"spec":{` + spec + `}}`)
}

// annotation is the field of metadata with one annotation.
func annotation(key, value string) string { return annotations(key, value) }

func annotations(pairs ...string) string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return `"annotations":` + encoded(m)
}

func encoded(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // what is passed here always encodes
	}
	return string(b)
}

// list repeats a format that takes a number.
func list(n int, format string) string {
	var b bytes.Buffer
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		if strings.Contains(format, "%") {
			fmt.Fprintf(&b, format, i)
		} else {
			b.WriteString(format)
		}
	}
	return b.String()
}

// The most that an answer to a refused pod, and its line in the log, may hold.
const (
	mostAnswer  = 4 << 10
	mostLogLine = 8 << 10
)

// refused expects a review that refuses the pod as one that is beyond a bound or
// invalid, with a sentence that has these words.
func refused(words ...string) func(answer) error {
	return refusedWith(http.StatusUnprocessableEntity, words...)
}

func refusedWith(code int, words ...string) func(answer) error {
	return func(got answer) error {
		if got.err != nil || got.response == nil || got.allowed() || got.code() != code {
			return fmt.Errorf("%s, want a review that refuses it with code %d", got, code)
		}
		for _, w := range words {
			if !strings.Contains(got.message(), w) {
				return fmt.Errorf("the message does not say %q: %s", w, cut(got.message()))
			}
		}
		if got.bytes > mostAnswer {
			return fmt.Errorf("the answer has %d bytes, want at most %d", got.bytes, mostAnswer)
		}
		return nil
	}
}

// templateFailed expects a pod refused because a template cannot be rendered for
// it, which is told as the injector's error.
func templateFailed(got answer) error {
	return refusedWith(http.StatusInternalServerError, "template")(got)
}

// rejected expects what may be said to one of many requests when places are short.
func rejected(got answer) error {
	switch got.code() {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return nil
	}
	return fmt.Errorf("%s, want 429, 503 or 504", got)
}

// injected expects the pod with its sidecar and nothing else.
func injected(pod []byte) func(answer) error {
	return func(got answer) error {
		if !got.allowed() {
			return fmt.Errorf("%s, want the sidecar", got)
		}
		return injectedOnce(pod, got.response.Patch, nil)
	}
}

// letIn expects the pod let in as it is.
func letIn(got answer) error {
	if !got.allowed() || len(got.response.Patch) > 0 {
		return fmt.Errorf("%s, want it let in as it is", got)
	}
	return nil
}

// either expects one of several.
func either(expected ...func(answer) error) func(answer) error {
	return func(got answer) error {
		var last error
		for _, e := range expected {
			if last = e(got); last == nil {
				return nil
			}
		}
		return fmt.Errorf("nor anything else that would be right: %w", last)
	}
}

// largest is how long one of the largest pods may take to be answered when
// nothing else that is large is at work.
const largest = time.Second

// pods sends one body alone, which must be answered as expected and in time, and
// then many at once, which may be rejected too.
func (a *attack) pods(body []byte, expect func(answer) error) {
	a.bodies([][]byte{body}, 4, expect)
}

func (a *attack) bodies(all [][]byte, clients int, expect func(answer) error) {
	by := a.server.newCaller(a.peer, false)
	defer by.http.CloseIdleConnections()
	alone := by.send(a.ctx, all[0], 10*time.Second)
	a.judge("alone", alone, expect)
	if alone.took > largest {
		a.wrongf("alone: took %d ms", alone.took.Milliseconds())
	}
	a.notef("%d KiB, alone %d ms", len(all[0])>>10, alone.took.Milliseconds())
	var calls, busy atomic.Int64
	a.clients(clients, func(_ context.Context, client int) {
		n := calls.Add(1)
		got := by.send(a.ctx, all[int(n)%len(all)], 10*time.Second)
		if rejected(got) == nil {
			busy.Add(1)
			return
		}
		// The patch of a large pod takes long to apply: the first was.
		if got.allowed() && alone.allowed() {
			return
		}
		a.judge("one of many", got, expect)
	})
	a.notef("%d more, %d of them rejected", calls.Load(), busy.Load())
	if longest, _ := a.server.log.size(); longest > mostLogLine {
		a.wrongf("a line of the log has %d bytes, want at most %d", longest, mostLogLine)
	}
}
