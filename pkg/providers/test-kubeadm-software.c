/* How software comes to a node. Binaries for real in a prepared tree; of apt and dnf what they are
 * told, with stand-ins (a real apt: e2e/test_node_apt.py). */
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

/* The text runs in any root: where it is stands within its quotes as a word of the shell. */
static char *in_root(char *text)
{
	g_auto(GStrv) parts = g_strsplit(text, "@ROOT@", -1);
	g_free(text);
	return g_strjoinv("'\"$ROOT\"'", parts);
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

/* By an address: fetched by curl, checked, and refused where it is not what the digests say. */
static void test_address(void)
{
	Root r;
	root_begin(&r);
	prepare(&r);
	g_autoptr(json_t) s = json_pack("{s:s, s:s, s:s}", "method", "binaries", "from",
		"file://@ROOT@/offer/{{version}}", "sha256sums", "file://@ROOT@/offer/SHA256SUMS");
	const SoftwareOps *ops = software_find("binaries");
	root_expect(
		&r, in_root(ops->simulate(s, "1.36.3")), true, "1.36.3 can be had from file://");
	root_expect(&r, in_root(ops->install(s, "1.36.3", SOFTWARE_KUBEADM)), true, NULL);
	expect_version(&r, "kubeadm", "1.36.3");
	root_write(&r, "offer/1.36.3/kubelet", "cut off\n");
	root_expect(&r, in_root(ops->install(s, "1.36.3", SOFTWARE_KUBELET)), false,
		"is not the file that the digests name");
	expect_version(&r, "kubelet", "1.35.4");
	root_remove(&r, "offer/1.36.3/kubelet");
	root_expect(&r, in_root(ops->simulate(s, "1.36.3")), false, "cannot reach file://");
	root_expect(&r, in_root(ops->install(s, "1.36.3", SOFTWARE_KUBELET)), false,
		"cannot get file://");
	expect_version(&r, "kubelet", "1.35.4");
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

/* rpm and dnf over files rpm-NAME that hold the installed versions, one a line. */
static void prepare_dnf(Root *r, const char *version)
{
	root_program(
		r, "rpm", "for n; do :; done; f=$ROOT/rpm-$n\n[ -e \"$f\" ] || exit 1\ncat \"$f\"");
	root_program(r, "dnf",
		"echo \"dnf $*\" >>\"$ROOT/log\"\n"
		"[ ! -e \"$ROOT/broken\" ] || { echo 'no match' >&2; exit 1; }\n"
		"case \"$*\" in *tsflags=test*) exit 0 ;; esac\n"
		"for w; do case $w in\n"
		"--duplicates) for n; do :; done; tail -n 1 \"$ROOT/rpm-$n\" >\"$ROOT/x\"; "
		"mv \"$ROOT/x\" \"$ROOT/rpm-$n\" ;;\n"
		"kube*-[0-9]*) echo \"${w#*-}\" >\"$ROOT/rpm-${w%%-*}\" ;;\nesac; done");
	g_autofree char *line = g_strconcat(version, "\n", NULL);
	for (size_t i = 0; i < G_N_ELEMENTS(programs); i++) {
		g_autofree char *name = g_strconcat("rpm-", programs[i], NULL);
		root_write(r, name, line);
	}
	root_write(r, "etc/yum.repos.d/other.repo", "[other]\nbaseurl=https://other/v1.35/rpm/\n");
	root_write(r, "etc/yum.repos.d/k.repo",
		"[kubernetes]\nbaseurl=https://p.example/v1.35/rpm/\n"
		"gpgkey=https://p.example/v1.35/rpm/repodata/repomd.xml.key\nexclude=kubelet\n");
}

static json_t *dnf_software(void)
{
	return json_pack(
		"{s:s, s:s}", "method", "dnf", "source", "https://p.example/v{{minor}}/rpm/");
}

static char *dnf_install_text(const char *version, unsigned what)
{
	g_autoptr(json_t) s = dnf_software();
	return software_find("dnf")->install(s, version, what);
}

/* What dnf was told since the last look. */
static void expect_log(const Root *r, const char *want)
{
	expect_file(r, "log", want);
	root_remove(r, "log");
}

#define DNF "dnf -q -y --disableexcludes=all "

static void test_dnf(void)
{
	Root r;
	root_begin(&r);
	prepare_dnf(&r, "1.35.4");
	root_expect(&r, dnf_install_text("v1.36.3", SOFTWARE_KUBEADM), true, "kubeadm is 1.36.3");
	expect_log(&r, DNF "--refresh install kubeadm-1.36.3\n");
	expect_file(&r, "etc/yum.repos.d/k.repo",
		"[kubernetes]\nbaseurl=https://p.example/v1.36/rpm/\n"
		"gpgkey=https://p.example/v1.36/rpm/repodata/repomd.xml.key\nexclude=kubelet\n");
	expect_file(
		&r, "etc/yum.repos.d/other.repo", "[other]\nbaseurl=https://other/v1.35/rpm/\n");
	root_expect(&r, dnf_install_text("1.36.3", SOFTWARE_KUBELET), true, NULL);
	expect_log(&r, DNF "--refresh install kubelet-1.36.3 kubectl-1.36.3\n");
	root_expect(&r, dnf_install_text("1.36.3", SOFTWARE_KUBELET), true, "kubelet is 1.36.3");
	g_assert_false(root_has(&r, "log")); /* it is there already */
	root_remove(&r, "rpm-kubectl");
	root_expect(
		&r, dnf_install_text("1.35.4", SOFTWARE_KUBELET | SOFTWARE_KUBEADM), true, NULL);
	expect_log(&r, DNF "--refresh downgrade kubeadm-1.35.4 kubelet-1.35.4\n");
	g_assert_false(root_has(&r, "etc/yum.repos.d/shiplock.repo"));
	root_end(&r);
}

static void test_dnf_half(void)
{
	Root r;
	root_begin(&r);
	prepare_dnf(&r, "1.35.4");
	root_write(&r, "rpm-kubelet", "1.35.4\n1.36.3\n");
	root_expect(&r, dnf_install_text("1.36.3", SOFTWARE_KUBELET), true, "kubelet is 1.36.3");
	expect_log(
		&r, DNF "remove --duplicates kubelet\n" DNF "--refresh install kubectl-1.36.3\n");
	root_remove(&r, "etc/yum.repos.d/k.repo");
	root_expect(&r, dnf_install_text("1.36.3", SOFTWARE_KUBEADM), true, NULL);
	expect_file(&r, "etc/yum.repos.d/shiplock.repo",
		"[shiplock]\nname=Kubernetes\nbaseurl=https://p.example/v1.36/rpm/\nenabled=1\n"
		"gpgcheck=1\ngpgkey=https://p.example/v1.36/rpm/repodata/repomd.xml.key\n"
		"exclude=kubelet kubeadm kubectl\n");
	root_write(&r, "broken", "");
	root_expect(&r, dnf_install_text("1.35.4", SOFTWARE_KUBEADM), false,
		"dnf downgrade kubeadm-1.35.4 failed; its words stand above");
	root_end(&r);
}

static void test_dnf_simulate(void)
{
	Root r;
	root_begin(&r);
	prepare_dnf(&r, "1.35.4");
	root_write(&r, "rpm-kubeadm", "1.37.0\n");
	g_autoptr(json_t) s = dnf_software();
	root_expect(&r, software_find("dnf")->simulate(s, "1.36.3"), true, "1.36.3 can be had");
	g_autofree char *log = root_read(&r, "log");
	g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
	g_assert_cmpint(g_strv_length(lines), ==, 3);
	for (int i = 0; i < 2; i++) {
		g_assert_nonnull(strstr(lines[i], "--setopt=tsflags=test "));
		g_assert_nonnull(strstr(
			lines[i], "--repofrompath=shiplock-look,https://p.example/v1.36/rpm/ "));
	}
	g_assert_true(g_str_has_suffix(lines[0], " install kubelet-1.36.3 kubectl-1.36.3"));
	g_assert_true(g_str_has_suffix(lines[1], " downgrade kubeadm-1.36.3"));
	g_autofree char *repo = root_read(&r, "etc/yum.repos.d/k.repo");
	g_assert_nonnull(strstr(repo, "v1.35"));
	root_write(&r, "broken", "");
	root_expect(&r, software_find("dnf")->simulate(s, "1.36.3"), false,
		"the packages of 1.36.3 cannot be installed");
	root_end(&r);
}

/* The address stands in many shapes on nodes; what is not that repository stays. */
static void test_switch(void)
{
	static const struct {
		const char *name, *before, *after;
	} cases[] = {
		{ "a list", "deb [signed-by=/k] https://p.example/v1.35/rpm/ /\n",
			"deb [signed-by=/k] https://p.example/v1.36/rpm/ /\n" },
		{ "deb822", "Types: deb\nURIs: https://p.example/v1.35/rpm/\nSuites: /\n",
			"Types: deb\nURIs: https://p.example/v1.36/rpm/\nSuites: /\n" },
		{ "two minors back", "deb https://p.example/v1.9/rpm/ /\n",
			"deb https://p.example/v1.36/rpm/ /\n" },
		{ "not a dot but any byte", "deb https://pXexample/v1.35/rpm/ /\n",
			"deb https://pXexample/v1.35/rpm/ /\n" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		Root r;
		root_begin(&r);
		prepare_dnf(&r, "1.35.4");
		root_write(&r, "etc/yum.repos.d/k.repo", cases[i].before);
		root_expect(&r, dnf_install_text("1.36.3", SOFTWARE_KUBEADM), true, NULL);
		expect_file(&r, "etc/yum.repos.d/k.repo", cases[i].after);
		g_assert_cmpint(root_has(&r, "etc/yum.repos.d/shiplock.repo"), ==,
			g_str_equal(cases[i].before, cases[i].after));
		root_end(&r);
	}
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
	g_test_add_func("/software/address", test_address);
	g_test_add_func("/software/crash", test_crash);
	g_test_add_func("/software/dnf", test_dnf);
	g_test_add_func("/software/dnf-half", test_dnf_half);
	g_test_add_func("/software/dnf-simulate", test_dnf_simulate);
	g_test_add_func("/software/switch", test_switch);
	return g_test_run();
}
