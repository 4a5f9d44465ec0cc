{{/* Who is called. */}}

{{/*
Namespaces: by istio.io/rev for a revision, by istio-injection otherwise; a
namespace that carries both labels is the default injector's. Never those that a
cluster needs to come up, and never our own, or a stopped injector could not start.
*/}}
{{- define "istio-sidecar-injector.namespaceSelector" -}}
{{- if .Values.webhook.namespaceSelector }}
{{- toYaml .Values.webhook.namespaceSelector }}
{{- else -}}
matchExpressions:
  {{- with include "istio-sidecar-injector.revision" . }}
  - key: istio.io/rev
    operator: In
    values:
      - {{ . | quote }}
  - key: istio-injection
    operator: DoesNotExist
  {{- else }}
  {{- if .Values.enableNamespacesByDefault }}
  - key: istio-injection
    operator: NotIn
    values:
      - disabled
  - key: istio.io/rev
    operator: DoesNotExist
  {{- else }}
  - key: istio-injection
    operator: In
    values:
      - enabled
  {{- end }}
  {{- end }}
  - key: kubernetes.io/metadata.name
    operator: NotIn
    values:
      {{- append (.Values.webhook.excludedNamespaces | default list) .Release.Namespace | uniq | toYaml | nindent 6 }}
{{- end }}
{{- end }}

{{/*
CEL: whether a map of the pod's metadata has the key sidecar.istio.io/inject, and with
that value where one is given: argument (dict "map" NAME "value" VALUE).
*/}}
{{- define "istio-sidecar-injector.celSays" -}}
(has(object.metadata.{{ .map }}) && 'sidecar.istio.io/inject' in object.metadata.{{ .map }}{{ with .value }} && object.metadata.{{ $.map }}['sidecar.istio.io/inject'] == '{{ . }}'{{ end }})
{{- end }}

{{/*
Match conditions, evaluated by the API server, so that pods they exclude do not
depend on the injector at all. Injector pods are excluded whoever's they are: two
injectors must not wait for each other. The annotation counts only where the label
is absent: a label with another value than true or false leaves the decision to the
injector's configuration.
*/}}
{{- define "istio-sidecar-injector.matchConditions" -}}
{{- $asks := list (include "istio-sidecar-injector.celSays" (dict "map" "labels" "value" "true")) (include "istio-sidecar-injector.celSays" (dict "map" "annotations" "value" "true")) | join " || " -}}
- name: not-an-injector
  expression: >-
    !(has(object.metadata.labels) && 'istio' in object.metadata.labels && object.metadata.labels['istio'] == 'sidecar-injector')
{{- if .Values.webhook.skipHostNetwork }}
- name: not-host-network
  expression: >-
    !(has(object.spec.hostNetwork) && object.spec.hostNetwork) || {{ $asks }}
{{- end }}
{{- if .Values.webhook.skipDeclined }}
- name: not-declined-by-label
  expression: >-
    !{{ include "istio-sidecar-injector.celSays" (dict "map" "labels" "value" "false") }}
- name: not-declined-by-annotation
  expression: >-
    !{{ include "istio-sidecar-injector.celSays" (dict "map" "annotations" "value" "false") }} || {{ include "istio-sidecar-injector.celSays" (dict "map" "labels") }}
{{- end }}
{{- with .Values.webhook.matchConditions }}
{{ toYaml . }}
{{- end }}
{{- end }}
