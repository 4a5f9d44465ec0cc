{{/*
The two configuration files. Texts of templates come from values or from a file
of the chart and are copied, never evaluated by Helm.
*/}}

{{- define "istio-sidecar-injector.policy" -}}
{{- $policy := .Values.policy | default .Values.global.proxy.autoInject | default "enabled" }}
{{- if not (has $policy (list "enabled" "disabled")) }}
{{- fail (printf "global.proxy.autoInject: %q is neither enabled nor disabled" $policy) }}
{{- end }}
{{- $policy }}
{{- end }}

{{/* Key `config`. */}}
{{- define "istio-sidecar-injector.injectConfig" -}}
{{- if .Values.injectConfig.content }}
{{- range $list := list "allowedAnnotations" "allowedOverrides" }}
{{- if kindIs "slice" (get $.Values $list) }}
{{- fail (printf "%s: has no effect beside injectConfig.content: write it into that text" $list) }}
{{- end }}
{{- end }}
{{- range $list := list "additionalFields" "samplePods" }}
{{- if get $.Values $list }}
{{- fail (printf "%s: has no effect beside injectConfig.content: write it into that text" $list) }}
{{- end }}
{{- end }}
{{- .Values.injectConfig.content }}
{{- else }}
{{- $templates := deepCopy .Values.templates }}
{{- if and .Values.builtinTemplate.enabled (not (hasKey $templates "sidecar")) }}
{{- $_ := set $templates "sidecar" (.Files.Get "files/sidecar.yaml") }}
{{- end }}
{{- if not $templates }}
{{- fail "templates: give at least one template, or turn on builtinTemplate.enabled" }}
{{- end }}
{{- range .Values.defaultTemplates }}
{{- if not (or (hasKey $templates .) (hasKey $.Values.aliases .)) }}
{{- fail (printf "defaultTemplates: no template or alias %q, there is %s" . (keys $templates $.Values.aliases | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- range $alias, $names := .Values.aliases }}
{{- range $names }}
{{- if not (hasKey $templates .) }}
{{- fail (printf "aliases.%s: no template %q, there is %s" $alias . (keys $templates | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- end }}
{{- $config := dict
  "policy" (include "istio-sidecar-injector.policy" .)
  "defaultTemplates" .Values.defaultTemplates
  "aliases" .Values.aliases
  "neverInjectSelector" .Values.neverInjectSelector
  "alwaysInjectSelector" .Values.alwaysInjectSelector
  "injectedAnnotations" .Values.injectedAnnotations
  "fieldValidation" (.Values.fieldValidation | default "Strict")
  "templates" $templates }}
{{- /* Without a list everything is allowed, with an empty one nothing. */}}
{{- range $list := list "allowedAnnotations" "allowedOverrides" }}
{{- if kindIs "slice" (get $.Values $list) }}
{{- $_ := set $config $list (get $.Values $list) }}
{{- end }}
{{- end }}
{{- range $list := list "additionalFields" "samplePods" }}
{{- with get $.Values $list }}
{{- $_ := set $config $list . }}
{{- end }}
{{- end }}
{{- $config | toYaml }}
{{- end }}
{{- end }}

{{/*
Not empty when a template may inject istio-proxy: the built-in one, one that
mentions it, or one that is not in these values.
*/}}
{{- define "istio-sidecar-injector.injectsProxy" -}}
{{- $builtin := and .Values.builtinTemplate.enabled (not (hasKey .Values.templates "sidecar")) }}
{{- $text := .Values.injectConfig.content | default (toJson .Values.templates) }}
{{- if or $builtin (not .Values.injectConfig.create) (contains "istio-proxy" $text) }}true{{ end }}
{{- end }}

{{/* Key `values`: what templates see as `.Values`, in the shape of the Istio charts. */}}
{{- define "istio-sidecar-injector.injectValues" -}}
{{- $global := deepCopy .Values.global }}
{{- $_ := set $global "hub" (include "istio-sidecar-injector.hub" (dict "root" . "hub" ($global.hub | default "docker.io/istio"))) }}
{{- $_ := set $global "tag" ($global.tag | default "1.27.1" | toString) }}
{{- $values := dict
  "global" $global
  "pilot" .Values.pilot
  "revision" (include "istio-sidecar-injector.revision" .)
  "sidecarInjectorWebhook" (dict
    "rewriteAppHTTPProbe" .Values.rewriteAppHTTPProbe
    "enableNamespacesByDefault" .Values.enableNamespacesByDefault
    "injectedAnnotations" .Values.injectedAnnotations
    "neverInjectSelector" .Values.neverInjectSelector
    "alwaysInjectSelector" .Values.alwaysInjectSelector
    "defaultTemplates" .Values.defaultTemplates
    "reinvocationPolicy" .Values.webhook.reinvocationPolicy) }}
{{- mergeOverwrite $values (deepCopy .Values.templateValues) | toPrettyJson }}
{{- end }}

{{/* Key `mesh`: the values over what this release knows; `create` and `name` are the chart's own. */}}
{{- define "istio-sidecar-injector.meshConfig" -}}
{{- $istiod := list "istiod" (include "istio-sidecar-injector.revision" .) | compact | join "-" }}
{{- $defaults := dict
  "rootNamespace" .Values.global.istioNamespace
  "trustDomain" "cluster.local"
  "defaultConfig" (dict "discoveryAddress" (printf "%s.%s.svc:15012" $istiod .Values.global.istioNamespace)) }}
{{- /*
Merging metrics points a pod's Prometheus annotations at the agent of istio-proxy;
where no template injects that, nothing would answer there.
*/}}
{{- if not (include "istio-sidecar-injector.injectsProxy" .) }}
{{- $_ := set $defaults "enablePrometheusMerge" false }}
{{- end }}
{{- mergeOverwrite $defaults (omit (deepCopy .Values.meshConfig) "create" "name") | toYaml }}
{{- end }}

{{/*
Key `generation` of both ConfigMaps: one text that differs with every change of
either, by which a server knows that the two belong together. Not where the chart
makes only one of them: it would never know of the other one's changes.
*/}}
{{- define "istio-sidecar-injector.generation" -}}
{{- if and .Values.injectConfig.create .Values.meshConfig.create }}
{{- list (include "istio-sidecar-injector.injectConfig" .) (include "istio-sidecar-injector.injectValues" .) (include "istio-sidecar-injector.meshConfig" .) | toJson | sha256sum }}
{{- end }}
{{- end }}

{{/*
Annotation of both ConfigMaps: which server they are for. Helm writes them before it
replaces the servers, and those that are asked about them then must not judge what is
meant for the new ones. Written without the guard, too: the release before may have it.
*/}}
{{- define "istio-sidecar-injector.stamp" -}}
sidecar.istio.io/injector-image: {{ include "istio-sidecar-injector.image" . | quote }}
{{- end }}

{{/* The data of a ConfigMap, with the generation. Call with dict "root" $ "data" DICT. */}}
{{- define "istio-sidecar-injector.configData" -}}
{{- with include "istio-sidecar-injector.generation" .root }}
{{- $_ := set $.data "generation" . }}
{{- end }}
{{- .data | toYaml }}
{{- end }}
