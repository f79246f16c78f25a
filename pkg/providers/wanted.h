/* What the plan wants of a cluster. */
#pragma once
#include "saga/item.h"

const json_t *wanted_target(const Item *it); /* spec.target of the plan; borrowed */
/* The first wished version above this one; NULL when the target is reached. ret_index: which of the
 * plan's hops, ret_last: it is the target. Borrowed. */
const char *wanted_next(const Item *it, const char *now, int *ret_index, bool *ret_last);
