/* What could be taken back: the readiness list, and which rung of the ladder it leaves open. */
#include "objects/version.h"
#include "providers/kubeadm-readiness.h"
#include "providers/preflight.h"
#include <string.h>

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
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

/* "until 2027-01-31, when the first certificate ends, ..." Caller frees. */
static char *expiry(const Readiness *r, const char *from)
{
	g_autoptr(GDateTime) end =
		r->ends_sec == INT64_MAX ? NULL : g_date_time_new_from_unix_utc(r->ends_sec);
	g_autofree char *day = end ? g_date_time_format(end, "%Y-%m-%d") : NULL;
	return g_strdup_printf("the next hop, or the end of %s in the repository%s%s%s", from,
		day ? ", or " : "", day ? day : "",
		day ? ", when the first certificate of the control plane ends" : "");
}

static json_t *going_back(const json_t *nodes, bool after, const char *from)
{
	json_t *machines = kubeadm_machines(nodes);
	for (size_t i = json_array_size(machines); after && i > 0; i--)
		if (!would_go_back(json_array_get(machines, i - 1), nodes, from))
			json_array_remove(machines, i - 1);
	return machines;
}

/* The words of T2. Without software of the old version it is the saved manifests alone. */
static void put_t2(RollbackOffer *ret, const Readiness *r, const char *from)
{
	g_autofree char *by = r->no_software
				      ? g_strdup_printf("by the saved manifests alone, kubeadm "
							"stays: %s",
						r->no_software)
				      : g_strdup_printf("kubeadm of %s", from);
	*ret = (RollbackOffer){ .tier = TIER_T2,
		.target = g_strdup(from),
		.how = g_strdup_printf("T2 to %s (%s, objects kept, each API server away for about "
				       "a minute; vendor: untested)%s",
			from, by, r->leaves->str),
		.expires = expiry(r, from) };
}

/* T2, or why it is not there: the tier is T0 then. *ret_second: another tier is better, if it is
 * open. False: a fact is missing. */
static bool offer_t2(Item *it, const json_t *hop, bool after, RollbackOffer *ret, bool *ret_second)
{
	const char *from = json_path_str(hop, "from", "");
	const View *version = fact(it, &fact_object, KUBEADM_VERSION);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	if (!version || !nodes)
		return false;
	g_autoptr(json_t) machines = going_back(nodes->json, after, from);
	g_auto(Readiness) r = { .it = it,
		.hop = hop,
		.machines = machines,
		.nodes = nodes->json,
		.version = version->json,
		.after = after };
	readiness_look(&r);
	if (r.missing)
		return false;
	if (r.bar) {
		ret->how = g_strdup_printf("no T2: %s", r.bar);
		return true;
	}
	*ret_second = r.no_software != NULL;
	put_t2(ret, &r, from);
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
 * older software, else the flag alone, else the saved manifests without the software, else the data
 * of the snapshot. T0 says why there is no T2. */
static bool probe(Item *it, const json_t *hop, bool after, RollbackOffer *ret)
{
	const View *version = fact(it, &fact_object, KUBEADM_VERSION);
	bool wait = false, second = false;
	*ret = (RollbackOffer){ .tier = TIER_T0 };
	if (!version)
		return false;
	/* An earlier run has moved the control plane: what is old lies in its backup sets. */
	after = after || kubeadm_same(json_path_str(version->json, "gitVersion", ""),
				 json_path_str(hop, "to", ""));
	if (json_object_get(hop, "raise") && offered(kubeadm_offer_t1, it, hop, after, ret, &wait))
		return !wait;
	if (!offer_t2(it, hop, after, ret, &second))
		return false;
	if (ret->tier != TIER_T0 && !second)
		return true;
	if (offered(kubeadm_offer_t1, it, hop, after, ret, &wait) ||
		(!second && offered(kubeadm_offer_t3, it, hop, after, ret, &wait))) {
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
