#include "providers/claim.h"
#include "providers/provider.h"
#include "providers/target-internal.h"
#include "providers/target-node.h"
#include "providers/wake.h"
#include "telemetry/promql.h"
#include <math.h>
#include <string.h>

enum { ACT_TIMEOUT_MSEC = 20000, READ_TIMEOUT_MSEC = 20000 };

Pending *pending_new(Target *t, FactRead *r)
{
	Pending *p = g_new0(Pending, 1);
	p->t = t;
	p->read = r;
	p->next = t->pending;
	if (p->next)
		p->next->previous = p;
	t->pending = p;
	return p;
}

void pending_done(Pending *p)
{
	if (p->next)
		p->next->previous = p->previous;
	if (p->previous)
		p->previous->next = p->next;
	else
		p->t->pending = p->next;
	loop_cancel(p->t->loop, &p->timer);
	if (p->job)
		p->t->job.ops->cancel(p->t->job.self, p->job);
	if (p->http)
		http_forget(p->t->http, &p->http);
	kube_lister_free(p->lister);
	json_decref(p->items);
	g_free(p->why);
	g_free(p);
}

Target *target_of(const Item *it)
{
	return site_ctx(item_site(it));
}

const json_t *target_spec(const Target *t)
{
	return json_object_get(t->doc, "spec");
}

static bool actuator_is(const Target *t, const char *type)
{
	return strcmp(json_path_str(target_spec(t), "actuator.type", "direct"), type) == 0;
}

bool target_observes(const Target *t)
{
	return actuator_is(t, "observe");
}

bool target_by_git(const Target *t)
{
	return actuator_is(t, "git");
}

bool target_waits_for_merge(const Target *t)
{
	const char *how = json_path_str(target_spec(t), "actuator.deliver", "push");
	return target_by_git(t) && strcmp(how, "branch") == 0;
}

bool target_may_order(Item *it, StepResult *ret)
{
	const Target *t = target_of(it);
	return !t->may_order || t->may_order(it, ret);
}

/* ---- reading ---- */

static void fail_now(void *ud)
{
	Pending *p = ud;
	p->timer = 0;
	g_autoptr(GError) err = g_error_new(SL_ERROR, SL_ERR_REFUSED, "%s", p->why);
	g_autoptr(json_t) detail = json_pack("{s:s}", "message", p->why);
	if (p->read)
		fact_read_done(p->read, NULL, err);
	else
		p->act_done(&(ActAnswer){ .class = ANSWER_NOT_APPLIED,
				    .retry_after_sec = -1,
				    .detail = detail },
			p->act_ud);
	pending_done(p);
}

uint64_t pending_fail(Pending *p, const char *why)
{
	p->why = g_strdup(why);
	return p->timer = loop_defer(p->t->loop, fail_now, p);
}

json_t *pending_access(Pending *p, TargetAccess *access, void *ud)
{
	g_autoptr(GError) err = NULL;
	json_t *members = NULL;
	if (!p->t->job.ops || !access)
		pending_fail(p, "this program has no worker, which reaches repositories and nodes");
	else if (!(members = access(ud, p->t->doc, &err)))
		pending_fail(p, err->message);
	return members;
}

json_t *pending_answer(const char *answer, size_t len, const GError *job_err, GError **err)
{
	if (!job_err)
		return json_parse(answer, len, err);
	g_propagate_error(err, g_error_copy(job_err));
	return NULL;
}

/* True: there is no way to reach the cluster, and the answer says so. */
static bool broken(Pending *p)
{
	if (p->t->kube)
		return false;
	pending_fail(p, p->t->broken);
	return true;
}

#define LAST_APPLIED "kubectl.kubernetes.io/last-applied-configuration"

/* managedFields are only looked at on the object that carries the wish; everywhere else they are
 * most of the bytes. */
