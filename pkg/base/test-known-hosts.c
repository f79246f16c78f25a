#include "base/known-hosts.h"
#include <stdio.h>

/* Nobody looks into the keys: they are only bytes. */
#define K1 "AAAAC3NzaC1lZDI1NTE5AAAAIAAA"
#define K2 "AAAAC3NzaC1lZDI1NTE5AAAAIBBB"

static const struct {
	const char *name, *text;
	int port;
	HostKeyVerdict want;
} cases[] = {
	{ "empty", "", 22, HOST_KEY_UNKNOWN },
	{ "plain", "git.example ssh-ed25519 " K1, 22, HOST_KEY_KNOWN },
	{ "comment at the end", "git.example ssh-ed25519 " K1 " root@git", 22, HOST_KEY_KNOWN },
	{ "tabs and CRLF", "git.example\tssh-ed25519\t" K1 "\r\n", 22, HOST_KEY_KNOWN },
	{ "upper case", "GIT.Example ssh-ed25519 " K1, 22, HOST_KEY_KNOWN },
	{ "list", "other,git.example,1.2.3.4 ssh-ed25519 " K1, 22, HOST_KEY_KNOWN },
	{ "another host", "git2.example ssh-ed25519 " K1, 22, HOST_KEY_UNKNOWN },
	{ "other key", "git.example ssh-ed25519 " K2, 22, HOST_KEY_OTHER },
	{ "two keys", "git.example ssh-ed25519 " K2 "\ngit.example ssh-ed25519 " K1, 22,
		HOST_KEY_KNOWN },
	{ "wildcard", "*.example ssh-ed25519 " K1, 22, HOST_KEY_KNOWN },
	{ "one character", "gi?.example ssh-ed25519 " K1, 22, HOST_KEY_KNOWN },
	{ "negated", "*.example,!git.example ssh-ed25519 " K1, 22, HOST_KEY_UNKNOWN },
	{ "negated first", "!git.example,*.example ssh-ed25519 " K1, 22, HOST_KEY_UNKNOWN },
	{ "revoked", "git.example ssh-ed25519 " K1 "\n@revoked * ssh-ed25519 " K1, 22,
		HOST_KEY_REVOKED },
	{ "another one revoked", "git.example ssh-ed25519 " K1 "\n@revoked * ssh-ed25519 " K2, 22,
		HOST_KEY_KNOWN },
	{ "authority is no key", "@cert-authority *.example ssh-ed25519 " K1, 22,
		HOST_KEY_UNKNOWN },
	{ "comment line", "# git.example ssh-ed25519 " K1, 22, HOST_KEY_UNKNOWN },
	{ "port", "[git.example]:2222 ssh-ed25519 " K1, 2222, HOST_KEY_KNOWN },
	{ "port with wildcard", "[*.example]:2222 ssh-ed25519 " K1, 2222, HOST_KEY_KNOWN },
	{ "port is part of the name", "git.example ssh-ed25519 " K1, 2222, HOST_KEY_UNKNOWN },
	{ "other port", "[git.example]:2222 ssh-ed25519 " K1, 22, HOST_KEY_UNKNOWN },
	{ "short line", "git.example ssh-ed25519", 22, HOST_KEY_UNKNOWN },
	{ "garbage", "|1|x git.example\n\n@\n@revoked\n,,, a b", 22, HOST_KEY_UNKNOWN },
	{ "hashed, another", "|1|AAAA|AAAA ssh-ed25519 " K1, 22, HOST_KEY_UNKNOWN },
};

static void test_cases(void)
{
	gsize n = 0;
	g_autofree unsigned char *key = g_base64_decode(K1, &n);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autoptr(KnownHosts) k =
			known_hosts_parse(cases[i].text, "git.example", cases[i].port);
		g_assert_cmpint(known_hosts_judge(k, key, n), ==, cases[i].want);
	}
}

/* OpenSSH itself makes the hashed line. */
static void test_hashed(void)
{
	g_autofree char *dir = g_dir_make_tmp("sl-hosts-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "known_hosts", NULL);
	g_autofree char *text = NULL;
	gsize n = 0;
	g_autofree unsigned char *key = g_base64_decode(
		"AAAAC3NzaC1lZDI1NTE5AAAAIGzuQHXwYQC5rYMJzUhrhDlPWdwvoyTrFcDX2WEvtzl5", &n);
	g_assert_true(g_file_set_contents(path,
		"git.example ssh-ed25519 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIGzuQHXwYQC5rYMJzUhrhDlPWdwvoyTrFcDX2WEvtzl5\n",
		-1, NULL));
	const char *argv[] = { "ssh-keygen", "-q", "-H", "-f", path, NULL };
	int status = -1;
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
		G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
		NULL, NULL, NULL, &status, NULL));
	g_assert_cmpint(status, ==, 0);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_true(g_str_has_prefix(text, "|1|"));
	g_autoptr(KnownHosts) same = known_hosts_parse(text, "git.example", 22);
	g_autoptr(KnownHosts) other = known_hosts_parse(text, "git.example", 2222);
	g_assert_cmpint(known_hosts_judge(same, key, n), ==, HOST_KEY_KNOWN);
	g_assert_cmpint(known_hosts_judge(other, key, n), ==, HOST_KEY_UNKNOWN);
	g_autofree char *cleanup = g_strconcat(path, ".old", NULL);
	g_assert_cmpint(remove(cleanup) | remove(path) | remove(dir), ==, 0);
}

static void test_plain(void)
{
	g_autoptr(KnownHosts) k =
		known_hosts_parse("[*.example]:2222 ssh-ed25519 " K1 "\n@revoked * ssh-ed25519 " K2
				  "\n[git.example]:2222 ssh-ed25519 " K2,
			"git.example", 2222);
	g_autofree char *plain = known_hosts_plain(k);
	g_assert_cmpstr(plain, ==, "[git.example]:2222 ssh-ed25519 " K1 "\n");
	g_autoptr(KnownHosts) none = known_hosts_parse("", "git.example", 22);
	g_autofree char *empty = known_hosts_plain(none);
	g_assert_cmpstr(empty, ==, "");
}

static void test_types(void)
{
	g_autoptr(KnownHosts) k = known_hosts_parse("git.example ssh-ed25519 " K1
						    "\n@revoked * ecdsa-sha2-nistp256 " K2
						    "\nother ssh-rsa " K2 "\n* ssh-ed25519 " K2,
		"git.example", 22);
	g_autofree char *types = known_hosts_types(k);
	g_assert_cmpstr(types, ==, "ssh-ed25519,ecdsa-sha2-nistp256");
	g_autoptr(KnownHosts) none = known_hosts_parse("", "git.example", 22);
	g_autofree char *empty = known_hosts_types(none);
	g_assert_cmpstr(empty, ==, "");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/known-hosts/cases", test_cases);
	g_test_add_func("/known-hosts/hashed", test_hashed);
	g_test_add_func("/known-hosts/plain", test_plain);
	g_test_add_func("/known-hosts/types", test_types);
	return g_test_run();
}
