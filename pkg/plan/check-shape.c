/* The walk over a document by the tables: types, unknown and missing fields, alternatives,
 * defaults, and what has no effect yet. */
#include "plan/check.h"
#include "plan/value.h"
#include <string.h>

enum { SHOWN_MAX = 60 };

static json_t *walk(Checker *c, const Shape *s, json_t *v);

static void report_steps(
	Checker *c, const DocStep *steps, size_t n, const Finding *base, bool at_key)
{
	if (c->n_found == CHECK_MAX_FINDINGS && base->level == FINDING_ERROR) {
		c->n_found++;
		Finding more = { .level = FINDING_ERROR,
			.file = doc_file(c->doc),
			.line = G_MAXINT,
			.kind = doc_kind(c->doc),
			.name = doc_name(c->doc),
			.code = base->code,
			.message = "more errors in this document are not shown" };
		DocPlace start = doc_place(c->doc, NULL, 0, false);
		more.line = start.line;
		more.column = start.column;
		findings_add(c->out, &more);
	}
	if (c->n_found > CHECK_MAX_FINDINGS)
		return;
	c->n_found++;
	DocPlace at = doc_place(c->doc, steps, n, at_key);
	g_autofree char *path = doc_path_text(steps, n);
	Finding f = *base;
	f.file = doc_file(c->doc);
	f.line = at.line;
	f.column = at.column;
	f.kind = doc_kind(c->doc);
	f.name = doc_name(c->doc);
	f.path = path;
	findings_add(c->out, &f);
}

void check_report_here(Checker *c, FindingLevel level, const char *code, bool at_key,
	const char *message, const char *hint)
{
	Finding f = { .level = level, .code = code, .message = message, .hint = hint };
	report_steps(c, c->steps, c->n_steps, &f, at_key);
}

/* Path of a container inside a tree, by identity. */
static bool find_path(
	const json_t *v, const json_t *wanted, DocStep *steps, size_t depth, size_t *ret_n)
{
	if (v == wanted) {
		*ret_n = depth;
		return true;
	}
	const char *key;
	json_t *child;
	size_t i;
	if (depth + 2 >= DOC_MAX_STEPS)
		return false;
	json_object_foreach ((json_t *)v, key, child) {
		steps[depth] = (DocStep){ .key = key };
		if ((json_is_object(child) || json_is_array(child)) &&
			find_path(child, wanted, steps, depth + 1, ret_n))
			return true;
	}
	json_array_foreach (v, i, child) {
		steps[depth] = (DocStep){ .index = i };
		if ((json_is_object(child) || json_is_array(child)) &&
			find_path(child, wanted, steps, depth + 1, ret_n))
			return true;
	}
	return false;
}

void check_report(Checker *c, At at, const char *fmt, ...)
{
	DocStep steps[DOC_MAX_STEPS];
	size_t n = 0;
	if (!find_path(doc_full(c->doc), at.parent, steps, 0, &n))
		n = 0;
	if (at.key)
		steps[n++] = (DocStep){ .key = at.key };
	else if (at.at_item)
		steps[n++] = (DocStep){ .index = at.index };
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *message = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	Finding f = { .level = at.level,
		.code = at.code,
		.where = at.where,
		.message = message,
		.hint = at.hint };
	report_steps(c, steps, n, &f, at.at_key);
}

/* A value as people wrote it: text in quotes, numbers as in the source (4.20 is no 4.2). */
static char *written_text(Checker *c, const json_t *v)
{
	if (json_is_string(v)) {
		g_autofree char *cut = g_strdup(json_string_value(v));
		if (g_utf8_strlen(cut, -1) > SHOWN_MAX) {
			*g_utf8_offset_to_pointer(cut, SHOWN_MAX) = '\0';
			return g_strdup_printf("\"%s…\"", cut);
		}
		return g_strdup_printf("\"%s\"", g_strdelimit(cut, "\n\r", ' '));
	}
	DocPlace at = doc_place(c->doc, c->steps, c->n_steps, false);
	char *source = doc_source(c->doc, at);
	return source ? source : json_canonical(v);
}

