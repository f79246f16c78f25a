/* Nodes as far as the engine sees them: looks that change nothing, and commands that run there
 * under a key of ours, apart from any connection. The channel only starts and looks, so a cut, a
 * timeout or our own death leave the command alone, and the same key finds it again. */
#include "providers/target-node.h"
#include "providers/provider.h"
#include "providers/target-internal.h"
#include <string.h>

enum {
	LOOK_JOB_MSEC = 60000,
	/* A package manager may fetch its lists first. */
	TRY_JOB_MSEC = 180000,
	TRY_COMMAND_MSEC = 150000,
	TRY_SESSION_MSEC = 165000,
	START_JOB_MSEC = 60000,
	FETCH_JOB_MSEC = 180000,
	FETCH_SESSION_MSEC = 165000,
	JOB_MARGIN_MSEC = 15000, /* beyond the session of a request that names one */
	SESSION_MSEC =
		45000, /* below the worker's own time, so that it says itself what was late */
	LOOK_MAX_AGE_SEC = 60,
	TRY_MAX_AGE_SEC = 600,
	JOB_MAX_AGE_SEC = 1,
	TAIL_BYTES = 64 << 10,
};

char *node_key(const char *address, const char *what)
{
	return g_strdup_printf("%s %s", address, what);
}

/* What stands behind the address. */
static const char *what_of(const char *key)
{
	const char *space = strchr(key, ' ');
	g_assert(space);
	return space + 1;
}

/* The request with its common members; NULL: p is answered. Takes body. */
static char *whole_request(Pending *p, const char *key, json_t *body)
{
	Target *t = p->t;
	g_autoptr(json_t) owned = body;
	g_autoptr(json_t) all = pending_access(p, t->node_access, t->node_ud);
	if (!all)
		return NULL;
	g_autofree char *host = g_strndup(key, strcspn(key, " "));
	json_object_update(all, body);
	json_object_set_new(all, "host", json_string(host));
	if (!json_object_get(all, "sessionMsec"))
		json_object_set_new(all, "sessionMsec", json_integer(SESSION_MSEC));
	return json_canonical(all);
}

/* The node's name as the memo of this item's hop has it, else the address. */
static const char *name_of(const Item *it, const char *key)
{
	size_t len = strcspn(key, " "), i;
	json_t *m;
	json_array_foreach (json_path(item_memo(it), "machines.list"), i, m) {
		const char *address = json_path_str(m, "address", "");
		if (strlen(address) == len && strncmp(address, key, len) == 0)
			return json_path_str(m, "name", "?");
	}
	return key;
}

static char *look_words(const Item *it, const char *key)
{
	const char *name = name_of(it, key);
	return name == key ? g_strdup_printf("node %s", key)
			   : g_strdup_printf("node %s (%s)", name, key);
}

/* It is only asked about: what runs there goes on by itself. */
static char *job_words(const Item *it, const char *key)
{
	const char *name = name_of(it, key);
	int len = name == key ? (int)strcspn(key, " ") : (int)strlen(name);
	return g_strdup_printf("what became of command %s on node %.*s", what_of(key), len, name);
}

/* ---- looks ---- */

static json_t *look_view(const Target *t, const char *what, const json_t *v, GError **err)
{
	bool ok = json_path_bool(v, "ok", false);
	const char *out = json_path_str(v, "out", "");
	json_t *parsed = NULL;
	if (ok && t->provider->look_parsed) {
		parsed = t->provider->look_parsed(what, out, err);
		if (!parsed)
			return NULL;
	}
	json_t *view = json_pack("{s:b, s:s, s:s, s:I}", "ok", (int)ok, "out", parsed ? "" : out,
		"err", json_path_str(v, "err", ""), "atUsec", (json_int_t)loop_wall_usec(t->loop));
	if (parsed)
		json_object_set_new(view, "parsed", parsed);
	return view;
}

static bool said_all(const json_t *v, GError **err)
{
	if (json_path_bool(v, "ok", false))
		return true;
	const char *words = json_path_str(v, "err", "");
	return sl_fail(err, SL_ERR_RETRY, "the look ended with exit code %d: %s",
		(int)json_path_int(v, "exitCode", -1), *words ? words : "it said nothing");
}

static void on_looked(
	const char *answer, size_t len, const GError *job_err, Pending *p, bool may_say_no)
{
	p->job = 0;
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) v = pending_answer(answer, len, job_err, &err);
	bool good = v && (may_say_no || said_all(v, &err));
	json_t *view = good ? look_view(p->t, what_of(fact_read_key(p->read)), v, &err) : NULL;
	fact_read_done(p->read, view ? view_new(view) : NULL, err);
	pending_done(p);
}

/* A look that did not come to its end has told nothing: no tick waits for its answer for ever. */
static void on_look(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Pending *p = ud;
	const Provider *provider = p->t->provider;
	bool may_say_no = provider->look_may_say_no &&
			  provider->look_may_say_no(what_of(fact_read_key(p->read)));
	on_looked(answer, len, job_err, p, may_say_no);
}

static void on_try(const char *answer, size_t len, const GError *job_err, void *ud)
{
	on_looked(answer, len, job_err, ud, true);
}

