/* Nobody starts while another controller of the same fleet holds a cluster, wherever in the
 * inventory that is. */
#include "fleet/test-takeover.h"

#define THREE(waves) FAST CLUSTER("a") CLUSTER("b") CLUSTER("c") UP(waves, "")
#define CAUSE "held-elsewhere"

/* The first controller has cluster a in cp-soak; it is killed, or only stops for now. The second
 * has a journal of its own. */
typedef struct Pair {
	Rig *a, *b;
} Pair;

static Pair pair_begin(const char *fleet_of_first)
{
	Pair p = { .a = rig_new(7) };
	for (const char *name = "a\0b\0c\0"; *name; name += 2)
		rig_cluster(p.a, name, 0);
	rig_name(p.a, fleet_of_first);
	rig_start(p.a);
	story_submit(p.a, ONLY_A);
	story_reach(p.a, "a", "cp-soak", NULL);
	rig_crash(p.a);
	p.b = second_new(p.a, "second", NULL);
	return p;
}

static void pair_end(Pair *p)
{
	second_free(p->b);
	rig_free(p->a);
}

static const char *held(Rig *r, const char *cluster)
{
	const Hold *h = item_find_hold(item_parent(story_item(r, cluster)), CAUSE);
	return h ? h->reason : NULL;
}

static void expect_held(Rig *r, const char *cluster)
{
	const char *text = held(r, cluster);
	g_assert_nonnull(text);
	g_assert_nonnull(strstr(text, "waits, as nobody starts while another controller"));
	g_assert_nonnull(strstr(text, "a carries a claim (fleet test, held by first, run up#1"));
	g_assert_nonnull(strstr(text, "shiplock takeover a"));
	g_assert_cmpstr(story_state(r, cluster), ==, "pending");
	g_assert_null(outside_claim(r, cluster));
}

/* In Git or by hand: a cluster that the plan does not take, or takes later. */
static void test_held(void)
{
	static const struct {
		bool by_git;
		const char *yaml;
		bool in_plan;
	} cases[] = {
		{ true, THREE(WAVE("[b]")), false },
		{ true, THREE(WAVE("[b, a]")), true },
		{ false, THREE(WAVE("[b, a]")), true },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("case %zu", i);
		Pair p = pair_begin("first");
		rig_start(p.b);
		if (cases[i].by_git)
			story_git(p.b, "fleet", "c0ffee", cases[i].yaml);
		else
			story_submit(p.b, cases[i].yaml);
		faults_pass(p.b, 30);
		expect_held(p.b, "b");
		faults_pass(p.b, 6 * 3600);
		expect_held(p.b, "b");
		g_autoptr(json_t) s = fleet_status(p.b->fleet);
		g_autofree char *needs = json_canonical(json_object_get(s, "needsYou"));
		g_assert_nonnull(strstr(needs, "shiplock takeover a"));
		g_assert_cmpstr(json_path_str(s, "waits.0.who", ""), ==, "b");
		g_assert_cmpstr(json_path_str(s, "waits.0.for", ""), ==, "another controller");
		rig_crash(p.b); /* not forgotten with the process */
		rig_start(p.b);
		if (cases[i].by_git)
			story_git(p.b, "fleet", "c0ffee", cases[i].yaml);
		faults_pass(p.b, 120);
		expect_held(p.b, "b");
		pair_end(&p);
	}
}

/* The way out: the cluster is taken over, though a run of ours waits to come to it. */
static void test_taken_over(void)
{
	Pair p = pair_begin("first");
	rig_start(p.b);
	story_git(p.b, "fleet", "c0ffee", THREE(WAVE("[b, a]")));
	faults_pass(p.b, 30);
	expect_held(p.b, "b");
	faults_command(p.b, "takeover", "a");
	story_reach(p.b, "a", "takeover", "takeover");
	faults_command(p.b, "resume", "a");
	faults_ends(p.b, "a", "Succeeded");
	faults_ends(p.b, "b", "Succeeded");
	g_assert_null(held(p.b, "b"));
	g_assert_cmpstr(outside_version(p.b, "b"), ==, NEW);
	pair_end(&p);
}

