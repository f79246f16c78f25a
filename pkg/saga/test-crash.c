/* The engine under crashes: a small upgrade (claim, version write, gate, three nodes with a budget,
 * undo) is run once undisturbed and then with a fault at every batch and every request, and with
 * random pairs of faults. Each run must end as the undisturbed one, with the same ordered list of
 * effective changes; aborted runs keep the invariants. */
#include "base/num.h"
#include "saga/test-api.h"

/* ---- the controller: facts, act rows, steps ---- */

typedef struct Fleet {
	World *w;
	LoopSimProc *proc;
	Loop loop;
	Saga *saga;
	Site *site;
	GPtrArray *contexts; /* of completions under way: they go with the process */
} Fleet;

typedef struct {
	Fleet *f;
	FactRead *read;
	ActDone *done;
	void *ud;
} Ctx;

static const HttpEndpoint endpoint = { .base_url = (char *)"sim" };

static Ctx *ctx_new(Fleet *f)
{
	Ctx *c = g_new0(Ctx, 1);
	c->f = f;
	g_ptr_array_add(f->contexts, c);
	return c;
}

static void ctx_done(Ctx *c)
{
	g_ptr_array_remove_fast(c->f->contexts, c);
}

static void on_read(const HttpAnswer *a, void *ud)
{
	Ctx *c = ud;
	if (a->outcome == HTTP_ANSWERED && a->status == 404) {
		fact_read_done(c->read, view_new_missing(), NULL);
	} else if (a->outcome == HTTP_ANSWERED && a->status == 200) {
		fact_read_done(c->read, view_new(json_loadb(a->body, a->n_body, 0, NULL)), NULL);
	} else {
		g_autoptr(GError) err = g_error_new(SL_ERROR, SL_ERR_RETRY, "no answer");
		fact_read_done(c->read, NULL, err);
	}
	ctx_done(c);
}

static void read_object(Site *site, const char *key, FactRead *r)
{
	Fleet *f = site_ctx(site);
	Ctx *c = ctx_new(f);
	c->read = r;
	HttpRequest req = {
		.endpoint = &endpoint, .method = "GET", .path = key, .timeout_msec = 5000
	};
	http_request(http_sim_http(f->w->http), &req, on_read, c);
}

static const FactRow fact_object = { .name = "object", .max_age_sec = 1, .read = read_object };
static const FactRow fact_pods = { .name = "pods", .max_age_sec = 0, .read = read_object };
static const FactRow fact_metric = { .name = "metric", .max_age_sec = 0, .read = read_object };

static void on_act(const HttpAnswer *a, void *ud)
{
	Ctx *c = ud;
	ActAnswer answer = { .class = ANSWER_UNKNOWN, .retry_after_sec = -1, .status = a->status };
	if (a->outcome == HTTP_NOT_SENT)
		answer.class = ANSWER_NOT_APPLIED;
	else if (a->outcome == HTTP_ANSWERED && a->status < 300)
		answer.class = ANSWER_DONE;
	else if (a->outcome == HTTP_ANSWERED && a->status == 409)
		answer.class = ANSWER_CONFLICT;
	else if (a->outcome == HTTP_ANSWERED && a->status < 500)
		answer.class = ANSWER_NOT_APPLIED;
	c->done(&answer, c->ud);
	ctx_done(c);
}

static uint64_t site_send(Site *site, const ActRequest *r, ActDone *done, void *ud)
{
	Fleet *f = site_ctx(site);
	Ctx *c = ctx_new(f);
	c->done = done;
	c->ud = ud;
	g_autofree char *text = json_canonical(r->body);
	HttpRequest req = { .endpoint = &endpoint,
		.method = r->method,
		.path = r->path,
		.body = text,
		.n_body = strlen(text),
		.timeout_msec = 5000 };
	return http_request(http_sim_http(f->w->http), &req, on_act, c);
}

static bool claim_ok(Site *site, const View *v, char **ret_who)
{
	const char *holder = json_path_str(v->json, "claim.holder", "nobody");
	*ret_who = g_strdup(holder);
	return strcmp(holder, "us") == 0 &&
	       json_path_int(v->json, "claim.epoch", 0) <= site_epoch(site);
}

