#include "policy/rollback.h"
#include "codec/json.h"
#include <string.h>

static const char *const tier_names[] = { "T0", "T1", "T2", "T3", "T4" };

const char *tier_name(Tier t)
{
	return t == TIER_NONE ? "none" : tier_names[t];
}

bool tier_parse(const char *name, Tier *ret)
{
	if (name && strcmp(name, "none") == 0) {
		*ret = TIER_NONE;
		return true;
	}
	for (size_t i = 0; name && i < G_N_ELEMENTS(tier_names); i++)
		if (strcmp(name, tier_names[i]) == 0) {
			*ret = (Tier)i;
			return true;
		}
	return false;
}

static bool add_automatic(RollbackRules *r, const char *name, GError **err)
{
	if (g_strcmp0(name, "T0") == 0)
		r->automatic_t0 = true;
	else if (g_strcmp0(name, "T1") == 0)
		r->automatic_t1 = true;
	else if (g_strcmp0(name, "T2BeforeWorkers") == 0)
		r->automatic_t2_before = true;
	else if (g_strcmp0(name, "T2AfterWorkers") == 0)
		r->automatic_t2_after = true;
	else if (g_strcmp0(name, "T3") == 0 || g_strcmp0(name, "T4") == 0)
		return sl_fail(err, SL_ERR_INVALID, "automatic: %s is never automatic", name);
	else
		return sl_fail(err, SL_ERR_INVALID,
			"automatic: \"%s\" is none of T0, T1, T2BeforeWorkers, T2AfterWorkers",
			name ? name : "");
	return true;
}

bool rollback_rules_parse(const json_t *spec, RollbackRules *ret, GError **err)
{
	RollbackRules r = { .require = TIER_NONE,
		.stop_fleet_after = (int)json_path_int(spec, "stopFleetAfter", 1) };
	const json_t *list = json_object_get(spec, "automatic");
	const char *require = json_path_str(spec, "require", "none");
	if (!tier_parse(require, &r.require))
		return sl_fail(err, SL_ERR_INVALID, "require: \"%s\" is no tier", require);
	if (r.stop_fleet_after < 1)
		return sl_fail(err, SL_ERR_INVALID, "stopFleetAfter must be 1 or more");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!add_automatic(&r, json_string_value(json_array_get(list, i)), err))
			return false;
	if (!list || json_is_null(list))
		r.automatic_t0 = r.automatic_t1 = r.automatic_t2_before = true;
	for (Tier t = TIER_T0; t <= TIER_T4; t++)
		r.approval[t] = json_string_value(
			json_object_get(json_object_get(spec, "approval"), tier_name(t)));
	*ret = r;
	return true;
}

bool rollback_meets(
	const RollbackRules *r, Tier offered, const char *hop, char ret_text[ROLLBACK_TEXT_MAX])
{
	if (r->require == TIER_NONE || r->require == TIER_T0)
		return true;
	if (offered > TIER_T0 && offered <= r->require)
		return true;
	if (ret_text)
		g_snprintf(ret_text, ROLLBACK_TEXT_MAX, "%s has no %s%s%s; the policy requires it",
			hop, tier_name(r->require), offered > TIER_T0 ? ", only " : "",
			offered > TIER_T0 ? tier_name(offered) : "");
	return false;
}

static bool is_automatic(const RollbackRules *r, const RollbackFacts *f)
{
	switch (f->offered) {
	case TIER_T1: /* kubelets that moved go back first, as with T2 */
		return f->workers_touched ? r->automatic_t1 && r->automatic_t2_after
					  : r->automatic_t1;
	case TIER_T2:
		return f->workers_touched ? r->automatic_t2_after : r->automatic_t2_before;
	default:
		return false;
	}
}

static RollbackAnswer answer(RollbackDecision d, const char *fmt, ...) SL_PRINTF(2, 3);
static RollbackAnswer answer(RollbackDecision d, const char *fmt, ...)
{
	RollbackAnswer a = { .decision = d };
	va_list ap;
	va_start(ap, fmt);
	g_vsnprintf(a.text, sizeof a.text, fmt, ap);
	va_end(ap);
	return a;
}

RollbackAnswer rollback_decide(const RollbackRules *r, const RollbackFacts *f)
{
	const char *c = f->cluster, *tier = tier_name(f->offered);
	if (f->rolling_back)
		return answer(ROLLBACK_REFUSED, "a rollback is never rolled back; hold");
	if (f->offered <= TIER_T0)
		return answer(ROLLBACK_REFUSED, "no way back is offered here but to stop and hold");
	if (f->offered == TIER_T4)
		return answer(ROLLBACK_REFUSED,
			"only T4 is left (leave the cluster), which is done by people");
	if (f->paused_by)
		return answer(ROLLBACK_ASK,
			"rollback wanted, paused by %s: shiplock rollback %s, or shiplock resume "
			"%s",
			f->paused_by, c, c);
	if (f->offered == TIER_T3)
		return answer(ROLLBACK_ASK,
			"T3 loses writes and is never automatic: shiplock rollback %s%s%s", c,
			r->approval[TIER_T3] ? ", with approval " : "",
			r->approval[TIER_T3] ? r->approval[TIER_T3] : "");
	if (f->waits_for_merge)
		return answer(ROLLBACK_ASK,
			"%s needs a merge by a person, so it is not automatic: shiplock rollback "
			"%s",
			tier, c);
	if (is_automatic(r, f))
		return answer(ROLLBACK_AUTOMATIC, "%s, automatic%s", tier,
			f->workers_touched ? "" : " until workers start");
	if (f->workers_touched)
		return answer(ROLLBACK_ASK,
			"%s after the first worker moved is not automatic under this policy: "
			"shiplock "
			"rollback %s, or shiplock resume %s",
			tier, c, c);
	return answer(ROLLBACK_ASK, "%s is not automatic under this policy: shiplock rollback %s",
		tier, c);
}
