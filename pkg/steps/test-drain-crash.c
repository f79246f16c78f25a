/* A drain of one node under crashes: run once undisturbed, then with a fault at every batch and at
 * every request, in random pairs, and aborted at many instants. The server's store is the witness:
 * every mark gone, every pod ready again, no pod asked to leave but those of the node, each UID
 * gone once. */
#include "steps/test-drain-upgrade.h"

enum { N_PODS = 4 };

static const StoreFault batch_faults[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
	STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
static const HttpFault request_faults[] = { HTTP_FAULT_NOT_SENT, HTTP_FAULT_LOST,
	HTTP_FAULT_ANSWER_LOST, HTTP_FAULT_LATE, HTTP_FAULT_LATE_PAST_TIMEOUT,
	HTTP_FAULT_500_APPLIED, HTTP_FAULT_500, HTTP_FAULT_CRASH_BEFORE_SEND,
	HTTP_FAULT_CRASH_AFTER_SEND, HTTP_FAULT_CRASH_AFTER_ANSWER };

typedef enum { SCENE_ONE, SCENE_TWO, SCENE_ASSIST } Scene;

typedef struct Plan {
	Scene scene;
	int64_t batch_at, request_at, abort_usec;
	StoreFault batch_fault;
	HttpFault request_fault;
	bool taint, foreign; /* foreign: somebody cordoned the node before */
} Plan;
#define NO_FAULT ((Plan){ .batch_at = -1, .request_at = -1 })

typedef struct Outcome {
	uint64_t n_batches, n_requests;
	int64_t usec;
} Outcome;

static bool all_is_well(World *w)
{
	return ended(w) && pods_ready(w) == N_PODS;
}

static void do_abort(Batch *b, void *ud)
{
	World *w = ud;
	Item *c = cluster_item(w);
	if (c && item_state(c) != C_UNDO && !item_ended(c))
		batch_move(b, c, C_UNDO, "aborted");
}

static void abort_now(void *ud)
{
	World *w = ud;
	if (w->ctl && cluster_item(w))
		saga_submit(w->ctl->saga, do_abort, NULL, w);
	else
		loop_timer(w->loop, now_of(w) + 1000, abort_now, w);
}

/* UIDs of the app's pods, with the node they are on. */
static json_t *pods_now(const World *w)
{
	json_t *out = json_object();
	for (size_t i = 0; i < sim_store_n(objects(w), SIM_PODS); i++) {
		const SimObj *p = sim_store_at(objects(w), SIM_PODS, i);
		if (is_app(p))
			json_object_set_new(out, tree_str(p->json, "metadata.uid"),
				json_string(p->pod.node ? p->pod.node : ""));
	}
	return out;
}

/* A newcomer may be asked to leave only where it can come to a node that is drained later. */
static void judge_posts(const World *w, Scene scene, const json_t *before)
{
	const char *uid;
	json_t *n;
	json_object_foreach (w->posts, uid, n) {
		if (scene == SCENE_ONE)
			g_assert_cmpstr(json_path_str(before, uid, "a newcomer"), ==, FIRST);
		g_assert_cmpint(json_integer_value(n), <=, 3);
	}
	g_assert_cmpuint(w->n_wrong, ==, 0);
	g_assert_false(w->broken);
}

static void judge_marks(const World *w, bool foreign)
{
	const json_t *n = node_json(w, FIRST);
	const json_t *cv = sim_store_find(objects(w), SIM_CLUSTERVERSIONS, NULL, "version")->json;
	g_assert_cmpint(tree_true(n, "spec.unschedulable"), ==, foreign);
	g_assert_null(tree_annotation(n, "shiplock.dev/drain"));
	g_assert_cmpuint(json_array_size(tree_get(n, "spec.taints")), ==, 0);
	g_assert_null(tree_annotation(cv, CLAIM_ANNOTATION));
}

static void tell(World *w, const Plan *p)
{
	g_test_message("batch %" G_GINT64_FORMAT " fault %d, request %" G_GINT64_FORMAT
		       " fault %d, abort %" G_GINT64_FORMAT ", %zu ready",
		p->batch_at, (int)p->batch_fault, p->request_at, (int)p->request_fault,
		p->abort_usec, pods_ready(w));
	explain(w);
}

static bool pool_and_all(World *w)
{
	return pool_is_done(w) && all_is_well(w);
}

static World *staged(const Plan *p)
{
	SimSpec spec = packed(N_PODS, 1);
	spec.world.pack = p->scene != SCENE_TWO;
	World *w = world_new(&spec);
	if (p->scene == SCENE_ASSIST)
		release(w);
	if (p->foreign)
		patch_node(w, FIRST, "kubectl", json_pack("{s:{s:b}}", "spec", "unschedulable", 1));
	w->batch_at = p->batch_at;
	w->batch_fault = p->batch_fault;
	w->request_at = p->request_at;
	w->request_fault = p->request_fault;
	return w;
}

static void judge(World *w, const Plan *p, const Outcome *o, const json_t *before)
{
	if (pods_ready(w) != N_PODS)
		tell(w, p);
	g_assert_cmpuint(pods_ready(w), ==, N_PODS);
	if (!p->abort_usec && p->scene == SCENE_ONE)
		g_assert_cmpuint(pods_on(w, FIRST), ==, 0);
	judge_marks(w, p->foreign);
	judge_posts(w, p->scene, before);
	if (p->batch_fault && p->batch_at < (int64_t)o->n_batches)
		g_assert_cmpuint(w->n_starts, >=, 2);
}

static Outcome run(const Plan *p)
{
	g_autoptr(World) w = staged(p);
	g_autoptr(json_t) before = pods_now(w);
	Ask ask = { .mode = p->scene == SCENE_ASSIST ? C_ASSIST : C_OWN,
		.nodes = { FIRST, p->scene == SCENE_TWO ? SECOND : NULL },
		.at_once = true,
		.hold_sec = 1,
		.taint = p->taint };
	int64_t start = now_of(w);
	world_begin(w, &ask);
	if (p->abort_usec)
		loop_timer(w->loop, now_of(w) + p->abort_usec, abort_now, w);
	bool ok = p->scene == SCENE_ASSIST ? wait_until(w, pool_and_all, 7200 * SEC)
					   : wait_until(w, all_is_well, 900 * SEC);
	Outcome o = { store_mem_batches(w->disk), requests_of(w), now_of(w) - start };
	/* Whatever was on its way lands now, and changes nothing of the end. */
	pass(w, 90 * SEC);
	if (!ok)
		tell(w, p);
	g_assert_true(ok);
	judge(w, p, &o, before);
	return o;
}

static void test_undisturbed(void)
{
	Outcome o = run(&NO_FAULT);
	g_test_message("%" G_GUINT64_FORMAT " batches, %" G_GUINT64_FORMAT " requests", o.n_batches,
		o.n_requests);
	g_assert_cmpuint(o.n_requests, <=, 2 * N_PODS + 20);
	g_assert_cmpuint(o.n_batches, >, 3 * N_PODS);
}

static void test_batches(void)
{
	Outcome want = run(&NO_FAULT);
	for (uint64_t at = 0; at < want.n_batches; at++)
		for (size_t f = 0; f < G_N_ELEMENTS(batch_faults); f++) {
			Plan p = NO_FAULT;
			p.batch_at = (int64_t)at;
			p.batch_fault = batch_faults[f];
			p.taint = f % 2;
			p.foreign = at % 2;
			run(&p);
		}
}

static void test_requests(void)
{
	Outcome want = run(&NO_FAULT);
	for (uint64_t at = 0; at < want.n_requests; at++)
		for (size_t f = 0; f < G_N_ELEMENTS(request_faults); f++) {
			Plan p = NO_FAULT;
			p.request_at = (int64_t)at;
			p.request_fault = request_faults[f];
			p.taint = f % 2;
			p.foreign = at % 2;
			run(&p);
		}
}

/* Every step-th point; step after step another kind of fault. */
static void some_points(Scene scene, unsigned step)
{
	Plan none = NO_FAULT;
	none.scene = scene;
	Outcome want = run(&none);
	unsigned k = 0;
	for (uint64_t at = 0; at < want.n_batches; at += step) {
		Plan p = none;
		p.batch_at = (int64_t)at;
		p.batch_fault = batch_faults[k++ % G_N_ELEMENTS(batch_faults)];
		run(&p);
	}
	for (uint64_t at = 0; at < want.n_requests; at += step) {
		Plan p = none;
		p.request_at = (int64_t)at;
		p.request_fault = request_faults[k++ % G_N_ELEMENTS(request_faults)];
		run(&p);
	}
}

static void test_two(void)
{
	some_points(SCENE_TWO, 1);
}

static void test_assist(void)
{
	some_points(SCENE_ASSIST, g_test_slow() ? 1 : 11);
}

static void random_faults(Plan *p, GRand *r, const Outcome *want)
{
	p->batch_at = g_rand_int_range(r, 0, (int)want->n_batches);
	p->batch_fault = batch_faults[g_rand_int_range(r, 0, G_N_ELEMENTS(batch_faults))];
	p->request_at = g_rand_int_range(r, 0, (int)want->n_requests + 5);
	p->request_fault = request_faults[g_rand_int_range(r, 0, G_N_ELEMENTS(request_faults))];
}

static void test_pairs(void)
{
	Outcome want = run(&NO_FAULT);
	g_autoptr(GRand) r = g_rand_new_with_seed(4711);
	for (int i = 0; i < (g_test_slow() ? 10000 : 60); i++) {
		Plan p = NO_FAULT;
		random_faults(&p, r, &want);
		p.taint = i % 2;
		p.foreign = i % 3 == 0;
		run(&p);
	}
}

/* Put back at every instant, with a fault besides. */
static void test_abort(void)
{
	Outcome want = run(&NO_FAULT);
	g_autoptr(GRand) r = g_rand_new_with_seed(99);
	int64_t step = g_test_slow() ? SEC / 20 : SEC / 2;
	for (int64_t at = 1000; at < want.usec; at += step) {
		Plan p = NO_FAULT;
		random_faults(&p, r, &want);
		p.abort_usec = at;
		run(&p);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-crash/undisturbed", test_undisturbed);
	g_test_add_func("/drain-crash/batches", test_batches);
	g_test_add_func("/drain-crash/requests", test_requests);
	g_test_add_func("/drain-crash/two-nodes", test_two);
	g_test_add_func("/drain-crash/assist", test_assist);
	g_test_add_func("/drain-crash/pairs", test_pairs);
	g_test_add_func("/drain-crash/abort", test_abort);
	return g_test_run();
}
