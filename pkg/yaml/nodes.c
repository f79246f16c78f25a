#include "yaml/nodes.h"
#include "yaml/events.h"
#include "yaml/text.h"
#include "yaml/yaml.h"
#include <string.h>

struct Nodes {
	char *text; /* padded */
	size_t len, bom;
	GPtrArray *documents; /* Node */
	/* while it is read */
	Node *open; /* the collection that waits for children */
	unsigned depth;
	size_t n_nodes;
	Refusal *why;
};

void refusal_clear(Refusal *r)
{
	g_free(r->message);
	*r = (Refusal){ 0 };
}

static bool refuse_valist(Refusal *ret, int line, int column, const char *code, const char *fmt,
	va_list ap) __attribute__((format(printf, 5, 0)));
static bool refuse_valist(
	Refusal *ret, int line, int column, const char *code, const char *fmt, va_list ap)
{
	if (!ret->message)
		*ret = (Refusal){ line, column, code, g_strdup_vprintf(fmt, ap) };
	return false;
}

bool refuse_at(Refusal *ret, int line, int column, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	refuse_valist(ret, line, column, code, fmt, ap);
	va_end(ap);
	return false;
}

bool refuse_node(Refusal *ret, const Node *n, const char *code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	refuse_valist(ret, n->line, n->column, code, fmt, ap);
	va_end(ap);
	return false;
}

static void node_free(Node *n)
{
	for (Node *c = n->first, *next; c; c = next) {
		next = c->next;
		node_free(c);
	}
	g_free(n->text);
	g_free(n->anchor);
	g_free(n->tag);
	g_free(n);
}

void nodes_free(Nodes *t)
{
	if (!t)
		return;
	for (unsigned i = 0; i < t->documents->len; i++)
		node_free(g_ptr_array_index(t->documents, i));
	g_ptr_array_free(t->documents, TRUE);
	g_free(t->text);
	g_free(t);
}

/* A mapping whose next child is a key. */
static bool wants_key(const Node *open)
{
	return open && open->kind == NODE_MAPPING && open->n_children % 2 == 0;
}

/* Behind the colon of the key; where no colon follows (? key, or [key]) the key's own end. */
static size_t after_colon(const Nodes *t, const Node *key)
{
	size_t at = key->end;
	while (at < t->len && (t->text[at] == ' ' || t->text[at] == '\t'))
		at++;
	return at < t->len && t->text[at] == ':' ? at + 1 : key->end;
}

static void place_mark(const Nodes *t, Node *n, struct fy_event *e)
{
	const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);
	const Node *at = t->open;
	if (from) {
		n->line = from->line + 1;
		n->column = from->column + 1;
		n->last_line = (to ? to->line : from->line) + 1;
		n->start = from->input_pos + t->bom;
		n->end = (to ? to->input_pos : from->input_pos) + t->bom;
		return;
	}
	if (at && at->kind == NODE_MAPPING && at->n_children % 2 == 1)
		at = at->last;
	n->line = n->last_line = at ? at->line : 1;
	n->column = at ? at->column : 1;
	n->start = n->end = at && at->kind == NODE_SCALAR ? after_colon(t, at) : at ? at->start : 0;
}

static char *token_text(struct fy_token *token)
{
	size_t len = 0;
	const char *s = token ? fy_token_get_text(token, &len) : NULL;
	return s ? g_strndup(s, len) : NULL;
}

static bool stop(Nodes *t, const Node *at, const char *code, const char *what)
{
	if (t->text[at->start] == '{' && t->open && t->text[t->open->start] == '{')
		return refuse_node(
			t->why, t->open, "templated", "this is a template (`{{`), no plain YAML");
	return refuse_node(t->why, at, code, "%s", what);
}

/* Hangs the node where it belongs; false when the tree may not take it. */
static bool add(Nodes *t, Node *n)
{
	if (++t->n_nodes > YAML_MAX_NODES || t->documents->len >= YAML_MAX_DOCUMENTS) {
		stop(t, n, "tooLarge", "the file holds more values than are read");
		node_free(n);
		return false;
	}
	if (wants_key(t->open) && n->kind != NODE_SCALAR && n->kind != NODE_ALIAS) {
		stop(t, n, "unsafe", "a key must be plain text");
		node_free(n);
		return false;
	}
	n->parent = t->open;
	if (!t->open) {
		g_ptr_array_add(t->documents, n);
		return true;
	}
	if (t->open->last)
		t->open->last->next = n;
	else
		t->open->first = n;
	t->open->last = n;
	t->open->n_children++;
	return true;
}

static void grow_parents(Node *n)
{
	for (Node *p = n->parent; p && p->end < n->end; p = p->parent) {
		p->end = n->end;
		p->last_line = n->last_line;
	}
}

