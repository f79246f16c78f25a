#include "fleet/results.h"
#include "fleet/internal.h"
#include "job/git-answer.h"
#include <string.h>

/* Members of the fleet item's memo: from which record on the runs of each repository are written,
 * and up to which record all were. */
#define MEMO_SINCE "results"
#define MEMO_DONE "resulted"
enum { RESULT_OPEN = 1, RESULT_WRITTEN, RESULT_GIVEN_UP, RESULT_MAX, COMMIT_HEX = 40 };

/* The end of a run. */
typedef struct End {
	int64_t seq, wall_usec;
	uint64_t item;
} End;

/* One act on its way, tried until it is there. */
typedef struct Sending {
	Results *r;
	uint64_t id, job, timer;
	json_t *request;
	char *repository, *key, *error;
	unsigned n_failures;
	int64_t give_up_usec;
	ActDone *done;
	void *ud;
} Sending;

struct Results {
	Fleet *f;
	Site *site;
	GArray *ends; /* End, not dealt with yet, in order */
	GPtrArray *items; /* Item, in order; borrowed */
	GPtrArray *sendings; /* Sending */
	uint64_t next_id;
	bool started, queued;
};

static const char *data_of(const Item *it, const char *name)
{
	return json_path_str(item_data(it), name, "");
}

static const json_t *wanted(const Fleet *f, const char *repository)
{
	const FleetResults *o = &f->o.results;
	return o->wanted && *repository ? o->wanted(o->ud, repository) : NULL;
}

/* ---- sending ---- */

static void sending_free(void *p)
{
	Sending *s = p;
	if (s->job)
		s->r->f->o.results.cancel(s->r->f->o.results.ud, s->job);
	loop_cancel(s->r->f->o.loop, &s->timer);
	json_decref(s->request);
	g_free(s->repository);
	g_free(s->key);
	g_free(s->error);
	g_free(s);
}

/* Says what became of it; detail (taken, may be NULL) goes into the record. */
static void settle(Sending *s, AnswerClass class, json_t *detail)
{
	ActAnswer a = { .class = class, .retry_after_sec = -1, .detail = detail };
	ActDone *done = s->done;
	void *to = s->ud;
	g_ptr_array_remove_fast(s->r->sendings, s);
	done(&a, to);
	json_decref(detail);
}

static void try_again(void *ud);

/* Takes text. */
static void failed(Sending *s, char *text)
{
	Loop loop = s->r->f->o.loop;
	int64_t sec = (int64_t)1 << MIN(s->n_failures, 10U);
	s->n_failures++;
	if (g_strcmp0(text, s->error) != 0)
		sl_log(s->r->f->o.log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"results of repository %s: %s is not written yet: %s", s->repository,
			s->key, text);
	g_free(s->error);
	s->error = text;
	if (loop_boot_usec(loop) >= s->give_up_usec)
		settle(s, ANSWER_NOT_APPLIED, json_pack("{s:s}", "message", text));
	else
		s->timer = loop_timer(loop,
			loop_boot_usec(loop) +
				MIN(sec, (int64_t)RESULTS_BACKOFF_MAX_SEC) * SL_USEC_PER_SEC,
			try_again, s);
}

static void on_written(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Sending *s = ud;
	g_autoptr(GError) err = NULL;
	s->job = 0;
	g_autoptr(json_t) v = job_err ? NULL : json_parse(answer, len, &err);
	const GError *why = job_err ? job_err : err;
	if (git_answer_kind(v, v ? NULL : why) == GIT_ANSWER_DONE)
		settle(s, ANSWER_DONE,
			json_pack("{s:s, s:s}", "commit", json_path_str(v, "commit", ""), "how",
				json_path_str(v, "how", "")));
	else
		failed(s, git_answer_text(v, v ? NULL : why));
}

static void try_again(void *ud)
{
	Sending *s = ud;
	const FleetResults *o = &s->r->f->o.results;
	g_autoptr(GError) err = NULL;
	s->timer = 0;
	if (!wanted(s->r->f, s->repository)) {
		settle(s, ANSWER_NOT_APPLIED,
			json_pack("{s:s}", "message", "its repository wants no results any more"));
		return;
	}
	s->job = o->write(o->ud, s->repository, s->request, on_written, s, &err);
	if (!s->job)
		failed(s, g_strdup(err->message));
}

static uint64_t send(Site *site, const ActRequest *q, ActDone *done, void *ud)
{
	Results *r = site_ctx(site);
	Loop loop = r->f->o.loop;
	int64_t age = loop_wall_usec(loop) - json_path_int(q->body, "time", 0) * SL_USEC_PER_SEC;
	Sending *s = g_new0(Sending, 1);
	*s = (Sending){ .r = r,
		.id = ++r->next_id,
		.request = json_incref(q->body),
		.repository = g_strdup(json_path_str(q->want, "repository", "")),
		.key = g_strdup(q->path),
		.give_up_usec = loop_boot_usec(loop) + RESULTS_KEEP_SEC * SL_USEC_PER_SEC - age,
		.done = done,
		.ud = ud };
	g_ptr_array_add(r->sendings, s);
	s->timer = loop_defer(loop, try_again, s);
	return s->id;
}

