#include "steps/question.h"
#include "steps/internal.h"
#include <string.h>

#define ANSWERS "answers"

static const json_t *snapshot_of(const Item *it)
{
	return item_data(item_kind(it) == &cluster_kind ? item_parent(it) : it);
}

/* Runs of older versions have no digest of their own. */
static const char *plan_digest_of(const Item *it)
{
	const json_t *s = snapshot_of(it);
	return json_path_str(s, "digest", json_path_str(s, "identity", ""));
}

static const json_t *wave_of(const Item *run, const char *name)
{
	size_t i;
	json_t *w;
	json_array_foreach (json_object_get(item_data(run), "waves"), i, w)
		if (strcmp(json_path_str(w, "name", ""), name) == 0)
			return w;
	return NULL;
}

static void set_digest(Question *q, const char *reason)
{
	g_autoptr(json_t) body =
		json_pack("{s:s, s:s, s:s, s:s?, s:s}", "plan", plan_digest_of(q->it), "subject",
			q->subject, "about", q->about, "tier", q->tier, "reason", reason);
	g_autofree char *digest = json_digest(body);
	g_strlcpy(q->digest, digest, sizeof q->digest);
}

/* A cluster that had ended is taken back: its workers moved long ago. */
static bool question_take_back(Item *run, Question *ret)
{
	Item *c = item_n_children(run) ? item_child(run, 0) : NULL;
	Tier tier = TIER_T2;
	tier_parse(json_path_str(item_data(run), "rollback.hop.returns", "T2"), &tier);
	const char *policy = c ? cluster_rollback_rules(c)->approval[tier] : NULL;
	if (!policy)
		return false;
	*ret = (Question){ .it = run,
		.subject = "rollback",
		.about = item_name(c),
		.tier = tier_name(tier),
		.policy = policy };
	set_digest(ret, json_path_str(item_data(run), "rollback.of", ""));
	return true;
}

bool question_wave(Item *run, const char *wave, Question *ret)
{
	if (json_object_get(item_data(run), "rollback"))
		return question_take_back(run, ret);
	const json_t *w = wave_of(run, wave);
	const char *policy = json_path_str(w, "approval", NULL);
	if (!policy)
		return false;
	*ret = (Question){ .it = run,
		.subject = "wave",
		.about = json_path_str(w, "name", ""),
		.policy = policy };
	g_strlcpy(ret->digest, plan_digest_of(run), sizeof ret->digest);
	return true;
}

void question_rollback(Item *cluster, const char *reason, Question *ret)
{
	Tier tier = TIER_T0;
	/* Asked for by name, it stays that, whatever is offered since. */
	const char *offered = json_path_str(item_memo(cluster), "offer.tier", "T0");
	tier_parse(json_path_str(item_memo(cluster), "askedTier", offered), &tier);
	question_tier(cluster, tier, reason, ret);
}

void question_tier(Item *cluster, Tier tier, const char *reason, Question *ret)
{
	*ret = (Question){ .it = cluster,
		.subject = "rollback",
		.about = item_name(cluster),
		.tier = tier_name(tier),
		.policy = tier > TIER_T0 ? cluster_rollback_rules(cluster)->approval[tier] : NULL };
	set_digest(ret, reason);
}

bool question_open(Item *cluster, Question *ret)
{
	const Hold *asked = item_find_hold(cluster, "rollback-wanted");
	if (asked)
		question_rollback(cluster, asked->reason, ret);
	return asked != NULL;
}

/* ---- the answers so far ---- */

static ApprovalRules *rules_of(const Question *q)
{
	const json_t *spec =
		q->policy ? json_object_get(
				    json_object_get(snapshot_of(q->it), "approvals"), q->policy)
			  : NULL;
	return spec ? approval_parse(spec, NULL) : NULL;
}

static bool belongs(const json_t *a, const Question *q)
{
	return strcmp(json_path_str(a, "subject", ""), q->subject) == 0 &&
	       strcmp(json_path_str(a, "about", ""), q->about) == 0;
}

/* Borrows from list. Caller frees the array. */
static ApprovalAnswer *answers_of(const Question *q, const json_t *list, size_t *ret_n)
{
	ApprovalAnswer *out = g_new0(ApprovalAnswer, json_array_size(list) + 1);
	size_t i, n = 0;
	json_t *a;
	json_array_foreach (list, i, a)
		if (belongs(a, q))
			out[n++] = (ApprovalAnswer){ .user = json_path_str(a, "who", ""),
				.digest = json_path_str(a, "digest", ""),
				.at_usec = json_path_int(a, "atUsec", 0),
				.reject = json_path_bool(a, "reject", false),
				.break_glass = json_path_bool(a, "breakGlass", false) };
	*ret_n = n;
	return out;
}

