/* shiplock rollback: says what it costs, asks once. */
#include "find.h"
#include "follow.h"
#include "order.h"
#include "show.h"
#include <string.h>

typedef struct Wait {
	const char *cluster;
	char *path; /* of the cluster */
	char *old_run; /* that ended before: the rollback is another; NULL: it is in work */
	char *outcome; /* NULL: stands still without one */
} Wait;

static int print_cost(const Args *a, Client *c, json_t **ret_seen, GError **err)
{
	Target target = { .cluster = a->rest[0] };
	g_autofree char *path = target_path(&target, ""), *why_path = target_path(&target, "/why");
	*ret_seen = client_get(c, path, err); /* before what is shown: that may only be newer */
	g_autoptr(json_t) why = *ret_seen ? client_get(c, why_path, err) : NULL;
	if (!why)
		return EXIT_FAILED;
	Term t = term_of(stdout);
	g_autoptr(GString) out = g_string_new("");
	show_rollback(why, *ret_seen, &t, out);
	if (!a->json)
		term_put(&t, stdout, out);
	return EXIT_SUCCEEDED;
}

static void each(const json_t *event, void *ud)
{
	const Wait *w = ud;
	if (strcmp(json_path_str(event, "cluster", ""), w->cluster) != 0 ||
		strcmp(json_path_str(event, "type", ""), "move") != 0)
		return;
	Term t = term_of(stderr);
	g_autoptr(GString) line = g_string_new("");
	show_event(event, line);
	g_string_append_c(line, '\n');
	term_put(&t, stderr, line);
}

/* Held by something that only a person clears: that is an end too. */
static bool stands_still(Client *c, const char *run_name, GError **err)
{
	Target target = target_parse(run_name);
	g_autofree char *path = target_path(&target, "");
	g_autoptr(json_t) run = client_get(c, path, err);
	target_clear(&target);
	return !run || json_path_int(run, "exitCode", -1) == EXIT_HELD;
}

static bool over(Client *c, void *ud, GError **err)
{
	Wait *w = ud;
	g_autoptr(json_t) cluster = client_get(c, w->path, err);
	const char *run = json_path_str(cluster, "run", "");
	if (!cluster)
		return true;
	if (w->old_run && strcmp(run, w->old_run) == 0)
		return false; /* the new run has not listed it yet */
	if (strcmp(json_path_str(cluster, "state", ""), "ended") != 0)
		return stands_still(c, run, err);
	w->outcome = g_strdup(json_path_str(cluster, "outcome", NULL));
	return true;
}

static int code_of(const char *outcome)
{
	static const struct {
		const char *outcome;
		int code;
	} codes[] = {
		{ "RolledBack", EXIT_SUCCEEDED },
		{ "PartiallyRolledBack", EXIT_MIXED },
		{ "Indeterminate", EXIT_MIXED },
		{ "Refused", EXIT_REFUSED },
		{ "Aborted", EXIT_ABORTED },
	};
	for (size_t i = 0; outcome && i < G_N_ELEMENTS(codes); i++)
		if (strcmp(codes[i].outcome, outcome) == 0)
			return codes[i].code;
	return EXIT_HELD;
}

static int wait_end(const Args *a, const json_t *seen, int64_t after)
{
	g_autoptr(GError) err = NULL;
	Target target = { .cluster = a->rest[0] };
	Wait w = { .cluster = a->rest[0], .path = target_path(&target, "") };
	if (strcmp(json_path_str(seen, "state", ""), "ended") == 0)
		w.old_run = g_strdup(json_path_str(seen, "run", ""));
	Follow f = {
		.socket = client_socket(a), .after = after, .each = each, .over = over, .ud = &w
	};
	int code = follow(&f, &err) ? code_of(w.outcome) : client_fail(a, err);
	if (!err && w.outcome)
		printf("%s %s\n", w.cluster, w.outcome);
	else if (!err)
		printf("%s is held    shiplock why %s\n", w.cluster, w.cluster);
	g_free(w.outcome);
	g_free(w.old_run);
	g_free(w.path);
	return code;
}

int verb_rollback(const Args *a)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) seen = NULL;
	g_autoptr(Client) c = client_open(client_socket(a), &err);
	g_autoptr(json_t) status = c ? client_get(c, "/v1/status", &err) : NULL;
	if (!status || print_cost(a, c, &seen, &err) != EXIT_SUCCEEDED)
		return client_fail(a, err);
	if (a->subject && !a->json)
		puts("By T3: the data of the snapshot comes back, and all that was written since\n"
		     "is lost. Who has to say yes is named by approval.T3 of the RollbackPolicy.");
	if (!order_confirmed(a)) {
		g_autofree char *hint =
			g_strdup_printf("shiplock rollback --yes %s %s", a->rest[0], a->rest[0]);
		return cli_fail(
			a, EXIT_USAGE, "the name is not the cluster's: nothing was done", hint);
	}
	g_autoptr(json_t) body = order_body(a, seen);
	order_expect_seen(body, seen);
	json_object_set_new(body, "confirm", json_string(a->rest[0]));
	int code = order_give(a, c, a->rest[0], body);
	if (code != EXIT_SUCCEEDED)
		return code;
	if (a->wait)
		return wait_end(a, seen, json_path_int(status, "seq", 0));
	if (!a->json)
		printf("shiplock watch %s\n", a->rest[0]);
	return EXIT_SUCCEEDED;
}
