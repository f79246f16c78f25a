#include "sim/fault.h"
#include <string.h>

static const char *const names[SIM_FAULTS] = {
	[SIM_FAULT_OPERATOR_NEVER_AVAILABLE] = "operator-never-available",
	[SIM_FAULT_ERROR_RATE_RISE] = "error-rate-rise",
	[SIM_FAULT_PDB_ZERO] = "pdb-zero",
	[SIM_FAULT_PDB_ZERO_LATE] = "pdb-zero-late",
	[SIM_FAULT_NODE_NEVER_RETURNS] = "node-never-returns",
	[SIM_FAULT_TELEMETRY_SILENT] = "telemetry-silent",
	[SIM_FAULT_TELEMETRY_DOWN] = "telemetry-down",
	[SIM_FAULT_API_503] = "api-503",
	[SIM_FAULT_UPGRADE_REFUSED] = "upgrade-refused",
	[SIM_FAULT_CVO_RESTART] = "cvo-restart",
	[SIM_FAULT_RETRIEVED_UPDATES_FALSE] = "retrieved-updates-false",
};

const char *sim_fault_name(SimFault f)
{
	g_assert(f < SIM_FAULTS);
	return names[f];
}

static bool unknown(const char *text, GError **err)
{
	GString *all = g_string_new(names[0]);
	for (size_t i = 1; i < SIM_FAULTS; i++)
		g_string_append_printf(all, ", %s", names[i]);
	sl_fail(err, SL_ERR_INVALID, "fault %s: unknown; one of %s, with @K for the K-th cluster",
		text, all->str);
	g_string_free(all, TRUE);
	return false;
}

bool sim_fault_parse(const char *text, SimFault *ret, unsigned *ret_k, GError **err)
{
	size_t n = strcspn(text, "@");
	for (size_t i = 0; i < SIM_FAULTS; i++) {
		if (strlen(names[i]) != n || strncmp(names[i], text, n) != 0)
			continue;
		char *end = NULL;
		uint64_t k = text[n] ? g_ascii_strtoull(text + n + 1, &end, 10) : 0;
		if (text[n] && (!end || end == text + n + 1 || *end || k == 0 || k > 10000))
			return sl_fail(err, SL_ERR_INVALID,
				"fault %s: after @ stands the number of a cluster, from 1", text);
		*ret = (SimFault)i;
		*ret_k = (unsigned)k;
		return true;
	}
	return unknown(text, err);
}
