/* Records told: one line for people, fields for the journal of the host, and the listener of the
 * faces. */
#include "fleet/internal.h"
#include <string.h>

/* A message id of journald for each kind of record: random numbers, fixed for good. */
static const struct {
	const char *kind, *id;
} message_ids[] = {
	{ "plan", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c01" },
	{ "item", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c02" },
	{ "move", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c03" },
	{ "intent", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c04" },
	{ "result", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c05" },
	{ "look", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c06" },
	{ "hold", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c07" },
	{ "unhold", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c08" },
	{ "command", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c09" },
	{ "approval", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c0a" },
	{ "epoch", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c0b" },
	{ "pivot", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c0c" },
	{ "note", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c0d" },
	{ "end", "5b1f0d3c6a5e4c0f9a0d6f0f6a3e1c0e" },
};

static const char *message_id(const char *kind)
{
	for (size_t i = 0; i < G_N_ELEMENTS(message_ids); i++)
		if (strcmp(message_ids[i].kind, kind) == 0)
			return message_ids[i].id;
	return NULL;
}

static const char *str(const json_t *body, const char *path)
{
	return json_path_str(body, path, "");
}

char *record_text(const Record *r, const json_t *body, const Item *it)
{
	const char *k = r->kind;
	if (strcmp(k, "plan") == 0)
		return g_strdup_printf("plan %s at %.12s becomes run %s", str(body, "plan"),
			str(body, "commit"), str(body, "run"));
	if (strcmp(k, "move") == 0 && strcmp(str(body, "from"), str(body, "to")) == 0)
		return g_strdup(str(body, "why"));
	if (strcmp(k, "move") == 0)
		return g_strdup_printf(
			"%s -> %s: %s", str(body, "from"), str(body, "to"), str(body, "why"));
	if (strcmp(k, "intent") == 0)
		return g_strdup_printf("%s %s is sent", str(body, "row"), str(body, "key"));
	if (strcmp(k, "result") == 0)
		return g_strdup_printf("%s %s%s%s", str(body, "row"), str(body, "class"),
			*str(body, "message") ? ": " : "", str(body, "message"));
	if (strcmp(k, "look") == 0)
		return g_strdup_printf("gate %s %s: %s", str(body, "gate"), str(body, "verdict"),
			str(body, "text"));
	if (strcmp(k, "hold") == 0)
		return g_strdup_printf("held: %s", str(body, "reason"));
	if (strcmp(k, "unhold") == 0)
		return g_strdup_printf(
			"no longer held by %s: %s", str(body, "cause"), str(body, "why"));
	if (strcmp(k, "command") == 0)
		return g_strdup_printf("%s by %s%s%s", str(body, "verb"), str(body, "who"),
			*str(body, "reason") ? ": " : "", str(body, "reason"));
	if (strcmp(k, "approval") == 0)
		return g_strdup_printf("%s approved by %s", str(body, "subject"), str(body, "who"));
	if (strcmp(k, "pivot") == 0)
		return g_strdup_printf("point of no cheap return crossed: %s", str(body, "name"));
	if (strcmp(k, "end") == 0)
		return g_strdup_printf("run ended: %s", str(body, "end"));
	if (strcmp(k, "epoch") == 0)
		return g_strdup_printf("claim epoch %d", (int)json_path_int(body, "epoch", 0));
	return g_strdup(k);
}

static const Item *ancestor(const Item *it, const ItemKind *kind)
{
	while (it && item_kind(it) != kind)
		it = item_parent(it);
	return it;
}

static LogLevel level_of(const char *kind)
{
	if (strcmp(kind, "hold") == 0 || strcmp(kind, "end") == 0)
		return LOG_LEVEL_NOTICE;
	if (strcmp(kind, "note") == 0 || strcmp(kind, "item") == 0)
		return LOG_LEVEL_DEBUG;
	return LOG_LEVEL_INFO;
}

static void count_end(Fleet *f, const json_t *body)
{
	const char *end = str(body, "end");
	unsigned n = (unsigned)GPOINTER_TO_UINT(g_hash_table_lookup(f->ends, end));
	g_hash_table_insert(f->ends, g_strdup(end), GUINT_TO_POINTER(n + 1));
}

void fleet_tell(Fleet *f, const Record *r, const json_t *body, bool replay)
{
	const Item *it = saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0));
	const Item *run = it ? ancestor(it, &run_kind) : NULL,
		   *cluster = it ? ancestor(it, &cluster_kind) : NULL;
	if (strcmp(r->kind, "end") == 0) {
		count_end(f, body);
		if (!replay)
			fleet_look_at_documents(
				f); /* a newer version of the plan may have waited for this */
	}
	if (replay && !f->o.listener)
		return;
	g_autofree char *text = record_text(r, body, it);
	g_autofree char *seq = g_strdup_printf("%" G_GINT64_FORMAT, r->seq);
	FleetEvent e = {
		.record = r,
		.body = body,
		.run = run ? item_name(run) : json_path_str(body, "run", ""),
		.cluster = cluster ? item_name(cluster) : json_path_str(body, "cluster", ""),
		.state = cluster ? item_state_name(cluster) : "",
		.text = text,
		.replay = replay,
	};
	if (!replay)
		sl_log(f->o.log, level_of(r->kind),
			LOG_FIELDS({ "SHIPLOCK_RUN", e.run }, { "SHIPLOCK_CLUSTER", e.cluster },
				{ "SHIPLOCK_STATE", e.state }, { "SHIPLOCK_SEQ", seq },
				{ "MESSAGE_ID", message_id(r->kind) }),
			"%s%s%s", e.cluster, *e.cluster ? ": " : "", text);
	if (f->o.listener)
		f->o.listener(&e, f->o.listener_ud);
}
