{{/*
An image's hub behind `global.imageRegistry`: argument (dict "root" $ "hub" HUB).
The first part of a hub is a registry's host when it has a dot or a colon, or is
localhost; it is replaced, the path stays.
*/}}
{{- define "istio-sidecar-injector.hub" -}}
{{- $registry := .root.Values.global.imageRegistry | default "" | trimSuffix "/" }}
{{- if not $registry }}
{{- .hub }}
{{- else }}
{{- $parts := splitList "/" .hub }}
{{- $host := first $parts }}
{{- if or (contains "." $host) (contains ":" $host) (eq $host "localhost") }}
{{- $parts = rest $parts }}
{{- end }}
{{- join "/" (prepend $parts $registry | compact) }}
{{- end }}
{{- end }}

{{/*
Hub, name, tag and digest of the injector's image, as JSON. `global.hub` and
`global.tag` have no part in it: they are the proxy's.
*/}}
{{- define "istio-sidecar-injector.imageSource" -}}
{{- $image := .Values.image }}
{{- if kindIs "string" $image }}
{{- /* A bare name, or a whole reference, whose last part may have a tag or a digest. */}}
{{- $parts := splitn "@" 2 $image }}
{{- $name := $parts._0 }}
{{- $image = dict "name" $name "digest" $parts._1 }}
{{- $last := splitn ":" 2 (base $name) }}
{{- if $last._1 }}
{{- $image = merge (dict "name" (trimSuffix (printf ":%s" $last._1) $name) "tag" $last._1) $image }}
{{- end }}
{{- end }}
{{- dict
  "hub" ($image.hub | default "ghcr.io/sidecar-injector")
  "name" ($image.name | default "sidecar_injector")
  "tag" ($image.tag | default .Chart.AppVersion | toString)
  "digest" ($image.digest | default "") | toJson }}
{{- end }}

{{- define "istio-sidecar-injector.image" -}}
{{- $image := include "istio-sidecar-injector.imageSource" . | fromJson }}
{{- $name := $image.name }}
{{- if not (contains "/" $name) }}
{{- $name = printf "%s/%s" ($image.hub | trimSuffix "/") $name }}
{{- end }}
{{- $name = include "istio-sidecar-injector.hub" (dict "root" . "hub" $name) }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name $image.tag }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.pullPolicy" -}}
{{- if kindIs "map" .Values.image }}
{{- .Values.image.pullPolicy | default .Values.global.imagePullPolicy }}
{{- else }}
{{- .Values.global.imagePullPolicy }}
{{- end }}
{{- end }}

{{- define "istio-sidecar-injector.pullSecrets" -}}
{{- $names := list }}
{{- range concat (.Values.global.imagePullSecrets | default list) .Values.imagePullSecrets }}
{{- if kindIs "map" . }}{{ $names = append $names .name }}{{ else }}{{ $names = append $names . }}{{ end }}
{{- end }}
{{- range uniq $names }}
- name: {{ . }}
{{- end }}
{{- end }}
