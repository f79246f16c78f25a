#include "fleet/changes.h"
#include "fleet/disrupted.h"
#include "fleet/notice.h"
#include "fleet/report.h"
#include "fleet/results.h"
#include "providers/wake.h"
#include "providers/watches.h"
#include "steps/job.h"
#include <string.h>

static int compare_targets(const void *a, const void *b)
{
	return strcmp((*(Target *const *)a)->name, (*(Target *const *)b)->name);
}

Target *fleet_target(Fleet *f, const char *cluster)
{
	for (unsigned i = 0; i < f->targets->len; i++) {
		Target *t = g_ptr_array_index(f->targets, i);
		if (strcmp(t->name, cluster) == 0)
			return t;
	}
	return NULL;
}

/* ---- hooks of the engine ---- */

/* A cluster whose part of a run is over keeps no watch. */
static void rest_target(Fleet *f, Target *t, uint64_t item)
{
	const Item *it = saga_find(f->saga, item);
	if (!it || item_kind(it) != &cluster_kind)
		return;
	target_sleep(t);
	target_watches_free(g_steal_pointer(&t->watches));
	t->watches = target_watches_new(t);
}

void fleet_wake_runs(Fleet *f)
{
	for (size_t i = 0; i < fleet_n_runs(f); i++)
		if (run_is_live(fleet_nth_run(f, i)))
			saga_wake(f->saga, fleet_nth_run(f, i));
}

/* A slot that is free again, or a stop that is lifted, is every run's business. */
static void wake_runs(Fleet *f, const Record *r, const json_t *body)
{
	const Item *it = saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0));
	const ItemKind *kind = it ? item_kind(it) : NULL;
	bool moved = strcmp(r->kind, "move") == 0 && (kind == &cluster_kind || kind == &run_kind) &&
		     strcmp(json_path_str(body, "from", ""), json_path_str(body, "to", "")) != 0;
	if (!moved && !(strcmp(r->kind, "unhold") == 0 && kind == &run_kind))
		return;
	fleet_wake_runs(f);
}

static void applied(const Record *r, const json_t *body, bool replay, void *ud)
{
	Fleet *f = ud;
	past_note(f->past, r, body);
	changes_applied(
		f->changes, r, body, saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0)));
	disrupted_applied(f->disrupted, r, body, replay);
	bool ended =
		strcmp(r->kind, "move") == 0 && strcmp(json_path_str(body, "to", ""), "ended") == 0;
	Target *t = ended ? fleet_target(f, json_path_str(body, "cluster", "")) : NULL;
	if (t)
		rest_target(f, t, (uint64_t)json_path_int(body, "item", 0));
	bool run =
		strcmp(r->kind, "item") == 0 && strcmp(json_path_str(body, "kind", ""), "run") == 0;
	if (run) {
		fleet_know_clusters(f, json_object_get(body, "data"));
		g_ptr_array_add(
			f->runs, saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0)));
	}
	bool starts = strcmp(r->kind, "move") == 0 &&
		      strcmp(json_path_str(body, "from", ""), "pending") == 0 &&
		      strcmp(json_path_str(body, "to", ""), "preflight") == 0;
	const Item *c =
		starts ? saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0)) : NULL;
	if (c && item_kind(c) ==
			 &cluster_kind) /* from here on with the document of its own snapshot */
		fleet_know_cluster(f, cluster_entry(c));
	wake_runs(f, r, body);
	report_add(f->report, r, body);
	notices_applied(f->notices, r, body, replay);
	results_applied(f->results, r, body);
	fleet_tell(f, r, body, replay);
}

