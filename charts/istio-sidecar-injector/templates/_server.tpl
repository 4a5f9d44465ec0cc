{{/* What the programs are told. */}}

{{/* YAML reads a bare on and off as booleans. */}}
{{- define "istio-sidecar-injector.nativeSidecars" -}}
{{- if kindIs "bool" .Values.nativeSidecars }}
{{- ternary "on" "off" .Values.nativeSidecars }}
{{- else }}
{{- .Values.nativeSidecars }}
{{- end }}
{{- end }}

{{/* "true" when this injector keeps the caBundle right. */}}
{{- define "istio-sidecar-injector.reconciles" -}}
{{- if and .Values.webhook.reconcile (ne .Values.certs.mode "certManager") }}true{{ end }}
{{- end }}

{{/*
"true" when API servers ask the injector about its own ConfigMaps. Servers that have no
right on them cannot read the one that belongs to the one they are asked about.
*/}}
{{- define "istio-sidecar-injector.guards" -}}
{{- if and .Values.configGuard.enabled (eq .Values.configSource "api") }}true{{ end }}
{{- end }}

{{/* Webhook configurations whose caBundle this injector keeps right, by their kind's name in the API, as YAML. */}}
{{- define "istio-sidecar-injector.caBundleRules" -}}
{{- $kinds := list "mutatingwebhookconfigurations" }}
{{- if include "istio-sidecar-injector.guards" . }}{{ $kinds = append $kinds "validatingwebhookconfigurations" }}{{ end }}
{{- range $kinds }}
- apiGroups: ["admissionregistration.k8s.io"]
  resources: [{{ . | quote }}]
  resourceNames: [{{ include "istio-sidecar-injector.webhookConfigName" $ | quote }}]
  verbs: ["get", "list", "watch", "patch"]
{{- end }}
{{- end }}

{{/* "true" when a Job, not the servers, writes the Secret. */}}
{{- define "istio-sidecar-injector.certJob" -}}
{{- if and (eq .Values.certs.mode "self") (eq .Values.certs.bootstrap "job") }}true{{ end }}
{{- end }}

{{/* "true" when the servers record the last good configuration: they compare it with the cluster's ConfigMaps. */}}
{{- define "istio-sidecar-injector.recordsLastGood" -}}
{{- if and .Values.lastGood.enabled (eq .Values.configSource "api") }}true{{ end }}
{{- end }}

{{/* Which webhook entry trusts the certificate. */}}
{{- define "istio-sidecar-injector.webhookFlags" -}}
- --webhookConfigName={{ include "istio-sidecar-injector.webhookConfigName" . }}
- --webhookName={{ include "istio-sidecar-injector.webhookName" . }}
{{- if and (include "istio-sidecar-injector.guards" .) (include "istio-sidecar-injector.reconciles" .) }}
- --validatingWebhookConfigName={{ include "istio-sidecar-injector.webhookConfigName" . }}
{{- end }}
{{- end }}

{{/* How certificates are made: the same for whoever makes them. */}}
{{- define "istio-sidecar-injector.certFlags" -}}
{{- $certs := .Values.certs -}}
- --service={{ include "istio-sidecar-injector.fullname" . }}
- --clusterDomain={{ $certs.clusterDomain | default .Values.global.proxy.clusterDomain }}
- --caValidity={{ $certs.caValidity }}
- --certValidity={{ $certs.certValidity }}
{{- with $certs.renewBefore }}
- --renewBefore={{ . }}
{{- end }}
{{- with $certs.caRenewBefore }}
- --caRenewBefore={{ . }}
{{- end }}
- --trustPropagation={{ $certs.trustPropagation }}
{{- end }}

{{/* Arguments of cert-bootstrap: argument (dict "root" $ "mode" bootstrap, renew or wait, "out" DIR, "timeout" DURATION). */}}
{{- define "istio-sidecar-injector.bootstrapArgs" -}}
- --mode={{ .mode }}
- --namespace={{ .root.Release.Namespace }}
- --secret={{ include "istio-sidecar-injector.secretName" .root }}
{{ include "istio-sidecar-injector.webhookFlags" .root }}
{{ include "istio-sidecar-injector.certFlags" .root }}
- --timeout={{ .timeout }}
- --log-format={{ .root.Values.logFormat }}
- --out={{ .out }}
{{- end }}

