/* On-call commands: journal records like everything else. What they do to one cluster stands in
 * steps/command.c. */
#include "codec/redact.h"
#include "fleet/changes.h"
#include "fleet/internal.h"
#include <string.h>

/* The reason is cleaned before anything is made of it: from here it goes into the journal, and from
 * there to receivers of notices and into reports in Git. */
static void copy_command(FleetCommand *to, const FleetCommand *from)
{
	*to = (FleetCommand){
		.verb = g_strdup(from->verb),
		.cluster = g_strdup(from->cluster),
		.who = g_strdup(from->who),
		.reason = from->reason ? redact_text(from->reason) : NULL,
		.gate = g_strdup(from->gate),
		.node = g_strdup(from->node),
		.subject = g_strdup(from->subject),
		.digest = g_strdup(from->digest),
		.reject = from->reject,
		.break_glass = from->break_glass,
		.uid = from->uid,
		.confirm = g_strdup(from->confirm),
		.expect_state = g_strdup(from->expect_state),
		.expect_seq = from->expect_seq,
	};
}

static void record(Batch *b, Item *it, const FleetCommand *c)
{
	batch_record(b, "command", it,
		json_pack("{s:s, s:s, s:s}", "verb", c->verb, "who", c->who, "reason",
			c->reason ? c->reason : ""));
}

static char *by(const FleetCommand *c, const char *what)
{
	return g_strdup_printf("%s by %s%s%s", what, c->who, c->reason && *c->reason ? ": " : "",
		c->reason ? c->reason : "");
}

/* Something happened to it since the person looked. */
static bool moved_on(Request *r, const Item *it, const char *name)
{
	const char *text = "";
	int64_t seq = changes_seq(r->f->changes, it, &text);
	if (r->c.expect_seq <= 0 || seq <= r->c.expect_seq)
		return false;
	return !sl_fail(&r->err, SL_ERR_CONFLICT,
		"%s is not as it was seen, since record %" G_GINT64_FORMAT ": %s; look again", name,
		seq, text);
}

/* ---- the whole fleet ---- */

static void go_on(Fleet *f, Batch *b, const char *text)
{
	batch_unhold(b, saga_root(f->saga), "pause", text);
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		Item *run = fleet_nth_run(f, i);
		for (size_t k = 0; run_is_live(run) && k < item_n_children(run); k++)
			cluster_unpaused(item_child(run, k), b);
	}
}

static bool pause_all(Request *r, Batch *b)
{
	Item *root = saga_root(r->f->saga);
	if (item_find_hold(root, "pause"))
		return sl_fail(&r->err, SL_ERR_REFUSED, "the fleet is paused already");
	record(b, root, &r->c);
	g_autofree char *text = by(&r->c, "the whole fleet is paused");
	batch_hold(b, root, "pause", "person", true, text);
	r->says = g_strdup("the whole fleet is paused: nothing new starts anywhere");
	return true;
}

/* Answers what is first: a pause, and only by another word what rollbacks stopped. Who takes back a
 * pause did not thereby look at why a cluster went back. */
static bool resume_all(Request *r, Batch *b)
{
	Item *root = saga_root(r->f->saga);
	bool paused = item_find_hold(root, "pause") != NULL;
	g_autofree char *stop = fleet_stop_text(r->f), *text = by(&r->c, "resumed");
	if (!paused && !stop)
		return sl_fail(&r->err, SL_ERR_REFUSED, "the fleet is neither paused nor stopped");
	record(b, root, &r->c);
	if (paused)
		go_on(r->f, b, text);
	else
		fleet_forgive(r->f, b, r->c.who);
	if (paused && stop)
		r->says =
			g_strdup_printf("the fleet is paused no more, but %s; once that is looked "
					"at: shiplock resume --fleet",
				stop);
	else
		r->says = g_strdup("the fleet goes on");
	return true;
}

static bool fleet_wide(Request *r, Batch *b)
{
	if (moved_on(r, saga_root(r->f->saga), "the fleet"))
		return false;
	if (strcmp(r->c.verb, "pause") == 0)
		return pause_all(r, b);
	if (strcmp(r->c.verb, "resume") == 0)
		return resume_all(r, b);
	return sl_fail(&r->err, SL_ERR_INVALID, "%s needs the name of a cluster", r->c.verb);
}

