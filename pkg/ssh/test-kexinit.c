#include "ssh/kexinit.h"
#include "ssh/key.h"
#include <stdio.h>
#include <string.h>

static void put_uint32(GByteArray *b, size_t n)
{
	unsigned char x[] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n };
	g_byte_array_append(b, x, 4);
}

/* A server's first words, with ten lists as the protocol has them. */
static GByteArray *greeting(const char *banner, const char *const lists[KEX_N_LISTS])
{
	GByteArray *packet = g_byte_array_new(), *all = g_byte_array_new();
	static const unsigned char zero[16 + 5 + 4] = { 0 };
	g_byte_array_append(packet, (const unsigned char *)"\4\24", 2);
	g_byte_array_append(packet, zero, 16);
	for (int i = 0; i < KEX_N_LISTS; i++) {
		put_uint32(packet, strlen(lists[i]));
		g_byte_array_append(
			packet, (const unsigned char *)lists[i], (unsigned)strlen(lists[i]));
	}
	g_byte_array_append(packet, zero, sizeof zero);
	g_byte_array_append(all, (const unsigned char *)banner, (unsigned)strlen(banner));
	put_uint32(all, packet->len);
	g_byte_array_append(all, packet->data, packet->len);
	g_byte_array_unref(packet);
	return all;
}

static const char *const server[KEX_N_LISTS] = { "sntrup761x25519-sha512,curve25519-sha256",
	"rsa-sha2-512", "chacha20-poly1305@openssh.com", "aes128-ctr", "", "hmac-sha2-256" };
static const char *const ours[KEX_N_LISTS] = { "curve25519-sha256", "ssh-ed25519",
	"aes256-ctr,aes128-ctr", "aes256-ctr,aes128-ctr", "hmac-sha2-256", "hmac-sha2-256" };

static void test_gap(void)
{
	g_auto(Kexinit) k = { 0 };
	GByteArray *b = greeting("Welcome\r\nSSH-2.0-x\r\n", server);
	g_assert_true(kexinit_parse(b->data, b->len, &k));
	g_assert_cmpstr(k.list[KEX_METHOD], ==, server[0]);
	g_autofree char *gap = kexinit_gap(&k, ours);
	g_assert_cmpstr(gap, ==,
		"host key: ours ssh-ed25519, the server's rsa-sha2-512; "
		"cipher: ours aes256-ctr,aes128-ctr, the server's chacha20-poly1305@openssh.com; "
		"MAC: ours hmac-sha2-256, the server's ");
	g_byte_array_unref(b);
}

static void test_common(void)
{
	g_auto(Kexinit) k = { 0 };
	GByteArray *b = greeting("SSH-2.0-x\n", ours);
	g_assert_true(kexinit_parse(b->data, b->len, &k));
	g_assert_null(kexinit_gap(&k, ours));
	g_byte_array_unref(b);
}

/* Cut anywhere before its last list it is no KEXINIT, and nothing behind the end is read. */
static void test_torn(void)
{
	g_auto(Kexinit) nothing = { 0 };
	GByteArray *b = greeting("SSH-2.0-x\r\n", server);
	g_assert_false(kexinit_parse(NULL, 0, &nothing));
	for (unsigned n = 0; n < b->len; n++) {
		g_auto(Kexinit) k = { 0 };
		g_autofree unsigned char *cut = g_memdup2(b->data, n ? n : 1);
		g_assert_false(kexinit_parse(cut, n, &k));
		for (int i = 0; i < KEX_N_LISTS; i++)
			g_assert_null(k.list[i]);
	}
	g_byte_array_unref(b);
}

static void test_hostile(void)
{
	static const struct {
		const char *name;
		size_t at; /* behind the banner */
		unsigned char byte;
	} cases[] = {
		{ "length beyond the packet", 0, 0x7f },
		{ "another message", 5, 21 },
		{ "list beyond the packet", 22, 0xff },
		{ "control characters", 26, '\n' },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_auto(Kexinit) k = { 0 };
		GByteArray *b = greeting("SSH-2.0-x\r\n", server);
		g_test_message("%s", cases[i].name);
		b->data[strlen("SSH-2.0-x\r\n") + cases[i].at] = cases[i].byte;
		g_assert_false(kexinit_parse(b->data, b->len, &k));
		g_byte_array_unref(b);
	}
}

static KeyKind made(const char *dir, const char *type, const char *format, const char *phrase)
{
	g_autofree char *path = g_build_filename(dir, "key", NULL);
	g_autofree char *pub = g_strconcat(path, ".pub", NULL);
	g_autofree char *text = NULL;
	int status = -1;
	const char *argv[] = { "ssh-keygen", "-q", "-t", type, "-N", phrase, "-f", path, "-m",
		format, NULL };
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
		NULL, &status, NULL));
	g_assert_cmpint(status, ==, 0);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpint(remove(path) | remove(pub), ==, 0);
	return key_kind(text);
}

/* ssh-keygen itself makes them. */
static void test_keys(void)
{
	g_autofree char *dir = g_dir_make_tmp("sl-keys-XXXXXX", NULL);
	static const struct {
		const char *type, *format, *phrase;
		KeyKind want;
	} cases[] = {
		{ "ed25519", "RFC4716", "", KEY_PLAIN },
		{ "ecdsa", "RFC4716", "", KEY_PLAIN },
		{ "ecdsa", "PEM", "", KEY_PLAIN },
		{ "ecdsa", "PKCS8", "", KEY_PLAIN },
		{ "rsa", "RFC4716", "", KEY_RSA },
		{ "rsa", "PEM", "", KEY_RSA },
		{ "ed25519", "RFC4716", "a phrase", KEY_ENCRYPTED },
		{ "ecdsa", "PEM", "a phrase", KEY_ENCRYPTED },
		{ "ecdsa", "PKCS8", "a phrase", KEY_ENCRYPTED },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s %s %s", cases[i].type, cases[i].format, cases[i].phrase);
		g_assert_cmpint(made(dir, cases[i].type, cases[i].format, cases[i].phrase), ==,
			cases[i].want);
	}
	g_assert_cmpint(key_kind(""), ==, KEY_UNREADABLE);
	g_assert_cmpint(key_kind("ssh-ed25519 AAAA"), ==, KEY_UNREADABLE);
	g_assert_cmpint(key_kind("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA"), ==, KEY_UNREADABLE);
	g_assert_cmpint(remove(dir), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kexinit/gap", test_gap);
	g_test_add_func("/kexinit/common", test_common);
	g_test_add_func("/kexinit/torn", test_torn);
	g_test_add_func("/kexinit/hostile", test_hostile);
	g_test_add_func("/key/kinds", test_keys);
	return g_test_run();
}
