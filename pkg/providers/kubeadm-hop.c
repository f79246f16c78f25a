/* Where the cluster stands and where it goes. */
#include "objects/version.h"
#include "providers/kubeadm.h"
#include "providers/wanted.h"
#include <string.h>

enum { CONTROL_PLANE_SEC = 330, NODE_SEC = 90 };

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
}

static json_t *hop_json(const char *from, const char *to, int index, bool last)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "from", from, "fromImage", "", "to", to,
		"image", "", "index", index, "last", (int)last);
}

static char *edge_problem(const char *from, const char *to)
{
	Version a, b;
	if (!version_parse(from, &a) || !version_parse(to, &b))
		return g_strdup_printf("%s -> %s are no full versions", from, to);
	int minors = version_minor_distance(&a, &b);
	if (minors > 1)
		return g_strdup_printf("%s is %d minor versions above %s; kubeadm takes one at a "
				       "time: name the hops in spec.target.hops",
			to, minors, from);
	return NULL;
}

/* Does the plan ask for this version? */
static bool planned(const Item *it, const char *version, bool *ret_last)
{
	const json_t *target = wanted_target(it);
	size_t i;
	json_t *h;
	*ret_last = kubeadm_same(json_path_str(target, "version", ""), version);
	json_array_foreach (json_object_get(target, "hops"), i, h)
		if (kubeadm_same(json_string_value(h), version))
			return true;
	return *ret_last;
}

bool kubeadm_next_hop(Item *it, json_t **ret_hop, char **ret_why)
{
	const View *v = fact(it, &fact_object, KUBEADM_VERSION);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	if (!v || !nodes)
		return false;
	const char *now = plain(json_path_str(v->json, "gitVersion", "")), *low, *high;
	int index = 0;
	bool last = false;
	const char *to = wanted_next(it, now, &index, &last);
	kubeadm_kubelets(nodes->json, &low, &high);
	if (to) {
		*ret_why = edge_problem(now, to);
		*ret_hop = hop_json(now, to, index, last);
		return true;
	}
	/* The control plane is there and kubelets are not: an earlier run stopped between the two.
	 */
	bool behind = planned(it, now, &last) && *low && version_compare_text(low, now) < 0;
	*ret_hop = behind ? hop_json(low, now, 0, true) : json_null();
	return true;
}

bool kubeadm_path(Item *it, json_t **ret_versions, char **ret_now)
{
	const View *v = fact(it, &fact_object, KUBEADM_VERSION);
	if (!v)
		return false;
	const char *now = plain(json_path_str(v->json, "gitVersion", ""));
	*ret_now = g_strdup(now);
	*ret_versions = json_array();
	const char *at = now, *next;
	int index;
	for (bool last = false; !last && (next = wanted_next(it, at, &index, &last)); at = next)
		json_array_append_new(*ret_versions, json_string(next));
	return true;
}

/* ---- how long ---- */

bool kubeadm_bound(Item *it, HopBound *ret)
{
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	if (!nodes)
		return false;
	g_autoptr(json_t) machines = kubeadm_machines(nodes->json);
	*ret = (HopBound){ 0 };
	size_t i;
	json_t *m;
	json_array_foreach (machines, i, m) {
		if (json_path_bool(m, "controlPlane", false))
			ret->control_plane_sec += CONTROL_PLANE_SEC;
		ret->nodes_sec += NODE_SEC;
	}
	return true;
}

/* ---- taking over ---- */

/* The API servers that run as pods, from the lowest to the highest. */
static void servers(const json_t *pods, const char **ret_low, const char **ret_high)
{
	size_t i;
	json_t *p;
	*ret_low = *ret_high = "";
	json_array_foreach (json_object_get(pods, "items"), i, p) {
		const json_t *labels = json_path(p, "metadata.labels");
		const char *image = json_path_str(p, "spec.containers.0.image", "");
		const char *colon = strrchr(image, ':'), *v = colon ? plain(colon + 1) : "";
		if (g_strcmp0(json_string_value(json_object_get(labels, "component")),
			    "kube-apiserver") != 0)
			continue;
		if (!**ret_low || version_compare_text(v, *ret_low) < 0)
			*ret_low = v;
		if (!**ret_high || version_compare_text(v, *ret_high) > 0)
			*ret_high = v;
	}
}

static void classify(Item *it, const json_t *nodes, const json_t *pods, Found *ret)
{
	const char *low, *high, *server_low, *server_high;
	bool last = false;
	kubeadm_kubelets(nodes, &low, &high);
	servers(pods, &server_low, &server_high);
	bool mixed = version_compare_text(server_low, server_high) < 0;
	bool wished = planned(it, server_high, &last);
	ret->workers_moved = wished && kubeadm_same(high, server_high);
	if (!wished || (!mixed && kubeadm_same(low, server_high) && !last)) {
		ret->class = FOUND_NOTHING;
		ret->workers_moved = false;
	} else if (mixed) {
		ret->class = FOUND_CONTROL_PLANE;
	} else if (!ret->workers_moved) {
		ret->class = FOUND_BEFORE_NODES;
	} else {
		ret->class = kubeadm_same(low, server_high) ? FOUND_DONE : FOUND_NODES;
	}
	if (ret->class != FOUND_NOTHING)
		ret->hop = hop_json(mixed ? server_low : low, server_high, 0, last);
	ret->text = g_strdup_printf("API servers run %s%s%s, kubelets %s%s%s", server_low,
		mixed ? " to " : "", mixed ? server_high : "", low, strcmp(low, high) ? " to " : "",
		strcmp(low, high) ? high : "");
}

bool kubeadm_found(Item *it, int64_t since_usec, Found *ret)
{
	const View *nodes = fact_since(it, &fact_list, KUBEADM_NODES, since_usec);
	const View *pods = fact_since(it, &fact_list, KUBEADM_SYSTEM_PODS, since_usec);
	if (!nodes || !pods)
		return false;
	*ret = (Found){ 0 };
	classify(it, nodes->json, pods->json, ret);
	return true;
}
