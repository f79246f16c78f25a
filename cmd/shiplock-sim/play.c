/* play: the actors against a real API server. Objects come by list and watch into a mirror, writes
 * go out one at a time for each object; what an answer shows is put into the mirror at once, so the
 * actors never decide on what they have changed themselves. A cluster without a ClusterVersion gets
 * a world first. */
#include "creds/creds.h"
#include "http/http-curl.h"
#include "kube/watch.h"
#include "kubeconfig.h"
#include "loop/listen.h"
#include "sim/prom.h"
#include "sim/server.h"
#include "sim/tree.h"
#include "sim/world.h"
#include "verbs.h"
#include <stdio.h>
#include <string.h>

enum { RETRY_USEC = 500000 };

static const SimKindId watched[] = { SIM_NAMESPACES, SIM_NODES, SIM_PODS, SIM_CONFIGMAPS,
	SIM_LEASES, SIM_PDBS, SIM_CLUSTERVERSIONS, SIM_CLUSTEROPERATORS, SIM_POOLS,
	SIM_MACHINECONFIGS };

typedef struct Play Play;

typedef struct Mirror {
	Play *play;
	const SimKind *kind;
	KubeWatch *watch;
	bool synced;
} Mirror;

struct Play {
	const Options *o;
	LoopEvent *events;
	Loop loop;
	HttpCurl *http;
	Creds *creds;
	KubeClient *client;
	SimStore *store;
	SimActors *actors;
	Mirror mirrors[G_N_ELEMENTS(watched)];
	GQueue sent; /* of Sent: writes under way */
	GHashTable *creating; /* keys of creates under way; for look-ups only */
	GHashTable *gone; /* uids seen deleted: an answer that comes later brings nobody back */
	GQueue world; /* of SimWrite: what is still to be made, in order */
	bool building, worldless;
	uint64_t timer;
	Server *server; /* of the exporter */
	SimExporter exporter;
};

/* A write under way. */
typedef struct Sent {
	Play *play;
	const SimKind *kind;
	char *ns, *name, *key; /* name NULL: a create */
	json_t *status; /* to be written after a create */
	char *manager;
	bool world, deletes;
} Sent;

static void run(void *ud);
static void build_next(Play *p);

static SimNow now_of(const Play *p)
{
	return (SimNow){ loop_boot_usec(p->loop), loop_wall_usec(p->loop) };
}

static void run_at(Play *p, int64_t usec)
{
	loop_cancel(p->loop, &p->timer);
	if (usec != INT64_MAX)
		p->timer = loop_timer(p->loop, usec, run, p);
}

static void sent_free(Sent *s)
{
	g_queue_remove(&s->play->sent, s);
	json_decref(s->status);
	g_free(s->ns);
	g_free(s->name);
	g_free(s->key);
	g_free(s->manager);
	g_free(s);
}

static int64_t version_of(const json_t *object)
{
	const char *rv = tree_str(object, "metadata.resourceVersion");
	return rv ? g_ascii_strtoll(rv, NULL, 10) : 0;
}

/* The server's object, unless the mirror has a newer one. */
static void mirror_put(Play *p, const SimKind *k, const json_t *object)
{
	const char *ns = k->namespaced ? tree_str(object, "metadata.namespace") : NULL;
	const char *name = tree_str(object, "metadata.name");
	if (!name || (k->namespaced && !ns))
		return;
	const char *uid = tree_str(object, "metadata.uid");
	if (uid && g_hash_table_contains(p->gone, uid))
		return;
	SimObj *o = sim_store_find(p->store, k->id, ns, name);
	if (o && o->memo.seen_rv >= version_of(object))
		return;
	json_t *copy = json_copy((json_t *)object);
	if (k->builtin) {
		json_object_del(copy, "kind");
		json_object_del(copy, "apiVersion");
	}
	o = sim_store_mirror(p->store, k, copy);
	o->memo.seen_rv = version_of(object);
}

