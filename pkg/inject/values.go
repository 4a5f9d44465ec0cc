package inject

import (
	"fmt"
	"strconv"
	"strings"

	meshconfig "istio.io/api/mesh/v1alpha1"
)

const (
	proxyImageTypeKey = "sidecar.istio.io/proxyImageType"
	defaultImage      = "proxyv2"
)

// values are the chart values that the engine itself looks at, read once.
type values struct {
	hub, tag, variant  string
	image, initImage   string
	cluster, network   string
	hold, rewriteProbe bool
}

func readValues(v map[string]any) values {
	return values{
		hub:          text(v, "global", "hub"),
		tag:          text(v, "global", "tag"),
		variant:      text(v, "global", "variant"),
		image:        orElse(text(v, "global", "proxy", "image"), defaultImage),
		initImage:    orElse(text(v, "global", "proxy_init", "image"), defaultImage),
		cluster:      text(v, "global", "multiCluster", "clusterName"),
		network:      text(v, "global", "network"),
		hold:         flag(v, "global", "proxy", "holdApplicationUntilProxyStarts"),
		rewriteProbe: flag(v, "sidecarInjectorWebhook", "rewriteAppHTTPProbe"),
	}
}

func get(v any, path ...string) any {
	for _, key := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[key]
	}
	return v
}

// text prints what is there, because an unquoted tag such as 1.30 is a number.
func text(v any, path ...string) string {
	switch v := get(v, path...).(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func flag(v any, path ...string) bool {
	b, _ := strconv.ParseBool(text(v, path...))
	return b
}

func orElse(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// imageType returns the kind of image for one pod: its annotation says, else
// the proxy configuration, else the values.
func (v *values) imageType(annotations map[string]string, pc *meshconfig.ProxyConfig) string {
	if t, ok := annotations[proxyImageTypeKey]; ok {
		return t
	}
	if image := pc.GetImage(); image != nil {
		return image.ImageType
	}
	return v.variant
}

// reference returns a complete image reference. A type takes the place of the
// suffix that the tag has; "default" just removes it.
func (v *values) reference(image, imageType string) string {
	tag := v.tag
	if imageType != "" {
		for _, known := range [...]string{"-distroless", "-debug"} {
			if t, ok := strings.CutSuffix(tag, known); ok {
				tag = t
				break
			}
		}
		if imageType != "default" {
			tag += "-" + imageType
		}
	}
	return v.hub + "/" + image + ":" + tag
}
