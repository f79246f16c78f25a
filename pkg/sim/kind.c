#include "sim/kind.h"
#include <string.h>

#define CORE "/api/v1"
#define APPS "/apis/apps/v1"
#define CONFIG "/apis/config.openshift.io/v1"
#define MACHINE "/apis/machineconfiguration.openshift.io/v1"
#define ARGO "/apis/argoproj.io/v1alpha1"
#define ROW(ID, PREFIX, PLURAL, KIND, ...)                                                         \
	[ID] = { .id = ID, .prefix = PREFIX, .plural = PLURAL, .kind = KIND, __VA_ARGS__ }

static const SimKind kinds[SIM_KINDS] = {
	ROW(SIM_NAMESPACES, CORE, "namespaces", "Namespace", .brief = "ns", .status = true,
		.builtin = true),
	ROW(SIM_NODES, CORE, "nodes", "Node", .brief = "no", .status = true, .builtin = true),
	ROW(SIM_PODS, CORE, "pods", "Pod", .brief = "po", .namespaced = true, .status = true,
		.builtin = true),
	ROW(SIM_CONFIGMAPS, CORE, "configmaps", "ConfigMap", .brief = "cm", .namespaced = true,
		.tracked = true, .builtin = true),
	ROW(SIM_SECRETS, CORE, "secrets", "Secret", .namespaced = true, .builtin = true),
	ROW(SIM_SERVICES, CORE, "services", "Service", .brief = "svc", .namespaced = true,
		.builtin = true),
	ROW(SIM_EVENTS, CORE, "events", "Event", .brief = "ev", .namespaced = true,
		.builtin = true),
	ROW(SIM_LEASES, "/apis/coordination.k8s.io/v1", "leases", "Lease", .namespaced = true,
		.tracked = true, .builtin = true),
	ROW(SIM_REPLICASETS, APPS, "replicasets", "ReplicaSet", .brief = "rs", .namespaced = true,
		.status = true, .generation = true, .builtin = true),
	ROW(SIM_DEPLOYMENTS, APPS, "deployments", "Deployment", .brief = "deploy",
		.namespaced = true, .status = true, .generation = true, .tracked = true,
		.builtin = true),
	ROW(SIM_DAEMONSETS, APPS, "daemonsets", "DaemonSet", .brief = "ds", .namespaced = true,
		.status = true, .generation = true, .tracked = true, .builtin = true),
	ROW(SIM_STATEFULSETS, APPS, "statefulsets", "StatefulSet", .brief = "sts",
		.namespaced = true, .status = true, .generation = true, .tracked = true,
		.builtin = true),
	ROW(SIM_JOBS, "/apis/batch/v1", "jobs", "Job", .namespaced = true, .status = true,
		.generation = true, .tracked = true, .builtin = true),
	ROW(SIM_PDBS, "/apis/policy/v1", "poddisruptionbudgets", "PodDisruptionBudget",
		.brief = "pdb", .namespaced = true, .status = true, .generation = true,
		.builtin = true, .tracked = true),
	ROW(SIM_CLUSTERVERSIONS, CONFIG, "clusterversions", "ClusterVersion", .status = true,
		.generation = true, .tracked = true),
	ROW(SIM_CLUSTEROPERATORS, CONFIG, "clusteroperators", "ClusterOperator", .brief = "co",
		.status = true, .generation = true),
	ROW(SIM_INFRASTRUCTURES, CONFIG, "infrastructures", "Infrastructure", .status = true,
		.generation = true),
	ROW(SIM_POOLS, MACHINE, "machineconfigpools", "MachineConfigPool", .brief = "mcp",
		.status = true, .generation = true, .tracked = true),
	ROW(SIM_MACHINECONFIGS, MACHINE, "machineconfigs", "MachineConfig", .brief = "mc",
		.generation = true),
	ROW(SIM_CONTROLLERCONFIGS, MACHINE, "controllerconfigs", "ControllerConfig", .status = true,
		.generation = true),
	ROW(SIM_APIREQUESTCOUNTS, "/apis/apiserver.openshift.io/v1", "apirequestcounts",
		"APIRequestCount", .status = true, .generation = true),
	ROW(SIM_CSRS, "/apis/certificates.k8s.io/v1", "certificatesigningrequests",
		"CertificateSigningRequest", .brief = "csr", .status = true, .builtin = true),
	ROW(SIM_APPLICATIONS, ARGO, "applications", "Application", .brief = "app",
		.namespaced = true),
	ROW(SIM_APPPROJECTS, ARGO, "appprojects", "AppProject", .namespaced = true),
	ROW(SIM_KUSTOMIZATIONS, "/apis/kustomize.toolkit.fluxcd.io/v1", "kustomizations",
		"Kustomization", .brief = "ks", .namespaced = true),
	ROW(SIM_GITREPOSITORIES, "/apis/source.toolkit.fluxcd.io/v1", "gitrepositories",
		"GitRepository", .namespaced = true),
};

