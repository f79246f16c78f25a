#include "yaml/edit.h"
#include "yaml/edit-internal.h"
#include <string.h>

typedef struct Work {
	const char *path;
	Edit edits[EDIT_MAX_EDITS];
	unsigned n_edits;
	bool look;
	json_t *places, *undo; /* undo: in reverse order; NULL once one edit cannot be undone */
	char *text;
	size_t len;
	char *raced;
	Refusal why;
} Work;

static void work_clear(Work *w)
{
	json_decref(w->places);
	json_decref(w->undo);
	g_free(w->text);
	g_free(w->raced);
	refusal_clear(&w->why);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Work, work_clear)

/* --- the request --- */

static const char *text_of(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key));
}

static const char *known_group(const char *kind)
{
	static const struct {
		const char *kind, *group;
	} known[] = {
		{ "ClusterVersion", "config.openshift.io" },
		{ "MachineConfigPool", "machineconfiguration.openshift.io" },
		{ "ConfigMap", "" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
		if (strcmp(kind, known[i].kind) == 0)
			return known[i].group;
	return NULL;
}

/* One line of printable text that fits a manifest. */
static bool is_line(const char *s, size_t max)
{
	size_t n = s ? strlen(s) : 0;
	if (n == 0 || n > max)
		return false;
	for (const char *p = s; *p; p = g_utf8_next_char(p))
		if (!g_unichar_isprint(g_utf8_get_char(p)))
			return false;
	return true;
}

static bool value_ok(const json_t *v, bool ack)
{
	if (!v || json_is_null(v))
		return true;
	if (json_is_string(v))
		return json_string_length(v) == strlen(json_string_value(v)) &&
		       (json_string_length(v) == 0 ||
			       is_line(json_string_value(v), EDIT_MAX_VALUE));
	return !ack && (json_is_boolean(v) || json_is_integer(v));
}

static bool read_ack(Edit *e, const json_t *o, GError **err)
{
	e->ack = text_of(o, "ack");
	e->kind = "ConfigMap";
	e->name = "admin-acks";
	e->namespace = "openshift-config";
	e->group = "";
	if (!is_line(e->ack, EDIT_MAX_KEY) || strpbrk(e->ack, "= "))
		return sl_fail(err, SL_ERR_INVALID, "edit: \"ack\" is no name of a key");
	return true;
}

static bool read_field(Edit *e, const json_t *o, GError **err)
{
	const json_t *at = json_object_get(o, "at");
	e->kind = text_of(o, "kind");
	e->name = text_of(o, "name");
	e->namespace = text_of(o, "namespace");
	if (!is_line(e->kind, EDIT_MAX_KEY) || !is_line(e->name, EDIT_MAX_KEY) ||
		json_array_size(at) == 0 || json_array_size(at) > EDIT_MAX_PATH)
		return sl_fail(err, SL_ERR_INVALID,
			"edit: an edit needs \"kind\", \"name\" and \"at\" (1 to %d keys)",
			EDIT_MAX_PATH);
	e->group = text_of(o, "group");
	if (!e->group)
		e->group = known_group(e->kind);
	for (size_t i = 0; i < json_array_size(at); i++) {
		e->at[e->n_at] = json_string_value(json_array_get(at, i));
		if (!is_line(e->at[e->n_at], EDIT_MAX_KEY))
			return sl_fail(err, SL_ERR_INVALID, "edit: a key in \"at\" is no text");
		e->n_at++;
	}
	return true;
}

/* One place at a time: what stands there is looked at before anything is changed. */
static bool overlap(const Edit *a, const Edit *b)
{
	if (a->ack || b->ack)
		return a->ack && b->ack && strcmp(a->ack, b->ack) == 0;
	if (strcmp(a->kind, b->kind) != 0 || strcmp(a->name, b->name) != 0 ||
		g_strcmp0(a->namespace, b->namespace) != 0)
		return false;
	for (unsigned i = 0; i < a->n_at && i < b->n_at; i++)
		if (strcmp(a->at[i], b->at[i]) != 0)
			return false;
	return true;
}

static bool check_overlaps(const Work *w, GError **err)
{
	for (unsigned i = 0; i < w->n_edits; i++)
		for (unsigned k = 0; k < i; k++)
			if (overlap(&w->edits[i], &w->edits[k]))
				return sl_fail(err, SL_ERR_INVALID,
					"edit: edits %u and %u mean the same place", k, i);
	return true;
}

static bool read_edits(Work *w, const json_t *request, GError **err)
{
	const json_t *list = json_object_get(request, "edits");
	w->path = text_of(request, "path");
	w->look = json_is_true(json_object_get(request, "look"));
	if (!w->path || !json_is_string(json_object_get(request, "text")) ||
		json_array_size(list) == 0 || json_array_size(list) > EDIT_MAX_EDITS)
		return sl_fail(err, SL_ERR_INVALID,
			"edit: the request needs \"path\", \"text\" and 1 to %d \"edits\"",
			EDIT_MAX_EDITS);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		Edit *e = &w->edits[w->n_edits++];
		if (!(json_object_get(o, "ack") ? read_ack(e, o, err) : read_field(e, o, err)))
			return false;
		e->value = json_object_get(o, "value");
		e->expect = json_object_get(o, "expect");
		if (!value_ok(e->value, e->ack))
			return sl_fail(err, SL_ERR_INVALID,
				"edit: a value is one line of text%s, or null",
				e->ack ? "" : ", a boolean, a whole number");
	}
	return check_overlaps(w, err);
}

/* --- what stands there --- */

static json_t *way_json(const Edit *e)
{
	if (e->ack)
		return json_string(e->ack);
	json_t *at = json_array();
	for (unsigned i = 0; i < e->n_at; i++)
		json_array_append_new(at, json_string(e->at[i]));
	return at;
}

static json_t *describe(const Edit *e, const Place *p, json_t *value)
{
	const Node *n = place_node(p), *near = n ? n : p->value ? p->value : p->map;
	const char *text = nodes_text(p->tree, NULL);
	json_t *v = json_object();
	json_object_set_new(v, e->ack ? "ack" : "at", way_json(e));
	json_object_set(v, "value", value);
	json_object_set_new(
		v, "raw", n ? json_stringn(text + n->start, n->end - n->start) : json_null());
	json_object_set_new(v, "line", json_integer(near->line));
	json_object_set_new(v, "column", json_integer(near->column));
	if (e->value)
		json_object_set_new(v, "stands", json_boolean(json_equal(value, e->value)));
	return v;
}

static void check_expectation(Work *w, const Edit *e, const json_t *place)
{
	const json_t *value = json_object_get(place, "value");
	if (w->raced || !e->expect || json_equal(e->expect, value) ||
		(e->value && json_equal(e->value, value)))
		return;
	g_autofree char *is = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	g_autofree char *was = json_dumps(e->expect, JSON_COMPACT | JSON_ENCODE_ANY);
	w->raced = g_strdup_printf("%s:%d:%d: %s is %s now, and was %s when it was decided",
		w->path, (int)json_integer_value(json_object_get(place, "line")),
		(int)json_integer_value(json_object_get(place, "column")),
		e->ack ? e->ack : e->at[e->n_at - 1], is, was);
}

static bool look_all(Work *w)
{
	g_autoptr(Nodes) t = nodes_parse(w->text, w->len, &w->why);
	w->places = json_array();
	for (unsigned i = 0; i < w->n_edits && t; i++) {
		Place p;
		if (!edit_find(t, &w->edits[i], &p, &w->why))
			return false;
		g_autoptr(json_t) value = place_json(&p, &w->why);
		if (!value)
			return false;
		json_t *place = describe(&w->edits[i], &p, value);
		json_array_append_new(w->places, place);
		check_expectation(w, &w->edits[i], place);
	}
	return t != NULL;
}

/* --- the change --- */

static size_t common_lines(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t same = 0;
	for (size_t i = 0; i < n_a && i < n_b && a[i] == b[i]; i++)
		if (a[i] == '\n')
			same = i + 1;
	return same;
}

static size_t common_tail(const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t same = 0;
	for (size_t i = 1; i <= n_a && i <= n_b && a[n_a - i] == b[n_b - i]; i++)
		if (i < n_a && i < n_b && a[n_a - i - 1] == '\n' && b[n_b - i - 1] == '\n')
			same = i;
	return same;
}

/* The whole lines that differ. */
static void note_lines(json_t *place, const char *a, size_t n_a, const char *b, size_t n_b)
{
	size_t head = common_lines(a, n_a, b, n_b);
	size_t tail = common_tail(a + head, n_a - head, b + head, n_b - head);
	json_object_set_new(place, "old",
		n_a > head + tail ? json_stringn(a + head, n_a - head - tail) : json_null());
	json_object_set_new(place, "new",
		n_b > head + tail ? json_stringn(b + head, n_b - head - tail) : json_null());
}

static json_t *undo_edit(const Edit *e, unsigned n_at, const json_t *value, const json_t *expect)
{
	json_t *u = json_object();
	if (e->ack) {
		json_object_set_new(u, "ack", json_string(e->ack));
	} else {
		json_t *at = json_array();
		json_object_set_new(u, "kind", json_string(e->kind));
		json_object_set_new(u, "name", json_string(e->name));
		if (e->group)
			json_object_set_new(u, "group", json_string(e->group));
		if (e->namespace)
			json_object_set_new(u, "namespace", json_string(e->namespace));
		for (unsigned i = 0; i < n_at; i++)
			json_array_append_new(at, json_string(e->at[i]));
		json_object_set_new(u, "at", at);
	}
	json_object_set(u, "value", (json_t *)value);
	json_object_set(u, "expect", (json_t *)expect);
	return u;
}

/* A mapping that was put in on the way goes out again as a whole. */
static json_t *undo_insert(const Edit *e, const Place *p)
{
	unsigned n_at = p->depth + 1;
	g_autoptr(json_t) expect = json_incref((json_t *)e->value);
	g_autoptr(json_t) null = json_null();
	for (unsigned i = e->n_at; i-- > n_at && !e->ack;) {
		json_t *outer = json_object();
		json_object_set(outer, e->at[i], expect);
		json_decref(expect);
		expect = outer;
	}
	return undo_edit(e, n_at, null, expect);
}

/* A mapping that an earlier edit put in takes this value along when it goes out. */
static bool joins_undo(json_t *undo, const Edit *e)
{
	size_t i;
	json_t *u;
	json_array_foreach (undo, i, u) {
		const json_t *at = json_object_get(u, "at");
		json_t *in = json_object_get(u, "expect");
		unsigned n = (unsigned)json_array_size(at), k = 0;
		if (!json_is_object(in) || e->ack || n >= e->n_at ||
			strcmp(text_of(u, "kind"), e->kind) != 0 ||
			strcmp(text_of(u, "name"), e->name) != 0)
			continue;
		while (k < n && strcmp(json_string_value(json_array_get(at, k)), e->at[k]) == 0)
			k++;
		for (; k >= n && k + 1 < e->n_at && in; k++) {
			if (!json_object_get(in, e->at[k]))
				json_object_set_new(in, e->at[k], json_object());
			in = json_object_get(in, e->at[k]);
		}
		if (k + 1 == e->n_at)
			return json_object_set(in, e->at[k], (json_t *)e->value) == 0;
	}
	return false;
}

/* A mapping that was taken out comes back key by key. */
static bool undo_mapping(json_t *list, const Edit *e, const json_t *before)
{
	const char *key;
	json_t *value;
	Edit inner = *e;
	g_autoptr(json_t) null = json_null();
	if (e->n_at == EDIT_MAX_PATH)
		return false;
	inner.n_at++;
	json_object_foreach ((json_t *)before, key, value) {
		if (!value_ok(value, false) || !is_line(key, EDIT_MAX_KEY))
			return false;
		inner.at[e->n_at] = key;
		json_array_append_new(list, undo_edit(&inner, inner.n_at, value, null));
	}
	return true;
}

static bool undo_one(json_t *list, const Edit *e, const Place *p, const json_t *before)
{
	bool key_there = p->value && p->depth + 1 == e->n_at;
	if (json_is_object(before))
		return undo_mapping(list, e, before);
	if (!value_ok(before, false))
		return false;
	if (json_is_null(before) && !e->ack && !key_there)
		json_array_append_new(list, undo_insert(e, p));
	else
		json_array_append_new(list, undo_edit(e, e->n_at, before, e->value));
	return true;
}

/* Puts the undo of this edit in front of those of the edits before it. */
static void note_undo(Work *w, const Edit *e, const Place *p, const json_t *before)
{
	json_t *old = w->undo;
	if (!old || joins_undo(old, e))
		return;
	json_t *list = json_array();
	bool can = undo_one(list, e, p, before);
	json_array_extend(list, old);
	json_decref(old);
	can = can && json_array_size(list) <= EDIT_MAX_EDITS;
	w->undo = can ? list : (json_decref(list), NULL);
}

static bool change_one(Work *w, unsigned i)
{
	const Edit *e = &w->edits[i];
	Place p;
	g_auto(Change) c = { 0 };
	g_autoptr(Nodes) before = nodes_parse(w->text, w->len, &w->why);
	if (!before || !edit_find(before, e, &p, &w->why))
		return false;
	g_autoptr(json_t) value = place_json(&p, &w->why);
	if (!value)
		return false;
	if (json_equal(value, e->value)) /* a key without a value is as good as none */
		return true;
	size_t len;
	if (!edit_plan(&p, e->value, &c, &w->why))
		return false;
	g_autofree char *text = edit_apply(before, &c, &len);
	g_autoptr(Nodes) after = nodes_parse(text, len, &w->why);
	if (!after || !edit_prove(before, after, &c, &w->why))
		return false;
	note_lines(json_array_get(w->places, i), w->text, w->len, text, len);
	note_undo(w, e, &p, value);
	g_free(w->text);
	w->text = g_steal_pointer(&text);
	w->len = len;
	return true;
}

static bool change_all(Work *w)
{
	w->undo = json_array();
	for (unsigned i = 0; i < w->n_edits; i++)
		if (w->edits[i].value && !change_one(w, i))
			return false;
	return true;
}

static json_t *answer_refused(const Work *w)
{
	const Refusal *r = &w->why;
	g_autofree char *message =
		r->line ? g_strdup_printf("%s:%d:%d: %s", w->path, r->line, r->column, r->message)
			: g_strdup_printf("%s: %s", w->path, r->message);
	return json_pack("{s:{s:s, s:i, s:i, s:s}}", "refused", "message", message, "line", r->line,
		"column", r->column, "code", r->code);
}

static json_t *answer(Work *w)
{
	json_t *v = json_object();
	json_object_set(v, "places", w->places);
	if (w->raced) {
		json_object_set_new(v, "raced", json_string(w->raced));
		return v;
	}
	json_object_set_new(v, "text", json_stringn(w->text, w->len));
	json_object_set_new(v, "undo", w->undo ? json_incref(w->undo) : json_null());
	return v;
}

json_t *yaml_edit_verb(const json_t *request, GError **err)
{
	g_auto(Work) w = { 0 };
	if (!read_edits(&w, request, err))
		return NULL;
	const json_t *text = json_object_get(request, "text");
	w.len = json_string_length(text);
	w.text = g_memdup2(json_string_value(text), w.len + 1);
	if (!look_all(&w))
		return answer_refused(&w);
	if (!w.raced && !w.look && !change_all(&w))
		return answer_refused(&w);
	return answer(&w);
}