static NodeStyle style_of(struct fy_token *token)
{
	switch (token ? fy_token_scalar_style(token) : FYSS_PLAIN) {
	case FYSS_SINGLE_QUOTED:
		return STYLE_SINGLE;
	case FYSS_DOUBLE_QUOTED:
		return STYLE_DOUBLE;
	case FYSS_LITERAL:
	case FYSS_FOLDED:
		return STYLE_BLOCK;
	default:
		return STYLE_PLAIN;
	}
}

/* The library's marks leave out the quotes and the star of an alias. */
static void widen(const Nodes *t, Node *n)
{
	char c = n->start > t->bom ? t->text[n->start - 1] : '\0';
	if (c == '\0' || !strchr("'\"*", c))
		return;
	n->start--;
	n->column--;
	if (c != '*' && t->text[n->end] == c)
		n->end++;
}

static bool on_scalar(Nodes *t, struct fy_event *e)
{
	Node *n = g_new0(Node, 1);
	struct fy_token *token = e->scalar.value;
	const char *s = token ? fy_token_get_text(token, &n->n_text) : NULL;
	place_mark(t, n, e);
	n->style = style_of(token);
	if (n->style == STYLE_SINGLE || n->style == STYLE_DOUBLE)
		widen(t, n);
	if (!s)
		n->n_text = 0;
	n->text = g_malloc(n->n_text + 1);
	memcpy(n->text, s ? s : "", n->n_text);
	n->text[n->n_text] = '\0';
	n->broken = n->style == STYLE_BLOCK || n->last_line > n->line;
	n->anchor = token_text(e->scalar.anchor);
	n->tag = token_text(e->scalar.tag);
	if (!add(t, n))
		return false;
	grow_parents(n);
	return true;
}

static bool on_alias(Nodes *t, struct fy_event *e)
{
	Node *n = g_new0(Node, 1);
	n->kind = NODE_ALIAS;
	place_mark(t, n, e);
	widen(t, n);
	n->text = token_text(e->alias.anchor);
	if (!n->text)
		n->text = g_strdup("");
	n->n_text = strlen(n->text);
	if (!add(t, n))
		return false;
	grow_parents(n);
	return true;
}

static bool on_start(Nodes *t, struct fy_event *e, NodeKind kind)
{
	Node *n = g_new0(Node, 1);
	bool map = kind == NODE_MAPPING;
	n->kind = kind;
	place_mark(t, n, e);
	n->flow = fy_event_get_node_style(e) == FYNS_FLOW;
	n->anchor = token_text(map ? e->mapping_start.anchor : e->sequence_start.anchor);
	n->tag = token_text(map ? e->mapping_start.tag : e->sequence_start.tag);
	if (!n->flow) {
		n->end = n->start;
		n->last_line = n->line;
	}
	if (t->depth == YAML_MAX_DEPTH) {
		refuse_node(t->why, n, "tooLarge", "nested deeper than %d levels", YAML_MAX_DEPTH);
		node_free(n);
		return false;
	}
	if (!add(t, n))
		return false;
	t->open = n;
	t->depth++;
	return true;
}

static bool on_end(Nodes *t, struct fy_event *e)
{
	Node *n = t->open;
	const struct fy_mark *to = fy_event_end_mark(e);
	if (n->flow && to) {
		n->end = to->input_pos + t->bom;
		n->last_line = to->line + 1;
	}
	t->open = n->parent;
	t->depth--;
	grow_parents(n);
	return true;
}

static bool on_event(struct fy_event *e, void *ud)
{
	switch (e->type) {
	case FYET_SCALAR:
		return on_scalar(ud, e);
	case FYET_ALIAS:
		return on_alias(ud, e);
	case FYET_MAPPING_START:
		return on_start(ud, e, NODE_MAPPING);
	case FYET_SEQUENCE_START:
		return on_start(ud, e, NODE_SEQUENCE);
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		return on_end(ud, e);
	default:
		return true;
	}
}

/* Charts and templates break the syntax in many ways; one text says what it is. */
static void explain_syntax(const Nodes *t, Refusal *why, int line, int column, const char *words)
{
	static const char *const marks[] = { "{{", "{%", "<%" };
	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++) {
		const char *at = strstr(t->text + t->bom, marks[i]);
		if (!at)
			continue;
		line = 1;
		column = 1;
		for (const char *p = t->text + t->bom; p < at; p++) {
			column = *p == '\n' ? 1 : column + ((*p & 0xc0) != 0x80);
			line += *p == '\n';
		}
		refuse_at(why, line, column, "templated",
			"this is a template (`%s`), no plain YAML", marks[i]);
		return;
	}
	refuse_at(why, line, column, "syntax", "%s", words);
}

