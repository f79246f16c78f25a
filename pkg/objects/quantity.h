/* Kubernetes resource quantities: "100m", "1.5Gi", "4", "12e3". Source: k8s.io/apimachinery
 * resource.Quantity (what is finer than the unit kept is rounded up, away from zero). */
#pragma once
#include "base/error.h"

/* Thousandths of the base unit (cores, bytes, pieces). Saturates at INT64_MAX; at most 15
 * significant digits are taken. Signs: only a leading "+" or "-". */
bool quantity_parse_milli(const char *text, int64_t *ret_milli);
/* Whole units, rounded up. */
bool quantity_parse(const char *text, int64_t *ret);
