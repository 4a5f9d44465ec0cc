package functions

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// By doubling a string or a list in a loop, a template makes a lot of memory in
// few steps, so every value that functions make is limited.
const (
	// maxValue is the size, as Size counts, of one function's arguments or result. A
	// template may keep many of these, and its output is limited to a quarter.
	maxValue = 4 << 20
	// maxProduct bounds the result of functions whose result may be as large as
	// the product of their arguments.
	maxProduct = 16 << 20
	// maxRange is the number of items that until, untilStep and seq may count.
	maxRange = 10_000
	// maxNesting is the depth of lists and maps within each other. It also
	// stops maps that a template put into themselves.
	maxNesting = 100
	// maxItems is how many parts a text may be taken apart into. Each costs 100 bytes
	// in the map that split makes.
	maxItems = 100_000
	// maxFactors is how many numbers a function may calculate with exactly: a product
	// has as many digits as its factors together.
	maxFactors = 100
	// maxParsed is the size of a text that is parsed, as JSON or as a version: what it
	// stands for takes up to 50 times its size.
	maxParsed  = 1 << 20
	maxVersion = 1 << 10
	// maxUnique is the length of a list that is compared item by item.
	maxUnique = 2000
	// maxWidth is the width or precision of a printf verb.
	maxWidth = 1000
)

// limitError is the value of a panic by which a function refuses its arguments.
type limitError string

func (e limitError) Error() string { return string(e) }

// IsLimit reports whether an error is that of a function which has refused its
// arguments because of a limit.
func IsLimit(err error) bool {
	var limit limitError
	return errors.As(err, &limit)
}

func refuse(format string, args ...any) {
	panic(limitError(fmt.Sprintf(format, args...)))
}

// Size returns the bytes of the strings in a value plus 16 for each item of its
// lists and maps. A struct counts as 64 items, however large it is: pods and the
// mesh configuration come from outside, and templates cannot make them larger.
// Size panics when the sum exceeds limit or the value is nested too deep.
func Size(v reflect.Value, limit int) int {
	s := sizer{limit: limit}
	s.add(v, 0)
	return s.sum
}

type sizer struct{ sum, limit int }

// itemSize is what one item of a list or map costs in memory, about.
const itemSize = 16

func (s *sizer) add(v reflect.Value, depth int) {
	if depth > maxNesting {
		refuse("a value is nested more than %d deep, or holds itself", maxNesting)
	}
	s.sum += itemSize
	switch v.Kind() {
	case reflect.String:
		s.sum += v.Len()
	case reflect.Interface:
		if !v.IsNil() {
			s.add(v.Elem(), depth)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			s.sum += v.Len()
			break
		}
		s.each(v, depth)
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			s.add(iter.Key(), depth+1)
			s.add(iter.Value(), depth+1)
		}
	case reflect.Struct, reflect.Pointer:
		// A fixed sum, so that a list of thousands of pod specs is noticed.
		s.sum += 64 * itemSize
	}
	s.check()
}

func (s *sizer) each(v reflect.Value, depth int) {
	s.check()
	for i := range v.Len() {
		s.add(v.Index(i), depth+1)
	}
}

func (s *sizer) check() {
	if s.sum > s.limit {
		refuse("a value is larger than %d bytes", s.limit)
	}
}

// bounded wraps a function so that neither its arguments nor its result may
// exceed the limits. It keeps the function's type, so that text/template
// converts arguments as before.
func bounded(f any) any {
	fn := reflect.ValueOf(f)
	call := fn.Call
	if fn.Type().IsVariadic() {
		call = fn.CallSlice
	}
	return reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
		sum := 0
		for _, a := range args {
			sum += Size(a, maxValue-sum)
		}
		out := call(args)
		Size(out[0], maxValue)
		return out
	}).Interface()
}

// limitProduct refuses a result whose size could be a times b.
func limitProduct(a, b int) {
	if a > 0 && b > 0 && a > maxProduct/b {
		refuse("the result could be larger than %d bytes", maxProduct)
	}
}

// shorter limits the length of a function's arguments that are texts.
func shorter(f any, what string, limit int) any {
	inner := reflect.ValueOf(f)
	return reflect.MakeFunc(inner.Type(), func(args []reflect.Value) []reflect.Value {
		for _, a := range args {
			if a.Kind() == reflect.String && a.Len() > limit {
				refuse("%s is longer than %d bytes", what, limit)
			}
		}
		return inner.Call(args)
	}).Interface()
}

// few limits the number of a variadic function's arguments.
func few(f any) any {
	inner := reflect.ValueOf(bounded(f))
	return reflect.MakeFunc(inner.Type(), func(args []reflect.Value) []reflect.Value {
		if !inner.Type().IsVariadic() {
			return inner.Call(args)
		}
		if last := len(args) - 1; last+args[last].Len() > maxFactors {
			refuse("more than %d numbers", maxFactors)
		}
		return inner.CallSlice(args)
	}).Interface()
}

// apart limits into how many parts a function takes a text, its last argument, by
// a separator, its first.
func apart(f any) any {
	inner := reflect.ValueOf(bounded(f))
	return reflect.MakeFunc(inner.Type(), func(args []reflect.Value) []reflect.Value {
		if strings.Count(args[len(args)-1].String(), args[0].String()) >= maxItems {
			refuse("a text has more than %d parts", maxItems)
		}
		return inner.Call(args)
	}).Interface()
}

// limitText refuses a string that is too large, and returns it otherwise.
func limitText(s string) string {
	if len(s) > maxValue {
		refuse("a string is larger than %d bytes", maxValue)
	}
	return s
}
