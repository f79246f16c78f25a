/* Kubernetes Jobs on the target: the rows that create and delete one, and what is read of it. The
 * key of a row is the path of the Job; the item knows the object to create. */
#pragma once
#include "providers/rights.h"
#include "providers/target.h"

/* Creates the object of job_of_item() under a name that is derived from the intent; its undo
 * deletes it with its pods, by UID. */
extern const ActRow act_create_job, act_delete_job;
/* Key: a path. json: {"text"}: at most TARGET_TEXT_MAX_BYTES, more is a failure. */
extern const FactRow fact_text;
enum { TARGET_TEXT_MAX_BYTES = 256 << 10 };

/* What that needs, in the namespace of the template. Ends with NULL verbs. */
extern const RightRow job_rights[];
/* The Job to create, from the item's data "object". Borrowed. */
const json_t *job_of_item(const Item *it);