static void forget(Site *site, uint64_t id)
{
	Results *r = site_ctx(site);
	for (unsigned i = 0; i < r->sendings->len; i++)
		if (((const Sending *)r->sendings->pdata[i])->id == id) {
			g_ptr_array_remove_index_fast(r->sendings, i);
			return;
		}
}

static const SiteOps site_ops = { .send = send, .forget = forget };

/* ---- the act and its item ---- */

/* NULL: go on; else why it is not worth writing any more. */
static const char *pointless(const Item *it)
{
	int64_t age = loop_wall_usec(saga_loop(item_saga(it))) -
		      json_path_int(item_data(it), "wallUsec", 0);
	if (!wanted(fleet_of(it), data_of(it, "repository")))
		return "its repository wants no results any more";
	return age > RESULTS_KEEP_SEC * SL_USEC_PER_SEC ? "it could not be written for too long"
							: NULL;
}

static bool build(Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	Fleet *f = fleet_of(it);
	const Item *run = fleet_find_run(f, json_path_int(item_data(it), "run", 0));
	const char *why = run ? pointless(it) : "its run is not in the journal any more";
	if (why) {
		item_set_reason(it, "%s", why);
		return false;
	}
	ret->method = "POST";
	ret->path = g_strdup(key);
	ret->body = results_request(f, run, item_data(it));
	ret->want = json_pack(
		"{s:s, s:s}", "repository", data_of(it, "repository"), "ref", data_of(it, "ref"));
	return true;
}

/* The push names the commit it replaces, and a commit with the same key is found, not made again.
 */
const ActRow act_result_row = { .name = "result", .effect = EFFECT_BY_OLD_ID, .build = build };

static StepResult give_up(Item *it, Batch *b, const char *why)
{
	batch_move(b, it, RESULT_GIVEN_UP, "%s", why);
	return (StepResult){ .verb = STEP_ACT };
}

static StepResult result_tick(Item *it, int64_t now, Batch *b)
{
	const char *key = data_of(it, "key"), *why = pointless(it);
	const Act *a = act_find(it, &act_result_row, key);
	if (a && act_state(a) == ACT_DONE) {
		item_set_reason(
			it, "commit %.12s", json_path_str(act_result(a), "commit", "is there"));
		return step_done(RESULT_WRITTEN);
	}
	if (a && (act_state(a) == ACT_REFUSED || act_state(a) == ACT_FOREIGN))
		return give_up(it, b, json_path_str(act_result(a), "message", "given up"));
	if (why)
		return give_up(it, b, why);
	return step_act(it, &act_result_row, key, b);
}

static const StepOps step_result = { "result", result_tick };
static const StateRow states[RESULT_MAX] = {
	[RESULT_OPEN] = { .name = "open",
		.next = TO(RESULT_WRITTEN) | TO(RESULT_GIVEN_UP),
		.steps = (const StepOps *const[]){ &step_result, NULL },
		.puts_back = true,
		.untimed = true },
	[RESULT_WRITTEN] = { .name = "written", .end = true, .untimed = true },
	[RESULT_GIVEN_UP] = { .name = "given-up", .end = true, .untimed = true },
};
const ItemKind result_kind = { .name = "result", .states = states, .n_states = RESULT_MAX };

/* ---- from the ends of runs to items ---- */

static json_t *memo(const Results *r, const char *name)
{
	return json_object_get(item_memo(saga_root(r->f->saga)), name);
}

static void add(
	Results *r, Batch *b, const End *e, const Item *run, const char *what, const char *ref)
{
	g_autofree char *name = g_strdup_printf("%s/%s", item_name(run), what);
	/* The time beside the number: a journal that began anew counts from 1 again. */
	g_autofree char *key = g_strdup_printf("%s.%" G_GINT64_FORMAT ".%" G_GINT64_FORMAT ".%s",
		r->f->name, e->seq, e->wall_usec, what);
	batch_item(b, saga_root(r->f->saga), &result_kind, r->site, name, RESULT_OPEN,
		json_pack("{s:I, s:s, s:s, s:s, s:s, s:I}", "run", (json_int_t)run_id(run),
			"repository", run_repository(run), "what", what, "ref", ref, "key", key,
			"wallUsec", (json_int_t)e->wall_usec));
}

static bool is_commit(const char *text)
{
	return strlen(text) == COMMIT_HEX && strspn(text, "0123456789abcdef") == COMMIT_HEX;
}

static void add_results(Results *r, Batch *b, const End *e, const json_t *since)
{
	const Item *run = saga_find(r->f->saga, e->item);
	const json_t *want = run ? wanted(r->f, run_repository(run)) : NULL;
	const json_t *from = want ? json_object_get(since, run_repository(run)) : NULL;
	const char *branch = json_path_str(want, "branch", ""),
		   *notes = json_path_str(want, "notes", "");
	if (!from || e->seq <= json_integer_value(from))
		return;
	if (*branch)
		add(r, b, e, run, "branch", branch);
	if (*notes && is_commit(json_path_str(item_data(run), "commit", "")))
		add(r, b, e, run, "notes", notes);
}

