/* One archive of evidence of a run, for a support case: nothing in it looks like a secret. */
#pragma once
#include "client.h"

enum { BUNDLE_MAX_RECORDS = 1000000 };

/* shiplock audit bundle RUN [FILE]. Returns the exit code. */
int audit_bundle(const Args *a, const char *journal);
