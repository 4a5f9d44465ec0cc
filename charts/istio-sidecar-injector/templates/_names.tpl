{{/*
Names. Every name is made here, from one full name, so that two releases or two
revisions never share an object.
*/}}

{{- define "istio-sidecar-injector.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The revision, empty for the default one. */}}
{{- define "istio-sidecar-injector.revision" -}}
{{- if ne .Values.revision "default" }}{{ .Values.revision }}{{ end }}
{{- end }}

{{/* The full name without the revision. A Service's name may hold no dot, a release's may. */}}
{{- define "istio-sidecar-injector.basename" -}}
{{- $name := include "istio-sidecar-injector.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | replace "." "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | replace "." "-" }}
{{- end }}
{{- end }}

{{/*
The full name. 45 characters leave room for the suffixes of the chart's objects
within the 63 of a label; a longer name is cut and told apart by a hash.
*/}}
{{- define "istio-sidecar-injector.fullname" -}}
{{- $name := include "istio-sidecar-injector.basename" . }}
{{- with include "istio-sidecar-injector.revision" . }}
{{- $name = printf "%s-%s" $name . }}
{{- end }}
{{- if gt (len $name) 45 }}
{{- $name = printf "%s-%s" (trunc 36 $name | trimSuffix "-") (sha256sum $name | trunc 8) }}
{{- end }}
{{- $name }}
{{- end }}

{{/*
Names of cluster roles, which are not in a namespace, carry it, behind a colon, which
no name of a release or a namespace has: with a dash, `a` in `b-c` and `a-b` in `c`
would be one.
*/}}
{{- define "istio-sidecar-injector.clusterRoleName" -}}
{{- printf "%s:%s" (include "istio-sidecar-injector.fullname" .) .Release.Namespace }}
{{- end }}

{{- define "istio-sidecar-injector.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (printf "%s-service-account" (include "istio-sidecar-injector.fullname" .)) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.secretName" -}}
{{- if eq .Values.certs.mode "existingSecret" }}
{{- .Values.certs.existingSecret.name }}
{{- else }}
{{- .Values.certs.secretName | default (printf "istio.%s-service-account" (include "istio-sidecar-injector.fullname" .)) }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.injectConfigMapName" -}}
{{- .Values.injectConfig.name | default (include "istio-sidecar-injector.fullname" .) }}
{{- end }}

{{/*
The classic name of the mesh's ConfigMap, `istio` with the revision, belongs to
the classic release; other releases keep away from it.
*/}}
{{- define "istio-sidecar-injector.meshConfigMapName" -}}
{{- if .Values.meshConfig.name }}
{{- .Values.meshConfig.name }}
{{- else if eq (include "istio-sidecar-injector.basename" .) "istio-sidecar-injector" }}
{{- list "istio" (include "istio-sidecar-injector.revision" .) | compact | join "-" }}
{{- else }}
{{- printf "%s-mesh" (include "istio-sidecar-injector.fullname" .) }}
{{- end }}
{{- end }}

{{/* By the full name: two releases may share an injection ConfigMap, but not what their servers accepted. */}}
{{- define "istio-sidecar-injector.lastGoodName" -}}
{{- printf "%s-last-good" (include "istio-sidecar-injector.fullname" .) }}
{{- end }}

{{- define "istio-sidecar-injector.webhookConfigName" -}}
{{- include "istio-sidecar-injector.fullname" . }}
{{- end }}

{{/* The entry's name is part of the interface: a renamed entry would lose its caBundle. */}}
{{- define "istio-sidecar-injector.webhookName" -}}
sidecar-injector.istio.io
{{- end }}

{{- define "istio-sidecar-injector.certJobAccountName" -}}
{{- printf "%s-certs" (include "istio-sidecar-injector.fullname" .) }}
{{- end }}

{{/*
The namespace that the trial pod of `helm test` is created in. Helm deletes one of
this name before it makes it, so it must be nobody else's: the hash is of the
release.
*/}}
{{- define "istio-sidecar-injector.checkNamespace" -}}
{{- $name := include "istio-sidecar-injector.fullname" . }}
{{- .Values.check.namespace | default (printf "%s-test-%s" $name (sha256sum (printf "%s/%s/%s" .Release.Namespace .Release.Name $name) | trunc 8)) }}
{{- end }}
