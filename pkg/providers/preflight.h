/* What every provider asks beforehand in the same way. */
#pragma once
#include "providers/provider.h"

/* A request that was lost, or a server that restarts, is asked again for a while. */
bool provider_may_pass(const Item *it, const GError *err);
/* True once the fact is there or has failed for good. Then *ret is NULL and a finding says why. An
 * optional one only warns, and says nothing where this server does not know such a kind or does not
 * allow it. */
bool provider_settled(Item *it, const FactRow *row, const char *key, bool optional,
	const View **ret, json_t *findings);
/* The server's answer to the path of a kind that it does not know. */
bool provider_no_such_kind(const GError *err);
/* The rights of the provider's table; unwritten (may be NULL): a resource that this target writes
 * by another way. False: not answered yet. */
bool provider_check_access(Item *it, const char *unwritten, json_t *findings);
/* Of a list of nodes: those that are cordoned or not Ready. */
void provider_check_nodes(const json_t *list, json_t *findings);
