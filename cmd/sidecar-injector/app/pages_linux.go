package app

import (
	"bufio"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// releaseProgram lets go of the pages of the program's own file. The kernel maps
// the sixteen around each one that is touched, and a start, which initialises
// all that is linked, touches nearly all. What is needed again comes back from
// the page cache with the next access, without a look at the disk.
//
// That is for programs that the kernel loads at the place they were linked for.
// One that can be loaded anywhere has pages that were adapted to that place and
// then made read-only: they would come back as the file has them, which is wrong.
func releaseProgram() error {
	const self = "/proc/self/exe"
	file, err := elf.Open(self)
	if err != nil {
		return err
	}
	defer file.Close()
	if file.Type != elf.ET_EXEC {
		return fmt.Errorf("the program is of ELF type %s, must be %s", file.Type, elf.ET_EXEC)
	}
	program, err := os.Readlink(self)
	if err != nil {
		return err
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		return err
	}
	defer maps.Close()
	areas, err := programAreas(maps, program)
	if err != nil {
		return fmt.Errorf("/proc/self/maps: %w", err)
	}
	for _, a := range areas {
		if _, _, errno := syscall.Syscall(syscall.SYS_MADVISE, a.from, a.to-a.from, syscall.MADV_DONTNEED); errno != 0 {
			return os.NewSyscallError("madvise", errno)
		}
	}
	return nil
}

// area is a part of the address space.
type area struct{ from, to uintptr }

// programAreas finds in a list as in /proc/self/maps where the program's file is
// mapped and cannot be written to: these pages hold what the file holds.
func programAreas(maps io.Reader, program string) ([]area, error) {
	var areas []area
	for lines := bufio.NewScanner(maps); ; {
		if !lines.Scan() {
			return areas, lines.Err()
		}
		fields := strings.SplitN(lines.Text(), " ", 6) // area mode offset device inode name
		if len(fields) < 6 || strings.Contains(fields[1], "w") || strings.TrimLeft(fields[5], " ") != program {
			continue
		}
		from, to, _ := strings.Cut(fields[0], "-")
		first, err := strconv.ParseUint(from, 16, 64)
		if err != nil {
			return nil, err
		}
		end, err := strconv.ParseUint(to, 16, 64)
		if err != nil {
			return nil, err
		}
		areas = append(areas, area{uintptr(first), uintptr(end)})
	}
}