json_t *target_slim(json_t *object, bool owners)
{
	json_t *meta = json_object_get(object, "metadata");
	json_t *notes = json_object_get(meta, "annotations");
	bool applied = json_object_get(notes, LAST_APPLIED);
	bool owned = !owners && json_object_get(meta, "managedFields");
	if (!applied && !owned)
		return json_incref(object);
	json_t *out = json_copy(object), *next = json_copy(meta);
	json_object_set_new(out, "metadata", next);
	if (owned)
		json_object_del(next, "managedFields");
	if (applied) {
		json_object_set_new(next, "annotations", json_copy(notes));
		json_object_del(json_object_get(next, "annotations"), LAST_APPLIED);
	}
	return out;
}

static void on_object(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (a->status == 404 && a->code == SL_ERR_NOT_FOUND) { /* the server itself, not a proxy */
		fact_read_done(p->read, view_new_missing(), NULL);
	} else if (kube_answer_check(a, fact_read_key(p->read), &err)) {
		fact_read_done(p->read, view_new(target_slim(a->json, true)), NULL);
	} else {
		fact_read_done(p->read, NULL, err);
	}
	pending_done(p);
}

/* A key may carry a remark for its user behind "#"; the path ends there. */
static char *path_of_key(const char *key)
{
	return g_strndup(key, strcspn(key, "#"));
}

void target_fail_read(Target *t, FactRead *r)
{
	broken(pending_new(t, r));
}

void pending_get(Pending *p, KubeClient *kube, const char *path)
{
	KubeCall call = { .method = "GET", .path = path, .timeout_msec = READ_TIMEOUT_MSEC };
	p->call = kube_call(kube, &call, on_object, p);
}

static void read_object(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	if (broken(p))
		return;
	g_autofree char *path = path_of_key(key);
	pending_get(p, t->kube, path);
}

static void on_page(json_t *items, bool first, void *ud)
{
	Pending *p = ud;
	if (first)
		json_array_clear(p->items);
	size_t i;
	json_t *o;
	json_array_foreach (items, i, o)
		json_array_append_new(p->items, target_slim(o, false));
}

static void on_list(const KubeList *l, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (kube_answer_check(l->answer, fact_read_key(p->read), &err))
		fact_read_done(p->read,
			view_new(json_pack("{s:O, s:{s:s}}", "items", p->items, "metadata",
				"resourceVersion", l->resource_version)),
			NULL);
	else
		fact_read_done(p->read, NULL, err);
	pending_done(p);
}

static void on_text(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	g_autofree char *text = NULL;
	if (kube_answer_check(a, fact_read_key(p->read), &err)) {
		text = g_utf8_make_valid(a->text ? a->text : "", -1);
		fact_read_done(p->read, view_new(json_pack("{s:s}", "text", text)), NULL);
	} else {
		fact_read_done(p->read, NULL, err);
	}
	pending_done(p);
}

void target_read_text(Target *t, FactRead *r, const char *path, size_t max_bytes)
{
	Pending *p = pending_new(t, r);
	if (broken(p))
		return;
	KubeCall call = { .method = "GET",
		.path = path,
		.accept = "text/plain, */*",
		.raw = true,
		.timeout_msec = READ_TIMEOUT_MSEC,
		.max_bytes = max_bytes };
	p->call = kube_call(t->kube, &call, on_text, p);
}

static void read_list(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	if (broken(p))
		return;
	p->items = json_array();
	KubeListOptions o = { 0 };
	p->lister = kube_list(t->kube, key, &o, on_page, on_list, p);
}

const FactRow fact_object = { .name = "object", .max_age_sec = 2, .read = read_object };
const FactRow fact_list = { .name = "list", .max_age_sec = 4, .read = read_list };

static json_t *table_rows(const json_t *table)
{
	const json_t *columns = json_object_get(table, "columnDefinitions");
	json_t *out = json_array(), *row, *column;
	size_t i, k;
	json_array_foreach (json_object_get(table, "rows"), i, row) {
		json_t *o = json_object(), *cells = json_object_get(row, "cells");
		json_array_foreach (columns, k, column) {
			json_t *cell = json_array_get(cells, k);
			if (cell)
				json_object_set(o, json_path_str(column, "name", ""), cell);
		}
		json_array_append_new(out, o);
	}
	return out;
}

