{{/* What a JSON schema can't say, or can't say readably. Renders nothing, or stops with a sentence. */}}
{{- define "distributary.check" -}}
{{- include "distributary.checkConfig" (dict "path" "config" "value" .Values.config) -}}
{{- include "distributary.checkEnv" . -}}
{{- include "distributary.checkGrace" . -}}
{{- include "distributary.checkNetworkPolicy" . -}}
{{- end -}}

{{- define "distributary.secretName" -}}
(?i)(secret|token|passw(or)?d|api[-_]?key|authorization|credentials?)s?$
{{- end -}}

{{/* Walks the config, and stops at a plain value under a key that sounds like a secret.
     The app's own check knows better which settings are secret, but it comes when the value is in a ConfigMap. */}}
{{- define "distributary.checkConfig" -}}
{{- $path := .path -}}
{{- if kindIs "map" .value -}}
{{- range $key, $value := .value -}}
{{- include "distributary.checkConfig" (dict "path" (printf "%s.%s" $path $key) "value" $value) -}}
{{- end -}}
{{- else if kindIs "slice" .value -}}
{{- range $index, $value := .value -}}
{{- /* The index stands before the last key, so that the path still ends in a name. */ -}}
{{- $inner := ternary (printf "%s[%d]" $path $index) $path (kindIs "map" $value) -}}
{{- include "distributary.checkConfig" (dict "path" $inner "value" $value) -}}
{{- end -}}
{{- else if and (kindIs "string" .value) .value (regexMatch (include "distributary.secretName" .) $path) (not (contains "${" .value)) -}}
{{- fail (printf "%s holds a plain value, and a ConfigMap is not secret: write ${NAME} with the variable from env or envFrom, or ${file:/run/secrets/SECRET/KEY} with the Secret from secretFiles" $path) -}}
{{- end -}}
{{- end -}}

{{- define "distributary.checkEnv" -}}
{{- range .Values.env -}}
{{- if has .name (list "DISTRIBUTARY_CONFIG" "DISTRIBUTARY_INSTANCE_ID" "DISTRIBUTARY_LOG_JSON" "DISTRIBUTARY_LOG_LEVEL" "POD_NAME") -}}
{{- fail (printf "env: %s is the chart's own: see config, log and staticMembership" .name) -}}
{{- end -}}
{{- if and (hasKey . "value") (regexMatch (include "distributary.secretName" .) .name) -}}
{{- fail (printf "env: %s has a plain value: take it from a Secret with valueFrom.secretKeyRef, or from envFrom" .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* "1m30s" -> 90, by moving a date; what Go can't read as a duration is 0, and left to the app. */}}
{{- define "distributary.seconds" -}}
{{- $start := toDate "2006-01-02" "2000-01-01" -}}
{{- sub (dateModify (toString .) $start | unixEpoch) (unixEpoch $start) -}}
{{- end -}}

{{/* Seconds: as Worker.fitting in streams/sections.py has it. */}}
{{- define "distributary.drain" -}}
{{- with dig "worker" "drain" nil .Values.config -}}
{{- include "distributary.seconds" . -}}
{{- else -}}
{{- $drain := 15.0 -}}
{{- range .Values.config.destinations -}}
{{- $drain = maxf $drain (dig "limits" "timeout_s" 10 . | toString | float64) -}}
{{- end -}}
{{- $drain -}}
{{- end -}}
{{- end -}}

{{- define "distributary.checkGrace" -}}
{{- $drain := include "distributary.drain" . -}}
{{- $needed := addf (float64 $drain) 15 -}}
{{- if lt (float64 .Values.terminationGracePeriodSeconds) $needed -}}
{{- fail (printf "terminationGracePeriodSeconds: %v s is too short: a drain may take %v s (config.worker.drain, or the longest timeout_s), and committing and leaving 15 s more" .Values.terminationGracePeriodSeconds $drain) -}}
{{- end -}}
{{- end -}}

{{- define "distributary.checkNetworkPolicy" -}}
{{- with .Values.networkPolicy -}}
{{- if and .enabled (not .kafka.to) -}}
{{- fail "networkPolicy.kafka.to: say where the brokers are (NetworkPolicyPeers), or the workers can't reach them" -}}
{{- end -}}
{{- end -}}
{{- end -}}
