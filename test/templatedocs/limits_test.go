package templatedocs

import (
	"os"
	"strings"
	"testing"
)

// limits are the rows of docs/limits.md that an author of templates may meet, by how
// they begin.
var limits = []string{
	"output, steps and time of all templates of a request together",
	"templates",
	"actions, `{{ }}`, of all templates together",
	"bytes in these actions, without comments",
	"blocks within each other",
	"functions, fields and values that one action calls",
	"a rendered text with its aliases written out",
	"what functions in templates take and give",
	"a quantity, in annotations",
}

// limitsSection copies rows of docs/limits.md, which names the constants.
func limitsSection(t *testing.T) string {
	text, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	out := "| bound | value | what is said |\n|---|---|---|\n"
	for _, begin := range limits {
		found := false
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(strings.Trim(line, "|\n "), " | ")
			if len(cells) == 4 && strings.HasPrefix(cells[0], begin) && !found {
				found = true
				out += "| " + cells[0] + " | " + cells[1] + " | " + cells[3] + " |\n"
			}
		}
		if !found {
			t.Errorf("docs/limits.md has no row that begins with %q", begin)
		}
	}
	return out
}
