package reload_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/reload"
)

func Example() {
	source := "blue"
	loop := reload.New(reload.Options[string]{
		Name: "color",
		Load: func(context.Context, string) (value, hash string, err error) {
			if source == "" {
				return "", "", errors.New("the source is empty")
			}
			return strings.ToUpper(source), source, nil
		},
	})
	fmt.Println(loop.Reload(context.Background()), loop.Current().Value)
	source = ""
	fmt.Println(loop.Reload(context.Background()), "- still", loop.Current().Value)
	// Output:
	// <nil> BLUE
	// the source is empty - still BLUE
}
