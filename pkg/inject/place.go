package inject

import (
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/sidecar-injector/istio-sidecar-injector/pkg/config"
)

// placeOf is where one of some texts stands in a template: the first that stands there
// once, else the beginning of the template. It is empty where the template is not known.
func (s *Snapshot) placeOf(template string, texts ...string) config.Place {
	text, ok := s.config.Templates[template]
	if !ok {
		return config.Place{}
	}
	for _, needle := range texts {
		if len(needle) > 1 && strings.Count(text, needle) == 1 {
			return s.placeAt(template, strings.Index(text, needle))
		}
	}
	return s.config.TemplateOrigins[template].Start()
}

// placeAt is where a byte of a template stands in its file.
func (s *Snapshot) placeAt(template string, offset int) config.Place {
	before := s.config.Templates[template][:offset]
	column := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	return s.config.TemplateOrigins[template].Place(strings.Count(before, "\n")+1, column)
}

func containerNames(list []corev1.Container) (names []string) {
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}

func volumeNames(list []corev1.Volume) (names []string) {
	for i := range list {
		names = append(names, list[i].Name)
	}
	return names
}
