#include "plan/schema.h"
#include "plan/shape.h"
#include <string.h>

#define LABEL_PATTERN "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
#define LABEL_PART "[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
#define NUMBER_PATTERN "(0|[1-9][0-9]*)"

static json_t *shape_json(const Shape *s);

static json_t *text_shape(const char *pattern)
{
	json_t *o = json_pack("{s:s}", "type", "string");
	if (pattern)
		json_object_set_new(o, "pattern", json_string(pattern));
	else
		json_object_set_new(o, "minLength", json_integer(1));
	return o;
}

static const char *text_pattern(ShapeKind kind)
{
	switch (kind) {
	case SHAPE_LABEL:
		return LABEL_PATTERN;
	case SHAPE_POLICY:
		return "^(builtin/)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
	case SHAPE_DURATION:
		return "^[0-9]+[smhd]$";
	case SHAPE_PERCENT:
		return "^[0-9]{1,3}([.][0-9]{1,6})?%$";
	case SHAPE_VERSION:
		return "^" NUMBER_PATTERN "[.]" NUMBER_PATTERN "[.]" NUMBER_PATTERN "([-+].*)?$";
	case SHAPE_DATE:
		return "^[0-9]{4}-[0-9]{2}-[0-9]{2}$";
	case SHAPE_CLOCK:
		return "^([01][0-9]|2[0-3]):[0-5][0-9]$";
	case SHAPE_ZONE:
		return "^(UTC|[A-Za-z_+-]+/.+)$";
	case SHAPE_URL:
		return "^https?://[^@ ]+";
	case SHAPE_REMOTE:
		return "^(?!https?://[^/?#]*@).+$";
	default:
		return NULL;
	}
}

static json_t *enum_shape(const Shape *s)
{
	json_t *list = json_array();
	for (const Choice *c = s->choices; c->name; c++)
		if (c->status != CHOICE_NEVER)
			json_array_append_new(list, json_string(c->name));
	return json_pack("{s:o}", "enum", list);
}

static json_t *list_shape(const Shape *s)
{
	json_t *o = json_pack("{s:s, s:o}", "type", "array", "items", shape_json(s->item));
	if (s->min > 0)
		json_object_set_new(o, "minItems", json_integer(s->min));
	return o;
}

static json_t *default_json(const Field *f)
{
	switch (f->shape->kind) {
	case SHAPE_LIST:
	case SHAPE_MAP:
	case SHAPE_OBJECT:
	case SHAPE_INT:
	case SHAPE_BOOL:
		return json_loads(f->def, JSON_DECODE_ANY, NULL);
	default:
		return json_string(f->def);
	}
}

static json_t *field_json(const Field *f)
{
	json_t *o = shape_json(f->shape);
	const char *later = f->flags & FIELD_LATER ? " (no effect in this version)" : "";
	if (f->doc || *later)
		json_object_set_new(
			o, "description", json_sprintf("%s%s", f->doc ? f->doc : "", later));
	if (f->def)
		json_object_set_new(o, "default", default_json(f));
	return o;
}

static json_t *object_shape(const Shape *s)
{
	json_t *properties = json_object(), *required = json_array(), *alternatives = json_array();
	for (const Field *f = s->fields; f->name; f++) {
		json_object_set_new(properties, f->name, field_json(f));
		if (f->flags & FIELD_REQUIRED)
			json_array_append_new(required, json_string(f->name));
		if (f->flags & FIELD_ALT)
			json_array_append_new(
				alternatives, json_pack("{s:[s]}", "required", f->name));
	}
	json_t *o = json_pack("{s:s, s:b, s:o}", "type", "object", "additionalProperties", 0,
		"properties", properties);
	if (json_array_size(required) > 0)
		json_object_set(o, "required", required);
	if (s->one_of)
		json_object_set(o, "oneOf", alternatives);
	json_decref(required);
	json_decref(alternatives);
	return o;
}

static json_t *shape_json(const Shape *s)
{
	switch (s->kind) {
	case SHAPE_ENUM:
		return enum_shape(s);
	case SHAPE_NTH:
		return json_pack("{s:[i,i,i,i,i,s]}", "enum", 1, 2, 3, 4, 5, "last");
	case SHAPE_INT:
		return json_pack("{s:s, s:I, s:I}", "type", "integer", "minimum",
			(json_int_t)s->min, "maximum", (json_int_t)s->max);
	case SHAPE_NUMBER:
		return json_pack("{s:s}", "type", "number");
	case SHAPE_BOOL:
		return json_pack("{s:s}", "type", "boolean");
	case SHAPE_LIST:
		return list_shape(s);
	case SHAPE_MAP:
		return json_pack("{s:s, s:{s:s}}", "type", "object", "additionalProperties", "type",
			"string");
	case SHAPE_LABELS:
		return json_pack("{s:s, s:{s:s}, s:{s:s, s:s}}", "type", "object", "propertyNames",
			"pattern", "^([a-z0-9.-]+/)?" LABEL_PART "$", "additionalProperties",
			"type", "string", "pattern", "^(" LABEL_PART ")?$");
	case SHAPE_OBJECT:
		return object_shape(s);
	case SHAPE_ANY:
		return json_object();
	default:
		return text_shape(text_pattern(s->kind));
	}
}

static json_t *kind_json(const Kind *k)
{
	return json_pack("{s:s, s:s, s:s, s:b, s:[s,s,s,s], s:{s:{s:s}, s:{s:s}, s:o, s:o}}",
		"title", k->name, "description", k->doc, "type", "object", "additionalProperties",
		0, "required", "apiVersion", "kind", "metadata", "spec", "properties", "apiVersion",
		"const", DOC_API_VERSION, "kind", "const", k->name, "metadata",
		shape_json(&shape_metadata), "spec", shape_json(k->spec));
}

json_t *schema_json(const char *kind)
{
	json_t *out = NULL, *any = json_array();
	if (kind) {
		const Kind *k = kind_find(kind);
		out = k ? kind_json(k) : NULL;
	} else {
		out = json_object();
		for (const Kind *k = doc_kinds; k->name; k++)
			json_array_append_new(any, kind_json(k));
		json_object_set(out, "oneOf", any);
	}
	json_decref(any);
	if (out)
		json_object_set_new(out, "$schema",
			json_string("https://json-schema.org/draft/2020-12/schema"));
	return out;
}

const char *schema_kind(size_t i)
{
	return doc_kinds[i].name;
}
