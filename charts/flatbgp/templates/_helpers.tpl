{{/* Prefix of all names. It is short enough for every suffix to fit into a label's 63 characters. */}}
{{- define "flatbgp.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What pods are selected by. An upgrade cannot change a selector, so nothing is ever added here, and nothing that a
value or a version could change is in it. Takes (list . COMPONENT). */}}
{{- define "flatbgp.selector" -}}
app.kubernetes.io/name: flatbgp
app.kubernetes.io/instance: {{ (index . 0).Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of every object. Takes (list . COMPONENT). */}}
{{- define "flatbgp.labels" -}}
{{- $root := index . 0 -}}
{{ include "flatbgp.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: flatbgp
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "flatbgp.image" -}}
{{- if .Values.image.digest -}}
{{ printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else -}}
{{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end -}}

{{/* Whether the admin cluster is another one: "true" or nothing. */}}
{{- define "flatbgp.twoClusters" -}}
{{- if and .Values.admin.enabled .Values.admin.kubeconfigSecret.name -}}true{{- end -}}
{{- end -}}

{{/* Whether this cluster is admin and user cluster in one: "true" or nothing. */}}
{{- define "flatbgp.oneCluster" -}}
{{- if and .Values.admin.enabled (not .Values.admin.kubeconfigSecret.name) -}}true{{- end -}}
{{- end -}}

{{- define "flatbgp.secretNamespace" -}}
{{- if .Values.secretNamespace -}}
{{ .Values.secretNamespace }}
{{- else if include "flatbgp.twoClusters" . -}}
{{ printf "%s-passwords" .Release.Namespace | trunc 63 | trimSuffix "-" }}
{{- else -}}
{{ .Release.Namespace }}
{{- end -}}
{{- end -}}

{{/* Options that all roles take, as items of a list. */}}
{{- define "flatbgp.roleArguments" -}}
- "--store=kubernetes:"
- {{ printf "--secret-namespace=%s" (include "flatbgp.secretNamespace" .) | quote }}
- {{ printf "--lease-duration=%s" .Values.lease.duration | quote }}
- {{ printf "--renew-interval=%s" .Values.lease.renewInterval | quote }}
- {{ printf "--log-level=%s" .Values.log.level | quote }}
- {{ printf "--log-format=%s" .Values.log.format | quote }}
{{- end -}}

