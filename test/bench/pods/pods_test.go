package pods

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
)

func TestShapesHaveTheSizesTheyAreMeantToHave(t *testing.T) {
	shapes, err := Shapes(os.Getenv(FolderEnv))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][2]int{"hello": {300, 700}, "typical": {7_500, 9_500}, "env2000": {135_000, 150_000}}
	for _, s := range shapes {
		data, err := json.MarshalIndent(s.Pod, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if r := want[s.Name]; len(data) < r[0] || len(data) > r[1] {
			t.Errorf("%s has %d bytes as indented JSON, want %d to %d", s.Name, len(data), r[0], r[1])
		}
	}
}

func TestReviewsDifferWhereTheyShould(t *testing.T) {
	shapes, err := Shapes(os.Getenv(FolderEnv))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shapes {
		t.Run(s.Name, func(t *testing.T) {
			r, err := NewReviews(s.Pod)
			if err != nil {
				t.Fatal(err)
			}
			first := decode(t, r.Review(1, 1))
			size := len(r.Review(1, 1))
			replica, other := decode(t, r.Review(1, 2)), decode(t, r.Review(2, 1))
			if size != len(r.Review(4_000_000_000, 4_000_000_000)) {
				t.Error("the size of a review depends on whose it is")
			}
			if first.review == replica.review {
				t.Error("two replicas have the same review uid")
			}
			if d := cmp.Diff(first.pod, replica.pod); s.Name != "hello" && d == "" {
				t.Error("replicas are the same")
			}
			if d := cmp.Diff(withoutIdentity(first.pod), withoutIdentity(replica.pod)); d != "" {
				t.Errorf("replicas differ in more than name, uid and the token's volume:\n%s", d)
			}
			for what, pair := range map[string][2]string{
				"label":  {first.pod.Labels["app"], other.pod.Labels["app"]},
				"hash":   {first.pod.Labels["pod-template-hash"], other.pod.Labels["pod-template-hash"]},
				"owner":  {first.pod.OwnerReferences[0].Name, other.pod.OwnerReferences[0].Name},
				"image":  {first.pod.Spec.Containers[0].Image, other.pod.Spec.Containers[0].Image},
				"name":   {first.pod.GenerateName, other.pod.GenerateName},
				"inside": {first.pod.Spec.Containers[0].Name, other.pod.Spec.Containers[0].Name},
			} {
				if pair[0] == pair[1] || pair[0] == "" {
					t.Errorf("two workloads have the %s %q", what, pair[0])
				}
			}
		})
	}
}

// withoutIdentity is a pod without what is its own among replicas.
func withoutIdentity(pod *corev1.Pod) *corev1.Pod {
	p := pod.DeepCopy()
	p.Name, p.UID = "", ""
	for i := range p.Spec.Volumes {
		if v := &p.Spec.Volumes[i]; v.Projected != nil {
			v.Name = "token"
		}
	}
	for _, list := range [][]corev1.Container{p.Spec.InitContainers, p.Spec.Containers} {
		for i := range list {
			for j := range list[i].VolumeMounts {
				if m := &list[i].VolumeMounts[j]; m.MountPath == "/var/run/secrets/kubernetes.io/serviceaccount" {
					m.Name = "token"
				}
			}
		}
	}
	return p
}

func TestShapesSaysWhatIsMissing(t *testing.T) {
	if _, err := Shapes(t.TempDir()); err == nil {
		t.Fatal("an empty folder was taken for one with pods")
	}
}

type decoded struct {
	review string
	pod    *corev1.Pod
}

func decode(t *testing.T, body []byte) decoded {
	t.Helper()
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &review); err != nil {
		t.Fatal(err)
	}
	pod := new(corev1.Pod)
	if err := json.Unmarshal(review.Request.Object.Raw, pod); err != nil {
		t.Fatal(err)
	}
	return decoded{string(review.Request.UID), pod}
}