static void mirror_drop(Play *p, const SimKind *k, const json_t *object)
{
	const char *ns = k->namespaced ? tree_str(object, "metadata.namespace") : NULL;
	const char *name = tree_str(object, "metadata.name");
	SimObj *o = name ? sim_store_find(p->store, k->id, ns, name) : NULL;
	if (o &&
		g_strcmp0(tree_str(o->json, "metadata.uid"), tree_str(object, "metadata.uid")) == 0)
		sim_store_remove(p->store, o);
}

static char *path_of(
	const SimKind *k, const char *ns, const char *name, SimSub sub, const char *manager)
{
	static const char *const subs[] = { "", "/status", "/eviction", "/binding" };
	return g_strconcat(k->prefix, ns ? "/namespaces/" : "", ns ? ns : "", "/", k->plural,
		name ? "/" : "", name ? name : "", subs[sub], manager ? "?fieldManager=" : "",
		manager ? manager : "", NULL);
}

static void on_written(const KubeAnswer *a, void *ud);

static void call(Play *p, Sent *s, const char *method, const char *path, const json_t *body)
{
	KubeCall c = { .method = method, .path = path, .body = body };
	kube_call(p->client, &c, on_written, s);
}

/* The object as it was made, now with its status. */
static void write_status(Sent *s, const json_t *made)
{
	g_autoptr(json_t) body = json_copy((json_t *)made);
	json_object_set_new(body, "status", g_steal_pointer(&s->status));
	g_autofree char *path = path_of(s->kind, s->ns, s->name, SIM_SUB_STATUS, s->manager);
	call(s->play, s, "PUT", path, body);
}

static void finish(Sent *s, bool ok)
{
	Play *p = s->play;
	SimObj *o = s->name ? sim_store_find(p->store, s->kind->id, s->ns, s->name) : NULL;
	if (o)
		o->memo.busy = false;
	if (s->key)
		g_hash_table_remove(p->creating, s->key);
	if (s->world)
		build_next(p);
	sim_actors_wake(p->actors);
	run_at(p, loop_boot_usec(p->loop) + (ok ? 0 : RETRY_USEC));
	sent_free(s);
}

static void on_written(const KubeAnswer *a, void *ud)
{
	Sent *s = ud;
	bool object = a->ok && !s->deletes && a->json && tree_str(a->json, "metadata.uid");
	if (object && !s->name)
		s->name = g_strdup(tree_str(a->json, "metadata.name"));
	if (object)
		mirror_put(s->play, s->kind, a->json);
	if (s->status && object) {
		write_status(s, a->json);
		return;
	}
	bool told = a->ok || a->status == 409 || a->status == 429 || a->status == 404;
	if (!told)
		fprintf(stderr, "shiplock-sim: %s %s: %d %s\n", s->kind->plural,
			s->name ? s->name : s->key, a->status, a->message);
	finish(s, a->ok);
}

static bool begin_create(Play *p, const SimWrite *w, Sent *s)
{
	const char *name = tree_str(w->body, "metadata.name");
	s->key = g_strconcat(w->kind->plural, "/", w->ns ? w->ns : "", "/", name ? name : "", NULL);
	s->name = g_strdup(name);
	return g_hash_table_add(p->creating, g_strdup(s->key));
}

/* A body for POST: what our store leaves out, and without what the server gives. */
static json_t *create_body(const SimWrite *w)
{
	json_t *body = json_copy(w->body), *meta = json_copy(json_object_get(w->body, "metadata"));
	json_object_set_new(body, "apiVersion", json_string(sim_kind_api_version(w->kind)));
	json_object_set_new(body, "kind", json_string(w->kind->kind));
	json_object_del(meta, "uid");
	json_object_del(meta, "creationTimestamp");
	json_object_set_new(body, "metadata", meta);
	return body;
}

