#include "fleet/changes.h"
#include "fleet/internal.h"
#include <string.h>

typedef struct Change {
	uint64_t item;
	int64_t seq;
	char *text;
} Change;

struct Changes {
	GHashTable *of; /* item -> its last Change; only looked up */
};

static void change_free(void *p)
{
	Change *c = p;
	g_free(c->text);
	g_free(c);
}

Changes *changes_new(void)
{
	Changes *c = g_new0(Changes, 1);
	c->of = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, change_free);
	return c;
}

void changes_free(Changes *c)
{
	if (!c)
		return;
	g_hash_table_unref(c->of);
	g_free(c);
}

/* Looks, notes, acts and their results are the work going on, and no news. */
static bool is_news(const Record *r, const json_t *body)
{
	static const char *const kinds[] = { "hold", "unhold", "command", "approval", "end" };
	if (strcmp(r->kind, "move") == 0)
		return strcmp(json_path_str(body, "from", ""), json_path_str(body, "to", "")) != 0;
	for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(r->kind, kinds[i]) == 0)
			return true;
	return false;
}

void changes_applied(Changes *c, const Record *r, const json_t *body, const Item *it)
{
	bool mine = it && (!item_parent(it) || item_kind(it) == &run_kind ||
				  item_kind(it) == &cluster_kind);
	if (!mine || !is_news(r, body))
		return;
	Change *change = g_new0(Change, 1);
	*change = (Change){ item_id(it), r->seq, record_text(r, body) };
	g_hash_table_replace(c->of, &change->item, change);
}

int64_t changes_seq(const Changes *c, const Item *it, const char **ret_text)
{
	int64_t seq = 0;
	for (; it; it = item_parent(it)) {
		uint64_t id = item_id(it);
		const Change *change = g_hash_table_lookup(c->of, &id);
		if (!change || change->seq <= seq)
			continue;
		seq = change->seq;
		if (ret_text)
			*ret_text = change->text;
	}
	return seq;
}