static int64_t wall(const Question *q)
{
	return loop_wall_usec(saga_loop(item_saga(q->it)));
}

static ApprovalResult judge(const Question *q, const json_t *list)
{
	g_autoptr(ApprovalRules) rules = rules_of(q);
	size_t n;
	g_autofree ApprovalAnswer *answers = answers_of(q, list, &n);
	return approval_judge(rules, q->digest, answers, n, wall(q));
}

static const json_t *kept(const Question *q)
{
	return json_object_get(item_memo(q->it), ANSWERS);
}

ApprovalResult question_judge(const Question *q)
{
	return judge(q, kept(q));
}

/* The newest answer to this very question that is a no; NULL: none. */
static const json_t *newest_no(const Question *q)
{
	const json_t *list = kept(q);
	for (size_t i = json_array_size(list); i > 0; i--) {
		const json_t *a = json_array_get(list, i - 1);
		if (belongs(a, q) && json_path_bool(a, "reject", false) &&
			strcmp(json_path_str(a, "digest", ""), q->digest) == 0)
			return a;
	}
	return NULL;
}

char *question_stands(const Question *q)
{
	ApprovalResult r = question_judge(q);
	const json_t *no = r.state == APPROVAL_REJECTED ? newest_no(q) : NULL;
	return g_strdup_printf("%s%s%s", r.text, no ? ": " : "", json_path_str(no, "reason", ""));
}

char *question_name(const Question *q)
{
	return q->policy ? g_strdup_printf("approval %s", q->policy) : g_strdup("a person's yes");
}

/* ---- shown ---- */

static json_t *answer_json(const json_t *a)
{
	g_autofree char *at = sl_time_format(json_path_int(a, "atUsec", 0));
	return json_pack("{s:s, s:s, s:b, s:b, s:s}", "who", json_path_str(a, "who", ""), "at", at,
		"yes", (int)!json_path_bool(a, "reject", false), "breakGlass",
		(int)json_path_bool(a, "breakGlass", false), "reason",
		json_path_str(a, "reason", ""));
}

static json_t *answers_json(const Question *q)
{
	json_t *out = json_array(), *a;
	size_t i;
	json_array_foreach (kept(q), i, a)
		if (belongs(a, q) && strcmp(json_path_str(a, "digest", ""), q->digest) == 0)
			json_array_append_new(out, answer_json(a));
	return out;
}

/* The first cluster that waits behind the question; NULL: none. */
static const Item *first_waiting(const Question *q)
{
	for (size_t i = 0; i < item_n_children(q->it); i++) {
		const Item *c = item_child(q->it, i);
		if (item_kind(q->it) != &cluster_kind && item_state(c) == CL_PENDING)
			return c;
	}
	return NULL;
}

/* Who says yes too early is asked again. NULL: a yes of now lasts until the window. Caller frees.
 */
static char *too_early(const Question *q, const ApprovalRules *rules)
{
	const Item *c = first_waiting(q);
	g_autoptr(WindowRules) window = c ? cluster_window_rules(c) : NULL;
	int64_t lasts = approval_expires_sec(rules);
	if (!window || !lasts)
		return NULL;
	WindowState s = window_state(window, cluster_earliest_start(c, window));
	if (s.open || s.opens_usec == INT64_MAX || wall(q) + lasts * SL_USEC_PER_SEC > s.opens_usec)
		return NULL;
	g_autofree char *opens = window_clock_text(window, s.opens_usec);
	g_autofree char *human = sl_duration_human(lasts);
	return g_strdup_printf(
		"a yes counts for %s, the window opens %s: given now it ends before", human, opens);
}

json_t *question_json(const Question *q)
{
	static const char *const states[] = { [APPROVAL_OPEN] = "open",
		[APPROVAL_GIVEN] = "given",
		[APPROVAL_REJECTED] = "rejected" };
	g_autoptr(ApprovalRules) rules = rules_of(q);
	ApprovalResult r = question_judge(q);
	g_autofree char *text = question_stands(q), *name = question_name(q);
	g_autofree char *people = approval_people(rules, false);
	g_autofree char *glass = approval_people(rules, true);
	g_autofree char *expires =
		r.expires_usec == INT64_MAX ? NULL : sl_time_format(r.expires_usec);
	g_autofree char *early = too_early(q, rules);
	return json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:s, s:s, s:s, s:i, s:i, s:s?, s:s, s:s, "
			 "s:s?, s:o}",
		"subject", q->subject, "about", q->about, "tier", q->tier, "policy", q->policy,
		"name", name, "digest", q->digest, "state", states[r.state], "text", text, "have",
		r.have, "need", r.need, "expires", expires, "people", people, "mayBreakGlass",
		glass, "warning", early, "answers", answers_json(q));
}

