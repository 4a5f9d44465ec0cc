// Package quantity reads quantities of resources that others have written. The
// library of Kubernetes takes time and memory in proportion to the value of an
// exponent, and to the square of the number of digits: 1e-1000000000 keeps it busy
// for minutes. Here both are limited before the library sees them.
package quantity

import (
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

const (
	// maxLength is the length of a quantity in bytes. The largest one that the library
	// can hold has 19 digits, and the smallest part that it keeps 9.
	maxLength = 64
	// maxExponent is the largest exponent of ten, and the smallest one with the other
	// sign: beyond 18 the library holds the value as its largest.
	maxExponent = 99
)

// LimitError is a quantity that is too long to be read.
type LimitError struct{ Value string }

func (e *LimitError) Error() string {
	return fmt.Sprintf("quantity %s is %d bytes long or has an exponent out of bounds, it may have %d bytes and an exponent from -%d to %d: write it as in 100m or 128Mi",
		cut.Quote(e.Value, 30), len(e.Value), maxLength, maxExponent, maxExponent)
}

// Parse reads a quantity. The error is a *LimitError, or that of the library.
func Parse(text string) (resource.Quantity, error) {
	if err := Check(text); err != nil {
		return resource.Quantity{}, err
	}
	return resource.ParseQuantity(text)
}

// Check returns a *LimitError for a text that Parse does not read because of a
// limit. It does not say that others are quantities.
func Check(text string) error {
	if len(text) > maxLength || exponent(text) > maxExponent {
		return &LimitError{text}
	}
	return nil
}

// IsLimit reports whether an error is about a quantity that is too long.
func IsLimit(err error) bool {
	if err == nil {
		return false // nearly always, and without the memory that errors.As takes
	}
	var limit *LimitError
	return errors.As(err, &limit)
}

// exponent returns the exponent of a number without its sign; 0 where there is
// none.
func exponent(text string) int {
	i := strings.LastIndexAny(text, "eE")
	if i < 0 {
		return 0
	}
	n := 0
	for _, c := range []byte(strings.TrimLeft(text[i+1:], "+-")) {
		if c < '0' || c > '9' {
			return 0 // no exponent: a suffix such as Ei
		}
		if n = 10*n + int(c-'0'); n > maxExponent {
			return n
		}
	}
	return n
}
