/* The report's minutes of disruption against what the simulated cluster itself went through: an
 * observer looks at its pods after every event, knows nothing of gaps, and integrates over time how
 * many of an owner's pods that ever served are missing. */
#include "fleet/test-spy.h"

enum { OWNERS_MAX = 16, PODS_MAX = 400, NS_MAX = 4 };

typedef struct Seen {
	char uid[64], owner[64], ns[64];
	bool served, there;
} Seen;

typedef struct Owned {
	char owner[64], ns[64];
	int wanted; /* served when the nodes began */
	int64_t missing_usec; /* pods times time */
	int n_gone;
} Owned;

typedef struct Observer {
	Rig *r;
	const char *cluster, *from, *until; /* the states that begin and end it */
	Seen pods[PODS_MAX];
	size_t n_pods;
	Owned owners[OWNERS_MAX];
	size_t n_owners;
	int64_t last_usec;
	bool began, over;
} Observer;

static Seen *seen_of(Observer *o, const SimObj *obj)
{
	const char *uid = json_path_str(obj->json, "metadata.uid", "");
	for (size_t i = 0; i < o->n_pods; i++)
		if (strcmp(o->pods[i].uid, uid) == 0)
			return &o->pods[i];
	g_assert_cmpuint(o->n_pods, <, PODS_MAX);
	Seen *s = &o->pods[o->n_pods++];
	g_strlcpy(s->uid, uid, sizeof s->uid);
	g_strlcpy(s->owner, obj->pod.owner, sizeof s->owner);
	g_strlcpy(s->ns, obj->ns, sizeof s->ns);
	return s;
}

static Owned *owner_of(Observer *o, const Seen *s)
{
	for (size_t i = 0; i < o->n_owners; i++)
		if (strcmp(o->owners[i].owner, s->owner) == 0)
			return &o->owners[i];
	g_assert_cmpuint(o->n_owners, <, OWNERS_MAX);
	Owned *owned = &o->owners[o->n_owners++];
	*owned = (Owned){ 0 };
	g_strlcpy(owned->owner, s->owner, sizeof owned->owner);
	g_strlcpy(owned->ns, s->ns, sizeof owned->ns);
	return owned;
}

static int serving(const Observer *o, const Owned *owned)
{
	int n = 0;
	for (size_t i = 0; i < o->n_pods; i++)
		n += o->pods[i].there && o->pods[i].served &&
		     strcmp(o->pods[i].owner, owned->owner) == 0;
	return n;
}

/* The time that passed belongs to what stood before it. */
static void integrate(Observer *o, int64_t now)
{
	for (size_t i = 0; o->began && i < o->n_owners; i++) {
		Owned *owned = &o->owners[i];
		int missing = owned->wanted - serving(o, owned);
		if (missing > 0)
			owned->missing_usec += missing * (now - o->last_usec);
	}
	o->last_usec = now;
}

static void look_at_pods(Observer *o)
{
	SimStore *store = sim_cluster_store(sim_fleet_find(o->r->world, o->cluster));
	bool before[PODS_MAX];
	for (size_t i = 0; i < o->n_pods; i++) {
		before[i] = o->pods[i].there;
		o->pods[i].there = false;
	}
	size_t n_before = o->n_pods;
	for (size_t i = 0; i < sim_store_n(store, SIM_PODS); i++) {
		const SimObj *obj = sim_store_at(store, SIM_PODS, i);
		if (obj->pod.mirror || !*obj->pod.owner)
			continue;
		Seen *s = seen_of(o, obj);
		s->there = true;
		s->served |= obj->pod.ready;
	}
	for (size_t i = 0; i < n_before; i++)
		if (before[i] && !o->pods[i].there && o->pods[i].served)
			owner_of(o, &o->pods[i])->n_gone++;
}

static void begin_counting(Observer *o)
{
	o->began = true;
	o->n_owners = 0;
	for (size_t i = 0; i < o->n_pods; i++)
		if (o->pods[i].there && o->pods[i].served)
			owner_of(o, &o->pods[i])->wanted++;
}

static bool observe(void *ud)
{
	Observer *o = ud;
	const Item *it = o->r->fleet ? fleet_newest_of(o->r->fleet, o->cluster) : NULL;
	const char *state = it ? item_state_name(it) : "";
	integrate(o, loop_boot_usec(loop_sim_loop(o->r->loop)));
	look_at_pods(o);
	if (!o->began && strcmp(state, o->from) == 0)
		begin_counting(o);
	o->over = o->began && strcmp(state, o->until) == 0;
	return o->over;
}

