/* Versions of clusters: 4.21.10, v1.36.3, 4.22.0-rc.2, 1.36.3+build. Order as semver.org 2.0.0
 * section 11; build metadata is kept out of the order. */
#pragma once
#include "base/error.h"

enum { VERSION_PRE_MAX = 63, VERSION_NUMBER_MAX = 999999 };

typedef struct Version {
	int major, minor, patch;
	char pre[VERSION_PRE_MAX + 1]; /* "rc.2", or empty */
} Version;

/* A full X.Y.Z, a leading "v" allowed. No leading zeros. */
bool version_parse(const char *text, Version *ret);
/* X.Y, as channels and node packages name it ("4.21", "v1.36"); patch is 0. */
bool version_parse_minor(const char *text, Version *ret);

/* Below 0, 0, above 0. A pre-release is lower than its release. */
int version_compare(const Version *a, const Version *b);
/* strcmp-like on texts; a text that is no version sorts before all that are, those among
 * themselves by bytes. NULL counts as "". */
int version_compare_text(const char *a, const char *b);

/* How many minor versions from a up to b (negative when b is lower). INT_MAX or INT_MIN when the
 * majors differ: such a step is never one minor. */
int version_minor_distance(const Version *from, const Version *to);

/* "4.21.10" or "4.22.0-rc.2", without "v". Caller frees. */
char *version_format(const Version *v);
