package pki

import (
	"crypto/sha256"
	"encoding/hex"
)

// DefaultClusterDomain is the DNS suffix of services unless kubelet was told
// another one.
const DefaultClusterDomain = "cluster.local"

// ServiceHosts are the DNS names under which a Service is called. The API server
// calls <service>.<namespace>.svc; the others serve clients inside the cluster.
func ServiceHosts(service, namespace, clusterDomain string) []string {
	if clusterDomain == "" {
		clusterDomain = DefaultClusterDomain
	}
	ns := service + "." + namespace
	return []string{service, ns, ns + ".svc", ns + ".svc." + clusterDomain}
}

// CASubject is the name of the CA that lives in the Secret namespace/name. The
// name tells our own CAs, of any age, from those of others in a caBundle. X.520
// bounds a common name to 64 characters and a Secret's name is bounded by 253,
// hence the hash.
func CASubject(namespace, secret string) Subject {
	sum := sha256.Sum256([]byte(namespace + "/" + secret))
	name := secret[:min(len(secret), 40)]
	return Subject{
		CommonName:         name + " CA " + hex.EncodeToString(sum[:6]),
		Organization:       "istio-sidecar-injector",
		OrganizationalUnit: namespace,
	}
}
