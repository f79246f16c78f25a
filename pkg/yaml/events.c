#include "yaml/events.h"

enum { MESSAGE_MAX = 300 };

static void take_words(struct fy_diag *diag, int *ret_line, int *ret_column, char **ret_why)
{
	void *iter = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);
	g_autofree char *what =
		g_strndup(e && e->msg ? e->msg : "not readable as YAML", MESSAGE_MAX);
	g_strdelimit(what, "\r\n", ' ');
	*ret_why = g_strstrip(g_utf8_make_valid(what, -1));
	*ret_line = e && e->line > 0 ? e->line : 1;
	*ret_column = e && e->column > 0 ? e->column : 1;
}

static struct fy_diag *new_diag(void)
{
	struct fy_diag_cfg cfg;
	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL; /* never the library's printer */
	struct fy_diag *diag = fy_diag_create(&cfg);
	g_assert(diag);
	fy_diag_set_collect_errors(diag, true);
	return diag;
}

bool yaml_events(const char *text, size_t len, YamlOnEvent *on_event, void *ud, int *ret_line,
	int *ret_column, char **ret_why)
{
	struct fy_diag *diag = new_diag();
	const struct fy_parse_cfg cfg = {
		.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG | FYPCF_ALLOW_DUPLICATE_KEYS |
			 FYPCF_DEFAULT_VERSION_1_2 | FYPCF_JSON_NONE | FYPCF_DISABLE_MMAP_OPT,
		.diag = diag,
	};
	struct fy_parser *parser = fy_parser_create(&cfg);
	g_assert(parser);
	bool go_on = true, ok = fy_parser_set_string(parser, text, len) == 0;
	struct fy_event *e;
	while (ok && go_on && (e = fy_parser_parse(parser))) {
		go_on = on_event(e, ud);
		fy_parser_event_free(parser, e);
	}
	if (go_on && fy_parser_get_stream_error(parser))
		ok = false;
	if (!ok)
		take_words(diag, ret_line, ret_column, ret_why);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return ok;
}
