/* For tests: two controllers on one simulated fleet, the second with no journal, or an older one.
 */
#pragma once
#include "fleet/test-faults.h"
#include "fleet/test-witness.h"

static inline void be_holder(FleetOptions *o, void *ud)
{
	o->holder = ud;
}
static inline void rig_name(Rig *r, const char *holder)
{
	r->tune = be_holder;
	r->tune_ud = (void *)holder;
}

/* Another controller on the same world. disk: its journal, taken; NULL: none. */
static inline Rig *second_new(Rig *first, const char *holder, StoreMem *disk)
{
	Rig *r = g_new0(Rig, 1);
	r->loop = first->loop;
	r->world = first->world;
	r->disk = disk ? disk : store_mem_new(first->loop);
	rig_name(r, holder);
	r->story = g_string_new(NULL);
	return r;
}

static inline void second_free(Rig *r)
{
	rig_stop(r);
	store_mem_free(r->disk);
	for (size_t i = 0; i < r->n_endpoints; i++)
		g_free(r->endpoints[i].base_url);
	g_free(r->says);
	g_clear_error(&r->err);
	g_string_free(r->story, TRUE);
	g_free(r);
}

/* Condition of a loop_sim_run in which the witness sees every change. */
typedef struct Seen {
	Witness *w;
	bool (*done)(void *ud);
	void *ud;
} Seen;
static inline bool seen_look(void *ud)
{
	Seen *s = ud;
	s->w->done = s->done;
	s->w->ud = s->ud;
	return witness_look(s->w);
}
static inline void seen_until(Rig *r, Witness *w, bool (*done)(void *ud), void *ud)
{
	Seen s = { w, done, ud };
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 48 * 3600 * RIG_SEC;
	if (!loop_sim_run(r->loop, seen_look, &s, until))
		g_error("not within 48 h:\n%s", r->story->str);
}
static inline void seen_reach(Rig *r, Witness *w, const char *state, const char *cause)
{
	StoryWait s = { r, "a", state, cause };
	seen_until(r, w, story_there, &s);
}
static inline void seen_pass(Rig *r, Witness *w, int64_t sec)
{
	Seen s = { w, story_never, NULL };
	loop_sim_run(
		r->loop, seen_look, &s, loop_boot_usec(loop_sim_loop(r->loop)) + sec * RIG_SEC);
}
static inline bool seen_command(Rig *r, Witness *w, const char *verb)
{
	FleetCommand c = {
		.verb = verb, .cluster = "a", .who = "ann", .reason = "host lost", .confirm = "a"
	};
	g_clear_pointer(&r->says, g_free);
	fleet_command(r->fleet, &c, story_reply, r);
	seen_until(r, w, story_answered, r);
	return r->err == NULL;
}

/* The changes without what the claims say: what a claim does not change is left out. */
static inline char *changes_without_claims(const char *changes)
{
	g_auto(GStrv) lines = g_strsplit(changes, "\n", -1);
	GString *out = g_string_new(NULL);
	g_autoptr(json_t) last = json_object();
	for (char **l = lines; *l && **l; l++) {
		char *colon = strstr(*l, ": ");
		g_autofree char *key = g_strndup(*l, (size_t)(colon - *l));
		g_autoptr(json_t) now = json_loads(colon + 2, 0, NULL);
		json_object_del(now, "claim");
		g_autofree char *text = json_canonical(now);
		const char *before = json_path_str(last, key, "");
		if (json_string_value(json_object_get(last, key)))
			before = json_string_value(json_object_get(last, key));
		if (strcmp(before, text) != 0)
			g_string_append_printf(out, "%s: %s\n", key, text);
		json_object_set_new(last, key, json_string(text));
	}
	return g_string_free(out, FALSE);
}