static bool is_later(const Shape *s, const json_t *v)
{
	const char *text = json_string_value(v);
	if (s->kind != SHAPE_ENUM || !text)
		return false;
	for (const Choice *x = s->choices; x->name; x++)
		if (strcmp(x->name, text) == 0)
			return x->status == CHOICE_LATER;
	return false;
}

static void report_later(Checker *c, const char *what)
{
	g_autofree char *path = doc_path_text(c->steps, c->n_steps);
	bool ours = strcmp(doc_kind(c->doc), "ControllerConfig") == 0;
	g_autofree char *message = g_strdup_printf("%s has no effect in this version%s", what,
		ours ? "" : ": a run that uses it is refused");
	doc_add_later(c->doc, path);
	check_report_here(c, FINDING_NOTICE, CODE_LATER, true, message, NULL);
}

static json_t *walk_value(Checker *c, const Shape *s, json_t *v)
{
	Problem p = { 0 };
	bool simple = json_is_string(v) || json_is_number(v) || json_is_boolean(v);
	/* Nearly every value fits: only one that does not costs a look at the source. */
	if (!value_ok(c->zones, s, v, "", &p)) {
		g_clear_pointer(&p.message, g_free);
		g_clear_pointer(&p.hint, g_free);
		g_autofree char *written = simple ? written_text(c, v) : NULL;
		value_ok(c->zones, s, v, written ? written : "", &p);
		check_report_here(c, FINDING_ERROR, p.code, false, p.message, p.hint);
	} else if (is_later(s, v)) {
		report_later(c, json_string_value(v));
	}
	g_free(p.message);
	g_free(p.hint);
	return json_incref(v);
}

static const Field *unique_field(const Shape *item)
{
	for (const Field *f = item->fields; f && f->name; f++)
		if (f->flags & FIELD_UNIQUE)
			return f;
	return NULL;
}

/* seen: name -> index + 1 of its first entry. */
static void check_unique(Checker *c, const Field *f, json_t *item, size_t i, GHashTable *seen)
{
	const char *name = json_string_value(json_object_get(item, f->name));
	if (!name)
		return;
	size_t first = GPOINTER_TO_SIZE(g_hash_table_lookup(seen, name));
	if (first == 0) {
		g_hash_table_insert(seen, (char *)name, GSIZE_TO_POINTER(i + 1));
		return;
	}
	c->steps[c->n_steps++] = (DocStep){ .key = f->name };
	g_autofree char *message =
		g_strdup_printf("\"%s\" is used twice; first in entry [%zu]", name, first - 1);
	check_report_here(c, FINDING_ERROR, CODE_DUPLICATE, false, message, NULL);
	c->n_steps--;
}

static json_t *walk_list(Checker *c, const Shape *s, json_t *v)
{
	if (!json_is_array(v)) {
		g_autofree char *hint = json_is_string(v) ? written_text(c, v) : NULL;
		g_autofree char *text =
			hint ? g_strdup_printf("write [%.*s]", (int)strlen(hint) - 2, hint + 1)
			     : NULL;
		check_report_here(c, FINDING_ERROR, CODE_TYPE, false, "is not a list", text);
		return json_incref(v);
	}
	if (json_array_size(v) < (size_t)s->min)
		check_report_here(
			c, FINDING_ERROR, CODE_VALUE, false, "needs at least one entry", NULL);
	const Field *unique = unique_field(s->item);
	GHashTable *seen = unique ? g_hash_table_new(g_str_hash, g_str_equal) : NULL;
	json_t *out = json_array(), *item;
	size_t i;
	json_array_foreach (v, i, item) {
		c->steps[c->n_steps++] = (DocStep){ .index = i };
		json_array_append_new(out, walk(c, s->item, item));
		if (unique)
			check_unique(c, unique, item, i, seen);
		c->n_steps--;
	}
	g_clear_pointer(&seen, g_hash_table_destroy);
	return out;
}

