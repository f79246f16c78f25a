/* Up: acks, channel, brake on the worker pools, the order. Nodes: the brakes released, pool by
 * pool. Down: brake again, the order back, then the pools whose wish is their old configuration
 * again. */
#include "base/num.h"
#include "providers/observe.h"
#include "providers/openshift-git.h"
#include "providers/wanted.h"
#include <string.h>

enum { CV_POLL_SEC = 3, POOL_POLL_SEC = 5, FOREIGN_LOOK_SEC = 60, FOREIGN_AWAKE_SEC = 600 };

static StepResult poll(Item *it, int64_t now, int sec, const char *fmt, ...) SL_PRINTF(4, 5);
static StepResult poll(Item *it, int64_t now, int sec, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	/* With the watches in step a change wakes the item; the slow poll is for what a watch may
	 * lose. */
	bool awake = target_awake(it, CV_COLLECTION);
	awake = target_awake(it, MCP_PATH) && awake;
	awake = target_awake(it, NODES_PATH) && awake;
	if (awake)
		sec = MAX(sec, WAKE_POLL_SEC);
	return step_wait(it, now + sec * SL_USEC_PER_SEC, "%s", text);
}

/* ---- acknowledgements that the plan gives, and the channel ---- */

static bool observes(const Item *it)
{
	return target_observes(target_of(it));
}

/* What is noted of an observed cluster becomes durable before the next decision. */
static StepResult noted(Item *it, int64_t now)
{
	return step_wait(it, now, "observing: what would be done now is noted");
}

static StepResult acks_tick(Item *it, int64_t now, Batch *b)
{
	size_t i;
	json_t *ack;
	json_array_foreach (json_object_get(wanted_target(it), "acks"), i, ack) {
		g_autofree char *key = g_strdup_printf("%s#%s", ACKS_PATH, json_string_value(ack));
		const View *v = fact(it, &fact_object, key);
		if (!v)
			return step_read(it);
		const char *value = json_string_value(
			json_object_get(json_object_get(v->json, "data"), json_string_value(ack)));
		bool have = value && strcmp(value, "true") == 0;
		g_autofree char *place = git_ack_key(it, json_string_value(ack));
		StepResult r;
		if (place && !git_ack_given(it, now, b, place, key, have, &r))
			return r;
		if (observes(it) && !have &&
			observe_would(it, b, "give acknowledgement %s", json_string_value(ack)))
			return noted(it, now);
		if (!have && !observes(it))
			return step_act(it, &act_give_ack, key, b);
	}
	item_set_reason(it, "acknowledgements are in place");
	return step_done(0);
}

static StepResult channel_tick(Item *it, int64_t now, Batch *b)
{
	if (target_by_git(target_of(it))) /* in Git it goes with the order */
		return step_done(0);
	const View *cv = fact(it, &fact_object, CV_PATH);
	if (!cv)
		return step_read(it);
	const char *channel = json_path_str(hop_of(it), "channel", "");
	if (!*channel || strcmp(channel, json_path_str(cv->json, "spec.channel", "")) == 0) {
		item_set_reason(
			it, "channel %s", json_path_str(cv->json, "spec.channel", "(none)"));
		return step_done(0);
	}
	if (observes(it))
		return observe_would(it, b, "set channel %s", channel) ? noted(it, now)
								       : step_done(0);
	return step_act(it, &act_set_channel, CV_PATH, b);
}

/* ---- the brake ---- */

