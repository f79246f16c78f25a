#include "plan/finding.h"
#include "plan/doc.h"
#include <string.h>

struct Findings {
	GPtrArray *list; /* Finding, sorted up to n_sorted */
	size_t n_sorted;
	size_t n_level[3];
};

static void finding_free(void *p)
{
	Finding *f = p;
	g_free((char *)f->file);
	g_free((char *)f->kind);
	g_free((char *)f->name);
	g_free((char *)f->path);
	g_free((char *)f->where);
	g_free((char *)f->code);
	g_free((char *)f->message);
	g_free((char *)f->hint);
	g_free(f);
}

Findings *findings_new(void)
{
	Findings *f = g_new0(Findings, 1);
	f->list = g_ptr_array_new_with_free_func(finding_free);
	return f;
}

void findings_free(Findings *f)
{
	if (!f)
		return;
	g_ptr_array_free(f->list, TRUE);
	g_free(f);
}

void findings_add(Findings *f, const Finding *from)
{
	Finding *to = g_new0(Finding, 1);
	*to = (Finding){ from->level, g_strdup(from->file), from->line, from->column,
		g_strdup(from->kind), g_strdup(from->name), g_strdup(from->path),
		g_strdup(from->where), g_strdup(from->code), g_strdup(from->message),
		g_strdup(from->hint) };
	g_ptr_array_add(f->list, to);
	f->n_level[from->level]++;
}

size_t findings_count(const Findings *f, FindingLevel level)
{
	return f->n_level[level];
}

size_t findings_total(const Findings *f)
{
	return f->list->len;
}

/* g_ptr_array_sort is stable (a merge sort), so equal places keep their order. */
static int by_place(const void *a, const void *b)
{
	const Finding *x = *(Finding *const *)a, *y = *(Finding *const *)b;
	int d = strcmp(x->file, y->file);
	if (d == 0)
		d = x->line - y->line;
	return d ? d : x->column - y->column;
}

const Finding *findings_nth(const Findings *f, size_t i)
{
	if (f->n_sorted != f->list->len) {
		g_ptr_array_sort(f->list, by_place);
		((Findings *)f)->n_sorted = f->list->len;
	}
	return f->list->pdata[i];
}

static const char *level_text(FindingLevel level)
{
	return level == FINDING_ERROR ? "error" : level == FINDING_WARNING ? "warning" : "notice";
}

char *finding_text(const Finding *f)
{
	GString *s = g_string_new(f->file);
	if (f->line > 0)
		g_string_append_printf(s, ":%d:%d", f->line, f->column);
	g_string_append(s, ": ");
	if (f->kind && *f->kind && f->name && *f->name)
		g_string_append_printf(s, "%s/%s: ", f->kind, f->name);
	else if (f->kind && *f->kind)
		g_string_append_printf(s, "%s: ", f->kind);
	const char *where = f->where ? f->where : f->path;
	if (where && *where)
		g_string_append_printf(s, "%s: ", where);
	if (f->level != FINDING_ERROR)
		g_string_append_printf(s, "%s: ", level_text(f->level));
	g_string_append(s, f->message);
	if (f->hint)
		g_string_append_printf(s, "; %s", f->hint);
	g_string_append_c(s, '\n');
	return g_string_free(s, FALSE);
}

static void append_count(GString *s, size_t n, const char *what)
{
	g_string_append_printf(s, "%zu %s%s", n, what, n == 1 ? "" : "s");
}

static size_t files_with_errors(const Findings *f)
{
	size_t n = 0;
	const char *last = NULL;
	for (size_t i = 0; i < findings_total(f); i++) {
		const Finding *x = findings_nth(f, i);
		if (x->level == FINDING_ERROR && (!last || strcmp(last, x->file) != 0)) {
			last = x->file;
			n++;
		}
	}
	return n;
}

static void append_summary(GString *s, const Findings *f, size_t n_documents, size_t n_files)
{
	size_t errors = f->n_level[FINDING_ERROR];
	if (errors > 0) {
		append_count(s, errors, "error");
		g_string_append(s, " in ");
		append_count(s, files_with_errors(f), "file");
	} else {
		append_count(s, n_documents, "document");
		g_string_append(s, " in ");
		append_count(s, n_files, "file");
		g_string_append(s, n_documents == 1 ? " is good" : " are good");
	}
	for (int level = FINDING_WARNING; level <= FINDING_NOTICE; level++) {
		if (f->n_level[level] == 0)
			continue;
		g_string_append(s, ", ");
		append_count(s, f->n_level[level], level_text((FindingLevel)level));
	}
	g_string_append_c(s, '\n');
}

char *findings_text(const Findings *f, size_t n_documents, size_t n_files)
{
	GString *s = g_string_new(NULL);
	for (size_t i = 0; i < findings_total(f); i++) {
		g_autofree char *line = finding_text(findings_nth(f, i));
		g_string_append(s, line);
	}
	append_summary(s, f, n_documents, n_files);
	return g_string_free(s, FALSE);
}

static void set_text(json_t *o, const char *key, const char *value)
{
	if (value && *value)
		json_object_set_new(o, key, json_string(value));
}

static json_t *finding_json(const Finding *f)
{
	json_t *o = json_pack("{s:s, s:s, s:i, s:i}", "level", level_text(f->level), "file",
		f->file, "line", f->line, "column", f->column);
	set_text(o, "documentKind", f->kind);
	set_text(o, "name", f->name);
	set_text(o, "path", f->path);
	set_text(o, "where", f->where);
	set_text(o, "code", f->code);
	set_text(o, "message", f->message);
	set_text(o, "hint", f->hint);
	return o;
}

json_t *findings_report(const Findings *f, size_t n_documents, size_t n_files)
{
	json_t *list = json_array();
	for (size_t i = 0; i < findings_total(f); i++)
		json_array_append_new(list, finding_json(findings_nth(f, i)));
	return json_pack("{s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:o}", "apiVersion", DOC_API_VERSION,
		"kind", "CheckReport", "documents", (int)n_documents, "files", (int)n_files,
		"errors", (int)f->n_level[FINDING_ERROR], "warnings",
		(int)f->n_level[FINDING_WARNING], "notices", (int)f->n_level[FINDING_NOTICE],
		"findings", list);
}