Nodes *nodes_parse(const char *text, size_t len, Refusal *ret)
{
	int line, column;
	const char *why;
	g_autofree char *words = NULL;
	size_t bom = len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
	if (!yaml_text_ok(text + bom, len - bom, &line, &column, &why)) {
		const char *code = strcmp(why, "not UTF-8") == 0 ? "notUtf8"
				   : len > YAML_MAX_BYTES        ? "tooLarge"
								 : "unsafe";
		refuse_at(ret, line, column, code, "%s", why);
		return NULL;
	}
	g_autoptr(Nodes) t = g_new0(Nodes, 1);
	t->documents = g_ptr_array_new();
	t->text = g_malloc0(len + YAML_PAD);
	memcpy(t->text, text, len);
	t->len = len;
	t->bom = bom;
	t->why = ret;
	if (!yaml_events(t->text + bom, len - bom, on_event, t, &line, &column, &words)) {
		explain_syntax(t, ret, line, column, words);
		return NULL;
	}
	return ret->message ? NULL : g_steal_pointer(&t);
}

const char *nodes_text(const Nodes *t, size_t *ret_len)
{
	if (ret_len)
		*ret_len = t->len;
	return t->text;
}

unsigned nodes_n_documents(const Nodes *t)
{
	return t->documents->len;
}

Node *nodes_document(const Nodes *t, unsigned i)
{
	return g_ptr_array_index(t->documents, i);
}

bool node_is_text(const Node *n, const char *text)
{
	return n && n->kind == NODE_SCALAR && !n->tag && strlen(text) == n->n_text &&
	       memcmp(n->text, text, n->n_text) == 0;
}

Node *node_key(const Node *n, const char *name, Node **ret_value)
{
	if (!n || n->kind != NODE_MAPPING)
		return NULL;
	for (Node *key = n->first; key && key->next; key = key->next->next)
		if (node_is_text(key, name)) {
			*ret_value = key->next;
			return key;
		}
	return NULL;
}

static bool one_of(const Node *n, const char *words)
{
	g_autofree char *lower = g_ascii_strdown(n->text, (gssize)n->n_text);
	g_autofree char *want = g_strconcat(" ", lower, " ", NULL);
	return n->n_text > 0 && !strchr(lower, ' ') && strstr(words, want);
}

json_t *node_scalar(const Node *n)
{
	const char *why = NULL;
	if (n->style != STYLE_PLAIN)
		return json_stringn(n->text, n->n_text);
	if (one_of(n, " yes on y "))
		return json_true();
	if (one_of(n, " no off n "))
		return json_false();
	return yaml_plain(n->text, n->n_text, &why);
}

static json_t *mapping_json(const Node *n, Refusal *ret)
{
	json_t *object = json_object();
	for (const Node *key = n->first; key && key->next; key = key->next->next) {
		json_t *value = NULL;
		if (key->kind == NODE_ALIAS || key->tag || key->anchor)
			refuse_node(ret, key, "alias", "this key is not written out");
		else if (key->style == STYLE_PLAIN && node_is_text(key, "<<"))
			refuse_node(
				ret, key, "mergeKey", "a merge key (<<) brings in other values");
		else if (json_object_get(object, key->text))
			refuse_node(ret, key, "twice", "\"%.80s\" is given twice", key->text);
		else
			value = node_json(key->next, ret);
		if (!value || json_object_set_new(object, key->text, value) < 0) {
			json_decref(object);
			return NULL;
		}
	}
	return object;
}

static json_t *sequence_json(const Node *n, Refusal *ret)
{
	json_t *array = json_array();
	for (const Node *item = n->first; item; item = item->next) {
		json_t *value = node_json(item, ret);
		if (!value) {
			json_decref(array);
			return NULL;
		}
		json_array_append_new(array, value);
	}
	return array;
}

json_t *node_json(const Node *n, Refusal *ret)
{
	json_t *v = NULL;
	if (n->kind == NODE_ALIAS)
		refuse_node(ret, n, "alias", "*%.80s stands for a value elsewhere", n->text);
	else if (n->anchor)
		refuse_node(ret, n, "anchor",
			"the anchor &%.80s lets other places share this value", n->anchor);
	else if (n->tag)
		refuse_node(ret, n, "tag", "the tag %.80s says how this is read", n->tag);
	else if (n->kind == NODE_MAPPING)
		v = mapping_json(n, ret);
	else if (n->kind == NODE_SEQUENCE)
		v = sequence_json(n, ret);
	else if (!(v = node_scalar(n)))
		refuse_node(ret, n, "type", "this value has no plain form");
	return v;
}
