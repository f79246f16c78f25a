#include "base/log.h"

typedef struct Seen {
	int n;
	LogLevel level;
	char *text;
} Seen;

static void seen_write(void *self, const LogEntry *e)
{
	Seen *s = self;
	GString *t = g_string_new(e->message);
	for (size_t i = 0; i < e->n_fields; i++)
		g_string_append_printf(t, "|%s=%s", e->fields[i].name, e->fields[i].value);
	g_free(s->text);
	s->text = g_string_free(t, FALSE);
	s->level = e->level;
	s->n++;
}

static const LogOps seen_ops = { .write = seen_write };

static void test_levels_and_fields(void)
{
	Seen s = { 0 };
	Log log = { &seen_ops, &s, LOG_LEVEL_INFO };
	sl_log(log, LOG_LEVEL_DEBUG, LOG_NO_FIELDS, "too fine");
	g_assert_cmpint(s.n, ==, 0);
	sl_log(log, LOG_LEVEL_INFO, LOG_FIELDS({ "A", "1" }, { "B", "2" }), "n %d", 7);
	g_assert_cmpstr(s.text, ==, "n 7|A=1|B=2");
	g_assert_cmpint(s.level, ==, LOG_LEVEL_INFO);
	sl_log(log, LOG_LEVEL_ERROR, LOG_NO_FIELDS, "bare");
	g_assert_cmpstr(s.text, ==, "bare");
	g_assert_cmpint(s.n, ==, 2);
	g_free(s.text);
}

static void test_bounds(void)
{
	Seen s = { 0 };
	LogField many[LOG_MAX_FIELDS + 5];
	for (size_t i = 0; i < G_N_ELEMENTS(many); i++)
		many[i] = (LogField){ "F", "v" };
	Log log = { &seen_ops, &s, LOG_LEVEL_DEBUG };
	sl_log(log, LOG_LEVEL_DEBUG, many, G_N_ELEMENTS(many), "m");
	g_assert_cmpuint(strlen(s.text), ==, 1 + LOG_MAX_FIELDS * strlen("|F=v"));
	g_free(s.text);
	sl_log((Log){ 0 }, LOG_LEVEL_ERROR, LOG_NO_FIELDS, "nobody listens");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/log/levels-and-fields", test_levels_and_fields);
	g_test_add_func("/log/bounds", test_bounds);
	return g_test_run();
}
