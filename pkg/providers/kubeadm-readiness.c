/* The rows of the readiness list. What the older version cannot live with bars; what it only does
 * not show is said as left behind. */
#include "providers/kubeadm-readiness.h"
#include "base/num.h"
#include "objects/version.h"
#include "providers/kubeadm-shelf.h"
#include "providers/preflight.h"
#include <string.h>

enum { DAY_SEC = 86400, CERTIFICATE_DAYS = 7 };

static void bar(Readiness *r, const char *fmt, ...) SL_PRINTF(2, 3);
static void bar(Readiness *r, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *why = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	if (r->bar)
		g_free(why);
	else
		r->bar = why;
}

static const char *from_of(const Readiness *r)
{
	return json_path_str(r->hop, "from", "");
}

static const char *to_of(const Readiness *r)
{
	return json_path_str(r->hop, "to", "");
}

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
}

/* What the node answers to a look; NULL: not known (*ret_err: it never will be; else missing). */
static const View *ask(
	Readiness *r, const FactRow *row, const json_t *m, const char *what, const GError **ret_err)
{
	g_autofree char *key = node_key(json_path_str(m, "address", ""), what);
	const View *v = fact(r->it, row, key);
	*ret_err = v ? NULL : kubeadm_lasting(r->it, fact_error(r->it, row, key));
	r->missing = r->missing || (!v && !*ret_err);
	return v;
}

static bool is_control_plane(const json_t *m)
{
	return json_path_bool(m, "controlPlane", false);
}

/* ---- versions ---- */

static int minor_of(const json_t *o, const char *member)
{
	int64_t n = 0;
	bool ok = g_ascii_string_to_signed(json_path_str(o, member, ""), 10, 0, 1000, &n, NULL);
	return ok ? (int)n : 0;
}

static void look_versions(Readiness *r)
{
	Version from, to;
	if (!version_parse(from_of(r), &from) || !version_parse(to_of(r), &to)) {
		bar(r, "the versions of the hop are not known");
		return;
	}
	if (version_minor_distance(&from, &to) > 1)
		bar(r, "kubeadm goes back one minor version, not %d",
			version_minor_distance(&from, &to));
	int compat = minor_of(r->version, "minCompatibilityMinor");
	if (compat > from.minor)
		bar(r,
			"the API server is started with --min-compatibility-version=%d.%d, above "
			"%d.%d: what it stores, the older one may not read",
			from.major, compat, from.major, from.minor);
}

/* Every API server of the control plane, not only the one that answers. */
static void look_flags(Readiness *r)
{
	Version from, compat;
	size_t i;
	json_t *m;
	json_array_foreach (r->machines, i, m) {
		const GError *err;
		const View *v = is_control_plane(m)
					? ask(r, &fact_node_look, m, KUBEADM_DISCOVER, &err)
					: NULL;
		const char *flag =
			v ? json_path_str(v->json, "parsed.manifests.kube-apiserver.minCompat", "")
			  : "";
		g_autofree char *full = g_strdup_printf("%s.0", flag);
		if (*flag && version_parse(full, &compat) && version_parse(from_of(r), &from) &&
			compat.minor > from.minor)
			bar(r,
				"the API server of %s is started with "
				"--min-compatibility-version=%s, above %s: what it stores, the "
				"older "
				"one may not read",
				json_path_str(m, "name", "?"), flag, from_of(r));
	}
}

static void look_highest(Readiness *r)
{
	const View *v = fact(r->it, &fact_object, KUBEADM_CLAIM);
	const GError *err =
		v ? NULL : kubeadm_lasting(r->it, fact_error(r->it, &fact_object, KUBEADM_CLAIM));
	Version from, high;
	r->missing = r->missing || (!v && !err);
	const json_t *data = v && !v->missing ? json_object_get(v->json, "data") : NULL;
	const char *highest = json_path_str(data, "highest", "");
	int compat = minor_of(data, "highestCompat");
	if (!version_parse(from_of(r), &from))
		return;
	if (version_parse(highest, &high) && version_minor_distance(&from, &high) > 1)
		bar(r,
			"the control plane has run %s, %d minor versions above %s: what was stored "
			"then, %s may not read",
			highest, version_minor_distance(&from, &high), from_of(r), from_of(r));
	if (compat > from.minor)
		bar(r,
			"an API server here ran with --min-compatibility-version=%d.%d once: what "
			"was stored then, %s may not read",
			from.major, compat, from_of(r));
}

