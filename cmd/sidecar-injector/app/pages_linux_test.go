package app

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const maps = `00400000-010af000 r-xp 00000000 fe:00 42                         /usr/local/bin/sidecar-injector
010af000-01f67000 r--p 00caf000 fe:00 42                         /usr/local/bin/sidecar-injector
01f67000-0205e000 rw-p 01b67000 fe:00 42                         /usr/local/bin/sidecar-injector
0205e000-040ac000 rw-p 00000000 00:00 0 
c000000000-c001400000 rw-p 00000000 00:00 0                      [anon: Go: heap]
7f0000000000-7f0000001000 r-xp 00000000 00:00 0                  [vdso]
7f0000002000-7f0000003000 r--p 00000000 fe:00 43                 /usr/local/bin/sidecar-injector.old
`

func TestProgramAreas(t *testing.T) {
	got, err := programAreas(strings.NewReader(maps), "/usr/local/bin/sidecar-injector")
	if want := []area{{0x400000, 0x10af000}, {0x10af000, 0x1f67000}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("areas %x (%v), want %x: those of the file that cannot be written to", got, err, want)
	}
	got, err = programAreas(strings.NewReader(maps), "/usr/local/bin/another")
	if err != nil || len(got) != 0 {
		t.Errorf("areas %x (%v) of a program that is not there", got, err)
	}
	if _, err := programAreas(strings.NewReader("x-y r-xp 0 0 0 /p\n"), "/p"); err == nil {
		t.Error("what is no list of areas is taken for one")
	}
}

func TestReleaseProgram(t *testing.T) {
	touchProgram(t)
	before := residentFile(t)
	if err := releaseProgram(); err != nil {
		t.Fatal(err)
	}
	if after := residentFile(t); after > before/2 {
		t.Errorf("%d KiB of files were resident, and %d KiB after letting go", before, after)
	}
}

// touchProgram makes all pages of the program's file resident, whatever tests have
// run before.
func touchProgram(t *testing.T) {
	t.Helper()
	program, err := os.Readlink("/proc/self/exe")
	must(t, err)
	maps, err := os.Open("/proc/self/maps")
	must(t, err)
	defer maps.Close()
	areas, err := programAreas(maps, program)
	must(t, err)
	memory, err := os.Open("/proc/self/mem")
	must(t, err)
	defer memory.Close()
	for _, a := range areas {
		_, err := memory.ReadAt(make([]byte, a.to-a.from), int64(a.from))
		must(t, err)
	}
}

// residentFile is how much of files this process has in memory, in KiB.
func residentFile(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "RssFile:"); ok {
			kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			if err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("no RssFile in /proc/self/status")
	return 0
}
