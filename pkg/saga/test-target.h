/* The target of the rule tests: objects under paths, each with a resourceVersion; GET reads, PATCH
 * merges members (409 when it names another version), POST creates, DELETE removes. What happens to
 * single requests is told by twists. */
#pragma once
#include "codec/json.h"
#include "http/http-sim.h"
#include <string.h>

/* The nth request (from 1; 0 = every one): as sent, or with a status as arrived. */
typedef struct {
	const char *method, *path;
	unsigned nth;
	HttpFault fault;
	int status; /* answered instead of any effect; 0 = as usual */
	int retry_after_sec;
} Twist;

typedef struct Target {
	Loop loop;
	HttpSim *http;
	json_t *objects, *n_sent, *n_arrived; /* counted under "METHOD path" */
	int64_t version;
	GString *effects, *sent; /* in order: what changed, and "GET /a; " at its sending */
	const Twist *twists; /* ends with a NULL method */
	void (*on_send)(const HttpRequest *r, void *ud);
	LoopFn *crash;
	void *ud;
} Target;

static inline unsigned count_up(json_t *counts, const HttpRequest *r)
{
	g_autofree char *key = g_strdup_printf("%s %s", r->method, r->path);
	json_int_t n = json_integer_value(json_object_get(counts, key)) + 1;
	json_object_set_new(counts, key, json_integer(n));
	return (unsigned)n;
}

static inline const Twist *twist_of(
	const Target *t, const HttpRequest *r, unsigned nth, bool arrived)
{
	for (const Twist *w = t->twists; w && w->method; w++)
		if (strcmp(w->method, r->method) == 0 && strcmp(w->path, r->path) == 0 &&
			(w->nth == 0 || w->nth == nth) && (w->status != 0) == arrived)
			return w;
	return NULL;
}

static inline HttpFault target_faults(uint64_t n, const HttpRequest *r, void *ud)
{
	Target *t = ud;
	unsigned nth = count_up(t->n_sent, r);
	g_string_append_printf(t->sent, "%s %s; ", r->method, r->path);
	t->on_send(r, t->ud);
	const Twist *w = twist_of(t, r, nth, false);
	return w ? w->fault : HTTP_FAULT_NONE;
}

static inline json_t *target_put(Target *t, const char *path, json_t *o)
{
	g_autofree char *v = g_strdup_printf("%" G_GINT64_FORMAT, ++t->version);
	json_object_set_new(o, "metadata", json_pack("{s:s}", "resourceVersion", v));
	json_object_set(t->objects, path, o);
	json_decref(o);
	return json_object_get(t->objects, path);
}

static inline HttpSimAnswer target_answer(int status, const json_t *body)
{
	return (HttpSimAnswer){ status, body ? json_canonical(body) : g_strdup("{}"), NULL, 0 };
}

static inline HttpSimAnswer target_patch(Target *t, const HttpRequest *r, json_t *o, json_t *body)
{
	const char *want = json_path_str(body, "metadata.resourceVersion", NULL);
	if (want && strcmp(want, json_path_str(o, "metadata.resourceVersion", "")) != 0)
		return target_answer(409, NULL);
	json_object_del(body, "metadata");
	const char *key;
	json_t *v;
	json_object_foreach (body, key, v) {
		if (json_equal(json_object_get(o, key), v))
			continue;
		json_object_set(o, key, v);
		g_autofree char *text = json_canonical(v);
		g_string_append_printf(t->effects, "PATCH %s %s=%s; ", r->path, key, text);
		target_put(t, r->path, json_incref(o));
	}
	return target_answer(200, o);
}

static inline HttpSimAnswer target_write(Target *t, const HttpRequest *r, json_t *o, json_t *body)
{
	if (strcmp(r->method, "POST") == 0 && o)
		return target_answer(409, NULL);
	if (strcmp(r->method, "POST") != 0 && !o)
		return target_answer(404, NULL);
	if (o && strcmp(r->method, "PATCH") == 0)
		return target_patch(t, r, o, body);
	g_string_append_printf(t->effects, "%s %s; ", r->method, r->path);
	if (strcmp(r->method, "POST") == 0)
		return target_answer(201, target_put(t, r->path, json_incref(body)));
	json_object_del(t->objects, r->path);
	return target_answer(200, NULL);
}

static inline HttpSimAnswer target_handle(const HttpRequest *r, void *ud)
{
	Target *t = ud;
	const Twist *w = twist_of(t, r, count_up(t->n_arrived, r), true);
	if (w) {
		HttpSimAnswer a = target_answer(w->status, NULL);
		a.retry_after_sec = w->retry_after_sec;
		return a;
	}
	json_t *o = json_object_get(t->objects, r->path);
	if (strcmp(r->method, "GET") == 0)
		return target_answer(o ? 200 : 404, o);
	g_autoptr(json_t) body = r->n_body ? json_loadb(r->body, r->n_body, 0, NULL) : NULL;
	return target_write(t, r, o, body);
}

static inline void target_crash(void *ud)
{
	const Target *t = ud;
	t->crash(t->ud);
}

static inline void target_init(Target *t, LoopSim *sim, LoopFn *crash, void *ud)
{
	t->loop = loop_sim_loop(sim);
	t->http = http_sim_new(sim, target_handle, NULL, t);
	t->objects = json_object();
	t->n_sent = json_object(), t->n_arrived = json_object();
	t->effects = g_string_new(NULL);
	t->sent = g_string_new(NULL);
	t->ud = ud;
	t->crash = crash;
	http_sim_set_faults(t->http, target_faults, target_crash, t);
}

static inline void target_clear(Target *t)
{
	http_sim_free(t->http);
	json_decref(t->objects);
	json_decref(t->n_sent);
	json_decref(t->n_arrived);
	g_string_free(t->effects, TRUE);
	g_string_free(t->sent, TRUE);
}
