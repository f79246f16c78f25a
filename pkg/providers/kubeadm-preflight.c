/* Everything that can be known beforehand, reported at once. A fact that cannot be read is a
 * finding, not a wait. */
#include "objects/version.h"
#include "providers/budgets.h"
#include "providers/clusterversion.h"
#include "providers/kubeadm-level.h"
#include "providers/kubeadm-ready.h"
#include "providers/kubeadm-repair.h"
#include "providers/kubeadm-software.h"
#include "providers/preflight.h"
#include <string.h>

#define PDB_PATH "/apis/policy/v1/poddisruptionbudgets"
#define PODS_PATH "/api/v1/pods"
#define API_SERVICES_PATH "/apis/apiregistration.k8s.io/v1/apiservices"

enum {
	DAY_SEC = 86400,
	CERTIFICATE_BLOCK_DAYS = 7,
	CERTIFICATE_WARN_DAYS = 30,
	CLOCK_WARN_SEC = 5,
	CLOCK_BLOCK_SEC = 60,
	KUBELET_MAX_BEHIND = 3,
};
#define FREE_MIN_BYTES (INT64_C(1) << 30)

typedef struct Picture {
	const View *version, *nodes, *pods, *pdbs, *system, *services, *claim;
	const json_t *machines;
	const char *now; /* version of the API server, without "v" */
} Picture;

/* ---- documents ---- */

static void check_documents(const Target *t, json_t *findings)
{
	const json_t *access = json_path(target_spec(t), "nodeAccess"),
		     *software = json_object_get(access, "software");
	const char *type = json_path_str(target_spec(t), "actuator.type", "direct");
	if (strcmp(type, "direct") != 0)
		finding_add(findings, "block", "actuator", "use actuator direct",
			"actuator %s has no meaning for provider kubeadm yet", type);
	if (!access)
		finding_add(findings, "block", "node-access",
			"say in nodeAccess.ssh how the nodes are reached",
			"nodeAccess is missing in the Cluster document");
	else if (!software)
		finding_add(findings, "block", "node-access",
			"say in nodeAccess.software where kubeadm and kubelet come from",
			"nodeAccess.software is missing in the Cluster document");
	else if (!software_find(json_path_str(software, "method", "")))
		finding_add(findings, "block", "later", "use another method",
			"nodeAccess.software.method %s has no effect in this version",
			json_path_str(software, "method", ""));
}

/* ---- versions ---- */

static void check_kubelets(const Picture *p, const char *to, json_t *findings)
{
	Version server, target, kubelet;
	size_t i;
	json_t *n;
	if (!version_parse(p->now, &server) || !version_parse(to, &target))
		return;
	json_array_foreach (json_object_get(p->nodes->json, "items"), i, n) {
		const char *name = json_path_str(n, "metadata.name", "?");
		const char *is = json_path_str(n, "status.nodeInfo.kubeletVersion", "");
		if (!version_parse(is, &kubelet))
			continue;
		if (version_compare(&kubelet, &server) > 0)
			finding_add(findings, "block", "skew",
				"bring the kubelet back, or the control plane up first",
				"the kubelet of %s runs %s, newer than the API server (%s)", name,
				is, p->now);
		else if (version_minor_distance(&kubelet, &target) > KUBELET_MAX_BEHIND)
			finding_add(findings, "block", "skew", "upgrade that kubelet first",
				"the kubelet of %s runs %s: %s allows at most %d minor versions "
				"between them",
				name, is, to, KUBELET_MAX_BEHIND);
	}
}

/* ---- nodes ---- */

/* True: it is known, or why it cannot be is a finding. */
static bool look(Item *it, const FactRow *row, const Machine *m, const char *what, const View **ret,
	json_t *findings)
{
	g_autofree char *key = node_key(m->address, what);
	*ret = fact(it, row, key);
	const GError *err = *ret ? NULL : fact_error(it, row, key);
	if (err && provider_may_pass(it, err))
		return false;
	if (err)
		finding_add(findings, "block", "node-access",
			"check nodeAccess.ssh, the host key and sudo without a password", "%s: %s",
			m->name, err->message);
	return *ret || err;
}

static void check_disk(const Machine *m, const json_t *look, json_t *findings)
{
	int64_t data = json_path_int(look, "dataBytes", 0), need = FREE_MIN_BYTES + 3 * data;
	const json_t *disk = json_object_get(look, "disk");
	static const char *const paths[] = { "/etc/kubernetes", "/var/lib/etcd",
		"/var/lib/shiplock" };
	for (size_t i = 0; m->control_plane && i < G_N_ELEMENTS(paths); i++) {
		const json_t *v = json_object_get(disk, paths[i]);
		if (json_is_integer(v) && json_integer_value(v) < need)
			finding_add(findings, "block", "disk", "make room there",
				"%s: %s has %d MiB free, the backups and kubeadm's own copies need "
				"%d MiB",
				m->name, paths[i], (int)(json_integer_value(v) >> 20),
				(int)(need >> 20));
	}
}

