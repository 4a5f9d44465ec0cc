package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Pages are the resident pages of a process by what is mapped there, in MiB.
// Their sum is the resident memory.
type Pages struct {
	// Program are the pages of the program's own file that are only read: code
	// and constants. They are the page cache's pages too, and the kernel can drop
	// them when it needs room.
	Program float64
	// Data are the pages of the program's variables, and of its file that were
	// written to.
	Data float64
	// Anonymous are pages without a file: the Go runtime's heap, stacks and
	// bookkeeping.
	Anonymous float64
	// Other are the rest: the kernel's pages, other files.
	Other float64
}

// Pages of the process now.
func (u Usage) Pages() (Pages, error) {
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", u.pid))
	if err != nil {
		return Pages{}, fmt.Errorf("memory is measured with Linux's /proc: %w", err)
	}
	path := fmt.Sprintf("/proc/%d/smaps", u.pid)
	f, err := os.Open(path)
	if err != nil {
		return Pages{}, err
	}
	defer f.Close()
	p, err := readPages(f, program)
	if err != nil {
		return Pages{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// readPages adds up a list in the format of /proc/PID/smaps, which has a line
// "address mode offset device inode name" for each mapping and below it one for
// each figure.
func readPages(smaps io.Reader, program string) (p Pages, err error) {
	var mapping *float64
	lastOfProgram := "" // where the program's last mapping ends
	for lines := bufio.NewScanner(smaps); ; {
		if !lines.Scan() {
			return p, lines.Err()
		}
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) >= 5 && strings.Contains(fields[0], "-"):
			begin, end, _ := strings.Cut(fields[0], "-")
			writable, name := strings.Contains(fields[1], "w"), strings.Join(fields[5:], " ")
			switch {
			case name == program && !writable:
				mapping = &p.Program
			case name == program:
				mapping = &p.Data
			case name == "" && begin == lastOfProgram: // variables that begin as zero
				mapping = &p.Data
			case name == "", strings.HasPrefix(name, "[anon"), name == "[heap]", name == "[stack]":
				mapping = &p.Anonymous
			default:
				mapping = &p.Other
			}
			if name == program {
				lastOfProgram = end
			}
		case len(fields) == 3 && fields[0] == "Rss:":
			kib, err := strconv.ParseFloat(fields[1], 64)
			if err != nil {
				return p, err
			}
			if mapping == nil {
				return p, fmt.Errorf("a figure without a mapping: %s", lines.Text())
			}
			*mapping += kib / 1024
		}
	}
}
