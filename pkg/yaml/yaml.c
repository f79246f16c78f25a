#include "yaml/yaml.h"
#include "yaml/events.h"
#include "yaml/text.h"
#include <string.h>

enum { KEY_MAX = 1024 };

/* A node's place; next chains the keys of one mapping (0 ends it). */
typedef struct Pos {
	int line, column;
	size_t start, end;
	size_t next;
} Pos;

typedef struct Frame {
	json_t *value; /* borrowed from the parent, or from Reader.root */
	size_t pos; /* index into Reader.pos */
	size_t first_key, last_key; /* indices, 0 = none yet */
	char *key; /* the key that waits for its value */
	size_t key_pos;
	bool drop_value; /* the key was refused: its value is read and dropped */
} Frame;

typedef struct Reader {
	const char *text;
	size_t bom; /* bytes cut off the front */
	bool positions;
	json_t *documents, *errors;
	json_t *root, *dropped; /* dropped: values of refused keys, which still need an owner */
	GArray *pos; /* Pos of the document */
	Frame frames[YAML_MAX_DEPTH];
	unsigned depth;
	size_t n_nodes, n_documents;
	bool stop;
} Reader;

static void report(Reader *r, int line, int column, const char *fmt, ...) SL_PRINTF(4, 5);
static void report(Reader *r, int line, int column, const char *fmt, ...)
{
	if (json_array_size(r->errors) >= YAML_MAX_ERRORS)
		return;
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	json_array_append_new(r->errors,
		json_pack("{s:i, s:i, s:s}", "line", line, "column", column, "message", text));
}

static Pos *pos_at(const Reader *r, size_t i)
{
	return &g_array_index(r->pos, Pos, i);
}

static void report_at(Reader *r, const Pos *p, const char *what)
{
	report(r, p->line, p->column, "%s", what);
}

/* Where an event stands; an empty scalar has no mark and stands at its key, else at its parent. */
static Pos event_pos(const Reader *r, struct fy_event *e)
{
	const struct fy_mark *from = fy_event_start_mark(e), *to = fy_event_end_mark(e);
	Pos p = { 0 };
	if (from) {
		p = (Pos){ from->line + 1, from->column + 1, from->input_pos + r->bom,
			(to ? to->input_pos : from->input_pos) + r->bom, 0 };
	} else if (r->depth > 0) {
		const Frame *f = &r->frames[r->depth - 1];
		p = *pos_at(r, f->key ? f->key_pos : f->pos);
		p.start = f->key ? p.end : p.start;
		p.end = p.start;
		p.next = 0;
	} else {
		p = (Pos){ 1, 1, 0, 0, 0 };
	}
	return p;
}

static size_t pos_add(Reader *r, Pos p)
{
	g_array_append_val(r->pos, p);
	if (++r->n_nodes > YAML_MAX_NODES && !r->stop) {
		report(r, p.line, p.column, "more than %d values and keys in one file",
			YAML_MAX_NODES);
		r->stop = true;
	}
	return r->pos->len - 1;
}

/* A parent that is a block collection ends where its last child ends. */
static void grow_parents(Reader *r, size_t end)
{
	for (unsigned d = r->depth; d-- > 0;) {
		Pos *p = pos_at(r, r->frames[d].pos);
		if (p->end >= end)
			return;
		p->end = end;
	}
}

/* Hands a finished or opened value to where it belongs; takes the reference. */
static void place(Reader *r, json_t *v)
{
	if (r->depth == 0) {
		json_decref(r->root);
		r->root = v;
		return;
	}
	Frame *f = &r->frames[r->depth - 1];
	if (json_is_array(f->value)) {
		json_array_append_new(f->value, v);
		return;
	}
	if (f->drop_value)
		json_object_set_new(
			f->value, "", v); /* the document is refused; v needs an owner */
	else
		json_object_set_new_nocheck(f->value, f->key, v);
	g_clear_pointer(&f->key, g_free);
	f->drop_value = false;
}

