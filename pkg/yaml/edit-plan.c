#include "yaml/edit-internal.h"
#include <string.h>

enum { DEFAULT_STEP = 2 }; /* columns that a new level goes in, where the file shows none */

/* What a new key or item is written like. */
typedef struct Layout {
	const char *text;
	size_t len;
	NodeStyle style;
	bool json;
	int step;
} Layout;

void change_clear(Change *c)
{
	for (unsigned i = 0; i < c->n_splices; i++)
		g_free(c->splice[i].text);
	json_decref(c->value);
	*c = (Change){ 0 };
}

static void splice(Change *c, size_t start, size_t end, char *text)
{
	g_assert(c->n_splices < G_N_ELEMENTS(c->splice));
	c->splice[c->n_splices++] = (Splice){ start, end, text };
}

static size_t line_start(const char *text, size_t at)
{
	while (at > 0 && text[at - 1] != '\n')
		at--;
	return at;
}

/* Past the line's end; at the end of the text where the last line has none. */
static size_t line_after(const char *text, size_t len, size_t at)
{
	while (at < len && text[at] != '\n')
		at++;
	return at < len ? at + 1 : len;
}

/* How the line before this place ends, or the first one of the file. */
static const char *eol_at(const char *text, size_t len, size_t at)
{
	const char *nl = at > 0 ? memrchr(text, '\n', at) : NULL;
	if (!nl)
		nl = memchr(text, '\n', len);
	return nl && nl > text && nl[-1] == '\r' ? "\r\n" : "\n";
}

static bool only_blanks(const char *text, size_t from, size_t to)
{
	for (; from < to; from++)
		if (text[from] != ' ')
			return false;
	return true;
}

/* Nothing but blanks and a comment from here to the line's end. */
static bool ends_line(const char *text, size_t len, size_t at)
{
	while (at < len && (text[at] == ' ' || text[at] == '\t'))
		at++;
	return at == len || text[at] == '\n' || text[at] == '\r' || text[at] == '#';
}

/* The last thing written in a value. */
static const Node *last_leaf(const Node *n)
{
	while (!n->flow && n->last)
		n = n->last;
	return n;
}

/* On one line, and nothing else on it behind: a line may follow. */
static bool is_simple(const Nodes *t, const Node *n)
{
	size_t len;
	const char *text = nodes_text(t, &len);
	return !n->broken && n->last_line == n->line && ends_line(text, len, n->end);
}

/* Puts whole lines behind the line in which at stands. */
static void add_lines(const Nodes *t, Change *c, size_t at, GString *lines)
{
	size_t len;
	const char *text = nodes_text(t, &len), *eol = eol_at(text, len, at);
	size_t to = line_after(text, len, at);
	if (to == len && (len == 0 || text[len - 1] != '\n')) {
		g_string_prepend(lines, eol); /* and the new last line has no end either */
		g_string_truncate(lines, lines->len - strlen(eol));
	}
	splice(c, to, to, g_string_free(lines, FALSE));
}

static char *leaf_text(const Change *c, const Layout *l)
{
	return edit_scalar_text(c->value, l->style, l->json);
}

static char *key_text(const char *key, const Layout *l)
{
	g_autoptr(json_t) v = json_string(key);
	return edit_scalar_text(v, STYLE_PLAIN, l->json);
}

/* The keys from `from` on and the value, as lines that begin at column `indent`. */
static GString *chain_lines(
	const Change *c, unsigned from, int indent, int item_step, const Layout *l, const char *eol)
{
	GString *s = g_string_new(NULL);
	g_autofree char *leaf = leaf_text(c, l);
	for (unsigned i = from; i < c->n_keys; i++, indent += l->step) {
		g_autofree char *key = key_text(c->keys[i], l);
		bool last = i + 1 == c->n_keys && !c->list;
		g_string_append_printf(
			s, "%*s%s:%s%s%s", indent, "", key, last ? " " : "", last ? leaf : "", eol);
	}
	if (c->list)
		g_string_append_printf(s, "%*s- %s%s",
			from < c->n_keys ? indent - l->step + item_step : indent, "", leaf, eol);
	return s;
}

