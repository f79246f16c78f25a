#include "yaml/edit-internal.h"
#include <string.h>

typedef struct Search {
	const Nodes *tree;
	const Edit *edit;
	Node *object; /* what was found */
	Node *entry; /* an acknowledgement: the generator, when it stands in a kustomization */
	Refusal *why;
	Refusal doubt; /* something that could be the object but cannot be told */
} Search;

/* The key, once; false with a reason when it stands there twice. */
static bool key_once(
	const Node *map, const char *name, Node **ret_key, Node **ret_value, Refusal *ret)
{
	*ret_key = node_key(map, name, ret_value);
	if (!*ret_key) {
		*ret_value = NULL;
		return true;
	}
	for (const Node *key = (*ret_key)->next->next; key && key->next; key = key->next->next)
		if (node_is_text(key, name))
			return refuse_node(ret, key, "twice",
				"\"%s\" is given twice; first in line %d", name, (*ret_key)->line);
	return true;
}

static bool is_merge(const Node *key)
{
	return key->style == STYLE_PLAIN && node_is_text(key, "<<");
}

/* Nothing about this mapping comes from elsewhere or goes elsewhere. */
static bool check_plain(const Node *map, Refusal *ret)
{
	if (map->kind == NODE_ALIAS)
		return refuse_node(
			ret, map, "alias", "*%.80s stands for a value elsewhere", map->text);
	if (map->anchor)
		return refuse_node(ret, map, "anchor",
			"the anchor &%.80s lets other places share this value", map->anchor);
	if (map->tag)
		return refuse_node(
			ret, map, "tag", "the tag %.80s says how this is read", map->tag);
	if (map->kind != NODE_MAPPING)
		return true;
	for (const Node *key = map->first; key && key->next; key = key->next->next)
		if (is_merge(key))
			return refuse_node(ret, key, "mergeKey",
				"a merge key (<<) brings in other values here");
		else if (key->kind == NODE_ALIAS || key->tag || key->anchor)
			return refuse_node(ret, key, "alias", "this key is not written out");
	return true;
}

typedef enum { MATCH_NO, MATCH_YES, MATCH_UNKNOWN } Match;

static Match match_text(const Node *map, const char *key, const char *want, bool absent_is_fine)
{
	Node *value = NULL;
	if (!map || map->kind == NODE_ALIAS)
		return MATCH_UNKNOWN;
	if (!node_key(map, key, &value)) {
		for (const Node *k = map->first; k && k->next; k = k->next->next)
			if (is_merge(k) || k->kind == NODE_ALIAS)
				return MATCH_UNKNOWN;
		return absent_is_fine ? MATCH_YES : MATCH_NO;
	}
	if (value->kind == NODE_ALIAS || value->tag)
		return MATCH_UNKNOWN;
	return node_is_text(value, want) ? MATCH_YES : MATCH_NO;
}

static Match match_group(const Node *object, const char *group)
{
	Node *value = NULL;
	if (!group)
		return MATCH_YES;
	if (!node_key(object, "apiVersion", &value))
		return match_text(object, "apiVersion", "", true);
	if (value->kind != NODE_SCALAR || value->tag)
		return MATCH_UNKNOWN;
	const char *slash = strchr(value->text, '/');
	size_t len = slash ? (size_t)(slash - value->text) : 0;
	return strlen(group) == len && memcmp(value->text, group, len) == 0 ? MATCH_YES : MATCH_NO;
}

static Match match_object(const Node *object, const Edit *e)
{
	static const Node none = { .kind = NODE_MAPPING };
	Node *meta = NULL;
	if (object->kind == NODE_ALIAS)
		return MATCH_UNKNOWN;
	if (object->kind != NODE_MAPPING)
		return MATCH_NO;
	const Node *in = node_key(object, "metadata", &meta) ? meta : &none;
	const Match all[] = {
		match_text(object, "kind", e->kind, false),
		match_group(object, e->group),
		match_text(in, "name", e->name, false),
		e->namespace ? match_text(in, "namespace", e->namespace, true) : MATCH_YES,
	};
	Match m = MATCH_YES;
	for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
		if (all[i] == MATCH_NO)
			return MATCH_NO;
		m = MAX(m, all[i]);
	}
	return m;
}