static void on_table(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (a->status == 404 && a->code != SL_ERR_RETRY) /* the server itself, not a proxy */
		fact_read_done(p->read, view_new_missing(), NULL);
	else if (!kube_answer_check(a, fact_read_key(p->read), &err))
		fact_read_done(p->read, NULL, err);
	else
		fact_read_done(
			p->read, view_new(json_pack("{s:o}", "rows", table_rows(a->json))), NULL);
	pending_done(p);
}

static void read_table(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	if (broken(p))
		return;
	g_autofree char *path = kube_path_query(key, "includeObject", "None", NULL);
	KubeCall call = { .method = "GET",
		.path = path,
		.accept = KUBE_TABLE,
		.timeout_msec = READ_TIMEOUT_MSEC };
	p->call = kube_call(t->kube, &call, on_table, p);
}

const FactRow fact_table = { .name = "table", .max_age_sec = 60, .read = read_table };

static void on_review(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(GError) err = NULL;
	if (kube_answer_check(a, fact_read_key(p->read), &err))
		fact_read_done(p->read,
			view_new(json_pack("{s:b, s:s}", "allowed", (int)kube_access_allowed(a),
				"reason", json_path_str(a->json, "status.reason", ""))),
			NULL);
	else
		fact_read_done(p->read, NULL, err);
	pending_done(p);
}

static const char *dash(const char *part)
{
	return strcmp(part, "-") == 0 ? NULL : part;
}

void target_review(Pending *p, KubeClient *kube, const char *key)
{
	bool write = g_str_has_prefix(key, "w:");
	g_auto(GStrv) part = g_strsplit(key + (write ? 2 : 0), " ", 0);
	g_assert(g_strv_length(part) == 5);
	g_auto(GStrv) resource = g_strsplit(part[2], "/", 2);
	g_autoptr(json_t) review =
		*part[2] == '/' ? kube_path_review_body(part[0], part[2])
				: kube_access_review_body(part[0], dash(part[1]), resource[0],
					  resource[1], dash(part[3]), dash(part[4]));
	p->call = kube_access_review(
		kube, review, write ? KUBE_AS_WRITER : KUBE_AS_READER, on_review, p);
}

static void read_access(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	if (!broken(p))
		target_review(p, t->kube, key);
}

const FactRow fact_access = { .name = "access", .max_age_sec = 600, .read = read_access };

static json_t *query_view(const TelemetryResult *q)
{
	static const char *const names[] = {
		[TELEMETRY_OK] = "ok", [TELEMETRY_NO_DATA] = "noData", [TELEMETRY_ERROR] = "error"
	};
	json_t *values = json_array();
	for (size_t i = 0; i < q->n_values; i++)
		json_array_append_new(
			values, isfinite(q->values[i]) ? json_real(q->values[i]) : json_null());
	return json_pack("{s:s, s:s?, s:o, s:I, s:s?, s:s?, s:I, s:i, s:s?}", "status",
		names[q->status], "why", q->why, "values", values, "oldestUsec",
		(json_int_t)q->oldest_usec, "source", q->source, "query", q->query, "timeUsec",
		(json_int_t)q->time_usec, "httpStatus", q->http_status, "digest", q->digest);
}

static void on_query(const TelemetryResult *q, void *ud)
{
	Pending *p = ud;
	fact_read_done(p->read, view_new(query_view(q)), NULL);
	pending_done(p);
}

static void read_query(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	p->call = telemetry_query(t->telemetry, key, loop_wall_usec(t->loop), on_query, p);
}

const FactRow fact_query = { .name = "query", .max_age_sec = 0, .read = read_query };

char *target_freshness_query(const char *query)
{
	char *fresh = NULL;
	return promql_freshness(query, &fresh, NULL) ? fresh : NULL;
}

/* ---- writing ---- */

