#include "find.h"
#include <string.h>

static int64_t digits(const char *text)
{
	char *end = NULL;
	int64_t v = g_ascii_isdigit(*text) ? g_ascii_strtoll(text, &end, 10) : 0;
	return end && *end == '\0' ? v : 0;
}

Target target_parse(const char *text)
{
	const char *hash = strrchr(text, '#'), *slash = strchr(text, '/');
	int64_t run = digits(hash ? hash + 1 : text);
	if (run > 0)
		return (Target){ .run = run };
	if (!slash)
		return (Target){ .cluster = g_strdup(text) };
	return (Target){ .cluster = g_strndup(text, (size_t)(slash - text)),
		.node = g_strdup(slash + 1) };
}

void target_clear(Target *t)
{
	g_clear_pointer(&t->cluster, g_free);
	g_clear_pointer(&t->node, g_free);
}

char *target_path(const Target *t, const char *suffix)
{
	if (t->run)
		return g_strdup_printf("/v1/runs/%" G_GINT64_FORMAT "%s", t->run, suffix);
	g_autofree char *cluster = g_uri_escape_string(t->cluster, NULL, false);
	g_autofree char *node = t->node ? g_uri_escape_string(t->node, NULL, false) : NULL;
	return g_strdup_printf(
		"/v1/clusters/%s%s%s%s", cluster, node ? "/nodes/" : "", node ? node : "", suffix);
}
