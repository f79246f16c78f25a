/* How long earlier upgrades of each cluster took, from the records of the journal alone: live, at
 * replay and from a journal that somebody else wrote. Time in which the cluster was held does not
 * count, nor do its soaks, whose length is the plan's. */
#pragma once
#include "store/store.h"
#include <jansson.h>

typedef struct Past Past;
Past *past_new(void);
void past_free(Past *p); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Past, past_free)

/* Every record, in the order of the journal. body: of the record, parsed. */
void past_note(Past *p, const Record *r, const json_t *body);

/* Of the newest upgrade of each cluster that succeeded: NAME -> {"run", "headSeconds" (before the
 * first hop), "controlPlaneSeconds", "nodesSeconds" (each of a hop, on average)}. Borrowed. */
const json_t *past_lengths(const Past *p);
