/* The shipped policies, as JSON texts of whole documents. Their names begin with builtin/. */
#pragma once
#include <stddef.h>

extern const char *const builtin_documents[]; /* ends with NULL */
