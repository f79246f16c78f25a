#include "base/known-hosts.h"
#include <string.h>

typedef struct HostKey {
	bool revoked;
	char *type, *base64;
	unsigned char *blob;
	gsize len;
} HostKey;

struct KnownHosts {
	char *host; /* as it stands in the file: "host", or "[host]:port" */
	GArray *keys; /* HostKey */
};

static void host_key_clear(void *item)
{
	HostKey *k = item;
	g_free(k->type);
	g_free(k->base64);
	g_free(k->blob);
}

/* "|1|salt|hash": HMAC-SHA1 of the name with the salt, both base64. */
static bool hashed_matches(const char *pattern, const char *host)
{
	g_auto(GStrv) parts = g_strsplit(pattern, "|", 5);
	if (g_strv_length(parts) != 4 || strcmp(parts[1], "1") != 0)
		return false;
	gsize n_salt = 0, n_want = 0, n_got = 20;
	unsigned char got[20];
	g_autofree unsigned char *salt = g_base64_decode(parts[2], &n_salt);
	g_autofree unsigned char *want = g_base64_decode(parts[3], &n_want);
	g_autoptr(GHmac) mac = g_hmac_new(G_CHECKSUM_SHA1, salt, n_salt);
	g_hmac_update(mac, (const unsigned char *)host, (gssize)strlen(host));
	g_hmac_get_digest(mac, got, &n_got);
	return n_want == n_got && memcmp(want, got, n_got) == 0;
}

static bool list_matches(const char *list, const char *host)
{
	bool matches = false;
	if (*list == '|')
		return hashed_matches(list, host);
	g_autofree char *lower = g_ascii_strdown(list, -1);
	g_auto(GStrv) patterns = g_strsplit(lower, ",", -1);
	for (char **p = patterns; *p; p++) {
		bool negated = **p == '!';
		if (!g_pattern_match_simple(*p + negated, host))
			continue;
		if (negated)
			return false;
		matches = true;
	}
	return matches;
}

static void parse_line(KnownHosts *k, const char *line)
{
	g_auto(GStrv) raw = g_strsplit_set(line, " \t", -1);
	char *word[4] = { NULL };
	size_t n = 0;
	for (char **w = raw; *w && n < G_N_ELEMENTS(word); w++)
		if (**w)
			word[n++] = *w;
	bool marked = n > 0 && *word[0] == '@';
	char **at = word + marked;
	if (n < 3u + marked || *word[0] == '#' || !list_matches(at[0], k->host) ||
		(marked && strcmp(word[0], "@revoked") != 0))
		return;
	HostKey key = { .revoked = marked, .type = g_strdup(at[1]), .base64 = g_strdup(at[2]) };
	key.blob = g_base64_decode(key.base64, &key.len);
	g_array_append_val(k->keys, key);
}

KnownHosts *known_hosts_parse(const char *text, const char *host, int port)
{
	KnownHosts *k = g_new0(KnownHosts, 1);
	g_autofree char *lower = g_ascii_strdown(host, -1);
	k->host = port == 22 ? g_strdup(lower) : g_strdup_printf("[%s]:%d", lower, port);
	k->keys = g_array_new(FALSE, FALSE, sizeof(HostKey));
	g_array_set_clear_func(k->keys, host_key_clear);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (char **l = lines; *l; l++)
		parse_line(k, g_strstrip(*l));
	return k;
}

void known_hosts_free(KnownHosts *k)
{
	if (!k)
		return;
	g_array_free(k->keys, TRUE);
	g_free(k->host);
	g_free(k);
}

static const HostKey *key_at(const KnownHosts *k, unsigned i)
{
	return &g_array_index(k->keys, HostKey, i);
}

static bool is_key(const HostKey *h, const void *key, size_t len)
{
	return h->len == len && memcmp(h->blob, key, len) == 0;
}

HostKeyVerdict known_hosts_judge(const KnownHosts *k, const void *key, size_t len)
{
	HostKeyVerdict v = HOST_KEY_UNKNOWN;
	for (unsigned i = 0; i < k->keys->len; i++) {
		const HostKey *h = key_at(k, i);
		if (h->revoked && is_key(h, key, len))
			return HOST_KEY_REVOKED;
		if (!h->revoked && is_key(h, key, len))
			v = HOST_KEY_KNOWN;
		else if (!h->revoked && v == HOST_KEY_UNKNOWN)
			v = HOST_KEY_OTHER;
	}
	return v;
}

char *known_hosts_plain(const KnownHosts *k)
{
	GString *text = g_string_new("");
	for (unsigned i = 0; i < k->keys->len; i++) {
		const HostKey *h = key_at(k, i);
		if (known_hosts_judge(k, h->blob, h->len) == HOST_KEY_KNOWN)
			g_string_append_printf(text, "%s %s %s\n", k->host, h->type, h->base64);
	}
	return g_string_free(text, FALSE);
}

char *known_hosts_types(const KnownHosts *k)
{
	GString *text = g_string_new("");
	for (unsigned i = 0; i < k->keys->len; i++) {
		const char *type = key_at(k, i)->type;
		bool seen = false;
		for (unsigned j = 0; j < i && !seen; j++)
			seen = strcmp(key_at(k, j)->type, type) == 0;
		if (!seen)
			g_string_append_printf(text, "%s%s", text->len ? "," : "", type);
	}
	return g_string_free(text, FALSE);
}
