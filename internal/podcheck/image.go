package podcheck

import (
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// unreadable returns the images that no kubelet can parse. An API server accepts such a
// pod, and it never starts: InvalidImageName. Images that are empty or have blanks around
// them are left to problemsOf.
func unreadable(pod *corev1.Pod) []Problem {
	c := &check{pod: pod}
	for list, containers := range map[string][]corev1.Container{"spec.initContainers": pod.Spec.InitContainers, "spec.containers": pod.Spec.Containers} {
		for i := range containers {
			image := containers[i].Image
			if image == "" || strings.TrimSpace(image) != image {
				continue
			}
			if text := Image(image); text != "" {
				c.add(at(list).item(i, containers[i].Name).child("image"), image, "%s", text)
			}
		}
	}
	return c.found
}

// The grammar of a reference, as github.com/distribution/reference has it in its package
// comment: [DOMAIN/]PATH[:TAG][@DIGEST], which kubelets read by ParseNormalizedNamed.
var (
	domainPattern    = regexp.MustCompile(`^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$`)
	componentPattern = regexp.MustCompile(`^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$`)
	tagPattern       = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
	digestPattern    = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$`)
	identifier       = regexp.MustCompile(`^[a-f0-9]{64}$`)
)

// maxRepository is the length of a name without registry, tag and digest. That of an image
// of the default registry has "library/" before it.
const maxRepository = 255

// Image says what is wrong with the name of an image; empty when nothing is.
func Image(image string) string {
	if identifier.MatchString(image) {
		return "is 64 hexadecimal digits, which may not be the name of an image"
	}
	name, digest, digested := strings.Cut(image, "@")
	if digested && !digestPattern.MatchString(digest) {
		return "has something else than a digest after the @"
	}
	domain, repository := "", name
	if first, rest, found := strings.Cut(name, "/"); found && (strings.ContainsAny(first, ".:") || first == "localhost" || strings.ToLower(first) != first) {
		domain, repository = first, rest
	}
	if domain != "" && !domainPattern.MatchString(domain) {
		return "does not begin with the name of a registry: HOST[:PORT]/"
	}
	repository, tag, tagged := strings.Cut(repository, ":")
	if tagged && !tagPattern.MatchString(tag) {
		return "has something else than a tag after the colon: letters, digits, '_', '.' and '-', at most 128"
	}
	whole := repository
	if domain == "" && !strings.Contains(whole, "/") {
		whole = "library/" + whole
	}
	if len(whole) > maxRepository {
		return "has a name that is too long"
	}
	for component := range strings.SplitSeq(repository, "/") {
		if !componentPattern.MatchString(component) {
			return "is not the name of an image: [REGISTRY/]NAME[:TAG][@DIGEST], where the name has small letters, digits, and single '.', '_', '-' between them"
		}
	}
	return ""
}
