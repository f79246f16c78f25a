#include "http/http-text.h"
#include <curl/curl.h>
#include <string.h>

static int retry_after_seconds(const char *digits)
{
	uint64_t n = 0;
	for (; g_ascii_isdigit(*digits); digits++)
		n = MIN(n * 10 + (uint64_t)(*digits - '0'), HTTP_RETRY_AFTER_MAX_SEC);
	return *digits ? -1 : (int)n;
}

int http_retry_after(const char *value, int64_t wall_usec)
{
	g_autofree char *v = g_strstrip(g_strdup(value));
	if (g_ascii_isdigit(*v))
		return retry_after_seconds(v);
	time_t when = curl_getdate(v, NULL);
	if (when == (time_t)-1)
		return -1;
	int64_t left_usec = (int64_t)when * G_USEC_PER_SEC - wall_usec;
	if (left_usec <= 0)
		return 0;
	int64_t sec = (left_usec + G_USEC_PER_SEC - 1) / G_USEC_PER_SEC;
	return (int)MIN(sec, HTTP_RETRY_AFTER_MAX_SEC);
}

char *http_warning_text(const char *value)
{
	const char *open = strchr(value, '"');
	if (!open)
		return g_strstrip(g_strdup(value));
	GString *s = g_string_new(NULL);
	for (const char *p = open + 1; *p && *p != '"'; p++) {
		if (*p == '\\' && p[1])
			p++;
		g_string_append_c(s, *p);
	}
	return g_string_free(s, FALSE);
}

bool http_header_is_safe(const char *name, const char *value)
{
	if (!*name)
		return false;
	for (const char *p = name; *p; p++)
		if (!g_ascii_isalnum(*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return false;
	for (const char *p = value; *p; p++)
		if ((unsigned char)*p < 0x20 && *p != '\t')
			return false;
	return true;
}

static void lines_reserve(HttpLines *l, size_t n)
{
	/* What was handed out makes room first. */
	if (l->next > 0) {
		memmove(l->buf, l->buf + l->next, l->len - l->next);
		l->len -= l->next;
		l->line_start -= l->next;
		l->next = 0;
	}
	if (l->len + n <= l->size)
		return;
	l->size = MAX(l->size * 2, l->len + n);
	l->buf = g_realloc(l->buf, l->size);
}

bool http_lines_add(HttpLines *l, const char *data, size_t n)
{
	size_t start = 0, open = l->len - l->line_start;
	for (const char *nl; (nl = memchr(data + start, '\n', n - start));) {
		size_t end = (size_t)(nl - data);
		if (open + end - start > l->max_bytes)
			return false;
		open = 0;
		start = end + 1;
	}
	if (open + n - start > l->max_bytes)
		return false;
	if (n == 0)
		return true;
	lines_reserve(l, n);
	memcpy(l->buf + l->len, data, n);
	if (start > 0)
		l->line_start = l->len + start;
	l->len += n;
	return true;
}

char *http_lines_next(HttpLines *l, size_t *ret_len)
{
	if (l->next >= l->line_start)
		return NULL;
	char *line = l->buf + l->next;
	char *nl = memchr(line, '\n', l->line_start - l->next);
	size_t len = (size_t)(nl - line);
	l->next += len + 1;
	if (len > 0 && line[len - 1] == '\r')
		len--;
	line[len] = '\0';
	*ret_len = len;
	return line;
}

size_t http_lines_rest(const HttpLines *l)
{
	return l->len - l->line_start;
}

void http_lines_clear(HttpLines *l)
{
	g_free(l->buf);
	*l = (HttpLines){ .max_bytes = l->max_bytes };
}