static StepResult brake_tick(Item *it, int64_t now, Batch *b)
{
	/* Taken over on its way back, with the brakes let go: they are not set twice. */
	if (json_path_bool(item_memo(it), "takeover.released", false))
		return step_done(0);
	const View *pools = fact(it, &fact_list, MCP_PATH);
	if (!pools)
		return step_read(it);
	size_t i;
	json_t *p;
	StepResult r;
	if (!git_branches_closed(it, now, false, &r) ||
		!git_pools_synced(it, now, b, pools->json, &r))
		return r;
	json_array_foreach (json_object_get(pools->json, "items"), i, p) {
		const char *name = json_path_str(p, "metadata.name", "");
		if (!pool_is_worker(p))
			continue;
		if (json_path_bool(p, "spec.paused", false) && !git_released(it, name))
			continue;
		if (observes(it)) {
			if (observe_would(it, b, "pause pool %s", name))
				return noted(it, now);
			continue;
		}
		g_autofree char *key = g_strdup_printf("%s/%s", MCP_PATH, name);
		const Act *a = act_find(it, &act_pause_pool, key);
		if (a && act_state(a) == ACT_DONE &&
			act_settled_usec(a) >= fact_sent_usec(it, &fact_list, MCP_PATH)) {
			site_fact_forget(item_site(it), &fact_list, MCP_PATH);
			return step_read(it); /* the list is older than our own write */
		}
		return git_write_pool(it, b, name, true);
	}
	item_set_reason(it, "every worker pool is braked");
	return step_done(0);
}

/* ---- the order, up or back ---- */

static StepResult ordered(
	Item *it, int64_t now, const json_t *cv, const char *version, const char *image)
{
	g_autofree char *text = NULL;
	switch (cv_phase(cv, version, image, &text)) {
	case CV_COMPLETED:
		item_set_reason(it, "%s Completed", version);
		return step_done(0);
	case CV_REFUSED:
		return step_hold(it, "refused", "the operator refuses %s: %s", version, text);
	case CV_WAITING:
		return poll(
			it, now, CV_POLL_SEC, "%s is ordered, not yet taken up: %s", version, text);
	case CV_FAILING:
		return poll(it, now, CV_POLL_SEC,
			"%s is being applied, and the operator reports: %s", version, text);
	default:
		return poll(
			it, now, CV_POLL_SEC, "%s is being applied: %s", version, text ? text : "");
	}
}

/* The operator's own verdict: never the first Failing=True, only one that stands. */
static bool given_up(Item *it, int64_t now, Batch *b, const json_t *cv, const char *version,
	const char *image, StepResult *ret)
{
	const Target *t = target_of(it);
	g_autofree char *text = NULL;
	bool fails = cv_phase(cv, version, image, &text) == CV_FAILING;
	return t->failing &&
	       t->failing(it, now, b, fails ? condition_since_usec(cv, "Failing") : 0, text, ret);
}

/* A person gives the order; Shiplock notices it and judges. */
static StepResult wait_for_order(Item *it, int64_t now, const char *version)
{
	return poll(it, now, CV_POLL_SEC,
		"observing: waits for a person to order %s (oc adm upgrade --to=%s)", version,
		version);
}

/* In Git: the commit of ours that asks for this image now. */
static bool committed(const Item *it, const char *image)
{
	const Act *a = git_ordered(it);
	return a && strcmp(json_path_str(act_want(a), "image", ""), image) == 0;
}

static StepResult write_order(Item *it, Batch *b)
{
	if (!target_by_git(target_of(it)))
		return step_act(it, &act_set_version, CV_PATH, b);
	g_autofree char *file = NULL, *text = NULL;
	if (!git_version_file(it, &file, &text))
		return step_read(it);
	if (!file)
		return step_hold(it, "git-file", "%s", text);
	g_autofree char *key = git_version_key(it, file);
	return step_act(it, &act_commit_version, key, b);
}

static StepResult order_up(Item *it, Batch *b)
{
	hop_cross(b, it, "control-plane");
	return write_order(it, b);
}