/* ---- runs ---- */

static Command command_of(const Request *r)
{
	return (Command){ .verb = r->c.verb,
		.who = r->c.who,
		.reason = r->c.reason,
		.gate = r->c.gate,
		.node = r->c.node,
		.tier = strcmp(r->c.verb, "rollback") == 0 ? r->c.subject : NULL,
		.digest = r->c.digest,
		.reject = r->c.reject,
		.break_glass = r->c.break_glass,
		.uid = r->c.uid };
}

static bool approve_wave(Request *r, Batch *b, const Question *q)
{
	Command c = command_of(r);
	ApprovalResult got;
	if (!question_answer(q, b, &c, &got, &r->err))
		return false;
	g_autofree char *name = question_name(q);
	if (got.state == APPROVAL_GIVEN)
		batch_unhold(b, q->it, "approval", r->c.who);
	if (r->c.reject)
		r->says = g_strdup_printf("%s %s of %s is rejected by %s: %s", q->subject, q->about,
			item_name(q->it), r->c.who, r->c.reason);
	else if (got.state == APPROVAL_GIVEN)
		r->says = g_strdup_printf(
			"%s %s of %s may start", q->subject, q->about, item_name(q->it));
	else
		r->says = g_strdup_printf("%s %s of %s waits for %s: %s", q->subject, q->about,
			item_name(q->it), name, got.text);
	return true;
}

static bool is_meant(const Request *r, const Question *q)
{
	const char *s = r->c.subject;
	return !s || strcmp(s, q->subject) == 0 || g_strcmp0(s, q->tier) == 0;
}

/* Questions that the cluster's name stands for: of its wave, and its own. */
static bool approve(Request *r, Batch *b, Item *run, Item *cluster)
{
	Question q, own;
	bool of_wave = run_question(run, &q), is_own = question_open(cluster, &own);
	const char *wave = json_path_str(cluster_entry(cluster), "wave", "");
	bool here = of_wave && (strcmp(q.subject, "wave") != 0 || strcmp(q.about, wave) == 0);
	if (here && is_own && !r->c.subject)
		return sl_fail(&r->err, SL_ERR_INVALID,
			"%s asks two questions: say --for wave, or --for rollback",
			item_name(cluster));
	if (here && is_meant(r, &q))
		return approve_wave(r, b, &q);
	Command c = command_of(r);
	if (is_own && is_meant(r, &own))
		return cluster_command(cluster, b, &c, &r->says, &r->err);
	if (here || is_own)
		return sl_fail(&r->err, SL_ERR_REFUSED, "%s does not ask for %s but for %s %s",
			item_name(cluster), r->c.subject, here ? q.subject : own.subject,
			here ? q.about : own.tier);
	if (of_wave)
		return sl_fail(&r->err, SL_ERR_REFUSED,
			"%s waits for the approval of wave %s, %s is in wave %s", item_name(run),
			q.about, item_name(cluster), wave);
	return cluster_command(cluster, b, &c, &r->says, &r->err);
}

/* After a rollback the fleet stands; resume lets the rest go on. Where the rollback was another
 * run's, that one has ended and cannot be named any better: this is its answer too. */
static bool resume_run(Request *r, Batch *b, Item *run)
{
	const char *stopped = json_path_str(item_memo(run), "stopped", NULL);
	if (stopped && run_is_live(run))
		return sl_fail(&r->err, SL_ERR_REFUSED,
			"%s; resume does not change that: state: active in Git does", stopped);
	const Hold *hold = item_find_hold(run, "fleet-stopped");
	bool by_other = hold && g_str_has_prefix(hold->reason, STOPPED_BY);
	const Item *other = by_other ? run_stopped_by(run) : NULL;
	if (other && run_is_live(other))
		return sl_fail(&r->err, SL_ERR_REFUSED, "%s is %s; resume a cluster of that run",
			item_name(run), hold->reason);
	record(b, run, &r->c);
	if (by_other)
		fleet_forgive(r->f, b, r->c.who);
	else
		run_forgive(run, b, r->c.who);
	r->says = run_is_live(run)
			  ? g_strdup_printf("%s goes on with its other clusters", item_name(run))
			  : g_strdup_printf(
				    "%s stops nothing more: other runs go on", item_name(run));
	return true;
}

