#include "providers/provider.h"
#include <string.h>

static const Provider *const providers[] = { &provider_openshift, &provider_kubeadm };

const Provider *provider_find(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(providers); i++)
		if (strcmp(providers[i]->name, name) == 0)
			return providers[i];
	return NULL;
}

void finding_add(json_t *findings, const char *level, const char *code, const char *fix,
	const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	json_t *f = json_pack("{s:s, s:s, s:s}", "level", level, "code", code, "message", text);
	if (fix)
		json_object_set_new(f, "try", json_string(fix));
	json_array_append_new(findings, f);
}

bool provider_inspects(const Item *it)
{
	return json_path_bool(item_data(item_parent(it)), "inspect", false);
}

const char *hop_key(const json_t *hop)
{
	return json_path_str(hop, "key", json_path_str(hop, "to", ""));
}

static char *pivot_name(const Item *it, const char *pivot)
{
	return g_strdup_printf("%s:%s", pivot, hop_key(json_object_get(item_memo(it), "hop")));
}

bool hop_crossed(const Item *it, const char *pivot)
{
	g_autofree char *name = pivot_name(it, pivot);
	return item_pivot_crossed(it, name);
}

void hop_cross(Batch *b, Item *it, const char *pivot)
{
	g_autofree char *name = pivot_name(it, pivot);
	batch_pivot(b, it, name);
}

bool findings_block(const json_t *findings)
{
	size_t i;
	json_t *f;
	json_array_foreach (findings, i, f)
		if (strcmp(json_path_str(f, "level", ""), "block") == 0)
			return true;
	return false;
}

void rollback_offer_clear(RollbackOffer *o)
{
	g_free(o->target);
	g_free(o->how);
	g_free(o->expires);
	*o = (RollbackOffer){ 0 };
}

void found_clear(Found *f)
{
	json_decref(f->hop);
	g_free(f->text);
	*f = (Found){ 0 };
}

const char *found_name(FoundClass c)
{
	static const char *const names[] = {
		[FOUND_NOTHING] = "nothing",
		[FOUND_CONTROL_PLANE] = "control-plane",
		[FOUND_BEFORE_NODES] = "before-nodes",
		[FOUND_NODES] = "nodes",
		[FOUND_DONE] = "done",
		[FOUND_BACK] = "back",
		[FOUND_FOREIGN] = "foreign",
	};
	return names[c];
}
