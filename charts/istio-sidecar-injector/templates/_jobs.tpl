{{/* Pods of jobs. */}}

{{/* The pod that writes the Secret and the caBundle, with `certs.bootstrap: job`. It needs no files. */}}
{{- define "istio-sidecar-injector.certJobPod" -}}
metadata:
  labels:
    {{- include "istio-sidecar-injector.jobPodLabels" (dict "root" . "component" "certs") | nindent 4 }}
  annotations:
    sidecar.istio.io/inject: "false"
spec:
  serviceAccountName: {{ include "istio-sidecar-injector.certJobAccountName" . }}
  automountServiceAccountToken: true
  restartPolicy: OnFailure
  {{- include "istio-sidecar-injector.jobPodBase" . | nindent 2 }}
  containers:
    - name: cert-bootstrap
      {{- include "istio-sidecar-injector.containerBase" . | nindent 6 }}
      command:
        - /usr/local/bin/cert-bootstrap
      args:
        {{- include "istio-sidecar-injector.bootstrapArgs" (dict "root" . "mode" "renew" "out" "" "timeout" .Values.certs.job.timeout) | nindent 8 }}
      resources:
        {{- toYaml .Values.certs.resources | nindent 8 }}
{{- end }}

{{/* Hooks of the test's objects. */}}
{{- define "istio-sidecar-injector.checkHooks" -}}
{{- if .Values.check.enabled }}test,post-install,post-upgrade{{ else }}test{{ end }}
{{- end }}

{{/* Metadata of an object of the test: argument (dict "root" $ "name" NAME "namespace" NS "cluster" BOOL "weight" N). */}}
{{- define "istio-sidecar-injector.checkMetadata" -}}
{{- $annotations := dict
  "helm.sh/hook" (include "istio-sidecar-injector.checkHooks" .root)
  "helm.sh/hook-weight" (toString .weight)
  "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded,hook-failed" }}
{{- include "istio-sidecar-injector.metadata" (merge (dict "annotations" $annotations) .) }}
{{- end }}
