/* Taking over: what an unknown controller left on the cluster, told from the cluster alone. The
 * history of the ClusterVersion says which way it went, the worker pools how far. */
#include "objects/version.h"
#include "providers/openshift.h"
#include "providers/owner.h"
#include "providers/wanted.h"
#include <string.h>

/* Worker pools that nobody else paused. */
typedef struct Pools {
	unsigned n_braked; /* by us */
	unsigned n_behind; /* of these: run another configuration than the one they are to run */
	unsigned n_begun; /* of these: some machine runs what is wanted, another does not */
	unsigned n_released, n_moving;
} Pools;

static Pools count_pools(const Item *it, const json_t *list)
{
	Pools n = { 0 };
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(list, "items"), i, p) {
		bool braked = pool_paused_by(p, target_of(it)->fleet);
		if (!pool_is_worker(p) || (!braked && json_path_bool(p, "spec.paused", false)))
			continue;
		n.n_braked += braked;
		n.n_behind += braked && !pool_at_its_wish(p);
		n.n_begun += braked && !pool_at_its_wish(p) &&
			     json_path_int(p, "status.updatedMachineCount", 0) > 0;
		n.n_released += !braked;
		n.n_moving += !braked && !pool_settled(p);
	}
	return n;
}

/* Is it a version that the plan asks for? *ret_last: its target. */
static bool planned(const Item *it, const char *version, int *ret_index, bool *ret_last)
{
	const json_t *hops = json_object_get(wanted_target(it), "hops");
	size_t i;
	json_t *h;
	json_array_foreach (hops, i, h)
		if (strcmp(json_string_value(h), version) == 0) {
			*ret_index = (int)i;
			*ret_last = i + 1 == json_array_size(hops);
			return true;
		}
	*ret_index = 0;
	*ret_last = true;
	return strcmp(json_path_str(wanted_target(it), "version", ""), version) == 0;
}

/* The newest entry of the history with another version; completed: only one that was reached. */
static const json_t *other_than(const json_t *cv, const char *version, bool completed)
{
	size_t i;
	json_t *h;
	json_array_foreach (json_path(cv, "status.history"), i, h)
		if (strcmp(json_path_str(h, "version", ""), version) != 0 &&
			(!completed || strcmp(json_path_str(h, "state", ""), "Completed") == 0))
			return h;
	return NULL;
}

static json_t *hop_between(const Item *it, const json_t *from, const json_t *to)
{
	int index = 0;
	bool last = true;
	const char *version = json_path_str(to, "version", "");
	planned(it, version, &index, &last);
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b, s:s}", "from",
		json_path_str(from, "version", ""), "fromImage", json_path_str(from, "image", ""),
		"to", version, "image", json_path_str(to, "image", ""), "index", index, "last",
		(int)last, "channel", json_path_str(wanted_target(it), "channel", ""));
}

/* The wish goes down from a version that the plan asked for. Which workers had moved shows in their
 * pools: before the control plane is back they are to run the new version, afterwards the old one.
 */
static void found_back(
	Item *it, const json_t *cv, const json_t *left, const Pools *pools, Found *ret)
{
	const json_t *wanted = json_path(cv, "spec.desiredUpdate");
	bool there = cv_phase(cv, cv_wanted_version(cv), cv_wanted_image(cv), NULL) == CV_COMPLETED;
	ret->class = FOUND_BACK;
	ret->hop = hop_between(it, wanted, left);
	ret->workers_moved =
		pools->n_moving > 0 || (there ? pools->n_behind > 0 : pools->n_begun > 0);
	ret->released = there && pools->n_released > 0;
	ret->text = g_strdup_printf("the way back from %s to %s: %s%s",
		json_path_str(left, "version", ""), cv_wanted_version(cv),
		there ? "the control plane is back" : "the control plane is on its way",
		ret->workers_moved ? ", workers had moved" : "");
}