static const SiteOps site_ops = {
	.send = site_send,
	.claim_fact = &fact_object,
	.claim_key = "/cv",
	.claim_ok = claim_ok,
};

static bool merge(const char *key, const View *v, ActRequest *ret, const char *field, json_t *value,
	json_t *undo)
{
	ret->method = "PATCH";
	ret->path = g_strdup(key);
	ret->body = json_pack(
		"{s:{s:s}, s:o}", "metadata", "resourceVersion", view_version(v), field, value);
	ret->undo = undo;
	return true;
}

static bool claim_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	int64_t epoch =
		sl_max(site_epoch(item_site(it)), json_path_int(v->json, "claim.epoch", 0)) + 1;
	merge(key, v, ret, "claim",
		json_pack("{s:s, s:I}", "holder", "us", "epoch", (json_int_t)epoch), NULL);
	ret->want = json_pack("{s:I, s:I}", "epoch", (json_int_t)epoch, "above",
		(json_int_t)json_path_int(v->json, "claim.epoch", 0));
	return true;
}

/* Done too by an earlier attempt that came late: it is our claim, and this attempt cannot come any
 * more. */
static Class take_classify(const json_t *want, const View *v)
{
	int64_t epoch = json_path_int(v->json, "claim.epoch", 0);
	return epoch > json_path_int(want, "above", 0) && epoch <= json_path_int(want, "epoch", -1)
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

static Class claim_classify(const json_t *want, const View *v)
{
	return json_path_int(v->json, "claim.epoch", 0) == json_path_int(want, "epoch", -1)
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

static bool release_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return merge(key, v, ret, "claim", json_null(), NULL);
}

static Class release_classify(const json_t *want, const View *v)
{
	return json_is_null(json_object_get(v->json, "claim")) ? CLASS_DONE : CLASS_ABSENT;
}

static const ActRow act_release = { .name = "release",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.build = release_build,
	.classify = release_classify };
static const ActRow act_claim = { .name = "claim",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.undo = &act_release,
	.build = claim_build,
	.classify = take_classify };
static const ActRow act_raise = { .name = "raise",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.claim = true,
	.build = claim_build,
	.classify = claim_classify };

static bool version_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return merge(key, v, ret, "desired",
		json_integer(item_pivot_crossed(it, "rollback") ? 1 : 2), NULL);
}

static Class version_classify(const json_t *want, const View *v)
{
	return json_equal(json_object_get(want, "desired"), json_object_get(v->json, "desired"))
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

static const ActRow act_version = { .name = "version",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.fence = &act_raise,
	.build = version_build,
	.classify = version_classify };

static bool cordon_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	return merge(key, v, ret, "unschedulable", json_boolean(!undoes), NULL);
}

static Class cordon_classify(const json_t *want, const View *v)
{
	return json_path_bool(want, "unschedulable", false) ==
			       json_path_bool(v->json, "unschedulable", false)
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

static const ActRow act_uncordon = { .name = "uncordon",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.build = cordon_build,
	.classify = cordon_classify };
static const ActRow act_cordon = { .name = "cordon",
	.effect = EFFECT_BY_VERSION,
	.fact = &fact_object,
	.undo = &act_uncordon,
	.build = cordon_build,
	.classify = cordon_classify };

static bool evict_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	ret->method = "POST";
	ret->path = g_strdup("/evict");
	ret->body = json_pack("{s:s}", "uid", key);
	return true;
}

static Class evict_classify(const json_t *want, const View *v)
{
	g_autofree char *path = g_strdup_printf("/pods/%s", json_path_str(want, "uid", ""));
	json_t *pod = json_object_get(v->json, path);
	return !pod || json_object_get(pod, "ending") ? CLASS_DONE : CLASS_ABSENT;
}

static AnswerClass evict_answer(int status, const json_t *detail, AnswerClass plain)
{
	return status == 404 ? ANSWER_DONE : plain;
}

/* The key of an eviction's fact is the pod's UID, but the list is one: read through it. */
static void read_pods(Site *site, const char *key, FactRead *r)
{
	read_object(site, "/pods", r);
}

