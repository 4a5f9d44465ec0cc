package classic

import (
	"bytes"
	"context"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/quantity"
	"github.com/sidecar-injector/istio-sidecar-injector/pkg/podmodel"
)

// checkQuantities returns a *quantity.LimitError for text with a quantity that must
// not be given to its library. Nearly all text is seen to have none without reading
// it as YAML.
func checkQuantities(ctx context.Context, text []byte) error {
	if !mayHoldLimit(text) {
		return nil
	}
	data, err := yaml.YAMLToJSON(text)
	if err != nil {
		return nil // whoever reads it next says so
	}
	outline, err := podmodel.ReadOutline(ctx, data, func(string) bool { return false })
	if err == nil && outline.Quantity != nil {
		err = outline.Quantity
	}
	return err
}

// mayHoldLimit reports whether there is a word that would be a quantity beyond the
// limits, or an escape, which may hide one.
func mayHoldLimit(text []byte) bool {
	if bytes.IndexByte(text, '\\') >= 0 {
		return true
	}
	for word := range bytes.FieldsFuncSeq(text, func(r rune) bool { return !inNumber(r) }) {
		if strings.IndexByte("+-.0123456789eE", word[0]) >= 0 && quantity.Check(string(word)) != nil {
			return true
		}
	}
	return false
}

func inNumber(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '.' || r == '+' || r == '-'
}
