{{/* What the worker and the Job that creates topics have in common. */}}

{{- define "distributary.port" -}}
{{- dig "worker" "port" 6066 .Values.config -}}
{{- end -}}

{{- define "distributary.podSecurityContext" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "distributary.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{- define "distributary.volumeMounts" -}}
- name: config
  mountPath: /etc/distributary
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- range .Values.secretFiles }}
- name: {{ printf "secret-%s" .secret | replace "." "-" | trunc 63 | trimSuffix "-" }}
  mountPath: /run/secrets/{{ .secret }}
  readOnly: true
{{- end }}
{{- end -}}

{{/* Called with a list: the root context, and the name of the ConfigMap. */}}
{{- define "distributary.volumes" -}}
{{- $ := first . -}}
- name: config
  configMap:
    name: {{ last . }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- range $.Values.secretFiles }}
- name: {{ printf "secret-%s" .secret | replace "." "-" | trunc 63 | trimSuffix "-" }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
{{- end }}
{{- end -}}

{{- define "distributary.env" -}}
- name: DISTRIBUTARY_CONFIG
  value: /etc/distributary/distributary.yaml
- name: DISTRIBUTARY_LOG_LEVEL
  value: {{ .Values.log.level }}
- name: DISTRIBUTARY_LOG_JSON
  value: {{ .Values.log.json | quote }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "distributary.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