static void end_pending(Item *run, Batch *b, const char *why)
{
	for (size_t i = 0; i < item_n_children(run); i++)
		if (item_state(item_child(run, i)) == CL_PENDING)
			batch_move_memo(b, item_child(run, i), CL_ENDED,
				json_pack("{s:s}", "outcome", "Skipped"), "%s", why);
}

/* A new run of the same identity, in which this cluster may be tried again. */
static bool retry(Request *r, Batch *b, Item *run, Item *cluster)
{
	if (!item_ended(cluster))
		return sl_fail(&r->err, SL_ERR_REFUSED, "%s is still in work (%s)",
			item_name(cluster), item_state_name(cluster));
	for (size_t i = 0; i < item_n_children(run); i++) {
		const Item *c = item_child(run, i);
		if (!item_ended(c) && item_state(c) != CL_PENDING)
			return sl_fail(&r->err, SL_ERR_REFUSED, "%s is still in work in %s",
				item_name(c), item_name(run));
	}
	record(b, run, &r->c);
	run_forgive(run, b, r->c.who);
	if (run_is_live(run)) {
		end_pending(run, b, "a retry takes over");
		batch_move_memo(b, run, RUN_ENDED, json_pack("{s:s}", "outcome", "Aborted"),
			"a retry takes over");
		batch_record(b, "end", run, json_pack("{s:s}", "end", "Aborted"));
	}
	json_t *snapshot = fleet_snapshot_again(r->f, run);
	json_object_del(snapshot, "rollback");
	json_object_set(
		snapshot, "announcedUsec", json_object_get(item_data(run), "announcedUsec"));
	json_object_set_new(snapshot, "retry", json_pack("[s]", item_name(cluster)));
	r->run = fleet_add_run(r->f, b, snapshot, r->c.who);
	r->says = g_strdup_printf("a new run of %s begins; %s may be tried again",
		json_path_str(item_data(run), "plan.name", ""), item_name(cluster));
	return true;
}

/* A cluster that has ended is taken back by a run of its own, with its own probe. */
static bool take_back(Request *r, Batch *b, Item *run, Item *cluster)
{
	const json_t *hop = cluster_return_hop(cluster);
	const char *outcome = cluster_outcome(cluster);
	if (!hop)
		return sl_fail(&r->err, SL_ERR_REFUSED,
			"%s ended %s: there is nothing to roll back", item_name(cluster),
			outcome ? outcome : "?");
	json_t *snapshot = json_deep_copy(item_data(run));
	json_t *entry = json_deep_copy(cluster_entry(cluster)), *clusters = json_array();
	json_array_append_new(clusters, entry);
	json_object_set_new(snapshot, "clusters", clusters);
	json_object_set_new(
		snapshot, "rollback", json_pack("{s:O, s:s}", "hop", hop, "of", item_name(run)));
	r->run = fleet_add_run(r->f, b, snapshot, r->c.who);
	record(b, cluster, &r->c);
	const char *target = json_path_str(item_memo(cluster), "offer.target", "");
	r->says = g_strdup_printf("a run of its own takes %s back to %s", item_name(cluster),
		*target && hop == cluster_hop(cluster) ? target : json_path_str(hop, "from", "?"));
	return true;
}

/* ---- takeover: the claim that stands there is of a journal that is lost ---- */

static const json_t *entry_of(const json_t *snapshot, const char *cluster)
{
	size_t i;
	json_t *entry;
	json_array_foreach (json_object_get(snapshot, "clusters"), i, entry)
		if (strcmp(json_path_str(entry, "name", ""), cluster) == 0)
			return entry;
	return NULL;
}

/* Only this cluster, and no question of its waves: they were answered before the claim was taken.
 */
static json_t *takeover_snapshot(Request *r, const Item *run)
{
	json_t *snapshot =
		run ? fleet_snapshot_again(r->f, run) : fleet_snapshot_with(r->f, r->c.cluster);
	const json_t *entry = snapshot ? entry_of(snapshot, r->c.cluster) : NULL;
	if (!entry) {
		json_decref(snapshot);
		return NULL;
	}
	json_object_set_new(snapshot, "clusters", json_pack("[o]", json_deep_copy(entry)));
	size_t i;
	json_t *wave;
	json_array_foreach (json_object_get(snapshot, "waves"), i, wave)
		json_object_del(wave, "approval");
	json_object_del(snapshot, "rollback");
	json_object_del(snapshot, "retry");
	json_object_set_new(snapshot, "takeover",
		json_pack("{s:s, s:s}", "who", r->c.who, "reason", r->c.reason ? r->c.reason : ""));
	return snapshot;
}

