package components

import "github.com/sidecar-injector/istio-sidecar-injector/scripts/cluster/internal/plan"

const dnsUser = "system:coredns"

// An Object is to be posted to Path.
type Object struct {
	Path   string
	Object any
}

// Objects lists what a cluster with a node needs in its API: the rights of
// CoreDNS and the Service through which pods reach it. CoreDNS runs beside the
// node, not in a pod, so the endpoints of that Service are written by hand.
func (c Cluster) Objects() []Object {
	if !c.Node {
		return nil
	}
	const rbac, core, discovery = "rbac.authorization.k8s.io", "/api/v1/namespaces/kube-system", "discovery.k8s.io"
	readOnly := []string{"get", "list", "watch"}
	ports := []object{{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}}
	return []Object{
		{"/apis/" + rbac + "/v1/clusterroles", object{
			"apiVersion": rbac + "/v1", "kind": "ClusterRole",
			"metadata": object{"name": dnsUser},
			"rules": []object{
				{"apiGroups": []string{""}, "resources": []string{"namespaces", "pods", "services"}, "verbs": readOnly},
				{"apiGroups": []string{discovery}, "resources": []string{"endpointslices"}, "verbs": readOnly},
			},
		}},
		{"/apis/" + rbac + "/v1/clusterrolebindings", object{
			"apiVersion": rbac + "/v1", "kind": "ClusterRoleBinding",
			"metadata": object{"name": dnsUser},
			"roleRef":  object{"apiGroup": rbac, "kind": "ClusterRole", "name": dnsUser},
			"subjects": []object{{"apiGroup": rbac, "kind": "User", "name": dnsUser}},
		}},
		{core + "/services", object{
			"apiVersion": "v1", "kind": "Service",
			"metadata": object{"name": "kube-dns", "labels": object{"k8s-app": "kube-dns", "kubernetes.io/name": "CoreDNS"}},
			"spec":     object{"clusterIP": plan.DNSService, "ports": ports},
		}},
		{"/apis/" + discovery + "/v1/namespaces/kube-system/endpointslices", object{
			"apiVersion": discovery + "/v1", "kind": "EndpointSlice",
			"metadata":    object{"name": "kube-dns", "labels": object{"kubernetes.io/service-name": "kube-dns"}},
			"addressType": "IPv4",
			"ports":       ports,
			"endpoints":   []object{{"addresses": []string{c.Plan.Node.String()}, "conditions": object{"ready": true}}},
		}},
	}
}