/* The same in brackets: k: {l: v}. */
static char *chain_flow(const Change *c, const Layout *l)
{
	GString *s = g_string_new(NULL);
	g_autofree char *leaf = leaf_text(c, l);
	for (unsigned i = 0; i < c->n_keys; i++) {
		g_autofree char *key = key_text(c->keys[i], l);
		g_string_append_printf(s, "%s%s: ", i > 0 ? "{" : "", key);
	}
	bool brackets = c->list && c->n_keys > 0;
	g_string_append_printf(s, "%s%s%s", brackets ? "[" : "", leaf, brackets ? "]" : "");
	for (unsigned i = 1; i < c->n_keys; i++)
		g_string_append_c(s, '}');
	return g_string_free(s, FALSE);
}

/* The key of a value in a mapping, NULL for items and roots. */
static const Node *key_of(const Node *value)
{
	const Node *p = value->parent;
	if (!p || p->kind != NODE_MAPPING)
		return NULL;
	for (const Node *key = p->first; key; key = key->next->next)
		if (key->next == value)
			return key;
	return NULL;
}

static Layout layout_of(const Nodes *t, const Node *map)
{
	Layout l = { .style = STYLE_PLAIN, .step = DEFAULT_STEP };
	l.text = nodes_text(t, &l.len);
	const Node *key = key_of(map), *last = map->last;
	const Node *sibling = map->kind == NODE_MAPPING && map->first ? map->first : key;
	l.json = map->flow && sibling && sibling->style == STYLE_DOUBLE;
	if (map->kind == NODE_SEQUENCE && last) {
		l.json = false;
		l.style = last->style == STYLE_BLOCK ? STYLE_PLAIN : last->style;
	}
	if (key && !map->flow && map->kind == NODE_MAPPING && map->column > key->column)
		l.step = map->column - key->column;
	return l;
}

/* How far the items of a list stand in from its key, as the list around this one shows. */
static int item_step(const Node *entry)
{
	const Node *list = entry->parent, *key = list ? key_of(list) : NULL;
	if (!key || list->kind != NODE_SEQUENCE || list->flow)
		return 0;
	return entry->column - 2 > key->column ? DEFAULT_STEP : 0;
}

/* --- into brackets --- */

static bool insert_flow(const Nodes *t, Node *in, Change *c, Refusal *ret)
{
	Layout l = layout_of(t, in);
	const Node *last = in->last;
	if (in->last_line != in->line)
		return refuse_node(ret, in, "flow",
			"a key cannot be put safely into brackets that span several lines");
	if (last && last->end == last->start)
		return refuse_node(ret, in, "flow", "the last entry in these brackets is empty");
	g_autofree char *chain = chain_flow(c, &l);
	splice(c, last ? last->end : in->start + 1, last ? last->end : in->start + 1,
		g_strconcat(last ? ", " : "", chain, NULL));
	return true;
}

/* --- into block text --- */

/* The pair behind which a new one reads best: the last that is one line; behind the last of all in
 * a mapping at the left margin. NULL: in front. */
static const Node *find_neighbour(const Nodes *t, const Node *map)
{
	const Node *best = NULL;
	for (const Node *key = map->first; key && key->next; key = key->next->next)
		if (key->line == key->next->line && is_simple(t, key->next))
			best = key->next;
	if (best == map->last)
		return best;
	bool top = !map->parent || map->parent->kind == NODE_SEQUENCE;
	const Node *leaf = last_leaf(map);
	if ((top || !best) && is_simple(t, leaf))
		return leaf;
	return best;
}

