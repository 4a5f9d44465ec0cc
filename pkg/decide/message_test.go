package decide

import (
	"strings"
	"testing"
)

// A message that named the annotation where the label decided would send its
// reader to a field that the pod does not have.
func TestTheMessageNamesWhatDecided(t *testing.T) {
	r := rules(t, Settings{Enabled: true})
	for name, tc := range map[string]struct {
		in    Input
		names string
		not   string
	}{
		"label asks":          {Input{Labels: m(InjectKey, "true")}, "by its label " + InjectKey, "annotation"},
		"label declines":      {Input{Labels: m(InjectKey, "false")}, "by its label " + InjectKey, "annotation"},
		"annotation asks":     {Input{Annotations: m(InjectKey, "true")}, "by its annotation " + InjectKey, "label"},
		"annotation declines": {Input{Annotations: m(InjectKey, "false")}, "by its annotation " + InjectKey, "label"},
	} {
		t.Run(name, func(t *testing.T) {
			got := Pod(r, tc.in).Message
			if !strings.Contains(got, tc.names) || strings.Contains(got, tc.not) {
				t.Errorf("the message is %q, want one that names %q and no %s", got, tc.names, tc.not)
			}
		})
	}
}

func TestLimitAtItsBoundaries(t *testing.T) {
	whole := strings.Repeat("w", maxWarningLength)
	noCharacter := strings.Repeat("\x80", maxWarningLength+1)
	got := Limit([]string{whole, whole + "w", noCharacter})
	if got[0] != whole {
		t.Errorf("a warning of %d bytes was cut to %q", maxWarningLength, got[0])
	}
	if want := whole[:maxWarningLength-3] + "..."; got[1] != want {
		t.Errorf("a warning of %d bytes was cut to %q, want %q", maxWarningLength+1, got[1], want)
	}
	if got[2] != "..." {
		t.Errorf("a warning without the beginning of a character was cut to %q, want %q", got[2], "...")
	}
}
