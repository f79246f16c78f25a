/* What happened last to a cluster, its run or the fleet that a person would have to know before
 * acting on what was on the screen: a move, a hold set or lifted, another person's word. */
#pragma once
#include "saga/saga.h"

typedef struct Changes Changes;
Changes *changes_new(void);
void changes_free(Changes *c); /* NULL is fine */
/* A record was applied, live or at replay. it: its item, NULL: none. */
void changes_applied(Changes *c, const Record *r, const json_t *body, const Item *it);
/* Position in the journal of the last one about the item or what is above it; 0: none. ret_text
 * (may be NULL): in words, borrowed until the next record. */
int64_t changes_seq(const Changes *c, const Item *it, const char **ret_text);
