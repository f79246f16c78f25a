#include "ssh/guard-answer.h"
#include <string.h>

static const char first_line[] = "shiplock-node 1\n", out_line[] = "\nout\n";

bool guard_answer_parse(const unsigned char *bytes, size_t len, GuardAnswer *ret)
{
	size_t n_first = strlen(first_line), n_out = strlen(out_line), n_head = len;
	if (len < n_first || memcmp(bytes, first_line, n_first) != 0)
		return false;
	*ret = (GuardAnswer){ 0 };
	const unsigned char *out = memmem(bytes, len, out_line, n_out);
	if (out) {
		n_head = (size_t)(out - bytes) + 1;
		ret->bytes = out + n_out;
		ret->n_bytes = len - (n_head - 1) - n_out;
	}
	ret->head = g_strndup((const char *)bytes, n_head);
	return true;
}

void guard_answer_clear(GuardAnswer *a)
{
	g_clear_pointer(&a->head, g_free);
}

char *guard_answer_word(const GuardAnswer *a, const char *word)
{
	size_t n = strlen(word);
	for (const char *line = a->head; line && *line;) {
		const char *end = strchrnul(line, '\n');
		if (strncmp(line, word, n) == 0 && line[n] == ' ')
			return g_strndup(line + n + 1, (size_t)(end - line) - n - 1);
		if (strncmp(line, word, n) == 0 && line + n == end)
			return g_strdup("");
		line = *end ? end + 1 : end;
	}
	return NULL;
}

int64_t guard_answer_number(const GuardAnswer *a, const char *word, int64_t def)
{
	int64_t n;
	g_autofree char *text = guard_answer_word(a, word);
	return text && g_ascii_string_to_signed(text, 10, INT64_MIN, INT64_MAX, &n, NULL) ? n : def;
}

json_t *answer_text(const void *bytes, size_t len)
{
	g_autofree char *copy = g_memdup2(len ? bytes : "", len ? len : 1);
	for (size_t i = 0; i < len; i++)
		if (copy[i] == '\0')
			copy[i] = ' ';
	g_autofree char *valid = g_utf8_make_valid(copy, (gssize)len);
	return json_string(valid);
}
