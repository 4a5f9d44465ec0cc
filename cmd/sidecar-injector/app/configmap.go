package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// documents are the texts of a set of configuration documents, by key: the
// keys of a ConfigMap.
type documents map[string]document

// document is one text, with the name by which messages call it.
type document struct {
	name string
	data []byte
}

func (d documents) digest(keys []string) string {
	h := sha256.New()
	for _, k := range keys {
		// Absent and empty are the same: {} for values, an error for others.
		fmt.Fprintf(h, "%s %d\n", k, len(d[k].data))
		h.Write(d[k].data)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// liveMap is what is known of a ConfigMap from the API server.
type liveMap struct {
	name     string   // namespace/name
	keys     []string // that are read; all but "values" must be there
	follower *follower

	mu        sync.Mutex
	docs      documents // the last whole content, nil before
	problem   error     // why the content as it is now cannot be used
	connected bool      // docs and problem are as the API server has them
	// fileSeen is the digest of the files when last looked at while connected:
	// what they say after that, without the API server, is newer.
	fileSeen string
}

// newLiveMap returns a ConfigMap to be followed by name; changed is called after
// each change.
func newLiveMap(client *kube.Clients, ref string, keys []string, log *trouble.Log, changed func()) *liveMap {
	object, _ := kube.ParseName(ref) // the flags are valid
	m := &liveMap{name: ref, keys: keys}
	m.follower = &follower{
		what: "configmap " + ref,
		follow: func(ctx context.Context, failed func(error)) {
			kube.Follow(ctx, client.ConfigMaps(object.Namespace), object.Name, func(cm *corev1.ConfigMap, exists bool) {
				if !exists {
					cm = nil
				}
				if err := m.set(cm); err != nil {
					log.Report("content of configmap "+ref, err.Error()+"; what was read before stays in force")
				} else {
					log.Clear("content of configmap " + ref)
				}
				m.follower.attempt()
				changed()
			}, failed)
		},
		noticed:   func(err error) { m.setConnected(err == nil) },
		trouble:   log,
		attempted: make(chan struct{}),
	}
	return m
}

// set takes over the ConfigMap as it is now; nil when there is none. The error
// says why it cannot be used.
func (m *liveMap) set(cm *corev1.ConfigMap) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connected = true
	if cm == nil {
		m.problem = fmt.Errorf("configmap %s does not exist", m.name)
		return m.problem
	}
	docs := documents{}
	var missing []string
	for _, k := range m.keys {
		text, ok := cm.Data[k]
		if !ok && k != "values" {
			missing = append(missing, k)
		}
		docs[k] = document{name: m.name + ":" + k, data: []byte(text)}
	}
	if missing != nil {
		m.problem = fmt.Errorf("configmap %s has no key %s", m.name, strings.Join(missing, " and no key "))
		return m.problem
	}
	m.docs, m.problem = docs, nil
	return nil
}

func (m *liveMap) setConnected(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connected = yes
}

// choose returns the newer of the files and the ConfigMap.
//
// A mount is a late copy of the ConfigMap, so while the API server is there, what
// it says is the newest. Before its first answer, and when the files have
// changed while it was away, the files are.
func (m *liveMap) choose(files documents, filesErr error) (documents, error) {
	if m == nil {
		return files, filesErr
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	digest := ""
	if filesErr == nil {
		digest = files.digest(m.keys)
	}
	if m.connected && (m.docs != nil || m.problem != nil) {
		m.fileSeen = digest
		if m.problem != nil && m.docs == nil {
			return files, filesErr // never seen whole: it adds nothing
		}
		return m.docs, m.problem
	}
	if m.docs == nil {
		return files, filesErr
	}
	if filesErr == nil && digest != m.fileSeen && digest != m.docs.digest(m.keys) {
		return files, nil
	}
	return m.docs, nil
}
