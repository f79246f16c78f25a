/* Cluster and ControllerConfig: what names machines, files and secrets. */
#include "plan/shape.h"

#define OBJECT(rows) (&(const Shape){ .kind = SHAPE_OBJECT, .fields = rows })
#define LIST(rows, least) (&(const Shape){ .kind = SHAPE_LIST, .item = OBJECT(rows), .min = least })
#define ENUM(rows) (&(const Shape){ .kind = SHAPE_ENUM, .choices = rows })

static const Choice providers[] = {
	{ "openshift", "OpenShift 4: ClusterVersion and MachineConfigPools" },
	{ "kubeadm", "plain Kubernetes by kubeadm, over SSH" },
	{ 0 },
};

static const Field impersonate_fields[] = {
	{ "user", &shape_text, FIELD_REQUIRED, NULL, "user to act as" },
	{ "groups", &shape_texts, 0, NULL, "groups to act as" },
	{ 0 },
};

static const Field access_fields[] = {
	{ "kubeconfig", &shape_secret, FIELD_REQUIRED, NULL, "kubeconfig of the cluster" },
	{ "context", &shape_text, 0, NULL, "context to use; default: the file's current context" },
	{ "impersonate", OBJECT(impersonate_fields), 0, NULL, "for writes only" },
	{ "proxy", &shape_url, FIELD_LATER, NULL, "proxy to the API server" },
	{ 0 },
};

static const Choice actuators[] = {
	{ "direct", "patch the objects, after proof that nobody else owns the field" },
	{ "git", "edit the file that the cluster's GitOps controller reads" },
	{ "observe", "write nothing: judge, explain and report what would have been done" },
	{ 0 },
};
static const Choice deliveries[] = {
	{ "push", "push to the branch" },
	{ "branch", "push to shiplock/RUN/CLUSTER/SEQ and wait for its merge" },
	{ 0 },
};

static const Field argo_fields[] = {
	{ "cluster", &shape_label, FIELD_REQUIRED, NULL, "Cluster on which Argo CD runs" },
	{ "namespace", &shape_label, FIELD_REQUIRED, NULL, "namespace of the Application" },
	{ "application", &shape_text, FIELD_REQUIRED, NULL, "name of the Application" },
	{ 0 },
};
static const Field flux_fields[] = {
	{ "cluster", &shape_label, FIELD_REQUIRED, NULL, "Cluster on which Flux runs" },
	{ "namespace", &shape_label, FIELD_REQUIRED, NULL, "namespace of the Kustomization" },
	{ "kustomization", &shape_text, FIELD_REQUIRED, NULL, "name of the Kustomization" },
	{ 0 },
};
static const Field sync_fields[] = {
	{ "argoCD", OBJECT(argo_fields), FIELD_ALT, NULL, "synced when this Application says so" },
	{ "flux", OBJECT(flux_fields), FIELD_ALT, NULL, "synced when this Kustomization says so" },
	{ "timeout", &shape_duration, 0, "15m", "hold when it takes longer" },
	{ 0 },
};
static const Shape shape_sync = {
	.kind = SHAPE_OBJECT, .fields = sync_fields, .one_of = "argoCD and flux"
};

static const Field actuator_fields[] = {
	{ "type", ENUM(actuators), 0, "direct", "how a wish is written" },
	{ "repository", &shape_remote, 0, NULL, "git: URL of the repository" },
	{ "credential", &shape_secret, 0, NULL, "git: key or token" },
	{ "branch", &shape_text, 0, NULL, "git: branch that is read; default main" },
	{ "file", &shape_text, 0, NULL,
		"git: file with the ClusterVersion; without it the branch is looked through for "
		"the "
		"one that holds it, below the path of the Application or Kustomization first" },
	{ "acksFile", &shape_text, 0, NULL, "git: file with the administrator acknowledgements" },
	{ "poolsFile", &shape_text, 0, NULL,
		"git: file with the MachineConfigPools; without it pools that no file holds are "
		"patched directly, after the same proof" },
	{ "deliver", ENUM(deliveries), 0, NULL, "git: default push" },
	{ "sync", &shape_sync, 0, NULL,
		"git: what proves that the commit took effect, besides the object's value" },
	{ 0 },
};

static const Field basic_fields[] = {
	{ "user", &shape_text, FIELD_REQUIRED, NULL, "user name" },
	{ "password", &shape_secret, FIELD_REQUIRED, NULL, "password" },
	{ 0 },
};

