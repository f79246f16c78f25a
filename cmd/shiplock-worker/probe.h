/* Tries what the sandbox forbids, from inside it: the test of the walls needs a program that breaks
 * its bounds. {"try": NAME} -> {"survived": NAME}; with the walls up it never answers. */
#pragma once
#include "codec/json.h"

json_t *probe_verb(const json_t *request, GError **err) SL_MUST_USE;
