/* A manifest as a tree that keeps what JSON has no word for: styles, anchors, tags, aliases, keys
 * given twice, and the byte where each node stands. For editing in place; documents that Shiplock
 * itself reads go through yaml.h. */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef enum { NODE_SCALAR, NODE_MAPPING, NODE_SEQUENCE, NODE_ALIAS } NodeKind;
typedef enum { STYLE_PLAIN, STYLE_SINGLE, STYLE_DOUBLE, STYLE_BLOCK } NodeStyle;

/* Everything is owned by the Nodes it came from. */
typedef struct Node {
	NodeKind kind;
	NodeStyle style; /* of a scalar */
	bool flow; /* a collection in brackets */
	bool broken; /* a scalar on more than one line */
	char *text; /* a scalar's content without quotes; an alias's name */
	size_t n_text; /* may hold NUL bytes: \0 in double quotes */
	char *anchor, *tag; /* NULL where there is none */
	size_t start, end; /* bytes, with quotes and brackets; a block collection ends where its
			      last child ends; an empty value stands after its key's colon */
	int line, column; /* of start, from 1; columns in characters */
	int last_line; /* of the last byte */
	struct Node *parent, *first, *last, *next; /* a mapping's children: key, value, key ... */
	unsigned n_children;
} Node;

/* Why a text cannot be read or edited. code: a word of edit.h. Caller frees message. */
typedef struct Refusal {
	int line, column; /* 0 0: the whole file */
	const char *code;
	char *message;
} Refusal;
void refusal_clear(Refusal *r);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Refusal, refusal_clear)
/* Sets *ret to the first reason, keeps an earlier one; false. */
bool refuse_at(Refusal *ret, int line, int column, const char *code, const char *fmt, ...)
	SL_PRINTF(5, 6);
bool refuse_node(Refusal *ret, const Node *n, const char *code, const char *fmt, ...)
	SL_PRINTF(4, 5);

typedef struct Nodes Nodes;
/* NULL with *ret when the text is no YAML that this reader takes. The text is copied. */
Nodes *nodes_parse(const char *text, size_t len, Refusal *ret) SL_MUST_USE;
void nodes_free(Nodes *t); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Nodes, nodes_free)
const char *nodes_text(const Nodes *t, size_t *ret_len); /* NUL-terminated */
unsigned nodes_n_documents(const Nodes *t);
Node *nodes_document(const Nodes *t, unsigned i); /* the root; never NULL */

bool node_is_text(const Node *n, const char *text); /* a scalar without tag, any style */
/* The key that is this text, *ret_value its value; NULL when n is no mapping or has none. */
Node *node_key(const Node *n, const char *name, Node **ret_value);
/* The scalar as Kubernetes reads it: the core schema, and yes, no, on, off as booleans, which
 * YAML 1.1 has. New reference; NULL when it has no JSON form. */
json_t *node_scalar(const Node *n);
/* The whole value; NULL when an alias, an anchor, a tag, a merge key or a key given twice is in
 * it, with *ret. */
json_t *node_json(const Node *n, Refusal *ret);
