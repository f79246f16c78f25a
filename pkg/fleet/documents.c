/* From documents in force to runs: an active plan whose identity never ran begins one; `state` of a
 * plan with a live run counts from the moment it is pushed; nothing else of a later push changes a
 * run. */
#include "base/num.h"
#include "fleet/internal.h"
#include "plan/snapshot.h"
#include <string.h>

static Repository *repository_get(Fleet *f, const char *name)
{
	for (unsigned i = 0; i < f->repositories->len; i++) {
		Repository *r = g_ptr_array_index(f->repositories, i);
		if (strcmp(r->name, name) == 0)
			return r;
	}
	Repository *r = g_new0(Repository, 1);
	r->name = g_strdup(name);
	g_ptr_array_add(f->repositories, r);
	return r;
}

void fleet_set_repository(Fleet *f, const char *repository, const char *url, const char *commit,
	int64_t looked_usec, const char *error)
{
	Repository *r = repository_get(f, repository);
	g_free(r->url);
	r->url = g_strdup(url);
	g_free(r->error);
	r->error = g_strdup(error);
	if (looked_usec)
		r->looked_usec = looked_usec;
	if (commit) {
		g_free(r->commit);
		r->commit = g_strdup(commit);
	}
}

static Item *live_run_of_plan(Fleet *f, const char *repository, const char *plan)
{
	for (size_t i = fleet_n_runs(f); i > 0; i--) {
		Item *run = fleet_nth_run(f, i - 1);
		if (run_is_live(run) && strcmp(run_repository(run), repository) == 0 &&
			strcmp(json_path_str(item_data(run), "plan.name", ""), plan) == 0)
			return run;
	}
	return NULL;
}

json_t *fleet_snapshot_again(Fleet *f, const Item *run)
{
	const json_t *old = item_data(run);
	for (unsigned i = 0; i < f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(f->repositories, i);
		const Doc *plan = r->set && strcmp(r->name, run_repository(run)) == 0
					  ? docset_find(r->set, "UpgradePlan",
						    json_path_str(old, "plan.name", ""))
					  : NULL;
		g_autofree char *identity = plan ? plan_identity(r->set, plan) : NULL;
		if (!identity || strcmp(identity, json_path_str(old, "identity", "")) != 0)
			continue;
		json_t *snapshot = plan_snapshot(r->set, plan, r->commit);
		json_object_set_new(snapshot, "repository", json_string(r->name));
		return snapshot;
	}
	return json_deep_copy(old);
}

static bool takes(const json_t *snapshot, const char *cluster)
{
	size_t i;
	json_t *entry;
	json_array_foreach (json_object_get(snapshot, "clusters"), i, entry)
		if (strcmp(json_path_str(entry, "name", ""), cluster) == 0)
			return true;
	return false;
}

json_t *fleet_snapshot_with(Fleet *f, const char *cluster)
{
	for (unsigned i = 0; i < f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(f->repositories, i);
		for (size_t k = r->set ? docset_n(r->set, "UpgradePlan") : 0; k > 0; k--) {
			json_t *s = plan_snapshot(
				r->set, docset_nth(r->set, "UpgradePlan", k - 1), r->commit);
			json_object_set_new(s, "repository", json_string(r->name));
			if (takes(s, cluster))
				return s;
			json_decref(s);
		}
	}
	return NULL;
}

static bool identity_ran(Fleet *f, const char *repository, const char *identity)
{
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *run = fleet_nth_run(f, i);
		if (strcmp(run_repository(run), repository) == 0 &&
			strcmp(json_path_str(item_data(run), "identity", ""), identity) == 0)
			return true;
	}
	return false;
}

