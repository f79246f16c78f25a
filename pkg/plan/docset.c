#include "plan/docset.h"
#include "plan/builtin.h"
#include "plan/check.h"
#include "plan/jobs.h"
#include "plan/refs.h"
#include <string.h>

enum { INCLUDE_MAX = 16 };

struct DocSet {
	GPtrArray *docs; /* Doc, sorted by kind, name, file and place once checked */
	GPtrArray *builtin; /* Doc, in the order of builtin_documents (sorted) */
	GPtrArray *kept; /* json_t: texts and answers that documents point into */
	Findings *findings;
	json_t *jobs; /* file -> template of a Job */
	ZoneCache *zones;
	size_t n_files;
	bool checked;
};

static void unref_json(void *v)
{
	json_decref(v);
}

static void free_doc(void *d)
{
	doc_free(d);
}

static void add_builtin(DocSet *s, const char *text)
{
	json_t *json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	g_assert(json);
	g_autoptr(json_t) answer = json_pack("{s:o}", "json", json);
	Doc *d = doc_new("builtin", answer, NULL, 0);
	g_autoptr(Findings) quiet = findings_new();
	Checker c = { .out = quiet, .zones = s->zones, .doc = d };
	check_shape(&c);
	check_kind(&c);
	g_ptr_array_add(s->builtin, d);
}

DocSet *docset_new(void)
{
	DocSet *s = g_new0(DocSet, 1);
	s->docs = g_ptr_array_new_with_free_func(free_doc);
	s->builtin = g_ptr_array_new_with_free_func(free_doc);
	s->kept = g_ptr_array_new_with_free_func(unref_json);
	s->findings = findings_new();
	s->jobs = json_object();
	s->zones = zone_cache_new();
	for (const char *const *text = builtin_documents; *text; text++)
		add_builtin(s, *text);
	return s;
}

void docset_free(DocSet *s)
{
	if (!s)
		return;
	g_ptr_array_free(s->docs, TRUE);
	g_ptr_array_free(s->builtin, TRUE);
	g_ptr_array_free(s->kept, TRUE);
	findings_free(s->findings);
	json_decref(s->jobs);
	zone_cache_free(s->zones);
	g_free(s);
}

void docset_add_error(DocSet *s, const char *file, const char *message)
{
	Finding f = { .file = file, .code = CODE_YAML, .message = message };
	findings_add(s->findings, &f);
	s->n_files++;
}

/* A template counts only where a policy names it: what is wrong with it is said there. */
static void add_template(DocSet *s, const char *name, const json_t *answer)
{
	const char *error = json_path_str(answer, "errors.0.message", NULL);
	json_t *json = json_path(answer, "documents.0.json");
	json_object_set_new(s->jobs, strstr(name, JOBS_FOLDER),
		error ? json_pack("{s:s}", "unreadable", error)
		      : json_incref(json ? json : json_null()));
	s->n_files++;
}

static void add_file(DocSet *s, const json_t *asked, const json_t *answer)
{
	const char *name = json_path_str(asked, "name", "");
	if (jobs_is_template(name)) {
		add_template(s, name, answer);
		return;
	}
	json_t *text = json_object_get(asked, "text"), *e;
	size_t i;
	json_array_foreach (json_object_get(answer, "errors"), i, e) {
		Finding f = { .file = name,
			.line = (int)json_path_int(e, "line", 0),
			.column = (int)json_path_int(e, "column", 0),
			.code = CODE_YAML,
			.message = json_path_str(e, "message", "not readable") };
		findings_add(s->findings, &f);
	}
	json_array_foreach (json_object_get(answer, "documents"), i, e) {
		json_t *json = json_object_get(e, "json");
		if (json_is_null(json))
			continue; /* nothing between two --- */
		g_ptr_array_add(s->docs,
			doc_new(name, e, json_string_value(text), json_string_length(text)));
	}
	s->n_files++;
}

bool docset_add_files(DocSet *s, json_t *request, json_t *answer, GError **err)
{
	const json_t *asked = json_object_get(request, "files"),
		     *got = json_object_get(answer, "files");
	size_t n = json_array_size(asked);
	if (!json_is_array(asked) || !json_is_array(got) || json_array_size(got) != n)
		return sl_fail(
			err, SL_ERR_INVALID, "the answer about YAML does not fit the request");
	for (size_t i = 0; i < n; i++) {
		const char *a = json_path_str(json_array_get(asked, i), "name", ""),
			   *b = json_path_str(json_array_get(got, i), "name", "");
		if (strcmp(a, b) != 0)
			return sl_fail(err, SL_ERR_INVALID,
				"the answer about YAML is for %s, not %s", b, a);
	}
	g_ptr_array_add(s->kept, json_incref(request));
	g_ptr_array_add(s->kept, json_incref(answer));
	for (size_t i = 0; i < n; i++)
		add_file(s, json_array_get(asked, i), json_array_get(got, i));
	return true;
}

static int compare_key(const Doc *d, const char *kind, const char *name)
{
	int c = strcmp(doc_kind(d), kind);
	return c ? c : strcmp(doc_name(d), name);
}

/* Stable, so that equal names keep the order of files and of documents in them. */
static int by_key(const void *a, const void *b)
{
	const Doc *x = *(Doc *const *)a, *y = *(Doc *const *)b;
	return compare_key(x, doc_kind(y), doc_name(y));
}

void docset_check(DocSet *s)
{
	g_assert(!s->checked);
	s->checked = true;
	Checker c = { .out = s->findings, .zones = s->zones };
	for (size_t i = 0; i < s->docs->len; i++) {
		c.doc = s->docs->pdata[i];
		if (check_shape(&c))
			check_kind(&c);
	}
	g_ptr_array_sort(s->docs, by_key);
	check_refs(&c, s);
}

