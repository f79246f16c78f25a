#include "sim/cluster.h"
#include "base/num.h"
#include "codec/json.h"
#include <string.h>

enum { API_AWAY_SEC = 20, API_AWAY_MIN_USEC = 1000000, API_CYCLE = 3, MAX_CLUSTERS = 1024 };

struct SimCluster {
	char *name;
	Loop loop;
	SimStore *store;
	SimApi *api;
	SimActors *actors;
	SimExporter exporter;
	int64_t second_usec; /* of virtual time */
	uint64_t timer;
	int64_t timer_usec;
	char *kube_version;
	bool outage; /* the fault has taken the API server away */
};

static void tick(void *ud);

SimNow sim_cluster_now(const SimCluster *c)
{
	return (SimNow){ loop_boot_usec(c->loop), loop_wall_usec(c->loop) };
}

static void write_now(const SimWrite *w, void *ud)
{
	SimCluster *c = ud;
	SimAnswer a = sim_write(c->store, w, loop_wall_usec(c->loop));
	sim_answer_clear(&a);
}

static void arm(SimCluster *c, int64_t at_usec)
{
	if (c->timer && c->timer_usec <= at_usec)
		return;
	loop_cancel(c->loop, &c->timer);
	if (at_usec == INT64_MAX)
		return;
	c->timer_usec = at_usec;
	c->timer = loop_timer(c->loop, at_usec, tick, c);
}

/* The fault that takes the API server away for a third of the time, again and again; for a second
 * at least, because clients do not run faster than their clock. */
static int64_t judge_outage(SimCluster *c)
{
	bool on = (sim_actors_faults(c->actors) & SIM_FAULT_BIT(SIM_FAULT_API_503)) &&
		  sim_actors_updating(c->actors);
	int64_t away = MAX(API_AWAY_SEC * c->second_usec, API_AWAY_MIN_USEC);
	int64_t now = loop_boot_usec(c->loop), in = now % (API_CYCLE * away);
	bool out = on && in < away;
	if (out != c->outage) /* else it stays as somebody else has set it */
		sim_api_set_down(c->api, out);
	c->outage = out;
	return on ? now - in + (in < away ? away : API_CYCLE * away) : INT64_MAX;
}

static void follow_version(SimCluster *c)
{
	g_autofree char *v = sim_actors_kube_version(c->actors);
	if (strcmp(v, c->kube_version) == 0)
		return;
	sim_api_set_version(c->api, v);
	g_free(c->kube_version);
	c->kube_version = g_steal_pointer(&v);
}

static void tick(void *ud)
{
	SimCluster *c = ud;
	SimNow now = sim_cluster_now(c);
	c->timer = 0;
	int64_t next = sim_actors_run(c->actors, now, write_now, c);
	follow_version(c);
	next = sl_min(next, judge_outage(c));
	next = sl_min(next, sim_api_tick(c->api, now));
	arm(c, next);
}

SimCluster *sim_cluster_new(const SimSpec *spec, Loop loop, SimSink sink)
{
	SimCluster *c = g_new0(SimCluster, 1);
	unsigned scale = spec->scale ? spec->scale : 1;
	c->name = g_strdup(spec->world.name);
	c->loop = loop;
	c->second_usec = MAX(1000000 / (int64_t)scale, 1);
	c->store = sim_store_new(loop_random(loop));
	sim_world_build(&spec->world, sim_cluster_now(c), write_now, c);
	c->api = sim_api_new(c->store, sink);
	SimConfig config = { .version = spec->world.version,
		.releases = spec->releases,
		.faults = spec->faults,
		.times = spec->times ? *spec->times : sim_times_default(scale) };
	if (spec->drain_scale)
		sim_times_scale_drains(&config.times, spec->drain_scale);
	c->actors = sim_actors_new(c->store, &config);
	c->kube_version = g_strdup("");
	tick(c);
	return c;
}

void sim_cluster_free(SimCluster *c)
{
	if (!c)
		return;
	loop_cancel(c->loop, &c->timer);
	sim_actors_free(c->actors);
	sim_api_free(c->api);
	sim_store_free(c->store);
	g_free(c->kube_version);
	g_free(c->name);
	g_free(c);
}

const char *sim_cluster_name(const SimCluster *c)
{
	return c->name;
}

HttpSimAnswer sim_cluster_request(SimCluster *c, const HttpRequest *r)
{
	judge_outage(c);
	int64_t rv = sim_store_rv(c->store);
	HttpSimAnswer a = sim_api_handle(c->api, r, sim_cluster_now(c));
	if (sim_store_rv(c->store) != rv)
		arm(c, loop_boot_usec(c->loop));
	return a;
}

