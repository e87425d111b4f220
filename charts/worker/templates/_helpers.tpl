{{- define "worker.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "worker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "worker.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "worker.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What finds the pods. It never changes during the life of a release. */ -}}
{{- define "worker.selector" -}}
app.kubernetes.io/name: {{ include "worker.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "worker.labels" -}}
{{ include "worker.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "worker.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "worker.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- /* The Secret whose keys become SWEET_ variables; empty without one. */ -}}
{{- define "worker.secret" -}}
{{- if and .Values.secret.existing .Values.secret.values -}}
{{- fail "secret.existing and secret.values exclude each other: put the values into the existing Secret" -}}
{{- end -}}
{{- if .Values.secret.existing -}}
{{- .Values.secret.existing -}}
{{- else if .Values.secret.values -}}
{{- include "worker.fullname" . -}}
{{- end -}}
{{- end -}}

{{- define "worker.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- /*
One setting as text. Helm reads every number as a float, and 1048576 would
come out as 1.048576e+06.
*/ -}}
{{- define "worker.setting" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{- /* Mistakes that the schema cannot explain. */ -}}
{{- define "worker.check" -}}
{{- range $name := concat (keys .Values.config) (keys .Values.secret.values) -}}
{{- if hasPrefix "SWEET_" $name -}}
{{- fail (printf "%s: leave out SWEET_, the chart adds it" $name) -}}
{{- else if eq $name "DRAIN" -}}
{{- fail "config.DRAIN: set drainSeconds instead, which the pod's grace period follows" -}}
{{- else if eq $name "HTTP_ADDR" -}}
{{- fail "config.HTTP_ADDR is set by the chart, for its probes" -}}
{{- end -}}
{{- end -}}
{{- if not (or .Values.config.NATS_URL .Values.secret.existing .Values.secret.values.NATS_URL) -}}
{{- fail "config.NATS_URL is required, unless the secret holds NATS_URL" -}}
{{- end -}}
{{- end -}}
