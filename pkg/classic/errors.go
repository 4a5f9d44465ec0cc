package classic

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/yamlerror"
)

// Error is why a text is not a fragment.
type Error struct {
	// Path is the field, for example containers.env.value, without the items of lists;
	// empty when the text is not YAML.
	Path string
	// Problem says what is wrong with it, and what would be right.
	Problem string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Problem
	}
	return e.Path + ": " + e.Problem
}

// unusable makes an error of what the library says, without the names of Go types.
func unusable(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		if text, ok := strings.CutPrefix(err.Error(), "error unmarshaling JSON: while decoding JSON: "); ok {
			return &Error{Problem: text}
		}
		return &Error{Problem: "is not valid YAML: " + yamlerror.Message(err)}
	}
	if wrong.Field == "" {
		return &Error{Problem: fmt.Sprintf("is %s, must be an object", found(wrong.Value))}
	}
	return &Error{wrong.Field, fmt.Sprintf("is %s, must be %s", found(wrong.Value), kind(wrong.Type))}
}

// found says what the library calls a value of JSON.
func found(value string) string {
	switch {
	case value == "string":
		return "text"
	case value == "array":
		return "a list"
	case value == "object":
		return "an object"
	case value == "bool":
		return "true or false"
	case strings.HasPrefix(value, "number"):
		return "a number"
	}
	return value
}

func kind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return kind(t.Elem())
	case reflect.Slice:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	}
	return "a number"
}
