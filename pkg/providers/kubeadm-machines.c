/* What is there: machines, their versions, the pods that a control plane is made of. */
#include "objects/version.h"
#include "providers/clusterversion.h"
#include "providers/kubeadm-addons.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-node.h"
#include "providers/kubeadm-readiness.h"
#include "providers/kubeadm-restore.h"
#include "providers/kubeadm-shelf.h"
#include "providers/kubeadm-software.h"
#include <string.h>

#define CONTROL_PLANE_LABEL "node-role.kubernetes.io/control-plane"
static const char *const components[] = { "kube-apiserver", "kube-controller-manager",
	"kube-scheduler" };

const json_t *kubeadm_hop(const Item *it)
{
	return json_object_get(item_memo(it), "hop");
}

const char *kubeadm_from(const Item *it)
{
	return json_path_str(kubeadm_hop(it), "from", "");
}

const char *kubeadm_to(const Item *it)
{
	return json_path_str(kubeadm_hop(it), "to", "");
}

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
}

bool kubeadm_same(const char *a, const char *b)
{
	return *a && strcmp(plain(a), plain(b)) == 0;
}

bool kubeadm_newer(const char *a, const char *than)
{
	return version_compare_text(plain(a), plain(than)) > 0;
}

/* ---- machines ---- */

static const char *address_of(const json_t *node)
{
	size_t i;
	json_t *a;
	json_array_foreach (json_path(node, "status.addresses"), i, a)
		if (strcmp(json_path_str(a, "type", ""), "InternalIP") == 0)
			return json_path_str(a, "address", "");
	return "";
}

static bool is_control_plane(const json_t *node)
{
	return json_object_get(json_path(node, "metadata.labels"), CONTROL_PLANE_LABEL) != NULL;
}

static int by_role_and_name(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	bool cx = json_path_bool(x, "controlPlane", false),
	     cy = json_path_bool(y, "controlPlane", false);
	return cx != cy ? cy - cx
			: strcmp(json_path_str(x, "name", ""), json_path_str(y, "name", ""));
}

json_t *kubeadm_machines(const json_t *nodes)
{
	const json_t *items = json_object_get(nodes, "items");
	size_t n = json_array_size(items), i;
	g_autofree json_t **list = g_new0(json_t *, n + 1);
	json_t *out = json_array(), *node;
	json_array_foreach (items, i, node)
		list[i] = json_pack("{s:s, s:s, s:b}", "name",
			json_path_str(node, "metadata.name", ""), "address", address_of(node),
			"controlPlane", (int)is_control_plane(node));
	qsort(list, n, sizeof(json_t *), by_role_and_name);
	for (i = 0; i < n; i++)
		json_array_append_new(out, list[i]);
	return out;
}

static const json_t *machines_of(const Item *it)
{
	return json_object_get(json_object_get(item_memo(it), "machines"), "list");
}

bool kubeadm_machine(const Item *it, size_t i, Machine *ret)
{
	const json_t *m = json_array_get(machines_of(it), i);
	*ret = (Machine){ .name = json_path_str(m, "name", ""),
		.address = json_path_str(m, "address", ""),
		.control_plane = json_path_bool(m, "controlPlane", false) };
	return m != NULL;
}

bool kubeadm_first(const Item *it, const Machine *m)
{
	Machine first;
	return kubeadm_machine(it, 0, &first) && strcmp(first.name, m->name) == 0;
}

bool kubeadm_last(const Item *it, const Machine *m)
{
	Machine at, last = { 0 };
	for (size_t i = 0; kubeadm_machine(it, i, &at) && at.control_plane; i++)
		last = at;
	return last.name && strcmp(last.name, m->name) == 0;
}

const json_t *kubeadm_node_named(const json_t *nodes, const char *name)
{
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes, "items"), i, n)
		if (strcmp(json_path_str(n, "metadata.name", ""), name) == 0)
			return n;
	return NULL;
}

const char *kubeadm_kubelet_of(const json_t *nodes, const char *name)
{
	return json_path_str(kubeadm_node_named(nodes, name), "status.nodeInfo.kubeletVersion", "");
}

bool kubeadm_is_ready(const json_t *nodes, const char *name)
{
	const json_t *n = kubeadm_node_named(nodes, name);
	return n && strcmp(condition_status(n, "Ready"), "True") == 0;
}

void kubeadm_kubelets(const json_t *nodes, const char **ret_low, const char **ret_high)
{
	size_t i;
	json_t *n;
	*ret_low = *ret_high = "";
	json_array_foreach (json_object_get(nodes, "items"), i, n) {
		const char *v = json_path_str(n, "status.nodeInfo.kubeletVersion", "");
		if (!**ret_low || version_compare_text(v, *ret_low) < 0)
			*ret_low = v;
		if (!**ret_high || version_compare_text(v, *ret_high) > 0)
			*ret_high = v;
	}
	*ret_low = plain(*ret_low);
	*ret_high = plain(*ret_high);
}

/* ---- what a node says of itself ---- */

static const char *tag_of(const char *image)
{
	const char *colon = strrchr(image, ':');
	return colon && !strchr(colon, '/') ? plain(colon + 1) : "";
}

const char *kubeadm_image_version(const json_t *discovered, const char *component)
{
	const json_t *m = json_object_get(json_object_get(discovered, "manifests"), component);
	return tag_of(json_path_str(m, "image", ""));
}

