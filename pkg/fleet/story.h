/* One seed, one story: a random fleet with random faults, crashes of the controller and lost
 * requests, run to its end in a simulation. `shiplock-sim replay SEED` tells it; a test hears many
 * and believes none that breaks a rule. */
#pragma once
#include "base/error.h"

enum { STORY_CLUSTERS_MAX = 5 };

typedef struct StoryEnd {
	int exit_code; /* of the run, as `shiplock run` would give it; -1: it never came to rest */
	int most_in_work; /* clusters past preflight at the same time */
	int allowed_in_work; /* what the plan allows */
	unsigned n_crashes, n_records;
	char *broken; /* the rule that did not hold, in words; NULL: all did. g_free */
} StoryEnd;

/* Each line of the story goes to tell (may be NULL), without a newline. */
typedef void StoryTell(const char *line, void *ud);
StoryEnd story_run(uint64_t seed, StoryTell *tell, void *ud);
