package jsonbench

import (
	"encoding/json"
	"reflect"

	"github.com/bytedance/sonic"
	jsonv2 "github.com/go-json-experiment/json"
	jsonv1 "github.com/go-json-experiment/json/v1"
	goccy "github.com/goccy/go-json"
	jsoniter "github.com/json-iterator/go"
	segmentio "github.com/segmentio/encoding/json"
	kjson "sigs.k8s.io/json"
)

// Candidate is a library, used in one particular way.
type Candidate struct {
	Name string
	// Unmarshal decodes; the data is not changed and not kept.
	Unmarshal func(data []byte, into any) error
	// Marshal encodes; nil where the library has no encoder of its own.
	Marshal func(value any) ([]byte, error)
}

// Reference is the name of the candidate that others are compared with: the API
// server's own decoder. Its code is a copy of the standard library's, so that it
// is the same in every build.
const Reference = "sigs.k8s.io/json"

// Candidates returns all of them, the reference first.
func Candidates() []Candidate {
	// What an API server's decoder would be, said with options of v2: names in
	// their case, the last of duplicates counts.
	asKubernetes := jsonv2.JoinOptions(
		jsonv1.DefaultOptionsV1(),
		jsonv2.MatchCaseInsensitiveNames(false),
	)
	iterator := jsoniter.Config{EscapeHTML: true, SortMapKeys: true, ValidateJsonRawMessage: true, CaseSensitive: true}.Froze()
	std := "encoding/json"
	if experiment {
		std = "encoding/json (GOEXPERIMENT=jsonv2)"
	}
	return []Candidate{
		{Reference, kjson.UnmarshalCaseSensitivePreserveInts, nil},
		{std, json.Unmarshal, json.Marshal},
		{
			"go-json-experiment/json, v1 options",
			func(d []byte, v any) error { return jsonv2.Unmarshal(d, v, asKubernetes) },
			func(v any) ([]byte, error) { return jsonv2.Marshal(v, jsonv1.DefaultOptionsV1()) },
		},
		{
			"go-json-experiment/json, v2 defaults",
			func(d []byte, v any) error { return jsonv2.Unmarshal(d, v) },
			func(v any) ([]byte, error) { return jsonv2.Marshal(v) },
		},
		{
			// What pkg/inject does: the reference has the last word about all that is refused.
			"go-json-experiment/json, v2 defaults, else sigs.k8s.io/json",
			func(d []byte, v any) error {
				if jsonv2.Unmarshal(d, v) == nil {
					return nil
				}
				reflect.ValueOf(v).Elem().SetZero()
				return kjson.UnmarshalCaseSensitivePreserveInts(d, v)
			},
			nil,
		},
		{"goccy/go-json", goccy.Unmarshal, goccy.Marshal},
		{"bytedance/sonic", sonic.ConfigStd.Unmarshal, sonic.ConfigStd.Marshal},
		{"json-iterator/go", iterator.Unmarshal, iterator.Marshal},
		{"segmentio/encoding", segmentio.Unmarshal, segmentio.Marshal},
	}
}
