/* metadata.managedFields, as server-side apply defines them, cut to what ownership checks read: one
 * entry per manager, operation and subresource; lists are owned whole, objects by member. */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef struct ManagedWrite {
	const char *manager, *operation; /* operation: Update or Apply */
	const char *subresource; /* NULL, or "status" */
	const char *api_version;
	int64_t now_usec;
} ManagedWrite;

/* The managedFields after a write of this manager that turned was (NULL: a create) into now: it
 * owns every leaf it changed, and nobody else does. New reference, an array. */
json_t *managed_update(const json_t *was, const json_t *now, const ManagedWrite *w);

/* Server-side apply. *ret is the object with the body's fields set, those that this manager applied
 * before and left out removed, and managedFields written. False with *ret_conflicts, an array of
 * {reason, field, message} causes, when others own fields with other values and force is off. */
bool managed_apply(json_t *was, json_t *body, const ManagedWrite *w, bool force, json_t **ret,
	json_t **ret_conflicts);
