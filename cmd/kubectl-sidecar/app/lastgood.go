package app

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/kube"
	"github.com/sidecar-injector/istio-sidecar-injector/internal/lastgood"
)

// lastGoodHealth is what the servers have recorded.
type lastGoodHealth struct {
	Hash    string    `json:"hash"`
	Since   time.Time `json:"since"`
	Version string    `json:"version"`
	// Refused is why the servers do not serve what the cluster's ConfigMaps say, without
	// values; empty while they do.
	Refused      string     `json:"refused,omitempty"`
	RefusedSince *time.Time `json:"refusedSince,omitempty"`
}

// lastGood looks at the record of the last good configuration, with the rights of the
// user. wrong says that errors of the cluster's configuration are told anyway, in full.
func (p *program) lastGood(ctx context.Context, client kubernetes.Interface, c *configuration, h *health, wrong bool) error {
	if c.lastGoodConfigMap == "" {
		return nil
	}
	name, err := kube.ParseName(c.lastGoodConfigMap)
	if err != nil {
		return err
	}
	cm, err := client.CoreV1().ConfigMaps(name.Namespace).Get(ctx, name.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		h.problem("configmap %s: does not exist, so a server that starts while the configuration is refused has none; helm upgrade makes it", name)
		return nil
	case err != nil:
		return err
	}
	current := lastgood.Documents{Config: c.sources.Inject.Data, Values: c.sources.Values.Data, Mesh: c.sources.Mesh.Data}
	told := ""
	if wrong {
		told = current.Digest()
	}
	h.readLastGood(cm, told)
	return nil
}

// readLastGood reads the record. told is the digest of documents whose errors are told
// anyway; empty: of none.
func (h *health) readLastGood(cm *corev1.ConfigMap, told string) {
	record, err := lastgood.Decode(cm)
	switch {
	case errors.Is(err, lastgood.ErrEmpty):
		h.problem("configmap %s/%s: nothing is recorded yet: no server has had a good configuration, or none may write it; their log says which", cm.Namespace, cm.Name)
		return
	case err != nil:
		h.problem("configmap %s/%s: %v; a server in which a good configuration is in force writes it anew", cm.Namespace, cm.Name, err)
		return
	}
	g := &lastGoodHealth{Hash: record.Hash, Since: record.Since, Version: record.Version}
	if r := record.Refused; r != nil {
		g.Refused, g.RefusedSince = r.Reason, &r.Since
		reason := ": " + r.Reason
		if told != "" && r.Digest == told {
			reason = ", see below"
		}
		h.problem("serving the last good configuration of %s, because the current one is refused since %s%s",
			record.Since.UTC().Format(time.RFC3339), r.Since.UTC().Format(time.RFC3339), reason)
	}
	h.LastGood = g
}
