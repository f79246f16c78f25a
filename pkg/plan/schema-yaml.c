/* Documents back to YAML. */
#include "objects/time.h"
#include "objects/version.h"
#include "plan/builtin.h"
#include "plan/docset.h"
#include "plan/schema.h"
#include "plan/shape.h"
#include <string.h>

static void emit(GString *s, const Shape *shape, const json_t *v, int indent);

/* True when YAML reads the bare word as this very text. Anything in doubt is quoted. */
static bool plain_ok(const char *text)
{
	static const char *const words[] = { "null", "true", "false", "yes", "no", "on", "off", "y",
		"n" }; /* the last six in YAML 1.1 */
	int64_t sec;
	Version version;
	if (sl_duration_parse(text, &sec) || (text[0] != 'v' && version_parse(text, &version)))
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (g_ascii_strcasecmp(text, words[i]) == 0)
			return false;
	size_t n = strlen(text);
	if (!g_ascii_isalpha(text[0]) && text[0] != '/')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!g_ascii_isalnum(text[i]) && !strchr("-_./", text[i]) &&
			!(text[i] == ':' && i + 1 < n))
			return false;
	return true;
}

static void emit_scalar(GString *s, const json_t *v)
{
	const char *text = json_string_value(v);
	if (text && plain_ok(text)) {
		g_string_append(s, text);
		return;
	}
	/* JSON is YAML: quotes and escapes mean the same. */
	char *json = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
	g_string_append(s, json);
	free(json);
}

static void newline(GString *s, int indent)
{
	g_string_append_printf(s, "\n%*s", indent, "");
}

static void emit_key(GString *s, const char *key)
{
	json_t *v = json_string(key);
	emit_scalar(s, v);
	json_decref(v);
	g_string_append_c(s, ':');
}

/* Lists of plain values stand in one line. */
static bool is_block(const json_t *v)
{
	json_t *child;
	size_t i;
	json_array_foreach (v, i, child) {
		if (json_is_object(child) || json_is_array(child))
			return true;
	}
	return json_is_object(v) && json_object_size(v) > 0;
}

static void emit_inline_list(GString *s, const json_t *v)
{
	json_t *child;
	size_t i;
	g_string_append_c(s, '[');
	json_array_foreach (v, i, child) {
		if (i > 0)
			g_string_append(s, ", ");
		emit_scalar(s, child);
	}
	g_string_append_c(s, ']');
}

static void emit_member(
	GString *s, const Shape *shape, const char *key, const json_t *v, int indent, bool *first)
{
	if (!*first)
		newline(s, indent);
	*first = false;
	emit_key(s, key);
	if (is_block(v))
		newline(s, indent + 2);
	else
		g_string_append_c(s, ' ');
	emit(s, shape, v, indent + 2);
}

/* Fields in the order of the table, then what the table does not know. */
static void emit_object(GString *s, const Shape *shape, const json_t *v, int indent)
{
	const char *key;
	json_t *child;
	bool first = true;
	for (const Field *f = shape ? shape->fields : NULL; f && f->name; f++)
		if ((child = json_object_get(v, f->name)))
			emit_member(s, f->shape, f->name, child, indent, &first);
	json_object_foreach ((json_t *)v, key, child) {
		if (!shape || !shape->fields || !field_find(shape, key))
			emit_member(s, NULL, key, child, indent, &first);
	}
}

static void emit(GString *s, const Shape *shape, const json_t *v, int indent)
{
	json_t *child;
	size_t i;
	if (!is_block(v)) {
		if (json_is_object(v))
			g_string_append(s, "{}");
		else if (json_is_array(v))
			emit_inline_list(s, v);
		else
			emit_scalar(s, v);
		return;
	}
	if (json_is_object(v)) {
		emit_object(s, shape && shape->kind == SHAPE_OBJECT ? shape : NULL, v, indent);
		return;
	}
	json_array_foreach (v, i, child) {
		if (i > 0)
			newline(s, indent);
		g_string_append(s, "- ");
		emit(s, shape ? shape->item : NULL, child, indent + 2);
	}
}

char *schema_yaml(const Doc *d)
{
	const Kind *kind = kind_find(doc_kind(d));
	const Field top[] = {
		{ "apiVersion", &shape_text, 0, NULL, NULL },
		{ "kind", &shape_text, 0, NULL, NULL },
		{ "metadata", &shape_metadata, 0, NULL, NULL },
		{ "spec", kind ? kind->spec : &shape_any, 0, NULL, NULL },
		{ 0 },
	};
	const Shape shape = { .kind = SHAPE_OBJECT, .fields = top };
	GString *s = g_string_new(NULL);
	emit(s, &shape, doc_full(d), 0);
	g_string_append_c(s, '\n');
	return g_string_free(s, FALSE);
}

char *schema_yaml_of(const json_t *v)
{
	GString *s = g_string_new(NULL);
	emit(s, NULL, v, 0);
	g_string_append_c(s, '\n');
	return g_string_free(s, FALSE);
}

char *schema_shipped(void)
{
	g_autoptr(DocSet) set = docset_new();
	GString *s = g_string_new(NULL);
	for (size_t i = 0; builtin_documents[i]; i++) {
		g_autoptr(json_t) json = json_loads(builtin_documents[i], 0, NULL);
		const Doc *d = docset_find(set, json_path_str(json, "kind", ""),
			json_path_str(json, "metadata.name", ""));
		g_autofree char *text = schema_yaml(d);
		g_string_append_printf(s, "%s%s", i ? "---\n" : "", text);
	}
	return g_string_free(s, FALSE);
}
