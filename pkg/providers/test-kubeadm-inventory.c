/* Objects that came into being since a snapshot, by a stand-in for the node's kubectl. */
#include "providers/kubeadm-restore.h"
#include "providers/test-kubeadm-root.h"

#define KUBECTL                                                                                    \
	"case \"$*\" in\n"                                                                         \
	"*api-resources*) printf '%s\\n' configmaps nodes events leases.coordination.k8s.io ;;\n"  \
	"*'get configmaps'*) echo '2026-09-21T14:13:20Z u1 default on-the-second'\n"               \
	"\techo '2026-09-21T14:13:19Z u2 default before'\n"                                        \
	"\techo '2026-10-01T00:00:00Z u3 web later' ;;\n"                                          \
	"*'get nodes'*) echo '2026-10-01T00:00:00Z u4 <none> n9' ;;\n"                             \
	"*) echo '2026-10-01T00:00:00Z u5 default noise' ;;\n"                                     \
	"esac"

static void test_made(void)
{
	Root r;
	root_begin(&r);
	root_program(&r, "kubectl", KUBECTL);
	g_autofree char *text = kubeadm_made_text("1790000000"); /* 2026-09-21T14:13:20Z */
	g_auto(Said) s = root_run(&r, text);
	g_assert_cmpint(s.code, ==, 0);
	g_autoptr(json_t) is = kubeadm_made_looked(s.out, NULL);
	g_autoptr(json_t) want = json_loads(
		"[{\"resource\":\"configmaps\",\"namespace\":\"default\",\"name\":\"on-the-"
		"second\","
		"\"uid\":\"u1\"},"
		"{\"resource\":\"configmaps\",\"namespace\":\"web\",\"name\":\"later\",\"uid\":"
		"\"u3\"},"
		"{\"resource\":\"nodes\",\"namespace\":\"\",\"name\":\"n9\",\"uid\":\"u4\"}]",
		0, NULL);
	g_assert_true(json_equal(json_object_get(is, "objects"), want));
	g_assert_false(json_path_bool(is, "cut", true));
	root_end(&r);
}

/* Without an API server it says so, instead of an empty list. */
static void test_away(void)
{
	Root r;
	root_begin(&r);
	root_program(&r, "kubectl", "exit 1");
	root_expect(&r, kubeadm_made_text("1790000000"), false, "does not say what kinds");
	root_end(&r);
}

/* Bounded, and it is told; what is no whole answer is none. */
static void test_cut(void)
{
	GString *s = g_string_new("shiplock-made 1\n");
	for (int i = 0; i < 1001; i++)
		g_string_append_printf(s, "made pods u%d default p%d\n", i, i);
	g_autoptr(GError) err = NULL;
	g_assert_null(kubeadm_made_looked(s->str, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
	g_string_append(s, "end\n");
	g_autoptr(json_t) is = kubeadm_made_looked(s->str, NULL);
	g_assert_cmpuint(json_array_size(json_object_get(is, "objects")), ==, 1000);
	g_assert_true(json_path_bool(is, "cut", false));
	g_string_free(s, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/inventory/made", test_made);
	g_test_add_func("/inventory/away", test_away);
	g_test_add_func("/inventory/cut", test_cut);
	return g_test_run();
}
