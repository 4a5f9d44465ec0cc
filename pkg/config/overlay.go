package config

import (
	"encoding/json"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"

	meshconfig "istio.io/api/mesh/v1alpha1"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	"go.yaml.in/yaml/v3"

	"github.com/sidecar-injector/istio-sidecar-injector/internal/cut"
)

// overlayField sets one field of a message from its YAML. protojson cannot
// overlay, it always begins with an empty message; hence the field is decoded
// into a message of its own and moved. A value that protobuf does not keep,
// because it equals the type's zero, clears the field: it was set on purpose.
func overlayField(msg protoreflect.Message, key, path string, k, v *yaml.Node, r *report) {
	field := msg.Descriptor().Fields().ByJSONName(key)
	if field == nil {
		field = msg.Descriptor().Fields().ByTextName(key)
	}
	if field == nil {
		r.notef(k, path, "unknown field, ignored")
		return
	}
	text, err := toJSON(v)
	if err != nil {
		r.errorf(where(k, v), path, "not usable%s", problemOf(err.Error()))
		return
	}
	r.at(path, where(k, v))
	name, _ := json.Marshal(key)
	text = fmt.Appendf(nil, "{%s:%s}", name, text)
	one := msg.New()
	err = protojson.Unmarshal(text, one.Interface())
	if err != nil && strings.Contains(err.Error(), "unknown field") {
		// Not from the start, because this also lets unknown names of
		// enumerations pass.
		r.notef(k, path, "%.300s, ignored", protoProblem(err))
		one = msg.New()
		err = protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, one.Interface())
	}
	if err != nil {
		if wrong := unknownName(field, v, path); wrong != nil {
			r.errorf(wrong.node, wrong.path, "invalid value %s, must be one of %s", shown("%.60q", wrong.node.Value), wrong.choices)
			return
		}
		r.errorf(where(k, v), path, "found %s%s", kindOf(v), problemOf(protoProblem(err)))
		return
	}
	if one.Has(field) {
		msg.Set(field, one.Get(field))
	} else {
		msg.Clear(field)
	}
}

// problemOf is what a decoder says, which may show the value.
func problemOf(text string) given {
	return given{": " + cut.Line(text, maxField), ", which this field does not take"}
}

// protoProblem returns a protojson message without the position, which is one in
// the converted text, and without the deliberately unstable blank after "proto:".
func protoProblem(err error) string {
	msg := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	msg = strings.TrimPrefix(msg, "proto: ")
	return regexp.MustCompile(`^(syntax error )?\(line \d+:\d+\): `).ReplaceAllString(msg, "")
}

// fieldProblem is a field of a proxy configuration that has an invalid value.
type fieldProblem struct {
	field, format string
	args          []any
}

// validateProxyConfig checks what every proxy needs: paths, addresses, ports
// and durations. It returns every problem.
func validateProxyConfig(pc *meshconfig.ProxyConfig) []fieldProblem {
	var out []fieldProblem
	add := func(field, format string, args ...any) {
		out = append(out, fieldProblem{field, format, args})
	}
	if pc.ConfigPath == "" {
		add("configPath", "must not be empty")
	}
	if pc.BinaryPath == "" {
		add("binaryPath", "must not be empty")
	}
	address(pc.DiscoveryAddress, "discoveryAddress", true, add)
	address(pc.GetTracing().GetZipkin().GetAddress(), "tracing.zipkin.address", false, add)
	address(pc.GetTracing().GetLightstep().GetAddress(), "tracing.lightstep.address", false, add)
	address(pc.GetTracing().GetDatadog().GetAddress(), "tracing.datadog.address", false, add)
	address(pc.GetEnvoyMetricsService().GetAddress(), "envoyMetricsService.address", false, add)
	address(pc.GetEnvoyAccessLogService().GetAddress(), "envoyAccessLogService.address", false, add)
	address(pc.GetStatsdUdpAddress(), "statsdUdpAddress", false, add)
	port(pc.ProxyAdminPort, "proxyAdminPort", 1, add)
	port(pc.StatusPort, "statusPort", 0, add)
	positive(pc.DrainDuration, "drainDuration", add)
	positive(pc.TerminationDrainDuration, "terminationDrainDuration", add)
	if n := pc.GetConcurrency().GetValue(); n < 0 {
		add("concurrency", "invalid value %s, must not be negative", shown("%d", n))
	}
	return out
}

type addProblem func(field, format string, args ...any)

func address(s, field string, required bool, add addProblem) {
	// $(HOST_IP):8126 and its like are expanded by the kubelet.
	if s == "" && !required || strings.Contains(s, "$(") {
		return
	}
	host, p, err := net.SplitHostPort(s)
	n, portErr := strconv.ParseUint(p, 10, 16)
	if err != nil || portErr != nil || host == "" || n == 0 {
		add(field, "invalid value %s, must be host:port with a port from 1 to 65535", shown("%.80q", s))
	}
}

func port(n int32, field string, low int32, add addProblem) {
	if n < low || n > 65535 {
		add(field, "invalid value %s, must be a port from %d to 65535", shown("%d", n), low)
	}
}

func positive(d *durationpb.Duration, field string, add addProblem) {
	if d == nil {
		return
	}
	if err := d.CheckValid(); err != nil || d.AsDuration() < 0 {
		add(field, "invalid value %s, must be a duration that is not negative", shown("%s", d.AsDuration().Round(time.Millisecond)))
	}
}
