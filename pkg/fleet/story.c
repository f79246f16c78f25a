#include "fleet/story.h"
#include "fleet/internal.h"
#include "objects/time.h"
#include "sim/cluster.h"
#include "store/store-mem.h"
#include <string.h>

#define STORY_WALL INT64_C(1790000000000000)
enum { STORY_DAYS = 4, RESTART_SEC = 2 };

typedef struct Story {
	LoopSim *loop;
	SimFleet *world;
	StoreMem *disk;
	LoopSimProc *proc;
	Fleet *fleet;
	HttpEndpoint endpoints[2 * STORY_CLUSTERS_MAX];
	char *names[STORY_CLUSTERS_MAX];
	unsigned n_clusters;
	int64_t run;
	uint64_t fault_at[4];
	HttpFault faults[4];
	int64_t crash_usec[3];
	StoryTell *tell;
	void *ud;
	StoryEnd end;
} Story;

static unsigned dice(Story *s, unsigned sides)
{
	return (unsigned)(loop_random(loop_sim_loop(s->loop)) % sides);
}

static void say(Story *s, const char *fmt, ...) SL_PRINTF(2, 3);
static void say(Story *s, const char *fmt, ...)
{
	if (!s->tell)
		return;
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	g_autofree char *at = sl_time_format(loop_wall_usec(loop_sim_loop(s->loop)));
	g_autofree char *line = g_strdup_printf("%s %s", at, text);
	s->tell(line, s->ud);
}

/* ---- the world ---- */

static const HttpEndpoint *endpoint(Story *s, const json_t *cluster, unsigned which)
{
	for (unsigned i = 0; i < s->n_clusters; i++)
		if (strcmp(s->names[i], json_path_str(cluster, "metadata.name", "")) == 0)
			return &s->endpoints[2 * i + which];
	g_assert_not_reached();
}

static Creds *story_creds(void *ud, const json_t *cluster, GError **err)
{
	Story *s = ud;
	return creds_static(loop_sim_proc_loop(s->proc), endpoint(s, cluster, 0));
}

static const HttpEndpoint *story_telemetry(
	void *ud, const json_t *cluster, const json_t *source, GError **err)
{
	return endpoint(ud, cluster, 1);
}

static unsigned draw_fault(Story *s, const char *name)
{
	static const SimFault faults[] = { SIM_FAULT_ERROR_RATE_RISE,
		SIM_FAULT_OPERATOR_NEVER_AVAILABLE, SIM_FAULT_API_503, SIM_FAULT_CVO_RESTART,
		SIM_FAULT_PDB_ZERO };
	if (dice(s, 3) > 0)
		return 0;
	SimFault f = faults[dice(s, G_N_ELEMENTS(faults))];
	say(s, "%s will suffer %s", name, sim_fault_name(f));
	return SIM_FAULT_BIT(f);
}

static void build_world(Story *s)
{
	s->n_clusters = 2 + dice(s, STORY_CLUSTERS_MAX - 1);
	for (unsigned i = 0; i < s->n_clusters; i++) {
		s->names[i] = g_strdup_printf("c%u", i + 1);
		s->endpoints[2 * i].base_url = g_strdup_printf("https://api.%s.sim", s->names[i]);
		s->endpoints[2 * i + 1].base_url =
			g_strdup_printf("https://thanos.%s.sim", s->names[i]);
		SimSpec spec = { .world = { .name = s->names[i],
					 .version = "4.21.8",
					 .previous = "4.21.7",
					 .n_workers = 2 + dice(s, 3),
					 .n_apps = 3 },
			.releases = "4.21.9,4.21.10",
			.faults = draw_fault(s, s->names[i]),
			.scale = 1 };
		sim_fleet_add(s->world, &spec);
	}
}

static HttpFault fault_plan(uint64_t n, const HttpRequest *r, void *ud)
{
	Story *s = ud;
	for (size_t i = 0; i < G_N_ELEMENTS(s->fault_at); i++)
		if (s->fault_at[i] == n) {
			say(s, "%s %s meets fault %d on its way", r->method, r->path, s->faults[i]);
			return s->faults[i];
		}
	return HTTP_FAULT_NONE;
}

