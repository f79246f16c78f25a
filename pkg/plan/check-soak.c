/* Gates that cannot pass in the time that a wave gives them: the run would end in a hold. */
#include "objects/time.h"
#include "plan/refs.h"
#include "plan/value.h"
#include <string.h>

enum { SEEN_MAX = 8 }; /* policies of one wave; in practice one a provider */

static bool is_asked_in(const json_t *gate, const char *state)
{
	json_t *when;
	size_t i;
	json_array_foreach(json_object_get(gate, "when"), i,
		when) if (g_strcmp0(json_string_value(when), state) == 0) return true;
	return false;
}

static int64_t seconds_at(const json_t *o, const char *key)
{
	return doc_duration_sec(json_string_value(json_object_get(o, key)), 0);
}

/* The soonest that enough looks can have passed. */
static int64_t shortest_pass(const json_t *gate)
{
	int64_t looks = json_path_int(gate, "count", 1) - 1;
	return seconds_at(gate, "settle") +
	       MAX(seconds_at(gate, "stableFor"), looks * seconds_at(gate, "interval"));
}

/* One warning a field, about the gate that needs longest: what is enough for it is enough. */
static void check_gates_in(
	Checker *c, const json_t *gates, const json_t *wave, const char *state, const char *field)
{
	int64_t have =
		doc_duration_sec(json_string_value(json_object_get(wave, field)), G_MAXINT64);
	int64_t longest = have;
	const json_t *slowest = NULL, *gate;
	size_t i;
	json_array_foreach(gates, i, gate)
	{
		if (!is_asked_in(gate, state) || shortest_pass(gate) <= longest)
			continue;
		longest = shortest_pass(gate);
		slowest = gate;
	}
	if (!slowest)
		return;
	g_autofree char *need = sl_duration_format(longest), *short_of = sl_duration_format(have);
	g_autofree char *hint = g_strdup_printf("write %s: %s or more", field, need);
	check_report(c,
		(At){ .parent = wave,
			.key = field,
			.level = FINDING_WARNING,
			.code = CODE_CONFLICT,
			.hint = hint },
		"%s is too short: gate \"%s\" needs %s to pass, so it would end in a hold",
		short_of, json_path_str(slowest, "name", "?"), need);
}

static void check_wave(Checker *c, const DocSet *s, const Doc *plan, const json_t *wave)
{
	g_autoptr(json_t) names = docset_wave_clusters(s, wave);
	const Doc *seen[SEEN_MAX];
	size_t n_seen = 0, i;
	json_t *name;
	json_array_foreach(names, i, name)
	{
		const Doc *cluster = docset_find(s, "Cluster", json_string_value(name));
		const Doc *policy = docset_policy(s, plan, wave, cluster, "gates");
		bool known = !policy || n_seen == SEEN_MAX;
		for (size_t k = 0; k < n_seen; k++)
			known = known || seen[k] == policy;
		if (known)
			continue;
		seen[n_seen++] = policy;
		g_autoptr(json_t) gates = docset_gates(s, policy);
		check_gates_in(c, gates, wave, "cp-soak", "cpSoak");
		check_gates_in(c, gates, wave, "soak", "soak");
	}
}

void check_soaks(Checker *c, const DocSet *s, const Doc *plan)
{
	json_t *wave;
	size_t i;
	json_array_foreach(json_object_get(doc_spec(plan), "waves"), i,
		wave) if (json_is_object(wave)) check_wave(c, s, plan, wave);
}
