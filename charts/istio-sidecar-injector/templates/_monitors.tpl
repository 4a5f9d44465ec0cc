{{/* A scrape endpoint: argument the values of a PodMonitor or ServiceMonitor. */}}
{{- define "istio-sidecar-injector.endpoint" -}}
port: http-monitoring
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Labels of an object for an operator's selector: argument (dict "root" $ "labels" MAP). */}}
{{- define "istio-sidecar-injector.operatorLabels" -}}
{{- merge (include "istio-sidecar-injector.labels" .root | fromYaml) (deepCopy .labels) | toYaml }}
{{- end }}
