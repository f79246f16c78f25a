/* What the parts of the editor share: the request, the place it means, and the change. */
#pragma once
#include "yaml/edit.h"
#include "yaml/nodes.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Borrowed from the request. */
typedef struct Edit {
	const char *ack; /* else kind, name and at */
	const char *kind, *name, *namespace, *group;
	const char *at[EDIT_MAX_PATH];
	unsigned n_at;
	const json_t *value; /* NULL: only look */
	const json_t *expect; /* NULL: anything */
} Edit;

/* Where it is in one tree. */
typedef struct Place {
	const Nodes *tree;
	Node *map; /* the deepest mapping on the way that is there */
	unsigned depth; /* how many keys led to it */
	const char *at[EDIT_MAX_PATH]; /* the way from the object; for a literal its generator's */
	unsigned n_at;
	Node *key, *value; /* the next key on the way and its value; NULL when it is missing */
	bool literal; /* value is the list of literals (or missing, or empty) */
	const char *name; /* of the acknowledgement */
	Node *item; /* the literal of that name; NULL when it is missing */
} Place;

/* The bytes from start to end become text. */
typedef struct Splice {
	size_t start, end;
	char *text;
} Splice;

/* What one edit does to the tree: node is where the trees before and after differ. */
typedef enum { CHANGE_SCALAR, CHANGE_FILL, CHANGE_INSERT, CHANGE_REMOVE, CHANGE_EMPTY } ChangeKind;
typedef struct Change {
	ChangeKind kind;
	Node *node; /* SCALAR: the scalar; FILL: the empty value; INSERT, REMOVE, EMPTY: the mapping
		       or list */
	Node *gone; /* REMOVE, EMPTY: the key or item */
	const char *const *keys; /* FILL, INSERT: the keys from there to the value */
	unsigned n_keys;
	bool list; /* the value is the one item of a list */
	json_t *value; /* new reference */
	Splice splice[2];
	unsigned n_splices;
} Change;

void change_clear(Change *c);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Change, change_clear)

/* False with *ret: not there, more than one, or not to be edited. */
bool edit_find(const Nodes *t, const Edit *e, Place *ret_place, Refusal *ret);
/* What stands there, null for nothing; NULL with *ret. New reference. */
json_t *place_json(const Place *p, Refusal *ret);
/* The node that stands there, NULL for nothing. */
const Node *place_node(const Place *p);

/* Fills *c so that value stands at the place; the place holds something else. False with *ret. */
bool edit_plan(const Place *p, const json_t *value, Change *c, Refusal *ret);
/* The text after the splices. Caller frees. */
char *edit_apply(const Nodes *t, const Change *c, size_t *ret_len);
/* True when the two trees differ by the change and by nothing else; else with *ret. */
bool edit_prove(const Nodes *before, const Nodes *after, const Change *c, Refusal *ret);

/* How a value is written. style: of what stood there, or of its neighbours; json: everything around
 * is written as JSON, so text has double quotes. Caller frees. */
char *edit_scalar_text(const json_t *value, NodeStyle style, bool json);
