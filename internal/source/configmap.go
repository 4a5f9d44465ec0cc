package source

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/follower"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/trouble"
)

// configMapSource is what is known of a ConfigMap from the API server.
type configMapSource struct {
	name types.NamespacedName
	keys []string // that are read; keyValues and keyGeneration may be missing

	mu        sync.Mutex
	uid       types.UID // as the API server said last
	docs      documents // the last whole content, nil before
	problem   error     // why the content as it is now cannot be used
	connected bool      // docs and problem are as the API server has them
	// fileSeen is the digest of the files when last looked at while connected:
	// what they say after that, without the API server, is newer.
	fileSeen string
}

// newConfigMapSource returns what is not known yet of the ConfigMap with the name
// "namespace/name"; nil when the name is empty.
func newConfigMapSource(name string, keys ...string) (*configMapSource, error) {
	if name == "" {
		return nil, nil
	}
	object, err := kube.ParseName(name)
	if err != nil {
		return nil, err
	}
	return &configMapSource{name: object, keys: append(keys, keyGeneration)}, nil
}

// follower returns what keeps m as the API server has it; changed is called after
// each change.
func (m *configMapSource) follower(client kube.Lister[*corev1.ConfigMapList], log *trouble.Log, changed func()) *follower.Follower {
	what := "configmap " + m.name.String()
	return follower.New(what, log, func(ctx context.Context, known func(), failed func(error)) {
		kube.Follow(ctx, client, m.name.Name, func(cm *corev1.ConfigMap, exists bool) {
			if !exists {
				cm = nil
			}
			if err := m.set(cm); err != nil {
				log.Report("content of "+what, err.Error()+"; what was read before stays in force")
			} else {
				log.Clear("content of " + what)
			}
			known()
			changed()
		}, func(err error) {
			m.setConnected(err == nil)
			failed(err)
		})
	})
}

// set takes over the ConfigMap as it is now; nil when there is none. The error
// says why it cannot be used.
func (m *configMapSource) set(cm *corev1.ConfigMap) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connected = true
	if cm == nil {
		m.problem = fmt.Errorf("configmap %s does not exist", m.name)
		return m.problem
	}
	m.uid = cm.UID
	if err := checkKeys(m.name.String(), cm, m.keys...); err != nil {
		m.problem = err
		return m.problem
	}
	docs := documents{}
	for _, k := range m.keys {
		docs[k] = document{name: m.name.String() + ":" + k, data: []byte(cm.Data[k])}
	}
	m.docs, m.problem = docs, nil
	return nil
}

// reference names the ConfigMap for an Event.
func (m *configMapSource) reference() corev1.ObjectReference {
	m.mu.Lock()
	defer m.mu.Unlock()
	return corev1.ObjectReference{Kind: "ConfigMap", APIVersion: "v1", Namespace: m.name.Namespace, Name: m.name.Name, UID: m.uid}
}

func (m *configMapSource) setConnected(yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.connected = yes
}

// mount names what was read from files as the documents of the ConfigMap that they are
// a mount of: nobody can open the files of another pod.
func (m *configMapSource) mount(files documents) documents {
	named := documents{}
	for key, d := range files {
		named[key] = document{name: m.name.String() + ":" + key, data: d.data}
	}
	return named
}

// choose returns the newer of the files and the ConfigMap, and whether that is the
// files.
//
// A mount is a late copy of the ConfigMap, so while the API server is there, what
// it says is the newest. Before its first answer, and when the files have
// changed while it was away, the files are.
func (m *configMapSource) choose(files documents, filesErr error) (docs documents, mounted bool, err error) {
	if m == nil {
		return files, true, filesErr
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	digest := ""
	if filesErr == nil {
		digest = files.digest(m.keys...)
	}
	if m.connected && (m.docs != nil || m.problem != nil) {
		m.fileSeen = digest
		if m.problem != nil && m.docs == nil { // never seen whole: it adds nothing
			if filesErr != nil {
				return nil, true, m.problem // which is why there are no files
			}
			return files, true, nil
		}
		return m.docs, false, m.problem
	}
	if m.docs == nil {
		return m.mount(files), true, filesErr
	}
	if filesErr == nil && digest != m.fileSeen && digest != m.docs.digest(m.keys...) {
		return m.mount(files), true, nil
	}
	return m.docs, false, nil
}