/* Repositories whose results are wanted, each with the record after which they are. New reference.
 */
static json_t *since_now(const Results *r)
{
	json_t *since = json_object();
	const FleetResults *o = &r->f->o.results;
	g_autoptr(json_t) names = o->names ? o->names(o->ud) : json_array();
	size_t i;
	json_t *name;
	json_array_foreach (names, i, name) {
		const char *text = json_string_value(name);
		json_t *known = json_object_get(memo(r, MEMO_SINCE), text);
		json_object_set_new(since, text,
			known ? json_incref(known)
			      : json_integer((json_int_t)saga_last_seq(r->f->saga)));
	}
	return since;
}

static void deal(Batch *b, void *ud)
{
	Results *r = ud;
	r->queued = false;
	g_autoptr(json_t) since = since_now(r);
	const json_t *known = memo(r, MEMO_SINCE);
	Item *root = saga_root(r->f->saga);
	if (known ? !json_equal(since, (json_t *)known) : json_object_size(since) > 0)
		batch_memo(b, root, MEMO_SINCE, json_incref(since));
	for (unsigned i = 0; i < r->ends->len; i++)
		add_results(r, b, &g_array_index(r->ends, End, i), since);
	if (r->ends->len > 0 && json_object_size(since) > 0)
		batch_memo(b, root, MEMO_DONE,
			json_integer(
				(json_int_t)g_array_index(r->ends, End, r->ends->len - 1).seq));
	g_array_set_size(r->ends, 0);
}

static void queue(Results *r)
{
	if (!r->started || r->queued)
		return;
	r->queued = true;
	saga_submit(r->f->saga, deal, NULL, r);
}

void results_applied(Results *r, const Record *x, const json_t *body)
{
	Item *it = saga_find(r->f->saga, (uint64_t)json_path_int(body, "item", 0));
	if (!it)
		return;
	if (strcmp(x->kind, "item") == 0 && item_kind(it) == &result_kind)
		g_ptr_array_add(r->items, it);
	int64_t done = json_integer_value(memo(r, MEMO_DONE));
	while (it == saga_root(r->f->saga) && r->ends->len > 0 &&
		g_array_index(r->ends, End, 0).seq <= done)
		g_array_remove_index(r->ends, 0);
	if (strcmp(x->kind, "end") != 0 || json_object_size(memo(r, MEMO_SINCE)) == 0)
		return;
	End e = { x->seq, x->wall_usec, item_id(it) };
	g_array_append_val(r->ends, e);
	queue(r);
}

void results_start(Results *r)
{
	r->started = true;
	results_changed(r);
}

void results_changed(Results *r)
{
	g_autoptr(json_t) since = since_now(r);
	if (json_object_size(since) > 0 || json_object_size(memo(r, MEMO_SINCE)) > 0)
		queue(r);
	for (unsigned i = 0; r->started && i < r->items->len; i++)
		if (!item_ended(r->items->pdata[i]))
			saga_wake(r->f->saga, r->items->pdata[i]);
}

/* ---- life ---- */

Results *results_new(Fleet *f)
{
	Results *r = g_new0(Results, 1);
	r->f = f;
	r->site = site_new(f->saga, RESULTS_SITE, &site_ops, r);
	r->ends = g_array_new(FALSE, FALSE, sizeof(End));
	r->items = g_ptr_array_new();
	r->sendings = g_ptr_array_new_with_free_func(sending_free);
	return r;
}

void results_free(Results *r)
{
	if (!r)
		return;
	g_ptr_array_unref(r->sendings);
	g_ptr_array_unref(r->items);
	g_array_unref(r->ends);
	g_free(r);
}

Site *results_site(const Results *r)
{
	return r->site;
}

static const char *error_of(const Results *r, const char *key)
{
	for (unsigned i = 0; i < r->sendings->len; i++) {
		const Sending *s = r->sendings->pdata[i];
		if (strcmp(s->key, key) == 0)
			return s->error;
	}
	return NULL;
}

json_t *results_json(const Results *r)
{
	json_t *out = json_array();
	int64_t now = loop_wall_usec(r->f->o.loop);
	for (unsigned i = 0; i < r->items->len; i++) {
		const Item *it = r->items->pdata[i];
		int64_t age = now - json_path_int(item_data(it), "wallUsec", now);
		if (item_ended(it))
			continue;
		json_array_append_new(
			out, json_pack("{s:I, s:s, s:s, s:I, s:s?}", "run",
				     (json_int_t)json_path_int(item_data(it), "run", 0), "ref",
				     data_of(it, "ref"), "repository", data_of(it, "repository"),
				     "sinceSeconds", (json_int_t)(MAX(age, 0) / SL_USEC_PER_SEC),
				     "error", error_of(r, data_of(it, "key"))));
	}
	return out;
}