static bool found(Search *s, Node *object, Node *entry)
{
	if (s->object)
		return refuse_node(s->why, object, "twice",
			"this is the second of its kind and name; the first stands in line %d",
			s->object->line);
	s->object = object;
	s->entry = entry;
	return true;
}

static bool look_object(Search *s, Node *object)
{
	switch (match_object(object, s->edit)) {
	case MATCH_YES:
		return found(s, object, NULL);
	case MATCH_UNKNOWN:
		refuse_node(&s->doubt, object, "alias",
			"an alias or merge key hides whether this is the %s", s->edit->kind);
		return true;
	default:
		return true;
	}
}

static bool is_kustomization(const Node *doc)
{
	static const char *const marks[] = { "resources", "bases", "patches", "components",
		"configMapGenerator", "patchesStrategicMerge" };
	Node *kind = NULL;
	if (node_key(doc, "kind", &kind))
		return node_is_text(kind, "Kustomization") || node_is_text(kind, "Component");
	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
		if (node_key(doc, marks[i], &kind))
			return true;
	return false;
}

static bool look_generator(Search *s, Node *doc)
{
	Node *list = NULL;
	if (!node_key(doc, "configMapGenerator", &list))
		return true;
	if (list->kind == NODE_ALIAS)
		return check_plain(list, s->why);
	for (Node *entry = list->kind == NODE_SEQUENCE ? list->first : NULL; entry;
		entry = entry->next) {
		Match name = match_text(entry, "name", s->edit->name, false);
		Match space = match_text(entry, "namespace", s->edit->namespace, true);
		if (name == MATCH_NO || space == MATCH_NO || entry->kind == NODE_SCALAR)
			continue;
		if (name == MATCH_UNKNOWN || space == MATCH_UNKNOWN)
			refuse_node(&s->doubt, entry, "alias",
				"an alias hides whether this generates %s", s->edit->name);
		else if (!found(s, entry, entry))
			return false;
	}
	return true;
}

/* Text that would put the object's values in from elsewhere: a patch names its kind. */
static const Node *find_mention(const Node *n, const char *kind)
{
	if (n->kind == NODE_SCALAR && strstr(n->text, kind))
		return n;
	for (const Node *c = n->first; c; c = c->next) {
		const Node *hit = find_mention(c, kind);
		if (hit)
			return hit;
	}
	return NULL;
}

static void doubt_patches(Search *s, const Node *doc)
{
	static const char *const places[] = { "patches", "patchesStrategicMerge", "patchesJson6902",
		"replacements" };
	Node *list = NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
		const Node *hit =
			node_key(doc, places[i], &list) ? find_mention(list, s->edit->kind) : NULL;
		if (hit)
			refuse_node(&s->doubt, hit, "patched",
				"a patch of this kustomization sets the %s; name a file that holds "
				"the object itself, or the patch as a file of its own",
				s->edit->kind);
	}
}

static void doubt_json_patch(Search *s, const Node *doc)
{
	Node *value = NULL;
	for (const Node *item = doc->first; item; item = item->next)
		if (node_key(item, "op", &value) && node_key(item, "path", &value))
			refuse_node(&s->doubt, item, "patched",
				"this is a list of JSON patches; name a file that holds the "
				"object");
}