/* True when the next event is the key of the mapping on top. */
static bool wants_key(const Reader *r)
{
	return r->depth > 0 && json_is_object(r->frames[r->depth - 1].value) &&
	       !r->frames[r->depth - 1].key;
}

static void report_twice(Reader *r, const Frame *f, const char *key, const Pos *at)
{
	size_t i = f->first_key;
	const char *name;
	json_t *value;
	json_object_foreach (f->value, name, value) {
		if (strcmp(name, key) == 0)
			break;
		i = pos_at(r, i)->next;
	}
	report(r, at->line, at->column, "\"%.80s\" is given twice; first in line %d", key,
		i ? pos_at(r, i)->line : at->line);
}

static bool key_ok(Reader *r, const char *text, size_t len, bool plain, const Pos *at)
{
	const char *why = NULL;
	json_t *v = plain ? yaml_plain(text, len, &why) : NULL;
	bool empty = json_is_null(v);
	json_decref(v);
	if (plain && len == 2 && memcmp(text, "<<", 2) == 0)
		report_at(r, at, "merge keys (<<) are not used here; write the fields out");
	else if (empty)
		report_at(r, at, "a key is missing before the colon");
	else if (len > KEY_MAX)
		report(r, at->line, at->column, "the key is longer than %d bytes", KEY_MAX);
	else if (!g_utf8_validate(text, (gssize)len, NULL))
		report_at(r, at, "the key is not UTF-8 text without NUL");
	else
		return true;
	return false;
}

static void take_key(Reader *r, const char *text, size_t len, bool plain, Pos at)
{
	Frame *f = &r->frames[r->depth - 1];
	f->drop_value = !key_ok(r, text, len, plain, &at);
	f->key = g_strndup(text, MIN(len, KEY_MAX));
	if (!f->drop_value && json_object_get(f->value, f->key)) {
		report_twice(r, f, f->key, &at);
		f->drop_value = true;
	}
	f->key_pos = pos_add(r, at);
	if (f->drop_value)
		return;
	if (f->last_key)
		pos_at(r, f->last_key)->next = f->key_pos;
	else
		f->first_key = f->key_pos;
	f->last_key = f->key_pos;
}

static void refuse_props(Reader *r, struct fy_token *anchor, struct fy_token *tag, const Pos *at)
{
	if (anchor)
		report_at(r, at, "anchors (&) are not used here; write the value out");
	if (tag)
		report_at(r, at, "tags (!) are not used here");
}

/* The library's marks leave out the quotes and the star of an alias. */
static void widen(const Reader *r, Pos *p)
{
	char c = p->start > r->bom ? r->text[p->start - 1] : '\0';
	if (c == '\0' || !strchr("'\"*", c))
		return;
	p->start--;
	p->column--;
	if (c != '*' && r->text[p->end] == c)
		p->end++;
}

static void on_scalar(Reader *r, struct fy_event *e)
{
	Pos at = event_pos(r, e);
	if (fy_token_scalar_style(e->scalar.value) == FYSS_SINGLE_QUOTED ||
		fy_token_scalar_style(e->scalar.value) == FYSS_DOUBLE_QUOTED)
		widen(r, &at);
	size_t len = 0;
	const char *text = e->scalar.value ? fy_token_get_text(e->scalar.value, &len) : "",
		   *why = NULL;
	bool plain = fy_token_scalar_style(e->scalar.value) == FYSS_PLAIN;
	refuse_props(r, e->scalar.anchor, e->scalar.tag, &at);
	if (!text)
		text = "", len = 0;
	if (wants_key(r)) {
		take_key(r, text, len, plain, at);
		return;
	}
	json_t *v = plain ? yaml_plain(text, len, &why) : json_stringn(text, len);
	if (!v) {
		report_at(r, &at, why ? why : "the text is not UTF-8");
		v = json_null();
	} else if (json_is_string(v) && memchr(text, '\0', len)) {
		report_at(r, &at, "the text holds a NUL");
	}
	pos_add(r, at);
	grow_parents(r, at.end);
	place(r, v);
}

