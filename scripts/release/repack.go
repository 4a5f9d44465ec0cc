package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// maxArchive bounds what repack reads, unpacked, in bytes: hundreds of charts.
const maxArchive = 256 << 20

// repack writes a tar.gz anew: files sorted by name, all of that time and of no
// owner, and a gzip header that names neither file nor time.
func repack(path string, at time.Time) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	files, err := readArchive(content)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var out bytes.Buffer
	if err := writeArchive(&out, files, at); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

type file struct {
	header  *tar.Header
	content []byte
}

func readArchive(content []byte) ([]file, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	var files []file
	r := tar.NewReader(io.LimitReader(unzipped, maxArchive))
	for {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if header.Typeflag != tar.TypeReg {
			return nil, fmt.Errorf("entry %q is no regular file", header.Name)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		files = append(files, file{header: header, content: content})
	}
	// Chart.yaml stays first: whoever reads a chart by stream wants it early.
	slices.SortStableFunc(files, func(a, b file) int {
		return strings.Compare(rank(a.header.Name), rank(b.header.Name))
	})
	return files, nil
}

func rank(name string) string {
	if strings.Count(name, "/") == 1 && strings.HasSuffix(name, "/Chart.yaml") {
		return ""
	}
	return name
}

func writeArchive(out io.Writer, files []file, at time.Time) error {
	zipped, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tar.NewWriter(zipped)
	for _, f := range files {
		err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: f.header.Name, Mode: mode(f.header), Size: int64(len(f.content)), ModTime: at, Format: tar.FormatPAX,
		})
		if err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zipped.Close())
}

// mode keeps of a file's rights whether it can be run.
func mode(header *tar.Header) int64 {
	if header.Mode&0o100 != 0 {
		return 0o755
	}
	return 0o644
}
