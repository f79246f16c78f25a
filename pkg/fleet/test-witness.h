/* For tests: the list of changes that were made to what our client writes, seen in the objects
 * themselves. */
#pragma once
#include "fleet/test-outside.h"

/* ---- the witness: every change of what our client writes, in order ---- */

typedef struct Witness {
	Rig *r;
	bool (*done)(void *ud);
	void *ud;
	GHashTable *seen; /* "cluster/object" -> its last resourceVersion and projection */
	GString *changes; /* one line each: cluster/object: projection */
} Witness;

static inline Witness *witness_new(Rig *r)
{
	Witness *w = g_new0(Witness, 1);
	w->r = r;
	w->seen =
		g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
	w->changes = g_string_new(NULL);
	return w;
}
static inline void witness_free(Witness *w)
{
	g_hash_table_destroy(w->seen);
	g_string_free(w->changes, TRUE);
	g_free(w);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Witness, witness_free)

static inline char *witness_projection(const SimObj *o)
{
	const json_t *notes = json_path(o->json, "metadata.annotations");
	g_autoptr(json_t) claim = NULL;
	const char *text = json_string_value(json_object_get(notes, "shiplock.dev/claim"));
	if (text)
		claim = json_loads(text, 0, NULL);
	g_autoptr(json_t) p = json_pack("{s:O*, s:O*, s:O*, s:O*, s:O*, s:b}", "claim", claim,
		"update", json_path(o->json, "spec.desiredUpdate"), "channel",
		json_path(o->json, "spec.channel"), "paused", json_path(o->json, "spec.paused"),
		"data", json_object_get(o->json, "data"), "brake",
		(int)(json_object_get(notes, "shiplock.dev/brake") != NULL));
	return json_canonical(p);
}

static inline void witness_object(Witness *w, const char *cluster, const SimObj *o)
{
	g_autofree char *key = g_strdup_printf("%s/%s/%s", cluster, o->kind->kind, o->name);
	json_t *last = g_hash_table_lookup(w->seen, key);
	if (last && json_path_int(last, "rv", 0) == o->snap->rv)
		return;
	g_autofree char *now = witness_projection(o);
	if (last && strcmp(json_path_str(last, "now", ""), now) != 0)
		g_string_append_printf(w->changes, "%s: %s\n", key, now);
	g_hash_table_insert(w->seen, g_steal_pointer(&key),
		json_pack("{s:I, s:s}", "rv", (json_int_t)o->snap->rv, "now", now));
}

/* After each event; wrapped around the condition of a loop_sim_run. */
static inline bool witness_look(void *ud)
{
	static const SimKindId kinds[] = { SIM_CLUSTERVERSIONS, SIM_POOLS };
	static const char *const names[] = { "a", "b", "c" };
	Witness *w = ud;
	for (size_t c = 0; c < G_N_ELEMENTS(names); c++) {
		SimCluster *cluster = sim_fleet_find(w->r->world, names[c]);
		for (size_t k = 0; cluster && k < G_N_ELEMENTS(kinds); k++)
			for (size_t i = 0; i < sim_store_n(sim_cluster_store(cluster), kinds[k]);
				i++)
				witness_object(w, names[c],
					sim_store_at(sim_cluster_store(cluster), kinds[k], i));
	}
	return w->done(w->ud);
}

/* The same list without the epochs of the claim: a claim that had to be repeated has a higher one.
 */
static inline char *witness_without_epochs(const char *changes)
{
	static const char mark[] = "\"epoch\":";
	GString *s = g_string_new(NULL);
	for (const char *at; (at = strstr(changes, mark)); changes = at) {
		g_string_append_len(s, changes, at - changes);
		at += strlen(mark);
		at += strspn(at, "0123456789,");
	}
	g_string_append(s, changes);
	return g_string_free(s, FALSE);
}