static void send_write(const SimWrite *w, void *ud)
{
	Play *p = ud;
	Sent *s = g_new0(Sent, 1);
	*s = (Sent){ .play = p, .kind = w->kind, .ns = g_strdup(w->ns), .name = g_strdup(w->name) };
	g_queue_push_tail(&p->sent, s);
	s->manager = g_strdup(w->manager);
	s->world = w->whole;
	s->deletes = w->verb == SIM_DELETE;
	bool create = w->verb == SIM_CREATE && w->sub == SIM_SUB_NONE;
	if (create && !begin_create(p, w, s)) {
		g_clear_pointer(&s->key, g_free);
		sent_free(s);
		return;
	}
	SimObj *o = create ? NULL : sim_store_find(p->store, w->kind->id, w->ns, w->name);
	if (o && o->memo.busy) {
		sent_free(s);
		return;
	}
	if (o)
		o->memo.busy = true;
	g_autoptr(json_t) body = create ? create_body(w) : json_incref(w->body);
	g_assert(w->verb != SIM_JSON_PATCH && w->verb != SIM_APPLY);
	if (w->whole && w->kind->status)
		s->status = json_incref(json_object_get(w->body, "status"));
	g_autofree char *path =
		path_of(w->kind, w->ns, create ? NULL : w->name, w->sub, w->manager);
	static const char *const methods[] = { [SIM_CREATE] = "POST",
		[SIM_MERGE] = "PATCH",
		[SIM_REPLACE] = "PUT",
		[SIM_DELETE] = "DELETE" };
	const char *method = methods[w->verb];
	call(p, s, method, path, body);
}

static void keep_write(const SimWrite *w, void *ud)
{
	Play *p = ud;
	SimWrite *copy = g_new0(SimWrite, 1);
	*copy = *w;
	copy->ns = g_strdup(w->ns);
	copy->name = g_strdup(w->name);
	copy->manager = g_strdup(w->manager);
	copy->body = json_incref(w->body);
	g_queue_push_tail(&p->world, copy);
}

/* One object after the other: a namespace comes before what is in it. */
static void build_next(Play *p)
{
	SimWrite *w = g_queue_pop_head(&p->world);
	if (!w) {
		p->building = false;
		puts("world built");
		fflush(stdout);
		return;
	}
	send_write(w, p);
	sim_write_clear(w);
	g_free(w);
}

static void build_world(Play *p)
{
	SimWorld w = { .name = "play",
		.version = p->o->version,
		.previous = p->o->previous,
		.n_workers = p->o->n_workers,
		.n_apps = p->o->n_apps,
		.no_apps = p->o->n_apps == 0,
		.n_replicas = p->o->n_replicas,
		.no_pods = true };
	p->building = true;
	sim_world_build(&w, now_of(p), keep_write, p);
	build_next(p);
}

static bool all_synced(const Play *p)
{
	for (size_t i = 0; i < G_N_ELEMENTS(watched); i++)
		if (!p->mirrors[i].synced)
			return false;
	return true;
}

static void run(void *ud)
{
	Play *p = ud;
	p->timer = 0;
	if (!all_synced(p) || p->building)
		return;
	if (!p->worldless && !sim_store_find(p->store, SIM_CLUSTERVERSIONS, NULL, "version")) {
		p->worldless = true;
		build_world(p);
		return;
	}
	run_at(p, sim_actors_run(p->actors, now_of(p), send_write, p));
}

static void on_event(KubeEventType type, const json_t *object, void *ud)
{
	Mirror *m = ud;
	if (type == KUBE_DELETED)
		mirror_drop(m->play, m->kind, object);
	else
		mirror_put(m->play, m->kind, object);
	run_at(m->play, 0);
}

static void on_synced(int64_t sent_usec, void *ud)
{
	Mirror *m = ud;
	m->synced = true;
	run_at(m->play, 0);
}

static void on_watch_error(const GError *err, void *ud)
{
	Mirror *m = ud;
	fprintf(stderr, "shiplock-sim: watch %s: %s\n", m->kind->plural, err->message);
}

static void start_watches(Play *p)
{
	for (size_t i = 0; i < G_N_ELEMENTS(watched); i++) {
		Mirror *m = &p->mirrors[i];
		*m = (Mirror){ .play = p, .kind = sim_kind(watched[i]) };
		g_autofree char *path = path_of(m->kind, NULL, NULL, SIM_SUB_NONE, NULL);
		KubeWatchOptions o = { .path = path,
			.ops = { .event = on_event, .synced = on_synced, .error = on_watch_error },
			.ud = m };
		m->watch = kube_watch_new(p->client, &o);
	}
}

