/* sim_upgrades_per_s: whole upgrades of one simulated cluster (3 + 3 nodes, 30 pods, 4 gates, soaks
 * of 15 minutes) that one core simulates in a second. Start: a new world and an empty journal; end:
 * the run ended Succeeded, every byte through the transport seam; size: N upgrades in a row (first
 * argument, 200). Measured in processor time of this process. Target: over 100.
 * Prints one flat JSON object. */
#include "fleet/test-outside.h"
#include <stdio.h>
#include <time.h>

static const char *const documents = HEAD("GatePolicy",
	"four") "spec:\n  gates:\n"
		"    - {name: version, when: [cp-verify, verify], invariant: clusterVersion}\n"
		"    - {name: operators, when: [cp-verify, cp-soak, verify, soak], invariant: "
		"clusterOperators}\n"
		"    - {name: ingress, when: [cp-soak, soak], settle: 2m, count: 5, query: "
		"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "
		"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}}\n"
		"    - {name: alive, when: [cp-soak, soak], invariant: telemetryAlive}\n" CLUSTER(
			"a") PLAN_WITH("up",
			"[{name: one, clusters: {names: [a]}, cpSoak: 15m, soak: 15m}]",
			"  policies: {gates: four}\n");

typedef struct Sum {
	uint64_t requests, batches, events;
	double sec;
} Sum;

static double cpu_sec(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void upgrade(uint64_t seed, Sum *sum)
{
	double start = cpu_sec();
	g_autoptr(Rig) r = rig_new(seed);
	SimSpec spec = { .world = { .name = "a", .version = "4.21.8", .previous = "4.21.7" },
		.releases = "4.21.10",
		.scale = 1 }; /* 3 + 3 nodes and 10 apps of 3 pods by default */
	sim_fleet_add(r->world, &spec);
	rig_start(r);
	story_submit(r, documents);
	g_assert_cmpint(story_rest(r), ==, 0);
	g_assert_cmpstr(outside_version(r, "a"), ==, "4.21.10");
	sum->requests += http_sim_requests(sim_fleet_transport(r->world));
	sum->batches += store_mem_batches(r->disk);
	sum->events += loop_sim_events(r->loop);
	sum->sec += cpu_sec() - start;
}

/* The worker lies beside this program, not where the tests look for it. */
static void find_worker(void)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = self ? g_path_get_dirname(self) : NULL;
	g_autofree char *worker = dir ? g_build_filename(dir, "shiplock-worker", NULL) : NULL;
	if (worker && g_file_test(worker, G_FILE_TEST_IS_EXECUTABLE))
		g_setenv("SHIPLOCK_WORKER", worker, FALSE);
}

int main(int argc, char **argv)
{
	find_worker();
	uint64_t n = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 200;
	Sum sum = { 0 };
	upgrade(0, &sum); /* the worker reads the documents once */
	sum = (Sum){ 0 };
	for (uint64_t seed = 1; seed <= n; seed++)
		upgrade(seed, &sum);
	printf("{\"sim_upgrades_per_s\": %.1f, \"sim_requests_per_upgrade\": %.1f, "
	       "\"sim_batches_per_upgrade\": %.1f, \"sim_events_per_upgrade\": %.1f}\n",
		(double)n / sum.sec, (double)sum.requests / (double)n,
		(double)sum.batches / (double)n, (double)sum.events / (double)n);
	return 0;
}