static const FactRow fact_pod = { .name = "pod", .max_age_sec = 1, .read = read_pods };
static const ActRow act_evict = { .name = "evict",
	.effect = EFFECT_BY_UID,
	.fact = &fact_pod,
	.build = evict_build,
	.classify = evict_classify,
	.answer = evict_answer };

static const ActRow *const rows[] = { &act_claim, &act_release, &act_raise, &act_version,
	&act_cordon, &act_uncordon, &act_evict };

enum { C_CLAIM = 1, C_WRITE, C_GATE, C_NODES, C_ROLLBACK, C_UNDO, C_ENDED, C_MAX };
enum { N_DRAIN = 1, N_UNDO, N_ENDED, N_MAX };

static StepResult claim_tick(Item *it, int64_t now, Batch *b)
{
	const Act *a = act_find(it, &act_claim, "/cv");
	if (a && act_state(a) == ACT_DONE)
		return step_done(C_WRITE);
	return step_act(it, &act_claim, "/cv", b);
}

static StepResult write_tick(Item *it, int64_t now, Batch *b)
{
	const View *cv = fact(it, &fact_object, "/cv");
	if (!cv)
		return step_read(it);
	bool back = item_state(it) == C_ROLLBACK;
	int64_t target = back ? 1 : 2;
	if (json_path_int(cv->json, "desired", 0) != target) {
		batch_pivot(b, it, back ? "rollback" : "version");
		if (back && !item_pivot_crossed(it, "rollback"))
			return step_wait(it, now + 1, "the pivot is stored first");
		return step_act(it, &act_version, "/cv", b);
	}
	if (json_path_int(cv->json, "status", 0) != target)
		return step_wait(it, now + 2 * SL_USEC_PER_SEC, "the operator works");
	return step_done(back ? C_UNDO : C_GATE);
}

/* One look every LOOK_SEC of observed time; the verdict is decided in the turn after, from the
 * records. */
static StepResult gate_tick(Item *it, int64_t now, Batch *b)
{
	const json_t *looks = item_looks(it);
	size_t n = json_array_size(looks);
	const json_t *last = n ? json_array_get(looks, n - 1) : NULL;
	if (last && strcmp(json_path_str(last, "verdict", ""), "FAIL") == 0)
		return step_done(C_ROLLBACK);
	int64_t obs = item_observed_usec(it);
	if (last && obs >= SOAK_SEC * SL_USEC_PER_SEC)
		return step_done(C_NODES);
	int64_t next = last ? json_path_int(last, "obs", 0) + LOOK_SEC * SL_USEC_PER_SEC : 0;
	if (obs < next)
		return step_wait(it, now + next - obs, "soak");
	const View *m = fact_since(it, &fact_metric, "/metric", now - (obs - next));
	if (!m)
		return step_read(it);
	batch_look(b, it,
		json_pack("{s:s, s:s}", "gate", "g", "verdict",
			json_path_bool(m->json, "bad", false) ? "FAIL" : "PASS"));
	return step_wait(it, 0, "looked");
}

static StepResult nodes_tick(Item *it, int64_t now, Batch *b);
static StepResult undo_tick(Item *it, int64_t now, Batch *b)
{
	for (size_t i = 0; i < item_n_children(it); i++) {
		Item *c = item_child(it, i);
		if (item_state(c) == N_DRAIN)
			batch_move(b, c, N_UNDO, "undo");
		if (!item_ended(c))
			return step_wait(it, 0, "children first");
	}
	bool left;
	StepResult r = step_undo(it, b, &left);
	return left ? r : step_done(it->parent == saga_root(it->saga) ? C_ENDED : N_ENDED);
}

/* The pods of the node, one eviction at a time as the budget allows: each is an act of the node
 * itself. */
