/* The claim: an annotation on the object that carries the pivot, so that raising its epoch moves
 * the object's version and fences whatever write of ours may still be on its way. A Lease would be
 * no fence. */
#pragma once
#include "providers/target.h"

#define CLAIM_ANNOTATION "shiplock.dev/claim"

/* Rows over the object at the target's claim path; the key is that path. */
extern const ActRow act_claim, act_release, act_raise_epoch;
/* The claim of another holder is overwritten with a higher epoch, which fences whatever he still
 * has on its way. Only while the item's memo says {"takeover": {"open": true}}; else as act_claim.
 */
extern const ActRow act_take_over;

/* {"fleet","holder","run","epoch"}; NULL when the object carries none. New reference. */
json_t *claim_read(const json_t *object);
/* "fleet hub, held by host1-3f2a91c0, run up#7, epoch 3". Caller frees. */
char *claim_text(const json_t *claim);
/* Why the claim on this object cannot be ours, in words; NULL: it is free, or ours by this journal.
 * Caller frees. */
char *claim_obstacle(const Target *t, const json_t *object);
/* For rows over other objects: why the claim here is not to be taken (NULL: it may be), the epoch
 * in it, the text of a new one, and what a read says of our wish. Callers free. */
char *claim_bars(const Item *it, const json_t *object);
int64_t claim_epoch(const json_t *object); /* 0: there is none */
char *claim_new_text(const Item *it, int64_t epoch);
Class claim_stands(const json_t *want, const View *v);
Class claim_released(const json_t *want, const View *v);
/* For SiteOps. */
bool claim_is_ours(Site *site, const View *v, char **ret_who);