const SimKind *sim_kind(SimKindId id)
{
	g_assert(id < SIM_KINDS);
	return &kinds[id];
}

const char *sim_kind_api_version(const SimKind *k)
{
	return k->prefix + (g_str_has_prefix(k->prefix, "/apis/") ? 6 : 5);
}

char *sim_kind_group(const SimKind *k)
{
	const char *av = sim_kind_api_version(k), *slash = strchr(av, '/');
	return slash ? g_strndup(av, (size_t)(slash - av)) : g_strdup("");
}

/* The rows whose prefix starts the path; sets *ret_rest behind the prefix and its slash. */
static size_t prefix_len(const char *path, const SimKind *k)
{
	size_t n = strlen(k->prefix);
	return strncmp(path, k->prefix, n) == 0 && path[n] == '/' ? n + 1 : 0;
}

static const SimKind *find_plural(const char *path, const char *plural)
{
	for (size_t i = 0; i < SIM_KINDS; i++)
		if (prefix_len(path, &kinds[i]) && strcmp(kinds[i].plural, plural) == 0)
			return &kinds[i];
	return NULL;
}

static bool sub_of(const char *text, SimSub *ret)
{
	static const char *const names[] = { [SIM_SUB_STATUS] = "status",
		[SIM_SUB_EVICTION] = "eviction",
		[SIM_SUB_BINDING] = "binding",
		[SIM_SUB_LOG] = "log" };
	for (size_t i = SIM_SUB_STATUS; i < G_N_ELEMENTS(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (SimSub)i;
			return true;
		}
	return false;
}

static bool sub_fits(const SimKind *k, SimSub sub)
{
	if (sub == SIM_SUB_STATUS)
		return k->status;
	return sub == SIM_SUB_NONE || k->id == SIM_PODS;
}

/* parts: RESOURCE[/NAME[/SUB]] */
static bool fill(const char *path, char **parts, size_t n, const char *ns, SimPath *ret)
{
	const SimKind *k = n >= 1 && n <= 3 ? find_plural(path, parts[0]) : NULL;
	SimSub sub = SIM_SUB_NONE;
	if (!k || (n == 3 && !sub_of(parts[2], &sub)) || !sub_fits(k, sub))
		return false;
	bool needs_ns = k->namespaced && n >= 2;
	if ((ns && !k->namespaced) || (!ns && needs_ns))
		return false;
	*ret = (SimPath){ .kind = k, .sub = sub, .ns = g_strdup(ns) };
	ret->name = n >= 2 ? g_uri_unescape_string(parts[1], NULL) : NULL;
	return true;
}

bool sim_path_parse(const char *path, SimPath *ret)
{
	const char *q = strchr(path, '?');
	g_autofree char *plain = q ? g_strndup(path, (size_t)(q - path)) : g_strdup(path);
	size_t rest = 0;
	for (size_t i = 0; i < SIM_KINDS && !rest; i++)
		rest = prefix_len(plain, &kinds[i]);
	if (!rest)
		return false;
	g_auto(GStrv) parts = g_strsplit(plain + rest, "/", 8);
	size_t n = g_strv_length(parts);
	bool inside =
		n >= 3 && strcmp(parts[0], "namespaces") == 0 && !sub_of(parts[2], &(SimSub){ 0 });
	bool ok = inside ? fill(plain, parts + 2, n - 2, parts[1], ret)
			 : fill(plain, parts, n, NULL, ret);
	if (ok)
		ret->query = q ? g_strdup(q + 1) : NULL;
	return ok;
}

void sim_path_clear(SimPath *p)
{
	g_free(p->ns);
	g_free(p->name);
	g_free(p->query);
	*p = (SimPath){ 0 };
}

char *sim_query_get(const char *query, const char *name)
{
	size_t n = strlen(name);
	for (const char *p = query; p && *p;) {
		const char *end = strchrnul(p, '&');
		bool hit = strncmp(p, name, n) == 0 && (p[n] == '=' || p + n == end);
		if (hit) {
			const char *v = p[n] == '=' ? p + n + 1 : p + n;
			g_autofree char *raw = g_strndup(v, (size_t)(end - v));
			g_strdelimit(raw, "+", ' ');
			return g_uri_unescape_string(raw, NULL);
		}
		p = *end ? end + 1 : end;
	}
	return NULL;
}

bool sim_query_true(const char *query, const char *name)
{
	g_autofree char *v = sim_query_get(query, name);
	return v && (strcmp(v, "true") == 0 || strcmp(v, "1") == 0);
}

int64_t sim_query_int(const char *query, const char *name, int64_t def)
{
	g_autofree char *v = sim_query_get(query, name);
	char *end = NULL;
	int64_t i = v ? g_ascii_strtoll(v, &end, 10) : def;
	return v && (end == v || *end) ? def : i;
}
