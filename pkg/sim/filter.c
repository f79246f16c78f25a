#include "sim/filter.h"
#include "objects/selector.h"
#include "sim/tree.h"
#include <string.h>

enum { MAX_FIELDS = 8 };

typedef struct Field {
	char *path, *value;
	bool differs;
} Field;

struct SimFilter {
	char *ns, *name;
	Selector *labels; /* NULL: all */
	Field fields[MAX_FIELDS];
	size_t n_fields;
};

static bool known_field(const char *path)
{
	static const char *const known[] = { "metadata.name", "metadata.namespace", "spec.nodeName",
		"status.phase", "type", "reason", "involvedObject.kind", "involvedObject.name",
		"involvedObject.namespace", "involvedObject.uid" };
	for (size_t i = 0; i < G_N_ELEMENTS(known); i++)
		if (strcmp(path, known[i]) == 0)
			return true;
	return false;
}

static bool add_field(SimFilter *f, const char *term, GError **err)
{
	const char *eq = strchr(term, '=');
	if (!eq || f->n_fields == MAX_FIELDS)
		return sl_fail(
			err, SL_ERR_INVALID, "invalid selector: '%s'; can't understand", term);
	bool differs = eq > term && eq[-1] == '!';
	Field *n = &f->fields[f->n_fields++];
	n->path = g_strndup(term, (size_t)(eq - term) - (differs ? 1 : 0));
	n->value = g_strdup(eq[1] == '=' ? eq + 2 : eq + 1);
	n->differs = differs;
	return known_field(n->path) ||
	       sl_fail(err, SL_ERR_INVALID, "field label not supported: %s", n->path);
}

static bool add_fields(SimFilter *f, const char *text, GError **err)
{
	g_auto(GStrv) terms = g_strsplit(text, ",", MAX_FIELDS + 1);
	for (size_t i = 0; terms[i]; i++)
		if (terms[i][0] && !add_field(f, terms[i], err))
			return false;
	return true;
}

SimFilter *sim_filter_new(const SimPath *p, GError **err)
{
	g_autoptr(SimFilter) f = g_new0(SimFilter, 1);
	g_autofree char *labels = sim_query_get(p->query, "labelSelector");
	g_autofree char *fields = sim_query_get(p->query, "fieldSelector");
	f->ns = g_strdup(p->ns);
	f->name = g_strdup(p->name);
	if (labels && labels[0] && !(f->labels = selector_from_query(labels, err)))
		return NULL;
	if (fields && !add_fields(f, fields, err))
		return NULL;
	return g_steal_pointer(&f);
}

void sim_filter_free(SimFilter *f)
{
	if (!f)
		return;
	g_free(f->ns);
	g_free(f->name);
	selector_free(f->labels);
	for (size_t i = 0; i < f->n_fields; i++) {
		g_free(f->fields[i].path);
		g_free(f->fields[i].value);
	}
	g_free(f);
}

const char *sim_filter_ns(const SimFilter *f)
{
	return f->ns;
}

bool sim_filter_match(const SimFilter *f, const SimSnap *s)
{
	if (f->ns && g_strcmp0(tree_str(s->json, "metadata.namespace"), f->ns) != 0)
		return false;
	if (f->name && g_strcmp0(tree_str(s->json, "metadata.name"), f->name) != 0)
		return false;
	for (size_t i = 0; i < f->n_fields; i++) {
		const char *v = tree_str(s->json, f->fields[i].path);
		if ((strcmp(v ? v : "", f->fields[i].value) == 0) == f->fields[i].differs)
			return false;
	}
	return !f->labels || selector_matches(f->labels, tree_get(s->json, "metadata.labels"));
}
