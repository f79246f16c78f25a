/* What was pushed since a run began: it changes nothing of the run, but whoever looks should know.
 */
#include "fleet/internal.h"
#include "plan/snapshot.h"
#include <string.h>

static void add(json_t *out, const char *kind, const char *name)
{
	json_array_append_new(out, kind ? json_sprintf("%s/%s", kind, name) : json_string(name));
}

static void compare_maps(const json_t *old, const json_t *new, const char *kind, json_t *out)
{
	const char *name;
	json_t *v;
	json_object_foreach ((json_t *)new, name, v) {
		json_t *was = json_object_get(old, name);
		if (!was || !json_equal(was, v))
			add(out, kind, name);
	}
}

static const json_t *named(const json_t *clusters, const char *name)
{
	size_t i;
	json_t *c;
	json_array_foreach (clusters, i, c)
		if (strcmp(json_path_str(c, "name", ""), name) == 0)
			return c;
	return NULL;
}

static void compare_clusters(const json_t *old, const json_t *new, json_t *out)
{
	size_t i;
	json_t *c;
	json_array_foreach (new, i, c) {
		const char *name = json_path_str(c, "name", "");
		const json_t *was = named(old, name);
		if (was && !json_equal(json_object_get(was, "spec"), json_object_get(c, "spec")))
			add(out, "Cluster", name);
	}
}

static json_t *differences(const json_t *old, const json_t *new)
{
	json_t *out = json_array();
	if (!json_equal(json_path(old, "plan.spec"), json_path(new, "plan.spec")))
		add(out, "UpgradePlan", json_path_str(new, "plan.name", ""));
	compare_maps(json_object_get(old, "policies"), json_object_get(new, "policies"), NULL, out);
	compare_maps(json_object_get(old, "approvals"), json_object_get(new, "approvals"),
		"ApprovalPolicy", out);
	compare_clusters(json_object_get(old, "clusters"), json_object_get(new, "clusters"), out);
	return out;
}

static json_t *look(const Repository *r, const Item *run)
{
	const json_t *old = item_data(run);
	const char *name = json_path_str(old, "plan.name", "");
	const Doc *plan = docset_find(r->set, "UpgradePlan", name);
	g_autoptr(json_t) new = plan ? plan_snapshot(r->set, plan, r->commit) : NULL;
	g_autoptr(json_t) what = new ? differences(old, new) : NULL;
	if (json_array_size(what) == 0)
		return json_null();
	return json_pack("{s:s, s:O}", "commit", r->commit, "documents", what);
}

const json_t *fleet_newer(const Fleet *f, const Item *run)
{
	for (unsigned i = 0; i < f->repositories->len && run_is_live(run); i++) {
		Repository *r = g_ptr_array_index(f->repositories, i);
		if (!r->set || strcmp(r->name, run_repository(run)) != 0)
			continue;
		if (!r->newer)
			r->newer = json_object();
		if (!json_object_get(r->newer, item_name(run)))
			json_object_set_new(r->newer, item_name(run), look(r, run));
		return json_object_get(r->newer, item_name(run));
	}
	return json_null();
}
