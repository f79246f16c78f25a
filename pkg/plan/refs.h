/* Inside of the checker: what only all documents together can show. */
#pragma once
#include "plan/check.h"
#include "plan/docset.h"

/* Reports unknown names, duplicates, clusters in two waves or two active plans, include cycles.
 * The set is sorted by then. */
void check_refs(Checker *c, const DocSet *s);
/* Gates that can never pass, as the soak is too short or nothing tells them: warnings. */
void check_soaks(Checker *c, const DocSet *s, const Doc *plan);
