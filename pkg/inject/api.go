package inject

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/decide"
)

// Cluster is what the engine may ask about the cluster. Answers come from
// memory and never wait. Answers must be safe for concurrent use.
type Cluster interface {
	// NativeSidecars reports whether init containers with restartPolicy Always
	// can be used: on the named node, or, with an empty name, on every node.
	NativeSidecars(node string) bool
	// Namespace returns a namespace's labels and annotations; ok is false when
	// nothing is known about it.
	Namespace(name string) (labels, annotations map[string]string, ok bool)
}

// Options are the settings that come from flags rather than from the files.
type Options struct {
	// Revision of this injector; empty means "default".
	Revision string
	// Platform is "openshift" or empty.
	Platform string
	// CompliancePolicy is shown to templates as it is.
	CompliancePolicy string
	// Env holds the variables that the template function env may read: the
	// allow list is already applied, so what is not here does not exist.
	Env map[string]string
	// Cluster answers questions about the cluster; nil means that nothing is
	// known, so native sidecars are off.
	Cluster Cluster
	// OnDefect is called when the evaluation of a template in part has failed and
	// text/template did the work instead, see [render.Language]. Several goroutines
	// may call it at once.
	OnDefect func(template string, defect error)
}

// Request is one pod to look at.
type Request struct {
	// Object is the pod in JSON, as it was received.
	Object []byte
	// Namespace is used when the pod itself names none.
	Namespace string
	// Path is the URL path of the webhook call, for example
	// "/inject/cluster/c1/net/n1"; empty where there is none.
	Path string
	// Owner is the workload the pod belongs to, where the caller knows it
	// (manifests). Nil means: derived from the pod's owner references.
	Owner *Owner
	// Trace asks for Decision.Trace, which costs time and is for people.
	Trace bool
}

// Owner names the workload behind a pod.
type Owner struct {
	TypeMeta   metav1.TypeMeta
	ObjectMeta metav1.ObjectMeta
}

// Result is what the engine says about one pod.
type Result struct {
	Decision decide.Decision
	// Templates names the templates that were rendered, in order.
	Templates []string
	// Patch is the RFC 6902 patch from Request.Object to the injected pod; nil
	// when there is nothing to change.
	Patch []byte
	// Pod is the injected pod; nil unless Decision.Outcome is decide.Inject. It
	// shares memory with other results and must not be changed.
	Pod *corev1.Pod
	// Warnings are for the person who created the pod: at most 3, each at most
	// 120 characters.
	Warnings []string
	// Err is the reason for a refusal, for errors.As; Decision.Message is its
	// text. A *PanicError in it carries a stack for the log.
	Err error
	// Namespace, Name and Workload say whom the decision is about, for logs. Name
	// falls back to generateName.
	Namespace, Name string
	Workload        Owner
}