bool docset_ok(const DocSet *s)
{
	return s->checked && findings_count(s->findings, FINDING_ERROR) == 0;
}

const Findings *docset_findings(const DocSet *s)
{
	return s->findings;
}

size_t docset_n_documents(const DocSet *s)
{
	return s->docs->len;
}

size_t docset_n_files(const DocSet *s)
{
	return s->n_files;
}

/* First document that is not below kind and name. */
static size_t lower_bound(const DocSet *s, const char *kind, const char *name)
{
	size_t lo = 0, hi = s->docs->len;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (compare_key(s->docs->pdata[mid], kind, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/* One past the last document of the kind: no kind has the byte 0x01 in its name. */
static size_t kind_end(const DocSet *s, const char *kind)
{
	g_autofree char *next = g_strconcat(kind, "\x01", NULL);
	return lower_bound(s, next, "");
}

size_t docset_n(const DocSet *s, const char *kind)
{
	return kind_end(s, kind) - lower_bound(s, kind, "");
}

const Doc *docset_nth(const DocSet *s, const char *kind, size_t i)
{
	size_t first = lower_bound(s, kind, "");
	g_assert(first + i < s->docs->len);
	return s->docs->pdata[first + i];
}

const Doc *docset_find(const DocSet *s, const char *kind, const char *name)
{
	size_t at = lower_bound(s, kind, name);
	if (at < s->docs->len && compare_key(s->docs->pdata[at], kind, name) == 0)
		return s->docs->pdata[at];
	for (size_t i = 0; i < s->builtin->len; i++)
		if (compare_key(s->builtin->pdata[i], kind, name) == 0)
			return s->builtin->pdata[i];
	return NULL;
}

static bool labels_match(const json_t *wanted, const json_t *labels)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)wanted, key, value) {
		if (!json_is_string(value) || !json_equal(json_object_get(labels, key), value))
			return false;
	}
	return true;
}

json_t *docset_wave_clusters(const DocSet *s, const json_t *wave)
{
	json_t *out = json_array(), *name;
	const json_t *names = json_path(wave, "clusters.names");
	const json_t *wanted = json_path(wave, "clusters.matchLabels");
	size_t i;
	json_array_foreach (names, i, name) {
		if (json_is_string(name) && docset_find(s, "Cluster", json_string_value(name)))
			json_array_append(out, name);
	}
	if (!json_is_object(wanted))
		return out;
	size_t first = lower_bound(s, "Cluster", ""), end = kind_end(s, "Cluster");
	for (i = first; i < end; i++) {
		const Doc *d = s->docs->pdata[i];
		if (labels_match(wanted, json_path(doc_full(d), "metadata.labels")))
			json_array_append_new(out, json_string(doc_name(d)));
	}
	return out;
}

const Doc *docset_policy(
	const DocSet *s, const Doc *plan, const json_t *wave, const Doc *cluster, const char *field)
{
	static const struct {
		const char *field, *kind, *def;
	} fields[] = {
		{ "gates", "GatePolicy", NULL },
		{ "drain", "DrainPolicy", "builtin/default" },
		{ "window", "WindowPolicy", NULL },
		{ "rollback", "RollbackPolicy", "builtin/default" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		if (strcmp(fields[i].field, field) != 0)
			continue;
		const char *name = json_string_value(
			json_object_get(json_object_get(wave, "policies"), field));
		if (!name)
			name = json_string_value(json_object_get(
				json_object_get(doc_spec(plan), "policies"), field));
		if (name)
			return docset_find(s, fields[i].kind, name);
		if (strcmp(field, "gates") != 0)
			return fields[i].def ? docset_find(s, fields[i].kind, fields[i].def) : NULL;
		g_autofree char *shipped = g_strdup_printf(
			"builtin/%s", json_path_str(doc_spec(cluster), "provider", ""));
		return docset_find(s, "GatePolicy", shipped);
	}
	g_assert_not_reached();
}

/* A gate of a name that is there already takes that place. */
static void put_gate(json_t *list, json_t *gate)
{
	const char *name = json_path_str(gate, "name", "");
	json_t *old;
	size_t i;
	json_array_foreach (list, i, old) {
		if (strcmp(json_path_str(old, "name", ""), name) == 0) {
			json_array_set(list, i, gate);
			return;
		}
	}
	json_array_append(list, gate);
}

static void collect_gates(const DocSet *s, const Doc *policy, json_t *out, int depth)
{
	const json_t *include = json_object_get(doc_spec(policy), "include"),
		     *gates = json_object_get(doc_spec(policy), "gates");
	json_t *item;
	size_t i;
	json_array_foreach (include, i, item) {
		const Doc *d = json_is_string(item)
				       ? docset_find(s, "GatePolicy", json_string_value(item))
				       : NULL;
		if (d && depth < INCLUDE_MAX)
			collect_gates(s, d, out, depth + 1);
	}
	json_array_foreach (gates, i, item) {
		put_gate(out, item);
	}
}

json_t *docset_gates(const DocSet *s, const Doc *policy)
{
	json_t *out = json_array();
	collect_gates(s, policy, out, 0);
	return out;
}

json_t *docset_job(const DocSet *s, const char *file, char **ret_why)
{
	json_t *shipped = jobs_builtin(file);
	if (shipped)
		return shipped;
	json_t *template = json_object_get(s->jobs, file);
	g_autofree char *why = template
				       ? jobs_problem(template)
				       : g_strdup("is not there; templates lie under " JOBS_FOLDER);
	if (!why)
		return json_incref(template);
	if (ret_why)
		*ret_why = g_steal_pointer(&why);
	return NULL;
}
