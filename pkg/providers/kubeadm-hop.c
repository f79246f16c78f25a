/* Where the cluster stands, where it goes, and what could be taken back. */
#include "objects/version.h"
#include "providers/kubeadm.h"
#include "providers/preflight.h"
#include "providers/wanted.h"
#include <string.h>

enum { CONTROL_PLANE_SEC = 330, NODE_SEC = 90, DAY_SEC = 86400, CERTIFICATE_DAYS = 7 };

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
}

static json_t *hop_json(const char *from, const char *to, int index, bool last)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "from", from, "fromImage", "", "to", to,
		"image", "", "index", index, "last", (int)last);
}

static char *edge_problem(const char *from, const char *to)
{
	Version a, b;
	if (!version_parse(from, &a) || !version_parse(to, &b))
		return g_strdup_printf("%s -> %s are no full versions", from, to);
	int minors = version_minor_distance(&a, &b);
	if (minors > 1)
		return g_strdup_printf("%s is %d minor versions above %s; kubeadm takes one at a "
				       "time: name the hops in spec.target.hops",
			to, minors, from);
	return NULL;
}

/* Does the plan ask for this version? */
static bool planned(const Item *it, const char *version, bool *ret_last)
{
	const json_t *target = wanted_target(it);
	size_t i;
	json_t *h;
	*ret_last = kubeadm_same(json_path_str(target, "version", ""), version);
	json_array_foreach (json_object_get(target, "hops"), i, h)
		if (kubeadm_same(json_string_value(h), version))
			return true;
	return *ret_last;
}

bool kubeadm_next_hop(Item *it, json_t **ret_hop, char **ret_why)
{
	const View *v = fact(it, &fact_object, KUBEADM_VERSION);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	if (!v || !nodes)
		return false;
	const char *now = plain(json_path_str(v->json, "gitVersion", "")), *low, *high;
	int index = 0;
	bool last = false;
	const char *to = wanted_next(it, now, &index, &last);
	kubeadm_kubelets(nodes->json, &low, &high);
	if (to) {
		*ret_why = edge_problem(now, to);
		*ret_hop = hop_json(now, to, index, last);
		return true;
	}
	/* The control plane is there and kubelets are not: an earlier run stopped between the two.
	 */
	bool behind = planned(it, now, &last) && *low && version_compare_text(low, now) < 0;
	*ret_hop = behind ? hop_json(low, now, 0, true) : json_null();
	return true;
}

bool kubeadm_path(Item *it, json_t **ret_versions, char **ret_now)
{
	const View *v = fact(it, &fact_object, KUBEADM_VERSION);
	if (!v)
		return false;
	const char *now = plain(json_path_str(v->json, "gitVersion", ""));
	*ret_now = g_strdup(now);
	*ret_versions = json_array();
	const char *at = now, *next;
	int index;
	for (bool last = false; !last && (next = wanted_next(it, at, &index, &last)); at = next)
		json_array_append_new(*ret_versions, json_string(next));
	return true;
}

/* ---- what could be taken back ---- */

/* True: no T2, and why. */
static bool no_return(RollbackOffer *ret, const char *fmt, ...) SL_PRINTF(2, 3);
static bool no_return(RollbackOffer *ret, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *why = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	*ret = (RollbackOffer){ .tier = TIER_T0, .how = g_strdup_printf("no T2: %s", why) };
	return true;
}

/* (a), (c): what the two versions allow at all, and what the server stores. */
static bool bars_by_version(const json_t *hop, const json_t *version, RollbackOffer *ret)
{
	Version from, to;
	if (!version_parse(json_path_str(hop, "from", ""), &from) ||
		!version_parse(json_path_str(hop, "to", ""), &to))
		return no_return(ret, "the versions of the hop are not known");
	if (version_minor_distance(&from, &to) > 1)
		return no_return(ret, "kubeadm goes back one minor version, not %d",
			version_minor_distance(&from, &to));
	const char *text = json_path_str(version, "minCompatibilityMinor", "");
	int64_t compat = 0;
	if (g_ascii_string_to_signed(text, 10, 0, 1000, &compat, NULL) && compat > from.minor)
		return no_return(ret,
			"the API server is started with --min-compatibility-version=%d.%s, above "
			"%d.%d: what it stores, the older one may not read",
			from.major, text, from.major, from.minor);
	return false;
}

