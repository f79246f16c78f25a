/* Canaries. Here they are pools: the smallest is released first. A class of hardware that shares
 * its pool with another one is not tried by itself. */
#include "providers/openshift.h"
#include <string.h>

/* What a node is told apart by; values "" where nothing says it. */
static const char *const marks[] = { "kubernetes.io/arch", "node.kubernetes.io/instance-type",
	"nvidia.com/gpu.product", "amd.com/gpu.product-name", "gpu.intel.com/product" };

/* "amd64 g5.2xlarge NVIDIA-A10G". Caller frees. */
static char *class_of(const json_t *node)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
		const char *value = json_string_value(
			json_object_get(json_path(node, "metadata.labels"), marks[i]));
		if (value && *value)
			g_string_append_printf(s, "%s%s", s->len ? " " : "", value);
	}
	if (!s->len)
		g_string_append(s, "without a label");
	return g_string_free(s, FALSE);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted, each once. */
static GPtrArray *classes_of(const json_t *pool, const json_t *nodes)
{
	GPtrArray *out = g_ptr_array_new_with_free_func(g_free);
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(nodes, "items"), i, n) {
		g_autofree char *class = class_of(n);
		bool seen = !pool_has_node(pool, n);
		for (unsigned k = 0; k < out->len && !seen; k++)
			seen = strcmp(out->pdata[k], class) == 0;
		if (!seen)
			g_ptr_array_add(out, g_steal_pointer(&class));
	}
	g_ptr_array_sort(out, by_name);
	g_ptr_array_add(out, NULL);
	return out;
}

void openshift_canaries(const json_t *pools, const json_t *nodes, json_t *findings)
{
	size_t i, n_shared = 0;
	json_t *p;
	json_array_foreach (json_object_get(pools, "items"), i, p) {
		if (!pool_is_worker(p))
			continue;
		g_autoptr(GPtrArray) classes = classes_of(p, nodes);
		if (classes->len <= 2)
			continue;
		g_autofree char *all = g_strjoinv("; ", (char **)classes->pdata);
		n_shared++;
		finding_add(findings, "warn", "canary",
			"give each class of hardware a MachineConfigPool of its own",
			"pool %s holds %u classes of hardware, which no canary tells apart: %s",
			json_path_str(p, "metadata.name", "?"), classes->len - 1, all);
	}
	if (!n_shared)
		finding_add(findings, "info", "canary", NULL,
			"each class of hardware has a pool of its own; the smallest goes first");
}
