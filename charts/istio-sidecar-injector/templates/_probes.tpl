{{/*
Startup and liveness ask only whether the process serves; readiness asks whether
an API server can use it. A readiness probe each second lets an installation
finish, and a pod that stops leave the Service, within that time.
*/}}
{{- define "istio-sidecar-injector.probes" -}}
{{- $live := dict "httpGet" (dict "path" "/healthz" "port" "http-monitoring") }}
{{- $ready := dict "httpGet" (dict "path" "/readyz" "port" "http-monitoring") }}
{{- if eq .Values.probes.type "exec" }}
{{- $command := list "/usr/local/bin/sidecar-injector" "probe" "--probe-path=/run/sidecar-injector/health" "--interval=4s" }}
{{- $live = dict "exec" (dict "command" $command) }}
{{- $ready = $live }}
{{- end }}
{{- dict
  "startupProbe" (merge (deepCopy .Values.probes.startup) $live)
  "livenessProbe" (merge (deepCopy .Values.probes.liveness) $live)
  "readinessProbe" (merge (deepCopy .Values.probes.readiness) $ready) | toYaml }}
{{- end }}
