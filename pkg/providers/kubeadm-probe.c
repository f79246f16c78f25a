/* What could be taken back: the readiness list, and which rung of the ladder it leaves open. */
#include "objects/version.h"
#include "providers/kubeadm.h"
#include "providers/preflight.h"
#include <string.h>

enum { DAY_SEC = 86400, CERTIFICATE_DAYS = 7 };

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
}

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

const GError *kubeadm_lasting(const Item *it, const GError *err)
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
		const GError *err = kubeadm_lasting(it, fact_error(it, &fact_node_try, key));
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
		const GError *err =
			look ? NULL : kubeadm_lasting(it, fact_error(it, &fact_node_look, at));
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

/* T2, or why it is not there: the tier is T0 then. False: a fact is missing. */
static bool offer_t2(Item *it, const json_t *hop, bool after, RollbackOffer *ret)
{
	const char *from = json_path_str(hop, "from", "");
	const View *version = fact(it, &fact_object, KUBEADM_VERSION);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	bool bars = false;
	if (!version || !nodes)
		return false;
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

/* True: this tier is open, or a fact of it is missing (*ret_wait). */
static bool offered(bool (*offer)(Item *, const json_t *, bool, RollbackOffer *), Item *it,
	const json_t *hop, bool after, RollbackOffer *ret, bool *ret_wait)
{
	g_auto(RollbackOffer) o = { 0 };
	if (!offer(it, hop, after, &o))
		return false;
	*ret_wait = !o.how;
	if (o.how) {
		g_autofree char *own = o.how; /* with why it is not the usual one */
		o.how = ret->how ? g_strdup_printf("%s; %s", own, ret->how) : g_strdup(own);
		rollback_offer_clear(ret);
		*ret = o;
		o = (RollbackOffer){ 0 };
	}
	return true;
}

/* The cheapest rung that is open: of a hop that only drops an emulated version the flag, else the
 * older software, else the flag alone, else the data of the snapshot. T0 says why there is no T2.
 */
static bool probe(Item *it, const json_t *hop, bool after, RollbackOffer *ret)
{
	const View *version = fact(it, &fact_object, KUBEADM_VERSION);
	bool wait = false;
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	if (!version)
		return false;
	/* An earlier run has moved the control plane: what is old lies in its backup sets. */
	after = after || kubeadm_same(json_path_str(version->json, "gitVersion", ""),
				 json_path_str(hop, "to", ""));
	if (json_object_get(hop, "raise") && offered(kubeadm_offer_t1, it, hop, after, ret, &wait))
		return !wait;
	if (!offer_t2(it, hop, after, ret))
		return false;
	if (ret->tier != TIER_T0)
		return true;
	if (offered(kubeadm_offer_t1, it, hop, after, ret, &wait) ||
		offered(kubeadm_offer_t3, it, hop, after, ret, &wait)) {
		if (wait)
			rollback_offer_clear(ret);
		return !wait;
	}
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
