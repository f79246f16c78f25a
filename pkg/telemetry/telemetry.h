/* Asking Prometheus and Thanos, strictly: an answer counts only if it is whole, for the time that
 * was asked, and of a shape that can be judged. Source: the Prometheus HTTP API (api/v1/query) and
 * the Thanos query component (partial_response, dedup, max_source_resolution).
 *
 * GET only: tenancy proxies treat POST as a write. Sources are asked in order; the next one only
 * where one could not be reached (no connection, timeout, 5xx), never because an answer displeased.
 */
#pragma once
#include "http/http.h"
#include "loop/loop.h"

enum {
	TELEMETRY_TIMEOUT_SEC = 30, /* told to the server; the transport waits 5 s longer */
	TELEMETRY_MAX_BYTES = 8 << 20,
	TELEMETRY_MAX_SERIES = 100000,
	TELEMETRY_URL_MAX = 16 << 10,
};

/* Copied by telemetry_new, except for the endpoint, which its owner keeps alive. Its base_url ends
 * before /api/v1/query. */
typedef struct TelemetrySource {
	const char *name;
	const HttpEndpoint *endpoint;
	const char *matcher; /* added to every selector of every query; NULL: none */
} TelemetrySource;

typedef enum {
	TELEMETRY_OK, /* values are there, maybe none */
	TELEMETRY_NO_DATA, /* answered, but only in part (warnings) */
	TELEMETRY_ERROR, /* not answered, refused, or the answer breaks the contract */
} TelemetryStatus;

/* Borrowed for the duration of the completion. The last part is the evidence of a look. */
typedef struct TelemetryResult {
	TelemetryStatus status;
	const char *why; /* for all but OK, with the source's name */
	const double *values; /* one of each series, may be NaN or infinite */
	size_t n_values;
	int64_t oldest_usec; /* wall time of the oldest value; with OK and n_values > 0 */

	const char *source; /* whose answer it is; NULL when nobody answered */
	const char *query; /* as it was sent */
	int64_t time_usec; /* the wall time that was asked for */
	int64_t sent_usec; /* boot time when the answered request was sent */
	int http_status;
	size_t n_bytes;
	const char *digest; /* "sha256:..." of the body; NULL without a body */
} TelemetryResult;

typedef void TelemetryDone(const TelemetryResult *r, void *ud);

typedef struct Telemetry Telemetry;
Telemetry *telemetry_new(Http http, Loop loop, const TelemetrySource *sources, size_t n);
void telemetry_free(Telemetry *t); /* completions still due are not called any more */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Telemetry, telemetry_free)

/* Evaluates the query at this wall time. Returns an id that is never 0; done is called once, later,
 * unless forgotten. */
uint64_t telemetry_query(
	Telemetry *t, const char *query, int64_t wall_usec, TelemetryDone *done, void *ud);
void telemetry_forget(Telemetry *t, uint64_t *id);
size_t telemetry_n_sources(const Telemetry *t);

/* The judgement of one body, for tests and replay: fills status, why (caller frees), values (caller
 * frees) and oldest_usec. */
typedef struct TelemetryBody {
	TelemetryStatus status;
	char *why;
	double *values;
	size_t n_values;
	int64_t oldest_usec;
} TelemetryBody;
TelemetryBody telemetry_read(int http_status, const char *content_type, const char *body,
	size_t len, int64_t asked_usec);
void telemetry_body_clear(TelemetryBody *b);
