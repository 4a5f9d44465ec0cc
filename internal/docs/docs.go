// Package docs reads what documents in Markdown tell their readers to type, so that
// tests can run it.
package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// Command is one that a document shows, with what it prints.
type Command struct {
	File string
	Line int    // of the file, at which it begins
	Text string // on one line, without the prompt
	// Output is what the document shows below it. A line "..." stands for any lines, and
	// "..." at the end of a line for the rest of it.
	Output string
}

func (c Command) String() string { return fmt.Sprintf("%s:%d: %s", c.File, c.Line, c.Text) }

// Kind says what a command needs, and so which test runs it.
type Kind int

// The kinds of command. Each is run by one test: those of the plugin that need no
// cluster by cmd/kubectl-sidecar, those on a cluster by test/e2e. A target of make is
// what runs tests itself.
const (
	Plugin Kind = iota
	Cluster
	Make
)

// Kind returns it.
func (c Command) Kind() Kind {
	words := strings.Fields(c.Text)
	plugin := len(words) > 2 && words[0] == "kubectl" && words[1] == "sidecar"
	switch {
	case words[0] == "make":
		return Make
	case plugin && strings.Contains(c.Text, " --chart "):
		return Plugin
	}
	return Cluster
}

// Document is what a file in Markdown has in its blocks of code.
type Document struct {
	Commands []Command
	// Files are blocks that begin with their name, "# my-sidecar.yaml".
	Files map[string]string
}

// Read reads a document below root.
func Read(root, name string) (Document, error) {
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		return Document{}, err
	}
	d := Document{Files: map[string]string{}}
	var block []string
	first, inside := 0, false
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case !strings.HasPrefix(line, "```"):
			if inside {
				block = append(block, line)
			}
		case inside:
			d.add(name, first, block)
			inside = false
		default:
			block, first, inside = nil, i+2, true
		}
	}
	if inside {
		return Document{}, fmt.Errorf("%s:%d: the block has no end", name, first-1)
	}
	return d, nil
}

var fileName = regexp.MustCompile(`^# ([\w-]+\.yaml)$`)

const prompt = "$ "

func (d *Document) add(file string, first int, block []string) {
	if len(block) > 0 && fileName.MatchString(block[0]) {
		d.Files[fileName.FindStringSubmatch(block[0])[1]] = strings.Join(block, "\n") + "\n"
		return
	}
	var current *Command
	continued := false
	for i, line := range block {
		switch {
		case continued:
			current.Text += " " + strings.TrimSpace(line)
		case strings.HasPrefix(line, prompt):
			d.Commands = append(d.Commands, Command{File: file, Line: first + i, Text: strings.TrimPrefix(line, prompt)})
			current = &d.Commands[len(d.Commands)-1]
		case current != nil:
			current.Output += line + "\n"
			continue
		default:
			continue // a block without commands
		}
		current.Text, continued = strings.CutSuffix(current.Text, `\`)
		current.Text = strings.TrimSpace(current.Text)
	}
}

// Shows reports whether the output that a document shows is the real one.
func (c Command) Shows(real string) bool { return shows(lines(c.Output), lines(real)) }

func lines(text string) []string {
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

func shows(want, got []string) bool {
	for i, line := range want {
		if strings.TrimSpace(line) == "..." {
			for skip := i; skip <= len(got); skip++ {
				if shows(want[i+1:], got[skip:]) {
					return true
				}
			}
			return false
		}
		if i >= len(got) || !sameLine(strings.TrimRight(line, " "), strings.TrimRight(got[i], " ")) {
			return false
		}
	}
	return len(want) == len(got)
}

func sameLine(want, got string) bool {
	begin, cut := strings.CutSuffix(want, "...")
	return want == got || cut && strings.HasPrefix(got, begin)
}