int64_t fleet_add_run(Fleet *f, Batch *b, json_t *snapshot, const char *who)
{
	int64_t id = 1;
	for (size_t i = 0; i < fleet_n_runs(f); i++)
		id = sl_max(id, run_id(fleet_nth_run(f, i)) + 1);
	id += batch_n_of(b, "plan");
	const char *plan = json_path_str(snapshot, "plan.name", "plan");
	g_autofree char *name = g_strdup_printf("%s#%" G_GINT64_FORMAT, plan, id);
	batch_record(b, "plan", NULL,
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "run", name, "plan", plan, "identity",
			json_path_str(snapshot, "identity", ""), "commit",
			json_path_str(snapshot, "commit", ""), "digest",
			json_path_str(snapshot, "digest", ""), "who", who));
	/* Notice counts from when the plan was seen first, over retries too. */
	if (!json_object_get(snapshot, "announcedUsec"))
		json_object_set_new(
			snapshot, "announcedUsec", json_integer((json_int_t)batch_wall_usec(b)));
	batch_item(b, saga_root(f->saga), &run_kind, NULL, name, RUN_ACTIVE, snapshot);
	return id;
}

/* ---- state of plans in Git ---- */

static void hold_run(Item *run, Batch *b, const char *commit)
{
	if (item_find_hold(run, "git"))
		return;
	g_autofree char *text = g_strdup_printf("the plan is suspended in Git (%.12s)", commit);
	batch_hold(b, run, "git", "git", false, text);
}

/* rolledBack: no new cluster starts, the one in work steps down as by `shiplock rollback`. */
static void roll_back_run(Item *run, Batch *b, const char *commit)
{
	if (json_path_str(item_memo(run), "stopped", NULL))
		return;
	g_autofree char *text = g_strdup_printf("the plan is rolledBack in Git (%.12s)", commit);
	batch_memo(b, run, "stopped", json_string(text));
	for (size_t i = 0; i < item_n_children(run); i++) {
		Item *c = item_child(run, i);
		g_autofree char *says = NULL;
		/* One that still looks around has nothing to step down from: it stops. */
		Command cmd = { .verb = "abort", .who = "git", .reason = text };
		if (item_state(c) == CL_PREFLIGHT)
			cluster_command(c, b, &cmd, &says, NULL);
		else if (cluster_past_preflight(c) && item_state(c) < CL_DONE)
			cluster_roll_back_for_git(c, b, text);
	}
}

/* The plan is active again: what waited for that is decided anew. */
static void go_on_run(Item *run, Batch *b)
{
	batch_unhold(b, run, "git", "the plan is active in Git again");
	for (size_t i = 0; i < item_n_children(run); i++)
		cluster_unpaused(item_child(run, i), b);
}

static void plan_state(Fleet *f, Batch *b, const Repository *r, const Doc *plan)
{
	const char *state = json_path_str(doc_full(plan), "spec.state", "active");
	Item *run = live_run_of_plan(f, r->name, doc_name(plan));
	if (run && strcmp(state, "suspended") == 0)
		hold_run(run, b, r->commit);
	else if (run && item_find_hold(run, "git"))
		go_on_run(run, b);
	if (run && strcmp(state, "active") == 0 && json_path_str(item_memo(run), "stopped", NULL))
		batch_memo(b, run, "stopped", json_null());
	if (run && strcmp(state, "rolledBack") == 0)
		roll_back_run(run, b, r->commit);
	if (run || strcmp(state, "active") != 0)
		return;
	g_autofree char *identity = plan_identity(r->set, plan);
	if (identity_ran(f, r->name, identity))
		return;
	json_t *snapshot = plan_snapshot(r->set, plan, r->commit);
	json_object_set_new(snapshot, "repository", json_string(r->name));
	fleet_add_run(f, b, snapshot, "git");
}

static void suspend_deleted(Fleet *f, Batch *b, const Repository *r)
{
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *run = fleet_nth_run(f, i);
		const char *plan = json_path_str(item_data(run), "plan.name", "");
		if (run_is_live(run) && strcmp(run_repository(run), r->name) == 0 &&
			!docset_find(r->set, "UpgradePlan", plan))
			hold_run(run, b, r->commit);
	}
}

