package render

import "reflect"

// weigh adds up the size of a value that templates can build: the bytes of its
// strings and something for each item of lists and maps. Pods and the mesh
// configuration count little, since templates cannot make them larger. It gives
// up, by panicking, when the sum is more than limit or the nesting too deep.
func weigh(v reflect.Value, limit int) int {
	w := scale{limit: limit}
	w.add(v, 0)
	return w.sum
}

type scale struct{ sum, limit int }

// item is what one item of a list or map costs in memory, about.
const item = 16

func (w *scale) add(v reflect.Value, depth int) {
	if depth > maxNesting {
		exceeded("a value is nested more than %d deep, or holds itself", maxNesting)
	}
	w.sum += item
	switch v.Kind() {
	case reflect.String:
		w.sum += v.Len()
	case reflect.Interface:
		if !v.IsNil() {
			w.add(v.Elem(), depth)
		}
	case reflect.Slice, reflect.Array:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			w.sum += v.Len()
			break
		}
		w.each(v, depth)
	case reflect.Map:
		for iter := v.MapRange(); iter.Next(); {
			w.add(iter.Key(), depth+1)
			w.add(iter.Value(), depth+1)
		}
	case reflect.Struct, reflect.Pointer:
		// A fixed sum for what comes from the data, so that a list of
		// thousands of pod specs is noticed.
		w.sum += 64 * item
	}
	w.check()
}

func (w *scale) each(v reflect.Value, depth int) {
	w.check()
	for i := range v.Len() {
		w.add(v.Index(i), depth+1)
	}
}

func (w *scale) check() {
	if w.sum > w.limit {
		exceeded("a value is larger than %d bytes", w.limit)
	}
}

// guarded wraps a function so that neither its arguments nor its result may
// exceed the limits. It keeps the function's type, so that text/template
// converts arguments as before.
func guarded(f any) any {
	fn := reflect.ValueOf(f)
	call := fn.Call
	if fn.Type().IsVariadic() {
		call = fn.CallSlice
	}
	return reflect.MakeFunc(fn.Type(), func(args []reflect.Value) []reflect.Value {
		sum := 0
		for _, a := range args {
			sum += weigh(a, maxValue-sum)
		}
		out := call(args)
		weigh(out[0], maxValue)
		return out
	}).Interface()
}

// product refuses a result whose size could be a times b.
func product(a, b int) {
	if a > 0 && b > 0 && a > maxProduct/b {
		exceeded("the result could be larger than %d bytes", maxProduct)
	}
}

// checkText refuses a string that is too large, and returns it otherwise.
func checkText(s string) string {
	if len(s) > maxValue {
		exceeded("a string is larger than %d bytes", maxValue)
	}
	return s
}
