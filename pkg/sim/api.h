/* One simulated API server: requests in, answers and watch lines out. The same handler stands
 * behind the transport inside one process (http-sim.h) and behind the real sockets of
 * `shiplock-sim serve`. Modelled: GET and LIST (limit, continue, labelSelector, fieldSelector,
 * metadata only), WATCH (bookmarks, initial events, 410), POST, PUT, PATCH (merge, strategic as
 * merge, JSON, apply), DELETE with preconditions, status, eviction, binding, dryRun=All,
 * SelfSubjectAccessReview, /version, /readyz, discovery. Left out: managedFields of kinds that
 * change all the time (kind.c: nodes, pods, ReplicaSets, events), strict field validation,
 * strategic list merging, paging from one old revision (the first page's resourceVersion is given,
 * so a watch from there replays what moved). */
#pragma once
#include "http/http-sim.h"
#include "sim/store.h"

typedef struct SimNow {
	int64_t boot_usec, wall_usec;
} SimNow;

/* Where the lines of watches go. */
typedef struct SimSink {
	void (*line)(void *ud, uint64_t id, const char *line);
	void (*end)(void *ud, uint64_t id);
	void *ud;
} SimSink;

typedef struct SimApi SimApi;
SimApi *sim_api_new(SimStore *store, SimSink sink); /* borrows the store */
void sim_api_free(SimApi *a);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimApi, sim_api_free)

HttpSimAnswer sim_api_handle(SimApi *a, const HttpRequest *r, SimNow now);
/* Whether a GET wants a stream. */
bool sim_api_is_watch(const HttpRequest *r);
/* status 200: lines follow by the sink, possibly from inside this call. */
HttpSimAnswer sim_api_watch(SimApi *a, const HttpRequest *r, uint64_t id, SimNow now);
void sim_api_forget(SimApi *a, uint64_t id); /* the client left */
/* Bookmarks and ends of watches; the boot time of the next one, INT64_MAX when there is none. */
int64_t sim_api_tick(SimApi *a, SimNow now);
size_t sim_api_watches(const SimApi *a);

/* What a request that may write did, as the API server's own audit log would tell it. */
typedef struct SimAudit {
	const HttpRequest *request;
	const char *manager; /* of fields: parameter or user agent */
	int status;
	bool changed; /* the store has another version now */
	SimNow now;
} SimAudit;
typedef void SimOnAudit(const SimAudit *e, void *ud);
/* Called after each request other than GET. */
void sim_api_set_audit(SimApi *a, SimOnAudit *fn, void *ud);

/* For tests, asked before anything else; false: not theirs. A stream gets the body by line. */
typedef bool SimExtra(const HttpRequest *r, HttpSimAnswer *ret, void *ud);
void sim_api_set_extra(SimApi *a, SimExtra *fn, void *ud);

void sim_api_set_token(SimApi *a, const char *bearer); /* NULL: everybody may come in */
void sim_api_set_version(SimApi *a, const char *git_version); /* "v1.34.2" */
void sim_api_set_down(SimApi *a, bool down); /* every request answers 503, watches end */
/* Too old resourceVersions of a watch answer with the status 410 instead of an ERROR event. */
void sim_api_set_gone_status(SimApi *a, bool on);
/* Refuses a verb on a resource ("patch", "clusterversions.config.openshift.io", "pods/eviction").
 */
void sim_api_deny(SimApi *a, const char *verb, const char *resource);
