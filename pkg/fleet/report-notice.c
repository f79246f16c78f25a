/* A wave told to those who work on its clusters: no word that only an operator understands. */
#include "fleet/report.h"
#include "objects/time.h"
#include "policy/window.h"
#include <string.h>

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* "Tue 2026-12-08 08:00 EST". Caller frees. */
static char *local(const char *rfc3339, const char *zone)
{
	int64_t usec = 0;
	if (!sl_time_parse(rfc3339, &usec))
		return g_strdup("?");
	g_autoptr(GTimeZone) tz = g_time_zone_new_identifier(zone);
	g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(usec / 1000000);
	g_autoptr(GDateTime) there = tz ? g_date_time_to_timezone(utc, tz) : g_date_time_ref(utc);
	return g_date_time_format(there, "%a %Y-%m-%d %H:%M %Z");
}

static const char *system_of(const json_t *cluster)
{
	return strcmp(str(cluster, "provider"), "openshift") == 0 ? "OpenShift" : "Kubernetes";
}

static bool is_good(const char *outcome)
{
	return g_str_has_prefix(outcome, "Succeeded");
}

static void say_planned(GString *s, const json_t *c, int64_t now)
{
	const json_t *policy = json_object_get(c, "window");
	g_autoptr(WindowRules) rules =
		json_is_object(policy) ? window_parse(policy, str(c, "timeZone"), NULL) : NULL;
	WindowState w = window_state(rules, now);
	g_autofree char *when = rules ? window_text(rules, &w) : NULL;
	g_string_append_printf(s, "- %s: planned%s%s\n", str(c, "service"),
		when ? "; its maintenance window " : ", as soon as it is its turn",
		when ? when : "");
}

static void say_done(GString *s, const json_t *c)
{
	const char *outcome = str(c, "outcome"), *zone = str(c, "timeZone");
	g_autofree char *began = local(str(c, "began"), zone),
			*ended = local(str(c, "ended"), zone);
	g_string_append_printf(s, "- %s: ", str(c, "service"));
	if (!*str(c, "began"))
		g_string_append(s, "was left out; nothing was changed");
	else if (is_good(outcome))
		g_string_append_printf(s, "done. It runs %s %s; the work took from %s to %s",
			system_of(c), str(c, "version"), began, ended);
	else if (strcmp(outcome, "RolledBack") == 0)
		g_string_append_printf(s,
			"taken back. It runs %s %s as before; the work took from %s to %s",
			system_of(c), str(c, "version"), began, ended);
	else
		g_string_append_printf(s, "the work ended at %s before it was complete", ended);
	g_string_append(s, "\n");
}

static void say_cluster(GString *s, const json_t *c, int64_t now)
{
	g_autofree char *began = local(str(c, "began"), str(c, "timeZone"));
	if (*str(c, "ended"))
		say_done(s, c);
	else if (*str(c, "began"))
		g_string_append_printf(s, "- %s: in work since %s\n", str(c, "service"), began);
	else
		say_planned(s, c, now);
}

/* What is to come, once for the wave. */
#define EXPECT                                                                                     \
	"\nWhat you may notice: while a cluster is in work, its API and its web console can be "   \
	"away "                                                                                    \
	"for about a minute at a time. Its nodes then restart one after the other, and what runs " \
	"on a "                                                                                    \
	"node is moved to another one first. An application with a single replica is away while "  \
	"it is "                                                                                   \
	"moved; one with several replicas and a PodDisruptionBudget goes on. Batch jobs that "     \
	"must not "                                                                                \
	"be interrupted are best started afterwards.\nYou need not do anything.\n"

char *report_notice(const json_t *run, const char *wave, int64_t now_usec)
{
	g_autoptr(GString) list = g_string_new(NULL);
	const char *system = "Kubernetes";
	size_t i, n = 0, n_ended = 0;
	json_t *c;
	json_array_foreach (json_object_get(run, "clusters"), i, c) {
		if (strcmp(str(c, "wave"), wave) != 0)
			continue;
		n++;
		n_ended += *str(c, "ended") != '\0';
		system = system_of(c);
		say_cluster(list, c, now_usec);
	}
	if (n == 0)
		return NULL;
	return g_strdup_printf("Maintenance (%s): upgrade to %s %s%s\n\n%s%s", wave, system,
		str(run, "target.version"), n == n_ended ? ", completed" : "", list->str,
		n == n_ended ? "" : EXPECT);
}