static void check_map_value(Checker *c, const json_t *v)
{
	Problem p = { 0 };
	if (json_is_string(v) && json_string_length(v) == 0)
		return;
	if (json_is_null(v)) {
		check_report_here(c, FINDING_ERROR, CODE_TYPE, true, "has no value",
			"write \"\" for an empty text");
		return;
	}
	g_autofree char *written = json_is_string(v) ? NULL : written_text(c, v);
	if (!value_ok(c->zones, &shape_text, v, written, &p))
		check_report_here(c, FINDING_ERROR, p.code, false, p.message, p.hint);
	g_free(p.message);
	g_free(p.hint);
}

#define LABEL_HINT "use letters, digits, \"-\", \"_\" and \".\", at most 63"

static void check_label(Checker *c, const char *key, const json_t *v)
{
	const char *text = json_string_value(v);
	if (!doc_label_key_ok(key)) {
		check_report_here(c, FINDING_ERROR, CODE_VALUE, true, "is not a valid label name",
			LABEL_HINT);
	} else if (text && !doc_label_value_ok(text)) {
		g_autofree char *written = written_text(c, v);
		g_autofree char *message =
			g_strdup_printf("%s is not a valid label value", written);
		check_report_here(c, FINDING_ERROR, CODE_VALUE, false, message, LABEL_HINT);
	}
}

static json_t *walk_map(Checker *c, const Shape *s, json_t *v)
{
	if (!json_is_object(v)) {
		check_report_here(c, FINDING_ERROR, CODE_TYPE, false, "is not a mapping",
			"write {name: text}");
		return json_incref(v);
	}
	const char *key;
	json_t *item;
	json_object_foreach (v, key, item) {
		c->steps[c->n_steps++] = (DocStep){ .key = key };
		check_map_value(c, item);
		if (s->kind == SHAPE_LABELS)
			check_label(c, key, item);
		else if (*key == '\0')
			check_report_here(c, FINDING_ERROR, CODE_VALUE, true, "has no name", NULL);
		c->n_steps--;
	}
	return json_incref(v);
}

/* A default is text as people would write it; lists and objects are JSON. */
static json_t *default_value(const Field *f)
{
	switch (f->shape->kind) {
	case SHAPE_LIST:
	case SHAPE_OBJECT:
	case SHAPE_MAP:
		return json_loads(f->def, 0, NULL);
	case SHAPE_INT:
		return json_integer(g_ascii_strtoll(f->def, NULL, 10));
	case SHAPE_BOOL:
		return json_boolean(strcmp(f->def, "true") == 0);
	default:
		return json_string(f->def);
	}
}

/* Which fields of an object are given, by their row; no table is longer. */
typedef uint64_t Given;
enum { FIELDS_MAX = 64 };

static void fill_defaults(const Shape *s, json_t *full, Given given)
{
	for (size_t i = 0; s->fields && s->fields[i].name; i++) {
		const Field *f = &s->fields[i];
		if (!f->def || given & ((Given)1 << i))
			continue;
		json_t *v = default_value(f);
		if (f->shape->kind == SHAPE_OBJECT)
			fill_defaults(f->shape, v, 0);
		json_object_set_new_nocheck(full, f->name, v);
	}
}

static void check_later(Checker *c, const Field *f, const json_t *v)
{
	if (!(f->flags & FIELD_LATER))
		return;
	json_t *def = f->def ? default_value(f) : NULL;
	bool same = def && json_equal(def, v);
	json_decref(def);
	if (!same)
		report_later(c, f->name);
}

