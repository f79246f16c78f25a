/* shiplock watch: the status of one run or of all, drawn anew as it changes. */
#include "client.h"
#include "find.h"
#include "follow.h"
#include "show.h"
#include "story.h"
#include <string.h>

enum { LAST_EVENTS = 8 };

typedef struct Watch {
	const Args *a;
	Term term;
	Target target;
	bool any; /* nothing was named: everything, for ever */
	char *run; /* name; NULL: any */
	Story *story;
	json_t *lines; /* of the last events */
} Watch;

static bool concerns(const Watch *w, const json_t *e)
{
	if (w->target.cluster)
		return strcmp(json_path_str(e, "cluster", ""), w->target.cluster) == 0;
	return !w->run || strcmp(json_path_str(e, "run", ""), w->run) == 0;
}

static void print_line(Watch *w, GString *line)
{
	if (w->term.tty) {
		json_array_append_new(w->lines, json_string(line->str));
		if (json_array_size(w->lines) > LAST_EVENTS)
			json_array_remove(w->lines, 0);
		return;
	}
	g_string_append_c(line, '\n');
	term_put(&w->term, stdout, line);
}

static void each(const json_t *event, void *ud)
{
	Watch *w = ud;
	bool worth = story_add(w->story, event);
	if (!concerns(w, event))
		return;
	if (w->a->json) {
		cli_print_json_line(event);
		return;
	}
	g_autoptr(GString) line = g_string_new("");
	if (worth)
		show_event(event, line);
	if (worth)
		print_line(w, line);
}

/* Only the runs that are watched. */
static void narrow(const Watch *w, json_t *status)
{
	json_t *runs = json_object_get(status, "runs");
	for (size_t i = json_array_size(runs); i > 0; i--) {
		const json_t *run = json_array_get(runs, i - 1);
		if (w->run && strcmp(json_path_str(run, "name", ""), w->run) != 0)
			json_array_remove(runs, i - 1);
	}
}

static void draw(Watch *w, json_t *status)
{
	g_autoptr(GString) out = g_string_new("\033[H\033[2J");
	size_t i;
	json_t *line;
	narrow(w, status);
	show_status(status, &w->term, out);
	g_string_append_c(out, '\n');
	json_array_foreach (w->lines, i, line)
		g_string_append_printf(out, "%s\n", json_string_value(line));
	term_put(&w->term, stdout, out);
}

static bool has_ended(const Watch *w, const json_t *status)
{
	size_t i;
	json_t *run;
	json_array_foreach (json_object_get(status, "runs"), i, run)
		if (w->run && strcmp(json_path_str(run, "name", ""), w->run) == 0)
			return strcmp(json_path_str(run, "state", ""), "ended") == 0;
	return false;
}

static bool over(Client *c, void *ud, GError **err)
{
	Watch *w = ud;
	if (w->any && !w->term.tty)
		return false;
	g_autoptr(json_t) status = client_get(c, "/v1/status", err);
	if (!status)
		return true;
	bool ended = !w->any && has_ended(w, status);
	if (w->term.tty && !w->a->json)
		draw(w, status);
	return ended;
}

/* The run that is meant, and the position from which events count: its own past too. */
static bool start(Watch *w, Client *c, int64_t *ret_after, GError **err)
{
	g_autofree char *path = w->any ? NULL : target_path(&w->target, "");
	g_autoptr(json_t) status = client_get(c, "/v1/status", err);
	g_autoptr(json_t) it = status && path ? client_get(c, path, err) : NULL;
	if (!status || (path && !it))
		return false;
	/* A cluster names its run, a run itself. */
	w->run = g_strdup(json_path_str(it, w->target.cluster ? "run" : "name", NULL));
	*ret_after = path ? 0 : json_path_int(status, "seq", 0);
	return true;
}

int verb_watch(const Args *a)
{
	g_autoptr(GError) err = NULL;
	Watch w = { .a = a, .term = term_of(stdout), .any = a->n_rest == 0 };
	w.story = story_new(NULL);
	w.lines = json_array();
	if (!w.any)
		w.target = target_parse(a->rest[0]);
	Follow f = { .socket = client_socket(a), .each = each, .over = over, .ud = &w };
	g_autoptr(Client) c = client_open(f.socket, &err);
	bool ok = c && start(&w, c, &f.after, &err);
	follow_signals();
	ok = ok && follow(&f, &err);
	story_free(w.story);
	json_decref(w.lines);
	target_clear(&w.target);
	g_free(w.run);
	return ok ? EXIT_SUCCEEDED : client_fail(a, err);
}