static StepResult drain_tick(Item *it, int64_t now, Batch *b)
{
	const Act *c = act_find(it, &act_cordon, item_name(it));
	if (!c || act_state(c) != ACT_DONE)
		return step_act(it, &act_cordon, item_name(it), b);
	const View *pods =
		fact_since(it, &fact_pods, "/pods", sl_max(act_settled_usec(c), now - 150000));
	const View *pdb = fact(it, &fact_object, "/pdb");
	if (!pods || !pdb)
		return step_read(it);
	int n_here = 0;
	const char *path;
	json_t *pod;
	json_object_foreach (pods->json, path, pod) {
		if (strcmp(json_path_str(pod, "node", ""), item_name(it)) != 0)
			continue;
		n_here++;
		const char *uid = json_path_str(pod, "uid", "");
		const Act *e = act_find(it, &act_evict, uid);
		if ((e && act_state(e) == ACT_DONE) || json_object_get(pod, "ending"))
			continue;
		if (json_path_int(pdb->json, "allowed", 0) > 0)
			return step_act(it, &act_evict, uid, b);
	}
	if (n_here == 0)
		return step_done(N_UNDO);
	return step_wait(it, now + 200000, "%d pods left", n_here);
}

static const StepOps op_claim = { "claim", claim_tick }, op_write = { "write", write_tick },
		     op_gate = { "gate", gate_tick }, op_nodes = { "nodes", nodes_tick },
		     op_undo = { "undo", undo_tick }, op_drain = { "drain", drain_tick };
#define STEPS(op)                                                                                  \
	(const StepOps *const[])                                                                   \
	{                                                                                          \
		&(op), NULL                                                                        \
	}

static const StateRow node_states[N_MAX] = {
	[N_DRAIN] = { .name = "drain", .next = TO(N_UNDO), .steps = STEPS(op_drain) },
	[N_UNDO] = { .name = "undo", .next = TO(N_ENDED), .steps = STEPS(op_undo) },
	[N_ENDED] = { .name = "ended", .end = true },
};
static const ItemKind node_kind = { .name = "node", .states = node_states, .n_states = N_MAX };

static const StateRow cluster_states[C_MAX] = {
	[C_CLAIM] = { .name = "claim", .next = TO(C_WRITE) | TO(C_UNDO), .steps = STEPS(op_claim) },
	[C_WRITE] = { .name = "write",
		.next = TO(C_GATE) | TO(C_ROLLBACK) | TO(C_UNDO),
		.steps = STEPS(op_write) },
	[C_GATE] = { .name = "gate",
		.next = TO(C_NODES) | TO(C_ROLLBACK) | TO(C_UNDO),
		.steps = STEPS(op_gate) },
	[C_NODES] = { .name = "nodes", .next = TO(C_UNDO), .steps = STEPS(op_nodes) },
	[C_ROLLBACK] = { .name = "rollback", .next = TO(C_UNDO), .steps = STEPS(op_write) },
	[C_UNDO] = { .name = "undo", .next = TO(C_ENDED), .steps = STEPS(op_undo) },
	[C_ENDED] = { .name = "ended", .end = true },
};
static const ItemKind cluster_kind = {
	.name = "cluster", .states = cluster_states, .n_states = C_MAX
};

static StepResult nodes_tick(Item *it, int64_t now, Batch *b)
{
	size_t n = item_n_children(it);
	if (n > 0 && !item_ended(item_child(it, n - 1)))
		return step_wait(it, 0, "node %s", item_name(item_child(it, n - 1)));
	if (n == N_NODES)
		return step_done(C_UNDO);
	batch_item(b, it, &node_kind, item_site(it), node_name((unsigned)n), N_DRAIN, NULL);
	return step_wait(it, 0, "next node");
}

static const ItemKind *kind_by_name(const char *name, void *ud)
{
	return strcmp(name, "node") == 0 ? &node_kind : &cluster_kind;
}

static Site *site_by_name(const char *name, void *ud)
{
	return ((Fleet *)ud)->site;
}

static const ActRow *row_by_name(const char *name, void *ud)
{
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		if (strcmp(rows[i]->name, name) == 0)
			return rows[i];
	return NULL;
}

static const SagaHooks hooks = { .kind = kind_by_name, .site = site_by_name, .row = row_by_name };

/* ---- running and judging ---- */

static void begin(Batch *b, void *ud)
{
	Fleet *f = ud;
	if (item_n_children(saga_root(f->saga)) == 0)
		batch_item(b, saga_root(f->saga), &cluster_kind, f->site, "c", C_CLAIM, NULL);
}

static Item *cluster_of(Fleet *f)
{
	Item *root = saga_root(f->saga);
	return item_n_children(root) ? item_child(root, 0) : NULL;
}