/* A key that the table does not know. Returns the field it was likely meant to be. */
static const Field *report_unknown(Checker *c, const Shape *s, const char *key)
{
	Nearest near = { .wanted = key };
	GString *all = g_string_new("known are ");
	unsigned n = 0;
	for (const Field *f = s->fields; f->name; f++, n++) {
		nearest_try(&near, f->name);
		g_string_append_printf(all, "%s%s", n ? ", " : "", f->name);
	}
	g_autofree char *hint = g_string_free(all, FALSE);
	if (near.best || n > 9) {
		g_free(hint);
		hint = near.best ? g_strdup_printf("did you mean \"%s\"?", near.best) : NULL;
	}
	check_report_here(c, FINDING_ERROR, CODE_UNKNOWN, true, "unknown field", hint);
	return near.best ? field_find(s, near.best) : NULL;
}

static void report_missing(Checker *c, const Field *f)
{
	c->steps[c->n_steps++] = (DocStep){ .key = f->name };
	check_report_here(c, FINDING_ERROR, CODE_MISSING, false, "is missing", NULL);
	c->n_steps--;
}

/* given: first and second alternative that are there; typo: some unknown field may have meant
 * one. */
static void check_alternatives(Checker *c, const Shape *s, const Field *const given[2], bool typo)
{
	g_autofree char *message = NULL;
	if (!s->one_of || (given[0] && !given[1]) || (!given[0] && typo))
		return;
	if (!given[0]) {
		message = g_strdup_printf("needs exactly one of %s", s->one_of);
		check_report_here(c, FINDING_ERROR, CODE_MISSING, true, message, NULL);
		return;
	}
	message = g_strdup_printf("\"%s\" and \"%s\" are given, but only one of %s can be",
		given[0]->name, given[1]->name, s->one_of);
	check_report_here(c, FINDING_ERROR, CODE_CONFLICT, false, message, NULL);
}

static json_t *walk_field(Checker *c, const Field *f, json_t *v)
{
	json_t *full = NULL;
	if (json_is_null(v) && f->shape->kind != SHAPE_ANY) {
		check_report_here(c, FINDING_ERROR, CODE_TYPE, true, "has no value",
			"give one, or remove the field");
	} else {
		full = walk(c, f->shape, v);
		check_later(c, f, v);
	}
	return full;
}

static json_t *not_an_object(Checker *c, const Shape *s, json_t *v)
{
	/* Never shows the value: it may be a secret that should have been a reference. */
	bool secret = s == &shape_secret || field_find(s, "credential");
	check_report_here(c, FINDING_ERROR, CODE_TYPE, false, "is not a mapping",
		secret ? "secrets are given by reference only: {file: PATH}, {env: NAME} or "
			 "{credential: NAME}"
		       : NULL);
	return json_incref(v);
}

/* What walk_object learns on its way over the members. */
typedef struct Members {
	Given given;
	const Field *alternatives[2]; /* the first and another one that are given */
	const Field *meant[8]; /* by unknown fields, most likely */
	unsigned n_unknown;
} Members;

static void walk_member(
	Checker *c, const Shape *s, const char *key, json_t *v, json_t *full, Members *m)
{
	const Field *f = field_find(s, key);
	if (!f) {
		m->meant[m->n_unknown++ % G_N_ELEMENTS(m->meant)] = report_unknown(c, s, key);
		return;
	}
	json_t *value = walk_field(c, f, v);
	if (value)
		json_object_set_new_nocheck(full, key, value);
	size_t row = (size_t)(f - s->fields);
	g_assert(row < FIELDS_MAX);
	m->given |= (Given)1 << row;
	if (f->flags & FIELD_ALT)
		m->alternatives[m->alternatives[0] ? 1 : 0] = f;
}

static void check_required(Checker *c, const Shape *s, const Members *m)
{
	for (size_t i = 0; s->fields[i].name; i++) {
		const Field *f = &s->fields[i];
		bool typo = false;
		if (!(f->flags & FIELD_REQUIRED) || m->given & ((Given)1 << i))
			continue;
		for (size_t k = 0; k < G_N_ELEMENTS(m->meant); k++)
			typo = typo || m->meant[k] == f;
		if (!typo)
			report_missing(c, f);
	}
}