static bool insert_first(const Nodes *t, Node *map, Change *c, const Layout *l, Refusal *ret)
{
	const Node *first = map->first, *key = key_of(map);
	const char *eol = eol_at(l->text, l->len, first->start);
	size_t start = line_start(l->text, first->start);
	int indent = map->column - 1;
	GString *lines = chain_lines(c, 0, indent, 0, l, eol);
	if (key && key->line < first->line && only_blanks(l->text, start, first->start)) {
		add_lines(t, c, key->end, lines);
		return true;
	}
	if (start + (size_t)indent != first->start) {
		g_string_free(lines, TRUE);
		return refuse_node(
			ret, first, "unsafe", "there is no plain place for a new key here");
	}
	/* `- first: x`: ours takes its place, and it goes to a line of its own */
	g_string_append_printf(lines, "%*s", indent, "");
	g_string_erase(lines, 0, indent);
	splice(c, first->start, first->start, g_string_free(lines, FALSE));
	return true;
}

static bool insert_pair(const Nodes *t, Node *map, Change *c, Refusal *ret)
{
	if (map->flow)
		return insert_flow(t, map, c, ret);
	Layout l = layout_of(t, map);
	const Node *after = find_neighbour(t, map);
	if (!after)
		return insert_first(t, map, c, &l, ret);
	add_lines(t, c, after->end,
		chain_lines(c, 0, map->column - 1, item_step(map), &l,
			eol_at(l.text, l.len, after->end)));
	return true;
}

static bool insert_item(const Nodes *t, Node *list, Change *c, Refusal *ret)
{
	if (list->flow)
		return insert_flow(t, list, c, ret);
	Layout l = layout_of(t, list);
	const Node *last = list->last;
	if (!is_simple(t, last))
		return refuse_node(ret, last, "multiline", "the last literal spans several lines");
	size_t start = line_start(l.text, last->start), dash = last->start;
	while (dash > start && l.text[dash - 1] == ' ')
		dash--;
	if (dash == start || l.text[dash - 1] != '-' || !only_blanks(l.text, start, dash - 1))
		return refuse_node(
			ret, last, "unsafe", "the last literal is not on a line of its own");
	GString *line = g_string_new_len(l.text + start, (gssize)(last->start - start));
	g_autofree char *leaf = leaf_text(c, &l);
	g_string_append_printf(line, "%s%s", leaf, eol_at(l.text, l.len, last->start));
	add_lines(t, c, last->end, line);
	return true;
}

/* `key:` without a value gets one. */
static bool fill(const Nodes *t, Node *empty, Change *c, Refusal *ret)
{
	size_t len;
	const char *text = nodes_text(t, &len);
	const Node *key = key_of(empty);
	bool scalar = c->n_keys == 0 && !c->list;
	if (!key || key->parent->flow)
		return refuse_node(ret, empty, "flow", "an empty value in brackets");
	if (empty->end > empty->start && scalar) {
		splice(c, empty->start, empty->end, edit_scalar_text(c->value, STYLE_PLAIN, false));
		return true;
	}
	if (empty->end > empty->start)
		return refuse_node(ret, empty, "type", "null stands here; take the word out");
	if (text[empty->start - 1] != ':')
		return refuse_node(ret, empty, "unsafe", "no colon follows this key");
	Layout l = layout_of(t, key->parent);
	if (scalar) {
		g_autofree char *leaf = leaf_text(c, &l);
		splice(c, empty->start, empty->start, g_strconcat(" ", leaf, NULL));
		return true;
	}
	if (!ends_line(text, len, empty->start))
		return refuse_node(ret, empty, "unsafe", "something follows on this line");
	int step = c->n_keys > 0 ? l.step : item_step(key->parent);
	add_lines(t, c, empty->start,
		chain_lines(c, 0, key->column - 1 + step, 0, &l, eol_at(text, len, empty->start)));
	return true;
}

/* --- taking out --- */

static bool check_no_comment(
	const char *text, size_t from, size_t to, const Node *gone, Refusal *ret)
{
	for (size_t at = from; at < to; at = line_after(text, to, at))
		if (text[at + strspn(text + at, " \t")] == '#')
			return refuse_node(ret, gone, "unsafe",
				"a comment stands inside of what would be taken out");
	return true;
}

