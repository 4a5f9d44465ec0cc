{{/* Parts that the pods of the Deployment, the jobs and the test share. */}}

{{/* Where the platform hands out users, a fixed one would be refused. */}}
{{- define "istio-sidecar-injector.podSecurityContext" -}}
{{- if eq (.Values.global.platform | default "") "openshift" }}
{{- omit .Values.podSecurityContext "runAsUser" "runAsGroup" "fsGroup" | toYaml }}
{{- else }}
{{- toYaml .Values.podSecurityContext }}
{{- end }}
{{- end }}

{{/* Fields of a container's image and security. */}}
{{- define "istio-sidecar-injector.containerBase" -}}
image: {{ include "istio-sidecar-injector.image" . | quote }}
{{- with include "istio-sidecar-injector.pullPolicy" . }}
imagePullPolicy: {{ . }}
{{- end }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- end }}

{{/* Fields of every pod: where it runs, as whom, with which pull secrets. */}}
{{- define "istio-sidecar-injector.podBase" -}}
securityContext:
  {{- include "istio-sidecar-injector.podSecurityContext" . | nindent 2 }}
{{- with include "istio-sidecar-injector.pullSecrets" . | trim }}
imagePullSecrets:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName | default .Values.global.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/*
Fields of a pod of a job or of the test: those of every pod, and the nodes that the
affinity allows. What it says of other pods is about the servers.
*/}}
{{- define "istio-sidecar-injector.jobPodBase" -}}
{{- include "istio-sidecar-injector.podBase" . }}
{{- with .Values.affinity.nodeAffinity }}
affinity:
  nodeAffinity:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end }}

{{/* One term of the classic pod anti-affinity, whose values are a comma separated string. */}}
{{- define "istio-sidecar-injector.antiAffinityTerm" -}}
topologyKey: {{ .topologyKey | default "kubernetes.io/hostname" }}
labelSelector:
  matchExpressions:
    - key: {{ .key }}
      operator: {{ .operator }}
      {{- with .values }}
      values:
        {{- range splitList "," . }}
        - {{ trim . | quote }}
        {{- end }}
      {{- end }}
{{- end }}

{{/* The affinity as given, and the classic anti-affinity added to it. */}}
{{- define "istio-sidecar-injector.affinity" -}}
{{- $affinity := deepCopy .Values.affinity }}
{{- $anti := deepCopy ($affinity.podAntiAffinity | default dict) }}
{{- $required := $anti.requiredDuringSchedulingIgnoredDuringExecution | default list }}
{{- range .Values.podAntiAffinityLabelSelector }}
{{- $required = append $required (include "istio-sidecar-injector.antiAffinityTerm" . | fromYaml) }}
{{- end }}
{{- $preferred := $anti.preferredDuringSchedulingIgnoredDuringExecution | default list }}
{{- range .Values.podAntiAffinityTermLabelSelector }}
{{- $preferred = append $preferred (dict "weight" 100 "podAffinityTerm" (include "istio-sidecar-injector.antiAffinityTerm" . | fromYaml)) }}
{{- end }}
{{- with $required }}{{ $_ := set $anti "requiredDuringSchedulingIgnoredDuringExecution" . }}{{ end }}
{{- with $preferred }}{{ $_ := set $anti "preferredDuringSchedulingIgnoredDuringExecution" . }}{{ end }}
{{- with $anti }}{{ $_ := set $affinity "podAntiAffinity" . }}{{ end }}
{{- with $affinity }}{{ toYaml . }}{{ end }}
{{- end }}

{{/*
Spread constraints with the pods they count. Only pods of the same replica set
are counted, or a rolling update would spread the new ones around the old.
*/}}
{{- define "istio-sidecar-injector.topologySpreadConstraints" -}}
{{- $selector := dict "matchLabels" (include "istio-sidecar-injector.selectorLabels" . | fromYaml) }}
{{- $constraints := list }}
{{- range .Values.topologySpreadConstraints }}
{{- $own := dict }}
{{- if not .labelSelector }}
{{- $own = dict "labelSelector" $selector "matchLabelKeys" (list "pod-template-hash") }}
{{- end }}
{{- $constraints = append $constraints (merge (deepCopy .) $own) }}
{{- end }}
{{- with $constraints }}{{ toYaml . }}{{ end }}
{{- end }}

{{/* The volume of the certificate files. */}}
{{- define "istio-sidecar-injector.certVolume" -}}
name: certs
{{- if eq .Values.certs.mode "self" }}
# Not the Secret: the kubelet would show what was in it before the init container filled it.
emptyDir:
  medium: Memory
  sizeLimit: 1Mi
{{- else }}
secret:
  secretName: {{ include "istio-sidecar-injector.secretName" . }}
  defaultMode: 0440
  items:
    {{- if eq .Values.certs.mode "certManager" }}
    - key: tls.crt
      path: cert-chain.pem
    - key: tls.key
      path: key.pem
    - key: ca.crt
      path: root-cert.pem
    {{- else }}
    - key: {{ .Values.certs.existingSecret.certKey }}
      path: cert-chain.pem
    - key: {{ .Values.certs.existingSecret.keyKey }}
      path: key.pem
    - key: {{ .Values.certs.existingSecret.caKey }}
      path: root-cert.pem
    {{- end }}
{{- end }}
{{- end }}