static bool look_document(Search *s, Node *doc)
{
	Node *items = NULL, *kind = NULL;
	if (doc->kind == NODE_SEQUENCE)
		doubt_json_patch(s, doc);
	if (doc->kind != NODE_MAPPING)
		return true;
	if (is_kustomization(doc)) {
		if (s->edit->ack)
			return look_generator(s, doc);
		doubt_patches(s, doc);
		return true;
	}
	bool list = node_key(doc, "kind", &kind) && kind->kind == NODE_SCALAR &&
		    g_str_has_suffix(kind->text, "List") && node_key(doc, "items", &items);
	if (!list)
		return look_object(s, doc);
	if (items->kind == NODE_ALIAS)
		return check_plain(items, s->why);
	for (Node *item = items->kind == NODE_SEQUENCE ? items->first : NULL; item;
		item = item->next)
		if (!look_object(s, item))
			return false;
	return true;
}

/* A header that says so means it. */
static bool check_generated(const Nodes *t, Refusal *ret)
{
	enum { HEADER_LINES = 20 };
	const char *p = nodes_text(t, NULL);
	for (int line = 1; line <= HEADER_LINES && p; line++) {
		const char *end = strchr(p, '\n'), *start = p + strspn(p, " ");
		g_autofree char *text = end ? g_strndup(p, (gsize)(end - p)) : g_strdup(p);
		if (*start == '#' && strstr(text, "DO NOT EDIT"))
			return refuse_at(ret, line, 1, "generated",
				"the file says that it is generated (DO NOT EDIT); change what it "
				"is made from");
		p = end ? end + 1 : NULL;
	}
	return true;
}

/* Everything from the document down to the object, and its identity, must be plain. */
static bool check_way(const Node *object, Refusal *ret)
{
	Node *key, *value, *meta = NULL;
	for (const Node *n = object; n; n = n->parent)
		if (!check_plain(n, ret))
			return false;
	static const char *const names[] = { "kind", "apiVersion", "metadata", "spec", "data" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (!key_once(object, names[i], &key, &value, ret))
			return false;
	return !node_key(object, "metadata", &meta) ||
	       (key_once(meta, "name", &key, &value, ret) &&
		       key_once(meta, "namespace", &key, &value, ret));
}

/* Follows the keys as far as they go. */
static bool walk(Place *p, Refusal *ret)
{
	for (p->depth = 0;; p->depth++) {
		if (!check_plain(p->map, ret) ||
			!key_once(p->map, p->at[p->depth], &p->key, &p->value, ret))
			return false;
		if (!p->key || p->depth + 1 == p->n_at)
			return true;
		if (p->value->kind == NODE_SCALAR && !p->value->tag) {
			g_autoptr(json_t) v = node_scalar(p->value);
			if (json_is_null(v) && !p->value->anchor)
				return true;
			return refuse_node(
				ret, p->value, "type", "\"%s\" is no mapping", p->at[p->depth]);
		}
		if (!check_plain(p->value, ret))
			return false;
		if (p->value->kind != NODE_MAPPING)
			return refuse_node(
				ret, p->value, "type", "\"%s\" is no mapping", p->at[p->depth]);
		p->map = p->value;
	}
}

static bool is_literal_of(const Node *item, const char *ack)
{
	size_t n = strlen(ack);
	return item->kind == NODE_SCALAR && item->n_text > n && memcmp(item->text, ack, n) == 0 &&
	       item->text[n] == '=';
}

/* Literals are all there is in this generator, and they are a list. */
static bool check_generator(const Place *p, Refusal *ret)
{
	static const char *const others[] = { "envs", "env", "files" };
	const Node *list = p->value;
	Node *other = NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
		Node *key = node_key(p->map, others[i], &other);
		if (key)
			return refuse_node(ret, key, "generated",
				"this generator also reads files (%s), which may hold the "
				"acknowledgement",
				others[i]);
	}
	if (!list)
		return true;
	if (list->kind == NODE_MAPPING || (list->kind == NODE_SCALAR && list->n_text > 0))
		return refuse_node(ret, list, "type", "\"literals\" is no list");
	return check_plain(list, ret);
}

