#include "base/num.h"
#include "http/http.h"
#include "saga/internal.h"
#include <string.h>

void act_request_clear(ActRequest *r)
{
	g_free(r->path);
	json_decref(r->body);
	json_decref(r->want);
	json_decref(r->undo);
	*r = (ActRequest){ 0 };
}

Act *act_new(Item *it, uint64_t id, const ActRow *row, const char *key)
{
	Act *a = g_new0(Act, 1);
	a->id = id;
	a->item = it;
	a->row = row;
	a->key = g_strdup(key);
	a->in_state = it->state;
	a->in_step = it->step;
	g_ptr_array_add(it->acts, a);
	return a;
}

void act_free(Act *a)
{
	json_decref(a->want);
	json_decref(a->undo);
	json_decref(a->result);
	json_decref(a->answer.detail);
	g_free(a->key);
	g_free(a);
}

void send_free(Send *send)
{
	act_request_clear(&send->request);
	g_free(send);
}

const Act *act_find(const Item *it, const ActRow *row, const char *key)
{
	for (guint i = it->acts->len; i > 0; i--) {
		const Act *a = g_ptr_array_index(it->acts, i - 1);
		if (a->row == row && strcmp(a->key, key) == 0)
			return a;
	}
	return NULL;
}

Act *item_find_act(const Item *it, uint64_t id)
{
	for (guint i = it->acts->len; i > 0; i--) {
		Act *a = g_ptr_array_index(it->acts, i - 1);
		if (a->id == id)
			return a;
	}
	return NULL;
}

/* A fence makes two: the one in flight or answered comes first, else the newer, which is the fence.
 */
Act *item_open_act(const Item *it)
{
	Act *newest = NULL;
	for (guint i = it->acts->len; i > 0; i--) {
		Act *a = g_ptr_array_index(it->acts, i - 1);
		if (a->state != ACT_OPEN)
			continue;
		if (a->in_flight || a->answered)
			return a;
		if (!newest)
			newest = a;
	}
	return newest;
}

ActState act_state(const Act *a)
{
	return a->state;
}

const char *act_key(const Act *a)
{
	return a->key;
}

const ActRow *act_row(const Act *a)
{
	return a->row;
}

const json_t *act_want(const Act *a)
{
	return a->want;
}

const json_t *act_undo_data(const Act *a)
{
	return a->undo;
}

const json_t *act_result(const Act *a)
{
	return a->result;
}

int act_attempt(const Act *a)
{
	return a->attempt;
}

int64_t act_settled_usec(const Act *a)
{
	return a->settled_usec;
}

size_t item_n_acts(const Item *it)
{
	return it->acts->len;
}

const Act *item_act(const Item *it, size_t i)
{
	return g_ptr_array_index(it->acts, i);
}

/* What is particular about an intent; the rest comes from the row and the request. */
typedef struct {
	uint64_t undoes, fences;
	int attempt;
	bool shadow;
} IntentArgs;

static void add_intent(
	Item *it, const ActRow *row, const char *key, ActRequest *req, IntentArgs args, Batch *b)
{
	int64_t epoch = json_path_int(req->want, "epoch", 0);
	if (row->claim && epoch > it->site->epoch)
		batch_epoch(b, it->site, epoch, true);
	uint64_t id = ++b->saga->next_id;
	json_t *body = batch_body(b, it);
	json_object_set_new(body, "act", json_integer((json_int_t)id));
	json_object_set_new(body, "row", json_string(row->name));
	json_object_set_new(body, "key", json_string(key));
	json_object_set_new(body, "attempt", json_integer(args.attempt));
	json_object_set(body, "want", req->want ? req->want : req->body);
	if (req->undo)
		json_object_set(body, "undo", req->undo);
	if (args.undoes)
		json_object_set_new(body, "undoes", json_integer((json_int_t)args.undoes));
	if (args.fences)
		json_object_set_new(body, "fences", json_integer((json_int_t)args.fences));
	if (args.shadow)
		json_object_set_new(body, "shadow", json_true());
	batch_add(b, "intent", body);
	Send *send = g_new0(Send, 1);
	send->act_id = id;
	send->item = it;
	send->request = *req;
	*req = (ActRequest){ 0 };
	g_ptr_array_add(b->sends, send);
	g_ptr_array_add(b->open_rows, it->site);
	g_ptr_array_add(b->open_rows, (void *)row);
}

