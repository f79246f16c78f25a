/* What the plan makes of what the provider says of its canaries. */
#include "policy/drain-rules.h"
#include "steps/drain.h"
#include "steps/internal.h"
#include <string.h>

static bool is_canary(const json_t *finding)
{
	return strcmp(json_path_str(finding, "code", ""), "canary") == 0;
}

void drain_canary(const Item *cluster, json_t *findings)
{
	const json_t *policy = cluster_policy(cluster, "drain");
	g_autoptr(DrainRules) r = drain_rules_parse(json_is_null(policy) ? NULL : policy, NULL);
	if (!r)
		return; /* what is wrong with a document is said when it is checked */
	size_t n = 0;
	for (size_t i = json_array_size(findings); i > 0; i--) {
		json_t *f = json_array_get(findings, i - 1);
		if (!is_canary(f))
			continue;
		n++;
		bool shared = strcmp(json_path_str(f, "level", ""), "info") != 0;
		if (!shared || r->canary == CANARY_NONE)
			json_array_remove(findings, i - 1);
		else if (r->canary == CANARY_REQUIRE)
			json_object_set_new(f, "level", json_string("block"));
	}
	if (r->canary == CANARY_REQUIRE && n == 0)
		finding_add(findings, "block", "canary", "set nodes.canary to prefer or none",
			"the DrainPolicy requires a canary, and provider %s has none",
			target_of(cluster)->provider->name);
}
