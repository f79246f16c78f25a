#include "policy/drain-rules.h"
#include "codec/json.h"
#include "objects/time.h"
#include <string.h>

enum { NODES_MAX = 1000 };

static const char *const behaviours[] = { "evict", "waitCompleted", "deleteAfter", "skip",
	"surge" };
static const char *const on_deadlines[] = { "hold", "skipNode", "force" };
static const char *const groups[] = { "normal", "critical", "last" };
static const char *const canaries[] = { "none", "prefer", "require" };

static bool take_word(const json_t *spec, const char *path, const char *const *words, size_t n,
	int *ret, GError **err)
{
	const char *word = json_path_str(spec, path, NULL);
	if (!word)
		return true;
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0) {
			*ret = (int)i;
			return true;
		}
	return sl_fail(err, SL_ERR_INVALID, "%s: unknown word \"%s\"", path, word);
}

static bool take_duration(const json_t *spec, const char *path, int64_t *ret, GError **err)
{
	const json_t *v = json_path(spec, path);
	if (!v || json_is_null(v) || sl_duration_parse(json_string_value(v), ret))
		return true;
	return sl_fail(err, SL_ERR_INVALID, "%s: no duration like 30m", path);
}

/* NULL when the field is not there; a list with an element that is no text is refused. */
static bool take_list(const json_t *match, const char *field, char ***ret, GError **err)
{
	const json_t *list = json_object_get(match, field);
	if (!list || json_is_null(list))
		return true;
	*ret = g_new0(char *, json_array_size(list) + 1);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *s = json_string_value(json_array_get(list, i));
		if (!s)
			return sl_fail(err, SL_ERR_INVALID, "match.%s: not a list of names", field);
		(*ret)[i] = g_strdup(s);
	}
	return true;
}

static bool take_map(const json_t *match, const char *field, Selector **ret, GError **err)
{
	json_t *map = json_object_get(match, field);
	if (!map || json_is_null(map))
		return true;
	g_autoptr(json_t) selector = json_pack("{sO}", "matchLabels", map);
	if (selector_from_json(selector, ret, err))
		return true;
	g_prefix_error(err, "match.%s: ", field);
	return false;
}

static bool parse_match(DrainRule *r, const json_t *match, GError **err)
{
	static const char *const fields[] = { "namespaces", "labels", "annotations", "ownerKinds",
		"storageClasses" };
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)match, key, value) {
		bool known = json_is_null(value);
		for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
			known |= strcmp(key, fields[i]) == 0;
		if (!known)
			return sl_fail(err, SL_ERR_INVALID, "match.%s: unknown field", key);
	}
	return take_list(match, "namespaces", &r->namespaces, err) &&
	       take_list(match, "ownerKinds", &r->owner_kinds, err) &&
	       take_list(match, "storageClasses", &r->storage_classes, err) &&
	       take_map(match, "labels", &r->labels, err) &&
	       take_map(match, "annotations", &r->annotations, err);
}

static bool parse_rule(DrainRule *r, const json_t *json, GError **err)
{
	int behaviour = BEHAVIOUR_EVICT, group = -1;
	if (!take_word(json, "behaviour", behaviours, G_N_ELEMENTS(behaviours), &behaviour, err) ||
		!take_word(json, "group", groups, G_N_ELEMENTS(groups), &group, err) ||
		!take_duration(json, "deadline", &r->deadline_sec, err) ||
		!parse_match(r, json_object_get(json, "match"), err))
		return false;
	r->behaviour = (DrainBehaviour)behaviour;
	r->one_at_a_time = json_path_bool(json, "oneAtATime", false);
	r->has_group = group >= 0;
	r->group = group >= 0 ? (DrainTier)group : TIER_NORMAL;
	return true;
}

static bool parse_rules(DrainRules *r, GError **err)
{
	const json_t *list = json_object_get(r->spec, "rules");
	r->n_rules = json_array_size(list);
	r->rules = g_new0(DrainRule, r->n_rules + 1);
	for (size_t i = 0; i < r->n_rules; i++)
		if (!parse_rule(&r->rules[i], json_array_get(list, i), err)) {
			g_prefix_error(err, "rules[%zu]: ", i);
			return false;
		}
	return true;
}

static bool parse_order(DrainRules *r, GError **err)
{
	const char *order = json_path_str(r->spec, "nodes.order", "hardestFirst");
	r->hardest_first = strcmp(order, "hardestFirst") == 0;
	int64_t at_once = json_path_int(r->spec, "nodes.atOnce", 1);
	if (at_once < 1 || at_once > NODES_MAX)
		return sl_fail(
			err, SL_ERR_INVALID, "nodes.atOnce: not a number from 1 to %d", NODES_MAX);
	r->nodes_at_once = (int)at_once;
	r->node_may_skip = json_path_bool(r->spec, "nodes.maySkip", false);
	return true;
}

static bool parse_deadlines(DrainRules *r, GError **err)
{
	r->pod_sec = 30 * 60;
	r->node_sec = 26 * 3600;
	r->pool_sec = 72 * 3600;
	if (!take_duration(r->spec, "deadlines.pod", &r->pod_sec, err) ||
		!take_duration(r->spec, "deadlines.node", &r->node_sec, err) ||
		!take_duration(r->spec, "deadlines.pool", &r->pool_sec, err))
		return false;
	if (r->on_deadline == ON_DEADLINE_FORCE && !r->force)
		return sl_fail(err, SL_ERR_INVALID, "onDeadline: force needs consent.force");
	return true;
}