{{/* What every pod has: there is no pod network, no cluster DNS and perhaps no Service address until flatbgp works. */}}
{{- define "flatbgp.podOnHost" -}}
hostNetwork: true
dnsPolicy: Default
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* What every container has. */}}
{{- define "flatbgp.container" -}}
image: {{ include "flatbgp.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{/* Where the API server is, for a list of environment variables; empty when the kubelet's own word is taken. */}}
{{- define "flatbgp.apiServer" -}}
{{- if .Values.apiServer.host -}}
- name: KUBERNETES_SERVICE_HOST
  value: {{ .Values.apiServer.host | quote }}
- name: KUBERNETES_SERVICE_PORT
  value: {{ .Values.apiServer.port | quote }}
{{- end -}}
{{- end -}}

{{/* A user without any power. */}}
{{- define "flatbgp.unprivilegedPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "flatbgp.unprivilegedContainer" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Liveness and readiness of a role: its own loop answers. On the loopback address, so that nobody else can ask.
Takes the port. */}}
{{- define "flatbgp.probes" -}}
startupProbe:
  httpGet: {host: 127.0.0.1, port: {{ . }}, path: /healthz}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {host: 127.0.0.1, port: {{ . }}, path: /healthz}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {host: 127.0.0.1, port: {{ . }}, path: /readyz}
  periodSeconds: 2
  timeoutSeconds: 2
{{- end -}}

{{/* Ports of a role, declared so that the scheduler keeps a second pod with the same ones away from the node.
Takes (list . VALUES-OF-THE-ROLE). */}}
{{- define "flatbgp.ports" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
- {name: health, containerPort: {{ $role.healthPort }}, hostPort: {{ $role.healthPort }}, hostIP: 127.0.0.1}
{{- if $root.Values.metrics.enabled }}
- {name: metrics, containerPort: {{ $role.metricsPort }}, hostPort: {{ $role.metricsPort }}}
{{- end }}
{{- end -}}

{{- define "flatbgp.listen" -}}
{{- $root := index . 0 -}}
{{- $role := index . 1 -}}
- --health-bind=127.0.0.1:{{ $role.healthPort }}
{{- if $root.Values.metrics.enabled }}
- --metrics-bind=:{{ $role.metricsPort }}
{{- end }}
{{- end -}}

{{/* A binding of one role to one ServiceAccount of the release.
Takes (dict "root" . "kind" KIND-OF-ROLE "name" NAME "namespace" NAMESPACE "component" COMPONENT). */}}
{{- define "flatbgp.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ .kind }}Binding
metadata:
  name: {{ .name }}
  {{- if eq .kind "Role" }}
  namespace: {{ .namespace }}
  {{- end }}
  labels:
    {{- include "flatbgp.labels" (list .root .component) | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ include "flatbgp.fullname" .root }}-{{ .component }}
    namespace: {{ .root.Release.Namespace }}
{{- end -}}

{{/* Rules for the namespace on the admin cluster that is mirrored. */}}
{{- define "flatbgp.readSources" -}}
- apiGroups: [baremetal.cluster.gke.io]
  resources: [clusters, flatipmodes, clustercidrconfigs]
  verbs: [list, watch]
- apiGroups: [networking.gke.io]
  resources: [networkgatewaygroups, bgppeers]
  verbs: [list, watch]
# The passwords that BGPPeers name are here, among whatever else this namespace keeps: RBAC cannot tell them apart.
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
{{- end -}}

{{/* Whether the definitions of the admin group are installed: "true" or nothing. */}}
{{- define "flatbgp.adminCRDs" -}}
{{- if kindIs "bool" .Values.crds.admin -}}
{{- if .Values.crds.admin -}}true{{- end -}}
{{- else -}}
{{- include "flatbgp.oneCluster" . -}}
{{- end -}}
{{- end -}}

{{/* Who owns an object that is there, unless it is this release. Takes (list . OBJECT). */}}
{{- define "flatbgp.ownerOf" -}}
{{- $release := (index . 0).Release -}}
{{- $meta := (index . 1).metadata -}}
{{- $annotations := $meta.annotations | default dict -}}
{{- $labels := $meta.labels | default dict -}}
{{- $name := index $annotations "meta.helm.sh/release-name" -}}
{{- $namespace := index $annotations "meta.helm.sh/release-namespace" -}}
{{- if $name -}}
{{- if or (ne $name $release.Name) (ne $namespace $release.Namespace) -}}
owned by the Helm release {{ $name }} in namespace {{ $namespace }}
{{- end -}}
{{- else if index $labels "app.kubernetes.io/managed-by" -}}
managed by {{ index $labels "app.kubernetes.io/managed-by" }}
{{- else -}}
{{- $managers := list -}}
{{- range $meta.managedFields -}}
{{- if ne (.subresource | default "") "status" -}}
{{- $managers = append $managers .manager -}}
{{- end -}}
{{- end -}}
written by {{ uniq $managers | join " and " | default "nobody who says so" }}
{{- end -}}
{{- end -}}

{{/* Annotations of what only an uninstallation needs. A Job that failed stays, so that its log can be read, until the
next attempt. Takes the weight. */}}
{{- define "flatbgp.uninstallMarks" -}}
helm.sh/hook: pre-delete
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}

{{/* Rules for what happens to objects, told where kubectl describe shows it; a repetition raises the count of the Event
that is there. */}}
{{- define "flatbgp.writeEvents" -}}
- apiGroups: [""]
  resources: [events]
  verbs: [create, get, patch]
{{- end -}}
