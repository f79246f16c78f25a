#pragma once
#include "cli.h"

/* audit report, outages, notice; a->rest[0] is one of these. */
int audit_report(const Args *a);
