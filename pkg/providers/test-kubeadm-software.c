/* How software comes to a node. Binaries for real in a prepared tree; of apt and dnf what they are
 * told, with stand-ins (a real apt: e2e/test_kubeadm_node.py). */
#include "providers/kubeadm-software.h"
#include "providers/test-kubeadm-crash.h"

static char *binary(const char *name, const char *version)
{
	return g_strdup_printf("#!/bin/sh\n# %s\necho v%s\n", name, version);
}

static const char *const programs[] = { "kubeadm", "kubelet", "kubectl" };

/* A folder with the programs of a version, and its line in the digests. */
static void offer(const Root *r, const char *version, GString *sums)
{
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
		g_autofree char *text = binary(programs[i], version);
		g_autofree char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
		g_autofree char *name = g_strdup_printf("offer/%s/%s", version, programs[i]);
		root_write(r, name, text);
		g_string_append_printf(sums, "%s  v%s/bin/%s\n", sum, version, programs[i]);
	}
}

static void prepare(Root *r)
{
	GString *sums = g_string_new("");
	offer(r, "1.35.4", sums);
	offer(r, "1.36.3", sums);
	root_write(r, "offer/SHA256SUMS", sums->str);
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
		g_autofree char *file = g_strconcat("bin/", programs[i], NULL);
		g_autofree char *path = root_path(r, file);
		g_autofree char *text = binary(programs[i], "1.35.4");
		root_write(r, file, text);
		g_assert_cmpint(chmod(path, 0755), ==, 0);
	}
	g_string_free(sums, TRUE);
}

/* The text runs in any root: where it is stands in it as a word of the shell. */
static char *in_root(char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "'@ROOT@", -1);
	g_free(text);
	return g_strjoinv("\"$ROOT\"'", parts);
}

static json_t *software(void)
{
	return json_pack("{s:s, s:s, s:s}", "method", "binaries", "from",
		"@ROOT@/offer/{{version}}", "sha256sums", "@ROOT@/offer/SHA256SUMS");
}

static char *simulate(const char *version)
{
	g_autoptr(json_t) s = software();
	return in_root(software_find("binaries")->simulate(s, version));
}

static char *install(const char *version, unsigned what)
{
	g_autoptr(json_t) s = software();
	return in_root(software_find("binaries")->install(s, version, what));
}

static void expect_version(const Root *r, const char *name, const char *version)
{
	g_autofree char *file = g_strconcat("bin/", name, NULL);
	g_autofree char *path = root_path(r, file);
	g_autofree char *want = binary(name, version);
	expect_file(r, file, want);
	g_assert_cmpint(access(path, X_OK), ==, 0);
}

static void test_binaries(void)
{
	Root r;
	root_begin(&r);
	prepare(&r);
	root_expect(&r, simulate("1.36.3"), true, "1.36.3 can be had from");
	g_assert_false(root_has(&r, "var/lib/shiplock"));
	root_expect(&r, install("v1.36.3", SOFTWARE_KUBEADM), true, "kubeadm v1.35.4 -> 1.36.3");
	expect_version(&r, "kubeadm", "1.36.3");
	expect_version(&r, "kubelet", "1.35.4");
	root_expect(&r, install("1.36.3", SOFTWARE_KUBEADM), true, "is 1.36.3 already");
	root_expect(&r, install("1.36.3", SOFTWARE_KUBELET), true, NULL);
	expect_version(&r, "kubelet", "1.36.3");
	expect_version(&r, "kubectl", "1.36.3");
	/* Back without the place it came from: the one before was kept. */
	root_remove(&r, "offer/1.35.4");
	root_expect(&r, simulate("1.35.4"), true, NULL);
	root_expect(&r, install("1.35.4", SOFTWARE_KUBELET | SOFTWARE_KUBEADM), true, NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++)
		expect_version(&r, programs[i], "1.35.4");
	root_end(&r);
}

/* A worker without kubectl gets none. */
static void test_no_kubectl(void)
{
	Root r;
	root_begin(&r);
	prepare(&r);
	root_remove(&r, "bin/kubectl");
	root_remove(&r, "offer/1.36.3/kubectl");
	root_expect(&r, simulate("1.36.3"), true, NULL);
	root_expect(&r, install("1.36.3", SOFTWARE_KUBELET), true, NULL);
	g_assert_false(root_has(&r, "bin/kubectl"));
	expect_version(&r, "kubelet", "1.36.3");
	root_end(&r);
}