static StepResult order_tick(Item *it, int64_t now, Batch *b)
{
	const json_t *hop = hop_of(it);
	const char *version = json_path_str(hop, "to", ""),
		   *image = json_path_str(hop, "image", "");
	const View *cv = git_order_view(it);
	if (!cv)
		return step_read(it);
	StepResult r;
	if (!git_order_synced(it, now, b, cv->json, image, &r))
		return r;
	const Act *a = act_find(it, &act_set_version, CV_PATH);
	bool patched = a && act_state(a) == ACT_DONE &&
		       strcmp(json_path_str(act_want(a), "image", ""), image) == 0;
	bool ours = patched || committed(it, image);
	if (strcmp(cv_wanted_image(cv->json), image) != 0) {
		if (ours)
			return step_hold_person(it, "foreign-update",
				"spec.desiredUpdate now asks for %s; we had asked for %s and do "
				"not overwrite it",
				*cv_wanted_version(cv->json) ? cv_wanted_version(cv->json)
							     : "nothing",
				version);
		if (observes(it))
			return observe_would(it, b, "order %s", version)
				       ? noted(it, now)
				       : wait_for_order(it, now, version);
		return order_up(it, b);
	}
	if (observes(it) && observe_done(it, b, "order %s", version)) {
		hop_cross(
			b, it, "control-plane"); /* from here on there is something to take back */
		return noted(it, now);
	}
	if (given_up(it, now, b, cv->json, version, image, &r))
		return r;
	return ordered(it, now, cv->json, version, image);
}

static StepResult order_back_tick(Item *it, int64_t now, Batch *b)
{
	const json_t *hop = hop_of(it);
	const char *version = json_path_str(hop, "from", ""),
		   *image = json_path_str(hop, "fromImage", "");
	if (!item_pivot_crossed(it, "rollback")) {
		batch_pivot(b, it, "rollback");
		return step_wait(it, now, "the way back is stored first");
	}
	const View *cv = git_order_view(it);
	if (!cv)
		return step_read(it);
	StepResult r;
	if (!git_branches_closed(it, now, false, &r) ||
		!git_order_synced(it, now, b, cv->json, image, &r))
		return r;
	/* A commit that nobody applied yet would be applied later. */
	bool in_git = git_ordered(it) && !committed(it, image);
	if (in_git || strcmp(cv_wanted_image(cv->json), image) != 0) {
		bool never_taken_up =
			!in_git && !*cv_wanted_image(cv->json) &&
			strcmp(json_path_str(cv->json, "status.desired.image", ""), image) == 0;
		if (never_taken_up)
			return step_done(0);
		if (observes(it))
			return observe_would(it, b, "order %s back", version)
				       ? noted(it, now)
				       : wait_for_order(it, now, version);
		return write_order(it, b);
	}
	if (observes(it) && observe_done(it, b, "order %s back", version))
		return noted(it, now);
	return ordered(it, now, cv->json, version, image);
}

/* ---- nodes: release the brakes, one pool after another, canary (the smallest) first ---- */

static int64_t machines(const json_t *pool)
{
	return json_path_int(pool, "status.machineCount", 0);
}

static bool before(const json_t *a, const json_t *b)
{
	if (machines(a) != machines(b))
		return machines(a) < machines(b);
	return strcmp(json_path_str(a, "metadata.name", ""),
		       json_path_str(b, "metadata.name", "")) < 0;
}

static const json_t *next_braked(const json_t *pools, const char *fleet)
{
	const json_t *best = NULL;
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pools, "items"), i, p)
		if (pool_paused_by(p, fleet) && (!best || before(p, best)))
			best = p;
	return best;
}

static bool workers_moved(const Item *it)
{
	return hop_crossed(it, "workers") || json_path_bool(item_memo(it), "workersMoved", false);
}

/* A worker pool that is neither braked nor settled: wait for it before the next one goes.
 * untouched: no machine of ours ever moved, so who is not ready is none of our business. */
static const json_t *moving(const json_t *pools, bool untouched)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pools, "items"), i, p) {
		bool settled = untouched ? pool_at_its_wish(p) : pool_settled(p);
		if (pool_is_worker(p) && !json_path_bool(p, "spec.paused", false) && !settled)
			return p;
	}
	return NULL;
}

static bool released_after_list(Item *it)
{
	int64_t sent = fact_sent_usec(it, &fact_list, MCP_PATH);
	for (size_t i = 0; i < item_n_acts(it); i++) {
		const Act *a = item_act(it, i);
		bool pool = act_row(a) == &act_release_pool || act_row(a) == &act_pause_pool;
		if (pool && act_state(a) == ACT_DONE && act_settled_usec(a) >= sent)
			return true;
	}
	return false;
}

