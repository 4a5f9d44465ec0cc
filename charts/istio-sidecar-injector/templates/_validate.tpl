{{/*
What the schema cannot say: values that fit each alone and not together. Every
mistake is said at once, in the user's terms, before anything is installed.
*/}}
{{- define "istio-sidecar-injector.validate" -}}
{{- $mistakes := list }}
{{- range include "istio-sidecar-injector.validateNulls" . | trim | splitList "\n" }}
{{- with trim . }}{{ $mistakes = append $mistakes . }}{{ end }}
{{- end }}
{{- if $mistakes }}
{{- fail (printf "\n%s" (join "\n" $mistakes)) }}
{{- end }}
{{- range $rule := list "Names" "Owner" "Image" "Rollout" "Autoscaling" "Ports" "Namespaces" "Certificates" "Callers" "Monitoring" }}
{{- range include (printf "istio-sidecar-injector.validate%s" $rule) $ | trim | splitList "\n" }}
{{- with trim . }}{{ $mistakes = append $mistakes . }}{{ end }}
{{- end }}
{{- end }}
{{- if $mistakes }}
{{- fail (printf "\n%s" (join "\n" $mistakes)) }}
{{- end }}
{{- end }}

{{/*
Null in a values file takes away the defaults of what it stands for. Where the chart
cannot do without, that is said before anything looks for them.
*/}}
{{- define "istio-sidecar-injector.validateNulls" -}}
{{- range $path := list
    "affinity" "autoscaling" "builtinTemplate" "certs" "check" "clientAuth" "commonAnnotations" "commonLabels" "configGuard"
    "global" "hostNetwork" "imagePullSecrets" "injectConfig" "lastGood" "meshConfig" "metrics" "networkPolicy"
    "podAnnotations" "podDisruptionBudget" "podLabels" "probes" "rbac" "service" "serviceAccount" "templateValues"
    "templates" "validate" "webhook" "autoscaling.enabled" "metrics.dashboard" "metrics.podMonitor"
    "metrics.prometheusRule" "metrics.serviceMonitor" "probes.liveness" "probes.readiness" "probes.startup"
    "check.namespaceLabels" "webhook.annotations" "global.proxy" "clientAuth.ca" }}
{{- $in := $.Values }}
{{- range splitList "." $path | initial }}
{{- $in = get $in . | default dict }}
{{- end }}
{{- $key := splitList "." $path | last }}
{{- if and (or $in (not (contains "." $path))) (kindIs "invalid" (index $in $key)) }}
{{ $path }}: is null, which takes away its defaults: leave it out
{{- end }}
{{- end }}
{{- end }}

{{/* The chart's name, which its alias in a parent chart replaces, is part of objects' names. */}}
{{- define "istio-sidecar-injector.validateNames" -}}
{{- $name := .Chart.Name }}
{{- if not (or .Values.fullnameOverride .Values.nameOverride (regexMatch "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$" $name)) }}
the chart's name, or its alias in the parent chart: {{ $name | quote }} cannot be part of an object's name, which is made of small letters, digits and dashes: set fullnameOverride, for example to istio-sidecar-injector
{{- end }}
{{- end }}

{{/*
A release of the same name in another namespace has the same webhook configuration;
Helm would say so in terms of its own annotations.
*/}}
{{- define "istio-sidecar-injector.validateOwner" -}}
{{- $name := include "istio-sidecar-injector.webhookConfigName" . }}
{{- with lookup "admissionregistration.k8s.io/v1" "MutatingWebhookConfiguration" "" $name }}
{{- $owner := get (.metadata.annotations | default dict) "meta.helm.sh/release-namespace" }}
{{- if and $owner (ne $owner $.Release.Namespace) }}
the release's name: the webhook configuration {{ $name }} belongs to release {{ get .metadata.annotations "meta.helm.sh/release-name" }} in namespace {{ $owner }}: choose another name, or fullnameOverride
{{- end }}
{{- end }}
{{- end }}

