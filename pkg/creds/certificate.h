/* What a certificate says of itself. */
#pragma once
#include "base/error.h"
#include <stdint.h>

/* notAfter of the first certificate in a PEM text, in seconds since 1970; false: it is none. */
bool certificate_not_after(const char *pem, int64_t *ret_sec);
