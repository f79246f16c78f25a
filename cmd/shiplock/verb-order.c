/* shiplock pause, resume, approve, abort, retry, skip. */
#include "find.h"
#include "local.h"
#include "order.h"
#include "show.h"
#include <string.h>
#include <unistd.h>

enum { NAME_MAX_BYTES = 256, STEP_USEC = 200000, REPLY_SEC = 60 };

char *order_path(const char *verb, const char *cluster)
{
	if (!cluster)
		return g_strdup_printf("/v1/%s", verb);
	g_autofree char *name = g_uri_escape_string(cluster, NULL, false);
	return g_strdup_printf("/v1/clusters/%s/%s", name, verb);
}

static void add_text(json_t *body, const char *key, const char *text)
{
	if (text)
		json_object_set_new(body, key, json_string(text));
}

json_t *order_body(const Args *a, const json_t *seen)
{
	json_t *body = json_object();
	add_text(body, "reason", a->reason);
	add_text(body, "node", a->node);
	add_text(body, "gate", a->gate);
	add_text(body, "subject", a->subject);
	if (a->reject)
		json_object_set_new(body, "reject", json_true());
	if (a->break_glass)
		json_object_set_new(body, "breakGlass", json_true());
	if (seen)
		json_object_set_new(body, "expect",
			json_pack("{s:s}", "state", json_path_str(seen, "state", "")));
	return body;
}

void order_expect_seen(json_t *body, const json_t *seen)
{
	json_t *expect = json_object_get(body, "expect"), *seq = json_object_get(seen, "seq");
	if (expect && seq)
		json_object_set(expect, "seq", seq);
}

bool order_confirmed(const Args *a)
{
	char line[NAME_MAX_BYTES] = "";
	if (a->yes)
		return strcmp(a->yes, a->rest[0]) == 0;
	if (!isatty(STDIN_FILENO))
		return false;
	printf("Type the cluster's name to go on: ");
	fflush(stdout);
	return fgets(line, sizeof line, stdin) && strcmp(g_strstrip(line), a->rest[0]) == 0;
}

int order_give(const Args *a, Client *c, const char *cluster, const json_t *body)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *path = order_path(a->verb, cluster);
	g_autoptr(json_t) says = client_order(c, path, body, &err);
	if (!says)
		return client_fail(a, err);
	if (a->json)
		cli_print_json(says);
	else
		puts(json_path_str(says, "says", "done"));
	return EXIT_SUCCEEDED;
}

static int wrong(const Args *a, const char *text, const char *hint)
{
	return cli_fail(a, EXIT_USAGE, text, hint);
}

static int check(const Args *a)
{
	bool named = a->n_rest == 1;
	if (a->fleet == named)
		return wrong(a, "name a cluster, or say --fleet", NULL);
	if (strcmp(a->verb, "skip") == 0 && !(a->reason && *a->reason))
		return wrong(a, "needs --reason TEXT", NULL);
	if (a->node && a->gate)
		return wrong(a, "takes --node or --gate, not both", NULL);
	if ((a->break_glass || a->reject) && !(a->reason && *a->reason))
		return wrong(a,
			a->reject ? "--reject needs --reason TEXT"
				  : "--break-glass needs --reason TEXT",
			NULL);
	if (a->break_glass && a->reject)
		return wrong(a, "takes --reject or --break-glass, not both", NULL);
	return EXIT_SUCCEEDED;
}

/* What is asked stands above the answer; on a pipe too, for the log. The answer is to that very
 * question. */
static bool show_asked(const Args *a, Client *c, const char *cluster, json_t *body, GError **err)
{
	Target target = { .cluster = (char *)cluster };
	g_autofree char *path = target_path(&target, "/why");
	g_autoptr(json_t) why = client_get(c, path, err);
	if (!why)
		return false;
	if (!json_is_object(json_object_get(why, "question")))
		return true; /* the answer says that nothing is asked */
	Term t = term_of(stdout);
	g_autoptr(GString) out = g_string_new("");
	show_question(why, &t, out);
	if (!a->json)
		term_put(&t, stdout, out);
	const char *digest = json_path_str(why, "question.digest", NULL);
	json_t *expect = json_object_get(body, "expect");
	if (digest && expect)
		json_object_set_new(expect, "digest", json_string(digest));
	return true;
}

typedef struct Said {
	bool done;
	char *says;
	GError *err;
} Said;

static void on_said(const char *says, int64_t run, const GError *err, void *ud)
{
	Said *s = ud;
	*s = (Said){ .done = true, .says = g_strdup(says), .err = err ? g_error_copy(err) : NULL };
}

/* In the journal of a folder that no controller has: the next `shiplock run` goes on from there. */
static int resume_here(const Args *a)
{
	if (!a->fleet)
		return wrong(a, "--state goes with --fleet only", NULL);
	Local l;
	Said said = { 0 };
	g_autofree char *who = local_login();
	FleetCommand c = { .verb = a->verb, .who = who, .reason = a->reason, .uid = getuid() };
	if (local_open(&l, a->state, NULL, NULL, &said.err)) {
		int64_t end = loop_boot_usec(l.loop) + REPLY_SEC * SL_USEC_PER_SEC;
		fleet_command(l.fleet, &c, on_said, &said);
		while (!said.done && loop_boot_usec(l.loop) < end)
			loop_event_step(l.events, STEP_USEC);
		if (!said.done)
			sl_fail(&said.err, SL_ERR_UNKNOWN_OUTCOME, "the journal does not answer");
	}
	local_close(&l);
	int code = said.err ? cli_fail_error(a, said.err) : EXIT_SUCCEEDED;
	if (!said.err)
		puts(said.says);
	g_free(said.says);
	g_clear_error(&said.err);
	return code;
}

int verb_order(const Args *a)
{
	g_autoptr(GError) err = NULL;
	int code = check(a);
	if (code != EXIT_SUCCEEDED)
		return code;
	if (a->state)
		return resume_here(a);
	const char *cluster = a->fleet ? NULL : a->rest[0];
	g_autoptr(Client) c = client_open(client_socket(a), &err);
	Target target = { .cluster = (char *)cluster };
	g_autofree char *path = cluster ? target_path(&target, "") : NULL;
	g_autoptr(json_t) seen = c && path ? client_get(c, path, &err) : NULL;
	if (err)
		return client_fail(a, err);
	g_autoptr(json_t) body = order_body(a, seen);
	bool shown = strcmp(a->verb, "approve") == 0;
	if (shown && !show_asked(a, c, cluster, body, &err))
		return client_fail(a, err);
	if (shown)
		order_expect_seen(body, seen);
	return order_give(a, c, cluster, body);
}