static void on_start(
	Reader *r, struct fy_event *e, json_t *value, struct fy_token *anchor, struct fy_token *tag)
{
	Pos at = event_pos(r, e);
	refuse_props(r, anchor, tag, &at);
	if (wants_key(r)) {
		report_at(r, &at, "a key must be plain text");
		r->stop = true;
	}
	if (r->depth == YAML_MAX_DEPTH) {
		report(r, at.line, at.column, "nested deeper than %d levels", YAML_MAX_DEPTH);
		r->stop = true;
	}
	if (r->stop) {
		json_decref(value);
		return;
	}
	if (r->text[at.start] != '{' && r->text[at.start] != '[')
		at.end = at.start;
	place(r, value);
	r->frames[r->depth++] = (Frame){ .value = value, .pos = pos_add(r, at) };
}

static void on_end(Reader *r, struct fy_event *e)
{
	Frame *f = &r->frames[--r->depth];
	g_clear_pointer(&f->key, g_free);
	Pos *p = pos_at(r, f->pos);
	const struct fy_mark *to = fy_event_end_mark(e);
	if (to && (r->text[p->start] == '{' || r->text[p->start] == '['))
		p->end = to->input_pos + r->bom;
	grow_parents(r, p->end);
}

/* Decimal, with the separator that follows it; much cheaper than printf, and there are many. */
static void append_number(GString *s, int64_t v, char after)
{
	char buf[24], *p = buf + sizeof(buf);
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	*--p = after;
	do
		*--p = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		*--p = '-';
	g_string_append_len(s, p, buf + sizeof(buf) - p);
}

static json_t *positions_text(const Reader *r)
{
	GString *s = g_string_sized_new(r->pos->len * 10);
	Pos last = { 0 };
	for (size_t i = 0; i < r->pos->len; i++) {
		const Pos *p = pos_at(r, i);
		append_number(s, p->line - last.line, ' ');
		append_number(s, p->line == last.line ? p->column - last.column : p->column, ' ');
		append_number(s, (int64_t)p->start - (int64_t)last.start, ' ');
		append_number(s, (int64_t)(p->end - p->start), ' ');
		last = *p;
	}
	json_t *text = json_stringn_nocheck(s->str, s->len > 0 ? s->len - 1 : 0);
	g_string_free(s, TRUE);
	return text;
}

static void on_document_end(Reader *r)
{
	if (json_array_size(r->errors) == 0 && r->root) {
		json_t *doc = json_pack("{s:O}", "json", r->root);
		if (r->positions)
			json_object_set_new(doc, "positions", positions_text(r));
		json_array_append_new(r->documents, doc);
	}
	if (++r->n_documents == YAML_MAX_DOCUMENTS) {
		Pos last = r->pos->len > 0 ? *pos_at(r, 0) : (Pos){ 1, 1, 0, 0, 0 };
		report(r, last.line, last.column, "more than %d documents in one file",
			YAML_MAX_DOCUMENTS - 1);
		r->stop = true;
	}
	g_clear_pointer(&r->root, json_decref);
	g_array_set_size(r->pos, 0);
}

static void on_event(Reader *r, struct fy_event *e)
{
	switch (e->type) {
	case FYET_SCALAR:
		on_scalar(r, e);
		break;
	case FYET_MAPPING_START:
		on_start(r, e, json_object(), e->mapping_start.anchor, e->mapping_start.tag);
		break;
	case FYET_SEQUENCE_START:
		on_start(r, e, json_array(), e->sequence_start.anchor, e->sequence_start.tag);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		on_end(r, e);
		break;
	case FYET_ALIAS: {
		Pos at = event_pos(r, e);
		widen(r, &at);
		report_at(r, &at, "aliases (*) are not used here; write the value out");
		r->stop = true;
		break;
	}
	case FYET_DOCUMENT_END:
		on_document_end(r);
		break;
	default:
		break;
	}
}

