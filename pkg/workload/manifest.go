package workload

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kjson "sigs.k8s.io/json"
	kyaml "sigs.k8s.io/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/inject"
)

// manifest is a document that has been read.
type manifest struct {
	document
	data    map[string]any // its meaning; nil when it is no object
	tree    *yaml.Node     // its form; nil without units
	units   []*unit
	changed bool
}

// unit is a workload or a bare pod: the manifest itself, or an item of a List.
type unit struct {
	apiVersion, kind string
	data             map[string]any
	node             *yaml.Node
	pods             podLocation
	problem          string // why there is no pod template
}

func (d document) read() (*manifest, error) {
	m := &manifest{document: d}
	if len(bytes.TrimSpace(d.text)) == 0 {
		return m, nil
	}
	data, err := d.decode(kyaml.YAMLToJSON)
	if err != nil {
		return nil, err
	}
	m.data, _ = data.(map[string]any)
	if m.collect(m.data, 0); len(m.units) == 0 {
		return m, nil
	}
	// Only a document that may be changed must be strictly valid.
	if _, err := d.decode(kyaml.YAMLToJSONStrict); err != nil {
		return nil, err
	}
	if m.tree, err = d.parse(); err != nil {
		return nil, err
	}
	m.units = nil
	m.collectNodes(m.data, m.tree.Content[0])
	return m, nil
}

// decode reads the data; toJSON converts YAML, strictly or not.
func (d document) decode(toJSON func([]byte) ([]byte, error)) (any, error) {
	text := d.text
	if !d.json {
		var err error
		if text, err = toJSON(d.text); err != nil {
			return nil, err
		}
	}
	return decodeJSON(text)
}

// decodeJSON reads JSON and keeps numbers as they are written.
func decodeJSON(text []byte) (any, error) {
	var v any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	err := decoder.Decode(&v)
	return v, err
}

func (d document) parse() (*yaml.Node, error) {
	if !d.json {
		return parseYAML(d.text)
	}
	root, err := fromJSON(d.text)
	return &yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{root}}, err
}

// collect finds the units of an object.
func (m *manifest) collect(object map[string]any, depth int) {
	m.collectAt(object, nil, depth)
}

func (m *manifest) collectNodes(object map[string]any, node *yaml.Node) {
	m.collectAt(object, node, 0)
}

// maxLists is how deep Lists may lie within Lists.
const maxLists = 8

func (m *manifest) collectAt(object map[string]any, node *yaml.Node, depth int) {
	apiVersion, _ := object["apiVersion"].(string)
	kind, _ := object["kind"].(string)
	if apiVersion == "v1" && kind == "List" && depth < maxLists {
		items, _ := object["items"].([]any)
		nodes := child(node, "items")
		for i, item := range items {
			o, _ := item.(map[string]any)
			var n *yaml.Node
			if nodes != nil && i < len(nodes.Content) {
				n = nodes.Content[i]
			}
			m.collectAt(o, n, depth+1)
		}
		return
	}
	location, ok := locationOf(apiVersion, kind)
	if !ok {
		return
	}
	u := &unit{apiVersion: apiVersion, kind: kind, data: object, node: node, pods: location}
	template, ok := lookup(object, location.template)
	if _, has := template["spec"].(map[string]any); !ok || !has {
		u.problem = "it has no pod template"
	} else if location.fallback != nil && !hasContent(template["metadata"]) {
		u.pods.metadata = location.fallback
	}
	m.units = append(m.units, u)
}

// hasContent reports whether metadata has any entry that somebody wrote.
func hasContent(metadata any) bool {
	m, _ := metadata.(map[string]any)
	for key, value := range m {
		if key != "creationTimestamp" && value != nil {
			return true
		}
	}
	return false
}

// lookup follows a path through objects.
func lookup(object map[string]any, path []string) (map[string]any, bool) {
	for _, key := range path {
		next, ok := object[key].(map[string]any)
		if !ok {
			return nil, false
		}
		object = next
	}
	return object, object != nil
}

// meta reads the metadata of the workload itself.
func (u *unit) meta() (metav1.ObjectMeta, error) {
	var m metav1.ObjectMeta
	err := decodeInto(u.data["metadata"], &m)
	if err != nil {
		err = fmt.Errorf("metadata: %w", err)
	}
	return m, err
}

func decodeInto(data, into any) error {
	text, err := json.Marshal(data)
	if err != nil {
		return err
	}
	return kjson.UnmarshalCaseSensitivePreserveInts(text, into)
}

// pod returns the JSON of the pod that the workload creates.
func (u *unit) pod() ([]byte, error) {
	pod := map[string]any{"apiVersion": "v1", "kind": "Pod"}
	holder, _ := lookup(u.data, u.pods.metadata)
	if metadata, ok := holder["metadata"]; ok {
		pod["metadata"] = metadata
	}
	template, _ := lookup(u.data, u.pods.template)
	pod["spec"] = template["spec"]
	return json.Marshal(pod)
}

// owner returns what the pod belongs to; nil for a bare pod, whose metadata has it.
func (u *unit) owner(meta metav1.ObjectMeta) *inject.Owner {
	if len(u.pods.template) == 0 {
		return nil
	}
	return &inject.Owner{TypeMeta: metav1.TypeMeta{APIVersion: u.apiVersion, Kind: u.kind}, ObjectMeta: meta}
}

// apply applies a patch of the pod to data and tree.
func (u *unit) apply(pod, patch []byte) error {
	p, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return err
	}
	changed, err := p.Apply(pod)
	if err != nil {
		return err
	}
	result, err := decodeJSON(changed)
	if err != nil {
		return err
	}
	e := editor{metadata: descend(u.node, u.pods.metadata), spec: descend(u.node, u.pods.template)}
	if err := e.apply(patch); err != nil {
		return err
	}
	metadata, _ := lookup(u.data, u.pods.metadata)
	template, _ := lookup(u.data, u.pods.template)
	parts := result.(map[string]any)
	for name, holder := range map[string]map[string]any{"metadata": metadata, "spec": template} {
		if value, ok := parts[name]; ok {
			holder[name] = value
		} else {
			delete(holder, name)
		}
	}
	return nil
}

// yaml writes a manifest that has been changed. If its tree, written and read again,
// differs from the data, the data is written.
func (m *manifest) yaml() ([]byte, error) {
	want, err := json.Marshal(m.data)
	if err != nil {
		return nil, err
	}
	if m.tree != nil {
		if text, err := writeYAML(m.tree); err == nil {
			if got, err := kyaml.YAMLToJSON(text); err == nil && sameJSON(got, want) {
				return text, nil
			}
		}
	}
	return kyaml.JSONToYAML(want)
}

func sameJSON(a, b []byte) bool {
	x, errX := decodeJSON(a)
	y, errY := decodeJSON(b)
	if errX != nil || errY != nil {
		return false
	}
	m, errX := json.Marshal(x)
	n, errY := json.Marshal(y)
	return errX == nil && errY == nil && bytes.Equal(m, n)
}

// indented writes a manifest as JSON, on one line if it was on one before.
func (m *manifest) indented() ([]byte, error) {
	tree := m.tree
	if tree == nil {
		var err error
		if tree, err = m.parse(); err != nil {
			return nil, err
		}
	}
	var b, out bytes.Buffer
	if err := writeJSON(&b, tree.Content[0], m.data); err != nil {
		return nil, err
	}
	if m.json && !slices.Contains(m.text, '\n') {
		return b.Bytes(), nil
	}
	err := json.Indent(&out, b.Bytes(), "", "    ")
	return out.Bytes(), err
}
