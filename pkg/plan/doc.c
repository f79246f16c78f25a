#include "plan/doc.h"
#include <string.h>

struct Doc {
	char *file;
	const char *kind, *name; /* borrowed from json */
	json_t *json, *full, *nothing, *later;
	json_t *positions; /* text, decoded when the first place is asked for */
	DocPlace *places;
	size_t n_places;
	const char *text;
	size_t text_len;
};

Doc *doc_new(const char *file, const json_t *answer, const char *text, size_t text_len)
{
	Doc *d = g_new0(Doc, 1);
	d->file = g_strdup(file);
	d->json = json_incref(json_object_get(answer, "json"));
	if (!d->json)
		d->json = json_null();
	d->kind = json_path_str(d->json, "kind", "");
	d->name = json_path_str(d->json, "metadata.name", "");
	d->positions = json_incref(json_object_get(answer, "positions"));
	d->nothing = json_object();
	d->later = json_array();
	d->text = text;
	d->text_len = text_len;
	return d;
}

void doc_free(Doc *d)
{
	if (!d)
		return;
	json_decref(d->json);
	json_decref(d->full);
	json_decref(d->nothing);
	json_decref(d->later);
	json_decref(d->positions);
	g_free(d->places);
	g_free(d->file);
	g_free(d);
}

const char *doc_file(const Doc *d)
{
	return d->file;
}

const char *doc_kind(const Doc *d)
{
	return d->kind;
}

const char *doc_name(const Doc *d)
{
	return d->name;
}

const json_t *doc_json(const Doc *d)
{
	return d->json;
}

const json_t *doc_full(const Doc *d)
{
	return d->full ? d->full : d->json;
}

const json_t *doc_spec(const Doc *d)
{
	const json_t *spec = json_object_get(doc_full(d), "spec");
	return json_is_object(spec) ? spec : d->nothing;
}

void doc_set_full(Doc *d, json_t *full)
{
	json_decref(d->full);
	d->full = full;
}

const json_t *doc_later(const Doc *d)
{
	return d->later;
}

void doc_add_later(Doc *d, const char *path)
{
	json_array_append_new(d->later, json_string(path));
}

/* Four numbers a node, differences to the node before: pkg/yaml/yaml.h. */
static void decode_places(Doc *d)
{
	const char *p = json_string_value(d->positions);
	GArray *out = g_array_new(FALSE, FALSE, sizeof(DocPlace));
	DocPlace at = { 0 };
	while (p && *p) {
		int64_t v[4];
		char *end = NULL;
		for (int k = 0; k < 4; k++, p = end)
			v[k] = g_ascii_strtoll(p, &end, 10);
		at.column = v[0] == 0 ? at.column + (int)v[1] : (int)v[1];
		at.line += (int)v[0];
		at.start += (size_t)v[2];
		at.end = at.start + (size_t)v[3];
		g_array_append_val(out, at);
	}
	d->n_places = out->len;
	d->places = (DocPlace *)g_array_free(out, FALSE);
}

static size_t count_nodes(const json_t *v)
{
	size_t n = 1, i;
	const char *key;
	json_t *child;
	json_object_foreach ((json_t *)v, key, child) {
		n += 1 + count_nodes(child);
	}
	json_array_foreach (v, i, child) {
		n += count_nodes(child);
	}
	return n;
}

/* The child at the step; *index moves from the parent's node to the child's, *ret_key is its key's
 * node (or the child's). NULL when there is none. */
static const json_t *descend(const json_t *v, DocStep step, size_t *index, size_t *ret_key)
{
	size_t at = *index + 1, i;
	const char *key;
	json_t *child;
	if (step.key) {
		json_object_foreach ((json_t *)v, key, child) {
			if (strcmp(key, step.key) == 0) {
				*ret_key = at;
				*index = at + 1;
				return child;
			}
			at += 1 + count_nodes(child);
		}
		return NULL;
	}
	json_array_foreach (v, i, child) {
		if (i == step.index) {
			*ret_key = *index = at;
			return child;
		}
		at += count_nodes(child);
	}
	return NULL;
}

DocPlace doc_place(const Doc *d, const DocStep *steps, size_t n, bool at_key)
{
	if (!d->places)
		decode_places((Doc *)d);
	size_t index = 0, key = 0, i;
	const json_t *v = d->json;
	for (i = 0; i < n && v; i++)
		v = descend(v, steps[i], &index, &key);
	if (at_key && v && n > 0)
		index = key;
	return index < d->n_places ? d->places[index] : (DocPlace){ 1, 1, 0, 0 };
}

char *doc_path_text(const DocStep *steps, size_t n)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < n; i++) {
		const char *key = steps[i].key;
		if (!key)
			g_string_append_printf(s, "[%zu]", steps[i].index);
		else if (*key == '\0' || strpbrk(key, ".[]\" "))
			g_string_append_printf(s, "[\"%s\"]", key);
		else
			g_string_append_printf(s, "%s%s", i ? "." : "", key);
	}
	return g_string_free(s, FALSE);
}

char *doc_source(const Doc *d, DocPlace place)
{
	if (!d->text || place.start > place.end || place.end > d->text_len)
		return NULL;
	return g_strndup(d->text + place.start, place.end - place.start);
}
