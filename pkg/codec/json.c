#include "codec/json.h"
#include "codec/read.h"
#include <openssl/evp.h>
#include <string.h>

static json_t *step(json_t *at, const char *key, size_t len)
{
	if (json_is_object(at))
		return json_object_getn(at, key, len);
	if (!json_is_array(at) || len == 0 || len > 9)
		return NULL;
	size_t index = 0;
	for (size_t i = 0; i < len; i++) {
		if (!g_ascii_isdigit(key[i]))
			return NULL;
		index = index * 10 + (size_t)(key[i] - '0');
	}
	return json_array_get(at, index);
}

json_t *json_path(const json_t *root, const char *path)
{
	json_t *at = (json_t *)root;
	while (at && *path) {
		const char *dot = strchrnul(path, '.');
		at = step(at, path, (size_t)(dot - path));
		path = *dot ? dot + 1 : dot;
	}
	return at;
}

const char *json_path_str(const json_t *root, const char *path, const char *def)
{
	const char *s = json_string_value(json_path(root, path));
	return s ? s : def;
}

int64_t json_path_int(const json_t *root, const char *path, int64_t def)
{
	json_t *v = json_path(root, path);
	return json_is_integer(v) ? json_integer_value(v) : def;
}

bool json_path_bool(const json_t *root, const char *path, bool def)
{
	json_t *v = json_path(root, path);
	return json_is_boolean(v) ? json_is_true(v) : def;
}

char *sl_sha256(const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	g_assert(EVP_Digest(data, len, md, &n, EVP_sha256(), NULL) == 1);
	GString *s = g_string_new("sha256:");
	for (unsigned i = 0; i < n; i++) {
		g_string_append_c(s, digits[md[i] >> 4]);
		g_string_append_c(s, digits[md[i] & 15]);
	}
	return g_string_free(s, FALSE);
}

char *json_digest(const json_t *v)
{
	g_autofree char *text = json_canonical(v);
	return sl_sha256(text, strlen(text));
}

static json_t *parse_slowly(const char *text, size_t len, GError **err)
{
	json_error_t e;
	json_t *v = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!v)
		sl_fail(err, SL_ERR_INVALID, "line %d, column %d: %s", e.line, e.column, e.text);
	return v;
}

json_t *json_parse(const char *text, size_t len, GError **err)
{
	json_t *v = json_read_quick(text, len);
	return v ? v : parse_slowly(text, len, err);
}

json_t *json_parse_list(const char *text, size_t len, JsonLast **last, GError **err)
{
	JsonLast *next;
	json_t *v = json_read_list(text, len, *last, &next);
	json_last_free(*last);
	*last = next;
	return v ? v : parse_slowly(text, len, err);
}

json_t *json_object_in(json_t *parent, const char *key)
{
	json_t *v = json_object_get(parent, key);
	if (!json_is_object(v)) {
		v = json_object();
		json_object_set_new(parent, key, v);
	}
	return v;
}
