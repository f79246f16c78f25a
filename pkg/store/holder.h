/* Who writes a journal, as the claims on the targets name it. The name lies beside the journal and
 * is bound to that one file: a journal that was copied or restored from a backup gets a new name,
 * so that it does not take the claims of the one it was copied from for its own. */
#pragma once
#include "loop/loop.h"

/* The name of the journal at that path, which must be there: HOST-XXXXXXXX. Made at the first use,
 * and anew where the file is not the one it was made for; *ret_moved (may be NULL) says that it
 * was. REFUSED when it cannot be stored. Caller frees. */
char *holder_of(const char *journal, Loop loop, bool *ret_moved, GError **err) SL_MUST_USE;
