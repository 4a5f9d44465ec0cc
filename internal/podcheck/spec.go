package podcheck

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	netutils "k8s.io/utils/net"
)

// spec checks the fields of a pod's spec that are no lists of containers or volumes.
func (c *check) spec() {
	spec, p := &c.pod.Spec, at("spec")
	label := func(name, value string) {
		if value != "" {
			c.all(p.child(name), value, validation.IsDNS1123Label(value))
		}
	}
	label("hostname", spec.Hostname)
	label("subdomain", spec.Subdomain)
	object := func(name, value string) {
		if value != "" {
			c.all(p.child(name), value, apivalidation.NameIsDNSSubdomain(value, false))
		}
	}
	object("serviceAccountName", spec.ServiceAccountName)
	object("nodeName", spec.NodeName)
	object("priorityClassName", spec.PriorityClassName)
	if spec.RuntimeClassName != nil {
		c.all(p.child("runtimeClassName"), *spec.RuntimeClassName, apivalidation.NameIsDNSSubdomain(*spec.RuntimeClassName, false))
	}
	oneOf(c, p.child("restartPolicy"), spec.RestartPolicy, corev1.RestartPolicyAlways, corev1.RestartPolicyOnFailure, corev1.RestartPolicyNever)
	oneOf(c, p.child("dnsPolicy"), spec.DNSPolicy, corev1.DNSClusterFirstWithHostNet, corev1.DNSClusterFirst, corev1.DNSDefault, corev1.DNSNone)
	if spec.ActiveDeadlineSeconds != nil {
		c.inRange(p.child("activeDeadlineSeconds"), *spec.ActiveDeadlineSeconds, 1, math.MaxInt32)
	}
	for key, value := range spec.NodeSelector {
		for _, e := range metavalidation.ValidateLabels(map[string]string{key: value}, field.NewPath("")) {
			c.add(p.child("nodeSelector").key(key), e.BadValue, "%s", e.Detail)
		}
	}
	for i, alias := range spec.HostAliases {
		c.ip(p.child("hostAliases").item(i, "").child("ip"), alias.IP)
		for _, name := range alias.Hostnames {
			c.all(p.child("hostAliases").item(i, alias.IP).child("hostnames"), name, validation.IsDNS1123Subdomain(name))
		}
	}
	c.dns()
	c.podSecurity()
}

// The bounds of a pod's DNS configuration, see MaxDNSNameservers and the constants
// after it in k8s.io/kubernetes/pkg/apis/core/validation.
const (
	maxNameservers    = 3
	maxSearches       = 32
	maxSearchesLength = 2048
)

func (c *check) dns() {
	d, p := c.pod.Spec.DNSConfig, at("spec.dnsConfig")
	if c.pod.Spec.DNSPolicy == corev1.DNSNone && (d == nil || len(d.Nameservers) == 0) {
		c.add(p.child("nameservers"), nil, "needs at least one nameserver with dnsPolicy None")
	}
	if d == nil {
		return
	}
	if n := len(d.Nameservers); n > maxNameservers {
		c.add(p.child("nameservers"), n, "must not be more than %d", maxNameservers)
	}
	for i, server := range d.Nameservers {
		c.ip(p.child("nameservers").item(i, ""), server)
	}
	if n := len(d.Searches); n > maxSearches {
		c.add(p.child("searches"), n, "must not be more than %d", maxSearches)
	}
	if n := len(strings.Join(d.Searches, " ")); n > maxSearchesLength {
		c.add(p.child("searches"), n, "must not have more than %d characters in all", maxSearchesLength)
	}
	for i, o := range d.Options {
		c.required(p.child("options").item(i, "").child("name"), o.Name)
	}
}

// ip checks an address as API servers do in fields that have been there from the first:
// leading zeros are allowed.
func (c *check) ip(p path, address string) {
	if netutils.ParseIPSloppy(address) == nil {
		c.add(p, address, "must be an IP address")
	}
}

func (c *check) podSecurity() {
	s, p := c.pod.Spec.SecurityContext, at("spec.securityContext")
	if share := c.pod.Spec.ShareProcessNamespace; c.pod.Spec.HostPID && share != nil && *share {
		c.add(at("spec.shareProcessNamespace"), true, "cannot be true together with hostPID")
	}
	if s == nil {
		return
	}
	c.ids(p, s.RunAsUser, s.RunAsGroup)
	if s.FSGroup != nil {
		c.all(p.child("fsGroup"), *s.FSGroup, validation.IsValidGroupID(*s.FSGroup))
	}
	for i, id := range s.SupplementalGroups {
		c.all(p.child("supplementalGroups").item(i, ""), id, validation.IsValidGroupID(id))
	}
	if s.FSGroupChangePolicy != nil {
		c.needsOneOf(p.child("fsGroupChangePolicy"), string(*s.FSGroupChangePolicy), string(corev1.FSGroupChangeOnRootMismatch), string(corev1.FSGroupChangeAlways))
	}
	c.seccomp(p.child("seccompProfile"), s.SeccompProfile)
	c.appArmor(p.child("appArmorProfile"), s.AppArmorProfile)
}

// needsOneOf is oneOf for a field that has no default.
func (c *check) needsOneOf(p path, value string, allowed ...string) {
	if !slices.Contains(allowed, value) {
		c.add(p, value, "must be one of %q", allowed)
	}
}

// ids checks the numbers of a user and of a group.
func (c *check) ids(p path, user, group *int64) {
	if user != nil {
		c.all(p.child("runAsUser"), *user, validation.IsValidUserID(*user))
	}
	if group != nil {
		c.all(p.child("runAsGroup"), *group, validation.IsValidGroupID(*group))
	}
}

func (c *check) seccomp(p path, s *corev1.SeccompProfile) {
	if s == nil {
		return
	}
	c.needsOneOf(p.child("type"), string(s.Type), string(corev1.SeccompProfileTypeLocalhost), string(corev1.SeccompProfileTypeRuntimeDefault), string(corev1.SeccompProfileTypeUnconfined))
	c.profile(p.child("localhostProfile"), s.Type == corev1.SeccompProfileTypeLocalhost, s.LocalhostProfile)
	if s.Type == corev1.SeccompProfileTypeLocalhost && s.LocalhostProfile != nil {
		c.localPath(p.child("localhostProfile"), *s.LocalhostProfile)
	}
}

func (c *check) appArmor(p path, a *corev1.AppArmorProfile) {
	if a == nil {
		return
	}
	c.needsOneOf(p.child("type"), string(a.Type), string(corev1.AppArmorProfileTypeLocalhost), string(corev1.AppArmorProfileTypeRuntimeDefault), string(corev1.AppArmorProfileTypeUnconfined))
	c.profile(p.child("localhostProfile"), a.Type == corev1.AppArmorProfileTypeLocalhost, a.LocalhostProfile)
	if a.LocalhostProfile != nil && strings.TrimSpace(*a.LocalhostProfile) != *a.LocalhostProfile {
		c.add(p.child("localhostProfile"), *a.LocalhostProfile, "must not begin or end with blanks")
	}
}

// profile checks that a profile of the node is named where, and only where, the type
// is Localhost.
func (c *check) profile(p path, localhost bool, profile *string) {
	switch {
	case localhost && profile == nil:
		c.add(p, nil, "is required with type Localhost")
	case !localhost && profile != nil:
		c.add(p, *profile, "can be set with type Localhost only")
	}
}
