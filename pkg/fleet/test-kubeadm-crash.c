/* Crashes on the way back of kubeadm, with a worker that has moved: at every record, at every
 * request to the API server and at every word to a node. Each run must end as the undisturbed one,
 * with the same commands in the same order. By default a sample; `-m slow`: all. */
#include "fleet/test-kubeadm-judge.h"

enum { CRASH_RESTART_USEC = 2000000, SAMPLE = 9, POINTS_MAX = 5000 };

typedef enum { AT_RECORD, AT_REQUEST, AT_WORD } Where;

typedef struct Trial {
	FakeNodes *f;
	Where where;
	int fault; /* StoreFault, HttpFault or NodeWireFault */
	uint64_t at, n[3]; /* the at-th of its kind since the order */
	bool counts; /* the order is durable */
	unsigned n_crashes;
} Trial;

static bool is_due(Trial *t, Where where)
{
	return t->counts && t->n[where]++ == t->at && t->where == where;
}

static StoreFault record_fault(uint64_t n, void *ud)
{
	Trial *t = ud;
	return is_due(t, AT_RECORD) ? (StoreFault)t->fault : STORE_FAULT_NONE;
}

static HttpFault request_fault(uint64_t n, const HttpRequest *q, void *ud)
{
	Trial *t = ud;
	return is_due(t, AT_REQUEST) ? (HttpFault)t->fault : HTTP_FAULT_NONE;
}

static NodeWireFault word_fault(uint64_t n, void *ud)
{
	Trial *t = ud;
	return is_due(t, AT_WORD) ? (NodeWireFault)t->fault : NODE_FAULT_NONE_YET;
}

static void restart(void *ud)
{
	rig_start(((Trial *)ud)->f->r);
}

static void crash(void *ud)
{
	Trial *t = ud;
	t->n_crashes++;
	rig_crash(t->f->r);
	loop_timer(t->f->world, loop_boot_usec(t->f->world) + CRASH_RESTART_USEC, restart, t);
}

static bool trial_over(void *ud)
{
	const Rig *r = ((Trial *)ud)->f->r;
	return r->fleet && fleet_n_runs(r->fleet) > 0 &&
	       run_exit_code(fleet_nth_run(r->fleet, 0), false) != -1;
}

#define WORKERS_LOG                                                                                \
	UP_LOG_1 "up-kubelet on k-worker-0 -> 1.36.3\n"                                            \
		 "down-kubelet on k-worker-0 -> 1.35.4\n" DOWN_LOG_1

/* A worker has moved, and somebody orders the way back. True: the fault came to pass. */
static bool try_at(Where where, int fault, uint64_t at)
{
	g_autoptr(FakeNodes) f = nodes_new(1, 2);
	Trial t = { .f = f, .where = where, .fault = fault, .at = at };
	f->fault = word_fault;
	f->crash = crash;
	f->ud = &t;
	http_sim_set_faults(sim_fleet_transport(f->r->world), request_fault, crash, &t);
	store_mem_set_faults(f->r->disk, record_fault, crash, &t);
	rig_start(f->r);
	story_submit(f->r, DOCUMENTS);
	worker_0_moved(f);
	g_assert_true(story_command(f->r, "rollback", "k"));
	t.counts = true;
	g_test_message("%d: fault %d at %d", (int)where, fault, (int)at);
	if (!loop_sim_run(f->r->loop, trial_over, &t,
		    loop_boot_usec(f->world) + INT64_C(24) * 3600 * RIG_SEC))
		g_error("never at rest:\n%s\n%s", f->log->str, f->r->story->str);
	judge_end(f, "RolledBack", "1.35.4/1.35.4 1.35.4 1.35.4");
	g_assert_cmpstr(f->log->str, ==, WORKERS_LOG);
	return t.n[where] > at;
}

static void try_all(Where where, const int *faults, size_t n)
{
	uint64_t step = g_test_slow() ? 1 : SAMPLE;
	for (size_t i = 0; i < n; i++) {
		uint64_t at = g_test_slow() ? 0 : i;
		while (try_at(where, faults[i], at))
			at += step;
		g_test_message("%d: fault %d: %d places", (int)where, faults[i], (int)at);
		g_assert_cmpuint(at, >, 20); /* it was no empty way */
		g_assert_cmpuint(at, <, POINTS_MAX);
	}
}

static void test_records(void)
{
	static const int faults[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_UNACKNOWLEDGED,
		STORE_FAULT_CRASH_AFTER };
	try_all(AT_RECORD, faults, G_N_ELEMENTS(faults));
}

static void test_requests(void)
{
	static const int faults[] = { HTTP_FAULT_CRASH_BEFORE_SEND, HTTP_FAULT_CRASH_AFTER_SEND,
		HTTP_FAULT_CRASH_AFTER_ANSWER };
	try_all(AT_REQUEST, faults, G_N_ELEMENTS(faults));
}

static void test_words(void)
{
	static const int faults[] = { NODE_NOT_SENT, NODE_CUT, NODE_CRASH_AFTER };
	try_all(AT_WORD, faults, G_N_ELEMENTS(faults));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-crash/records", test_records);
	g_test_add_func("/kubeadm-crash/requests", test_requests);
	g_test_add_func("/kubeadm-crash/words", test_words);
	return g_test_run();
}
