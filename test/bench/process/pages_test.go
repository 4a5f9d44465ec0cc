package process

import (
	"math"
	"os"
	"strings"
	"testing"
)

const smaps = `00400000-010af000 r-xp 00000000 fe:00 42                         /usr/local/bin/my server
Size:              13004 kB
Rss:                2048 kB
Pss:                1024 kB
010af000-01f67000 r--p 00caf000 fe:00 42                         /usr/local/bin/my server
Rss:                1024 kB
01f67000-0205e000 rw-p 01b67000 fe:00 42                         /usr/local/bin/my server
Rss:                 512 kB
0205e000-040ac000 rw-p 00000000 00:00 0 
Rss:                 256 kB
c000000000-c001400000 rw-p 00000000 00:00 0                      [anon: Go: heap]
Rss:                4096 kB
7f0000002000-7f0000003000 rw-p 00000000 00:00 0 
Rss:                1024 kB
7f0000004000-7f0000005000 r-xp 00000000 00:00 0                  [vdso]
Rss:                   4 kB
VmFlags: rd ex mr mw me de sd
`

func TestReadPages(t *testing.T) {
	got, err := readPages(strings.NewReader(smaps), "/usr/local/bin/my server")
	if want := (Pages{Program: 3, Data: 0.75, Anonymous: 5, Other: 4. / 1024}); err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	for _, bad := range []string{"Rss: 4 kB\n", "1-2 r-xp 0 0 0 /p\nRss: many kB\n"} {
		if _, err := readPages(strings.NewReader(bad), "/p"); err == nil {
			t.Errorf("%q is read without an error", bad)
		}
	}
}

func TestPagesAddUpToTheResidentMemory(t *testing.T) {
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		t.Skip("needs /proc")
	}
	u := Usage{os.Getpid()}
	pages, err := u.Pages()
	if err != nil {
		t.Fatal(err)
	}
	resident, err := u.Resident()
	if err != nil {
		t.Fatal(err)
	}
	// The kernel counts VmRSS per processor and adds up late.
	if sum := pages.Program + pages.Data + pages.Anonymous + pages.Other; pages.Program == 0 || pages.Anonymous == 0 || math.Abs(sum-resident) > 2 {
		t.Errorf("pages %+v are %.1f MiB together, resident are %.1f MiB", pages, sum, resident)
	}
}
