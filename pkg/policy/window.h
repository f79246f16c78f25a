/* Maintenance windows: when work may begin, in the wall time of a named zone. Wall times are
 * microseconds since 1970 UTC, given by the caller.
 *
 * Where the clocks change: a start that is skipped is the instant of the jump; a start that comes
 * twice is the first one, an end that comes twice the last one. So a window holds every instant
 * whose wall time lies in it, in one piece. An end that is not after its start is on the next day.
 */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { WINDOW_HORIZON_DAYS = 400, WINDOW_TEXT_MAX = 200 };

typedef struct WindowRules WindowRules;

/* spec of a WindowPolicy; zone: the cluster's, used where the policy names none (NULL: UTC).
 * INVALID names the field, also for a zone that this machine does not know. */
WindowRules *window_parse(const json_t *spec, const char *zone, GError **err) SL_MUST_USE;
void window_free(WindowRules *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WindowRules, window_free)

typedef struct WindowState {
	bool open;
	int64_t opens_usec; /* when closed; INT64_MAX: not within WINDOW_HORIZON_DAYS */
	int64_t closes_usec; /* of this or the next opening; INT64_MAX: never */
	bool hop_may_start; /* open, and not within lastHopStart of the close */
	int64_t last_hop_usec; /* the last moment for a hop in this or the next opening */
	const char *blackout; /* the name of the one that closes it now; NULL: none. Lives in r */
} WindowState;

/* r NULL: no policy, always open. */
WindowState window_state(const WindowRules *r, int64_t now_usec);

/* notice: a run does not start sooner after its plan was merged. */
int64_t window_notice_until(const WindowRules *r, int64_t merged_usec);

typedef enum { AT_CLOSE_STOP_AT_NODE, AT_CLOSE_FINISH } WindowAtClose;
WindowAtClose window_at_close(const WindowRules *r);
/* True where a rollback may go on, or start, outside the window; also without a policy. */
bool window_rollback_outside(const WindowRules *r);

/* "Tue 2026-12-08 08:00 EST", in the policy's zone. Caller frees. */
char *window_clock_text(const WindowRules *r, int64_t usec);
/* "Tue 2026-12-08 08:00-17:00 EST, no hop after 14:00" of the opening that now is in, or the next
 * one. Caller frees. */
char *window_span_text(const WindowRules *r, const WindowState *s);
/* "open until Tue 2026-12-08 17:00 EST" or "opens Tue 2026-12-08 08:00 EST". Caller frees. */
char *window_text(const WindowRules *r, const WindowState *s);