/* The ordered version is Completed: what is left of its hop is the workers. */
static void found_workers(Item *it, const json_t *cv, const Pools *pools, bool last, Found *ret)
{
	const char *version = cv_wanted_version(cv);
	bool behind = pools->n_behind > 0, started = pools->n_moving > 0 || pools->n_begun > 0;
	if (behind && !started && pools->n_released == 0) {
		ret->class = FOUND_BEFORE_NODES;
		ret->text = g_strdup_printf("the control plane is at %s, every worker pool is "
					    "braked by us and at its old version",
			version);
	} else if (behind || started || (last && pools->n_braked > 0)) {
		ret->class = FOUND_NODES;
		ret->workers_moved = true;
		ret->text = g_strdup_printf("the control plane is at %s; of the worker pools %u "
					    "are braked by us, %u move",
			version, pools->n_braked, pools->n_moving);
	} else if (last) {
		ret->class = FOUND_DONE;
		ret->workers_moved = true;
		ret->text = g_strdup_printf("all is at %s; only the end was not recorded", version);
	} else {
		ret->class = FOUND_NOTHING;
		ret->between = true;
		g_clear_pointer(&ret->hop, json_decref);
		ret->text =
			g_strdup_printf("%s is wholly done, the next hop was not ordered", version);
	}
}

static void found_up(Item *it, const json_t *cv, const json_t *from, const Pools *pools, Found *ret)
{
	const json_t *wanted = json_path(cv, "spec.desiredUpdate");
	const char *version = cv_wanted_version(cv);
	int index;
	bool last;
	planned(it, version, &index, &last);
	ret->hop = hop_between(it, from ? from : wanted, wanted);
	g_autofree char *text = NULL;
	if (cv_phase(cv, version, cv_wanted_image(cv), &text) == CV_COMPLETED) {
		found_workers(it, cv, pools, last, ret);
		return;
	}
	ret->class = FOUND_CONTROL_PLANE;
	ret->text = g_strdup_printf(
		"%s is ordered and not done%s%s", version, text ? ": " : "", text ? text : "");
}

static void found_foreign(const json_t *cv, Found *ret)
{
	static const char *const path[] = { "spec", "desiredUpdate", NULL };
	static const char *const us[] = { OUR_MANAGER, NULL };
	g_auto(Owner) by = { 0 };
	owner_find(cv, path, us, &by);
	g_autofree char *owner = by.kind == OWNER_NONE ? NULL : owner_text(&by);
	ret->class = FOUND_FOREIGN;
	ret->text =
		g_strdup_printf("spec.desiredUpdate asks for %s, which the plan does not know%s%s",
			cv_wanted_version(cv), owner ? "; written by " : "", owner ? owner : "");
}

static void classify(Item *it, const json_t *cv, const Pools *pools, Found *ret)
{
	const char *wanted = cv_wanted_version(cv), *now = cv_current_version(cv);
	const json_t *left = other_than(cv, wanted, false);
	const char *left_version = json_path_str(left, "version", "");
	int index;
	bool last;
	if (*wanted && *left_version && version_compare_text(left_version, wanted) > 0 &&
		planned(it, left_version, &index, &last)) {
		found_back(it, cv, left, pools, ret);
	} else if (*wanted && planned(it, wanted, &index, &last)) {
		found_up(it, cv, other_than(cv, wanted, true), pools, ret);
	} else if (!*wanted || strcmp(wanted, now) == 0) {
		ret->class = FOUND_NOTHING;
		ret->text = g_strdup_printf("nothing of the plan was ordered, it stands at %s%s",
			now, pools->n_braked ? "; worker pools are braked by us" : "");
	} else {
		found_foreign(cv, ret);
	}
}

bool openshift_found(Item *it, int64_t since_usec, Found *ret)
{
	const View *cv = fact_since(it, &fact_object, CV_PATH, since_usec);
	const View *list = fact_since(it, &fact_list, MCP_PATH, since_usec);
	if (!cv || !list)
		return false;
	*ret = (Found){ 0 };
	Pools pools = count_pools(it, list->json);
	classify(it, cv->json, &pools, ret);
	return true;
}
