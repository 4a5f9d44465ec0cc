package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// DefaultClassicProxy returns the classic dialect's proxy configuration without a
// mesh configuration.
func DefaultClassicProxy() *ClassicProxy {
	return &ClassicProxy{
		ConfigPath:             "/etc/istio/proxy",
		BinaryPath:             "/usr/local/bin/envoy",
		ServiceCluster:         "istio-proxy",
		DrainDuration:          &Duration{45 * time.Second},
		ParentShutdownDuration: &Duration{60 * time.Second},
		DiscoveryAddress:       "istio-pilot:15010",
		ConnectTimeout:         &Duration{time.Second},
		ProxyAdminPort:         15000,
		StatNameLength:         189,
	}
}

// DefaultClassicMesh returns the classic dialect's mesh configuration for an empty
// file.
func DefaultClassicMesh() *ClassicMesh {
	everyone := []string{"*"}
	return &ClassicMesh{
		DisablePolicyChecks:            true,
		ProxyListenPort:                15001,
		ConnectTimeout:                 &Duration{time.Second},
		IngressService:                 "istio-ingressgateway",
		EnableTracing:                  true,
		AccessLogFile:                  "/dev/stdout",
		DefaultConfig:                  DefaultClassicProxy(),
		OutboundTrafficPolicy:          &OutboundPolicy{Mode: 1},
		DefaultServiceExportTo:         everyone,
		DefaultVirtualServiceExportTo:  everyone,
		DefaultDestinationRuleExportTo: everyone,
		RootNamespace:                  "istio-system",
		DnsRefreshRate:                 &Duration{5 * time.Second},
	}
}

func parseClassicMesh(s Source, r *report) *ClassicMesh {
	mesh := DefaultClassicMesh()
	top := document(s, r)
	if top == nil {
		return mesh
	}
	pairs(top, "", r, func(key string, k, v *yaml.Node) {
		switch {
		case isNull(v):
		case key == "defaultConfig":
			if v.Kind != yaml.MappingNode {
				r.errorf(where(k, v), key, "found %s, but it must be a mapping", kindOf(v))
				return
			}
			pairs(v, key+".", r, func(sub string, k, v *yaml.Node) {
				if !isNull(v) {
					setField(mesh.DefaultConfig, sub, key+"."+sub, k, v, r)
				}
			})
		default:
			setField(mesh, key, key, k, v, r)
		}
	})
	checkPort(mesh.ProxyListenPort, "proxyListenPort", r)
	return mesh
}

// setField sets the one field of a struct that has this JSON name. The field is
// emptied first, so that the file's value replaces the default's as a whole.
func setField(target any, key, path string, k, v *yaml.Node, r *report) {
	field, ok := fieldByJSON(reflect.ValueOf(target).Elem(), key)
	if !ok {
		r.notef(k, path, "unknown field, ignored")
		return
	}
	r.at(path, where(k, v))
	text, err := toJSON(v)
	if err == nil {
		field.SetZero()
		err = json.Unmarshal(text, field.Addr().Interface())
	}
	if err != nil {
		r.errorf(where(k, v), path, "found %s%s", kindOf(v), problemOf(plainJSON(err)))
	}
}

func fieldByJSON(s reflect.Value, key string) (reflect.Value, bool) {
	for i := range s.NumField() {
		name, _, _ := strings.Cut(s.Type().Field(i).Tag.Get("json"), ",")
		if name == key {
			return s.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// plainJSON says what encoding/json complains about without the names of Go
// types.
func plainJSON(err error) string {
	if t, ok := err.(*json.UnmarshalTypeError); ok {
		what := map[reflect.Kind]string{
			reflect.String: "a string", reflect.Bool: "true or false", reflect.Int32: "a whole number",
			reflect.Struct: "a mapping", reflect.Slice: "a list",
		}[t.Type.Kind()]
		return fmt.Sprintf("must be %s", what)
	}
	return err.Error()
}