/* NULL: it may pass. Once the cluster is claimed it is waited for: the engine holds where it lasts.
 */
static const GError *lasting(const Item *it, const GError *err)
{
	bool final = g_error_matches(err, SL_ERROR, SL_ERR_REFUSED) ||
		     g_error_matches(err, SL_ERROR, SL_ERR_INVALID);
	bool waits = site_claimed(item_site(it)) || (err && provider_may_pass(it, err));
	return !final && waits ? NULL : err;
}

/* After the way up only machines that moved are brought back: one that died is no bar. */
static bool would_go_back(const json_t *machine, const json_t *nodes, const char *from)
{
	const char *is = kubeadm_kubelet_of(nodes, json_path_str(machine, "name", ""));
	return json_path_bool(machine, "controlPlane", false) ||
	       version_compare_text(plain(is), from) > 0;
}

/* (h): kubeadm and kubelet of the old version can be had on these machines. False: not read. */
static bool read_software(
	Item *it, const json_t *machines, const char *from, RollbackOffer *ret, bool *ret_bars)
{
	size_t i;
	json_t *m;
	bool all = true;
	json_array_foreach (machines, i, m) {
		g_autofree char *what = g_strdup_printf(KUBEADM_TRY "%s", from);
		g_autofree char *key = node_key(json_path_str(m, "address", ""), what);
		const View *v = fact(it, &fact_node_try, key);
		const GError *err = lasting(it, fact_error(it, &fact_node_try, key));
		all = all && (v || err);
		bool had = v && json_path_bool(v->json, "ok", false);
		if (had || (!v && !err) || *ret_bars)
			continue;
		*ret_bars = no_return(ret, "the software of %s is not at hand on %s: %s", from,
			json_path_str(m, "name", "?"),
			err ? err->message : json_path_str(v->json, "err", "?"));
	}
	return all;
}

/* NULL: none ends soon. */
static const char *ending_certificate(const Item *it, const json_t *look)
{
	int64_t wall_sec = loop_wall_usec(saga_loop(item_saga(it))) / SL_USEC_PER_SEC;
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(look, "certificates"), i, c)
		if (json_path_int(c, "notAfter", INT64_MAX) < wall_sec + CERTIFICATE_DAYS * DAY_SEC)
			return json_path_str(c, "file", "?");
	return NULL;
}

/* (f), (g): what the control plane keeps for it; hop NULL: no backup set yet. False: not read. */
static bool read_kept(
	Item *it, const json_t *machines, const json_t *hop, RollbackOffer *ret, bool *ret_bars)
{
	size_t i;
	json_t *m;
	json_array_foreach (machines, i, m) {
		const char *name = json_path_str(m, "name", "?");
		Machine machine = { name, json_path_str(m, "address", ""), true };
		if (!json_path_bool(m, "controlPlane", false) || *ret_bars)
			continue;
		g_autofree char *at = node_key(machine.address, KUBEADM_DISCOVER);
		const json_t *look = kubeadm_look(it, &machine, 0);
		const GError *err = look ? NULL : lasting(it, fact_error(it, &fact_node_look, at));
		if (!look && !err)
			return false;
		if (err)
			*ret_bars =
				no_return(ret, "%s cannot be looked at: %s", name, err->message);
		g_autofree char *key = hop && look ? kubeadm_backup_of(hop, look) : NULL;
		if (look && hop && !key)
			*ret_bars =
				no_return(ret, "there is no backup set of this hop on %s", name);
		const char *ends = ending_certificate(it, look);
		if (ends && !*ret_bars)
			*ret_bars = no_return(ret, "certificate %s on %s ends within %d days", ends,
				name, CERTIFICATE_DAYS);
	}
	return true;
}

