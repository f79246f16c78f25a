/* The story of a run, from its events: what is printed while it goes on, and the JUnit report. */
#pragma once
#include "codec/json.h"
#include "term.h"

typedef struct Story Story;
/* snapshot (pkg/plan/snapshot.h; may be NULL): clusters and gates that are named in the report also
 * where they were not reached. */
Story *story_new(const json_t *snapshot);
void story_free(Story *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Story, story_free)

/* kind Event, in the order of the journal. Returns whether it is worth a line for people: what is
 * the engine's business is not, and a look only where the verdict of its gate is a new one. */
bool story_add(Story *s, const json_t *event);
/* run: its object as of /v1/runs/ID. Caller frees. */
char *story_junit(const Story *s, const json_t *run);
