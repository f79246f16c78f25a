/* shiplock run: one plan to its end, for pipelines. */
#include "client.h"
#include "follow.h"
#include "local.h"
#include "plan-set.h"
#include "plan/schema.h"
#include "plan/snapshot.h"
#include "tell.h"
#include <string.h>

#define STOPPED "shiplock run was stopped by a signal"
enum { STEP_USEC = 500000, REPLY_SEC = 60 };

/* Nothing new is begun; what runs in the clusters is not undone. */
static int end_stopped(const Args *a, Teller *t, const json_t *run, const json_t *why)
{
	int code = teller_end(t, run, why, EXIT_HELD);
	if (!a->json)
		puts("\nstopped by a signal: nothing new is begun; the same command goes on");
	return code;
}

/* ---- in this process ---- */

typedef struct Here {
	Local local;
	Teller *teller;
	int64_t run;
	bool replied, stopping, stopped;
	GError *err;
} Here;

static void on_event(const FleetEvent *e, void *ud)
{
	Here *h = ud;
	g_autoptr(json_t) event = local_event(e);
	teller_event(h->teller, event, !e->replay);
}

static void on_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	Here *h = ud;
	h->replied = true;
	h->run = run;
	if (err && !h->err)
		h->err = g_error_copy(err);
}

static void on_stopped(const char *says, int64_t run, const GError *err, void *ud)
{
	((Here *)ud)->stopped = true;
}

/* T0: nothing new is begun, and the journal says so. */
static void on_term(void *ud)
{
	Here *h = ud;
	if (h->stopping)
		h->stopped = true; /* the second signal does not wait */
	h->stopping = true;
	g_autofree char *who = local_login();
	FleetCommand c = { .verb = "pause", .who = who, .reason = STOPPED };
	fleet_command(h->local.fleet, &c, on_stopped, h);
}

static void on_hup(void *ud)
{
}

static void wait_reply(Here *h)
{
	int64_t end = loop_boot_usec(h->local.loop) + REPLY_SEC * SL_USEC_PER_SEC;
	while (!h->replied && loop_boot_usec(h->local.loop) < end)
		loop_event_step(h->local.events, STEP_USEC);
	if (!h->replied && !h->err)
		sl_fail(&h->err, SL_ERR_UNKNOWN_OUTCOME, "the journal does not answer");
	h->replied = false;
}

/* The pause that an earlier signal left behind. */
static bool take_pause_back(Here *h)
{
	g_autoptr(json_t) status = fleet_status(h->local.fleet);
	g_autofree char *who = local_login();
	size_t i;
	json_t *need;
	json_array_foreach (json_object_get(status, "needsYou"), i, need) {
		if (!strstr(json_path_str(need, "text", ""), STOPPED))
			continue;
		FleetCommand c = { .verb = "resume", .who = who, .reason = "shiplock run goes on" };
		fleet_command(h->local.fleet, &c, on_reply, h);
		wait_reply(h);
		return !h->err;
	}
	return true;
}

static bool submit_here(Here *h, const Args *a, DocSet *set)
{
	g_autofree char *who = local_login();
	FleetSubmit s = { .set = set, .plan = a->rest[0], .who = who };
	fleet_submit(h->local.fleet, &s, on_reply, h);
	wait_reply(h);
	g_autoptr(json_t) run = h->err ? NULL : fleet_run(h->local.fleet, h->run);
	if (run)
		teller_set_run(h->teller, json_path_str(run, "name", ""));
	return run != NULL;
}

static int drive(Here *h, const Args *a)
{
	int code = -1;
	while (code == -1 && !h->stopped) {
		loop_event_step(h->local.events, STEP_USEC);
		code = fleet_exit_code(h->local.fleet, h->run, a->strict);
		if (!fleet_writable(h->local.fleet))
			return cli_fail(
				a, EXIT_FAILED, "the journal cannot be written", "df, then again");
	}
	g_autoptr(json_t) run = fleet_run(h->local.fleet, h->run);
	g_autoptr(json_t) why = fleet_why_run(h->local.fleet, h->run);
	bool held = code == -1 || code == EXIT_HELD;
	return h->stopping && held ? end_stopped(a, h->teller, run, why)
				   : teller_end(h->teller, run, why, code);
}

static int run_here(const Args *a, DocSet *set, Teller *teller)
{
	Here h = { .teller = teller };
	int code = EXIT_FAILED;
	bool open = local_open(&h.local, a->state, on_event, &h, &h.err) &&
		    loop_event_on_service_signals(h.local.events, on_term, on_hup, &h, &h.err) &&
		    take_pause_back(&h);
	if (!open)
		docset_free(set);
	else if (submit_here(&h, a, set))
		code = drive(&h, a);
	if (h.err)
		code = cli_fail_error(a, h.err);
	local_close(&h.local);
	g_clear_error(&h.err);
	return code;
}

/* ---- in the controller ---- */

typedef struct There {
	Teller *teller;
	char *path; /* /v1/runs/ID */
	int64_t seq; /* events after it are new */
	json_t *run;
} There;