static HttpSimAnswer metrics(const HttpRequest *r, void *ud)
{
	Play *p = ud;
	if (strcmp(r->path, "/metrics") != 0)
		return (HttpSimAnswer){ 404, g_strdup("try /metrics\n"), "text/plain", 0 };
	char *text = sim_exporter_text(&p->exporter, p->actors, p->store, now_of(p));
	return (HttpSimAnswer){ 200, text, "text/plain; version=0.0.4", 0 };
}

static const ServerOps exporter_ops = { .request = metrics };

static bool start_exporter(Play *p, GError **err)
{
	int fd = p->o->exporter ? listen_tcp(p->o->exporter, err) : -1;
	if (fd >= 0)
		p->server = server_new(p->events, fd, &exporter_ops, p);
	return !p->o->exporter || fd >= 0;
}

static void on_term(void *ud)
{
	loop_event_exit(((Play *)ud)->events, 0);
}

static bool connect_to(Play *p, GError **err)
{
	g_autoptr(json_t) doc = kubeconfig_read(p->o->kubeconfig, err);
	if (!doc)
		return false;
	g_autofree char *dir = g_path_get_dirname(p->o->kubeconfig);
	CredsFile file = { .doc = doc, .dir = dir, .name = p->o->kubeconfig };
	CredsOptions o = { .event = loop_event_sd(p->events), .loop = p->loop };
	p->creds = creds_from_kubeconfig(&o, &file, 1, err);
	if (!p->creds)
		return false;
	p->http = http_curl_new(loop_event_sd(p->events), p->loop);
	KubeClientOptions k = {
		.http = http_curl_http(p->http), .loop = p->loop, .creds = p->creds
	};
	p->client = kube_client_new(&k);
	return true;
}

static bool start(Play *p, GError **err)
{
	p->events = loop_event_new(err);
	if (!p->events || !loop_event_on_service_signals(p->events, on_term, on_term, p, err))
		return false;
	p->loop = loop_event_loop(p->events);
	if (!connect_to(p, err))
		return false;
	p->store = sim_store_new(loop_random(p->loop));
	SimConfig c = { .releases = p->o->releases,
		.faults = options_faults(p->o, 1),
		.actors = SIM_ACTORS_PLAY,
		.times = sim_times_default(p->o->scale) };
	if (p->o->drain_scale)
		sim_times_scale_drains(&c.times, p->o->drain_scale);
	p->actors = sim_actors_new(p->store, &c);
	p->creating = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	p->gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	start_watches(p);
	return start_exporter(p, err);
}

static void stop(Play *p)
{
	if (p->timer)
		loop_cancel(p->loop, &p->timer);
	for (size_t i = 0; i < G_N_ELEMENTS(watched); i++)
		kube_watch_free(p->mirrors[i].watch);
	server_free(p->server);
	kube_client_free(p->client);
	http_curl_free(p->http);
	creds_free(p->creds);
	while (!g_queue_is_empty(&p->sent))
		sent_free(g_queue_peek_head(&p->sent));
	for (SimWrite *w; (w = g_queue_pop_head(&p->world));) {
		sim_write_clear(w);
		g_free(w);
	}
	sim_actors_free(p->actors);
	sim_store_free(p->store);
	if (p->creating) {
		g_hash_table_destroy(p->creating);
		g_hash_table_destroy(p->gone);
	}
	loop_event_free(p->events);
}

int verb_play(const Options *o)
{
	Play p = { .o = o };
	GError *err = NULL;
	g_queue_init(&p.world);
	g_queue_init(&p.sent);
	if (!o->kubeconfig) {
		fprintf(stderr, "shiplock-sim: play: --kubeconfig is missing\n");
		return EXIT_USAGE;
	}
	int code = start(&p, &err) ? loop_event_run(p.events) : sim_complain("play", err);
	stop(&p);
	return code;
}
