package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/proto"
)

// TemplateHash returns the SHA-256 of a template's raw text, in hexadecimal;
// empty when there is no such template. The classic status annotation carries
// it as its version.
func (c *Config) TemplateHash(name string) string {
	text, ok := c.Templates[name]
	if !ok {
		return ""
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// hash returns the hash of a configuration's content. encoding/json sorts the keys
// of maps, and so does protobuf's deterministic form, so that equal content gives
// equal bytes.
func hash(c *Config) (string, error) {
	content := *c
	content.Source, content.TemplateOrigins, content.Notes, content.Mesh = "", nil, nil, nil
	text, err := json.Marshal(content)
	if err != nil {
		return "", fmt.Errorf("%s: cannot be summed up: %w", c.Source, err)
	}
	h := sha256.New()
	h.Write(text)
	if c.Mesh != nil {
		mesh, err := proto.MarshalOptions{Deterministic: true}.Marshal(c.Mesh)
		if err != nil {
			return "", fmt.Errorf("%s: mesh configuration cannot be summed up: %w", c.Source, err)
		}
		h.Write(mesh)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