static json_t *files_of(const DocSet *set)
{
	json_t *files = json_array();
	const char *kind;
	for (size_t k = 0; (kind = schema_kind(k)); k++)
		for (size_t i = 0; i < docset_n(set, kind); i++) {
			const Doc *d = docset_nth(set, kind, i);
			g_autofree char *name = g_strdup_printf("%s/%s.yaml", kind, doc_name(d));
			char *text = json_dumps(doc_json(d), JSON_INDENT(1));
			json_array_append_new(
				files, json_pack("{s:s,s:s}", "name", name, "text", text));
			free(text);
		}
	return files;
}

static void each(const json_t *event, void *ud)
{
	There *t = ud;
	teller_event(t->teller, event, json_path_int(event, "seq", 0) > t->seq);
}

static bool over(Client *c, void *ud, GError **err)
{
	There *t = ud;
	json_decref(t->run);
	t->run = client_get(c, t->path, err);
	return !t->run || json_path_int(t->run, "exitCode", -1) != -1;
}

/* What the signal means where the controller goes on without us: T0 for this run's clusters. */
static void order_clusters(const Args *a, There *t, const char *verb, const char *reason)
{
	g_autoptr(Client) c = client_open(client_socket(a), NULL);
	g_autoptr(json_t) body = json_pack("{s:s}", "reason", reason);
	size_t i;
	json_t *cluster;
	json_array_foreach (json_object_get(t->run, "clusters"), i, cluster) {
		if (!c || json_path_str(cluster, "outcome", NULL))
			continue;
		g_autoptr(GError) err = NULL;
		g_autofree char *path = g_strdup_printf(
			"/v1/clusters/%s/%s", json_path_str(cluster, "name", ""), verb);
		json_decref(client_order(c, path, body, &err));
	}
}

static bool was_stopped(const json_t *run)
{
	size_t i, k;
	json_t *c, *h;
	json_array_foreach (json_object_get(run, "clusters"), i, c) {
		json_array_foreach (json_object_get(c, "holds"), k, h)
			if (strstr(json_path_str(h, "reason", ""), STOPPED))
				return true;
	}
	return false;
}

static bool submit_there(const Args *a, Client *c, const DocSet *set, There *t, GError **err)
{
	g_autoptr(json_t) status = client_get(c, "/v1/status", err);
	g_autoptr(json_t) body = json_pack("{s:o,s:s}", "files", files_of(set), "plan", a->rest[0]);
	g_autoptr(json_t) says = status ? client_order(c, "/v1/runs", body, err) : NULL;
	if (!says)
		return false;
	t->seq = json_path_int(status, "seq", 0);
	t->path = g_strdup_printf("/v1/runs/%d", (int)json_path_int(says, "run", 0));
	t->run = client_get(c, t->path, err);
	return t->run != NULL;
}

static int follow_there(const Args *a, There *t, GError **err)
{
	Follow f = { .socket = client_socket(a),
		.after = a->junit ? 0 : t->seq,
		.each = each,
		.over = over,
		.ud = t };
	follow_signals();
	teller_set_run(t->teller, json_path_str(t->run, "name", ""));
	if (was_stopped(t->run))
		order_clusters(a, t, "resume", "shiplock run goes on");
	if (!follow(&f, err))
		return EXIT_FAILED;
	if (follow_interrupted())
		order_clusters(a, t, "pause", STOPPED);
	g_autoptr(Client) c = client_open(f.socket, NULL);
	g_autofree char *path = g_strconcat(t->path, "/why", NULL);
	g_autoptr(json_t) why = c ? client_get(c, path, NULL) : NULL;
	int code = (int)json_path_int(t->run, "exitCode", -1);
	return follow_interrupted() ? end_stopped(a, t->teller, t->run, why)
				    : teller_end(t->teller, t->run, why, code);
}

static int run_there(const Args *a, Client *c, DocSet *set, Teller *teller)
{
	g_autoptr(GError) err = NULL;
	There t = { .teller = teller };
	int code = EXIT_FAILED;
	if (submit_there(a, c, set, &t, &err))
		code = follow_there(a, &t, &err);
	if (err)
		code = err->code == SL_ERR_INVALID
			       ? cli_fail(a, EXIT_BAD_DOCUMENTS, err->message, NULL)
			       : client_fail(a, err);
	docset_free(set);
	json_decref(t.run);
	g_free(t.path);
	return code;
}

int verb_run(const Args *a)
{
	int code = EXIT_FAILED;
	DocSet *set = plan_set_load(a, &code);
	if (!set)
		return code;
	g_autoptr(GError) err = NULL;
	g_autoptr(Client) c = client_open(client_socket(a), &err);
	if (!c && err->code != SL_ERR_NOT_FOUND) {
		/* One listens, but not to us: two controllers at once are nobody's wish. */
		docset_free(set);
		return client_fail(a, err);
	}
	if (!c && !a->state) {
		docset_free(set);
		g_autofree char *text =
			g_strdup_printf("%s, and no --state is given", err->message);
		return cli_fail(a, EXIT_USAGE, text, "--state DIR, or systemctl start shiplockd");
	}
	g_autoptr(json_t) snapshot =
		plan_snapshot(set, docset_find(set, "UpgradePlan", a->rest[0]), NULL);
	Teller teller;
	teller_init(&teller, a, snapshot);
	code = c ? run_there(a, c, set, &teller) : run_here(a, set, &teller);
	teller_clear(&teller);
	return code;
}
