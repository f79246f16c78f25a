/* How a node stood before it was touched. A pod is known by who makes it, since it has another name
 * after a drain; static pods by their own. */
#include "base/num.h"
#include "providers/clusterversion.h"
#include "providers/kubeadm-moves.h"
#include <string.h>

enum { FRESH_SEC = 5 };

static const char *owner_of(const json_t *pod)
{
	const char *owner = json_path_str(pod, "metadata.ownerReferences.0.name", "");
	const char *kind = json_path_str(pod, "metadata.ownerReferences.0.kind", "");
	bool is_static = strcmp(kind, "Node") == 0;
	return *owner && !is_static ? owner : json_path_str(pod, "metadata.name", "?");
}

static bool is_unready(const json_t *pod, const char *node)
{
	const char *phase = json_path_str(pod, "status.phase", "");
	bool over = strcmp(phase, "Succeeded") == 0 || strcmp(phase, "Failed") == 0;
	return strcmp(json_path_str(pod, "spec.nodeName", ""), node) == 0 && !over &&
	       !kubeadm_is_trial(pod) && strcmp(condition_status(pod, "Ready"), "True") != 0;
}

static bool was_unready(const json_t *before, const json_t *pod)
{
	size_t i;
	json_t *o;
	json_array_foreach (json_object_get(before, "unready"), i, o)
		if (strcmp(json_string_value(o), owner_of(pod)) == 0)
			return true;
	return false;
}

char *kubeadm_newly_unready(const json_t *pods, const char *node, const json_t *before)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods, "items"), i, p)
		if (is_unready(p, node) && !was_unready(before, p))
			return g_strdup_printf("pod kube-system/%s on %s is not Ready",
				json_path_str(p, "metadata.name", "?"), node);
	return NULL;
}

const json_t *kubeadm_before(const Item *it, const Machine *m, const char *purpose)
{
	const json_t *b = json_object_get(item_memo(it), "before");
	bool same = strcmp(json_path_str(b, "node", ""), m->name) == 0 &&
		    strcmp(json_path_str(b, "for", ""), purpose) == 0;
	return same ? b : NULL;
}

static json_t *unready_of(const json_t *pods, const char *node)
{
	json_t *out = json_array(), *p;
	size_t i;
	json_array_foreach (json_object_get(pods, "items"), i, p)
		if (is_unready(p, node))
			json_array_append_new(out, json_string(owner_of(p)));
	return out;
}

bool kubeadm_note_before(
	Item *it, int64_t now, Batch *b, const Machine *m, const char *purpose, StepResult *ret)
{
	const View *pods = kubeadm_list_within(it, now, KUBEADM_SYSTEM_PODS, FRESH_SEC, 0);
	const json_t *look = kubeadm_look(it, m, 0);
	*ret = step_read(it);
	if (!pods || !look)
		return false;
	batch_memo(b, it, "before",
		json_pack("{s:s, s:s, s:s, s:o}", "for", purpose, "node", m->name, "boot",
			json_path_str(look, "bootId", ""), "unready",
			unready_of(pods->json, m->name)));
	return true;
}
