/* What the files of a target share: completions under way. */
#pragma once
#include "kube/list.h"
#include "providers/target.h"

/* One completion under way. They belong to the target, so that a crash frees them. */
typedef struct Pending {
	Target *t;
	uint64_t timer; /* an answer that we give ourselves */
	char *why; /* that answer */
	FactRead *read;
	ActDone *act_done;
	void *act_ud;
	uint64_t id; /* of the act, for the engine */
	uint64_t call;
	uint64_t job; /* of the worker */
	uint64_t http; /* of a probe, past the API server */
	KubeLister *lister;
	json_t *items;
	struct Pending *previous, *next;
} Pending;

Pending *pending_new(Target *t, FactRead *r);
void pending_done(Pending *p);
/* Answers p later: it cannot be done, and why. Returns the id of the timer. */
uint64_t pending_fail(Pending *p, const char *why);
/* What access gives for the target of p; NULL: p is answered with the reason. New reference. */
json_t *pending_access(Pending *p, TargetAccess *access, void *ud);
/* What the worker said. New reference; NULL: err. */
json_t *pending_answer(const char *answer, size_t len, const GError *job_err, GError **err);
/* An object over this client; p is answered as a read of fact_object is. */
void pending_get(Pending *p, KubeClient *kube, const char *path);

/* target-node.c */
uint64_t target_send_node(Target *t, const ActRequest *r, ActDone *done, void *ud);
/* target-git.c */
uint64_t target_send_job(Target *t, const ActRequest *r, ActDone *done, void *ud);
/* Asks what key says (of fact_access) at this server. */
void target_review(Pending *p, KubeClient *kube, const char *key);
