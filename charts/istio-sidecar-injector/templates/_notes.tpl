{{/* Sentences for NOTES.txt about settings that deserve a second look; one per line. */}}
{{- define "istio-sidecar-injector.warnings" -}}
{{- $replicas := ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int }}
{{- if and (lt $replicas 2) (eq .Values.webhook.failurePolicy "Fail") }}
One replica with webhook.failurePolicy Fail: while it is away, pods of the selected namespaces cannot be created. Set replicaCount to 2 or more.
{{- end }}
{{- if eq .Values.webhook.failurePolicy "Ignore" }}
webhook.failurePolicy Ignore: a pod that is created while no injector answers runs without sidecar, and nothing says so.
{{- end }}
{{- if and .Values.webhook.namespaceSelector (not (contains .Release.Namespace (toJson .Values.webhook.namespaceSelector))) }}
webhook.namespaceSelector does not name {{ .Release.Namespace }}: make sure that it selects neither the injector's namespace nor those that the cluster needs to come up.
{{- end }}
{{- if and .Values.enableNamespacesByDefault (include "istio-sidecar-injector.revision" .) }}
enableNamespacesByDefault has no effect together with revision.
{{- end }}
{{- if and (not .Values.webhook.reconcile) (ne .Values.certs.mode "certManager") }}
webhook.reconcile is false: put the CA into the webhook configuration yourself, the API server does not trust the injector before.
{{- end }}
{{- if and .Values.configGuard.enabled (ne .Values.configSource "api") (not .Values.validate.enabled) }}
configSource files: nobody judges a configuration before it is stored, because the servers have no right to read the ConfigMaps. Set validate.enabled, or configSource to api.
{{- end }}
{{- $own := kindIs "map" .Values.image | ternary .Values.image dict }}
{{- if or (and .Values.global.hub (not $own.hub)) (and .Values.global.tag (not $own.tag)) }}
global.hub and global.tag choose the proxy's image alone. The injector runs {{ include "istio-sidecar-injector.image" . }}: set image.hub and image.tag for another.
{{- end }}
{{- if kindIs "string" .Values.image }}
image as a bare name is deprecated: write image.name, and image.hub and image.tag beside it.
{{- end }}
{{- if and (not .Values.policy) (ne .Values.global.proxy.autoInject "enabled") }}
global.proxy.autoInject is deprecated: write policy.
{{- end }}
{{- if or .Values.podAntiAffinityLabelSelector .Values.podAntiAffinityTermLabelSelector }}
podAntiAffinityLabelSelector and podAntiAffinityTermLabelSelector are deprecated: write affinity.
{{- end }}
{{- end }}
