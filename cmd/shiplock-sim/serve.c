/* serve: a fleet in memory behind real sockets, and a repository of plans for it. */
#include "codec/json.h"
#include "fleet-dir.h"
#include "loop/listen.h"
#include "objects/time.h"
#include "sim/cluster.h"
#include "sim/server.h"
#include "sim/tree.h"
#include "verbs.h"
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

typedef struct Member {
	SimCluster *cluster;
	Server *api, *telemetry;
	SimSpec spec;
	char *name, *token;
	FILE *audit; /* one line a write: the fleet's own witness */
} Member;

typedef struct Serve {
	const Options *o;
	LoopEvent *events;
	Member members[MAX_CLUSTERS];
	size_t n;
} Serve;

static void push_line(void *ud, uint64_t id, const char *line)
{
	server_line(((Member *)ud)->api, id, line);
}

static void push_end(void *ud, uint64_t id)
{
	server_end(((Member *)ud)->api, id);
}

/* kubectl sends no token over plain http: who shows none comes in, who shows a wrong one does not.
 */
static HttpRequest with_token(const Member *m, const HttpRequest *r, HttpEndpoint *e)
{
	HttpRequest out = *r;
	*e = *r->endpoint;
	if (!e->bearer)
		e->bearer = m->token;
	out.endpoint = e;
	return out;
}

static HttpSimAnswer api_request(const HttpRequest *r, void *ud)
{
	Member *m = ud;
	HttpEndpoint e;
	HttpRequest q = with_token(m, r, &e);
	return sim_cluster_request(m->cluster, &q);
}

static HttpSimAnswer api_watch(const HttpRequest *r, uint64_t id, void *ud)
{
	Member *m = ud;
	HttpEndpoint e;
	HttpRequest q = with_token(m, r, &e);
	return sim_cluster_watch(m->cluster, &q, id);
}

static void api_gone(uint64_t id, void *ud)
{
	sim_cluster_forget(((Member *)ud)->cluster, id);
}

static HttpSimAnswer telemetry_request(const HttpRequest *r, void *ud)
{
	Member *m = ud;
	if (strcmp(r->path, "/metrics") == 0)
		return (HttpSimAnswer){ 200, sim_cluster_metrics(m->cluster), "text/plain", 0 };
	if (g_strcmp0(r->endpoint->bearer, m->token) != 0)
		return (HttpSimAnswer){ 401, g_strdup("Unauthorized\n"), "text/plain", 0 };
	return sim_cluster_telemetry(m->cluster, r);
}

static const ServerOps api_ops = { api_request, sim_api_is_watch, api_watch, api_gone };
static const ServerOps telemetry_ops = { .request = telemetry_request };

static char *make_token(Loop loop)
{
	return g_strdup_printf("%016" PRIx64 "%016" PRIx64, loop_random(loop), loop_random(loop));
}

static bool add_member(Serve *s, unsigned k, GError **err)
{
	Member *m = &s->members[s->n];
	Loop loop = loop_event_loop(s->events);
	int api = listen_tcp("127.0.0.1:0", err);
	if (api < 0)
		return false;
	m->api = server_new(s->events, api, &api_ops, m);
	int telemetry = listen_tcp("127.0.0.1:0", err);
	s->n++;
	if (telemetry < 0)
		return false;
	m->telemetry = server_new(s->events, telemetry, &telemetry_ops, m);
	m->name = fleet_dir_name(k);
	m->token = make_token(loop);
	m->spec = (SimSpec){ .world = { .name = m->name,
				     .version = s->o->version,
				     .previous = s->o->previous,
				     .n_workers = s->o->n_workers,
				     .n_apps = s->o->n_apps,
				     .no_apps = s->o->n_apps == 0,
				     .n_replicas = s->o->n_replicas },
		.releases = s->o->releases,
		.faults = options_faults(s->o, k),
		.scale = s->o->scale,
		.drain_scale = s->o->drain_scale };
	m->cluster = sim_cluster_new(&m->spec, loop, (SimSink){ push_line, push_end, m });
	sim_api_set_token(sim_cluster_api(m->cluster), m->token);
	return true;
}

static const char *user_agent(const HttpRequest *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		if (g_ascii_strcasecmp(r->headers[i].name, "User-Agent") == 0)
			return r->headers[i].value;
	return "";
}

static void on_audit(const SimAudit *e, void *ud)
{
	Member *m = ud;
	g_autofree char *time = sl_time_format_micro(e->now.wall_usec);
	g_autoptr(json_t) body = json_loadb(e->request->body, e->request->n_body, 0, NULL);
	g_autoptr(json_t) line = json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:b, s:O?}", "time",
		time, "method", e->request->method, "requestURI", e->request->path, "manager",
		e->manager, "userAgent", user_agent(e->request), "code", e->status, "changed",
		e->changed, "requestObject", body);
	g_autofree char *text = line ? tree_text(line) : NULL;
	if (text)
		fprintf(m->audit, "%s\n", text);
	fflush(m->audit);
}

static bool open_audit(Member *m, const char *dir, GError **err)
{
	g_autofree char *folder = g_build_filename(dir, "audit", NULL);
	g_autofree char *path = g_build_filename(folder, m->name, NULL);
	if (g_mkdir_with_parents(folder, 0700) < 0 || !(m->audit = fopen(path, "ae")))
		return sl_fail(err, SL_ERR_REFUSED, "%s: cannot write it", path);
	sim_api_set_audit(sim_cluster_api(m->cluster), on_audit, m);
	return true;
}

static bool write_fleet(Serve *s, GError **err)
{
	g_autofree FleetMember *list = g_new0(FleetMember, s->n + 1);
	for (size_t i = 0; i < s->n; i++)
		list[i] = (FleetMember){ s->members[i].name, s->members[i].token,
			server_port(s->members[i].api), server_port(s->members[i].telemetry) };
	g_autofree char *dir = fleet_dir_make(s->o, list, s->n, err);
	if (!dir)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!open_audit(&s->members[i], dir, err))
			return false;
	for (size_t i = 0; i < s->n; i++)
		printf("%s api http://127.0.0.1:%d telemetry http://127.0.0.1:%d\n", list[i].name,
			list[i].api_port, list[i].telemetry_port);
	printf("fleet of %zu in %s\n", s->n, dir);
	fflush(stdout);
	return true;
}

static void on_term(void *ud)
{
	loop_event_exit(((Serve *)ud)->events, 0);
}

/* Two sockets a cluster, and those of the clients. */
static void raise_descriptors(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
}

static bool start(Serve *s, GError **err)
{
	raise_descriptors();
	s->events = loop_event_new(err);
	if (!s->events || !loop_event_on_service_signals(s->events, on_term, on_term, s, err))
		return false;
	for (unsigned k = 1; k <= s->o->n_clusters; k++)
		if (!add_member(s, k, err))
			return false;
	return write_fleet(s, err);
}

int verb_serve(const Options *o)
{
	g_autofree Serve *s = g_new0(Serve, 1);
	s->o = o;
	GError *err = NULL;
	int code = start(s, &err) ? loop_event_run(s->events) : sim_complain("serve", err);
	for (size_t i = 0; i < s->n; i++) {
		Member *m = &s->members[i];
		sim_cluster_free(m->cluster);
		server_free(m->api);
		server_free(m->telemetry);
		g_free(m->name);
		g_free(m->token);
		if (m->audit)
			fclose(m->audit);
	}
	loop_event_free(s->events);
	return code;
}
