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
/* For SiteOps. */
bool claim_is_ours(Site *site, const View *v, char **ret_who);