static bool take_event(struct fy_event *e, void *ud)
{
	Reader *r = ud;
	on_event(r, e);
	return !r->stop;
}

static json_int_t number_at(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int by_place(const void *a, const void *b)
{
	json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t d = number_at(x, "line") - number_at(y, "line");
	if (d == 0)
		d = number_at(x, "column") - number_at(y, "column");
	return d < 0 ? -1 : d > 0;
}

/* A duplicate key is met before the syntax error behind it, but not every order is that of the
 * text. */
static json_t *sorted_errors(json_t *errors)
{
	size_t n = json_array_size(errors);
	g_autofree json_t **list = g_new(json_t *, n + 1);
	for (size_t i = 0; i < n; i++)
		list[i] = json_array_get(errors, i);
	qsort(list, n, sizeof(*list), by_place);
	json_t *out = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append(out, list[i]);
	json_decref(errors);
	return out;
}

static void read_text(Reader *r, const char *text, size_t len)
{
	int line, column;
	const char *why;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		r->bom = 3;
	if (!yaml_text_ok(text + r->bom, len - r->bom, &line, &column, &why)) {
		report(r, line, column, "%s", why);
		return;
	}
	g_autofree char *padded = g_malloc(len + YAML_PAD);
	memcpy(padded, text, len);
	memset(padded + len, 0, YAML_PAD);
	r->text = padded;
	r->pos = g_array_new(FALSE, FALSE, sizeof(Pos));
	g_autofree char *words = NULL;
	if (!yaml_events(padded + r->bom, len - r->bom, take_event, r, &line, &column, &words))
		report(r, line, column, "%s", words);
	while (r->depth > 0)
		g_free(r->frames[--r->depth].key);
	json_decref(r->root);
	g_array_free(r->pos, TRUE);
}

json_t *yaml_to_json(const char *text, size_t len, bool positions)
{
	g_autofree Reader *r = g_new0(Reader, 1);
	r->positions = positions;
	r->documents = json_array();
	r->errors = json_array();
	r->dropped = json_array();
	read_text(r, text, len);
	json_decref(r->dropped);
	if (json_array_size(r->errors) > 0)
		json_array_clear(r->documents);
	return json_pack(
		"{s:o, s:o}", "documents", r->documents, "errors", sorted_errors(r->errors));
}

static json_t *read_file_entry(json_t *file, bool positions)
{
	const char *name = json_string_value(json_object_get(file, "name"));
	json_t *text = json_object_get(file, "text"), *base64 = json_object_get(file, "base64");
	if (!name || !!json_is_string(text) == !!json_is_string(base64))
		return NULL;
	json_t *out;
	if (text) {
		out = yaml_to_json(json_string_value(text), json_string_length(text), positions);
	} else {
		size_t len = 0;
		g_autofree unsigned char *bytes = g_base64_decode(json_string_value(base64), &len);
		out = yaml_to_json((const char *)bytes, len, positions);
	}
	json_object_set_new(out, "name", json_string(name));
	return out;
}

json_t *yaml_verb(const json_t *request, GError **err)
{
	json_t *files = json_object_get(request, "files"), *file;
	json_t *positions = json_object_get(request, "positions");
	if (!json_is_array(files) || (positions && !json_is_boolean(positions))) {
		sl_fail(err, SL_ERR_INVALID, "yaml: the request needs a list \"files\"");
		return NULL;
	}
	json_t *out = json_array();
	size_t i;
	json_array_foreach (files, i, file) {
		json_t *answer = read_file_entry(file, !json_is_false(positions));
		if (!answer) {
			json_decref(out);
			sl_fail(err, SL_ERR_INVALID,
				"yaml: files[%zu] needs a name and one of text and base64", i);
			return NULL;
		}
		json_array_append_new(out, answer);
	}
	return json_pack("{s:o}", "files", out);
}
