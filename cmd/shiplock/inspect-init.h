/* The first documents of a fleet, from what an inspection found. */
#pragma once
#include "cli.h"

/* Writes DIR/plans/clusters.yaml and DIR/plans/first.yaml and says so; replaces nothing. Returns
 * code, or that of the failure it complained about. */
int inspect_init(const Args *a, const json_t *report, int code);