static void check_certificates(
	const Machine *m, const json_t *look, int64_t wall_sec, json_t *findings)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(look, "certificates"), i, c) {
		int64_t left = json_path_int(c, "notAfter", INT64_MAX) - wall_sec;
		if (left > CERTIFICATE_WARN_DAYS * DAY_SEC)
			continue;
		bool block = left < CERTIFICATE_BLOCK_DAYS * DAY_SEC;
		finding_add(findings, block ? "block" : "warn", "certificate",
			"kubeadm certs renew all, then restart the control plane",
			"%s: certificate %s %s", m->name, json_path_str(c, "file", "?"),
			left < 0 ? "has ended"
			: block  ? "ends within a week"
				 : "ends within a month");
	}
}

static void check_clock(const Machine *m, const View *v, json_t *findings)
{
	int64_t ours = json_path_int(v->json, "atUsec", 0);
	int64_t theirs = json_path_int(v->json, "parsed.clockUsec", ours);
	int64_t off = (theirs - ours) / SL_USEC_PER_SEC;
	if (off < 0)
		off = -off;
	if (off >= CLOCK_WARN_SEC)
		finding_add(findings, off >= CLOCK_BLOCK_SEC ? "block" : "warn", "clock",
			"set its clock (chrony, systemd-timesyncd)",
			"the clock of %s is %d s away from ours", m->name, (int)off);
}

static void check_programs(const Machine *m, const json_t *look, const char *now, json_t *findings)
{
	const char *kubeadm = json_path_str(look, "kubeadm", NULL);
	const json_t *manifests = json_object_get(look, "manifests");
	const char *is = kubeadm_image_version(look, "kube-apiserver");
	if (!kubeadm)
		finding_add(findings, "warn", "software", NULL,
			"%s has no kubeadm on its PATH; it is installed first", m->name);
	if (!json_path_bool(look, "kubeletActive", true))
		finding_add(findings, "block", "node", "mend it first",
			"the kubelet of %s is not active", m->name);
	/* One that is missing is a fault of the node, said with what mends it. */
	if (m->control_plane && !*is && json_object_get(manifests, "kube-apiserver"))
		finding_add(findings, "block", "manifest", "mend it first",
			"%s has no manifest of kube-apiserver with a version in its image",
			m->name);
	if (m->control_plane && !json_object_get(manifests, "etcd") &&
		json_path_int(look, "dataBytes", 0) == 0)
		finding_add(findings, "block", "later", "use stacked etcd",
			"%s runs no etcd member: neither the way up nor the way back has been "
			"proven with external etcd in this version",
			m->name);
}

/* What an earlier crash left: mended before anything else where there is a way, by the backup sets
 * that earlier runs left on the node. */
static void check_faults(const Machine *m, const json_t *look, json_t *findings)
{
	g_autoptr(json_t) wanted = kubeadm_wanted(m, look);
	g_autoptr(json_t) faults = node_faults(look, wanted);
	size_t i;
	json_t *f;
	json_array_foreach (faults, i, f) {
		g_autofree char *key = kubeadm_set_to_mend(look, json_path_str(f, "fault", ""));
		const char *by = !key   ? "; no backup set of an earlier run fits"
				 : *key ? "; it is put back from backup set "
					: "; it is mended before anything else";
		finding_add(findings, key ? "warn" : "block", "node-fault",
			key ? NULL : "mend it first: kubeadm upgrade begins on whole nodes only",
			"%s: %s%s%s", m->name, json_path_str(f, "text", "?"), by, key ? key : "");
	}
}

/* Both directions' software at hand: this one; that of the way back is the probe's business. */
static bool check_software(Item *it, const Machine *m, const char *to, json_t *findings)
{
	g_autofree char *what = g_strdup_printf(KUBEADM_TRY "%s", to);
	const View *v;
	if (!look(it, &fact_node_try, m, what, &v, findings))
		return false;
	if (v && !json_path_bool(v->json, "ok", false))
		finding_add(findings, "block", "software",
			"mend nodeAccess.software, or the repository that it names",
			"kubeadm, kubelet or kubectl %s cannot be had on %s: %s", to, m->name,
			json_path_str(v->json, "err", "?"));
	return true;
}

static bool check_machine(
	Item *it, const Machine *m, const Picture *p, const char *to, json_t *findings)
{
	int64_t wall_sec = loop_wall_usec(saga_loop(item_saga(it))) / SL_USEC_PER_SEC;
	const View *v;
	if (!*m->address) {
		finding_add(findings, "block", "node-access", NULL,
			"node %s has no InternalIP: nobody knows how to reach it", m->name);
		return true;
	}
	if (!look(it, &fact_node_look, m, KUBEADM_DISCOVER, &v, findings))
		return false;
	if (!v)
		return true;
	const json_t *said = json_object_get(v->json, "parsed");
	check_disk(m, said, findings);
	check_certificates(m, said, wall_sec, findings);
	check_clock(m, v, findings);
	check_programs(m, said, p->now, findings);
	check_faults(m, said, findings);
	return !to || check_software(it, m, to, findings);
}

