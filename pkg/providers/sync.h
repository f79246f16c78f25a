/* Proof that a commit took effect: the revision that the GitOps controller reports holds the wish,
 * and the object has its value. Until then: what is waited for, and a hold where nothing happens by
 * itself or the time of actuator.sync.timeout is over; it clears when the proof comes. */
#pragma once
#include "providers/gitops.h"
#include "providers/rights.h"
#include "providers/target.h"

typedef struct SyncWish {
	const Act *act; /* the commit, done */
	GitopsObject object;
	bool stands; /* the object has the value */
} SyncWish;

extern const ActRow act_refresh;

/* True: proven, by a look of this state (gate "sync"). False: *ret is what the tick returns. */
bool sync_proven(Item *it, int64_t now_usec, Batch *b, const SyncWish *w, StepResult *ret);

/* The commit went to a branch, and was seen merged by sync_proven. */
bool sync_merged(const Item *it, const Act *a);

/* Preflight: what the controller's Application or Kustomization says against writing this field
 * (pointer "/spec/desiredUpdate") in Git now. False: a fact is missing. */
bool sync_preflight(
	Item *it, const GitopsObject *o, const char *pointer, const char *what, json_t *findings);
/* The folder that the controller applies; NULL: not told, not known, or all of the repository.
 * Caller frees. False: a fact is missing. */
bool sync_folder(Item *it, char **ret_folder);
/* The Application or Kustomization of the document, for people; NULL: none. Caller frees. */
char *sync_name(const Target *t);

/* Adds what is needed on the cluster where the controller runs, for actuator.sync.argoCD or flux of
 * another cluster. The refresh only saves waiting. */
void sync_argo_rights(json_t *rights, const json_t *argo);
void sync_flux_rights(json_t *rights, const json_t *flux);
/* Preflight: these rights, where a controller is named; what only the refresh needs is a warning.
 * False: a fact is missing. */
bool sync_check_rights(Item *it, json_t *findings);