/* No run of this journal has it in work: a run of its own takes it. */
static bool take_over(Request *r, Batch *b, Item *cluster)
{
	Item *run = cluster ? item_parent(cluster) : NULL;
	if (cluster && !item_ended(cluster) && item_state(cluster) != CL_PENDING)
		return sl_fail(&r->err, SL_ERR_REFUSED,
			"%s is in %s: its claim is not known to be somebody else's", r->c.cluster,
			item_state_name(cluster));
	json_t *snapshot = takeover_snapshot(r, run);
	if (!snapshot)
		return sl_fail(&r->err, SL_ERR_NOT_FOUND,
			"no plan in force takes %s, and without one nobody can say what is to run "
			"there; merge the plan that was under way, then take over",
			r->c.cluster);
	r->run = fleet_add_run(r->f, b, snapshot, r->c.who);
	record(b, cluster ? cluster : saga_root(r->f->saga), &r->c);
	r->says = g_strdup_printf("a run of its own takes %s over: the epoch of its claim is "
				  "raised; then it is held, and shiplock why %s says what runs "
				  "there",
		r->c.cluster, r->c.cluster);
	return true;
}

/* ---- one cluster ---- */

static bool stale(Request *r, const Item *it)
{
	const char *state = item_state_name(it);
	if (r->c.expect_state && strcmp(r->c.expect_state, state) != 0)
		return !sl_fail(&r->err, SL_ERR_CONFLICT, "%s is in %s now, not in %s: look again",
			item_name(it), state, r->c.expect_state);
	return moved_on(r, it, item_name(it));
}

static bool unconfirmed(Request *r)
{
	bool asks = strcmp(r->c.verb, "rollback") == 0 || strcmp(r->c.verb, "takeover") == 0;
	return asks && g_strcmp0(r->c.confirm, r->c.cluster) != 0 &&
	       !sl_fail(&r->err, SL_ERR_INVALID, "%s of %s needs its name typed to confirm",
		       r->c.verb, r->c.cluster);
}

/* In work, or held where it is. */
static bool known_cluster(Request *r, Batch *b, Item *it)
{
	Item *run = item_parent(it);
	const char *verb = r->c.verb;
	bool idle = item_ended(it) || item_state(it) == CL_PENDING;
	if (strcmp(verb, "retry") == 0)
		return retry(r, b, run, it);
	if (strcmp(verb, "approve") == 0)
		return approve(r, b, run, it);
	char text[SCHEDULE_TEXT_MAX];
	bool stands = item_find_hold(run, "fleet-stopped") || run_stops_fleet(run, text);
	if (strcmp(verb, "resume") == 0 && idle && stands)
		return resume_run(r, b, run);
	if (strcmp(verb, "rollback") == 0 && item_ended(it) && !r->c.subject)
		return take_back(r, b, run, it);
	Command c = command_of(r);
	return cluster_command(it, b, &c, &r->says, &r->err);
}

static bool one_cluster(Request *r, Batch *b)
{
	Item *it = fleet_newest_of(r->f, r->c.cluster);
	bool takeover = strcmp(r->c.verb, "takeover") == 0;
	if (!it && !takeover)
		return sl_fail(
			&r->err, SL_ERR_NOT_FOUND, "no run knows a cluster %s", r->c.cluster);
	r->run = it ? run_id(item_parent(it)) : 0;
	if ((it && stale(r, it)) || unconfirmed(r))
		return false;
	if (takeover && (!it || !cluster_past_preflight(it)))
		return take_over(r, b, it);
	return known_cluster(r, b, it);
}

static void build(Batch *b, void *ud)
{
	Request *r = ud;
	if (r->c.cluster)
		one_cluster(r, b);
	else
		fleet_wide(r, b);
}

static void stored(const GError *err, void *ud)
{
	request_answer(ud, err);
}

void fleet_command(Fleet *f, const FleetCommand *c, FleetReply *reply, void *ud)
{
	Request *r = request_new(f, reply, ud);
	copy_command(&r->c, c);
	saga_submit(f->saga, build, stored, r);
}
