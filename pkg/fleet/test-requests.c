/* What an upgrade costs the servers: nothing is asked twice where one answer serves. */
#include "fleet/test-faults.h"

#define GATES_TOGETHER                                                                             \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-soak, soak], invariant: clusterOperators}\n"            \
	"    - {name: alive, when: [cp-soak, soak], invariant: telemetryAlive}\n"                  \
	"    - {name: errors, when: [cp-soak, soak], " ERRORS "}\n" CLUSTER("a")                   \
		UP(WAVE("[a]"), "")

typedef struct Count {
	unsigned n_values, n_fresh, n_operators;
} Count;

static HttpFault count(uint64_t n, const HttpRequest *q, void *ud)
{
	Count *c = ud;
	bool query = strstr(q->path, "/api/v1/query") && strstr(q->path, "haproxy");
	c->n_fresh += query && strstr(q->path, "timestamp");
	c->n_values += query && !strstr(q->path, "timestamp");
	c->n_operators += strstr(q->path, "clusteroperators") != NULL;
	return HTTP_FAULT_NONE;
}

static unsigned n_looks(const Rig *r, const char *gate)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(r->disk); i++) {
		const Record *record = store_mem_get(r->disk, i);
		if (strcmp(record->kind, "look") != 0)
			continue;
		g_autoptr(json_t) body = json_loads(record->body, 0, NULL);
		n += strcmp(json_path_str(body, "gate", ""), gate) == 0;
	}
	return n;
}

/* The looks of several gates fall into the same second, and the record of one must not make the
 * reading of another one old. */
static void test_looks(void)
{
	Count c = { 0 };
	g_autoptr(Rig) r = faults_begin("a", GATES_TOGETHER);
	http_sim_set_faults(sim_fleet_transport(r->world), count, NULL, &c);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpuint(n_looks(r, "errors"), >=, 50);
	g_assert_cmpuint(c.n_values, ==, n_looks(r, "errors"));
	g_assert_cmpuint(c.n_fresh, ==, n_looks(r, "errors"));
	http_sim_set_faults(sim_fleet_transport(r->world), NULL, NULL, NULL);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/requests/looks", test_looks);
	return g_test_run();
}