/* ---- kubelets and kube-proxy ---- */

static void look_kubelets(Readiness *r)
{
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(r->nodes, "items"), i, n) {
		const char *is = plain(json_path_str(n, "status.nodeInfo.kubeletVersion", ""));
		if (*is && version_compare_text(is, to_of(r)) > 0 &&
			version_compare_text(is, from_of(r)) > 0)
			bar(r,
				"the kubelet of %s runs %s, newer than %s: nothing here brings it "
				"back; do that by hand first",
				json_path_str(n, "metadata.name", "?"), is, to_of(r));
	}
}

/* ---- software and images ---- */

/* Once the sets are there and no kubelet is above the old version, the saved manifests alone bring
 * the control plane back: a repository that is away then bars nothing. */
static void bar_software(Readiness *r, const json_t *m, const char *why)
{
	const char *low, *high;
	kubeadm_kubelets(r->nodes, &low, &high);
	if (r->after && *high && !kubeadm_newer(high, from_of(r))) {
		g_free(r->no_software);
		r->no_software = g_strdup_printf("the software of %s is not at hand on %s: %s",
			from_of(r), json_path_str(m, "name", "?"), why);
		return;
	}
	bar(r, "the software of %s is not at hand on %s: %s", from_of(r),
		json_path_str(m, "name", "?"), why);
}

static void look_software(Readiness *r)
{
	size_t i;
	json_t *m;
	g_autofree char *what = g_strdup_printf(KUBEADM_TRY "%s", from_of(r));
	json_array_foreach (r->machines, i, m) {
		const GError *err;
		const View *v = ask(r, &fact_node_try, m, what, &err);
		if (err || (v && !json_path_bool(v->json, "ok", false)))
			bar_software(r, m, err ? err->message : json_path_str(v->json, "err", "?"));
	}
}

static void look_images(Readiness *r)
{
	size_t i, n = 0;
	json_t *m;
	g_autofree char *what = g_strdup_printf(KUBEADM_IMAGES "%s", from_of(r));
	for (i = 0; i < json_array_size(r->machines); i++) {
		const GError *err;
		m = json_array_get(r->machines, i);
		const View *v = is_control_plane(m) ? ask(r, &fact_node_try, m, what, &err) : NULL;
		const json_t *said = v ? json_object_get(v->json, "parsed") : NULL;
		const char *never =
			json_string_value(json_array_get(json_object_get(said, "never"), 0));
		if (never)
			bar(r, "image %s is not on %s, and its pull policy is Never", never,
				json_path_str(m, "name", "?"));
		n += json_array_size(json_object_get(said, "missing")) > 0;
	}
	if (n > 0)
		g_string_append_printf(r->leaves,
			"; %zu control-plane node%s must pull images first: whether the registry "
			"still has them is not known",
			n, n == 1 ? "" : "s");
}

/* ---- what the nodes keep ---- */

/* The digest that was noted when the set was taken, else what the node says of it. */
static const char *noted_digest(
	const Readiness *r, const char *node, const char *key, const json_t *look)
{
	const json_t *memo = item_memo(r->it);
	const char *of =
		json_string_value(json_object_get(json_object_get(memo, "backupKeys"), node));
	const json_t *made = json_object_get(json_object_get(memo, "backups"), node);
	size_t i;
	json_t *s;
	if (of && strcmp(of, key) == 0 && json_is_object(made))
		return json_path_str(made, "sha256", "");
	json_array_foreach (json_object_get(look, "backups"), i, s)
		if (strcmp(json_path_str(s, "key", ""), key) == 0)
			return json_path_str(s, "sha256", "");
	return "";
}