{{/* YAML takes a bare 1.10 for the number 1.1. */}}
{{- define "istio-sidecar-injector.validateImage" -}}
{{- $tags := dict "global.tag" .Values.global.tag }}
{{- if kindIs "map" .Values.image }}{{ $_ := set $tags "image.tag" .Values.image.tag }}{{ end }}
{{- range $field, $tag := $tags }}
{{- if and (kindIs "float64" $tag) (ne (float64 (int64 $tag)) $tag) }}
{{ $field }}: {{ $tag }} is a number, which loses the zero at the end of a tag such as 1.10: quote it, or give it with --set-string
{{- end }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.validateRollout" -}}
{{- if and (has (toString .Values.rollingMaxSurge) (list "0" "0%")) (has (toString .Values.rollingMaxUnavailable) (list "0" "0%")) }}
rollingMaxSurge, rollingMaxUnavailable: both are 0, so that a rolling update could never begin: set one of them to 1
{{- end }}
{{- $budget := .Values.podDisruptionBudget }}
{{- $replicas := ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- if and $budget.enabled (not (kindIs "invalid" $budget.minAvailable)) }}
{{- $least := toString $budget.minAvailable }}
{{- if or (eq $least "100%") (and (not (hasSuffix "%" $least)) (ge (int $least) $replicas)) }}
podDisruptionBudget.minAvailable: {{ $least }} of {{ $replicas }} {{ ternary "pod" "pods" (eq $replicas 1) }} leaves none that may be evicted, so no node could be drained: choose fewer, or podDisruptionBudget.maxUnavailable
{{- end }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.validateAutoscaling" -}}
{{- $scaling := .Values.autoscaling }}
{{- if $scaling.enabled }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
autoscaling.minReplicas: {{ $scaling.minReplicas }} is more than autoscaling.maxReplicas, {{ $scaling.maxReplicas }}
{{- end }}
{{- if not (or $scaling.targetCPUUtilizationPercentage $scaling.targetMemoryUtilizationPercentage $scaling.metrics) }}
autoscaling: nothing says when to scale: set targetCPUUtilizationPercentage, targetMemoryUtilizationPercentage or metrics
{{- end }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.validatePorts" -}}
{{- if eq (int .Values.webhook.port) (int .Values.metrics.port) }}
webhook.port, metrics.port: both are {{ .Values.webhook.port }}: choose another for one of them
{{- end }}
{{- if .Values.hostNetwork }}
{{- range $field, $port := dict "webhook.port" .Values.webhook.port "metrics.port" .Values.metrics.port }}
{{- if has (int $port) (list 10248 10249 10250 10256 10257 10259) }}
{{ $field }}: {{ $port }} is taken on every node by {{ ternary "the kubelet" "a part of Kubernetes" (has (int $port) (list 10248 10250)) }}, and with hostNetwork the injector shares the node's ports: choose another
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A cluster must be able to come up without the injector. */}}
{{- define "istio-sidecar-injector.validateNamespaces" -}}
{{- $webhook := .Values.webhook }}
{{- if and .Values.enableNamespacesByDefault (eq $webhook.failurePolicy "Fail") (not $webhook.namespaceSelector) (not (include "istio-sidecar-injector.revision" .)) }}
{{- if not (has "kube-system" ($webhook.excludedNamespaces | default list)) }}
webhook.excludedNamespaces: without kube-system, enableNamespacesByDefault and failurePolicy Fail keep out the pods that a cluster needs to come up, DNS and the network among them, when no injector runs: add kube-system
{{- end }}
{{- end }}
{{- end }}

{{/* A Go duration in seconds. */}}
{{- define "istio-sidecar-injector.seconds" -}}
{{- $seconds := 0.0 }}
{{- $units := dict "h" 3600.0 "m" 60.0 "s" 1.0 "ms" 0.001 "us" 0.000001 "µs" 0.000001 "ns" 0.000000001 }}
{{- range regexFindAll "[0-9.]+[a-zµ]+" . -1 }}
{{- $seconds = addf $seconds (mulf (regexFind "[0-9.]+" . | float64) (get $units (regexFind "[a-zµ]+" .) | float64)) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{- define "istio-sidecar-injector.validateCertificates" -}}
{{- $certs := .Values.certs }}
{{- if eq $certs.mode "self" }}
{{- range $before, $validity := dict "renewBefore" "certValidity" "caRenewBefore" "caValidity" }}
{{- with get $certs $before }}
{{- if gt (mulf 2 (include "istio-sidecar-injector.seconds" . | float64)) (include "istio-sidecar-injector.seconds" (get $certs $validity) | float64) }}
certs.{{ $before }}: {{ . }} is more than half of certs.{{ $validity }}, {{ get $certs $validity }}: choose a shorter time, or none for a third of it
{{- end }}
{{- end }}
{{- end }}
{{- else if eq $certs.bootstrap "job" }}
certs.bootstrap: job has no meaning with certs.mode {{ $certs.mode }}, where the injector makes no certificate: leave it out, or set certs.mode to self
{{- end }}
{{- if and (eq $certs.mode "existingSecret") (not $certs.existingSecret.name) }}
certs.existingSecret.name: name the Secret that holds the certificates, or choose another certs.mode
{{- end }}
{{- if and (eq $certs.mode "certManager") $certs.certManager.issuerRef (not $certs.certManager.issuerRef.name) }}
certs.certManager.issuerRef.name: is not set: name the issuer, or leave issuerRef empty for a CA made for this release
{{- end }}
{{- end }}

{{/* Whoever may call has a CA and a name: a CA may have issued certificates to others too. */}}
{{- define "istio-sidecar-injector.validateCallers" -}}
{{- $ca := .Values.clientAuth.ca }}
{{- $source := or $ca.secretName $ca.configMapName }}
{{- if and $ca.secretName $ca.configMapName }}
clientAuth.ca: secretName {{ $ca.secretName }} and configMapName {{ $ca.configMapName }} are both set, and the CAs come from one of them
{{- end }}
{{- if and $source (not .Values.clientAuth.names) }}
clientAuth.names: empty would let in every certificate of the CAs in {{ $source }}: name those that are let in, such as the API servers', by common name or DNS name
{{- end }}
{{- if and .Values.clientAuth.names (not $source) }}
clientAuth.ca: names are given, and no CA that their certificates are of: set secretName or configMapName
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.validateMonitoring" -}}
{{- if and .Values.metrics.serviceMonitor.enabled .Values.metrics.podMonitor.enabled }}
metrics.serviceMonitor.enabled, metrics.podMonitor.enabled: both would scrape every pod twice: choose one
{{- end }}
{{- end }}
