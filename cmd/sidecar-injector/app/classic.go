package app

import (
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// classicFlags are those that the classic injector had and that mean nothing
// here: logs go to standard error, and there is no introspection port.
var classicFlags = [...]string{
	"ctrlz_address", "ctrlz_port",
	"log_caller", "log_rotate", "log_rotate_max_age", "log_rotate_max_backups", "log_rotate_max_size",
	"log_stacktrace_level", "log_target",
}

// addClassicFlags adds them, hidden, so that manifests in the field go on
// working; which ones were given is told in one log line.
func addClassicFlags(f *pflag.FlagSet, o *options) {
	for _, name := range classicFlags {
		f.String(name, "", "has no meaning any more")
		f.Lookup(name).Hidden = true
	}
	f.Var(&jsonFlag{o: o}, "log_as_json", "same as --log-format=json")
	f.Lookup("log_as_json").NoOptDefVal = "true"
	f.Lookup("log_as_json").Hidden = true
}

// givenClassicFlags names the ones on the command line.
func givenClassicFlags(f *pflag.FlagSet) []string {
	var given []string
	for _, name := range classicFlags {
		if f.Changed(name) {
			given = append(given, "--"+name)
		}
	}
	return given
}

// jsonFlag is --log_as_json, the classic way to say --log-format=json.
type jsonFlag struct{ o *options }

func (j *jsonFlag) Set(s string) error {
	on, err := strconv.ParseBool(s)
	if err != nil {
		return fmt.Errorf("%q must be true or false", s)
	}
	if on {
		j.o.logFormat = "json"
	}
	return nil
}

func (j *jsonFlag) String() string { return strconv.FormatBool(j.o != nil && j.o.logFormat == "json") }
func (j *jsonFlag) Type() string   { return "bool" }