static void do_abort(Batch *b, void *ud)
{
	Fleet *f = ud;
	Item *c = cluster_of(f);
	if (c && item_state(c) != C_ROLLBACK && item_state(c) != C_UNDO && !item_ended(c))
		batch_move(b, c, C_UNDO, "aborted");
}

static void abort_now(void *ud)
{
	World *w = ud;
	if (w->fleet)
		saga_submit(w->fleet->saga, do_abort, NULL, w->fleet);
	else
		loop_timer(w->loop, loop_boot_usec(w->loop) + 1000, abort_now, w);
}

static void fleet_start(void *ud)
{
	World *w = ud;
	Fleet *f = g_new0(Fleet, 1);
	w->fleet = f;
	w->n_starts++;
	f->w = w;
	f->contexts = g_ptr_array_new_with_free_func(g_free);
	f->proc = loop_sim_proc_new(w->sim);
	f->loop = loop_sim_proc_loop(f->proc);
	f->saga = saga_new(f->loop, store_mem_store(w->disk), &hooks, f);
	f->site = site_new(f->saga, "c", &site_ops, f);
	g_assert_true(saga_start(f->saga, NULL));
	saga_submit(f->saga, begin, NULL, f);
}

static void fleet_stop(World *w)
{
	Fleet *f = w->fleet;
	if (!f)
		return;
	saga_free(f->saga);
	g_ptr_array_free(f->contexts, TRUE);
	loop_sim_proc_free(f->proc);
	g_free(f);
	w->fleet = NULL;
}

static void crash(void *ud)
{
	World *w = ud;
	if (!w->fleet)
		return;
	fleet_stop(w);
	http_sim_crash(w->http);
	store_mem_crash(w->disk);
	loop_timer(w->loop, loop_boot_usec(w->loop) + 50000, fleet_start, w);
}

static StoreFault batch_plan(uint64_t n, void *ud)
{
	const World *w = ud;
	if ((int64_t)n == w->batch_at)
		return w->batch_fault;
	return (int64_t)n == w->batch_at2 ? w->batch_fault2 : STORE_FAULT_NONE;
}

static HttpFault request_plan(uint64_t n, const HttpRequest *r, void *ud)
{
	const World *w = ud;
	if ((int64_t)n == w->request_at)
		return w->request_fault;
	return (int64_t)n == w->request_at2 ? w->request_fault2 : HTTP_FAULT_NONE;
}

static World *world_new(uint64_t seed, bool bad)
{
	World *w = g_new0(World, 1);
	w->sim = loop_sim_new(seed, 1700000000 * SL_USEC_PER_SEC);
	w->loop = loop_sim_loop(w->sim);
	w->http = http_sim_new(w->sim, handle, NULL, w);
	w->disk = store_mem_new(w->sim);
	w->objects = json_object();
	w->changes = g_string_new(NULL);
	w->bad_at_2 = bad;
	w->batch_at = w->request_at = w->batch_at2 = w->request_at2 = -1;
	put(w, "/cv", json_pack("{s:i, s:i, s:n}", "desired", 1, "status", 1, "claim"));
	put(w, "/pdb", json_pack("{s:i}", "allowed", 1));
	for (unsigned i = 0; i < N_NODES; i++)
		put(w, node_name(i), json_pack("{s:b}", "unschedulable", 0));
	for (unsigned i = 0; i < N_PODS; i++)
		add_pod(w, true);
	http_sim_set_faults(w->http, request_plan, crash, w);
	store_mem_set_faults(w->disk, batch_plan, crash, w);
	fleet_start(w);
	return w;
}

static void drain_events(World *w)
{
	/* Events of the world own their data: let them run, there is nobody left to wake. */
	fleet_stop(w);
	http_sim_crash(w->http);
	while (loop_sim_step(w->sim))
		fleet_stop(w);
}

static void world_free(World *w)
{
	drain_events(w);
	http_sim_free(w->http);
	store_mem_free(w->disk);
	loop_sim_free(w->sim);
	json_decref(w->objects);
	g_string_free(w->changes, TRUE);
	g_free(w);
}

static bool never(void *ud)
{
	return false;
}

