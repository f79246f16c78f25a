/* A look without a plan: the preflight's findings and what else a stranger asks, as a memo. */
#include "steps/internal.h"
#include <string.h>

static bool has_code(const json_t *finding, const char *code)
{
	return strcmp(json_path_str(finding, "code", ""), code) == 0;
}

/* Who only looks has no use for a list of rights that he lacks: one remark of them all. */
static json_t *fold_rights(const Item *it, const json_t *findings, size_t n_needed)
{
	json_t *out = json_array(), *f;
	const char *first = NULL;
	size_t i, n = 0;
	g_autofree char *fix = g_strdup_printf(
		"with documents, shiplock rbac --cluster %s prints what to grant", item_name(it));
	json_array_foreach (findings, i, f) {
		if (has_code(f, "rbac")) {
			first = n++ ? first : json_path_str(f, "message", "");
			continue;
		}
		json_array_append(out, f);
	}
	if (n > 0)
		finding_add(out, "info", "rbac", fix,
			"an upgrade with this identity lacks %zu of %zu rights: %s%s", n, n_needed,
			first, n > 1 ? ", and others" : "");
	return out;
}

/* A server that gives no version gives nothing else either: one finding says so. Otherwise what
 * could not be read is not judged, which is no reason to stop by itself. */
static json_t *fold_unreadable(const json_t *findings, bool has_version)
{
	json_t *out = json_array(), *f;
	bool told = false;
	size_t i;
	json_array_foreach (findings, i, f) {
		bool unreadable = has_code(f, "unreadable");
		if (unreadable && has_version)
			json_object_set_new(f, "level", json_string("warn"));
		if (!has_version && (told || !unreadable) && !has_code(f, "provider"))
			continue;
		told = told || unreadable;
		json_array_append(out, f);
	}
	return out;
}

static size_t n_rights(const Target *t)
{
	g_autoptr(json_t) rights = rights_of(t->provider->rights, target_spec(t));
	return json_array_size(rights);
}

StepResult inspect_tick(Item *it, Batch *b)
{
	if (!provider_recognise(it))
		return step_read(it);
	const Provider *p = target_of(it)->provider;
	g_autoptr(json_t) all = json_array(), report = json_object();
	bool read = p->preflight(it, all);
	read = p->inspect(it, report) && read;
	if (!read)
		return step_read(it);
	g_autoptr(json_t) rest = fold_rights(it, all, n_rights(target_of(it)));
	json_object_set_new(report, "findings",
		fold_unreadable(rest, json_path_str(report, "version", NULL) != NULL));
	batch_move_memo(b, it, CL_ENDED,
		json_pack("{s:s, s:O}", "outcome", "Inspected", "inspect", report), "looked at");
	return (StepResult){ .verb = STEP_ACT };
}
