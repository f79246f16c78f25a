#include "plan/refs.h"
#include "plan/value.h"
#include <string.h>

enum { GUESSES_MAX = 500 };

typedef struct Refs {
	Checker *c;
	const DocSet *s;
} Refs;

static const char *text_at(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

/* "NAME is not a KIND", with the nearest name. */
static void report_unknown(Refs *r, At at, const char *kind, const char *name)
{
	Nearest near = { .wanted = name };
	/* Guessing is for people: not worth its time on thousands of bad names. */
	size_t n = findings_total(r->c->out) < GUESSES_MAX ? docset_n(r->s, kind) : 0;
	for (size_t i = 0; i < n; i++)
		nearest_try(&near, doc_name(docset_nth(r->s, kind, i)));
	if (g_str_has_prefix(name, "builtin/")) {
		static const char *const shipped[] = { "builtin/default", "builtin/kubeadm",
			"builtin/openshift" };
		for (size_t i = 0; i < G_N_ELEMENTS(shipped); i++)
			if (docset_find(r->s, kind, shipped[i]))
				nearest_try(&near, shipped[i]);
	}
	g_autofree char *hint =
		near.best ? g_strdup_printf("did you mean \"%s\"?", near.best) : NULL;
	at.code = CODE_REFERENCE;
	at.hint = hint;
	check_report(r->c, at, "there is no %s \"%s\"", kind, name);
}

/* The member key of parent names a document of the kind, when it is there. */
static const Doc *check_ref(Refs *r, const json_t *parent, const char *key, const char *kind)
{
	const char *name = text_at(parent, key);
	const Doc *d = name ? docset_find(r->s, kind, name) : NULL;
	if (name && !d)
		report_unknown(r, (At){ .parent = parent, .key = key }, kind, name);
	return d;
}

/* Every entry of the list names a document of the kind. */
static void check_ref_list(Refs *r, const json_t *list, const char *kind)
{
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);
		if (name && !docset_find(r->s, kind, name))
			report_unknown(
				r, (At){ .parent = list, .at_item = true, .index = i }, kind, name);
	}
}

static void check_policies(Refs *r, const json_t *policies)
{
	check_ref(r, policies, "gates", "GatePolicy");
	check_ref(r, policies, "drain", "DrainPolicy");
	check_ref(r, policies, "window", "WindowPolicy");
	check_ref(r, policies, "rollback", "RollbackPolicy");
}

static void check_cluster(Refs *r, const Doc *d)
{
	check_ref_list(r, json_object_get(doc_spec(d), "notWith"), "Cluster");
	check_ref(r, json_path(doc_spec(d), "actuator.sync.argoCD"), "cluster", "Cluster");
	check_ref(r, json_path(doc_spec(d), "actuator.sync.flux"), "cluster", "Cluster");
}

static void check_rollback(Refs *r, const Doc *d)
{
	static const char *const tiers[] = { "T2", "T3", "T4" };
	for (size_t i = 0; i < G_N_ELEMENTS(tiers); i++)
		check_ref(r, json_object_get(doc_spec(d), "approval"), tiers[i], "ApprovalPolicy");
}

/* True when an include of d leads back to start. left bounds the depth. */
static bool includes(const Refs *r, const Doc *d, const Doc *start, int left)
{
	const json_t *list = json_object_get(doc_spec(d), "include");
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item) {
		const char *name = json_string_value(item);
		const Doc *next = name ? docset_find(r->s, "GatePolicy", name) : NULL;
		if (next && (next == start || (left > 0 && includes(r, next, start, left - 1))))
			return true;
	}
	return false;
}

static void check_gates(Refs *r, const Doc *d)
{
	const json_t *list = json_object_get(doc_spec(d), "include");
	check_ref_list(r, list, "GatePolicy");
	if (json_is_array(list) && includes(r, d, d, 8))
		check_report(r->c,
			(At){ .parent = doc_spec(d), .key = "include", .code = CODE_CONFLICT },
			"includes itself, directly or through others");
}

/* What only one provider understands, where a cluster of the other is in the plan. */
static void check_provider(Refs *r, const Doc *plan, const Doc *cluster)
{
	static const struct {
		const char *field, *provider;
	} only[] = {
		{ "channel", "openshift" },
		{ "image", "openshift" },
		{ "emulatedStep", "kubeadm" },
	};
	const json_t *target = json_path(doc_json(plan), "spec.target");
	const json_t *full = json_object_get(doc_spec(plan), "target");
	const char *provider = text_at(doc_spec(cluster), "provider");
	for (size_t i = 0; provider && i < G_N_ELEMENTS(only); i++)
		if (strcmp(provider, only[i].provider) != 0 &&
			json_object_get(target, only[i].field) &&
			!json_is_false(json_object_get(target, only[i].field)))
			check_report(r->c,
				(At){ .parent = full,
					.key = only[i].field,
					.at_key = true,
					.code = CODE_CONFLICT },
				"only provider %s uses it, and cluster %s is %s", only[i].provider,
				doc_name(cluster), provider);
}

/* Where a cluster was met: for the messages about the second place. */
typedef struct Met {
	const Doc *plan;
	const char *wave;
} Met;

static void free_met(void *p)
{
	g_free(p);
}