static json_t *walk_object(Checker *c, const Shape *s, json_t *v)
{
	if (!json_is_object(v))
		return not_an_object(c, s, v);
	json_t *full = json_object(), *child;
	Members m = { 0 };
	const char *key;
	json_object_foreach (v, key, child) {
		c->steps[c->n_steps++] = (DocStep){ .key = key };
		walk_member(c, s, key, child, full, &m);
		c->n_steps--;
	}
	check_required(c, s, &m);
	check_alternatives(c, s, m.alternatives, m.n_unknown > 0);
	fill_defaults(s, full, m.given);
	return full;
}

static json_t *walk(Checker *c, const Shape *s, json_t *v)
{
	switch (s->kind) {
	case SHAPE_OBJECT:
		return walk_object(c, s, v);
	case SHAPE_LIST:
		return walk_list(c, s, v);
	case SHAPE_MAP:
	case SHAPE_LABELS:
		return walk_map(c, s, v);
	case SHAPE_ANY:
		return json_incref(v);
	default:
		return walk_value(c, s, v);
	}
}

static void report_kind(Checker *c, const json_t *kind)
{
	const char *text = json_string_value(kind);
	Nearest near = { .wanted = text ? text : "" };
	for (const Kind *k = doc_kinds; k->name && text; k++)
		nearest_try(&near, k->name);
	g_autofree char *hint =
		near.best ? g_strdup_printf("did you mean \"%s\"?", near.best) : NULL;
	g_autofree char *message =
		text ? g_strdup_printf("\"%.60s\" is not a kind of document", text) : NULL;
	c->steps[0] = (DocStep){ .key = "kind" };
	c->n_steps = 1;
	check_report_here(c, FINDING_ERROR, CODE_VALUE, false, message ? message : "is missing",
		hint   ? hint
		: kind ? NULL
		       : "write kind: UpgradePlan or another");
	c->n_steps = 0;
}

static void check_api_version(Checker *c, const json_t *v)
{
	if (json_is_string(v) && strcmp(json_string_value(v), DOC_API_VERSION) == 0)
		return;
	c->steps[0] = (DocStep){ .key = "apiVersion" };
	c->n_steps = 1;
	g_autofree char *written = v ? written_text(c, v) : NULL;
	g_autofree char *message = v ? g_strdup_printf("%.70s is not known", written) : NULL;
	check_report_here(c, FINDING_ERROR, v ? CODE_VALUE : CODE_MISSING, false,
		message ? message : "is missing", "write apiVersion: " DOC_API_VERSION);
	c->n_steps = 0;
}

bool check_shape(Checker *c)
{
	json_t *root = (json_t *)doc_json(c->doc);
	c->n_steps = 0;
	c->n_found = 0;
	if (!json_is_object(root)) {
		check_report_here(c, FINDING_ERROR, CODE_TYPE, false, "is not a document",
			"a document begins with apiVersion: " DOC_API_VERSION);
		return false;
	}
	json_t *kind_json = json_object_get(root, "kind");
	const Kind *kind =
		json_is_string(kind_json) ? kind_find(json_string_value(kind_json)) : NULL;
	check_api_version(c, json_object_get(root, "apiVersion"));
	if (!kind) {
		report_kind(c, kind_json);
		return false;
	}
	const Field top[] = {
		{ "apiVersion", &shape_any, 0, NULL, NULL },
		{ "kind", &shape_any, 0, NULL, NULL },
		{ "metadata", &shape_metadata, FIELD_REQUIRED, NULL, NULL },
		{ "spec", kind->spec, FIELD_REQUIRED, NULL, NULL },
		{ 0 },
	};
	const Shape shape = { .kind = SHAPE_OBJECT, .fields = top };
	doc_set_full(c->doc, walk_object(c, &shape, root));
	return true;
}