/* The other one comes back and ends what it began: seen within a minute or two. */
static void test_given_back(void)
{
	Pair p = pair_begin("first");
	rig_start(p.b);
	story_git(p.b, "fleet", "c0ffee", THREE(WAVE("[b]")));
	faults_pass(p.b, 600);
	expect_held(p.b, "b");
	size_t before = store_mem_len(p.b->disk);
	faults_pass(p.b, 3600);
	g_assert_cmpuint(store_mem_len(p.b->disk) - before, <, 200); /* one hold, not many */
	rig_start(p.a);
	faults_ends(p.a, "a", "Succeeded");
	int64_t ended = loop_boot_usec(loop_sim_loop(p.a->loop));
	story_reach(p.b, "b", "preflight", NULL);
	g_assert_cmpint(loop_boot_usec(loop_sim_loop(p.a->loop)) - ended, <, 120 * RIG_SEC);
	faults_ends(p.b, "b", "Succeeded");
	pair_end(&p);
}

static void be_another_fleet(FleetOptions *o, void *ud)
{
	o->name = "another";
	o->holder = "first";
}

/* Another fleet is none of our business, nor is a cluster that nobody reaches. */
static void test_not_held(void)
{
	g_autoptr(Rig) first = rig_new(7);
	rig_cluster(first, "a", 0);
	rig_cluster(first, "b", 0);
	first->tune = be_another_fleet;
	rig_start(first);
	story_submit(first, ONLY_A);
	story_reach(first, "a", "cp-soak", NULL);
	rig_crash(first);
	Rig *b = second_new(first, "second", NULL);
	rig_start(b);
	story_git(b, "fleet", "c0ffee", THREE(WAVE("[b]"))); /* there is no c */
	faults_ends(b, "b", "Succeeded");
	g_assert_nonnull(outside_claim(b, "a"));
	second_free(b);
}

/* All but b are one address where nobody is. */
static Creds *only_b(void *ud, const json_t *cluster, GError **err)
{
	Rig *r = ud;
	const char *name = json_path_str(cluster, "metadata.name", "");
	return creds_static(loop_sim_proc_loop(r->proc),
		rig_endpoint(r, "api", strcmp(name, "b") == 0 ? "b" : "nowhere"));
}
static const HttpEndpoint *of_b(void *ud, const json_t *cluster, const json_t *source, GError **err)
{
	return rig_endpoint(ud, "thanos", "b");
}
static void be_unreachable(FleetOptions *o, void *ud)
{
	o->connect.creds = only_b;
	o->connect.telemetry = of_b;
}

/* Forty clusters that nobody reaches, more than are asked at a time: b starts all the same. */
static void test_many(void)
{
	g_autoptr(GString) yaml = g_string_new(FAST CLUSTER("b") UP(WAVE("[b]"), ""));
	for (int i = 0; i < 40; i++)
		g_string_append_printf(yaml,
			HEAD("Cluster",
				"x%d") "spec:\n  provider: openshift\n  access: {kubeconfig: "
				       "{file: /nowhere}}\n  telemetry: [{name: local, url: "
				       "'https://thanos.x.sim'}]\n",
			i);
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "b", 0);
	r->tune = be_unreachable;
	r->tune_ud = r;
	rig_start(r);
	story_git(r, "fleet", "c0ffee", yaml->str);
	story_reach(r, "b", "preflight", NULL);
	faults_ends(r, "b", "Succeeded");
}

/* Our own work is no other's: two at a time, and each start looks at the rest. */
static void test_ourselves(void)
{
	g_autoptr(Rig) r = rig_new(7);
	for (const char *name = "a\0b\0c\0"; *name; name += 2)
		rig_cluster(r, name, 0);
	rig_name(r, "first");
	rig_start(r);
	story_git(r, "fleet", "c0ffee",
		THREE("[{name: one, clusters: {names: [a, b, c]}, maxConcurrent: 2, " SOAKS "}]"));
	story_reach(r, "b", "cp-soak", NULL);
	g_assert_cmpuint(faults_in_work(r, NULL), ==, 2);
	rig_crash(r);
	rig_start(r);
	story_git(r, "fleet", "c0ffee",
		THREE("[{name: one, clusters: {names: [a, b, c]}, maxConcurrent: 2, " SOAKS "}]"));
	faults_ends(r, "c", "Succeeded");
	g_assert_null(strstr(r->story->str, "another controller"));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/fleet/holders/held", test_held);
	g_test_add_func("/fleet/holders/taken-over", test_taken_over);
	g_test_add_func("/fleet/holders/given-back", test_given_back);
	g_test_add_func("/fleet/holders/not-held", test_not_held);
	g_test_add_func("/fleet/holders/many", test_many);
	g_test_add_func("/fleet/holders/ourselves", test_ourselves);
	return g_test_run();
}