static void test_bad_binaries(void)
{
	Root r;
	root_begin(&r);
	prepare(&r);
	root_write(&r, "offer/1.36.3/kubelet", "something else\n");
	root_expect(&r, simulate("1.36.3"), false, "is not the file that the digests name");
	root_expect(&r, install("1.36.3", SOFTWARE_KUBELET), false,
		"is not the file that the digests name");
	expect_version(&r, "kubelet", "1.35.4");
	g_assert_false(root_has(&r, "bin/.shiplock-new-kubelet"));
	root_remove(&r, "offer/1.36.3");
	root_expect(&r, simulate("1.36.3"), false, "there is no ");
	root_expect(&r, install("1.36.3", SOFTWARE_KUBEADM), false, "cannot get ");
	root_expect(&r, simulate("1.37.0"), false, "no line, or several, for kubeadm of 1.37.0");
	root_remove(&r, "offer/SHA256SUMS");
	root_expect(&r, simulate("1.36.3"), false, "no digests to check the programs by");
	root_expect(&r, install("1.36.3", SOFTWARE_KUBEADM), false, "no digests");
	expect_version(&r, "kubeadm", "1.35.4");
	root_end(&r);
}

/* Digests that the controller read itself count, whatever lies at the other place. */
static void test_digest_text(void)
{
	Root r;
	root_begin(&r);
	prepare(&r);
	g_autofree char *sums = root_read(&r, "offer/SHA256SUMS");
	g_autoptr(json_t) s = software();
	json_object_set_new(s, "sha256sumsText", json_string(sums));
	root_write(&r, "offer/SHA256SUMS", "forged\n");
	root_expect(&r, in_root(software_find("binaries")->install(s, "1.36.3", SOFTWARE_KUBELET)),
		true, NULL);
	expect_version(&r, "kubelet", "1.36.3");
	root_end(&r);
}

static char *both(void)
{
	return install("1.36.3", SOFTWARE_KUBEADM | SOFTWARE_KUBELET);
}

/* Killed anywhere: each program is whole, of one version or of the other. */
static void check_binaries(const Root *r, bool finished)
{
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
		g_autofree char *file = g_strconcat("bin/", programs[i], NULL);
		g_autofree char *text = root_read(r, file);
		g_autofree char *old = binary(programs[i], "1.35.4");
		g_autofree char *new = binary(programs[i], "1.36.3");
		g_assert_true(g_str_equal(text, new) || (!finished && g_str_equal(text, old)));
		g_autofree char *kept =
			g_strconcat("var/lib/shiplock/binaries/v1.35.4/", programs[i], NULL);
		if (finished || g_str_equal(text, new))
			expect_file(r, kept, old);
	}
}

static void test_crash(void)
{
	crash_matrix(&(CrashCase){ prepare, both, check_binaries });
}

static void test_values(void)
{
	g_autoptr(json_t) s = json_pack("{s:s}", "source", "a {{minor}} {{version}} {{minor}} b");
	g_autofree char *v = software_value(s, "source", "v1.36.3");
	g_assert_cmpstr(v, ==, "a 1.36 1.36.3 1.36 b");
	g_assert_null(software_value(s, "from", "1.36.3"));
	g_assert_null(software_find("snap"));
	g_assert_null(software_find(NULL));
	static const char *const methods[] = { "apt", "dnf", "binaries" };
	for (size_t i = 0; i < G_N_ELEMENTS(methods); i++)
		g_assert_cmpstr(software_find(methods[i])->method, ==, methods[i]);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	alarm(300);
	g_test_add_func("/software/values", test_values);
	g_test_add_func("/software/binaries", test_binaries);
	g_test_add_func("/software/no-kubectl", test_no_kubectl);
	g_test_add_func("/software/bad-binaries", test_bad_binaries);
	g_test_add_func("/software/digest-text", test_digest_text);
	g_test_add_func("/software/crash", test_crash);
	return g_test_run();
}
