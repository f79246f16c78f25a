/* What a person names: a run by "to-4-21-10#7", "#7" or "7", a cluster, a node as CLUSTER/NODE. */
#pragma once
#include "base/error.h"

typedef struct Target {
	int64_t run; /* 0: none */
	char *cluster, *node; /* NULL: none */
} Target;

/* Pure. Digits alone are a run. */
Target target_parse(const char *text);
void target_clear(Target *t);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_clear)
/* The path of the API for it, and what follows ("/why"). Caller frees. */
char *target_path(const Target *t, const char *suffix);