static void watch_until(Observer *o, bool (*done)(void *ud))
{
	int64_t until = loop_boot_usec(loop_sim_loop(o->r->loop)) + 24 * 3600 * RIG_SEC;
	o->over = false;
	if (!loop_sim_run(o->r->loop, done, o, until))
		g_error("the nodes were not done:\n%s", o->r->story->str);
}

/* Each namespace of the report has the pods and the minutes that the observer has. */
static void compare(Observer *o)
{
	g_autoptr(json_t) run = fleet_report(o->r->fleet, 1);
	const json_t *list = json_path(run, "clusters.0.disruption");
	size_t i, n = 0;
	json_t *d;
	json_array_foreach (list, i, d) {
		const char *ns = json_path_str(d, "namespace", "");
		int64_t usec = 0;
		int gone = 0;
		for (size_t k = 0; k < o->n_owners; k++) {
			if (strcmp(o->owners[k].ns, ns) != 0)
				continue;
			usec += o->owners[k].missing_usec;
			gone += o->owners[k].n_gone;
		}
		double minutes = json_number_value(json_object_get(d, "minutes"));
		g_test_message("%s: %d pods, %.3f minutes; reported %.3f", ns, gone,
			(double)usec / (60.0 * RIG_SEC), minutes);
		g_assert_cmpint(json_path_int(d, "pods", 0), ==, gone);
		/* Two decimals are reported. */
		g_assert_cmpfloat_with_epsilon(minutes, (double)usec / (60.0 * RIG_SEC), 0.0051);
		n += (size_t)gone;
	}
	int all = 0;
	for (size_t k = 0; k < o->n_owners; k++)
		all += o->owners[k].n_gone;
	g_assert_cmpuint(n, ==, all);
	g_assert_cmpuint(n, >=, 6); /* each worker was emptied once */
}

static Rig *world(void)
{
	Rig *r = rig_new(7);
	SimSpec spec = { .world = { .name = "a",
				 .version = OLD,
				 .previous = "4.21.7",
				 .n_workers = 3,
				 .n_apps = 4,
				 .n_replicas = 3 },
		.releases = "4.21.10" };
	sim_fleet_add(r->world, &spec);
	rig_start(r);
	story_submit(r, FAST CLUSTER("a") UP(WAVE("[a]"), ""));
	return r;
}

static void test_nodes(void)
{
	g_autoptr(Rig) r = world();
	Observer o = { .r = r, .cluster = "a", .from = "nodes", .until = "soak" };
	watch_until(&o, observe);
	story_pass(r, 10);
	compare(&o);
}

/* A person orders and the operator drains alone, with no brake on the workers: nobody of ours
 * evicts, and the same is counted. */
static void test_operator_alone(void)
{
	g_autoptr(Rig) r = rig_new(7);
	rig_cluster(r, "a", 0);
	rig_start(r);
	story_submit(
		r, FAST CLUSTER_WITH("a", "  actuator: {type: observe}\n") UP(WAVE("[a]"), ""));
	Observer o = { .r = r, .cluster = "a", .from = "control-plane", .until = "soak" };
	story_reach(r, "a", "control-plane", NULL);
	story_pass(r, 60);
	faults_order_by_hand(r, NEW);
	watch_until(&o, observe);
	story_pass(r, 10);
	g_autoptr(json_t) run = fleet_report(r->fleet, 1);
	g_assert_cmpint(json_path_int(run, "clusters.0.writes.evict", 0), ==, 0);
	compare(&o);
}

static bool observe_open(void *ud)
{
	Observer *o = ud;
	observe(o);
	const Item *it = fleet_newest_of(o->r->fleet, "a");
	return it && json_array_size(json_path(item_memo(it), "disruption.open")) > 0;
}

/* The process dies in a gap that it has noted, and comes back at once. */
static void test_restart(void)
{
	g_autoptr(Rig) r = world();
	Observer o = { .r = r, .cluster = "a", .from = "nodes", .until = "soak" };
	watch_until(&o, observe_open);
	rig_crash(r);
	rig_start(r);
	watch_until(&o, observe);
	story_pass(r, 10);
	compare(&o);
}

/* Down again: the workers are emptied once more, and that counts to the same run. */
static void test_back(void)
{
	g_autoptr(Rig) r = world();
	Observer o = { .r = r, .cluster = "a", .from = "nodes", .until = "soak" };
	watch_until(&o, observe);
	faults_command(r, "rollback", "a");
	o.until = "ended";
	watch_until(&o, observe);
	g_assert_cmpstr(story_outcome(r, "a"), ==, "RolledBack");
	story_pass(r, 10);
	compare(&o);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disrupted/nodes", test_nodes);
	g_test_add_func("/disrupted/operator-alone", test_operator_alone);
	g_test_add_func("/disrupted/restart", test_restart);
	g_test_add_func("/disrupted/back", test_back);
	return g_test_run();
}
