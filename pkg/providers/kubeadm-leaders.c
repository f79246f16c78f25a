/* Whether the cluster's controllers are led, before a node is emptied. */
#include "providers/kubeadm-moves.h"
#include <string.h>

/* NOTE_SEC: a value that was noted longer ago proves nothing of now: who wrote a later one may have
 * gone since. A leader renews every 2 s and is given up after 15 s. */
enum { NOTE_SEC = 30 };
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

/* One value noted first and then another seen, so that the servers' clocks play no part. */
bool kubeadm_leaders_live(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose, StepResult *ret)
{
	const json_t *noted = json_object_get(item_memo(it), "leaders");
	int64_t wall = loop_wall_usec(saga_loop(item_saga(it)));
	g_autofree char *of = g_strdup_printf("%s %s", purpose, m->name);
	g_autoptr(json_t) is = json_pack("{s:s, s:I}", "for", of, "wallUsec", (json_int_t)wall);
	bool begun = strcmp(json_path_str(noted, "for", ""), of) == 0 && is_young(noted, wall);
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
	*ret = step_wait(it, now + SL_USEC_PER_SEC,
		"before node %s: the leaders of scheduler and controller manager are to renew "
		"their Leases",
		m->name);
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
