/* As much of PromQL as it takes to find the vector selectors of a query. Source: the Prometheus
 * documentation, "Querying basics" and "Operators"; quoted names of version 3 included. It is not a
 * checker: the server says what is wrong with a query, except for what would make us miss a
 * selector (an unclosed bracket, string or brace), which is refused here. */
#pragma once
#include "base/error.h"

enum { PROMQL_MAX_BYTES = 64 << 10 };

/* A comma-separated list of matchers, as between the braces of a selector: cluster="a",tier=~"b|c".
 * INVALID says what is wrong. */
bool promql_matcher_valid(const char *matcher, GError **err) SL_MUST_USE;

/* The query with the matchers added to each of its vector selectors: how one cluster's series are
 * told from those of others in a common source. A query without selectors is returned as it is.
 * Caller frees. */
char *promql_inject(const char *query, const char *matcher, GError **err) SL_MUST_USE;

/* A query for the time (seconds) of the newest sample of the stalest selector of `query`: one
 * number, or nothing where no selector has a sample. Selectors with offset or @ look at the past on
 * purpose and are left out. *ret is NULL when none is left (vector(1)). Caller frees. */
bool promql_freshness(const char *query, char **ret, GError **err) SL_MUST_USE;
