package app

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError says in the words of the other checks what is wrong with a value
// that does not even parse; pflag's own sentence names Go functions.
func flagError(_ *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	flag := invalid.GetFlag()
	var must string
	switch flag.Value.Type() {
	case "int":
		must = "a number"
	case "duration":
		must = "a duration with a unit, such as 30s or 1h"
	case "bool":
		must = "true or false"
	default:
		return err
	}
	return fmt.Errorf("invalid --%s %q: must be %s", flag.Name, invalid.GetValue(), must)
}
