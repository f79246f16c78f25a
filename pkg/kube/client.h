/* Calls to one API server: credentials kept fresh, one renewal after a 401, writes under their own
 * identity, answers judged. Runs on any Http and Loop. A completion is called exactly once, later,
 * unless the call is forgotten; it may start and forget calls, and must not free the client. */
#pragma once
#include "creds/creds.h"
#include "http/http.h"
#include "kube/answer.h"
#include "kube/request.h"
#include "loop/loop.h"

typedef struct KubeClient KubeClient;

typedef struct KubeClientOptions {
	Http http;
	Loop loop;
	Creds *creds; /* borrowed, outlives the client */
	/* Writes are sent as this user; NULL: as whoever the kubeconfig says. */
	const char *impersonate_user;
	const char *const *impersonate_groups; /* ends with NULL; may be NULL */
} KubeClientOptions;

KubeClient *kube_client_new(const KubeClientOptions *o);
void kube_client_free(KubeClient *k); /* completions are dropped; NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KubeClient, kube_client_free)
/* Nobody lists for a while: what is remembered of the last lists goes. */
void kube_client_forget_lists(KubeClient *k);
Loop kube_client_loop(const KubeClient *k);
const char *kube_client_origin(const KubeClient *k); /* "context X of FILE" */
bool kube_client_certificate_end(const KubeClient *k, int64_t *ret_sec); /* creds_certificate_end */

typedef enum {
	KUBE_AS_USUAL, /* GET as the reader, all else as the writer */
	KUBE_AS_READER,
	KUBE_AS_WRITER,
} KubeIdentity;

/* Borrowed for the duration of the call. */
typedef struct KubeCall {
	const char *method, *path; /* path with its query */
	const char *content_type; /* NULL: merge patch for PATCH, else JSON */
	const char *accept; /* NULL: JSON */
	const json_t *body; /* NULL: none */
	KubeIdentity identity;
	bool is_read; /* a POST that changes nothing, such as a review */
	bool raw; /* a text answer is fine */
	bool list; /* objects that stood in the last answer of this path are not read anew */
	int timeout_msec; /* 0 = the transport's */
	size_t max_bytes;
} KubeCall;

typedef void KubeDone(const KubeAnswer *a, void *ud);

/* Returns an id that is never 0. */
uint64_t kube_call(KubeClient *k, const KubeCall *c, KubeDone *done, void *ud);
/* The same with a body that comes by line (2xx only); done when the stream ended. */
uint64_t kube_stream(KubeClient *k, const KubeCall *c, HttpLine *line, KubeDone *done, void *ud);
void kube_forget(KubeClient *k, uint64_t *id);

/* Short forms. dry_run: the server judges and changes nothing. */
uint64_t kube_get(KubeClient *k, const char *path, KubeDone *done, void *ud);
/* Merge patch; resource_version NULL = whatever version stands there. */
uint64_t kube_patch_merge(KubeClient *k, const char *path, const json_t *patch,
	const char *resource_version, bool dry_run, KubeDone *done, void *ud);
/* Server-side apply of an object of our own; force takes fields from other managers. */
uint64_t kube_apply(KubeClient *k, const char *path, const json_t *object, const char *manager,
	bool force, bool dry_run, KubeDone *done, void *ud);
uint64_t kube_create(KubeClient *k, const char *collection_path, const json_t *object, bool dry_run,
	KubeDone *done, void *ud);
/* Options as of kube_delete_body(). */
uint64_t kube_delete(KubeClient *k, const char *path, const json_t *options, bool dry_run,
	KubeDone *done, void *ud);
uint64_t kube_evict(KubeClient *k, const char *ns, const char *name, const char *uid, int grace_sec,
	bool dry_run, KubeDone *done, void *ud);
/* review: a kube_access_review_body(). */
uint64_t kube_access_review(
	KubeClient *k, const json_t *review, KubeIdentity who, KubeDone *done, void *ud);
bool kube_access_allowed(const KubeAnswer *a); /* false also where the answer is not ok */