/* MCO: the daemon asks for a drain by annotation, and the controller answers when it is done. */
static bool operator_drains(const json_t *node)
{
	const json_t *notes = json_path(node, "metadata.annotations");
	const char *wanted = json_string_value(json_object_get(notes, MCO_PREFIX "desiredDrain"));
	const char *done = json_string_value(json_object_get(notes, MCO_PREFIX "lastAppliedDrain"));
	return wanted && g_str_has_prefix(wanted, "drain-") && g_strcmp0(wanted, done) != 0 &&
	       json_path_bool(node, "spec.unschedulable", false);
}

static void assist(Item *it, Batch *b, const json_t *nodes)
{
	Target *t = target_of(it);
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes, "items"), i, n)
		if (t->assist && operator_drains(n))
			t->assist(it, b, json_path_str(n, "metadata.name", ""));
}

/* The pool is braked, and the operator finishes what it has begun there. NULL: no node is in work.
 */
static const json_t *node_in_work(const json_t *nodes)
{
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes, "items"), i, n) {
		const json_t *notes = json_path(n, "metadata.annotations");
		const char *want =
			json_string_value(json_object_get(notes, MCO_PREFIX "desiredConfig"));
		const char *have =
			json_string_value(json_object_get(notes, MCO_PREFIX "currentConfig"));
		const char *state = json_string_value(json_object_get(notes, MCO_PREFIX "state"));
		if (want && (g_strcmp0(want, have) != 0 || g_strcmp0(state, "Done") != 0))
			return n;
	}
	return NULL;
}

/* Every machine of the pool has its order already: a brake would stop nothing. */
static bool all_begun(const json_t *pool, const json_t *nodes)
{
	const char *wish = json_path_str(pool, "spec.configuration.name", "-");
	int64_t begun = 0;
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes, "items"), i, n) {
		const json_t *notes = json_path(n, "metadata.annotations");
		begun += g_strcmp0(json_string_value(
					   json_object_get(notes, MCO_PREFIX "desiredConfig")),
				 wish) == 0;
	}
	return begun >= machines(pool);
}

/* No further node is begun; the one in work comes to its end, with our help where it is drained.
 * False: nothing is in work any more. */
static bool finish_nodes(Item *it, int64_t now, Batch *b, const StepResult *closed, StepResult *ret)
{
	const View *nodes = fact(it, &fact_list, NODES_PATH);
	*ret = step_read(it);
	if (!nodes)
		return true;
	const json_t *node = node_in_work(nodes->json);
	if (!node)
		return false;
	g_autofree char *why = g_strdup(item_reason(it));
	assist(it, b, nodes->json);
	*ret = poll(it, now, POOL_POLL_SEC, "%s; node %s is finished first", why,
		json_path_str(node, "metadata.name", ""));
	if (closed->until_usec)
		ret->until_usec = sl_min(ret->until_usec, closed->until_usec);
	return true;
}

static StepResult watch_pool(Item *it, int64_t now, Batch *b, const json_t *pool)
{
	const View *nodes = target_fact(it, NODES_PATH);
	if (!nodes)
		return step_read(it);
	assist(it, b, nodes->json);
	const char *degraded = condition_status(pool, "NodeDegraded");
	if (strcmp(degraded, "True") == 0)
		return step_hold(it, "pool-degraded", "pool %s: %s",
			json_path_str(pool, "metadata.name", ""),
			condition_message(pool, "NodeDegraded"));
	return poll(it, now, POOL_POLL_SEC, "pool %s: %d of %d nodes updated",
		json_path_str(pool, "metadata.name", ""),
		(int)json_path_int(pool, "status.updatedMachineCount", 0), (int)machines(pool));
}

/* After our order somebody may order something else: seen at once by the watch, else
 * within a minute. */