static const ItemKind *kind_by_name(const char *name, void *ud)
{
	static const ItemKind *const kinds[] = { &run_kind, &cluster_kind, &drain_node_kind,
		&drain_pod_kind, &job_kind, &notice_kind, &result_kind };
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

static Site *site_by_name(const char *name, void *ud)
{
	const Fleet *f = ud;
	Target *t = fleet_target(ud, name);
	if (strcmp(name, NOTICE_SITE) == 0)
		return notices_site(f->notices);
	if (strcmp(name, RESULTS_SITE) == 0)
		return results_site(f->results);
	return t ? t->site : NULL;
}

static const ActRow *find_row(const ActRow *const *rows, const char *name)
{
	for (; *rows; rows++)
		if (strcmp((*rows)->name, name) == 0)
			return *rows;
	return NULL;
}

static const ActRow *row_by_name(const char *name, void *ud)
{
	static const ActRow *const own[] = { &act_notice, &act_result_row, NULL };
	const ActRow *const *const tables[] = { provider_openshift.rows, provider_kubeadm.rows,
		drain_rows, job_rows, own };
	const ActRow *row = NULL;
	for (size_t i = 0; !row && i < G_N_ELEMENTS(tables); i++)
		row = find_row(tables[i], name);
	return row;
}

static void stopped(const GError *err, void *ud)
{
	Fleet *f = ud;
	f->writable = false;
	sl_log(f->o.log, LOG_LEVEL_ERROR, LOG_NO_FIELDS,
		"the journal cannot be written, nothing moves any more: %s", err->message);
}

static const SagaHooks hooks = {
	.applied = applied,
	.kind = kind_by_name,
	.site = site_by_name,
	.row = row_by_name,
	.stopped = stopped,
};

/* A plan that is only looked at brings the lengths of a journal that is not its own. */
static const json_t *length_of(Item *cluster)
{
	const json_t *given = json_object_get(item_data(item_parent(cluster)), "lengths");
	const json_t *lengths = given ? given : past_lengths(fleet_of(cluster)->past);
	return json_object_get(lengths, item_name(cluster));
}

/* ---- targets ---- */

static void forget_target(void *p)
{
	Target *t = p;
	target_watches_free(t->watches);
	target_free(t);
}

static json_t *cluster_document(const json_t *entry)
{
	return json_pack("{s:{s:s, s:O?}, s:O, s:O*}", "metadata", "name",
		json_path_str(entry, "name", ""), "labels", json_object_get(entry, "labels"),
		"spec", json_object_get(entry, "spec"), "gitops", json_object_get(entry, "gitops"));
}

static Telemetry *telemetry_for(Fleet *f, const json_t *doc)
{
	const json_t *list = json_path(doc, "spec.telemetry");
	g_autofree TelemetrySource *sources = g_new0(TelemetrySource, json_array_size(list) + 1);
	size_t i, n = 0;
	json_t *s;
	json_array_foreach (list, i, s) {
		g_autoptr(GError) err = NULL;
		const HttpEndpoint *e = f->o.connect.telemetry(f->o.connect.ud, doc, s, &err);
		if (!e) {
			sl_log(f->o.log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
				"telemetry of %s is left out: %s",
				json_path_str(doc, "metadata.name", ""), err->message);
			continue;
		}
		sources[n++] = (TelemetrySource){ .name = json_path_str(s, "name",
							  json_path_str(s, "url", "telemetry")),
			.endpoint = e,
			.matcher = json_path_str(s, "matcher", NULL) };
	}
	return telemetry_new(f->o.http, f->o.loop, sources, n);
}

/* NULL-terminated; the texts are borrowed. */
static const char **groups_of(const json_t *list)
{
	const char **out = g_new0(const char *, json_array_size(list) + 1);
	size_t i;
	json_t *g;
	json_array_foreach (list, i, g)
		out[i] = json_string_value(g);
	return out;
}

static KubeClient *kube_for(Fleet *f, const json_t *doc, char **ret_broken)
{
	g_autoptr(GError) err = NULL;
	Creds *creds = f->o.connect.creds(f->o.connect.ud, doc, &err);
	if (!creds) {
		*ret_broken = g_strdup(err->message);
		return NULL;
	}
	g_ptr_array_add(f->credentials, creds);
	g_autofree const char **groups =
		groups_of(json_path(doc, "spec.access.impersonate.groups"));
	KubeClientOptions o = { .http = f->o.http,
		.loop = f->o.loop,
		.creds = creds,
		.impersonate_user = json_path_str(doc, "spec.access.impersonate.user", NULL),
		.impersonate_groups = groups };
	return kube_client_new(&o);
}

/* The ways of the actuator git: the worker, the repository, the controller's cluster. */
static void link_git(Fleet *f, Target *t)
{
	const json_t *other = json_object_get(t->doc, "gitops");
	const char *name = json_path_str(other, "metadata.name", NULL);
	t->job = f->o.job;
	t->git_access = f->o.connect.git;
	t->git_ud = f->o.connect.ud;
	t->node_access = f->o.connect.node;
	t->node_ud = f->o.connect.ud;
	t->backups = f->backups;
	if (name && strcmp(name, t->name) != 0)
		t->gitops = kube_for(f, other, &t->gitops_broken);
}

Target *fleet_know_cluster(Fleet *f, const json_t *entry)
{
	g_autoptr(json_t) doc = cluster_document(entry);
	const Provider *p = provider_find(json_path_str(doc, "spec.provider", "openshift"));
	if (!p)
		p = &provider_openshift; /* refused in preflight by the name of the field */
	Target *t = fleet_target(f, json_path_str(entry, "name", ""));
	if (t && t->kube && json_equal(t->doc, doc))
		return t;
	char *broken = NULL;
	KubeClient *kube = kube_for(f, doc, &broken);
	Telemetry *telemetry = telemetry_for(f, doc);
	if (t) {
		disrupted_forget(f->disrupted, t);
		target_watches_free(g_steal_pointer(&t->watches));
		target_renew(t, doc, p, kube, telemetry, broken);
		link_git(f, t);
		t->watches = target_watches_new(t);
		return t;
	}
	t = target_new(f->saga, f->o.loop, doc, p, kube, telemetry, f->name);
	t->broken = broken;
	t->holder = f->holder;
	t->http = f->o.http;
	t->endpoint = f->o.connect.telemetry;
	t->endpoint_ud = f->o.connect.ud;
	link_git(f, t);
	t->assist = drain_assist;
	t->drains = &drain_for_provider;
	t->may_move = cluster_may_move;
	t->may_order = cluster_may_order;
	t->length = length_of;
	t->watches = target_watches_new(t);
	t->failing = cluster_failing;
	g_ptr_array_add(f->targets, t);
	qsort(f->targets->pdata, f->targets->len, sizeof(void *), compare_targets);
	return t;
}

/* A run in work keeps the target that it began with: here only those are made that nobody knows. */
void fleet_know_clusters(Fleet *f, const json_t *snapshot)
{
	size_t i;
	json_t *entry;
	json_array_foreach (json_object_get(snapshot, "clusters"), i, entry)
		if (!fleet_target(f, json_path_str(entry, "name", "")))
			fleet_know_cluster(f, entry);
}

/* ---- life ---- */

static void repository_free(void *p)
{
	Repository *r = p;
	g_free(r->name);
	g_free(r->url);
	g_free(r->commit);
	g_free(r->error);
	docset_free(r->set);
	json_decref(r->newer);
	g_free(r);
}

Fleet *fleet_new(const FleetOptions *o)
{
	Fleet *f = g_new0(Fleet, 1);
	f->o = *o;
	f->name = g_strdup(o->name);
	f->backups = g_strdup(o->backups);
	f->holder = g_strdup(o->holder);
	f->targets = g_ptr_array_new_with_free_func(forget_target);
	f->credentials = g_ptr_array_new_with_free_func((GDestroyNotify)creds_free);
	f->repositories = g_ptr_array_new_with_free_func(repository_free);
	f->requests = g_ptr_array_new_with_free_func((GDestroyNotify)request_free);
	f->ends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	f->saga = saga_new(o->loop, o->store, &hooks, f);
	f->writable = true;
	f->idle = idle_new(f, o->idle_interval_sec);
	f->runs = g_ptr_array_new();
	f->report = report_new(f->name);
	f->results = results_new(f);
	f->notices = notices_new(f);
	notices_set(f->notices, o->notify);
	f->o.notify = NULL;
	f->past = past_new();
	f->disrupted = disrupted_new(f);
	f->changes = changes_new();
	return f;
}

void fleet_free(Fleet *f)
{
	if (!f)
		return;
	disrupted_free(f->disrupted); /* its watches go through the targets */
	idle_free(f->idle); /* it takes back its calls through the targets */
	g_ptr_array_free(
		f->targets, TRUE); /* their completions go before the engine that waits for them */
	g_ptr_array_free(f->credentials, TRUE);
	notices_free(f->notices);
	results_free(f->results);
	saga_free(f->saga);
	g_ptr_array_free(f->runs, TRUE);
	report_free(f->report);
	past_free(f->past);
	changes_free(f->changes);
	g_ptr_array_free(f->repositories, TRUE);
	g_ptr_array_free(f->requests, TRUE);
	g_hash_table_destroy(f->ends);
	g_free(f->name);
	g_free(f->backups);
	g_free(f->holder);
	g_free(f);
}

bool fleet_start(Fleet *f, GError **err)
{
	if (!saga_start(f->saga, err))
		return false;
	disrupted_start(f->disrupted);
	notices_start(f->notices);
	results_start(f->results);
	return true;
}

void fleet_results_changed(Fleet *f)
{
	results_changed(f->results);
}

void fleet_set_notify(Fleet *f, const json_t *receivers)
{
	notices_set(f->notices, receivers);
}

Fleet *fleet_of(const Item *it)
{
	return saga_ud(item_saga(it));
}

int64_t fleet_seq(const Fleet *f)
{
	return saga_last_seq(f->saga);
}

bool fleet_writable(const Fleet *f)
{
	return f->writable;
}

void fleet_time_lost(Fleet *f, int64_t usec)
{
	saga_time_lost(f->saga, usec);
}

/* ---- runs ---- */

json_t *fleet_report(Fleet *f, int64_t id)
{
	return report_run(f->report, id);
}

size_t fleet_n_runs(const Fleet *f)
{
	return f->runs->len;
}

Item *fleet_nth_run(const Fleet *f, size_t i)
{
	return g_ptr_array_index(f->runs, i);
}

int64_t run_id(const Item *run)
{
	const char *hash = strrchr(item_name(run), '#');
	return hash ? g_ascii_strtoll(hash + 1, NULL, 10) : 0;
}

Item *fleet_find_run(const Fleet *f, int64_t id)
{
	for (size_t i = 0; i < fleet_n_runs(f); i++)
		if (run_id(fleet_nth_run(f, i)) == id)
			return fleet_nth_run(f, i);
	return NULL;
}

bool run_is_live(const Item *run)
{
	return item_state(run) == RUN_ACTIVE;
}

const char *run_outcome(const Item *run)
{
	return json_path_str(item_memo(run), "outcome", NULL);
}

const char *run_repository(const Item *run)
{
	return json_path_str(item_data(run), "repository", "");
}

/* In work before live, live before newest: what a person means by the cluster's name. */
static int weight(const Item *cluster)
{
	return cluster_past_preflight(cluster) ? 2 : !item_ended(cluster);
}

Item *fleet_newest_of(const Fleet *f, const char *cluster)
{
	Item *best = NULL;
	for (size_t i = fleet_n_runs(f); i > 0; i--) {
		Item *run = fleet_nth_run(f, i - 1);
		Item *it = item_find_child(run, cluster);
		if (!it || json_path_bool(item_data(run), "planOnly", false))
			continue;
		if (!best || weight(it) > weight(best))
			best = it;
	}
	return best;
}

/* ---- replies ---- */

Request *request_new(Fleet *f, FleetReply *reply, void *ud)
{
	Request *r = g_new0(Request, 1);
	r->f = f;
	r->reply = reply;
	r->ud = ud;
	g_ptr_array_add(f->requests, r);
	return r;
}

void request_free(Request *r)
{
	const char *strings[] = { r->c.verb, r->c.cluster, r->c.who, r->c.reason, r->c.gate,
		r->c.node, r->c.subject, r->c.digest, r->c.confirm, r->c.expect_state, r->says };
	for (size_t i = 0; i < G_N_ELEMENTS(strings); i++)
		g_free((char *)strings[i]);
	json_decref(r->snapshot);
	g_clear_error(&r->err);
	g_free(r);
}

void request_answer(Request *r, const GError *err)
{
	const GError *e = err ? err : r->err;
	if (r->reply)
		r->reply(e ? NULL : r->says, r->run, e, r->ud);
	g_ptr_array_remove_fast(r->f->requests, r);
}