static int64_t backoff_usec(const Act *last)
{
	if (!last || !last->settled_usec ||
		(last->state != ACT_ABSENT && last->state != ACT_REFUSED))
		return 0;
	int64_t after = json_path_int(last->result, "retryAfter", 0);
	if (after <= 0 && last->attempt <= 1 && last->state == ACT_ABSENT)
		return 0; /* a first conflict: the world changed, decide again at once */
	if (after <= 0)
		after = MIN((int64_t)1 << MIN(last->attempt - 1, 10), ACT_BACKOFF_MAX_SEC);
	return last->settled_usec + after * SL_USEC_PER_SEC;
}

/* Could a request that was sent as this attempt, or an earlier one of unknown outcome, still do
 * something when its object was changed meanwhile? */
static bool may_come_late(const Act *a)
{
	return a->row->effect != EFFECT_BY_VERSION && a->row->effect != EFFECT_BY_UID;
}

static int64_t horizon_usec(const Act *a)
{
	return a->unknown_usec + HTTP_HORIZON_SEC * SL_USEC_PER_SEC;
}

static bool row_may(const ActRow *row, Item *it, StepResult *ret)
{
	return !row->may || row->may(it, ret);
}

/* May the row be tried now? If not, *ret says what comes first. */
static bool may_try(
	Item *it, const ActRow *row, const Act *last, const Act *undoes, StepResult *ret)
{
	int64_t now = loop_boot_usec(it->saga->loop);
	int64_t not_before = backoff_usec(last);
	if (not_before > now) {
		const char *words = json_path_str(last->result, "message", "nothing");
		if (last->attempt < ACT_HOLD_ATTEMPTS || last->state != ACT_REFUSED ||
			row->effect == EFFECT_BY_UID)
			*ret = step_wait(it, not_before, "%s is tried again; the server said: %s",
				row->name, words);
		else
			*ret = step_hold(it, CAUSE_WRITE,
				"%s is refused (attempt %d); the server says: %s", row->name,
				last->attempt, words);
		ret->until_usec = not_before;
		return false;
	}
	if (undoes && undoes->shadow && may_come_late(undoes) && now < horizon_usec(undoes)) {
		*ret = step_wait(it, horizon_usec(undoes),
			"%s waits: an earlier %s may still arrive", row->name, undoes->row->name);
		return false;
	}
	return row->claim || site_prove_claim(it, row, ret);
}

static StepResult try_act(Item *it, const ActRow *row, const char *key, const Act *undoes, Batch *b)
{
	const Act *last = act_find(it, row, key);
	StepResult ret;
	if (!row_may(row, it, &ret) || !may_try(it, row, last, undoes, &ret))
		return ret;
	const View *v = row->fact ? fact(it, row->fact, key) : NULL;
	if (row->fact && !v)
		return step_read(it);
	ActRequest req = { 0 };
	if (!row->build(it, key, undoes, v, &req)) {
		act_request_clear(&req);
		g_autofree char *reason = g_strdup(it->reason ? it->reason : "not ours to change");
		return step_hold(it, "not-ours", "%s: %s", row->name, reason);
	}
	if (it->frozen) { /* all but the act itself, so that a hold of its own shows */
		act_request_clear(&req);
		return (StepResult){ .verb = STEP_ACT };
	}
	bool again = last && (last->state == ACT_ABSENT || last->state == ACT_REFUSED) &&
		     last->in_state == it->state;
	it->repeats = again && last->attempt >= ACT_HOLD_ATTEMPTS;
	IntentArgs args = { .attempt = again ? last->attempt + 1 : 1,
		.undoes = undoes ? undoes->id : 0 };
	add_intent(it, row, key, &req, args, b);
	item_set_reason(it, "%s requested", row->name);
	return (StepResult){ .verb = STEP_ACT };
}

StepResult step_act(Item *it, const ActRow *row, const char *key, Batch *b)
{
	StepResult r = try_act(it, row, key, NULL, b);
	if (r.verb != STEP_ACT)
		batch_drop_pivots(b, it);
	return r;
}

static const Act *newest_mark(const Item *it, bool claim)
{
	for (guint i = it->acts->len; i > 0; i--) {
		const Act *a = g_ptr_array_index(it->acts, i - 1);
		if (a->state == ACT_DONE && a->row->undo && a->row->claim == claim)
			return a;
	}
	return NULL;
}

StepResult step_undo(Item *it, Batch *b, bool *ret_left)
{
	const Act *mark = newest_mark(it, false);
	if (!mark)
		mark = newest_mark(it, true);
	*ret_left = mark != NULL;
	if (!mark)
		return (StepResult){ .verb = STEP_WAIT };
	return try_act(it, mark->row->undo, mark->key, mark, b);
}