/* times: members of the request that say how long it may take; taken. */
static void start_look(
	Site *site, const char *key, FactRead *r, json_t *times, int job_msec, JobDone *done)
{
	g_autoptr(json_t) body = times;
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	g_autofree char *command =
		t->provider->look_text ? t->provider->look_text(t, what_of(key)) : NULL;
	if (!command) {
		pending_fail(p, "this provider looks at no node");
		return;
	}
	json_object_set_new(body, "op", json_string("run"));
	json_object_set_new(body, "command", json_string(command));
	g_autofree char *text = whole_request(p, key, json_incref(body));
	if (text)
		p->job = t->job.ops->start(
			t->job.self, "node", text, strlen(text), job_msec, done, p);
}

static void read_look(Site *site, const char *key, FactRead *r)
{
	start_look(site, key, r, json_object(), LOOK_JOB_MSEC, on_look);
}

static void read_try(Site *site, const char *key, FactRead *r)
{
	start_look(site, key, r,
		json_pack("{s:i, s:i}", "sessionMsec", (int)TRY_SESSION_MSEC, "commandMsec",
			(int)TRY_COMMAND_MSEC),
		TRY_JOB_MSEC, on_try);
}

const FactRow fact_node_look = {
	.name = "node", .max_age_sec = LOOK_MAX_AGE_SEC, .read = read_look, .words = look_words
};
const FactRow fact_node_try = {
	.name = "node-try", .max_age_sec = TRY_MAX_AGE_SEC, .read = read_try, .words = look_words
};

/* ---- commands ---- */

static void on_job(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Pending *p = ud;
	p->job = 0;
	g_autoptr(GError) err = NULL;
	json_t *v = pending_answer(answer, len, job_err, &err);
	fact_read_done(p->read, v ? view_new(v) : NULL, err);
	pending_done(p);
}

static void read_job(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	g_autofree char *text = whole_request(p, key,
		json_pack("{s:s, s:s, s:i, s:b}", "op", "look", "job", what_of(key), "maxBytes",
			(int)TAIL_BYTES, "last", 1));
	if (text)
		p->job = t->job.ops->start(
			t->job.self, "node", text, strlen(text), LOOK_JOB_MSEC, on_job, p);
}

const FactRow fact_node_job = {
	.name = "node-job", .max_age_sec = JOB_MAX_AGE_SEC, .read = read_job, .words = job_words
};

/* ---- files ---- */

char *target_backup_path(const Target *t, const char *file)
{
	return t->backups && *file ? g_build_filename(t->backups, t->name, file, NULL) : NULL;
}

static void read_fetch(Site *site, const char *key, FactRead *r)
{
	Target *t = site_ctx(site);
	Pending *p = pending_new(t, r);
	g_autoptr(json_t) q = json_loads(what_of(key), 0, NULL);
	g_autofree char *to = target_backup_path(t, json_path_str(q, "file", ""));
	if (!to) {
		pending_fail(p, "there is no folder for backup sets here");
		return;
	}
	json_object_set_new(q, "op", json_string("fetch"));
	json_object_set_new(q, "to", json_string(to));
	json_object_set_new(q, "sessionMsec", json_integer(FETCH_SESSION_MSEC));
	json_object_set_new(q, "commandMsec", json_integer(FETCH_SESSION_MSEC));
	g_autofree char *text = whole_request(p, key, json_incref(q));
	if (text)
		p->job = t->job.ops->start(
			t->job.self, "node", text, strlen(text), FETCH_JOB_MSEC, on_job, p);
}

const FactRow fact_node_fetch = { .name = "node-fetch", .read = read_fetch };

Class node_job_classify(const json_t *want, const View *v)
{
	return strcmp(json_path_str(v->json, "state", ""), "absent") == 0 ? CLASS_ABSENT
									  : CLASS_DONE;
}

static AnswerClass class_of(const json_t *v, const GError *job_err)
{
	if (job_err)
		return g_error_matches(job_err, SL_ERROR, SL_ERR_UNKNOWN_OUTCOME)
			       ? ANSWER_UNKNOWN
			       : ANSWER_NOT_APPLIED;
	/* Accepted and not begun yet: a look will tell. */
	bool begun = v && strcmp(json_path_str(v, "state", "absent"), "absent") != 0;
	return begun ? ANSWER_DONE : ANSWER_UNKNOWN;
}

static void on_start(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Pending *p = ud;
	p->job = 0;
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) v = pending_answer(answer, len, job_err, &err);
	g_autoptr(json_t) detail = json_pack("{s:s*, s:s*, s:s*}", "state",
		json_path_str(v, "state", NULL), "boot", json_path_str(v, "boot", NULL), "message",
		err ? err->message : json_path_str(v, "said", NULL));
	ActAnswer a = { .class = class_of(v, job_err), .retry_after_sec = -1, .detail = detail };
	p->act_done(&a, p->act_ud);
	pending_done(p);
}

uint64_t target_send_node(Target *t, const ActRequest *r, ActDone *done, void *ud)
{
	Pending *p = pending_new(t, NULL);
	p->act_done = done;
	p->act_ud = ud;
	g_autofree char *text = whole_request(p, r->path, json_incref(r->body));
	if (!text)
		return p->timer;
	int session = (int)json_path_int(r->body, "sessionMsec", 0);
	p->job = t->job.ops->start(t->job.self, "node", text, strlen(text),
		session ? session + JOB_MARGIN_MSEC : START_JOB_MSEC, on_start, p);
	return p->job;
}