static bool finished(void *ud)
{
	World *w = ud;
	Item *c = w->fleet ? cluster_of(w->fleet) : NULL;
	return c && item_ended(c) && n_ready(w) == N_PODS;
}

typedef struct {
	char *state, *changes;
	uint64_t n_batches, n_requests;
} Outcome;

static void outcome_clear(Outcome *o)
{
	g_free(o->state);
	g_free(o->changes);
}

/* What must be equal: version, claim, cordons; pods have other names after another history. */
static char *end_state(World *w)
{
	GString *s = g_string_new(NULL);
	json_t *cv = json_object_get(w->objects, "/cv");
	g_string_append_printf(s, "version %d/%d claim %s", (int)json_path_int(cv, "desired", 0),
		(int)json_path_int(cv, "status", 0),
		json_is_null(json_object_get(cv, "claim")) ? "none" : "left");
	for (unsigned i = 0; i < N_NODES; i++)
		if (json_path_bool(
			    json_object_get(w->objects, node_name(i)), "unschedulable", false))
			g_string_append_printf(s, " cordoned %s", node_name(i));
	return g_string_free(s, FALSE);
}

static Outcome run(World *w)
{
	if (w->abort_usec)
		loop_timer(w->loop, w->abort_usec, abort_now, w);
	bool ok = loop_sim_run(w->sim, finished, w, 1200 * SL_USEC_PER_SEC);
	if (!ok) {
		Item *c = w->fleet ? cluster_of(w->fleet) : NULL;
		g_test_message("not finished: %s (%s), %s", c ? item_state_name(c) : "-",
			c ? item_reason(c) : "-", w->changes->str);
	}
	g_assert_true(ok);
	/* Whatever was on its way lands now: nothing of it may change the end. */
	loop_sim_run(w->sim, never, NULL, loop_boot_usec(w->loop) + 30 * SL_USEC_PER_SEC);
	return (Outcome){ end_state(w), g_strdup(w->changes->str), store_mem_batches(w->disk),
		http_sim_requests(w->http) };
}

static Outcome undisturbed(bool bad)
{
	World *w = world_new(1, bad);
	Outcome o = run(w);
	g_assert_cmpuint(w->n_starts, ==, 1);
	world_free(w);
	return o;
}

static void test_undisturbed(void)
{
	Outcome up = undisturbed(false), back = undisturbed(true);
	g_assert_cmpstr(up.state, ==, "version 2/2 claim none");
	g_assert_cmpstr(back.state, ==, "version 1/1 claim none");
	g_test_message("%s", up.changes);
	g_assert_nonnull(strstr(up.changes, "evict "));
	g_assert_null(strstr(back.changes, "evict "));
	outcome_clear(&up);
	outcome_clear(&back);
}

