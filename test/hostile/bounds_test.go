//go:build integration && linux

package hostile

import (
	"strings"
)

// boundCases are pods just below what every pod may hold: they are answered.
func boundCases() []hostileCase {
	const rightly = "injected: bounds lie at or above this"
	below := func(name string, pod func() []byte) hostileCase {
		return podCase("within bounds: "+name, "has "+name, rightly, pod, injected)
	}
	filler := func(n int) string { return strings.Repeat("v", n) }
	return []hostileCase{
		below("100 containers", func() []byte { return podOf(`"containers":[` + list(100, `{"name":"c%d","image":"i"}`) + `]`) }),
		below("100 containers, 50 of them init containers, with a status that names none", func() []byte {
			return podOf(`"containers":[`+list(50, `{"name":"c%d","image":"i"}`)+`],"initContainers":[`+list(50, `{"name":"i%d","image":"i"}`)+`]`,
				annotation("sidecar.istio.io/status", `{"containers":[],"initContainers":[]}`))
		}),
		below("1,000 volumes", func() []byte {
			return podOf(oneContainer + `,"volumes":[` + list(1000, `{"name":"v%d","emptyDir":{}}`) + `]`)
		}),
		below("10,000 variables in one container", func() []byte {
			return podOf(`"containers":[{"name":"app","image":"i","env":[` + list(10_000, `{"name":"E%d","value":"value"}`) + `]}]`)
		}),
		below("10,000 variables in 100 containers", func() []byte {
			return podOf(`"containers":[` + list(100, `{"name":"c%d","image":"i","env":[`+list(100, `{"name":"E%d","value":"value"}`)+`]}`) + `]`)
		}),
		below("256 KiB of annotations in one", func() []byte { return podOf(oneContainer, annotation("example.com/large", filler(256<<10-20))) }),
		below("256 KiB of annotations in 5,000", func() []byte {
			return podOf(oneContainer, `"annotations":{`+list(5000, `"example.com/k%d":"`+filler(30)+`"`)+`}`)
		}),
		below("256 KiB that the template reads", func() []byte {
			return podOf(oneContainer, annotation("sidecar.istio.io/componentLogLevel", filler(200<<10)))
		}),
		below("a user volume and its mount", func() []byte {
			return podOf(oneContainer, annotations("sidecar.istio.io/userVolume", `{"v":{"emptyDir":{}}}`, "sidecar.istio.io/userVolumeMount", `{"v":{"mountPath":"/m","readOnly":true}}`))
		}),
		below("all of it at once", func() []byte {
			return podOf(`"containers":[`+list(100, `{"name":"c%d","image":"i","env":[`+list(100, `{"name":"E%d","value":"value"}`)+`]}`)+`],"volumes":[`+
				list(1000, `{"name":"v%d","emptyDir":{}}`)+`]`, annotation("example.com/large", filler(256<<10-20)))
		}),
	}
}