#define HTTP_ACCESS                                                                                \
	{ "url", &shape_url, FIELD_REQUIRED, NULL, "base URL" },                                   \
		{ "token", &shape_secret, 0, NULL, "bearer token" },                               \
		{ "basic", OBJECT(basic_fields), 0, NULL, "user and password" },                   \
		{ "clientCertificate", &shape_secret, 0, NULL, "PEM; with clientKey" },            \
		{ "clientKey", &shape_secret, 0, NULL, "PEM; with clientCertificate" },            \
	{                                                                                          \
		"ca", &shape_secret, 0, NULL, "PEM; default: the host's authorities"               \
	}

static const Field telemetry_fields[] = {
	{ "name", &shape_label, FIELD_UNIQUE, NULL,
		"name in evidence; default telemetry-1 and so on" },
	HTTP_ACCESS,
	{ "matcher", &shape_text, 0, NULL,
		"PromQL matcher that picks this cluster in a hub, put into every selector" },
	{ 0 },
};
static const Field alertmanager_fields[] = { HTTP_ACCESS, { 0 } };

static const Field ssh_key_fields[] = {
	{ "file", &shape_text, FIELD_ALT, NULL, "path of a private key on the controller's host" },
	{ "env", &shape_text, FIELD_ALT, NULL, "environment variable that holds it" },
	{ "credential", &shape_text, FIELD_ALT, NULL, "systemd credential that holds it" },
	{ "agent", &shape_text, FIELD_ALT, NULL, "socket of an SSH agent" },
	{ 0 },
};
static const Shape shape_ssh_key = {
	.kind = SHAPE_OBJECT, .fields = ssh_key_fields, .one_of = "file, env, credential and agent"
};
static const Field ssh_fields[] = {
	{ "user", &shape_text, FIELD_REQUIRED, NULL, "user on the nodes" },
	{ "key", &shape_ssh_key, FIELD_REQUIRED, NULL, "private key" },
	{ "knownHosts", &shape_secret, FIELD_REQUIRED, NULL, "host keys of the nodes" },
	{ "port", &(const Shape){ .kind = SHAPE_INT, .min = 1, .max = 65535 }, 0, "22",
		"port of sshd" },
	{ 0 },
};
static const Choice becomes[] = {
	{ "sudo", "commands run under sudo -n" },
	{ "none", "the user is root" },
	{ 0 },
};
static const Choice methods[] = {
	{ "apt", "Debian packages" },
	{ "dnf", "RPM packages" },
	{ "binaries", "files from a URL, checked by digest" },
	{ 0 },
};
static const Field software_fields[] = {
	{ "method", ENUM(methods), FIELD_REQUIRED, NULL, "where new binaries come from" },
	{ "source", &shape_text, 0, NULL,
		"apt, dnf: repository line; {{minor}} and {{version}} are replaced" },
	{ "from", &shape_text, 0, NULL, "binaries: base URL" },
	{ "sha256sums", &shape_text, 0, NULL, "binaries: file with their digests" },
	{ 0 },
};
static const Field kubeadm_fields[] = {
	{ "ignorePreflightErrors", &shape_texts, 0, NULL,
		"checks of kubeadm upgrade whose errors count as warnings" },
	{ "patches", &shape_text, 0, NULL, "folder of kubeadm patches on the nodes" },
	{ "config", &shape_text, 0, NULL, "path of an UpgradeConfiguration on the nodes" },
	{ 0 },
};
static const Field node_access_fields[] = {
	{ "ssh", OBJECT(ssh_fields), FIELD_REQUIRED, NULL, "how nodes are reached" },
	{ "become", ENUM(becomes), 0, "sudo", "how commands become root" },
	{ "software", OBJECT(software_fields), 0, NULL, "how new binaries get there" },
	{ "kubeadm", OBJECT(kubeadm_fields), 0, NULL, "options of kubeadm upgrade" },
	{ 0 },
};

static const Field cluster_fields[] = {
	{ "provider", ENUM(providers), FIELD_REQUIRED, NULL, "what kind of cluster it is" },
	{ "timeZone", &shape_zone, 0, "UTC", "zone in which its times are shown" },
	{ "aliases", &shape_map, 0, NULL, "its names in other systems, shown in reports" },
	{ "access", OBJECT(access_fields), FIELD_REQUIRED, NULL, "its API server" },
	{ "actuator", OBJECT(actuator_fields), 0, "{}", "how Shiplock writes to it" },
	{ "telemetry", LIST(telemetry_fields, 0), 0, "[]",
		"Prometheus or Thanos, in order; the next is asked where one cannot be reached" },
	{ "alertmanager", OBJECT(alertmanager_fields), FIELD_LATER, NULL,
		"where scoped silences are set" },
	{ "notWith", &shape_labels, 0, "[]", "clusters that are never in work at the same time" },
	{ "exclusive", &shape_bool, 0, "false",
		"true: nothing else in the fleet is in work beside it" },
	{ "nodeAccess", OBJECT(node_access_fields), 0, NULL, "kubeadm: how its nodes are reached" },
	{ 0 },
};
const Shape shape_cluster = { .kind = SHAPE_OBJECT, .fields = cluster_fields };

