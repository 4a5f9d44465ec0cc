package cli

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// printer writes lines about what is done. On a terminal the line about what
// goes on is rewritten; elsewhere there is a new one only now and then.
type printer struct {
	w        io.Writer
	terminal bool
	open     bool // a line that is not ended yet
	last     string
	next     time.Duration
}

// plainInterval is short enough to show that a build is alive, and long enough
// not to fill a log.
const plainInterval = 30 * time.Second

func newPrinter(w io.Writer) *printer { return &printer{w: w, terminal: isTerminal(w)} }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

func (p *printer) say(format string, args ...any) {
	p.end()
	fmt.Fprintf(p.w, format+"\n", args...)
}

func (p *printer) done(what string, elapsed time.Duration) {
	p.clear()
	p.say("built %s in %s", what, clock(elapsed))
}

func (p *printer) progress(what string, elapsed time.Duration) {
	switch {
	case p.terminal:
		p.clear()
		fmt.Fprintf(p.w, "%s %s", what, clock(elapsed))
		p.open = true
	case what != p.last:
		p.say("%s", what)
		p.next = plainInterval
	case elapsed >= p.next:
		p.say("%s, %s so far", what, clock(elapsed))
		p.next = elapsed + plainInterval
	}
	p.last = what
}

// clear empties the line that is not ended.
func (p *printer) clear() {
	if p.open {
		fmt.Fprint(p.w, "\r\033[K")
		p.open = false
	}
}

func (p *printer) end() {
	if p.open {
		fmt.Fprintln(p.w)
		p.open = false
	}
}

func clock(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0fs", d.Seconds())
	}
	return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
}
