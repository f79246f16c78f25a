/* Records told: one line for people, fields for the journal of the host, and the listener of the
 * faces. */
#include "fleet/internal.h"
#include "fleet/notice.h"
#include "fleet/results.h"
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

static char *plan_text(const json_t *b)
{
	return g_strdup_printf(
		"plan %s at %.12s becomes run %s", str(b, "plan"), str(b, "commit"), str(b, "run"));
}

static char *move_text(const json_t *b)
{
	if (strcmp(str(b, "from"), str(b, "to")) == 0)
		return g_strdup(str(b, "why"));
	return g_strdup_printf("%s -> %s: %s", str(b, "from"), str(b, "to"), str(b, "why"));
}

static char *intent_text(const json_t *b)
{
	return g_strdup_printf("%s %s is sent", str(b, "row"), str(b, "key"));
}

static char *with_words(const char *text, const char *words)
{
	return *words ? g_strdup_printf("%s: %s", text, words) : g_strdup(text);
}

static char *result_text(const json_t *b)
{
	g_autofree char *text = g_strdup_printf("%s %s", str(b, "row"), str(b, "class"));
	return with_words(text, str(b, "message"));
}

static char *look_text(const json_t *b)
{
	g_autofree char *text = g_strdup_printf("gate %s %s", str(b, "gate"), str(b, "verdict"));
	return with_words(text, str(b, "text"));
}

static char *hold_text(const json_t *b)
{
	return g_strdup_printf("held: %s", str(b, "reason"));
}

static char *unhold_text(const json_t *b)
{
	return g_strdup_printf("no longer held by %s: %s", str(b, "cause"), str(b, "why"));
}

static char *command_text(const json_t *b)
{
	g_autofree char *text = g_strdup_printf("%s by %s", str(b, "verb"), str(b, "who"));
	return with_words(text, str(b, "reason"));
}

static char *approval_text(const json_t *b)
{
	const char *reason = str(b, "reason"), *stands = str(b, "stands");
	bool glass = json_path_bool(b, "breakGlass", false);
	bool no = json_path_bool(b, "reject", false);
	return g_strdup_printf("%s%s %s %s by %s%s%s%s%s%s", glass ? "GLASS BROKEN: " : "",
		str(b, "subject"), str(b, "about"),
		no      ? "REJECTED"
		: glass ? "let through"
			: "approved",
		str(b, "who"), *reason ? ": " : "", reason, *stands && !glass && !no ? " (" : "",
		glass || no ? "" : stands, *stands && !glass && !no ? ")" : "");
}

static char *pivot_text(const json_t *b)
{
	return g_strdup_printf("point of no cheap return crossed: %s", str(b, "name"));
}

static char *end_text(const json_t *b)
{
	size_t n = json_array_size(json_object_get(b, "glass"));
	g_autofree char *glass = n ? g_strdup_printf(", GLASS WAS BROKEN (%s: %s)",
					     str(b, "glass.0.who"), str(b, "glass.0.reason"))
				   : NULL;
	return g_strdup_printf("run ended: %s%s", str(b, "end"), glass ? glass : "");
}

static char *epoch_text(const json_t *b)
{
	return g_strdup_printf("claim epoch %d", (int)json_path_int(b, "epoch", 0));
}

char *record_text(const Record *r, const json_t *body)
{
	static const struct {
		const char *kind;
		char *(*text)(const json_t *body);
	} texts[] = {
		{ "plan", plan_text },
		{ "move", move_text },
		{ "intent", intent_text },
		{ "result", result_text },
		{ "look", look_text },
		{ "hold", hold_text },
		{ "unhold", unhold_text },
		{ "command", command_text },
		{ "pivot", pivot_text },
		{ "approval", approval_text },
		{ "end", end_text },
		{ "epoch", epoch_text },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
		if (strcmp(texts[i].kind, r->kind) == 0)
			return texts[i].text(body);
	return g_strdup(r->kind);
}

static const Item *ancestor(const Item *it, const ItemKind *kind)
{
	while (it && item_kind(it) != kind)
		it = item_parent(it);
	return it;
}

static LogLevel level_of(const char *kind, const json_t *body)
{
	if (json_path_bool(body, "breakGlass", false))
		return LOG_LEVEL_WARNING;
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

static void tell_log(const Fleet *f, const FleetEvent *e)
{
	g_autofree char *seq = g_strdup_printf("%" G_GINT64_FORMAT, e->record->seq);
	const char *kind = e->record->kind;
	sl_log(f->o.log, level_of(kind, e->body),
		LOG_FIELDS({ "SHIPLOCK_RUN", e->run }, { "SHIPLOCK_CLUSTER", e->cluster },
			{ "SHIPLOCK_STATE", e->state }, { "SHIPLOCK_SEQ", seq },
			{ "MESSAGE_ID", message_id(kind) }),
		"%s%s%s", e->cluster, *e->cluster ? ": " : "", e->text);
}

/* Of an item, or of a record that names run and cluster itself. */
static void place(FleetEvent *e, const Item *it)
{
	const Item *run = it ? ancestor(it, &run_kind) : NULL;
	const Item *cluster = it ? ancestor(it, &cluster_kind) : NULL;
	e->run = run ? item_name(run) : json_path_str(e->body, "run", "");
	e->cluster = cluster ? item_name(cluster) : json_path_str(e->body, "cluster", "");
	e->state = cluster ? item_state_name(cluster) : "";
}

void fleet_tell(Fleet *f, const Record *r, const json_t *body, bool replay)
{
	const Item *it = saga_find(f->saga, (uint64_t)json_path_int(body, "item", 0));
	if (strcmp(r->kind, "end") == 0) {
		count_end(f, body);
		if (!replay)
			fleet_look_at_documents(
				f); /* a newer version of the plan may have waited for this */
	}
	if (replay && !f->o.listener)
		return;
	FleetEvent e = { .record = r, .body = body, .replay = replay };
	g_autofree char *said = record_text(r, body), *text = NULL;
	place(&e, it);
	if (it && (item_kind(it) == &notice_kind || item_kind(it) == &result_kind)) {
		e.cluster = ""; /* its site is no cluster */
		text = g_strdup_printf("%s %s: %s", item_kind(it)->name, item_name(it), said);
	}
	e.text = text ? text : said;
	if (!replay)
		tell_log(f, &e);
	if (f->o.listener)
		f->o.listener(&e, f->o.listener_ud);
}
