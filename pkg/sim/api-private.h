/* What the files of the request handler share. */
#pragma once
#include "sim/api.h"
#include "sim/filter.h"
#include "sim/reply.h"

enum { SIM_MAX_DENIES = 16 };

typedef struct SimWatcher {
	uint64_t id;
	const SimKind *kind;
	SimFilter *filter;
	bool bookmarks;
	int64_t bookmark_usec, end_usec; /* boot time */
} SimWatcher;

struct SimApi {
	SimStore *store;
	SimSink sink;
	SimWatcher *watchers; /* in the order of their ids */
	size_t n_watchers, cap_watchers;
	SimNow now; /* of the request that is served */
	SimOnAudit *audit;
	void *audit_ud;
	SimExtra *extra;
	void *extra_ud;
	int64_t next_usec; /* of the next bookmark or end */
	char *token, *git_version;
	bool down, gone_status;
	struct {
		char *verb, *resource;
	} denies[SIM_MAX_DENIES];
	size_t n_denies;
};

HttpSimAnswer api_text(int status, const char *text, const char *content_type);
/* Takes what the answer holds. */
HttpSimAnswer api_reply(SimAnswer *a, const SimKind *k);
/* True with the answer when the request ends here: no token, server down, forbidden. */
bool api_refused(SimApi *a, const HttpRequest *r, const SimPath *p, HttpSimAnswer *ret);

/* The object's text with kind and apiVersion, which builtin kinds do not store. */
void api_append_object(GString *out, const SimKind *k, SimSnap *s);
/* How an object goes into a list. */
typedef enum {
	ITEM_WHOLE,
	ITEM_META, /* PartialObjectMetadata */
	ITEM_ROW, /* of a Table, as kubectl prints */
} SimItem;
SimItem api_item_of(const HttpRequest *r);
void api_append_row(GString *out, const SimKind *k, SimSnap *s, int64_t wall_usec);
void api_append_columns(GString *out, const SimKind *k);
HttpSimAnswer api_get_row(SimApi *a, const SimKind *k, SimSnap *s);

HttpSimAnswer api_list(SimApi *a, const HttpRequest *r, const SimPath *p);
/* Paths that are no resource; false when there is nothing. */
bool api_other(SimApi *a, const HttpRequest *r, HttpSimAnswer *ret);
void api_on_change(const SimChange *c, SimObj *obj, void *ud);
void api_end_watches(SimApi *a);

/* A kubelet's answer about the log of a pod, from its annotations (actor-jobs.c). Caller frees. */
char *sim_pod_log(const json_t *pod, const char *query);
