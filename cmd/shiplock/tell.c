#include "tell.h"
#include "base/file.h"
#include "show.h"
#include <string.h>

void teller_init(Teller *t, const Args *a, const json_t *snapshot)
{
	*t = (Teller){ .a = a, .story = story_new(snapshot), .term = term_of(stdout) };
	t->early = json_array();
}

void teller_clear(Teller *t)
{
	story_free(t->story);
	g_free(t->run);
	json_decref(t->early);
}

static void print_event(Teller *t, const json_t *event)
{
	g_autoptr(GString) line = g_string_new("");
	if (t->a->json) {
		cli_print_json_line(event);
		return;
	}
	show_event(event, line);
	g_string_append_c(line, '\n');
	term_put(&t->term, stdout, line);
}

static void take(Teller *t, const json_t *event, bool told)
{
	if (strcmp(json_path_str(event, "run", ""), t->run) != 0)
		return;
	bool worth = story_add(t->story, event);
	if (told && (worth || t->a->json))
		print_event(t, event);
}

void teller_event(Teller *t, const json_t *event, bool told)
{
	if (t->run)
		take(t, event, told);
	else
		json_array_append_new(
			t->early, json_pack("{s:O,s:b}", "event", event, "told", told));
}

void teller_set_run(Teller *t, const char *run)
{
	t->run = g_strdup(run);
	size_t i;
	json_t *e;
	json_array_foreach (t->early, i, e)
		take(t, json_object_get(e, "event"), json_path_bool(e, "told", false));
	json_array_clear(t->early);
}

static bool any_skip(const json_t *run)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		if (strstr(json_path_str(c, "outcome", ""), "Skip"))
			return true;
	return false;
}

static void print_end(Teller *t, const json_t *run, const json_t *why, int code)
{
	g_autoptr(GString) out = g_string_new("");
	const char *outcome = json_path_str(run, "outcome", NULL);
	size_t i;
	json_t *c;
	g_string_append_printf(
		out, "%s %s:", json_path_str(run, "name", ""), outcome ? outcome : "stands still");
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		g_string_append_printf(out, "%s %s %s", i ? "," : "", json_path_str(c, "name", ""),
			json_path_str(c, "outcome", json_path_str(c, "state", "")));
	g_string_append_c(out, '\n');
	if (code != EXIT_SUCCEEDED && why) {
		g_string_append_c(out, '\n');
		show_why(why, &t->term, out);
	} else {
		show_glass(json_object_get(run, "glass"), &t->term, out);
	}
	term_put(&t->term, stdout, out);
}

static bool write_junit(Teller *t, const json_t *run)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *text = story_junit(t->story, run);
	if (sl_write_file(t->a->junit, text, strlen(text), 0644, &err))
		return true;
	cli_fail(t->a, EXIT_FAILED, err->message, NULL);
	return false;
}

int teller_end(Teller *t, const json_t *run, const json_t *why, int code)
{
	if (code == EXIT_SUCCEEDED && t->a->strict && any_skip(run))
		code = EXIT_HELD;
	if (!t->a->json)
		print_end(t, run, why, code);
	if (t->a->junit && !write_junit(t, run) && code == EXIT_SUCCEEDED)
		code = EXIT_FAILED;
	return code;
}
