/* Orders of a person, given over the API. */
#pragma once
#include "client.h"

/* /v1/clusters/NAME/VERB, or /v1/VERB where cluster is NULL. Caller frees. */
char *order_path(const char *verb, const char *cluster);
/* The body: reason, and the state that was seen, so that a stale screen does not act. seen: the
 * cluster's entry, may be NULL. New reference. */
json_t *order_body(const Args *a, const json_t *seen);
/* The person was shown how it stands: what happened after that is not acted upon. */
void order_expect_seen(json_t *body, const json_t *seen);
/* The cluster's name, typed or given by --yes. */
bool order_confirmed(const Args *a);
/* Gives it and prints what happens now. Returns the exit code. */
int order_give(const Args *a, Client *c, const char *cluster, const json_t *body);
