/* Which objects a list or a watch is about: namespace, labelSelector, fieldSelector. */
#pragma once
#include "sim/store.h"

typedef struct SimFilter SimFilter;

/* INVALID names the selector that is wrong or a field that no server indexes. */
SimFilter *sim_filter_new(const SimPath *p, GError **err) SL_MUST_USE;
void sim_filter_free(SimFilter *f); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SimFilter, sim_filter_free)
bool sim_filter_match(const SimFilter *f, const SimSnap *s);
const char *sim_filter_ns(const SimFilter *f); /* NULL: all */
