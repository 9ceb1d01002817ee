{{/* Longer pieces of the worker's pod. */}}

{{- define "distributary.probes" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  {{- toYaml .Values.probes.startup | nindent 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  {{- toYaml .Values.probes.liveness | nindent 2 }}
readinessProbe:
  httpGet: {path: /readyz, port: http}
  {{- toYaml .Values.probes.readiness | nindent 2 }}
{{- end -}}

{{- define "distributary.topologySpread" -}}
{{- $keys := list -}}
{{- range $what, $key := dict "zone" "topology.kubernetes.io/zone" "node" "kubernetes.io/hostname" -}}
{{- $when := index $.Values.topologySpread $what -}}
{{- if ne $when "None" -}}
{{- $keys = append $keys (dict "topologyKey" $key "whenUnsatisfiable" $when "maxSkew" 1) -}}
{{- end -}}
{{- end -}}
{{- with $keys -}}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ .topologyKey }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    maxSkew: {{ .maxSkew }}
    labelSelector:
      matchLabels:
        {{- include "distributary.selector" $ | nindent 8 }}
  {{- end }}
{{- end -}}
{{- end -}}
