/* PLAN [PATH...] of plan and run. */
#pragma once
#include "cli.h"
#include "plan/docset.h"

/* The documents of a->rest[1..], good, with the UpgradePlan a->rest[0] among them. NULL: said what
 * is wrong; *ret_code is the exit code. The caller owns the set. */
DocSet *plan_set_load(const Args *a, int *ret_code);
