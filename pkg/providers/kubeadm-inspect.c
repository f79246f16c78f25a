/* What a stranger asks of a cluster of plain Kubernetes: where it stands, where it can go, and what
 * could be taken back today. Without nodeAccess no node is asked. */
#include "objects/version.h"
#include "providers/kubeadm-ready.h"
#include "providers/preflight.h"
#include <string.h>

static void put_text(json_t *report, const char *name, const char *text)
{
	json_object_set_new(report, name, text && *text ? json_string(text) : json_null());
}

/* The minor version beside this one, without a patch: which ones there are the repository knows,
 * which nobody has named. Caller frees. */
static char *beside(const Version *now, int distance, const char *patch)
{
	return g_strdup_printf("%d.%d.%s", (int)now->major, (int)now->minor + distance, patch);
}

static json_t *updates_json(const char *version)
{
	Version now;
	if (!version_parse(version, &now))
		return json_array();
	g_autofree char *next = beside(&now, 1, "x");
	return json_pack("[{s:s, s:b, s:[], s:s}]", "version", next, "recommended", 1, "risks",
		"rollback", "");
}

/* What the way down from the present version would be. False: not read yet. */
static bool put_rollback(Item *it, const char *version, json_t *report)
{
	Version now;
	g_auto(RollbackOffer) offer = { .tier = TIER_T0 };
	if (!version_parse(version, &now))
		return true;
	g_autofree char *previous = beside(&now, -1, "0");
	g_autoptr(json_t) hop =
		json_pack("{s:s, s:s, s:s}", "from", previous, "to", version, "key", version);
	bool named = json_object_get(target_spec(target_of(it)), "nodeAccess") != NULL;
	if (named ? !kubeadm_probe_return(it, hop, &offer)
		  : kubeadm_offer_t1(it, hop, true, &offer) && !offer.how)
		return false;
	if (!offer.how)
		offer.how = g_strdup("no T2 is known: the nodes are asked by shiplock plan, with a "
				     "Cluster document that has nodeAccess");
	json_object_set_new(report, "rollback",
		json_pack("{s:s, s:s, s:s, s:s}", "tier", tier_name(offer.tier), "target",
			offer.target ? offer.target : "", "how", offer.how, "expires",
			offer.expires ? offer.expires : ""));
	return true;
}

/* NULL: it was made by kubeadm, or nobody may know. */
static const char *other_maker(Item *it, const char *git_version, bool *ret_read)
{
	static const struct {
		const char *mark, *who;
	} makers[] = { { "+k3s", "k3s" }, { "+rke2", "RKE2" }, { "-eks-", "EKS" },
		{ "-gke.", "GKE" } };
	g_autoptr(json_t) nobody_reads = json_array();
	const View *config;
	for (size_t i = 0; i < G_N_ELEMENTS(makers); i++)
		if (strstr(git_version, makers[i].mark))
			return makers[i].who;
	*ret_read = provider_settled(it, &fact_object, KUBEADM_CONFIG, true, &config, nobody_reads);
	return config && config->missing ? "another installer" : NULL;
}

bool kubeadm_inspect(Item *it, json_t *report)
{
	g_autoptr(json_t) nobody_reads = json_array();
	const View *version, *nodes;
	bool all =
		provider_settled(it, &fact_object, KUBEADM_VERSION, true, &version, nobody_reads);
	all = provider_settled(it, &fact_list, KUBEADM_NODES, true, &nodes, nobody_reads) && all;
	if (!all)
		return false;
	const char *is = version ? json_path_str(version->json, "gitVersion", "") : "";
	const char *maker = *is ? other_maker(it, is, &all) : NULL;
	put_text(report, "provider", maker ? "kubernetes" : "kubeadm");
	put_text(report, "kubernetes", is);
	if (nodes)
		json_object_set_new(report, "nodes",
			json_integer((json_int_t)json_array_size(
				json_object_get(nodes->json, "items"))));
	if (!*is || maker)
		return all;
	const char *plain = *is == 'v' ? is + 1 : is;
	put_text(report, "version", plain);
	put_text(report, "owner", NULL);
	json_object_set_new(report, "updates", updates_json(plain));
	return put_rollback(it, plain, report) && all;
}

bool kubeadm_check_maker(Item *it, const char *git_version, bool *ret_other, json_t *findings)
{
	bool read = true;
	const char *maker = other_maker(it, git_version, &read);
	*ret_other = maker != NULL;
	if (maker) {
		json_array_clear(findings);
		finding_add(findings, "block", "provider", NULL,
			"this cluster (%s) was set up by %s, not by kubeadm: there is no provider "
			"for it",
			git_version, maker);
	}
	return read;
}
