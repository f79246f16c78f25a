/* Whether the cluster's controllers are led, before a node is emptied. */
#include "providers/kubeadm-moves.h"
#include <string.h>

/* NOTE_SEC: a value that was noted longer ago proves nothing of now: who wrote a later one may have
 * gone since. A leader renews every 2 s and is given up after 15 s. */
enum { NOTE_SEC = 30, NOBODY_SEC = 60 };
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/"
static const struct {
	const char *name, *path;
} leases[] = {
	{ "controllerManager", LEASES "kube-controller-manager" },
	{ "scheduler", LEASES "kube-scheduler" },
};

static bool is_young(const json_t *noted, int64_t wall)
{
	int64_t age = wall - json_path_int(noted, "wallUsec", 0);
	return age >= 0 && age <= NOTE_SEC * SL_USEC_PER_SEC;
}

/* On the way back they may be what is broken: those of the old version come first then, which is
 * within the skew of the API servers that still are new. */
static StepResult nobody(Item *it, Batch *b, const Machine *m)
{
	bool back = item_pivot_crossed(it, "rollback");
	bool first = json_path_bool(item_memo(it), "helpersFirst", false);
	if (!back || first)
		return step_hold(it, "leaders",
			"before node %s: nobody leads as scheduler or controller manager, so "
			"nothing would replace the pods that a drain takes away; see their pods in "
			"kube-system (kubectl -n kube-system get pods,leases); it goes on by "
			"itself when both renew their Leases",
			m->name);
	batch_memo(b, it, "helpersFirst", json_true());
	return step_wait(it, 0, "nobody leads: scheduler and controller manager go back first");
}

/* One value noted first and then another seen, so that the servers' clocks play no part. */
bool kubeadm_leaders_live(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose, StepResult *ret)
{
	const json_t *noted = json_object_get(item_memo(it), "leaders");
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	g_autofree char *of = g_strdup_printf("%s %s", purpose, m->name);
	bool same = strcmp(json_path_str(noted, "for", ""), of) == 0;
	int64_t since = same ? json_path_int(noted, "sinceUsec", wall) : wall;
	g_autoptr(json_t) is = json_pack("{s:s, s:I, s:I}", "for", of, "wallUsec", (json_int_t)wall,
		"sinceUsec", (json_int_t)since);
	bool begun = same && is_young(noted, wall);
	bool live = begun, all = true;
	for (size_t i = 0; i < G_N_ELEMENTS(leases); i++) {
		const View *v = fact_within(it, &fact_object, leases[i].path, SL_USEC_PER_SEC, 0);
		all = all && v;
		if (!v)
			continue;
		const char *renewed = json_path_str(v->json, "spec.renewTime", "");
		json_object_set_new(is, leases[i].name, json_string(renewed));
		live = live && *renewed &&
		       strcmp(json_path_str(noted, leases[i].name, ""), renewed) != 0;
	}
	*ret = step_read(it);
	if (!all)
		return false;
	if (live)
		return true;
	if (!begun)
		batch_memo(b, it, "leaders", json_incref(is));
	if (wall - since > NOBODY_SEC * SL_USEC_PER_SEC && begun)
		*ret = nobody(it, b, m);
	else
		*ret = step_wait(it, 0,
			"before node %s: the leaders of scheduler and controller manager are to "
			"renew their Leases",
			m->name);
	ret->until_usec = now + SL_USEC_PER_SEC;
	return false;
}

void kubeadm_leaders_note(Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose)
{
	const json_t *noted = json_object_get(item_memo(it), "leaders");
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	g_autofree char *of = g_strdup_printf("%s %s", purpose, m->name);
	StepResult ignored;
	if (strcmp(json_path_str(noted, "for", ""), of) != 0 || !is_young(noted, wall))
		kubeadm_leaders_live(it, now, b, m, purpose, &ignored);
}