static bool find_literal(Place *p, Refusal *ret)
{
	if (!check_generator(p, ret))
		return false;
	for (Node *item = p->value ? p->value->first : NULL; item; item = item->next) {
		if (item->kind != NODE_SCALAR || item->tag || item->anchor)
			return refuse_node(ret, item, item->kind == NODE_ALIAS ? "alias" : "type",
				"this literal is not written out as text");
		if (!is_literal_of(item, p->name))
			continue;
		if (p->item)
			return refuse_node(ret, item, "twice",
				"\"%s\" is given twice; first in line %d", p->name, p->item->line);
		p->item = item;
	}
	return true;
}

/* The scalar itself: written out, on one line, no template. */
static bool check_value(const Place *p, const Node *n, Refusal *ret)
{
	static const char *const marks[] = { "{{", "${", "$(", "<%", "<path:", "%{" };
	const char *text = nodes_text(p->tree, NULL);
	g_autofree char *raw = g_strndup(text + n->start, n->end - n->start);
	for (size_t i = 0; i < G_N_ELEMENTS(marks); i++)
		if (strstr(raw, marks[i]))
			return refuse_node(ret, n, "templated",
				"a template puts this value in (`%s`)", marks[i]);
	if (n->kind != NODE_SCALAR)
		return true;
	if (n->broken)
		return refuse_node(
			ret, p->literal ? n : p->key, "multiline", "the value spans several lines");
	return true;
}

static bool check_found(Place *p, Refusal *ret)
{
	const Node *n = place_node(p);
	if (!n)
		return true;
	g_autoptr(json_t) v = node_json(n, ret); /* names alias, anchor, tag ... below */
	return v && check_value(p, n, ret);
}

static bool search_all(Search *s)
{
	for (unsigned i = 0; i < nodes_n_documents(s->tree); i++)
		if (!look_document(s, nodes_document(s->tree, i)))
			return false;
	if (s->doubt.message && !s->why->message)
		*s->why = (Refusal){ s->doubt.line, s->doubt.column, s->doubt.code,
			g_steal_pointer(&s->doubt.message) };
	if (s->why->message)
		return false;
	if (!s->object)
		return refuse_at(s->why, 0, 0, "notFound",
			s->edit->ack ? "holds neither ConfigMap %s%s nor a generator of it"
				     : "holds no %s \"%s\"",
			s->edit->ack ? s->edit->name : s->edit->kind,
			s->edit->ack ? "" : s->edit->name);
	return true;
}

bool edit_find(const Nodes *t, const Edit *e, Place *ret_place, Refusal *ret)
{
	Search s = { .tree = t, .edit = e, .why = ret };
	bool ok = check_generated(t, ret) && search_all(&s) && check_way(s.object, ret);
	refusal_clear(&s.doubt);
	if (!ok)
		return false;
	*ret_place = (Place){ .tree = t, .map = s.object, .literal = s.entry, .name = e->ack };
	if (s.entry)
		ret_place->at[ret_place->n_at++] = "literals";
	else if (e->ack)
		ret_place->at[ret_place->n_at++] = "data";
	if (e->ack && !s.entry)
		ret_place->at[ret_place->n_at++] = e->ack;
	for (unsigned i = 0; i < e->n_at; i++)
		ret_place->at[ret_place->n_at++] = e->at[i];
	return walk(ret_place, ret) && (!s.entry || find_literal(ret_place, ret)) &&
	       check_found(ret_place, ret);
}

const Node *place_node(const Place *p)
{
	if (p->literal)
		return p->item;
	return p->depth + 1 == p->n_at ? p->value : NULL;
}

json_t *place_json(const Place *p, Refusal *ret)
{
	const Node *n = place_node(p);
	if (!n)
		return json_null();
	if (!p->literal)
		return node_json(n, ret);
	/* as kustomize reads it: quotes around the value are not part of it */
	const char *v = n->text + strlen(p->name) + 1;
	size_t len = strlen(v);
	bool quoted = len > 1 && (*v == '"' || *v == '\'') && v[len - 1] == *v;
	return json_stringn(v + quoted, len - 2 * quoted);
}