static bool probe(Item *it, const json_t *hop, bool after, RollbackOffer *ret)
{
	const char *from = json_path_str(hop, "from", "");
	const View *version = fact(it, &fact_object, KUBEADM_VERSION);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	bool bars = false;
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	if (!version || !nodes)
		return false;
	/* An earlier run has moved the control plane: what is old lies in its backup sets. */
	after = after || kubeadm_same(json_path_str(version->json, "gitVersion", ""),
				 json_path_str(hop, "to", ""));
	if (bars_by_version(hop, version->json, ret))
		return true;
	g_autoptr(json_t) machines = kubeadm_machines(nodes->json);
	for (size_t i = json_array_size(machines); after && i > 0; i--)
		if (!would_go_back(json_array_get(machines, i - 1), nodes->json, from))
			json_array_remove(machines, i - 1);
	if (!read_software(it, machines, from, ret, &bars) ||
		!read_kept(it, machines, after ? hop : NULL, ret, &bars)) {
		rollback_offer_clear(ret);
		return false;
	}
	if (bars)
		return true;
	*ret = (RollbackOffer){ .tier = TIER_T2,
		.target = g_strdup(from),
		.how = g_strdup_printf(
			"T2 to %s (kubeadm of %s, objects kept, each API server away "
			"for about a minute; vendor: untested)",
			from, from),
		.expires =
			g_strdup_printf("the next hop, or the end of %s in the repository", from) };
	return true;
}

bool kubeadm_probe(Item *it, const json_t *hop, RollbackOffer *ret)
{
	return probe(it, hop, false, ret);
}

bool kubeadm_probe_return(Item *it, const json_t *hop, RollbackOffer *ret)
{
	return probe(it, hop, true, ret);
}

/* ---- how long ---- */

bool kubeadm_bound(Item *it, HopBound *ret)
{
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	if (!nodes)
		return false;
	g_autoptr(json_t) machines = kubeadm_machines(nodes->json);
	*ret = (HopBound){ 0 };
	size_t i;
	json_t *m;
	json_array_foreach (machines, i, m) {
		if (json_path_bool(m, "controlPlane", false))
			ret->control_plane_sec += CONTROL_PLANE_SEC;
		ret->nodes_sec += NODE_SEC;
	}
	return true;
}

/* ---- taking over ---- */

/* The API servers that run as pods, from the lowest to the highest. */
static void servers(const json_t *pods, const char **ret_low, const char **ret_high)
{
	size_t i;
	json_t *p;
	*ret_low = *ret_high = "";
	json_array_foreach (json_object_get(pods, "items"), i, p) {
		const json_t *labels = json_path(p, "metadata.labels");
		const char *image = json_path_str(p, "spec.containers.0.image", "");
		const char *colon = strrchr(image, ':'), *v = colon ? plain(colon + 1) : "";
		if (g_strcmp0(json_string_value(json_object_get(labels, "component")),
			    "kube-apiserver") != 0)
			continue;
		if (!**ret_low || version_compare_text(v, *ret_low) < 0)
			*ret_low = v;
		if (!**ret_high || version_compare_text(v, *ret_high) > 0)
			*ret_high = v;
	}
}

static void classify(Item *it, const json_t *nodes, const json_t *pods, Found *ret)
{
	const char *low, *high, *server_low, *server_high;
	bool last = false;
	kubeadm_kubelets(nodes, &low, &high);
	servers(pods, &server_low, &server_high);
	bool mixed = version_compare_text(server_low, server_high) < 0;
	bool wished = planned(it, server_high, &last);
	ret->workers_moved = wished && kubeadm_same(high, server_high);
	if (!wished || (!mixed && kubeadm_same(low, server_high) && !last)) {
		ret->class = FOUND_NOTHING;
		ret->workers_moved = false;
	} else if (mixed) {
		ret->class = FOUND_CONTROL_PLANE;
	} else if (!ret->workers_moved) {
		ret->class = FOUND_BEFORE_NODES;
	} else {
		ret->class = kubeadm_same(low, server_high) ? FOUND_DONE : FOUND_NODES;
	}
	if (ret->class != FOUND_NOTHING)
		ret->hop = hop_json(mixed ? server_low : low, server_high, 0, last);
	ret->text = g_strdup_printf("API servers run %s%s%s, kubelets %s%s%s", server_low,
		mixed ? " to " : "", mixed ? server_high : "", low, strcmp(low, high) ? " to " : "",
		strcmp(low, high) ? high : "");
}

bool kubeadm_found(Item *it, int64_t since_usec, Found *ret)
{
	const View *nodes = fact_since(it, &fact_list, KUBEADM_NODES, since_usec);
	const View *pods = fact_since(it, &fact_list, KUBEADM_SYSTEM_PODS, since_usec);
	if (!nodes || !pods)
		return false;
	*ret = (Found){ 0 };
	classify(it, nodes->json, pods->json, ret);
	return true;
}
