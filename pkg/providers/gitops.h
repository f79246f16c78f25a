/* What a GitOps controller says of its Application (Argo CD) or Kustomization (Flux): how far it
 * is, and why it would not go on by itself. Pure: objects and the wall time in, words out. */
#pragma once
#include "codec/json.h"

/* Whose sync is waited for. An Application holds many objects, and is often out of sync because of
 * another one. */
typedef struct GitopsObject {
	const char *group, *kind, *name;
} GitopsObject;

typedef enum {
	GITOPS_SYNCED, /* it says that the object is as revision has it */
	GITOPS_BUSY, /* not yet, but it goes on by itself */
	GITOPS_STOPPED, /* nothing happens by itself: why says what a person changes */
} GitopsVerdict;

typedef struct Gitops {
	GitopsVerdict verdict;
	char *revision; /* of our repository, that it reports; NULL: none */
	char *why; /* one line for people, never NULL */
	char *looked; /* when it last compared, RFC 3339; NULL: it does not say */
	bool asked; /* a refresh was asked for and not served yet: is it running? */
} Gitops;
void gitops_clear(Gitops *g);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Gitops, gitops_clear)

/* app NULL: there is no such Application. project NULL: it cannot be read, so that closed sync
 * windows are not seen. repository: URL of the actuator. */
void gitops_argo(const json_t *app, const json_t *project, const char *repository,
	const GitopsObject *o, int64_t wall_usec, Gitops *ret);
/* The sync window that keeps the Application from syncing now, in words; NULL: none. Caller frees.
 */
char *gitops_argo_window(const json_t *app, const json_t *project, int64_t wall_usec);
/* kustomization NULL: there is no such Kustomization. branch: of the actuator. */
void gitops_flux(const json_t *kustomization, const char *branch, Gitops *ret);

/* Why the Application could never carry our commits to the field (pointer "/spec/desiredUpdate"):
 * another branch, differences that it ignores. NULL: nothing is wrong. Caller frees. */
char *gitops_argo_obstacle(const json_t *app, const char *repository, const char *branch,
	const GitopsObject *o, const char *pointer);

/* The folder of our repository that is applied, relative to its root; NULL: not told, or all of it.
 * Caller frees. */
char *gitops_argo_folder(const json_t *app, const char *repository);
char *gitops_flux_folder(const json_t *kustomization);

/* Whether two URLs name the same repository, whatever the transport, user and ending. */
bool gitops_same_repository(const char *a, const char *b);
/* Go's "1h30m" in seconds. */
bool gitops_go_duration(const char *text, int64_t *ret_sec);