static void on_act(const KubeAnswer *a, void *ud)
{
	Pending *p = ud;
	g_autoptr(json_t) detail = kube_answer_detail(a);
	ActAnswer answer = { .class = ANSWER_UNKNOWN,
		.status = a->status,
		.retry_after_sec = a->retry_after_sec,
		.detail = detail };
	if (a->effect == KUBE_APPLIED)
		answer.class = ANSWER_DONE;
	else if (a->status == 409)
		answer.class = ANSWER_CONFLICT;
	else if (a->effect == KUBE_NOT_APPLIED)
		answer.class = ANSWER_NOT_APPLIED;
	p->act_done(&answer, p->act_ud);
	pending_done(p);
}

/* Where this request goes: GITOPS_PREFIX before the path means the cluster of the GitOps
 * controller.
 */
static KubeClient *client_for(const Target *t, const ActRequest *r, const char **ret_path)
{
	bool gitops = g_str_has_prefix(r->path, GITOPS_PREFIX);
	*ret_path = r->path + (gitops ? strlen(GITOPS_PREFIX) : 0);
	return gitops ? target_gitops_client(t) : t->kube;
}

static uint64_t target_send(Site *site, const ActRequest *r, ActDone *done, void *ud)
{
	Target *t = site_ctx(site);
	const char *plain;
	if (!target_observes(t) && strcmp(r->method, JOB_METHOD) == 0)
		return target_send_job(t, r, done, ud);
	if (!target_observes(t) && strcmp(r->method, NODE_METHOD) == 0)
		return target_send_node(t, r, done, ud);
	Pending *p = pending_new(t, NULL);
	p->act_done = done;
	p->act_ud = ud;
	if (target_observes(t)) /* the last wall: nothing of ours is written here */
		return pending_fail(p, "the actuator observe writes nothing");
	KubeClient *kube = client_for(t, r, &plain);
	if (!kube)
		return pending_fail(p, t->kube ? t->gitops_broken : t->broken);
	g_autofree char *path = strcmp(r->method, "PATCH") == 0
					? kube_path_query(plain, "fieldManager", "shiplock", NULL)
					: g_strdup(plain);
	KubeCall call = { .method = r->method,
		.path = path,
		.content_type = r->content_type,
		.body = r->body,
		.timeout_msec = r->timeout_msec ? r->timeout_msec : ACT_TIMEOUT_MSEC };
	p->call = kube_call(kube, &call, on_act, p);
	return p->call;
}

Target *target_new(Saga *s, Loop loop, const json_t *doc, const Provider *p, KubeClient *kube,
	Telemetry *t, const char *fleet)
{
	Target *target = g_new0(Target, 1);
	target->name = g_strdup(json_path_str(doc, "metadata.name", ""));
	target->doc = json_incref((json_t *)doc);
	target->provider = p;
	target->kube = kube;
	target->telemetry = t;
	target->loop = loop;
	target->fleet = g_strdup(fleet);
	target->ops = (SiteOps){
		.send = target_send,
		.claim_fact = &fact_object,
		.claim_key = p->claim_path,
		.claim_ok = claim_is_ours,
	};
	target->site = site_new(s, target->name, &target->ops, target);
	return target;
}

static void disconnect(Target *t)
{
	target_sleep(t);
	while (t->pending) /* lists under way take back their calls through the client */
		pending_done(t->pending);
	kube_client_free(t->kube);
	telemetry_free(t->telemetry);
	g_clear_pointer(&t->gitops, kube_client_free);
	g_clear_pointer(&t->gitops_broken, g_free);
	g_free(t->broken);
}

/* Reads under way are lost with the old connection; the engine asks again, since their facts stay
 * unread. */
void target_renew(Target *t, const json_t *doc, const Provider *p, KubeClient *kube,
	Telemetry *telemetry, char *broken)
{
	disconnect(t);
	json_decref(t->doc);
	t->doc = json_incref((json_t *)doc);
	t->provider = p;
	t->kube = kube;
	t->telemetry = telemetry;
	t->broken = broken;
	site_disconnected(t->site);
}

void target_free(Target *t)
{
	if (!t)
		return;
	disconnect(t);
	json_decref(t->doc);
	g_free(t->name);
	g_free(t->fleet);
	g_free(t);
}