static void look_digest(Readiness *r, const json_t *m, const char *key, const json_t *look)
{
	const GError *err;
	const char *name = json_path_str(m, "name", "?");
	g_autofree char *what = g_strconcat(KUBEADM_SET, key, NULL);
	const View *v = ask(r, &fact_node_try, m, what, &err);
	const char *is = v ? json_path_str(v->json, "parsed.sha256", "") : "";
	const char *noted = noted_digest(r, name, key, look);
	if (err)
		bar(r, "the backup set %s on %s cannot be read: %s", key, name, err->message);
	else if (v && *noted && strcmp(is, noted) != 0)
		bar(r,
			"the backup set %s on %s is not what was saved: bring it back from the "
			"state folder",
			key, name);
}

/* A set that is gone from its node goes back there from the state folder. */
static void look_set(Readiness *r, const json_t *m, const json_t *look)
{
	const char *name = json_path_str(m, "name", "?");
	g_autofree char *key = kubeadm_backup_of(r->hop, look);
	const json_t *keys = json_object_get(item_memo(r->it), "backupKeys");
	const char *noted = json_string_value(json_object_get(keys, name));
	if (key)
		look_digest(r, m, key, look);
	else if (!noted || !kubeadm_shelved(r->it, name, noted))
		bar(r, "there is no backup set of this hop on %s", name);
}

static void look_certificates(Readiness *r, const json_t *m, const json_t *look)
{
	int64_t wall_sec = loop_wall_usec(saga_loop(item_saga(r->it))) / SL_USEC_PER_SEC;
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(look, "certificates"), i, c) {
		int64_t ends = json_path_int(c, "notAfter", INT64_MAX);
		r->ends_sec = sl_min(r->ends_sec, ends);
		if (ends >= wall_sec + CERTIFICATE_DAYS * DAY_SEC)
			continue;
		if (r->after) /* kubeadm renews it on the way back */
			g_string_append_printf(r->leaves,
				"; certificate %s on %s ends within %d days",
				json_path_str(c, "file", "?"), json_path_str(m, "name", "?"),
				CERTIFICATE_DAYS);
		else
			bar(r, "certificate %s on %s ends within %d days",
				json_path_str(c, "file", "?"), json_path_str(m, "name", "?"),
				CERTIFICATE_DAYS);
	}
}

static void look_kept(Readiness *r)
{
	size_t i;
	json_t *m;
	json_array_foreach (r->machines, i, m) {
		const GError *err;
		if (!is_control_plane(m))
			continue;
		const View *v = ask(r, &fact_node_look, m, KUBEADM_DISCOVER, &err);
		const json_t *said = v ? json_object_get(v->json, "parsed") : NULL;
		if (err)
			bar(r, "%s cannot be looked at: %s", json_path_str(m, "name", "?"),
				err->message);
		if (said && r->after)
			look_set(r, m, said);
		if (said)
			look_certificates(r, m, said);
	}
}

/* ---- etcd ---- */

static void judge_etcd(Readiness *r, const json_t *etcd)
{
	size_t i, n = 0, n_healthy = 0;
	json_t *m, *e;
	json_array_foreach (json_object_get(etcd, "members"), i, m)
		n += !json_path_bool(m, "learner", false);
	json_array_foreach (json_object_get(etcd, "endpoints"), i, e)
		n_healthy += json_path_bool(e, "healthy", false);
	if (n_healthy * 2 <= n)
		bar(r, "etcd has no quorum: %zu of %zu members are healthy", n_healthy, n);
	const char *alarm = json_string_value(json_array_get(json_object_get(etcd, "alarms"), 0));
	if (alarm)
		bar(r, "etcd has an alarm (%s) and takes no writes until it is disarmed", alarm);
}

