{{- define "distributary.config" -}}
distributary.yaml: |
  {{- toYaml .Values.config | nindent 2 }}
{{- end -}}