static const StoreFault batch_faults[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
	STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
static const HttpFault request_faults[] = { HTTP_FAULT_NOT_SENT, HTTP_FAULT_LOST,
	HTTP_FAULT_ANSWER_LOST, HTTP_FAULT_LATE, HTTP_FAULT_LATE_PAST_TIMEOUT,
	HTTP_FAULT_500_APPLIED, HTTP_FAULT_500, HTTP_FAULT_CRASH_BEFORE_SEND,
	HTTP_FAULT_CRASH_AFTER_SEND, HTTP_FAULT_CRASH_AFTER_ANSWER };

static void judge(const Outcome *o, const Outcome *want, const char *what, int64_t at, int fault)
{
	if (strcmp(o->state, want->state) != 0 || strcmp(o->changes, want->changes) != 0)
		g_test_message("%s %" G_GINT64_FORMAT " fault %d:\n  %s\n  %s\nwant\n  %s\n  %s",
			what, at, fault, o->state, o->changes, want->state, want->changes);
	g_assert_cmpstr(o->state, ==, want->state);
	g_assert_cmpstr(o->changes, ==, want->changes);
}

static void matrix(bool bad)
{
	Outcome want = undisturbed(bad);
	unsigned n = 0;
	for (uint64_t at = 0; at < want.n_batches; at++)
		for (size_t f = 0; f < G_N_ELEMENTS(batch_faults); f++, n++) {
			World *w = world_new(1, bad);
			w->batch_at = (int64_t)at;
			w->batch_fault = batch_faults[f];
			Outcome o = run(w);
			judge(&o, &want, "batch", (int64_t)at, (int)batch_faults[f]);
			outcome_clear(&o);
			world_free(w);
		}
	for (uint64_t at = 0; at < want.n_requests; at++)
		for (size_t f = 0; f < G_N_ELEMENTS(request_faults); f++, n++) {
			World *w = world_new(1, bad);
			w->request_at = (int64_t)at;
			w->request_fault = request_faults[f];
			Outcome o = run(w);
			judge(&o, &want, "request", (int64_t)at, (int)request_faults[f]);
			outcome_clear(&o);
			world_free(w);
		}
	g_test_message("%u points", n);
	outcome_clear(&want);
}

static void test_matrix_up(void)
{
	matrix(false);
}

static void test_matrix_rollback(void)
{
	matrix(true);
}

/* Two faults, each a batch's or a request's, at random points of a run that may be longer than the
 * undisturbed. */
static void random_fault(World *w, GRand *r, const Outcome *want, bool second)
{
	if (g_rand_boolean(r)) {
		int64_t at = g_rand_int_range(r, 0, (int)want->n_batches);
		StoreFault f = batch_faults[g_rand_int_range(r, 0, G_N_ELEMENTS(batch_faults))];
		*(second ? &w->batch_at2 : &w->batch_at) = at;
		*(second ? &w->batch_fault2 : &w->batch_fault) = f;
	} else {
		int64_t at = g_rand_int_range(r, 0, (int)want->n_requests + 10);
		HttpFault f = request_faults[g_rand_int_range(r, 0, G_N_ELEMENTS(request_faults))];
		*(second ? &w->request_at2 : &w->request_at) = at;
		*(second ? &w->request_fault2 : &w->request_fault) = f;
	}
}

static void test_random_pairs(void)
{
	Outcome want[2] = { undisturbed(false), undisturbed(true) };
	g_autoptr(GRand) r = g_rand_new_with_seed(4711);
	int n = g_test_slow() ? 30000 : 400;
	for (int i = 0; i < n; i++) {
		bool bad = i & 1;
		World *w = world_new(1, bad);
		random_fault(w, r, &want[bad], false);
		random_fault(w, r, &want[bad], true);
		Outcome o = run(w);
		judge(&o, &want[bad], "pair", i, 0);
		outcome_clear(&o);
		world_free(w);
	}
	outcome_clear(&want[0]);
	outcome_clear(&want[1]);
}

/* Aborted at every tenth of a second, with a fault at a random request besides: no mark stays, and
 * the version is one of the two that were ever wished, with nothing landing afterwards. */
static void test_abort(void)
{
	Outcome want = undisturbed(false);
	g_autoptr(GRand) r = g_rand_new_with_seed(99);
	for (int64_t at = 1000000; at < 60000000; at += g_test_slow() ? 100000 : 250000) {
		World *w = world_new(1, false);
		w->abort_usec = at;
		random_fault(w, r, &want, false);
		Outcome o = run(w);
		if (!strstr(o.state, "claim none") || strstr(o.state, "cordoned"))
			g_test_message(
				"abort at %" G_GINT64_FORMAT ": %s, %s", at, o.state, o.changes);
		g_assert_nonnull(strstr(o.state, "claim none"));
		g_assert_null(strstr(o.state, "cordoned"));
		/* The claim is given back last: nothing of ours lands after it, save an eviction
		 * that was long on its way. */
		const char *release = g_strrstr(o.changes, "/cv.claim=null ");
		if (*o.changes) {
			g_assert_nonnull(release);
			g_assert_null(strstr(release, ".unschedulable"));
			g_assert_null(strstr(release, ".desired"));
		}
		outcome_clear(&o);
		world_free(w);
	}
	outcome_clear(&want);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/crash/undisturbed", test_undisturbed);
	g_test_add_func("/crash/matrix-up", test_matrix_up);
	g_test_add_func("/crash/matrix-rollback", test_matrix_rollback);
	g_test_add_func("/crash/random-pairs", test_random_pairs);
	g_test_add_func("/crash/abort", test_abort);
	return g_test_run();
}