bool kubeadm_control_plane_at(const json_t *discovered, const char *version)
{
	for (size_t i = 0; i < G_N_ELEMENTS(components); i++)
		if (!kubeadm_same(kubeadm_image_version(discovered, components[i]), version))
			return false;
	return true;
}

const json_t *kubeadm_look_within(Item *it, const Machine *m, int age_sec)
{
	g_autofree char *key = node_key(m->address, KUBEADM_DISCOVER);
	const View *v = fact_within(it, &fact_node_look, key, age_sec * SL_USEC_PER_SEC, 0);
	return v ? json_object_get(v->json, "parsed") : NULL;
}

const json_t *kubeadm_look(Item *it, const Machine *m, int64_t since_usec)
{
	g_autofree char *key = node_key(m->address, KUBEADM_DISCOVER);
	const View *v = since_usec ? fact_since(it, &fact_node_look, key, since_usec)
				   : fact(it, &fact_node_look, key);
	return v ? json_object_get(v->json, "parsed") : NULL;
}

char *kubeadm_look_text(const Target *t, const char *what)
{
	const json_t *software = json_path(target_spec(t), "nodeAccess.software");
	const SoftwareOps *ops = software_find(json_path_str(software, "method", ""));
	if (strcmp(what, KUBEADM_DISCOVER) == 0)
		return node_discover_text();
	if (g_str_has_prefix(what, KUBEADM_OBJECTS))
		return kubeadm_objects_text(what + strlen(KUBEADM_OBJECTS));
	if (strcmp(what, KUBEADM_ETCD) == 0)
		return etcd_look_text();
	if (g_str_has_prefix(what, KUBEADM_SET))
		return node_set_text(what + strlen(KUBEADM_SET));
	if (g_str_has_prefix(what, KUBEADM_MADE))
		return kubeadm_made_text(what + strlen(KUBEADM_MADE));
	if (g_str_has_prefix(what, KUBEADM_IMAGES))
		return node_images_text(what + strlen(KUBEADM_IMAGES));
	if (g_str_has_prefix(what, KUBEADM_TRY) && ops)
		return ops->simulate(software, what + strlen(KUBEADM_TRY));
	return NULL;
}

json_t *kubeadm_look_parsed(const char *what, const char *out, GError **err)
{
	if (g_str_has_prefix(what, KUBEADM_OBJECTS))
		return kubeadm_objects_parsed(out, err);
	if (strcmp(what, KUBEADM_ETCD) == 0)
		return etcd_looked(out, err);
	if (g_str_has_prefix(what, KUBEADM_SET))
		return kubeadm_set_looked(out, err);
	if (g_str_has_prefix(what, KUBEADM_MADE))
		return kubeadm_made_looked(out, err);
	if (g_str_has_prefix(what, KUBEADM_IMAGES))
		return node_images_looked(out, err);
	return strcmp(what, KUBEADM_DISCOVER) == 0 ? node_discovered(out, err) : json_object();
}

const View *kubeadm_list_within(Item *it, int64_t now, const char *path, int age_sec, int64_t since)
{
	const View *v = fact_within(it, &fact_list, path, age_sec * SL_USEC_PER_SEC, since);
	if (!v)
		fact_hurry(it, &fact_list, path, now + SL_USEC_PER_SEC);
	return v;
}

/* ---- pods of the system ---- */

static const char *pod_name(const json_t *pod)
{
	return json_path_str(pod, "metadata.name", "?");
}

static bool pod_ready(const json_t *pod)
{
	return strcmp(condition_status(pod, "Ready"), "True") == 0;
}

static bool on_node(const json_t *pod, const char *node)
{
	return strcmp(json_path_str(pod, "spec.nodeName", ""), node) == 0;
}

static bool is_component(const json_t *pod, const char *component)
{
	const json_t *labels = json_path(pod, "metadata.labels");
	return g_strcmp0(json_string_value(json_object_get(labels, "component")), component) == 0;
}

char *kubeadm_pods_behind(
	const json_t *pods, const char *node, const char *version, bool only_helpers)
{
	size_t k;
	json_t *p;
	for (size_t i = only_helpers ? 1 : 0; i < G_N_ELEMENTS(components); i++) {
		const json_t *found = NULL;
		json_array_foreach (json_object_get(pods, "items"), k, p)
			if (on_node(p, node) && is_component(p, components[i]))
				found = p;
		if (!found)
			return g_strdup_printf("there is no pod of %s on %s", components[i], node);
		const char *is = tag_of(json_path_str(found, "spec.containers.0.image", ""));
		if (!kubeadm_same(is, version))
			return g_strdup_printf("pod %s runs %s", pod_name(found), is);
		if (!pod_ready(found))
			return g_strdup_printf("pod %s is not Ready", pod_name(found));
	}
	return NULL;
}

bool kubeadm_server_ready(const json_t *pods, const char *node)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods, "items"), i, p)
		if (on_node(p, node) && is_component(p, components[0]))
			return pod_ready(p);
	return false;
}

char *kubeadm_etcd_unready(const json_t *pods)
{
	size_t i;
	json_t *p;
	json_array_foreach (json_object_get(pods, "items"), i, p)
		if (is_component(p, "etcd") && !pod_ready(p))
			return g_strdup_printf("etcd's %s is not Ready", pod_name(p));
	return NULL;
}