{{/* "true" when callers must present a certificate. */}}
{{- define "istio-sidecar-injector.authenticatesCallers" -}}
{{- if or .Values.clientAuth.ca.secretName .Values.clientAuth.ca.configMapName }}true{{ end }}
{{- end }}

{{/* The volume of the CAs of callers. */}}
{{- define "istio-sidecar-injector.clientCAVolume" -}}
{{- $ca := .Values.clientAuth.ca }}
name: client-ca
{{- if $ca.secretName }}
secret:
  secretName: {{ $ca.secretName }}
  defaultMode: 0440
{{- else }}
configMap:
  name: {{ $ca.configMapName }}
{{- end }}
  items:
    - key: {{ $ca.key }}
      path: ca.crt
{{- end }}

{{/* What else templates see, for whoever renders them. */}}
{{- define "istio-sidecar-injector.platformArgs" -}}
{{- with .Values.global.platform }}
- --platform={{ . }}
{{- end }}
{{- with .Values.global.compliancePolicy }}
- --compliancePolicy={{ . }}
{{- end }}
{{- with .Values.templateEnv }}
- --templateEnv={{ join "," . }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.serverArgs" -}}
- --injectConfig=/etc/istio/inject/config
- --injectValues=/etc/istio/inject/values
- --meshConfig=/etc/istio/config/mesh
- --tlsCertFile=/etc/istio/certs/cert-chain.pem
- --tlsKeyFile=/etc/istio/certs/key.pem
- --caCertFile=/etc/istio/certs/root-cert.pem
- --port={{ .Values.webhook.port }}
- --monitoringPort={{ .Values.metrics.port }}
- --revision={{ include "istio-sidecar-injector.revision" . | default "default" }}
- --nativeSidecars={{ include "istio-sidecar-injector.nativeSidecars" . }}
{{ include "istio-sidecar-injector.webhookFlags" . }}
- --reconcileWebhookConfig={{ include "istio-sidecar-injector.reconciles" . | default "false" }}
{{- if eq .Values.configSource "api" }}
- --injectConfigMap={{ .Release.Namespace }}/{{ include "istio-sidecar-injector.injectConfigMapName" . }}
- --meshConfigMap={{ .Release.Namespace }}/{{ include "istio-sidecar-injector.meshConfigMapName" . }}
{{- end }}
{{- if include "istio-sidecar-injector.guards" . }}
- --injectorImage={{ include "istio-sidecar-injector.image" . }}
{{- end }}
{{- if include "istio-sidecar-injector.recordsLastGood" . }}
- --lastGoodConfigMap={{ .Release.Namespace }}/{{ include "istio-sidecar-injector.lastGoodName" . }}
- --lastGoodDir=/etc/istio/last-good
{{- end }}
{{- if eq .Values.certs.mode "self" }}
- --certSecret={{ .Release.Namespace }}/{{ include "istio-sidecar-injector.secretName" . }}
- --rotateCertificates={{ include "istio-sidecar-injector.certJob" . | empty }}
{{ include "istio-sidecar-injector.certFlags" . }}
{{- end }}
{{- with include "istio-sidecar-injector.platformArgs" . | trim }}
{{ . }}
{{- end }}
{{- if include "istio-sidecar-injector.authenticatesCallers" . }}
- --clientCAFile=/etc/istio/client-ca/ca.crt
- --clientNames={{ join "," .Values.clientAuth.names }}
{{- end }}
{{- if eq .Values.probes.type "exec" }}
- --healthCheckInterval=2s
- --healthCheckFile=/run/sidecar-injector/health
{{- end }}
- --shutdownDelay={{ .Values.webhook.shutdownDelaySeconds }}s
- --shutdownTimeout={{ .Values.webhook.shutdownTimeoutSeconds }}s
- --log_output_level={{ .Values.logLevel }}
- --log-format={{ .Values.logFormat }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}
