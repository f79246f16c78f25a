#include "policy/accelerator.h"
#include "codec/json.h"
#include <stdlib.h>
#include <string.h>

/* Device plugins name their resources VENDOR/DEVICE. */
static bool is_accelerator(const char *resource)
{
	static const char *const words[] = { "nvidia.com/", "amd.com/gpu", "intel.com/",
		"habana.ai/", "/gpu", "/mig-", "/npu", "/tpu", "/neuron", "/gaudi" };
	if (!strchr(resource, '/') || g_str_has_prefix(resource, "devices.kubevirt.io/"))
		return false;
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strstr(resource, words[i]))
			return true;
	return false;
}

static const char *product_label(const json_t *labels)
{
	static const char *const names[] = { "nvidia.com/gpu.product", "amd.com/gpu.product-name",
		"gpu.intel.com/product", "node.kubernetes.io/instance-type" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (json_is_string(json_object_get(labels, names[i])))
			return names[i];
	return "";
}

static bool has_some(const json_t *amount)
{
	const char *text = json_string_value(amount);
	return text ? g_ascii_strtoll(text, NULL, 10) > 0 : json_integer_value(amount) > 0;
}

static void add_of_node(const json_t *node, json_t *by_text)
{
	const json_t *labels = json_path(node, "metadata.labels");
	const char *label = product_label(labels), *resource;
	const char *value = json_string_value(json_object_get(labels, label));
	json_t *amount;
	json_object_foreach (json_path(node, "status.allocatable"), resource, amount) {
		if (!is_accelerator(resource) || !has_some(amount))
			continue;
		json_t *class = json_pack("{s:s, s:s, s:s}", "resource", resource, "label", label,
			"value", value ? value : "");
		g_autofree char *text = accelerator_text(class);
		json_object_set_new(by_text, text, class);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

json_t *accelerator_classes(const json_t *nodes)
{
	g_autoptr(json_t) by_text = json_object();
	size_t i;
	json_t *v, *out = json_array();
	const char *text;
	json_array_foreach (json_object_get(nodes, "items"), i, v) {
		add_of_node(v, by_text);
	}
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	json_object_foreach (by_text, text, v) {
		g_ptr_array_add(names, (void *)text);
	}
	if (names->len > 0)
		qsort(names->pdata, names->len, sizeof(void *), by_name);
	for (i = 0; i < names->len; i++)
		json_array_append(out, json_object_get(by_text, names->pdata[i]));
	return out;
}

char *accelerator_text(const json_t *class)
{
	const char *label = json_path_str(class, "label", "");
	return g_strdup_printf("%s%s%s%s%s", json_path_str(class, "resource", "?"),
		*label ? " on " : "", label, *label ? "=" : "", json_path_str(class, "value", ""));
}

void accelerator_ask(json_t *job, const json_t *class)
{
	json_t *pod = json_path(job, "spec.template.spec");
	json_t *container = json_path(pod, "containers.0");
	const char *label = json_path_str(class, "label", "");
	json_object_set_new(json_object_in(json_object_in(container, "resources"), "limits"),
		json_path_str(class, "resource", ""), json_string("1"));
	if (*label)
		json_object_set_new(json_object_in(pod, "nodeSelector"), label,
			json_string(json_path_str(class, "value", "")));
}