/* Without an end of its own the last line takes that of the line before with it. */
static size_t with_end_before(const char *text, size_t start)
{
	if (start > 0)
		start--;
	return start > 0 && text[start - 1] == '\r' ? start - 1 : start;
}

/* From the first to the last line of a key or item with its value, when they hold nothing else. */
static bool own_lines(const Nodes *t, const Node *gone, const Node *value, size_t *ret_start,
	size_t *ret_end, Refusal *ret)
{
	size_t len;
	const char *text = nodes_text(t, &len);
	const Node *leaf = last_leaf(value);
	size_t start = line_start(text, gone->start);
	size_t dash = start + strspn(text + start, " ");
	bool item = gone == value && text[dash] == '-';
	if (!only_blanks(text, item ? dash + 1 : start, gone->start))
		return refuse_node(ret, gone, "unsafe", "something else begins on this line");
	if (!is_simple(t, leaf))
		return refuse_node(ret, leaf, "multiline", "the value spans several lines");
	size_t end = line_after(text, len, leaf->end);
	if (!check_no_comment(text, line_after(text, len, start), end, gone, ret))
		return false;
	*ret_start = text[end - 1] == '\n' ? start : with_end_before(text, start);
	*ret_end = end;
	return true;
}

static bool remove_flow(Node *in, const Node *gone, const Node *value, Change *c, Refusal *ret)
{
	const Node *before = NULL;
	if (in->last_line != in->line)
		return refuse_node(ret, in, "flow",
			"nothing can be taken safely out of brackets that span several lines");
	for (const Node *n = in->first; n != gone; n = n->next)
		before = n;
	if (value->next)
		splice(c, gone->start, value->next->start, g_strdup(""));
	else
		splice(c, before ? before->end : gone->start, value->end, g_strdup(""));
	if (before && before->end == before->start)
		return refuse_node(ret, before, "flow", "an empty entry in brackets");
	return true;
}

/* `- gone: x` with another key below: that one moves up. */
static bool remove_first(
	const Nodes *t, const Node *gone, const Node *value, Change *c, Refusal *ret)
{
	size_t len;
	const char *text = nodes_text(t, &len);
	const Node *next = value->next;
	if (!is_simple(t, value) || next->line != gone->line + 1)
		return refuse_node(ret, gone, "unsafe",
			"it begins a list item and cannot be taken out safely");
	if (!only_blanks(text, line_start(text, next->start), next->start))
		return refuse_node(ret, next, "unsafe", "something else begins on this line");
	splice(c, gone->start, next->start, g_strdup(""));
	return true;
}

/* What is left of a key whose only child goes out: `key: {}`. */
static bool leave_empty(const Nodes *t, const Node *in, const Node *gone, Change *c, Refusal *ret)
{
	const char *text = nodes_text(t, NULL);
	const Node *key = key_of(in);
	size_t colon = key ? key->end + strspn(text + key->end, " ") : 0;
	if (!key || key->line == gone->line || text[colon] != ':')
		return refuse_node(ret, gone, "unsafe", "nothing else stands beside it");
	splice(c, colon + 1, colon + 1, g_strdup(in->kind == NODE_MAPPING ? " {}" : " []"));
	return true;
}

/* A mapping that is a list's item begins on the line of the dash. */
static bool begins_item(const Node *in, const Node *gone)
{
	return gone == in->first && in->kind == NODE_MAPPING && in->parent &&
	       in->parent->kind == NODE_SEQUENCE;
}

static bool take_out(const Nodes *t, Node *in, Node *gone, Node *value, Change *c, Refusal *ret)
{
	size_t start = 0, end = 0;
	c->gone = gone;
	c->node = in;
	c->kind = value->next || in->first != gone ? CHANGE_REMOVE : CHANGE_EMPTY;
	if (in->flow)
		return remove_flow(in, gone, value, c, ret);
	if (begins_item(in, gone) && value->next)
		return remove_first(t, gone, value, c, ret);
	if (!own_lines(t, gone, value, &start, &end, ret))
		return false;
	if (c->kind == CHANGE_EMPTY && !leave_empty(t, in, gone, c, ret))
		return false;
	splice(c, start, end, g_strdup(""));
	return true;
}

