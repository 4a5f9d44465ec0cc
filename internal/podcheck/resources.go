package podcheck

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
)

// resources checks what a container asks for. A request that is not given is the limit.
func (c *check) resources(p path, r *corev1.ResourceRequirements) {
	for name, limit := range r.Limits {
		c.quantity(p.child("limits").key(string(name)), name, limit)
	}
	for name, request := range r.Requests {
		p := p.child("requests").key(string(name))
		c.quantity(p, name, request)
		limit, limited := r.Limits[name]
		// The API server rounds both before it compares them.
		request, limit = rounded(request), rounded(limit)
		switch {
		case !limited && !overcommitted(name):
			c.add(p, request.String(), "needs a limit, too")
		case limited && !overcommitted(name) && request.Cmp(limit) != 0:
			c.add(p, request.String(), "must be the same as the limit, %s", limit.String())
		case limited && request.Cmp(limit) > 0:
			c.add(p, request.String(), "must not be more than the limit, %s", limit.String())
		}
	}
	huge, plain := false, false
	for _, list := range []corev1.ResourceList{r.Limits, r.Requests} {
		for name := range list {
			huge = huge || hugePages(name)
			plain = plain || name == corev1.ResourceCPU || name == corev1.ResourceMemory
		}
	}
	if huge && !plain {
		c.add(p, nil, "huge pages need a request for cpu or memory, too")
	}
	for i, claim := range r.Claims {
		if !slices.ContainsFunc(c.pod.Spec.ResourceClaims, func(of corev1.PodResourceClaim) bool { return of.Name == claim.Name }) {
			c.add(p.child("claims").item(i, claim.Name), nil, "the pod has no such resource claim")
		}
	}
}

func rounded(q resource.Quantity) resource.Quantity {
	q = q.DeepCopy()
	q.RoundUp(resource.Milli)
	return q
}

func (c *check) quantity(p path, name corev1.ResourceName, q resource.Quantity) {
	c.resourceName(p, name)
	if q.Sign() < 0 {
		c.add(p, q.String(), "must not be negative")
	}
	if extended(name) && q.MilliValue()%1000 != 0 {
		c.add(p, q.String(), "must be a whole number")
	}
	if hugePages(name) {
		size, err := resource.ParseQuantity(strings.TrimPrefix(string(name), corev1.ResourceHugePagesPrefix))
		if err != nil || size.Sign() <= 0 || size.MilliValue()%1000 != 0 || q.Value()%size.Value() != 0 {
			c.add(p, q.String(), "must be a multiple of the page size that the name has")
		}
	}
}

func (c *check) resourceName(p path, name corev1.ResourceName) {
	if bad := validation.IsQualifiedName(string(name)); len(bad) > 0 {
		c.all(p, name, bad)
		return
	}
	known := []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage}
	switch {
	case !strings.Contains(string(name), "/"):
		if !slices.Contains(known, name) && !hugePages(name) {
			c.add(p, name, "is not a resource of containers: cpu, memory, ephemeral-storage, hugepages-SIZE, or one with the name of its vendor, as in example.com/gpu")
		}
	case !native(name) && !extended(name):
		c.add(p, name, "is not the name of a resource")
	}
}

func hugePages(name corev1.ResourceName) bool {
	return strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
}

// native reports whether a resource is one of Kubernetes' own.
func native(name corev1.ResourceName) bool {
	return !strings.Contains(string(name), "/") || strings.Contains(string(name), corev1.ResourceDefaultNamespacePrefix)
}

// extended reports whether a resource is one of a vendor.
func extended(name corev1.ResourceName) bool {
	return !native(name) && !strings.HasPrefix(string(name), corev1.DefaultResourceRequestsPrefix) &&
		len(validation.IsQualifiedName(corev1.DefaultResourceRequestsPrefix+string(name))) == 0
}

// overcommitted reports whether requests for a resource may differ from its limit.
func overcommitted(name corev1.ResourceName) bool { return native(name) && !hugePages(name) }
