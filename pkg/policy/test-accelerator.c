#include "codec/json.h"
#include "policy/accelerator.h"

#define NODE(labels, allocatable)                                                                  \
	"{\"metadata\": {\"labels\": {" labels "}}, \"status\": {\"allocatable\": {" allocatable   \
	"}}}"
#define A100 "\"nvidia.com/gpu.product\": \"A100\""

static const struct {
	const char *name, *nodes, *want;
} cases[] = {
	{ "none", NODE("", "\"cpu\": \"8\", \"hugepages-1Gi\": \"0\""), "[]" },
	{ "one class on two nodes",
		NODE(A100, "\"nvidia.com/gpu\": \"8\"") "," NODE(A100, "\"nvidia.com/gpu\": \"4\""),
		"[{\"label\":\"nvidia.com/gpu.product\",\"resource\":\"nvidia.com/gpu\",\"value\":"
		"\"A100\"}]" },
	{ "all taken away", NODE(A100, "\"nvidia.com/gpu\": \"0\""), "[]" },
	{ "two kinds, sorted, without a label",
		NODE("", "\"nvidia.com/gpu\": \"1\"") "," NODE("", "\"amd.com/gpu\": \"1\""),
		"[{\"label\":\"\",\"resource\":\"amd.com/gpu\",\"value\":\"\"},{\"label\":\"\","
		"\"resource\":\"nvidia.com/gpu\",\"value\":\"\"}]" },
	{ "no accelerators",
		NODE("", "\"devices.kubevirt.io/gpu\": \"1\", \"example.io/nic\": \"4\""), "[]" },
	{ "nothing is known", "", "[]" },
};

static void test_classes(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autofree char *text = g_strdup_printf("{\"items\": [%s]}", cases[i].nodes);
		g_autoptr(json_t) nodes = json_loads(text, 0, NULL);
		g_assert_nonnull(nodes);
		g_autoptr(json_t) classes = accelerator_classes(nodes);
		g_autofree char *got = json_canonical(classes);
		g_assert_cmpstr(got, ==, cases[i].want);
	}
}

static void test_ask(void)
{
	g_autoptr(json_t) job = json_loads(
		"{\"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"x\"}]}}}}", 0,
		NULL);
	g_autoptr(json_t) class = json_pack("{s:s, s:s, s:s}", "resource", "nvidia.com/gpu",
		"label", "nvidia.com/gpu.product", "value", "A100");
	accelerator_ask(job, class);
	g_autofree char *text = json_canonical(json_path(job, "spec.template.spec"));
	g_assert_cmpstr(text, ==,
		"{\"containers\":[{\"name\":\"x\",\"resources\":{\"limits\":{\"nvidia.com/gpu\":"
		"\"1\"}}}],\"nodeSelector\":{\"nvidia.com/gpu.product\":\"A100\"}}");
	g_autofree char *words = accelerator_text(class);
	g_assert_cmpstr(words, ==, "nvidia.com/gpu on nvidia.com/gpu.product=A100");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/policy/accelerator/classes", test_classes);
	g_test_add_func("/policy/accelerator/ask", test_ask);
	return g_test_run();
}
