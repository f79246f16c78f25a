/* The manual page of the documents. Source of the macros: mdoc(7). */
#include "plan/schema.h"
#include "plan/shape.h"
#include <string.h>

/* Text as roff takes it literally: no escapes, no control line. */
static void append_text(GString *s, const char *text)
{
	if (*text == '.' || *text == '\'')
		g_string_append(s, "\\&");
	for (const char *p = text; *p; p++) {
		if (*p == '\\')
			g_string_append(s, "\\e");
		else if (*p == '-')
			g_string_append(s, "\\-");
		else
			g_string_append_c(s, *p);
	}
}

static const char *type_text(const Shape *s)
{
	static const char *const names[] = {
		[SHAPE_TEXT] = "text",
		[SHAPE_LABEL] = "name",
		[SHAPE_POLICY] = "name of a policy",
		[SHAPE_ENUM] = "one of",
		[SHAPE_NTH] = "1 to 5, or last",
		[SHAPE_INT] = "whole number",
		[SHAPE_NUMBER] = "number",
		[SHAPE_BOOL] = "true or false",
		[SHAPE_DURATION] = "duration",
		[SHAPE_PERCENT] = "percentage",
		[SHAPE_VERSION] = "version X.Y.Z",
		[SHAPE_DATE] = "date",
		[SHAPE_CLOCK] = "time of day",
		[SHAPE_ZONE] = "time zone",
		[SHAPE_URL] = "URL",
		[SHAPE_REMOTE] = "path or URL without password",
		[SHAPE_LIST] = "list",
		[SHAPE_MAP] = "mapping of texts",
		[SHAPE_LABELS] = "labels",
		[SHAPE_OBJECT] = "mapping",
		[SHAPE_ANY] = "any value",
	};
	return names[s->kind];
}

static void append_type(GString *s, const Shape *shape)
{
	if (shape->kind == SHAPE_LIST) {
		g_string_append(s, "list of: ");
		append_type(s, shape->item);
		return;
	}
	append_text(s, type_text(shape));
	if (shape->kind == SHAPE_INT)
		g_string_append_printf(
			s, ", %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, shape->min, shape->max);
	for (const Choice *c = shape->kind == SHAPE_ENUM ? shape->choices : NULL; c && c->name;
		c++) {
		if (c->status == CHOICE_NEVER)
			continue;
		g_string_append(s, c == shape->choices ? " " : ", ");
		append_text(s, c->name);
		if (c->status == CHOICE_LATER)
			g_string_append(s, " (no effect yet)");
	}
}

static bool has_parts(const Shape *s)
{
	return s->kind == SHAPE_OBJECT || (s->kind == SHAPE_LIST && s->item->kind == SHAPE_OBJECT);
}

static void append_note(GString *s, const Field *f)
{
	if (f->flags & FIELD_REQUIRED)
		g_string_append(s, "; required");
	if (f->flags & FIELD_ALT)
		g_string_append(s, "; one of the alternatives");
	if (f->flags & FIELD_UNIQUE)
		g_string_append(s, "; unique in the list");
	if (f->def && strcmp(f->def, "{}") != 0 && strcmp(f->def, "[]") != 0) {
		g_string_append(s, "; default ");
		append_text(s, f->def);
	}
	if (f->flags & FIELD_LATER)
		g_string_append(s, "; no effect in this version");
	g_string_append_c(s, '\n');
}

static void append_fields(GString *s, const Shape *object, const char *path)
{
	for (const Field *f = object->fields; f && f->name; f++) {
		g_autofree char *here = g_strdup_printf("%s.%s%s", path, f->name,
			f->shape->kind == SHAPE_LIST && has_parts(f->shape) ? "[]" : "");
		g_string_append(s, ".It Li ");
		append_text(s, here);
		g_string_append_c(s, '\n');
		if (f->doc) {
			append_text(s, f->doc);
			g_string_append(s, ".\n");
		}
		g_string_append(s, ".br\n");
		append_type(s, f->shape);
		append_note(s, f);
		/* What secrets are made of is said once. */
		if (has_parts(f->shape) && f->shape != &shape_secret)
			append_fields(
				s, f->shape->kind == SHAPE_LIST ? f->shape->item : f->shape, here);
	}
}

static void append_kind(GString *s, const Kind *k)
{
	g_autofree char *title = g_ascii_strup(k->name, -1);
	g_string_append_printf(s, ".Sh %s\n.Dq kind: %s :\n", title, k->name);
	append_text(s, k->doc);
	g_string_append(s, ".\n.Bl -tag -width Ds\n");
	append_fields(s, k->spec, "spec");
	g_string_append(s, ".El\n");
}

char *schema_man(void)
{
	GString *s = g_string_new(
		".Dd November 20, 2026\n.Dt SHIPLOCK 5\n.Os\n.Sh NAME\n.Nm shiplock\n"
		".Nd documents: clusters, plans and policies\n.Sh DESCRIPTION\n"
		"Documents are YAML 1.2 with the core schema, several in a file where wanted, each "
		"with\n"
		".Li apiVersion: " DOC_API_VERSION " ,\n.Li kind ,\n.Li metadata\nand\n.Li spec .\n"
		"Anchors, aliases, tags and merge keys are refused, and so are unknown fields, "
		"duplicate\n"
		"keys and values of the wrong type.\n.Xr shiplock 1\n.Cm check\nnames them all at "
		"once.\n.Pp\n"
		"Durations are a number and one of s, m, h and d (90s, 15m, 3h, 7d), percentages "
		"are in\n"
		"quotes (\"10%\"), times of day too (\"08:00\").\n"
		"Secrets are given by reference only: a mapping with exactly one of\n"
		".Li file ,\n.Li env\nand\n.Li credential\n(a systemd credential).\n");
	g_string_append(s, ".Sh METADATA\n.Bl -tag -width Ds\n");
	append_fields(s, &shape_metadata, "metadata");
	g_string_append(s, ".El\n");
	for (const Kind *k = doc_kinds; k->name; k++)
		append_kind(s, k);
	g_string_append(s, ".Sh SEE ALSO\n.Xr shiplock 1 ,\n.Xr shiplockd 8\n");
	return g_string_free(s, FALSE);
}