static void add_result(Act *a, const char *class, const char *why, Batch *b)
{
	json_t *body = batch_body(b, a->item);
	json_object_set_new(body, "act", json_integer((json_int_t)a->id));
	json_object_set_new(body, "row", json_string(a->row->name));
	json_object_set_new(body, "class", json_string(class));
	json_object_set_new(body, "why", json_string(why));
	if (a->answered) {
		json_object_set_new(body, "status", json_integer(a->answer.status));
		if (a->answer.retry_after_sec >= 0)
			json_object_set_new(
				body, "retryAfter", json_integer(a->answer.retry_after_sec));
		if (a->answer.detail)
			json_object_update_missing(body, a->answer.detail);
	}
	batch_add(b, "result", body);
	if (a->row->claim && a->undoes && strcmp(class, "done") == 0)
		batch_epoch(b, a->item->site, a->item->site->epoch, false);
}

static StepResult dealt(void)
{
	return (StepResult){ .verb = STEP_READ }; /* neither raises nor clears a hold */
}

/* Nobody needs this act any more, and it is no mark: its state was left. */
static bool wanted(const Act *a)
{
	return a->undoes || a->row->undo || a->fences || a->in_state == a->item->state;
}

/* The first repetition comes at once, or when the server said; then slower and slower. */
static int64_t retry_usec(const Act *a)
{
	int64_t sec = MAX(a->answer.retry_after_sec, 0);
	if (sec == 0 && a->attempt > 1)
		sec = MIN((int64_t)1 << MIN(a->attempt - 2, 10), ACT_BACKOFF_MAX_SEC);
	return a->unknown_usec + sec * SL_USEC_PER_SEC;
}

static StepResult retry(Act *a, const View *v, int64_t now, Batch *b)
{
	Item *it = a->item;
	StepResult ret;
	if (now < retry_usec(a)) {
		if (a->attempt < ACT_HOLD_ATTEMPTS)
			return step_wait(it, retry_usec(a), "%s is tried again", a->row->name);
		StepResult hold = step_hold(it, CAUSE_WRITE,
			"%s fails again and again (attempt %d): %s", a->row->name, a->attempt,
			json_path_str(a->answer.detail, "message",
				"no answer that says what became of it"));
		hold.until_usec = retry_usec(a);
		return hold;
	}
	if (!a->row->claim && !site_prove_claim(it, a->row, &ret))
		return ret;
	const Act *mark = a->undoes ? item_find_act(it, a->undoes) : NULL;
	ActRequest req = { 0 };
	if (!a->row->build(it, a->key, mark, v, &req)) {
		act_request_clear(&req);
		if (may_come_late(a) && now < horizon_usec(a))
			return step_wait(it, horizon_usec(a), "%s may still arrive", a->row->name);
		add_result(a, "foreign", it->reason ? it->reason : "not ours to change", b);
		return dealt();
	}
	add_result(a, "absent",
		a->row->fact ? "a read says so; written again, which fences the first"
			     : "nothing tells; sent again, which does no harm",
		b);
	add_intent(it, a->row, a->key, &req,
		(IntentArgs){
			a->undoes, a->fences, a->attempt + 1, a->row->effect != EFFECT_BY_UID },
		b);
	return dealt();
}

static const Act *last_fence(const Act *a)
{
	const Act *last = NULL;
	for (guint i = 0; i < a->item->acts->len; i++) {
		const Act *f = g_ptr_array_index(a->item->acts, i);
		if (f->fences == a->id)
			last = f;
	}
	return last;
}

static StepResult fence(Act *a, const View *v, int64_t now, Batch *b)
{
	const Act *last = last_fence(a);
	int64_t not_before = backoff_usec(last);
	if (not_before > now)
		return step_wait(a->item, not_before, "%s is tried again; the server said: %s",
			a->row->fence->name, json_path_str(last->result, "message", "nothing"));
	ActRequest req = { 0 };
	if (!a->row->fence->build(a->item, a->key, NULL, v, &req)) {
		act_request_clear(&req);
		return step_hold_person(a->item, "claim", "%s can no longer be fenced: %s",
			a->row->name, a->item->reason ? a->item->reason : "the object is not ours");
	}
	add_intent(a->item, a->row->fence, a->key, &req,
		(IntentArgs){ .fences = a->id, .attempt = last ? last->attempt + 1 : 1 }, b);
	return dealt();
}

