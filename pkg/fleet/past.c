#include "fleet/past.h"
#include "base/num.h"
#include "codec/json.h"
#include <string.h>

static const int64_t USEC_PER_SEC = 1000000;

typedef enum { PART_NONE, PART_HEAD, PART_CONTROL_PLANE, PART_NODES, N_PARTS } Part;

static const struct {
	const char *state;
	Part part;
} parts[] = {
	{ "preflight", PART_HEAD },
	{ "claim", PART_HEAD },
	{ "baseline", PART_HEAD },
	{ "evacuate", PART_HEAD },
	{ "backup", PART_HEAD },
	{ "control-plane", PART_CONTROL_PLANE },
	{ "cp-verify", PART_CONTROL_PLANE },
	{ "nodes", PART_NODES },
	{ "verify", PART_NODES },
};

/* A cluster in a run that goes on. */
typedef struct Live {
	int64_t id;
	char *cluster, *run;
	int64_t since_usec, held_since_usec; /* wall time; 0: not */
	int64_t usec[N_PARTS];
	unsigned n_holds, n_hops;
	bool good;
} Live;

struct Past {
	GHashTable *live; /* id of the item -> Live */
	json_t *runs; /* id of the item -> its name */
	json_t *lengths;
};

static void live_free(void *p)
{
	Live *l = p;
	g_free(l->cluster);
	g_free(l->run);
	g_free(l);
}

Past *past_new(void)
{
	Past *p = g_new0(Past, 1);
	p->live = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, live_free);
	p->runs = json_object();
	p->lengths = json_object();
	return p;
}

void past_free(Past *p)
{
	if (!p)
		return;
	g_hash_table_destroy(p->live);
	json_decref(p->runs);
	json_decref(p->lengths);
	g_free(p);
}

const json_t *past_lengths(const Past *p)
{
	return p->lengths;
}

static void note_run(Past *p, const json_t *body)
{
	g_autofree char *key = g_strdup_printf("%" G_GINT64_FORMAT, json_path_int(body, "item", 0));
	json_object_set_new(p->runs, key, json_string(json_path_str(body, "name", "")));
}

static void note_cluster(Past *p, const json_t *body)
{
	g_autofree char *run =
		g_strdup_printf("%" G_GINT64_FORMAT, json_path_int(body, "parent", 0));
	Live *l = g_new0(Live, 1);
	l->id = json_path_int(body, "item", 0);
	l->cluster = g_strdup(json_path_str(body, "name", ""));
	l->run = g_strdup(json_string_value(json_object_get(p->runs, run)));
	g_hash_table_replace(p->live, &l->id, l);
}

static void note_item(Past *p, const json_t *body)
{
	const char *kind = json_path_str(body, "kind", "");
	if (strcmp(kind, "run") == 0)
		note_run(p, body);
	else if (strcmp(kind, "cluster") == 0)
		note_cluster(p, body);
}

static Part part_of(const char *state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(parts); i++)
		if (strcmp(parts[i].state, state) == 0)
			return parts[i].part;
	return PART_NONE;
}

static int64_t seconds(const Live *l, Part part, unsigned n)
{
	return l->usec[part] / USEC_PER_SEC / n;
}

static void keep(Past *p, const Live *l)
{
	if (!l->good || l->n_hops == 0)
		return;
	json_object_set_new(p->lengths, l->cluster,
		json_pack("{s:s, s:I, s:I, s:I}", "run", l->run ? l->run : "", "headSeconds",
			(json_int_t)seconds(l, PART_HEAD, 1), "controlPlaneSeconds",
			(json_int_t)seconds(l, PART_CONTROL_PLANE, l->n_hops), "nodesSeconds",
			(json_int_t)seconds(l, PART_NODES, l->n_hops)));
}

static void stop_clock(Live *l, int64_t wall)
{
	if (l->held_since_usec)
		l->since_usec += wall - l->held_since_usec;
	l->held_since_usec = l->n_holds ? wall : 0;
}

static void note_move(Past *p, Live *l, int64_t wall, const json_t *body)
{
	const char *from = json_path_str(body, "from", ""), *to = json_path_str(body, "to", "");
	const char *outcome = json_path_str(body, "memo.outcome", NULL);
	if (outcome)
		l->good = g_str_has_prefix(outcome, "Succeeded");
	if (strcmp(from, to) == 0)
		return;
	stop_clock(l, wall);
	l->usec[part_of(from)] += sl_max(wall - l->since_usec, 0);
	l->since_usec = wall;
	l->n_hops += strcmp(to, "control-plane") == 0;
	if (strcmp(to, "ended") != 0)
		return;
	keep(p, l);
	g_hash_table_remove(p->live, &l->id);
}

void past_note(Past *p, const Record *r, const json_t *body)
{
	bool move = strcmp(r->kind, "move") == 0, hold = strcmp(r->kind, "hold") == 0,
	     unhold = strcmp(r->kind, "unhold") == 0;
	int64_t id = json_path_int(body, "item", 0);
	if (strcmp(r->kind, "item") == 0)
		note_item(p, body);
	Live *l = move || hold || unhold ? g_hash_table_lookup(p->live, &id) : NULL;
	if (!l)
		return;
	if (move) {
		note_move(p, l, r->wall_usec, body);
		return;
	}
	stop_clock(l, r->wall_usec);
	l->n_holds += hold;
	l->n_holds -= unhold && l->n_holds > 0;
	l->held_since_usec = l->n_holds ? r->wall_usec : 0;
}