static void look_etcd(Readiness *r)
{
	size_t i;
	json_t *m;
	g_autofree char *why = NULL;
	json_array_foreach (r->machines, i, m) {
		const GError *err;
		if (!is_control_plane(m))
			continue;
		const View *v =
			ask(r, r->after ? &fact_node_look : &fact_node_try, m, KUBEADM_ETCD, &err);
		if (!v && !err)
			return;
		if (v && json_path_bool(v->json, "ok", false)) {
			judge_etcd(r, json_object_get(v->json, "parsed"));
			return;
		}
		g_free(why);
		why = g_strdup_printf("etcd cannot be asked on %s: %s",
			json_path_str(m, "name", "?"),
			err ? err->message : json_path_str(v->json, "err", "?"));
	}
	if (why)
		bar(r, "%s", g_strstrip(why));
}

/* ---- what stands before the store, and what is in it ---- */

static void look_hooks(Readiness *r)
{
	g_autoptr(json_t) findings = json_array();
	size_t i;
	json_t *f;
	r->missing = !kubeadm_check_hooks(r->it, findings) || r->missing;
	json_array_foreach (findings, i, f)
		if (strcmp(json_path_str(f, "level", ""), "block") == 0 &&
			strcmp(json_path_str(f, "code", ""), "webhook") == 0)
			bar(r, "%s", json_path_str(f, "message", ""));
}

static void look_leaves(Readiness *r)
{
	const char *now = plain(json_path_str(r->version, "gitVersion", ""));
	r->missing = !kubeadm_leaves(r->it, r->hop, now, r->leaves) || r->missing;
}

/* Letter as in the reference's list; what it costs is reads, never a write. None of them holds
 * longer than until the next probe: before the start, before the first worker, before the way back.
 */
static const struct {
	char letter;
	const char *what;
	void (*look)(Readiness *r);
} rows[] = {
	/* One call, /version: free. Holds until somebody restarts a server with other flags. */
	{ 'c', "minor versions and min-compatibility", look_versions },
	/* Of the look at each control-plane node that (f) and (g) use too. */
	{ 'c', "min-compatibility of every API server", look_flags },
	/* The claim's ConfigMap: the highest version and level ever seen. For good. */
	{ 'k', "high-water mark", look_highest },
	/* The list of nodes. Until a kubelet is changed by hand. Those that the hop moved go back
	 * with it; kube-proxy goes back before the API servers. */
	{ 'd', "kubelets at or below the target", look_kubelets },
	/* A simulated installation on each machine, some seconds, kept for minutes. Until the
	 * repository or the folder drops the version. */
	{ 'h', "software of the old version", look_software },
	/* The container runtime's list. Until its garbage collection. */
	{ 'h', "images of the old version", look_images },
	/* (f): the set's digest over all its bytes, at most some seconds, kept for minutes; that
	 * its snapshot could be read back was proven when it was taken. (g): dates of files. Until
	 * the set is pruned, the earliest certificate ends. */
	{ 'f', "backup sets and certificates", look_kept },
	/* A look through one member. The newer etcd stays on T2: its storage version is no bar, a
	 * lost quorum is. Until a member is lost. */
	{ 'e', "etcd", look_etcd },
	/* Two lists of configurations and the endpoints of their services. Until a pod dies. */
	{ 'i', "webhooks and aggregated APIs", look_hooks },
	/* (a), (b): discovery and counts by metadata against the picture of the hop's begin. Grows
	 * with every object that is made: said, no bar. */
	{ 'a', "what the old version does not serve", look_leaves },
};

void readiness_look(Readiness *r)
{
	r->leaves = g_string_new("");
	r->ends_sec = INT64_MAX;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		rows[i].look(r);
}

void readiness_clear(Readiness *r)
{
	g_free(r->bar);
	g_free(r->no_software);
	if (r->leaves)
		g_string_free(r->leaves, TRUE);
	*r = (Readiness){ 0 };
}
