/* What an answer of the eviction subresource means. Sources: the API server's eviction storage and
 * its tests, its priority-and-fairness and shutdown filters, its admission errors; KubeVirt's
 * eviction webhook. Classes are found by HTTP code, content type, reason and cause first, by texts
 * last, since texts changed between releases. What nobody knows is TRANSIENT: never success, never
 * final. */
#pragma once
#include "base/error.h"
#include <jansson.h>

enum { EVICT_TEXT_MAX = 400, EVICT_NAME_MAX = 256 };

typedef enum {
	EVICT_ACCEPTED, /* wait until the UID is gone */
	EVICT_GONE, /* the pod is not there any more */
	EVICT_BUDGET, /* the budget allows none: wait for its status to change */
	EVICT_BUDGET_LAG, /* the budget's status is old: retry_after_sec, or its next status */
	EVICT_PROGRESS, /* refused, but what is asked for is under way (a migrating machine) */
	EVICT_THROTTLED, /* slow down every call to this server, not this pod */
	EVICT_SHUTDOWN, /* this server goes away: connect again, elsewhere */
	EVICT_TWO_PDBS, /* not before one of the two budgets is changed */
	EVICT_WEBHOOK, /* denied by an admission webhook, until somebody changes something */
	EVICT_TRANSIENT, /* back off and try again */
	EVICT_NS_TERMINATING, /* the namespace goes: wait if the pod is terminating, else slowly
				 again */
	EVICT_FORBIDDEN, /* not allowed to us: stop this node, tell somebody */
	EVICT_CREDENTIALS, /* 401: refresh, then hold */
	EVICT_CONFLICT, /* another pod has the name: read again, never evict the newcomer unread */
	EVICT_UNKNOWN, /* no answer: it may have happened, observe first */
	EVICT_BUG, /* our request was wrong */
} EvictClass;

/* Borrowed. body is the parsed Status, NULL when the body was no JSON object; text the raw body or
 * NULL. */
typedef struct EvictAnswer {
	bool answered;
	int status;
	const char *content_type;
	const json_t *body;
	const char *text;
	int retry_after_sec; /* -1: none */
} EvictAnswer;

typedef struct EvictVerdict {
	EvictClass class;
	int retry_after_sec; /* 0: none given */
	char budget[EVICT_NAME_MAX]; /* with BUDGET and BUDGET_LAG: its name where the server says
					it */
	char text[EVICT_TEXT_MAX]; /* for people: the server's own words where it has some */
} EvictVerdict;

EvictVerdict evict_classify(const EvictAnswer *a);
const char *evict_class_name(EvictClass c);
/* True where the next attempt waits for a person or a changed object, not for time alone. */
bool evict_class_is_blocked(EvictClass c);

/* How long to wait before the next attempt where no event comes sooner: the server's Retry-After;
 * else 5 s for a budget, 30 s for progress and a terminating namespace, and 1, 2, 4, 8, 15 s (up to
 * a quarter less, by jitter: any 64 random bits) for the rest. attempt counts from 0. */
int64_t evict_wait_usec(const EvictVerdict *v, unsigned attempt, uint64_t jitter);
