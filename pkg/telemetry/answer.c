/* The strict reading of an answer of the query API. */
#include "codec/json.h"
#include "telemetry/telemetry.h"
#include <math.h>
#include <string.h>

enum { FUTURE_MAX_SEC = 120, TEXT_MAX = 300 };

static TelemetryBody refuse(TelemetryStatus status, const char *fmt, ...) SL_PRINTF(2, 3);
static TelemetryBody refuse(TelemetryStatus status, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	TelemetryBody b = { .status = status, .why = g_strdup_vprintf(fmt, ap) };
	va_end(ap);
	/* Servers quote queries and pages of any length. */
	if (strlen(b.why) > TEXT_MAX)
		b.why[TEXT_MAX] = '\0';
	for (char *c = b.why; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	if (!g_utf8_validate(b.why, -1, NULL)) {
		char *valid = g_utf8_make_valid(b.why, -1);
		g_free(b.why);
		b.why = valid;
	}
	return b;
}

void telemetry_body_clear(TelemetryBody *b)
{
	g_free(b->why);
	g_free(b->values);
	*b = (TelemetryBody){ 0 };
}

/* Values are texts: decimal, "NaN", "+Inf", "-Inf". Hexadecimal and leading spaces, which strtod
 * takes, are not. */
static bool parse_value(const char *text, double *ret)
{
	if (!text)
		return false;
	if (strcmp(text, "NaN") == 0 || strcmp(text, "+Inf") == 0 || strcmp(text, "-Inf") == 0) {
		*ret = *text == 'N' ? NAN : *text == '+' ? INFINITY : -INFINITY;
		return true;
	}
	if (!*text || text[strspn(text, "0123456789+-.eE")])
		return false;
	char *end;
	*ret = g_ascii_strtod(text, &end);
	return end != text && *end == '\0';
}

/* [ seconds, "value" ] */
static bool add_point(TelemetryBody *b, const json_t *point, int64_t asked_usec)
{
	const json_t *at = json_array_get(point, 0);
	if (json_array_size(point) != 2 || !json_is_number(at)) {
		*b = refuse(TELEMETRY_ERROR, "a sample is not [time, value]");
		return false;
	}
	double sec = json_number_value(at);
	if (!(fabs(sec) < 1e11)) {
		*b = refuse(TELEMETRY_ERROR, "a sample has no sane time");
		return false;
	}
	int64_t usec = (int64_t)(sec * 1e6);
	if (usec > asked_usec + (int64_t)FUTURE_MAX_SEC * 1000000) {
		*b = refuse(TELEMETRY_ERROR, "a sample is from the future: the clocks disagree");
		return false;
	}
	if (!parse_value(json_string_value(json_array_get(point, 1)), &b->values[b->n_values])) {
		*b = refuse(TELEMETRY_ERROR, "a value is not a number in a string");
		return false;
	}
	b->oldest_usec = b->n_values ? MIN(b->oldest_usec, usec) : usec;
	b->n_values++;
	return true;
}

static TelemetryBody read_vector(const json_t *list, int64_t asked_usec)
{
	size_t n = json_array_size(list);
	if (!json_is_array(list))
		return refuse(TELEMETRY_ERROR, "result is not a list");
	if (n > TELEMETRY_MAX_SERIES)
		return refuse(TELEMETRY_ERROR, "%zu series: too many to judge", n);
	TelemetryBody b = { .values = g_new(double, n + 1) };
	for (size_t i = 0; i < n; i++) {
		const json_t *element = json_array_get(list, i);
		const json_t *point = json_object_get(element, "value");
		double *values = b.values;
		if (json_object_get(element, "histogram"))
			b = refuse(TELEMETRY_ERROR, "a series is a native histogram, not a number");
		else if (point && add_point(&b, point, asked_usec))
			continue;
		else if (!point)
			b = refuse(TELEMETRY_ERROR, "a series has no value");
		g_free(values);
		return b;
	}
	return b;
}

static TelemetryBody read_data(const json_t *data, int64_t asked_usec)
{
	const char *type = json_path_str(data, "resultType", "");
	const json_t *result = json_object_get(data, "result");
	if (strcmp(type, "vector") == 0)
		return read_vector(result, asked_usec);
	if (strcmp(type, "scalar") != 0)
		return refuse(TELEMETRY_ERROR, "the result is a \"%s\", not a vector", type);
	TelemetryBody b = { .values = g_new(double, 1) };
	double *values = b.values;
	if (!add_point(&b, result, asked_usec))
		g_free(values);
	return b;
}

static TelemetryBody read_envelope(int http_status, const json_t *root, int64_t asked_usec)
{
	const char *status = json_path_str(root, "status", "");
	const char *error = json_path_str(root, "error", NULL);
	const json_t *warnings = json_object_get(root, "warnings");
	if (strcmp(status, "error") == 0 || error)
		return refuse(TELEMETRY_ERROR, "HTTP %d, %s: %s", http_status,
			json_path_str(root, "errorType", "error"), error ? error : "no text");
	if (strcmp(status, "success") != 0)
		return refuse(
			TELEMETRY_ERROR, "HTTP %d, not an answer of the query API", http_status);
	if (http_status != 200)
		return refuse(TELEMETRY_ERROR, "HTTP %d with status success", http_status);
	if (json_array_size(warnings) ||
		(warnings && !json_is_array(warnings) && !json_is_null(warnings)))
		return refuse(TELEMETRY_NO_DATA, "incomplete: %s",
			json_path_str(warnings, "0", "warnings"));
	return read_data(json_object_get(root, "data"), asked_usec);
}

static const char *status_text(int status)
{
	if (status == 401)
		return "the credentials were not accepted";
	if (status == 403)
		return "these credentials may not ask this";
	if (status >= 300 && status < 400)
		return "redirected, probably to a login page";
	if (status == 429)
		return "asked too often";
	return "not an answer of the query API";
}

TelemetryBody telemetry_read(
	int http_status, const char *content_type, const char *body, size_t len, int64_t asked_usec)
{
	g_autoptr(GError) err = NULL;
	if (http_status == 401 || http_status == 403 || (http_status >= 300 && http_status < 400))
		return refuse(
			TELEMETRY_ERROR, "HTTP %d: %s", http_status, status_text(http_status));
	g_autoptr(json_t) root = json_parse(body ? body : "", body ? len : 0, &err);
	if (json_is_object(root))
		return read_envelope(http_status, root, asked_usec);
	if (http_status != 200)
		return refuse(
			TELEMETRY_ERROR, "HTTP %d: %s", http_status, status_text(http_status));
	return refuse(TELEMETRY_ERROR, "HTTP 200 with %s that is no JSON object%s%s",
		content_type ? content_type : "a body", err ? ": " : "", err ? err->message : "");
}
