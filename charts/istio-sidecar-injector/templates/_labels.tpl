{{/* Labels that select the injector's pods. A Deployment's selector can never change, so neither can these. */}}
{{- define "istio-sidecar-injector.selectorLabels" -}}
app: sidecarInjectorWebhook
istio: sidecar-injector
app.kubernetes.io/name: {{ include "istio-sidecar-injector.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of every object but the pods of jobs, which must not be selected by the Service. */}}
{{- define "istio-sidecar-injector.labels" -}}
{{- $own := fromYaml (include "istio-sidecar-injector.selectorLabels" .) }}
{{- $more := dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" (.Chart.AppVersion | replace "+" "_" | trunc 63)
  "app.kubernetes.io/managed-by" .Release.Service
  "app.kubernetes.io/part-of" "istio-sidecar-injector"
  "istio.io/rev" (include "istio-sidecar-injector.revision" . | default "default") }}
{{- merge $own $more (deepCopy .Values.commonLabels) | toYaml }}
{{- end }}

{{/* Labels of pods that are not servers: argument (dict "root" $ "component" NAME). */}}
{{- define "istio-sidecar-injector.jobPodLabels" -}}
{{- $own := dict
  "app.kubernetes.io/name" (include "istio-sidecar-injector.name" .root)
  "app.kubernetes.io/instance" .root.Release.Name
  "app.kubernetes.io/component" .component
  "sidecar.istio.io/inject" "false" }}
{{- merge $own (deepCopy .root.Values.commonLabels) | toYaml }}
{{- end }}

{{/* The annotations block of an object: argument (dict "root" $ "annotations" MAP); nothing when there are none. */}}
{{- define "istio-sidecar-injector.annotations" -}}
{{- with merge (deepCopy (.annotations | default dict)) (deepCopy .root.Values.commonAnnotations) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Metadata of an object: argument (dict "root" $ "name" NAME "annotations" MAP
"cluster" BOOL). The namespace is written out, because `helm template` piped into
kubectl would otherwise put objects into another one than the webhook calls.
*/}}
{{- define "istio-sidecar-injector.metadata" -}}
name: {{ .name }}
{{- if not .cluster }}
namespace: {{ .namespace | default .root.Release.Namespace }}
{{- end }}
labels:
  {{- include "istio-sidecar-injector.labels" .root | nindent 2 }}
{{- with include "istio-sidecar-injector.annotations" . }}
{{- . | nindent 0 }}
{{- end }}
{{- end }}
