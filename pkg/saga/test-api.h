/* The API server of the crash tests. */
#pragma once
#include "saga/test-pods.h"

static inline HttpSimAnswer answer(int status, json_t *body)
{
	char *text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	char *copy = g_strdup(text);
	free(text);
	return (HttpSimAnswer){ status, copy, NULL, 0 };
}

static inline HttpSimAnswer patch(World *w, const char *path, const json_t *body)
{
	json_t *o = json_object_get(w->objects, path);
	const char *want_version = json_path_str(body, "metadata.resourceVersion", NULL);
	if (want_version &&
		strcmp(want_version, json_path_str(o, "metadata.resourceVersion", "")) != 0)
		return answer(409, json_pack("{s:s}", "reason", "Conflict"));
	bool changed = false;
	const char *key;
	json_t *v;
	json_object_foreach ((json_t *)body, key, v) {
		if (strcmp(key, "metadata") == 0 || json_equal(json_object_get(o, key), v))
			continue;
		json_object_set(o, key, v);
		/* A claim may be raised by a fence; that it is ours is the change. */
		const json_t *holder = json_object_get(v, "holder");
		g_autofree char *text = json_canonical(holder ? holder : v);
		g_string_append_printf(w->changes, "%s.%s=%s ", path, key, text);
		changed = true;
		if (strcmp(key, "desired") == 0)
			later(w, 5000, operator_finishes, path);
	}
	if (changed)
		touch(w, path);
	return answer(200, json_incref(o));
}

static inline HttpSimAnswer evict(World *w, const char *uid)
{
	g_autofree char *path = g_strdup_printf("/pods/%s", uid);
	json_t *pod = json_object_get(w->objects, path);
	if (!pod)
		return answer(404, json_pack("{s:s}", "reason", "NotFound"));
	if (json_object_get(pod, "ending"))
		return answer(200, json_object());
	if (json_path_int(json_object_get(w->objects, "/pdb"), "allowed", 0) <= 0)
		return answer(429, json_pack("{s:s}", "reason", "TooManyRequests"));
	json_object_set_new(pod, "ending", json_true());
	touch(w, path);
	update_budget(w);
	g_string_append_printf(w->changes, "evict %s ", uid);
	later(w, POD_END_MSEC, pod_ends, path);
	return answer(201, json_object());
}

static inline HttpSimAnswer list_pods(World *w)
{
	json_t *list = json_object();
	const char *path;
	json_t *o;
	json_object_foreach (w->objects, path, o)
		if (g_str_has_prefix(path, "/pods/"))
			json_object_set_new(list, path, json_deep_copy(o));
	return answer(200, list);
}

static inline HttpSimAnswer handle(const HttpRequest *r, void *ud)
{
	World *w = ud;
	if (strcmp(r->path, "/metric") == 0) {
		bool bad = w->bad_at_2 &&
			   json_path_int(json_object_get(w->objects, "/cv"), "status", 0) == 2;
		return answer(200, json_pack("{s:b}", "bad", (int)bad));
	}
	if (strcmp(r->path, "/pods") == 0)
		return list_pods(w);
	json_t *body = r->n_body ? json_loadb(r->body, r->n_body, 0, NULL) : NULL;
	HttpSimAnswer a;
	if (strcmp(r->method, "POST") == 0)
		a = evict(w, json_path_str(body, "uid", ""));
	else if (!json_object_get(w->objects, r->path))
		a = answer(404, json_object());
	else if (strcmp(r->method, "PATCH") == 0)
		a = patch(w, r->path, body);
	else
		a = answer(200, json_deep_copy(json_object_get(w->objects, r->path)));
	json_decref(body);
	return a;
}