json_t *questions_glass(const Item *it)
{
	json_t *out = json_array(), *a;
	size_t i;
	json_array_foreach (json_object_get(item_memo(it), ANSWERS), i, a) {
		g_autofree char *at = sl_time_format(json_path_int(a, "atUsec", 0));
		if (json_path_bool(a, "breakGlass", false))
			json_array_append_new(
				out, json_pack("{s:s, s:s, s:s, s:s, s:s}", "subject",
					     json_path_str(a, "subject", ""), "about",
					     json_path_str(a, "about", ""), "who",
					     json_path_str(a, "who", ""), "at", at, "reason",
					     json_path_str(a, "reason", "")));
	}
	return out;
}

/* ---- an answer ---- */

static bool lacks(const Command *c, GError **err)
{
	bool reason = c->reason && *c->reason;
	if (c->reject && c->break_glass)
		return !sl_fail(err, SL_ERR_INVALID, "a no breaks no glass: give one of the two");
	if (c->reject && !reason)
		return !sl_fail(err, SL_ERR_INVALID, "a no needs a reason: --reason TEXT");
	if (c->break_glass && !reason)
		return !sl_fail(
			err, SL_ERR_INVALID, "breaking the glass needs a reason: --reason TEXT");
	return false;
}

static bool may_not(const Question *q, const ApprovalRules *rules, const Command *c, GError **err)
{
	g_autofree char *name = question_name(q);
	g_autofree char *people = approval_people(rules, c->break_glass);
	if (c->break_glass && !approval_may_break_glass(rules, c->who))
		return !sl_fail(err, SL_ERR_REFUSED, "%s may not break the glass of %s: %s%s",
			c->who, name, *people ? "that is for " : "nobody may", people);
	if (!approval_may_answer(rules, c->who))
		return !sl_fail(err, SL_ERR_REFUSED, "%s does not count for %s: it asks %s", c->who,
			name, people);
	return false;
}

static bool said_already(
	const Question *q, const ApprovalRules *rules, const Command *c, GError **err)
{
	size_t n;
	g_autofree ApprovalAnswer *answers = answers_of(q, kept(q), &n);
	if (c->reject || c->break_glass ||
		!approval_has_yes(rules, q->digest, answers, n, wall(q), c->who))
		return false;
	g_autofree char *stands = question_stands(q);
	return !sl_fail(err, SL_ERR_REFUSED, "%s has said yes already: %s", c->who, stands);
}

bool question_answer(
	const Question *q, Batch *b, const Command *c, ApprovalResult *ret, GError **err)
{
	g_autoptr(ApprovalRules) rules = rules_of(q);
	/* What stands in this batch is not in the memo yet. */
	if ((c->digest && strcmp(c->digest, q->digest) != 0) || batch_n_of(b, "approval") > 0)
		return sl_fail(err, SL_ERR_CONFLICT,
			"the question about %s %s is another one now: look again", q->subject,
			q->about);
	if (lacks(c, err) || may_not(q, rules, c, err) || said_already(q, rules, c, err))
		return false;
	json_t *answer = json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:s, s:I, s:I, s:b, s:b, s:s}",
		"subject", q->subject, "about", q->about, "tier", q->tier, "policy", q->policy,
		"digest", q->digest, "who", c->who, "uid", (json_int_t)c->uid, "atUsec",
		(json_int_t)wall(q), "reject", (int)c->reject, "breakGlass", (int)c->break_glass,
		"reason", c->reason ? c->reason : "");
	g_autoptr(json_t) list = json_copy((json_t *)kept(q));
	if (!list)
		list = json_array();
	json_array_append(list, answer);
	*ret = judge(q, list);
	json_t *body = json_copy(answer);
	json_object_set_new(body, "stands", json_string(ret->text));
	batch_record(b, "approval", q->it, body);
	batch_memo(b, q->it, ANSWERS, json_incref(list));
	json_decref(answer);
	return true;
}
