/* Every text for a node as a shell reads it: correct in POSIX sh, in bash, and clean for
 * shellcheck where that is installed. With --text NAME JSON it prints one of them instead: so the
 * tests in e2e/ get what they run on real machines. */
#include "providers/kubeadm-addons.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-node.h"
#include "providers/kubeadm-readiness.h"
#include "providers/kubeadm-repair.h"
#include "providers/kubeadm-restore.h"
#include "providers/kubeadm-software.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *word(const json_t *a, const char *name)
{
	return json_path_str(a, name, NULL);
}

static const char *key(const json_t *a)
{
	return json_path_str(a, "key", "it's $(a) `key`");
}

static char *objects(const json_t *a)
{
	return kubeadm_objects_text(key(a));
}

static char *discover(const json_t *a)
{
	return node_discover_text();
}

static char *backup(const json_t *a)
{
	return node_backup_text(key(a), word(a, "dir"));
}

static char *backup_part(const json_t *a)
{
	return node_backup_part_text(key(a), 0, 1 << 20);
}

static char *backup_remove(const json_t *a)
{
	return node_backup_remove_text(key(a));
}

static char *backup_prune(const json_t *a)
{
	return node_backup_prune_text(key(a), 3);
}

static char *backup_set(const json_t *a)
{
	return node_set_text(key(a));
}

static char *made(const json_t *a)
{
	return kubeadm_made_text("1790000000");
}

static char *apply(const json_t *a)
{
	return kubeadm_apply_text(json_path_str(a, "version", "1.36.3"), a);
}

static char *restart(const json_t *a)
{
	return kubelet_restart_text();
}

static char *config_restore(const json_t *a)
{
	return kubelet_config_restore_text(key(a));
}

static char *swap(const json_t *a)
{
	return manifest_swap_text("kube-scheduler", key(a));
}

static char *restore(const json_t *a)
{
	return manifests_restore_text(key(a));
}

static char *emulated(const json_t *a)
{
	return emulated_version_text(word(a, "minor"));
}

static char *stop(const json_t *a)
{
	return apiserver_stop_text();
}

static char *start(const json_t *a)
{
	return apiserver_start_text();
}

static char *etcd_restore(const json_t *a)
{
	return etcd_restore_text(key(a), a);
}

static char *images(const json_t *a)
{
	return node_images_text(json_path_str(a, "version", "1.35.4"));
}

static char *etcd_look(const json_t *a)
{
	return etcd_look_text();
}

static const SoftwareOps *software_of(const json_t *a)
{
	return software_find(json_path_str(a, "method", "binaries"));
}

static char *simulate(const json_t *a)
{
	return software_of(a)->simulate(a, json_path_str(a, "version", "1.36.3"));
}

static char *install(const json_t *a)
{
	unsigned what = (unsigned)json_path_int(a, "what", SOFTWARE_KUBEADM | SOFTWARE_KUBELET);
	return software_of(a)->install(a, json_path_str(a, "version", "1.36.3"), what);
}

static char *repair(const json_t *a)
{
	return node_repair_text(json_path_str(a, "fault", "manifest-missing"),
		json_path_str(a, "what", "it's"), word(a, "key"), json_object_get(a, "ours"));
}