static bool check_machines(Item *it, const Picture *p, const char *to, json_t *findings)
{
	bool all = true;
	size_t i;
	json_t *o;
	if (!json_object_get(target_spec(target_of(it)), "nodeAccess"))
		return true;
	json_array_foreach (p->machines, i, o) {
		Machine m = { json_path_str(o, "name", "?"), json_path_str(o, "address", ""),
			json_path_bool(o, "controlPlane", false) };
		all = check_machine(it, &m, p, to, findings) && all;
	}
	return kubeadm_check_etcd(it, p->machines, findings) && all;
}

/* ---- what the API server tells ---- */

static void check_system(const Picture *p, json_t *findings)
{
	g_autofree char *etcd = kubeadm_etcd_unready(p->system->json);
	if (etcd)
		finding_add(findings, "block", "etcd", "mend it first: quorum is all that is left",
			"%s", etcd);
}

static void check_claim(const Target *t, const Picture *p, json_t *findings)
{
	g_autofree char *claimed = claim_obstacle(t, p->claim->json);
	g_autofree char *hint = g_strdup_printf("end that run, or start the controller with the "
						"journal that began it; where both are "
						"lost: shiplock takeover %s",
		t->name);
	if (claimed)
		finding_add(findings, "block", "claimed", hint, "%s", claimed);
}

/* The version that the checks are made for; NULL: none. */
static bool check_hop(Item *it, const Picture *p, const char **ret_to, json_t *findings)
{
	json_t *hop = NULL;
	g_autofree char *why = NULL;
	*ret_to = NULL;
	if (provider_inspects(it))
		return true;
	if (!kubeadm_next_hop(it, &hop, &why))
		return false;
	g_autoptr(json_t) owned = hop;
	kubeadm_check_level(
		it, p->system->json, p->nodes->json, json_is_null(hop) ? NULL : hop, findings);
	if (json_is_null(hop)) {
		finding_add(findings, "info", "at-target", NULL, "the cluster is at %s already",
			p->now);
		return true;
	}
	if (why)
		finding_add(findings, "block", "edge", "one minor version at a time", "%s", why);
	*ret_to = g_intern_string(json_path_str(hop, "to", ""));
	return true;
}

static bool read_picture(Item *it, Picture *p, json_t *findings)
{
	const struct {
		const FactRow *row;
		const char *key;
		bool optional;
		const View **view;
	} reads[] = {
		{ &fact_object, KUBEADM_VERSION, false, &p->version },
		{ &fact_list, KUBEADM_NODES, false, &p->nodes },
		{ &fact_list, PODS_PATH, false, &p->pods },
		{ &fact_list, PDB_PATH, false, &p->pdbs },
		{ &fact_list, KUBEADM_SYSTEM_PODS, false, &p->system },
		{ &fact_list, API_SERVICES_PATH, true, &p->services },
		{ &fact_object, KUBEADM_CLAIM, false, &p->claim },
	};
	bool all = true;
	for (size_t i = 0; i < G_N_ELEMENTS(reads); i++)
		all = provider_settled(it, reads[i].row, reads[i].key, reads[i].optional,
			      reads[i].view, findings) &&
		      all;
	return all;
}

static bool is_openshift(const Picture *p)
{
	size_t i;
	json_t *o;
	json_array_foreach (p->services ? json_object_get(p->services->json, "items") : NULL, i, o)
		if (g_str_has_suffix(json_path_str(o, "metadata.name", ""), ".config.openshift.io"))
			return true;
	return false;
}

static bool judge(Item *it, Picture *p, json_t *findings)
{
	Target *t = target_of(it);
	const char *to;
	const char *now = json_path_str(p->version->json, "gitVersion", "");
	g_autoptr(json_t) machines = kubeadm_machines(p->nodes->json);
	p->now = *now == 'v' ? now + 1 : now;
	p->machines = machines;
	if (!check_hop(it, p, &to, findings))
		return false;
	if (to)
		check_kubelets(p, to, findings);
	provider_check_nodes(p->nodes->json, findings);
	budgets_preflight(t->name, p->pdbs->json, p->pods->json, findings);
	check_system(p, findings);
	check_claim(t, p, findings);
	bool all = kubeadm_check_apis(it, p->now, to, findings);
	all = kubeadm_check_hooks(it, findings) && all;
	all = kubeadm_check_config(it, p->system->json, p->now, findings) && all;
	return check_machines(it, p, to, findings) && all;
}

bool kubeadm_preflight(Item *it, json_t *findings)
{
	Target *t = target_of(it);
	Picture p = { 0 };
	bool other = false;
	bool all = read_picture(it, &p, findings);
	all = provider_check_access(it, NULL, findings) && all;
	if (!provider_inspects(it))
		check_documents(t, findings);
	if (!all)
		return false;
	if (is_openshift(&p)) {
		json_array_clear(findings);
		finding_add(findings, "block", "provider",
			"check provider and context in the Cluster document",
			"this is an OpenShift cluster");
		return true;
	}
	if (p.version && provider_inspects(it) &&
		!kubeadm_check_maker(
			it, json_path_str(p.version->json, "gitVersion", ""), &other, findings))
		return false;
	if (other || !p.version || !p.nodes || !p.pods || !p.pdbs || !p.system || !p.claim)
		return true; /* said as findings */
	return judge(it, &p, findings);
}