static void draw_disturbances(Story *s)
{
	static const HttpFault faults[] = { HTTP_FAULT_NOT_SENT, HTTP_FAULT_LOST,
		HTTP_FAULT_ANSWER_LOST, HTTP_FAULT_LATE, HTTP_FAULT_LATE_PAST_TIMEOUT,
		HTTP_FAULT_500_APPLIED, HTTP_FAULT_500 };
	for (size_t i = 0; i < G_N_ELEMENTS(s->fault_at); i++) {
		s->fault_at[i] = dice(s, 3000);
		s->faults[i] = faults[dice(s, G_N_ELEMENTS(faults))];
	}
	for (size_t i = 0; i < G_N_ELEMENTS(s->crash_usec); i++)
		s->crash_usec[i] = (int64_t)dice(s, 6 * 3600) * SL_USEC_PER_SEC;
	http_sim_set_faults(sim_fleet_transport(s->world), fault_plan, NULL, s);
}

/* ---- the plan ---- */

static json_t *document(const char *kind, const char *name, json_t *spec)
{
	return json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion", DOC_API_VERSION, "kind", kind,
		"metadata", "name", name, "spec", spec);
}

static DocSet *documents(Story *s)
{
	json_t *docs = json_array(), *names = json_array();
	for (unsigned i = 0; i < s->n_clusters; i++) {
		json_t *spec = json_pack("{s:s, s:{s:{s:s}}, s:[{s:s}]}", "provider", "openshift",
			"access", "kubeconfig", "file", "/nowhere", "telemetry", "url",
			s->endpoints[2 * i + 1].base_url);
		json_array_append_new(docs, document("Cluster", s->names[i], spec));
		json_array_append_new(names, json_string(s->names[i]));
	}
	s->end.allowed_in_work = 1 + (int)dice(s, 2);
	json_t *wave = json_pack("{s:s, s:{s:o}, s:i, s:s, s:s, s:i}", "name", "all", "clusters",
		"names", names, "maxConcurrent", s->end.allowed_in_work, "cpSoak", "30m", "soak",
		"10m", "failureBudget", (int)dice(s, 3));
	json_t *plan = json_pack("{s:{s:s}, s:[o]}", "target", "version", "4.21.10", "waves", wave);
	json_array_append_new(docs, document("UpgradePlan", "up", plan));
	g_autoptr(json_t) request =
		json_pack("{s:[{s:s, s:s}]}", "files", "name", "story", "text", "");
	json_t *answers = json_array();
	size_t i;
	json_t *d;
	json_array_foreach (docs, i, d)
		json_array_append_new(answers, json_pack("{s:O}", "json", d));
	json_decref(docs);
	g_autoptr(json_t) answer = json_pack(
		"{s:[{s:s, s:o, s:[]}]}", "files", "name", "story", "documents", answers, "errors");
	DocSet *set = docset_new();
	bool added = docset_add_files(set, request, answer, NULL);
	g_assert(added);
	docset_check(set);
	g_assert(docset_ok(set));
	return set;
}

/* ---- the controller ---- */

static void listen(const FleetEvent *e, void *ud)
{
	Story *s = ud;
	static const char *const quiet[] = { "note", "item", "look", "epoch", "result" };
	if (e->replay)
		return;
	s->end.n_records++;
	for (size_t i = 0; i < G_N_ELEMENTS(quiet); i++)
		if (strcmp(e->record->kind, quiet[i]) == 0)
			return;
	say(s, "%s%s%s", e->cluster, *e->cluster ? " " : "", e->text);
}

static void start(Story *s)
{
	s->proc = loop_sim_proc_new(s->loop);
	FleetOptions o = { .loop = loop_sim_proc_loop(s->proc),
		.http = http_sim_http(sim_fleet_transport(s->world)),
		.store = store_mem_store(s->disk),
		.connect = { story_creds, story_telemetry, s },
		.name = "story",
		.listener = listen,
		.listener_ud = s };
	s->fleet = fleet_new(&o);
	bool ok = fleet_start(s->fleet, NULL);
	g_assert(ok);
}