bool openshift_foreign(Item *it, char **ret_why)
{
	if (!hop_of(it))
		return true;
	/* With the watch in step a change makes the fact unread at once. */
	int sec = target_awake(it, CV_COLLECTION) ? FOREIGN_AWAKE_SEC : FOREIGN_LOOK_SEC;
	const View *cv = fact_within(it, &fact_object, CV_PATH, sec * SL_USEC_PER_SEC, 0);
	if (!cv)
		return false;
	const char *image = json_path_str(hop_of(it), "image", "");
	const char *wanted = cv_wanted_version(cv->json);
	if (strcmp(cv_wanted_image(cv->json), image) != 0)
		*ret_why = g_strdup_printf("spec.desiredUpdate now asks for %s; we had asked for "
					   "%s and do not overwrite it",
			*wanted ? wanted : "nothing", json_path_str(hop_of(it), "to", ""));
	return true;
}

/* Its window closed in the middle: stop at the node boundary. */
static StepResult stop_pool(Item *it, int64_t now, Batch *b, const json_t *pool)
{
	const View *nodes = fact(it, &fact_list, NODES_PATH);
	if (!nodes)
		return step_read(it);
	if (all_begun(pool, nodes->json))
		return watch_pool(it, now, b, pool);
	return git_write_pool(it, b, json_path_str(pool, "metadata.name", ""), true);
}

/* The way down asks nobody. ret: as of Target.may_move. */
static bool may_move(Item *it, StepResult *ret)
{
	const Target *t = target_of(it);
	*ret = (StepResult){ 0 };
	return item_pivot_crossed(it, "rollback") || observes(it) || !t->may_move ||
	       t->may_move(it, ret);
}

/* A pool on its way, or braked with a node in work: it comes first. False: there is none. */
static bool pool_in_work(Item *it, int64_t now, Batch *b, const json_t *pools, bool may,
	const StepResult *window, StepResult *ret)
{
	bool back = item_pivot_crossed(it, "rollback"), ours = hop_crossed(it, "workers");
	const json_t *pool = moving(pools, back && !workers_moved(it));
	if (!pool)
		return !may && ours && finish_nodes(it, now, b, window, ret);
	if (!may && ours) {
		*ret = stop_pool(it, now, b, pool);
		return true;
	}
	*ret = watch_pool(it, now, b, pool);
	if (ret->verb == STEP_WAIT && window->until_usec)
		ret->until_usec = sl_min(ret->until_usec, window->until_usec);
	return true;
}

static StepResult release_next(
	Item *it, int64_t now, Batch *b, const json_t *pools, bool may, const StepResult *window)
{
	const json_t *pool = next_braked(pools, target_of(it)->fleet);
	if (!pool) {
		item_set_reason(it, "every worker pool is released and settled");
		return step_done(0);
	}
	const char *name = json_path_str(pool, "metadata.name", "");
	if (observes(it))
		return poll(it, now, POOL_POLL_SEC,
			"observing: pool %s is paused by an earlier run; a person releases it",
			name);
	if (!may && !(hop_crossed(it, "workers") && pool_at_its_wish(pool)))
		return *window;
	if (!item_pivot_crossed(it, "rollback"))
		hop_cross(b, it, "workers");
	return git_write_pool(it, b, name, false);
}

static StepResult release_tick(Item *it, int64_t now, Batch *b)
{
	g_autofree char *foreign = NULL;
	if (!item_pivot_crossed(it, "rollback") && !openshift_foreign(it, &foreign))
		return step_read(it);
	if (foreign)
		return step_hold_person(it, "foreign-update", "%s", foreign);
	const View *pools = target_fact(it, MCP_PATH);
	if (!pools)
		return step_read(it);
	StepResult r, window;
	bool may = may_move(it, &window);
	if (!may && hop_crossed(it, "workers") && git_unrelease(it, b, pools->json, &r))
		return r;
	if (!git_pools_synced(it, now, b, pools->json, &r))
		return r;
	if (released_after_list(it)) {
		site_fact_forget(item_site(it), &fact_list, MCP_PATH);
		return step_read(it);
	}
	if (pool_in_work(it, now, b, pools->json, may, &window, &r))
		return r;
	return release_next(it, now, b, pools->json, may, &window);
}

/* Down, last: a brake is let go only when the pool's wish is what its machines already run, or
 * (workers that moved) when the control plane stands at the old version and the pool shall follow.
 */
