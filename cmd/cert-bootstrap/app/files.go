package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/certs"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/pki"
)

// callTimeout bounds one call of the API server.
const callTimeout = 10 * time.Second

// writeFiles writes the three files, each at once or not at all, and reads them
// back: only what a server can load counts.
func writeFiles(dir string, b *certs.Certificate) error {
	chain, key, roots := filepath.Join(dir, certs.KeyChain), filepath.Join(dir, certs.KeyPrivate), filepath.Join(dir, certs.KeyRoots)
	for _, file := range []struct {
		path string
		text []byte
	}{{roots, pki.EncodeBundle(b.Roots)}, {chain, b.Leaf.CertPEM}, {key, b.Leaf.KeyPEM}} {
		if err := replaceFile(file.path, file.text); err != nil {
			return fmt.Errorf("write certificate files: %w", err)
		}
	}
	if _, err := certs.LoadFiles(chain, key, roots); err != nil {
		return fmt.Errorf("the files that were just written cannot be used: %w", err)
	}
	return nil
}

// replaceFile renames a complete file into place. os.CreateTemp makes it readable
// for its owner alone, mode 0600.
func replaceFile(path string, text []byte) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // the first error tells more
		}
	}()
	_, err = temp.Write(text)
	if err = errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
