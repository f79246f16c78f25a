/* GLib's MIN and MAX evaluate an argument twice: what calls something goes through these. */
#pragma once
#include <stdint.h>

static inline int64_t sl_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static inline int64_t sl_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}
