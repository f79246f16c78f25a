#include "yaml/edit-internal.h"
#include <string.h>

typedef struct Proof {
	const Change *change;
	unsigned n_seen; /* how often the changed node was met: once */
	const Node *where; /* the first node of the new tree that is not as it should be */
} Proof;

static bool same_text(const char *a, const char *b)
{
	return g_strcmp0(a, b) == 0;
}

static bool differs(Proof *p, const Node *b)
{
	if (!p->where)
		p->where = b;
	return false;
}

static bool same(Proof *p, const Node *a, const Node *b);

static bool same_outside(const Node *a, const Node *b)
{
	return a->kind == b->kind && a->flow == b->flow && same_text(a->anchor, b->anchor) &&
	       same_text(a->tag, b->tag);
}

static bool is_bare(const Node *n, NodeKind kind)
{
	return n->kind == kind && !n->anchor && !n->tag;
}

static bool is_value(const Proof *p, const Node *b)
{
	g_autoptr(json_t) v = is_bare(b, NODE_SCALAR) ? node_scalar(b) : NULL;
	return v && json_equal(v, p->change->value);
}

/* b is the rest of the way and the value at its end. */
static bool is_chain(const Proof *p, const Node *b, unsigned from)
{
	const Change *c = p->change;
	for (; from < c->n_keys; from++) {
		if (!is_bare(b, NODE_MAPPING) || b->n_children != 2 ||
			!node_is_text(b->first, c->keys[from]) || !is_bare(b->first, NODE_SCALAR))
			return false;
		b = b->last;
	}
	if (c->list) {
		if (!is_bare(b, NODE_SEQUENCE) || b->n_children != 1)
			return false;
		b = b->first;
	}
	return is_value(p, b);
}

/* What one more child of a changed collection must be; *ret_next is what follows it. */
static bool is_new_child(const Proof *p, const Node *b, const Node **ret_next)
{
	const Change *c = p->change;
	if (c->node->kind == NODE_SEQUENCE) {
		*ret_next = b->next;
		return is_value(p, b);
	}
	*ret_next = b->next->next;
	return node_is_text(b, c->keys[0]) && is_bare(b, NODE_SCALAR) && is_chain(p, b->next, 1);
}

/* Past a key with its value, or an item. */
static const Node *next_entry(const Node *in, const Node *entry)
{
	return in->kind == NODE_MAPPING ? entry->next->next : entry->next;
}

static bool same_entry(Proof *p, const Node *a, const Node *x, const Node *y)
{
	return same(p, x, y) && (a->kind != NODE_MAPPING || same(p, x->next, y->next));
}

/* One entry of the old collection is gone, the rest is as it was. */
static bool same_less_one(Proof *p, const Node *a, const Node *b)
{
	const Node *x = a->first, *y = b->first;
	bool done = false;
	while (x) {
		if (x == p->change->gone) {
			x = next_entry(a, x);
			done = true;
			continue;
		}
		if (!y || !same_entry(p, a, x, y))
			return differs(p, y ? y : b);
		x = next_entry(a, x);
		y = next_entry(b, y);
	}
	return (done && !y) || differs(p, b);
}

/* One entry of the new collection is the wish, the rest is as it was. */
static bool same_plus_one(Proof *p, const Node *a, const Node *b)
{
	const Node *x = a->first, *y = b->first, *next;
	bool done = false;
	while (y) {
		if (!done && is_new_child(p, y, &next)) {
			y = next;
			done = true;
			continue;
		}
		if (!x || !same_entry(p, a, x, y))
			return differs(p, y);
		x = next_entry(a, x);
		y = next_entry(b, y);
	}
	return (done && !x) || differs(p, b);
}

static bool same_changed(Proof *p, const Node *a, const Node *b)
{
	p->n_seen++;
	switch (p->change->kind) {
	case CHANGE_SCALAR:
		return is_value(p, b) || differs(p, b);
	case CHANGE_FILL:
		return is_chain(p, b, 0) || differs(p, b);
	case CHANGE_EMPTY:
		return (is_bare(b, a->kind) && b->n_children == 0) || differs(p, b);
	case CHANGE_INSERT:
		return same_outside(a, b) ? same_plus_one(p, a, b) : differs(p, b);
	default:
		return same_outside(a, b) ? same_less_one(p, a, b) : differs(p, b);
	}
}

/* Bounded by the reader's depth. */
static bool same(Proof *p, const Node *a, const Node *b)
{
	if (a == p->change->node)
		return same_changed(p, a, b);
	if (!same_outside(a, b) || a->style != b->style || a->n_children != b->n_children ||
		a->n_text != b->n_text || (a->n_text && memcmp(a->text, b->text, a->n_text) != 0))
		return differs(p, b);
	const Node *y = b->first;
	for (const Node *x = a->first; x; x = x->next, y = y->next)
		if (!same(p, x, y))
			return differs(p, y);
	return true;
}

bool edit_prove(const Nodes *before, const Nodes *after, const Change *c, Refusal *ret)
{
	Proof p = { .change = c };
	unsigned n = nodes_n_documents(before);
	bool ok = nodes_n_documents(after) == n;
	for (unsigned i = 0; i < n && ok; i++)
		ok = same(&p, nodes_document(before, i), nodes_document(after, i));
	if (ok && p.n_seen == 1)
		return true;
	return refuse_node(ret, c->node, "unsafe",
		"the text cannot be changed here without changing something else%s",
		p.where ? "" : " (the documents would be others)");
}
