{{- define "millrace.image" -}}
{{ $.Values.image.repository }}:{{ $.Values.image.tag | default $.Chart.AppVersion }}
{{- end }}

{{- /* Not empty where a flow has two engine processes, and thus two ports of metrics. */}}
{{- define "millrace.two" -}}
{{ range $.Values.flows }}{{ if gt (int .processes) 1 }}two{{ end }}{{ end }}
{{- end }}