HttpSimAnswer sim_cluster_watch(SimCluster *c, const HttpRequest *r, uint64_t id)
{
	judge_outage(c);
	SimNow now = sim_cluster_now(c);
	HttpSimAnswer a = sim_api_watch(c->api, r, id, now);
	arm(c, sim_api_tick(c->api, now));
	return a;
}

void sim_cluster_forget(SimCluster *c, uint64_t id)
{
	sim_api_forget(c->api, id);
}

HttpSimAnswer sim_cluster_telemetry(SimCluster *c, const HttpRequest *r)
{
	return sim_prom_handle(c->actors, c->store, r, sim_cluster_now(c));
}

char *sim_cluster_metrics(SimCluster *c)
{
	return sim_exporter_text(&c->exporter, c->actors, c->store, sim_cluster_now(c));
}

void sim_cluster_set_faults(SimCluster *c, unsigned bits)
{
	sim_actors_set_faults(c->actors, bits);
	arm(c, loop_boot_usec(c->loop));
}

SimStore *sim_cluster_store(SimCluster *c)
{
	return c->store;
}

SimApi *sim_cluster_api(SimCluster *c)
{
	return c->api;
}

SimActors *sim_cluster_actors(SimCluster *c)
{
	return c->actors;
}

int sim_cluster_patch(SimCluster *c, SimKindId k, const char *ns, const char *name, SimSub sub,
	const char *manager, json_t *body)
{
	SimWrite w = { .verb = SIM_MERGE,
		.kind = sim_kind(k),
		.ns = (char *)ns,
		.name = (char *)name,
		.sub = sub,
		.manager = (char *)manager,
		.body = body };
	SimAnswer a = sim_write(c->store, &w, loop_wall_usec(c->loop));
	int status = a.status;
	sim_answer_clear(&a);
	json_decref(body);
	arm(c, loop_boot_usec(c->loop));
	return status;
}

struct SimFleet {
	Loop loop;
	HttpSim *http;
	SimCluster *clusters[MAX_CLUSTERS];
	size_t n;
};

static void push_line(void *ud, uint64_t id, const char *line)
{
	http_sim_push(((SimFleet *)ud)->http, id, line);
}

static void push_end(void *ud, uint64_t id)
{
	http_sim_end_watch(((SimFleet *)ud)->http, id);
}

/* The cluster that an endpoint reaches by this prefix; NULL: none. */
static SimCluster *reach(SimFleet *f, const HttpRequest *r, const char *prefix)
{
	const char *url = r->endpoint->base_url;
	if (!url || !g_str_has_prefix(url, prefix))
		return NULL;
	url += strlen(prefix);
	size_t n = strcspn(url, ".");
	for (size_t i = 0; i < f->n; i++)
		if (strlen(f->clusters[i]->name) == n && strncmp(f->clusters[i]->name, url, n) == 0)
			return f->clusters[i];
	return NULL;
}

static HttpSimAnswer fleet_request(const HttpRequest *r, void *ud)
{
	SimCluster *c = reach(ud, r, "https://api.");
	if (c)
		return sim_cluster_request(c, r);
	c = reach(ud, r, "https://thanos.");
	if (c)
		return sim_cluster_telemetry(c, r);
	return (HttpSimAnswer){ 502, g_strdup("no such host\n"), "text/plain", 0 };
}

static HttpSimAnswer fleet_watch(const HttpRequest *r, uint64_t id, void *ud)
{
	SimCluster *c = reach(ud, r, "https://api.");
	if (c)
		return sim_cluster_watch(c, r, id);
	return (HttpSimAnswer){ 502, g_strdup("no such host\n"), "text/plain", 0 };
}

SimFleet *sim_fleet_new(LoopSim *loop)
{
	SimFleet *f = g_new0(SimFleet, 1);
	f->loop = loop_sim_loop(loop);
	f->http = http_sim_new(loop, fleet_request, fleet_watch, f);
	return f;
}

void sim_fleet_free(SimFleet *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		sim_cluster_free(f->clusters[i]);
	http_sim_free(f->http);
	g_free(f);
}

SimCluster *sim_fleet_add(SimFleet *f, const SimSpec *spec)
{
	g_assert(f->n < MAX_CLUSTERS);
	return f->clusters[f->n++] =
		       sim_cluster_new(spec, f->loop, (SimSink){ push_line, push_end, f });
}

SimCluster *sim_fleet_find(SimFleet *f, const char *name)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->clusters[i]->name, name) == 0)
			return f->clusters[i];
	return NULL;
}

HttpSim *sim_fleet_transport(SimFleet *f)
{
	return f->http;
}