static void report_second(
	Refs *r, const Doc *plan, const json_t *clusters, const char *name, const Met *first)
{
	const json_t *names = json_object_get(clusters, "names"), *item;
	At at = { .parent = clusters, .code = CODE_CONFLICT };
	size_t i;
	json_array_foreach (names, i, item) {
		if (strcmp(json_string_value(item) ? json_string_value(item) : "", name) == 0)
			at = (At){
				.parent = names, .at_item = true, .index = i, .code = CODE_CONFLICT
			};
	}
	if (first->plan == plan) {
		check_report(r->c, at, "cluster %s is already in wave \"%s\"", name, first->wave);
		return;
	}
	at.hint = "set state: suspended on one of them in the same change";
	check_report(r->c, at, "cluster %s is already in the active plan %s", name,
		doc_name(first->plan));
}

static bool is_active(const Doc *plan)
{
	const char *state = text_at(doc_spec(plan), "state");
	return state && strcmp(state, "active") == 0;
}

/* in_plan: cluster -> Met of this plan; active: cluster -> Met of any active plan. */
static void meet_clusters(
	Refs *r, const Doc *plan, const json_t *wave, GHashTable *in_plan, GHashTable *active)
{
	const json_t *clusters = json_object_get(wave, "clusters");
	g_autoptr(json_t) names = docset_wave_clusters(r->s, wave);
	const char *wave_name = json_path_str(wave, "name", "?");
	json_t *item;
	size_t i;
	json_array_foreach (names, i, item) {
		const char *name = json_string_value(item);
		const Doc *cluster = docset_find(r->s, "Cluster", name);
		Met *here = g_hash_table_lookup(in_plan, name),
		    *other = g_hash_table_lookup(active, name);
		if (here)
			report_second(r, plan, clusters, name, here);
		else if (other && is_active(plan))
			report_second(r, plan, clusters, name, other);
		Met met = { plan, wave_name };
		if (!here)
			g_hash_table_insert(
				in_plan, (char *)doc_name(cluster), g_memdup2(&met, sizeof(met)));
		if (!other && is_active(plan))
			g_hash_table_insert(
				active, (char *)doc_name(cluster), g_memdup2(&met, sizeof(met)));
	}
	if (json_array_size(names) == 0 && json_is_object(json_object_get(clusters, "matchLabels")))
		check_report(r->c,
			(At){ .parent = clusters,
				.key = "matchLabels",
				.level = FINDING_WARNING,
				.code = CODE_NO_MATCH },
			"matches no cluster");
}

static void check_plan(Refs *r, const Doc *plan, GHashTable *active)
{
	const json_t *waves = json_object_get(doc_spec(plan), "waves"), *wave;
	GHashTable *in_plan = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_met);
	size_t i;
	check_policies(r, json_object_get(doc_spec(plan), "policies"));
	json_array_foreach (waves, i, wave) {
		if (!json_is_object(wave))
			continue;
		check_policies(r, json_object_get(wave, "policies"));
		check_ref(r, wave, "approval", "ApprovalPolicy");
		check_ref_list(r, json_path(wave, "clusters.names"), "Cluster");
		meet_clusters(r, plan, wave, in_plan, active);
	}
	const char *name;
	const char *providers[2] = { NULL, NULL };
	GHashTableIter iter;
	g_hash_table_iter_init(&iter, in_plan);
	/* One report a provider is enough: the cluster named is the first by name. */
	while (g_hash_table_iter_next(&iter, (void **)&name, NULL)) {
		const Doc *cluster = docset_find(r->s, "Cluster", name);
		int k = strcmp(json_path_str(doc_spec(cluster), "provider", ""), "kubeadm") == 0;
		if (!providers[k] || strcmp(name, providers[k]) < 0)
			providers[k] = name;
	}
	for (int k = 0; k < 2; k++)
		if (providers[k])
			check_provider(r, plan, docset_find(r->s, "Cluster", providers[k]));
	g_hash_table_destroy(in_plan);
	check_soaks(r->c, r->s, plan);
}

/* Documents are sorted, so equal names stand beside each other. */
static void check_duplicate(Refs *r, const Doc *before, const Doc *d)
{
	if (!before || !*doc_name(d) || strcmp(doc_name(before), doc_name(d)) != 0)
		return;
	DocPlace first = doc_place(before, NULL, 0, false);
	check_report(r->c,
		(At){ .parent = json_object_get(doc_full(d), "metadata"),
			.key = "name",
			.code = CODE_DUPLICATE },
		"the name is used twice; first in %s:%d", doc_file(before), first.line);
}

void check_refs(Checker *c, const DocSet *s)
{
	static const struct {
		const char *kind;
		void (*check)(Refs *r, const Doc *d);
	} kinds[] = {
		{ "ApprovalPolicy", NULL },
		{ "Cluster", check_cluster },
		{ "ControllerConfig", NULL },
		{ "DrainPolicy", NULL },
		{ "GatePolicy", check_gates },
		{ "RollbackPolicy", check_rollback },
		{ "UpgradePlan", NULL },
		{ "WindowPolicy", NULL },
	};
	Refs r = { c, s };
	GHashTable *active = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, free_met);
	for (size_t k = 0; k < G_N_ELEMENTS(kinds); k++) {
		size_t n = docset_n(s, kinds[k].kind);
		const Doc *before = NULL;
		for (size_t i = 0; i < n; i++) {
			const Doc *d = docset_nth(s, kinds[k].kind, i);
			c->doc = (Doc *)d;
			c->n_found = 0;
			check_duplicate(&r, before, d);
			if (kinds[k].check)
				kinds[k].check(&r, d);
			else if (strcmp(kinds[k].kind, "UpgradePlan") == 0)
				check_plan(&r, d, active);
			before = d;
		}
	}
	g_hash_table_destroy(active);
}
