/* Gates that cannot pass: in the time that a wave gives them, or without telemetry. The run would
 * end in a hold. */
#include "base/num.h"
#include "objects/time.h"
#include "plan/refs.h"
#include "plan/value.h"
#include <string.h>

static bool is_asked_in(const json_t *gate, const char *state)
{
	json_t *when;
	size_t i;
	json_array_foreach (json_object_get(gate, "when"), i, when) {
		if (g_strcmp0(json_string_value(when), state) == 0)
			return true;
	}
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
	       sl_max(seconds_at(gate, "stableFor"), looks * seconds_at(gate, "interval"));
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
	json_array_foreach (gates, i, gate) {
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

/* What is known of a GatePolicy in the wave at hand. */
typedef struct Seen {
	const Doc *policy;
	char *asks; /* name of a gate that asks telemetry, or NULL */
} Seen;

static char *telemetry_gate(const json_t *gates)
{
	json_t *gate;
	size_t i;
	json_array_foreach (gates, i, gate) {
		if (json_object_get(gate, "query"))
			return g_strdup(json_path_str(gate, "name", "?"));
	}
	return NULL;
}

static const Seen *see_policy(
	Checker *c, const DocSet *s, const json_t *wave, const Doc *policy, GArray *seen)
{
	for (size_t i = 0; i < seen->len; i++)
		if (g_array_index(seen, Seen, i).policy == policy)
			return &g_array_index(seen, Seen, i);
	g_autoptr(json_t) gates = docset_gates(s, policy);
	check_gates_in(c, gates, wave, "cp-soak", "cpSoak");
	check_gates_in(c, gates, wave, "soak", "soak");
	Seen new = { policy, telemetry_gate(gates) };
	g_array_append_val(seen, new);
	return &g_array_index(seen, Seen, seen->len - 1);
}

static void clear_seen(void *p)
{
	g_free(((Seen *)p)->asks);
}

static bool has_telemetry(const Doc *cluster)
{
	const json_t *list = json_object_get(doc_spec(cluster), "telemetry");
	return !json_is_array(list) || json_array_size(list) > 0;
}

static void check_wave(Checker *c, const DocSet *s, const Doc *plan, const json_t *wave)
{
	g_autoptr(json_t) names = docset_wave_clusters(s, wave);
	GArray *seen = g_array_new(FALSE, FALSE, sizeof(Seen));
	g_array_set_clear_func(seen, clear_seen);
	const json_t *clusters = json_object_get(wave, "clusters");
	size_t i, n_blind = 0;
	json_t *name;
	json_array_foreach (names, i, name) {
		const Doc *cluster = docset_find(s, "Cluster", json_string_value(name));
		const Doc *policy = docset_policy(s, plan, wave, cluster, "gates");
		const Seen *known = policy ? see_policy(c, s, wave, policy, seen) : NULL;
		if (known && known->asks && !has_telemetry(cluster) && n_blind++ == 0)
			check_report(c,
				(At){ .parent = clusters,
					.level = FINDING_WARNING,
					.code = CODE_CONFLICT },
				"cluster %s has no telemetry, and gate \"%s\" asks it, so it would "
				"end in a hold",
				doc_name(cluster), known->asks);
	}
	g_array_free(seen, TRUE);
}

void check_soaks(Checker *c, const DocSet *s, const Doc *plan)
{
	const json_t *waves = json_object_get(doc_spec(plan), "waves");
	json_t *wave;
	size_t i;
	json_array_foreach (waves, i, wave) {
		if (json_is_object(wave))
			check_wave(c, s, plan, wave);
	}
}