static StepResult settle_absent(Act *a, const View *v, int64_t now, Batch *b)
{
	if (a->row->effect == EFFECT_BY_UID || a->fenced) {
		add_result(
			a, "absent", a->fenced ? "fenced by a later write" : "a read says so", b);
		return dealt();
	}
	StepResult ret;
	if (wanted(a) && !row_may(a->row, a->item, &ret))
		return ret; /* before the question of holds: it is one, and stands until it may */
	if (a->item->frozen && !a->row->undo && !a->undoes)
		return step_wait(a->item, 0,
			"held; %s did not take effect and is not repeated meanwhile", a->row->name);
	if (wanted(a))
		return retry(a, v, now, b);
	if (a->row->fence)
		return fence(a, v, now, b);
	/* Nobody wants it any more and nothing of ours fences it: sent again it would only do harm.
	 */
	if (now < horizon_usec(a))
		return step_wait(a->item, horizon_usec(a), "%s may still arrive", a->row->name);
	add_result(a, "absent", "older than any request on its way", b);
	return dealt();
}

/* Only a read sent after the outcome became unknown says anything, and after each wait a new one.
 */
static int64_t read_after(const Act *a, int64_t now)
{
	int64_t since = a->unknown_usec;
	if (now >= retry_usec(a))
		since = sl_max(since, retry_usec(a));
	if (now >= horizon_usec(a))
		since = sl_max(since, horizon_usec(a));
	return since;
}

static StepResult settle_by_read(Act *a, int64_t now, Batch *b)
{
	Item *it = a->item;
	if (!a->row->fact) { /* nothing to read: by its effect it is safe to send again */
		return settle_absent(a, NULL, now, b);
	}
	const View *v = fact_since(it, a->row->fact, a->key, read_after(a, now));
	if (!v) {
		item_set_reason(it, "the outcome of %s is not known; reading", a->row->name);
		return step_read(it);
	}
	switch (a->row->classify(a->want, v)) {
	case CLASS_DONE:
		add_result(a, "done", "a read says so", b);
		return dealt();
	case CLASS_RUNNING:
		return step_wait(it, now + 2 * SL_USEC_PER_SEC, "%s is under way", a->row->name);
	case CLASS_FOREIGN:
		add_result(a, "foreign", "somebody else's value stands there", b);
		return dealt();
	case CLASS_ABSENT:
		return settle_absent(a, v, now, b);
	}
	g_assert_not_reached();
}

static StepResult settle_by_answer(Act *a, int64_t now, Batch *b)
{
	switch (a->answer.class) {
	case ANSWER_DONE:
		add_result(a, "done", "answered", b);
		return dealt();
	case ANSWER_UNKNOWN:
		break;
	case ANSWER_CONFLICT:
	case ANSWER_NOT_APPLIED:
		if (a->shadow && !a->fenced) /* this attempt is known, an earlier one is not */
			break;
		add_result(a, a->answer.class == ANSWER_CONFLICT ? "absent" : "refused", "answered",
			b);
		return dealt();
	}
	a->answered = false;
	a->unknown_usec = now;
	return settle_by_read(a, now, b);
}

void act_serve(Act *a, int64_t now, Batch *b, StepResult *ret)
{
	if (a->in_flight)
		*ret = (StepResult){ .verb = STEP_READ };
	else if (a->answered)
		*ret = settle_by_answer(a, now, b);
	else
		*ret = settle_by_read(a, now, b);
}

static void on_answer(const ActAnswer *answer, void *ud)
{
	Act *a = ud;
	a->in_flight = 0;
	json_decref(a->answer.detail);
	a->answer = *answer;
	json_incref(a->answer.detail);
	if (a->row->answer)
		a->answer.class = a->row->answer(answer->status, answer->detail, answer->class);
	a->answered = true;
	item_ready(a->item);
}

void act_send(Send *send)
{
	Act *a = item_find_act(send->item, send->act_id);
	g_assert(a && a->state == ACT_OPEN);
	Site *site = send->item->site;
	if (!a->row->claim && !site_claim_proven(site) &&
		!site_goes_blind(send->item, a->row)) { /* a gap since it was decided: not sent */
		a->unknown_usec = loop_boot_usec(send->item->saga->loop);
		item_ready(send->item);
		return;
	}
	a->in_flight = site->ops->send(site, &send->request, on_answer, a);
	g_assert(a->in_flight);
}
