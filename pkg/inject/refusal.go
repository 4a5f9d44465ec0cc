package inject

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// refusal is an error with the code that it is reported under.
type refusal struct {
	code decide.Code
	err  error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(code decide.Code, err error) error {
	if err == nil {
		return nil
	}
	return &refusal{code, err}
}

// PanicError is a bug of ours. Error says what happened; the stack is for the
// log.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("internal error, please report it with the pod's manifest: %v", e.Value)
}

// panicked makes an error of what recover has returned.
func panicked(value any) error {
	return refuse(decide.Internal, &PanicError{value, debug.Stack()})
}

// refused turns a result into a refusal. What led to the decision so far stays
// in the trace.
func refused(res Result, err error) Result {
	code := decide.Internal
	var r *refusal
	if errors.As(err, &r) {
		code = r.code
	}
	message := cut.Line(strings.ReplaceAll(err.Error(), "\n", "; "), maxMessage)
	trace := res.Decision.Trace
	if trace != nil {
		trace = append(trace, decide.Step{Check: string(code), Detail: message})
	}
	res.Decision = decide.Decision{Code: code, Outcome: decide.Refuse, Message: message, Trace: trace}
	res.Err = err
	res.Patch, res.Pod = nil, nil
	return res
}