static const struct {
	const char *name;
	char *(*text)(const json_t *arguments);
	const char *arguments; /* for the check */
} texts[] = {
	{ "discover", discover, "{}" },
	{ "objects", objects, "{}" },
	{ "backup", backup, "{}" },
	{ "backup-part", backup_part, "{}" },
	{ "backup-remove", backup_remove, "{}" },
	{ "backup-prune", backup_prune, "{}" },
	{ "backup-set", backup_set, "{}" },
	{ "made", made, "{}" },
	{ "apply", apply, "{\"emulated\":\"1.35\",\"ignorePreflightErrors\":[\"it's\"]}" },
	{ "node", kubeadm_node_text, "{\"patches\":\"/a b\"}" },
	{ "kubelet-restart", restart, "{}" },
	{ "kubelet-config", config_restore, "{}" },
	{ "swap", swap, "{}" },
	{ "restore", restore, "{}" },
	{ "emulated", emulated, "{\"minor\":\"1.35\"}" },
	{ "stop", stop, "{}" },
	{ "start", start, "{}" },
	{ "etcd-restore", etcd_restore, "{}" },
	{ "images", images, "{}" },
	{ "etcd-look", etcd_look, "{}" },
	{ "simulate", simulate, "{\"from\":\"https://x/{{version}}\"}" },
	{ "install", install, "{\"from\":\"/x y/{{version}}\"}" },
	{ "simulate", simulate,
		"{\"method\":\"apt\",\"source\":\"deb [a=b] https://x/{{minor}}/ /\"}" },
	{ "install", install, "{\"method\":\"apt\",\"source\":\"deb https://x/v{{minor}}/ /\"}" },
	{ "simulate", simulate, "{\"method\":\"dnf\",\"source\":\"https://x/v{{minor}}/rpm/\"}" },
	{ "install", install, "{\"method\":\"dnf\",\"source\":\"https://x/v{{minor}}/rpm/\"}" },
	{ "repair", repair, "{\"fault\":\"manifest-missing\"}" },
	{ "repair", repair, "{\"fault\":\"half-installed\"}" },
	{ "repair", repair, "{\"fault\":\"certificate-newer\"}" },
	{ "repair", repair, "{\"fault\":\"tmp-full\",\"what\":\"a,b\",\"ours\":[\"a\",\"b\"]}" },
	{ "repair", repair, "{\"fault\":\"parked\"}" },
};

static void expect_clean(const char *const argv[], const char *name)
{
	g_autofree char *out = NULL;
	int status;
	g_assert_true(g_spawn_sync("/", (char **)argv, NULL,
		G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL, &status,
		NULL));
	g_test_message("%s by %s: %d\n%s", name, argv[0], status, out);
	g_assert_cmpint(status, ==, 0);
}

static void test_texts(void)
{
	g_autofree char *checker = g_find_program_in_path("shellcheck");
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autofree char *path = NULL;
		g_autoptr(json_t) a = json_loads(texts[i].arguments, 0, NULL);
		g_autofree char *text = texts[i].text(a);
		int fd = g_file_open_tmp("sl-text-XXXXXX", &path, NULL);
		g_assert_cmpint(fd, >=, 0);
		close(fd);
		g_assert_true(g_str_has_suffix(text, "\n"));
		g_assert_true(g_file_set_contents(path, text, -1, NULL));
		expect_clean((const char *[]){ "/bin/sh", "-n", path, NULL }, texts[i].name);
		expect_clean((const char *[]){ "bash", "-n", path, NULL }, texts[i].name);
		/* 2016: a quoted value with a $; 2034, 2154, 2317: what this text does not use. */
		if (checker)
			expect_clean((const char *[]){ "shellcheck", "-s", "sh", "-e",
					     "SC2016,SC2034,SC2154,SC2317", path, NULL },
				texts[i].name);
		unlink(path);
	}
}

/* The looks go with "run", which takes no more. */
static void test_sizes(void)
{
	static const char *const looks[] = { "discover", "objects", "etcd-look", "simulate",
		"backup-part" };
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(json_t) a = json_loads(texts[i].arguments, 0, NULL);
		g_autofree char *text = texts[i].text(a);
		for (size_t k = 0; k < G_N_ELEMENTS(looks); k++)
			if (strcmp(looks[k], texts[i].name) == 0)
				g_assert_cmpint(strlen(text), <, 15 << 10);
	}
}

static int print_text(const char *name, const char *arguments)
{
	g_autoptr(json_t) a = json_loads(arguments, 0, NULL);
	for (size_t i = 0; a && i < G_N_ELEMENTS(texts); i++)
		if (strcmp(texts[i].name, name) == 0) {
			g_autofree char *text = texts[i].text(a);
			return fputs(text, stdout) < 0;
		}
	return 64;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "--text") == 0)
		return print_text(argv[2], argv[3]);
	g_test_init(&argc, &argv, NULL);
	alarm(300);
	g_test_add_func("/texts/shells", test_texts);
	g_test_add_func("/texts/sizes", test_sizes);
	return g_test_run();
}
