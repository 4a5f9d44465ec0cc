package engine

import (
	"fmt"
	"io"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	helm "helm.sh/helm/v3/pkg/engine"
	corev1 "k8s.io/api/core/v1"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// ofChart renders the chart with its default values and takes the configuration
// from its ConfigMaps.
func ofChart(folder string) (Setup, error) {
	setup := Setup{Dialect: "current", Origin: "the chart's defaults", NativeSidecars: true}
	chart, err := loader.Load(folder)
	if err != nil {
		return setup, fmt.Errorf("chart %s: %w", folder, err)
	}
	values, err := chartutil.ToRenderValues(chart, nil, chartutil.ReleaseOptions{
		Name: "istio-sidecar-injector", Namespace: "istio-system", Revision: 1, IsInstall: true,
	}, chartutil.DefaultCapabilities)
	if err != nil {
		return setup, fmt.Errorf("chart %s: %w", folder, err)
	}
	files, err := helm.Render(chart, values)
	if err != nil {
		return setup, fmt.Errorf("chart %s: %w", folder, err)
	}
	documents := map[string]config.Source{}
	for name, text := range files {
		if err := configMaps(name, text, documents); err != nil {
			return setup, err
		}
	}
	setup.Sources = config.Sources{Inject: documents["config"], Values: documents["values"], Mesh: documents["mesh"]}
	for _, key := range []string{"config", "values", "mesh"} {
		if len(documents[key].Data) == 0 {
			return setup, fmt.Errorf("chart %s: no ConfigMap has the key %s", folder, key)
		}
	}
	return setup, nil
}

// configMaps adds the data of the ConfigMaps in one rendered file.
func configMaps(file, text string, into map[string]config.Source) error {
	if !strings.HasSuffix(file, ".yaml") {
		return nil
	}
	for in := kyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		var m corev1.ConfigMap
		err := in.Decode(&m)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("rendered %s: %w", file, err)
		}
		if m.Kind != "ConfigMap" {
			continue
		}
		for key, data := range m.Data {
			into[key] = config.Source{Name: file + ":" + key, Data: []byte(data)}
		}
	}
}
