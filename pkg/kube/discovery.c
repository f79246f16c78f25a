#include "kube/discovery.h"
#include <string.h>

static const char accept_types[] =
	"application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
	"application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
	"application/json";

/* One version of a group. */
typedef struct Version {
	char *group_version;
	bool stale, listed; /* listed: its resources are known */
	GHashTable *resources; /* a set of "plural" and "plural/sub" */
} Version;

struct KubeDiscovery {
	GPtrArray *versions;
};

static void version_free(void *p)
{
	Version *v = p;
	g_free(v->group_version);
	g_hash_table_unref(v->resources);
	g_free(v);
}

static Version *add_version(KubeDiscovery *d, const char *group, const char *version)
{
	Version *v = g_new0(Version, 1);
	v->group_version = *group ? g_strconcat(group, "/", version, NULL) : g_strdup(version);
	v->resources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_ptr_array_add(d->versions, v);
	return v;
}

static void add_resource(Version *v, const json_t *resource)
{
	const char *plural = json_path_str(resource, "resource", "");
	json_t *sub;
	size_t i;
	g_hash_table_add(v->resources, g_strdup(plural));
	json_array_foreach (json_object_get(resource, "subresources"), i, sub)
		g_hash_table_add(v->resources,
			g_strconcat(plural, "/", json_path_str(sub, "subresource", ""), NULL));
}

static void read_aggregated(KubeDiscovery *d, const json_t *list)
{
	json_t *group, *version, *resource;
	size_t i, j, k;
	json_array_foreach (json_object_get(list, "items"), i, group)
		json_array_foreach (json_object_get(group, "versions"), j, version) {
			Version *v = add_version(d, json_path_str(group, "metadata.name", ""),
				json_path_str(version, "version", ""));
			const char *freshness = json_path_str(version, "freshness", "Current");
			v->listed = true;
			v->stale = strcmp(freshness, "Current") != 0;
			json_array_foreach (json_object_get(version, "resources"), k, resource)
				add_resource(v, resource);
		}
}

/* APIVersions and APIGroupList: names of versions only. */
static void read_plain(KubeDiscovery *d, const json_t *list)
{
	json_t *group, *version;
	size_t i, j;
	json_array_foreach (json_object_get(list, "versions"), i, version)
		add_version(d, "", json_string_value(version) ? json_string_value(version) : "");
	json_array_foreach (json_object_get(list, "groups"), i, group)
		json_array_foreach (json_object_get(group, "versions"), j, version)
			add_version(d, json_path_str(group, "name", ""),
				json_path_str(version, "version", ""));
}

static bool read_document(KubeDiscovery *d, const json_t *doc, GError **err)
{
	const char *kind = json_path_str(doc, "kind", "");
	if (strcmp(kind, "APIGroupDiscoveryList") == 0)
		read_aggregated(d, doc);
	else if (strcmp(kind, "APIVersions") == 0 || strcmp(kind, "APIGroupList") == 0)
		read_plain(d, doc);
	else
		return sl_fail(err, SL_ERR_INVALID, "discovery: %s is no list of groups",
			*kind ? kind : "the answer");
	return true;
}

KubeDiscovery *kube_discovery_parse(const json_t *core, const json_t *groups, GError **err)
{
	g_autoptr(KubeDiscovery) d = g_new0(KubeDiscovery, 1);
	d->versions = g_ptr_array_new_with_free_func(version_free);
	if (!read_document(d, core, err) || !read_document(d, groups, err))
		return NULL;
	return g_steal_pointer(&d);
}

void kube_discovery_free(KubeDiscovery *d)
{
	if (!d)
		return;
	g_ptr_array_unref(d->versions);
	g_free(d);
}

KubeServed kube_discovery_served(
	const KubeDiscovery *d, const char *group_version, const char *plural)
{
	for (unsigned i = 0; i < d->versions->len; i++) {
		const Version *v = g_ptr_array_index(d->versions, i);
		if (strcmp(v->group_version, group_version) != 0)
			continue;
		if (g_hash_table_contains(v->resources, plural))
			return KUBE_SERVED;
		return v->stale || !v->listed ? KUBE_SERVED_UNSURE : KUBE_NOT_SERVED;
	}
	return KUBE_NOT_SERVED;
}

size_t kube_discovery_stale(const KubeDiscovery *d, char **ret_names)
{
	GString *names = g_string_new(NULL);
	size_t n = 0;
	for (unsigned i = 0; i < d->versions->len; i++) {
		const Version *v = g_ptr_array_index(d->versions, i);
		if (!v->stale)
			continue;
		g_string_append_printf(names, "%s%s", n++ ? ", " : "", v->group_version);
	}
	*ret_names = g_string_free(names, FALSE);
	return n;
}

/* --- asking --- */

struct KubeDiscoverer {
	KubeClient *client;
	uint64_t call;
	json_t *core;
	KubeDiscovered *done;
	void *ud;
};

static void on_groups(const KubeAnswer *a, void *ud)
{
	KubeDiscoverer *d = ud;
	g_autoptr(GError) err = NULL;
	g_autoptr(KubeDiscovery) found = NULL;
	d->call = 0;
	if (kube_answer_check(a, "/apis", &err))
		found = kube_discovery_parse(d->core, a->json, &err);
	d->done(found, err, d->ud);
}

static void on_core(const KubeAnswer *a, void *ud)
{
	KubeDiscoverer *d = ud;
	g_autoptr(GError) err = NULL;
	d->call = 0;
	if (!kube_answer_check(a, "/api", &err)) {
		d->done(NULL, err, d->ud);
		return;
	}
	d->core = json_incref(a->json);
	KubeCall c = { .method = "GET", .path = "/apis", .accept = accept_types };
	d->call = kube_call(d->client, &c, on_groups, d);
}

KubeDiscoverer *kube_discover(KubeClient *k, KubeDiscovered *done, void *ud)
{
	KubeDiscoverer *d = g_new0(KubeDiscoverer, 1);
	KubeCall c = { .method = "GET", .path = "/api", .accept = accept_types };
	d->client = k;
	d->done = done;
	d->ud = ud;
	d->call = kube_call(k, &c, on_core, d);
	return d;
}

void kube_discoverer_free(KubeDiscoverer *d)
{
	if (!d)
		return;
	kube_forget(d->client, &d->call);
	json_decref(d->core);
	g_free(d);
}