static const Field webhook_fields[] = {
	{ "secret", &shape_secret, FIELD_REQUIRED, NULL,
		"shared with the Git server, for the HMAC" },
	{ 0 },
};
static const Field results_fields[] = {
	{ "branch", &shape_text, 0, "shiplock/results",
		"branch of the reports, made when it is missing; never the branch of the plans" },
	{ "notes", &shape_text, 0, "shiplock",
		"the plan's commit gets a note under refs/notes/ and this name" },
	{ 0 },
};
static const Field repository_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "url", &shape_remote, FIELD_REQUIRED, NULL, "local path, http, https or ssh" },
	{ "branch", &shape_text, 0, "main", "branch that is watched" },
	{ "plans", &shape_text, 0, "plans", "folder of clusters and plans" },
	{ "policies", &shape_text, 0, "policies", "folder of policies" },
	{ "interval", &shape_duration, 0, "60s", "time between two looks" },
	{ "credential", &shape_secret, 0, NULL, "key or token" },
	{ "ca", &shape_secret, 0, NULL, "PEM; default: the host's authorities" },
	{ "knownHosts", &shape_secret, 0, NULL, "ssh: host keys of the server" },
	{ "webhook", OBJECT(webhook_fields), 0, NULL, "a push is seen at once" },
	{ "results", OBJECT(results_fields), 0, NULL,
		"the end of each run is written back; the credential must be allowed to push" },
	{ 0 },
};
static const Field listen_fields[] = {
	{ "api", &shape_text, 0, "/run/shiplock/api.sock", "Unix socket of the API" },
	{ "web", &shape_text, 0, "127.0.0.1:9464",
		"address and port of metrics, health and the Git webhook" },
	{ 0 },
};
static const Field role_fields[] = {
	{ "operate", &shape_texts, 0, "[]", "Unix groups that may start, stop and roll back" },
	{ "approve", &shape_texts, 0, "[]", "Unix groups that may say yes" },
	{ "read", &shape_texts, 0, "[\"*\"]", "Unix groups that may look; * is everybody" },
	{ 0 },
};
static const Choice notify_events[] = {
	{ "hold", "a cluster is held" },
	{ "rollback", "a rollback started" },
	{ "end", "a run ended" },
	{ "approval", "a person is asked" },
	{ 0 },
};
static const Shape shape_notify_on = { .kind = SHAPE_LIST, .item = ENUM(notify_events), .min = 1 };
static const Field notify_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "url", &shape_secret, FIELD_REQUIRED, NULL,
		"where it is posted; a secret, as it often is" },
	{ "token", &shape_secret, 0, NULL,
		"bearer token; where the body says {{token}} it stands there instead" },
	{ "ca", &shape_secret, 0, NULL, "PEM; default: the host's authorities" },
	{ "on", &shape_notify_on, 0, "[\"hold\",\"rollback\",\"end\",\"approval\"]", "events" },
	{ "body", &shape_any, FIELD_REQUIRED, NULL,
		"JSON to post; {{fleet}} {{run}} {{plan}} {{cluster}} {{state}} {{event}} "
		"{{reason}} {{since}} {{next}} {{key}} {{token}} in its texts are replaced" },
	{ 0 },
};
static const Field config_fields[] = {
	{ "repositories", LIST(repository_fields, 1), FIELD_REQUIRED, NULL, "what is watched" },
	{ "state", &shape_text, 0, "/var/lib/shiplock", "folder of the journal" },
	{ "listen", OBJECT(listen_fields), 0, "{}", "where it answers" },
	{ "roles", OBJECT(role_fields), 0, "{}", "who may do what" },
	{ "notify", LIST(notify_fields, 0), 0, "[]", "outgoing webhooks" },
	{ "idleInterval", &shape_duration, 0, "5m",
		"how often clusters outside a run are looked at" },
	{ 0 },
};
const Shape shape_controller_config = { .kind = SHAPE_OBJECT, .fields = config_fields };