/* --- which of them --- */

static bool plan_literal(const Place *p, const json_t *value, Change *c, Refusal *ret)
{
	static const char *const literals[] = { "literals" };
	if (json_is_null(value))
		return take_out(p->tree, p->value, p->item, p->item, c, ret);
	g_autofree char *text = g_strconcat(p->name, "=", json_string_value(value), NULL);
	c->value = json_string(text);
	if (p->item) {
		c->kind = CHANGE_SCALAR;
		c->node = p->item;
		splice(c, p->item->start, p->item->end,
			edit_scalar_text(c->value, p->item->style, false));
		return true;
	}
	if (p->value && p->value->kind == NODE_SEQUENCE) {
		c->kind = CHANGE_INSERT;
		c->node = p->value;
		return insert_item(p->tree, p->value, c, ret);
	}
	c->list = true;
	c->kind = p->value ? CHANGE_FILL : CHANGE_INSERT;
	c->node = p->value ? p->value : p->map;
	c->keys = literals;
	c->n_keys = p->value ? 0 : 1;
	return p->value ? fill(p->tree, p->value, c, ret) : insert_pair(p->tree, p->map, c, ret);
}

static const char *type_name(const json_t *v)
{
	return json_is_string(v)    ? "text"
	       : json_is_boolean(v) ? "a boolean"
	       : json_is_integer(v) ? "a whole number"
	       : json_is_number(v)  ? "a number"
	       : json_is_array(v)   ? "a list"
	       : json_is_object(v)  ? "a mapping"
				    : "null";
}

static bool same_type(const json_t *a, const json_t *b)
{
	return json_typeof(a) == json_typeof(b) || (json_is_boolean(a) && json_is_boolean(b));
}

static bool plan_scalar(const Place *p, const json_t *before, Change *c, Refusal *ret)
{
	c->kind = CHANGE_SCALAR;
	c->node = p->value;
	if (!same_type(before, c->value))
		return refuse_node(ret, p->value, "type", "\"%s\" is %s here, not %s",
			p->at[p->n_at - 1], type_name(before), type_name(c->value));
	splice(c, p->value->start, p->value->end,
		edit_scalar_text(c->value, p->value->style, false));
	return true;
}

bool edit_plan(const Place *p, const json_t *value, Change *c, Refusal *ret)
{
	g_autoptr(json_t) before = place_json(p, ret);
	if (!before)
		return false;
	if (p->literal)
		return plan_literal(p, value, c, ret);
	bool there = p->depth + 1 == p->n_at && p->value;
	if (json_is_null(value))
		return take_out(p->tree, p->map, p->key, p->value, c, ret);
	c->value = json_incref((json_t *)value);
	if (there && !json_is_null(before))
		return plan_scalar(p, before, c, ret);
	c->keys = p->at + p->depth + (p->value ? 1 : 0);
	c->n_keys = p->n_at - p->depth - (p->value ? 1 : 0);
	c->kind = p->value ? CHANGE_FILL : CHANGE_INSERT;
	c->node = p->value ? p->value : p->map;
	return p->value ? fill(p->tree, p->value, c, ret) : insert_pair(p->tree, p->map, c, ret);
}

char *edit_apply(const Nodes *t, const Change *c, size_t *ret_len)
{
	size_t len, at = 0;
	const char *text = nodes_text(t, &len);
	GString *out = g_string_sized_new(len + 256);
	for (unsigned i = 0; i < c->n_splices; i++) {
		const Splice *s = &c->splice[i];
		g_assert(s->start >= at && s->end >= s->start && s->end <= len);
		g_string_append_len(out, text + at, (gssize)(s->start - at));
		g_string_append(out, s->text);
		at = s->end;
	}
	g_string_append_len(out, text + at, (gssize)(len - at));
	*ret_len = out->len;
	return g_string_free(out, FALSE);
}