static void stop(Story *s)
{
	fleet_free(g_steal_pointer(&s->fleet));
	loop_sim_proc_free(g_steal_pointer(&s->proc));
	http_sim_crash(sim_fleet_transport(s->world));
	store_mem_crash(s->disk);
}

static void on_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	((Story *)ud)->run = run;
}

static void count_in_work(Story *s)
{
	int n = 0;
	for (unsigned i = 0; i < s->n_clusters; i++) {
		const Item *c = fleet_newest_of(s->fleet, s->names[i]);
		n += c && cluster_past_preflight(c);
	}
	s->end.most_in_work = MAX(s->end.most_in_work, n);
}

static void maybe_crash(Story *s)
{
	int64_t now = loop_boot_usec(loop_sim_loop(s->loop));
	for (size_t i = 0; i < G_N_ELEMENTS(s->crash_usec); i++) {
		if (s->crash_usec[i] == 0 || now < s->crash_usec[i])
			continue;
		s->crash_usec[i] = 0;
		say(s, "the controller dies and is started again");
		s->end.n_crashes++;
		stop(s);
		start(s);
	}
}

static void judge(Story *s)
{
	if (s->end.most_in_work > s->end.allowed_in_work)
		s->end.broken =
			g_strdup_printf("%d clusters were in work at once, at most %d may be",
				s->end.most_in_work, s->end.allowed_in_work);
	for (unsigned i = 0; i < s->n_clusters && !s->end.broken; i++) {
		const Item *c = fleet_newest_of(s->fleet, s->names[i]);
		const SimObj *cv =
			sim_store_at(sim_cluster_store(sim_fleet_find(s->world, s->names[i])),
				SIM_CLUSTERVERSIONS, 0);
		const char *version = json_path_str(cv->json, "status.history.0.version", "");
		const char *outcome =
			c && item_ended(c) && cluster_outcome(c) ? cluster_outcome(c) : "";
		say(s, "%s is at %s%s%s", s->names[i], version, *outcome ? ", " : "", outcome);
		bool up = strcmp(outcome, "Succeeded") == 0,
		     back = strcmp(outcome, "RolledBack") == 0;
		if ((up && strcmp(version, "4.21.10") != 0) ||
			(back && strcmp(version, "4.21.8") != 0))
			s->end.broken =
				g_strdup_printf("%s ended %s at %s", s->names[i], outcome, version);
	}
	if (!s->end.broken && s->end.exit_code < 0)
		s->end.broken = g_strdup("the run never came to rest");
}

static void story_clear(Story *s)
{
	stop(s);
	sim_fleet_free(s->world);
	store_mem_free(s->disk);
	loop_sim_free(s->loop);
	for (unsigned i = 0; i < s->n_clusters; i++) {
		g_free(s->names[i]);
		g_free(s->endpoints[2 * i].base_url);
		g_free(s->endpoints[2 * i + 1].base_url);
	}
}

StoryEnd story_run(uint64_t seed, StoryTell *tell, void *ud)
{
	Story s = { .loop = loop_sim_new(seed, STORY_WALL), .tell = tell, .ud = ud };
	s.world = sim_fleet_new(s.loop);
	s.disk = store_mem_new(s.loop);
	build_world(&s);
	draw_disturbances(&s);
	start(&s);
	FleetSubmit submit = { .set = documents(&s), .who = "story", .commit = "" };
	fleet_submit(s.fleet, &submit, on_reply, &s);
	int64_t until = STORY_DAYS * 86400 * SL_USEC_PER_SEC;
	s.end.exit_code = -1;
	while (s.end.exit_code < 0 && loop_boot_usec(loop_sim_loop(s.loop)) < until &&
		loop_sim_step(s.loop)) {
		count_in_work(&s);
		maybe_crash(&s);
		if (s.run)
			s.end.exit_code = fleet_exit_code(s.fleet, s.run, false);
	}
	judge(&s);
	story_clear(&s);
	return s.end;
}
