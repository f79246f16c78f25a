/* Whether the machine that answers under an address is the node that is meant. An address may be
 * handed on, and a wrong one in the Node object leads to another machine: what is done there by
 * root cannot be taken back. */
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-moves.h"
#include <string.h>

enum { AGAIN_SEC = 10 };

static bool is_name(const char *said, const char *name)
{
	size_t len = strcspn(said, ".");
	return *said && (g_ascii_strcasecmp(said, name) == 0 ||
				(strlen(name) == len && g_ascii_strncasecmp(said, name, len) == 0));
}

static bool has_host_name(const json_t *node, const char *said)
{
	size_t i;
	json_t *a;
	json_array_foreach (json_path(node, "status.addresses"), i, a)
		if (strcmp(json_path_str(a, "type", ""), "Hostname") == 0 &&
			is_name(said, json_path_str(a, "address", "")))
			return true;
	return false;
}

/* A node may have a name of its own choice: then its boot tells, which no two machines share. Nodes
 * that do share one (containers of one machine) are not told apart by it. */
static bool has_boot(const json_t *nodes, const json_t *node, const char *boot)
{
	size_t i, n = 0;
	json_t *other;
	json_array_foreach (json_object_get(nodes, "items"), i, other)
		n += strcmp(json_path_str(other, "status.nodeInfo.bootID", ""), boot) == 0;
	return *boot && n == 1 &&
	       strcmp(json_path_str(node, "status.nodeInfo.bootID", ""), boot) == 0;
}

bool kubeadm_is_itself(Item *it, int64_t now, Batch *b, const Machine *m, StepResult *ret)
{
	const json_t *look = kubeadm_look(it, m, 0);
	/* Of any age: the only API server may be what the command is to bring back. */
	const View *list = fact_peek(it, &fact_list, KUBEADM_NODES);
	if (!look) {
		*ret = kubeadm_unread(it, now, b, m);
		return false;
	}
	const json_t *node = list ? kubeadm_node_named(list->json, m->name) : NULL;
	const char *said = json_path_str(look, "hostname", "");
	if (is_name(said, m->name) || has_host_name(node, said) ||
		has_boot(list ? list->json : NULL, node, json_path_str(look, "bootId", "")))
		return true;
	*ret = step_hold(it, "wrong-machine",
		"the machine at %s calls itself %s, and node %s is meant: nothing was done there; "
		"mend the address of the node (status.addresses, InternalIP) or the machine's host "
		"name, and it goes on by itself",
		m->address, *said ? said : "nothing", m->name);
	ret->until_usec = now + AGAIN_SEC * SL_USEC_PER_SEC;
	return false;
}
