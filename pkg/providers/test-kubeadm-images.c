/* Which images of another version lie on a node, and what is not known. */
#include "providers/kubeadm-readiness.h"
#include "providers/test-kubeadm-cluster.h"

#define HAS(image)                                                                                 \
	"case $1 in images) echo id ;; inspecti) [ \"$3\" = " image " ] ;; *) exit 1 ;; esac"

static const struct {
	const char *name, *crictl, *ctr;
	const char *policy; /* in the manifests; NULL: Never */
	unsigned n_missing, n_never;
	bool unknown;
} cases[] = {
	{ "all by crictl", "exit 0", "exit 1", NULL, 0, 0, false },
	{ "one by crictl", HAS("range.local/kube-scheduler:v1.35.4"), "exit 1", "IfNotPresent", 2,
		0, false },
	{ "none, and never pulled", HAS("x"), "exit 1", NULL, 3, 3, false },
	{ "by ctr", "exit 1", "echo range.local/kube-apiserver:v1.35.4", "Always", 2, 0, false },
	{ "longer names are others", "exit 1", "echo range.local/kube-apiserver:v1.35.40",
		"IfNotPresent", 3, 0, false },
	{ "nobody can say", "exit 1", "exit 1", NULL, 0, 0, true },
};

static void test_looks(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		Root r;
		root_begin(&r);
		g_autofree char *more =
			cases[i].policy
				? g_strdup_printf("    imagePullPolicy: %s\n", cases[i].policy)
				: g_strdup("");
		node_manifests(&r, "1.36.3", more);
		root_program(&r, "crictl", cases[i].crictl);
		root_program(&r, "ctr", cases[i].ctr);
		g_autofree char *text = node_images_text("v1.35.4");
		g_auto(Said) s = root_run(&r, text);
		g_assert_cmpint(s.code, ==, 0);
		g_autoptr(json_t) v = node_images_looked(s.out, NULL);
		g_test_message("%s", s.out);
		g_assert_nonnull(v);
		g_assert_cmpuint(
			json_array_size(json_object_get(v, "missing")), ==, cases[i].n_missing);
		g_assert_cmpuint(
			json_array_size(json_object_get(v, "never")), ==, cases[i].n_never);
		g_assert_true(json_path_bool(v, "unknown", false) == cases[i].unknown);
		root_end(&r);
	}
}

static void test_cut(void)
{
	static const char *const texts[] = { "", "shiplock-images 1\nimage no Never x\n",
		"image yes Never x\nend\n" };
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(GError) err = NULL;
		g_assert_null(node_images_looked(texts[i], &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeadm-images/looks", test_looks);
	g_test_add_func("/kubeadm-images/cut", test_cut);
	return g_test_run();
}