static void look(Batch *b, void *ud)
{
	Fleet *f = ud;
	f->looking = false;
	for (unsigned i = 0; i < f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(f->repositories, i);
		if (!r->set)
			continue;
		suspend_deleted(f, b, r);
		for (size_t k = 0; k < docset_n(r->set, "UpgradePlan"); k++)
			plan_state(f, b, r, docset_nth(r->set, "UpgradePlan", k));
	}
}

void fleet_look_at_documents(Fleet *f)
{
	if (f->looking)
		return;
	f->looking = true;
	saga_submit(f->saga, look, NULL, f);
}

void fleet_set_documents(Fleet *f, const char *repository, const char *commit, DocSet *set)
{
	Repository *r = repository_get(f, repository);
	docset_free(r->set);
	g_clear_pointer(&r->newer, json_decref);
	r->set = set;
	g_free(r->commit);
	r->commit = g_strdup(commit);
	idle_inventory(f->idle);
	fleet_look_at_documents(f);
}

/* ---- plans that were never in Git ---- */

static void submit(Batch *b, void *ud)
{
	Request *r = ud;
	Item *live = NULL;
	const char *identity = json_path_str(r->snapshot, "identity", "");
	for (size_t i = 0; i < fleet_n_runs(r->f); i++) {
		Item *run = fleet_nth_run(r->f, i);
		if (run_is_live(run) &&
			strcmp(json_path_str(item_data(run), "identity", ""), identity) == 0)
			live = run;
	}
	bool plan_only = json_path_bool(r->snapshot, "planOnly", false);
	if (live && !plan_only) {
		r->run = run_id(live);
		r->says = g_strdup_printf("run %s goes on", item_name(live));
		return;
	}
	r->run = 1;
	for (size_t i = 0; i < fleet_n_runs(r->f); i++)
		r->run = sl_max(r->run, run_id(fleet_nth_run(r->f, i)) + 1);
	r->run += batch_n_of(b, "plan");
	r->says = g_strdup_printf("run %s#%" G_GINT64_FORMAT " begins",
		json_path_str(r->snapshot, "plan.name", ""), r->run);
	fleet_add_run(r->f, b, g_steal_pointer(&r->snapshot), r->c.who);
}

static void submitted(const GError *err, void *ud)
{
	request_answer(ud, err);
}

static const Doc *only_plan(const DocSet *set, const char *name, GError **err)
{
	if (name) {
		const Doc *d = docset_find(set, "UpgradePlan", name);
		if (!d)
			sl_fail(err, SL_ERR_NOT_FOUND,
				"there is no UpgradePlan %s among the documents", name);
		return d;
	}
	if (docset_n(set, "UpgradePlan") == 1)
		return docset_nth(set, "UpgradePlan", 0);
	sl_fail(err, SL_ERR_INVALID, "%zu UpgradePlans among the documents: say which one",
		docset_n(set, "UpgradePlan"));
	return NULL;
}

static void refused(Batch *b, void *ud)
{
}

void fleet_submit(Fleet *f, const FleetSubmit *s, FleetReply *reply, void *ud)
{
	Request *r = request_new(f, reply, ud);
	g_autoptr(DocSet) set = s->set;
	const Doc *plan = s->inspect ? NULL : only_plan(set, s->plan, &r->err);
	if (!plan && !s->inspect) {
		saga_submit(f->saga, refused, submitted, r);
		return;
	}
	r->c.who = g_strdup(s->who);
	r->snapshot = plan ? plan_snapshot(set, plan, s->commit) : inspect_snapshot(set);
	json_object_set_new(r->snapshot, "repository", json_string(""));
	if (s->plan_only)
		json_object_set_new(r->snapshot, "planOnly", json_true());
	if (s->plan_only && s->lengths)
		json_object_set(r->snapshot, "lengths", (json_t *)s->lengths);
	saga_submit(f->saga, submit, submitted, r);
}