static StepResult settle_tick(Item *it, int64_t now, Batch *b)
{
	const char *fleet = target_of(it)->fleet;
	if (!workers_moved(it)) {
		const View *pools = target_fact(it, MCP_PATH);
		if (!pools)
			return step_read(it);
		size_t i;
		json_t *p;
		json_array_foreach (json_object_get(pools->json, "items"), i, p)
			if (pool_paused_by(p, fleet) && !pool_at_its_wish(p))
				return poll(it, now, POOL_POLL_SEC,
					"pool %s is to want its old configuration again",
					json_path_str(p, "metadata.name", ""));
	}
	return release_tick(it, now, b);
}

/* Left before it is applied, a commit that takes the order back proves nothing: until then the
 * operator may still take the order up. */
static StepResult abandon_in_git(Item *it, int64_t now, Batch *b, bool begun)
{
	const char *image = json_path_str(hop_of(it), "image", "");
	g_autofree char *file = NULL, *text = NULL;
	StepResult r;
	if (!git_clear_synced(it, now, b, image, &r))
		return r;
	if (begun || !committed(it, image))
		return step_done(0);
	if (!git_version_file(it, &file, &text))
		return step_read(it);
	g_autofree char *key = git_clear_key(it, file); /* that of our order */
	return step_act(it, &act_commit_clear, key, b);
}

/* Trap c: the operator takes a refused request up by itself as soon as the gate opens. */
StepResult openshift_abandon(Item *it, int64_t now, Batch *b)
{
	const json_t *hop = hop_of(it);
	StepResult r;
	if (!git_branches_closed(it, now, true, &r))
		return r;
	if (!hop || !hop_crossed(it, "control-plane"))
		return step_done(0);
	const View *cv = fact(it, &fact_object, CV_PATH);
	if (!cv)
		return step_read(it);
	const char *image = json_path_str(hop, "image", "");
	CvPhase phase = cv_phase(cv->json, json_path_str(hop, "to", ""), image, NULL);
	bool ours = strcmp(cv_wanted_image(cv->json), image) == 0;
	bool begun = ours && phase != CV_REFUSED && phase != CV_WAITING;
	if (target_by_git(target_of(it)))
		return abandon_in_git(it, now, b, begun);
	if (!ours || begun)
		return step_done(0);
	return step_act(it, &act_clear_version, CV_PATH, b);
}

/* The pool that an act paused (*ret_paused) or released; NULL: it did neither. Caller frees. */
static char *pool_of_act(const Act *a, bool *ret_paused)
{
	const ActRow *row = act_row(a);
	const char *slash = strrchr(act_key(a), '/');
	*ret_paused = row == &act_pause_pool || row == &act_commit_pause;
	if (row == &act_pause_pool || row == &act_release_pool)
		return g_strdup(slash ? slash + 1 : act_key(a));
	bool commit = row == &act_commit_pause || row == &act_commit_release;
	return commit ? git_pool_of_key(act_key(a)) : NULL;
}

/* Applies what this item did to the brakes that stood before it. */
void openshift_brakes(const Item *it, json_t *standing)
{
	for (size_t i = 0; i < item_n_acts(it); i++) {
		const Act *a = item_act(it, i);
		bool paused;
		g_autofree char *pool = act_state(a) == ACT_DONE ? pool_of_act(a, &paused) : NULL;
		if (pool && paused)
			json_object_set_new(
				standing, pool, json_string(item_name(item_parent(it))));
		else if (pool)
			json_object_del(standing, pool);
	}
}

const StepOps step_acks = { "acks", acks_tick };
const StepOps step_channel = { "channel", channel_tick };
const StepOps step_brake = { "brake", brake_tick };
const StepOps step_order = { "order", order_tick };
const StepOps step_release_pools = { "release-pools", release_tick };
const StepOps step_brake_again = { "brake-again", brake_tick };
const StepOps step_order_back = { "order-back", order_back_tick };
const StepOps step_settle_pools = { "settle-pools", settle_tick };