DrainRules *drain_rules_parse(const json_t *spec, GError **err)
{
	g_autoptr(DrainRules) r = g_new0(DrainRules, 1);
	int on_deadline = ON_DEADLINE_HOLD, canary = CANARY_PREFER;
	r->spec = json_incref((json_t *)spec);
	if (!take_word(spec, "onDeadline", on_deadlines, G_N_ELEMENTS(on_deadlines), &on_deadline,
		    err) ||
		!take_word(spec, "nodes.canary", canaries, G_N_ELEMENTS(canaries), &canary, err))
		return NULL;
	r->on_deadline = (DrainOnDeadline)on_deadline;
	r->canary = (DrainCanary)canary;
	r->empty_dir = json_path_bool(spec, "consent.emptyDir", true);
	r->unmanaged = json_path_bool(spec, "consent.unmanaged", false);
	r->force = json_path_bool(spec, "consent.force", false);
	r->n_holds = json_array_size(json_object_get(spec, "holds"));
	if (!parse_deadlines(r, err) || !parse_order(r, err) || !parse_rules(r, err))
		return NULL;
	return g_steal_pointer(&r);
}

static void rule_clear(DrainRule *r)
{
	g_strfreev(r->namespaces);
	g_strfreev(r->owner_kinds);
	g_strfreev(r->storage_classes);
	selector_free(r->labels);
	selector_free(r->annotations);
}

void drain_rules_free(DrainRules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_rules; i++)
		rule_clear(&r->rules[i]);
	g_free(r->rules);
	json_decref(r->spec);
	g_free(r);
}

/* "*" stands for any text; everything else for itself. */
static bool pattern_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL;
	while (*text) {
		if (*pattern == '*') {
			star = ++pattern;
			resume = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star;
			text = ++resume;
		} else {
			return false;
		}
	}
	return pattern[strspn(pattern, "*")] == '\0';
}

static bool list_matches(char *const *patterns, const char *text)
{
	if (!patterns)
		return true;
	for (; text && *patterns; patterns++)
		if (pattern_matches(*patterns, text))
			return true;
	return false;
}

static bool classes_match(char *const *patterns, const DrainPod *p)
{
	if (!patterns)
		return true;
	for (size_t i = 0; i < p->n_storage_classes; i++)
		if (list_matches(patterns, p->storage_classes[i]))
			return true;
	return false;
}

static bool rule_matches(const DrainRule *r, const DrainPod *p)
{
	return list_matches(r->namespaces, p->ns) && list_matches(r->owner_kinds, p->owner_kind) &&
	       (!r->labels || selector_matches(r->labels, p->labels)) &&
	       (!r->annotations || selector_matches(r->annotations, p->annotations)) &&
	       classes_match(r->storage_classes, p);
}

size_t drain_rule_of(const DrainRules *r, const DrainPod *p)
{
	size_t i = 0;
	while (i < r->n_rules && !rule_matches(&r->rules[i], p))
		i++;
	return i;
}

unsigned drain_rules_uses(const DrainRules *r)
{
	static const unsigned of[] = { 0, DRAIN_USES_WAIT_COMPLETED, DRAIN_USES_DELETE_AFTER, 0,
		DRAIN_USES_SURGE };
	unsigned uses = r->n_holds ? DRAIN_USES_HOLDS : 0;
	if (r->on_deadline == ON_DEADLINE_FORCE)
		uses |= DRAIN_USES_FORCE;
	for (size_t i = 0; i < r->n_rules; i++) {
		const DrainRule *rule = &r->rules[i];
		uses |= of[rule->behaviour];
		uses |= rule->has_group ? DRAIN_USES_GROUPS : 0;
		uses |= rule->one_at_a_time ? DRAIN_USES_ONE_AT_A_TIME : 0;
		uses |= rule->storage_classes ? DRAIN_USES_STORAGE_CLASSES : 0;
	}
	return uses;
}

/* The rest of the document, beside its rules. NULL: none. */
static const char *field_beyond_operator(const DrainRules *r)
{
	if (!r->hardest_first)
		return "nodes.order";
	if (r->nodes_at_once != 1)
		return "nodes.atOnce";
	if (r->on_deadline == ON_DEADLINE_SKIP_NODE)
		return "onDeadline: skipNode";
	return r->empty_dir ? NULL : "consent.emptyDir: false";
}

char *drain_rules_beyond_operator(const DrainRules *r)
{
	for (size_t i = 0; i < r->n_rules; i++) {
		const DrainRule *rule = &r->rules[i];
		const char *part = NULL;
		if (rule->behaviour == BEHAVIOUR_DELETE_AFTER || rule->behaviour == BEHAVIOUR_SURGE)
			part = behaviours[rule->behaviour];
		else if (rule->has_group)
			part = "group";
		else if (rule->one_at_a_time)
			part = "oneAtATime";
		if (part)
			return g_strdup_printf("rules[%zu]: %s", i, part);
	}
	return g_strdup(field_beyond_operator(r));
}
