#include "objects/selector.h"
#include <string.h>

typedef enum { OP_IN, OP_NOT_IN, OP_EXISTS, OP_NOT_EXISTS } Op;

typedef struct Requirement {
	char *key;
	Op op;
	char **values; /* NULL-terminated, sorted */
} Requirement;

struct Selector {
	Requirement *requirements; /* sorted by key, operator, values */
	size_t n;
};

static void requirement_clear(Requirement *r)
{
	g_free(r->key);
	g_strfreev(r->values);
}

void selector_free(Selector *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		requirement_clear(&s->requirements[i]);
	g_free(s->requirements);
	g_free(s);
}

static int compare_strings(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int compare_requirements(const void *a, const void *b)
{
	const Requirement *x = a, *y = b;
	int c = strcmp(x->key, y->key);
	if (!c)
		c = (int)x->op - (int)y->op;
	for (size_t i = 0; !c && (x->values[i] || y->values[i]); i++) {
		c = g_strcmp0(x->values[i], y->values[i]);
		if (!x->values[i] || !y->values[i])
			break;
	}
	return c;
}

/* Takes key and values. */
static bool add(Selector *s, char *key, Op op, char **values, GError **err)
{
	size_t n_values = g_strv_length(values);
	bool wants = op == OP_IN || op == OP_NOT_IN;
	const char *why = NULL;
	if (!*key)
		why = "a label selector has a requirement without a key";
	else if (wants && !n_values)
		why = "a label selector with In or NotIn needs values";
	else if (!wants && n_values)
		why = "a label selector with Exists or DoesNotExist takes no values";
	else if (s->n == SELECTOR_REQUIREMENTS_MAX || n_values > SELECTOR_VALUES_MAX)
		why = "a label selector is too long";
	if (why) {
		g_free(key);
		g_strfreev(values);
		return sl_fail(err, SL_ERR_INVALID, "%s", why);
	}
	qsort(values, n_values, sizeof *values, compare_strings);
	s->requirements = g_renew(Requirement, s->requirements, s->n + 1);
	s->requirements[s->n++] = (Requirement){ key, op, values };
	return true;
}

static void finish(Selector *s)
{
	if (s->n)
		qsort(s->requirements, s->n, sizeof *s->requirements, compare_requirements);
}

static bool add_labels(Selector *s, const json_t *labels, GError **err)
{
	const char *key;
	json_t *value;
	if (!json_is_object(labels))
		return sl_fail(err, SL_ERR_INVALID, "matchLabels is not an object");
	json_object_foreach ((json_t *)labels, key, value) {
		if (!json_is_string(value))
			return sl_fail(err, SL_ERR_INVALID, "matchLabels.%s is not a string", key);
		char **values = g_new0(char *, 2);
		values[0] = g_strdup(json_string_value(value));
		if (!add(s, g_strdup(key), OP_IN, values, err))
			return false;
	}
	return true;
}

static bool parse_op(const char *name, Op *ret)
{
	static const char *const names[] = { "In", "NotIn", "Exists", "DoesNotExist" };
	for (size_t i = 0; name && i < G_N_ELEMENTS(names); i++)
		if (strcmp(name, names[i]) == 0) {
			*ret = (Op)i;
			return true;
		}
	return false;
}

static bool add_expression(Selector *s, const json_t *e, GError **err)
{
	const char *key = json_string_value(json_object_get(e, "key"));
	const char *name = json_string_value(json_object_get(e, "operator"));
	const json_t *list = json_object_get(e, "values");
	Op op;
	if (!key || !parse_op(name, &op))
		return sl_fail(err, SL_ERR_INVALID,
			"matchExpressions needs key and an operator of In, NotIn, Exists, "
			"DoesNotExist; got \"%s\"",
			name ? name : "");
	char **values = g_new0(char *, json_array_size(list) + 1);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *v = json_string_value(json_array_get(list, i));
		values[i] = g_strdup(v ? v : "");
		if (v)
			continue;
		g_strfreev(values);
		return sl_fail(
			err, SL_ERR_INVALID, "matchExpressions of %s: a value is no string", key);
	}
	return add(s, g_strdup(key), op, values, err);
}

static bool add_expressions(Selector *s, const json_t *list, GError **err)
{
	if (!json_is_array(list))
		return sl_fail(err, SL_ERR_INVALID, "matchExpressions is not a list");
	for (size_t i = 0; i < json_array_size(list); i++)
		if (!add_expression(s, json_array_get(list, i), err))
			return false;
	return true;
}

bool selector_from_json(const json_t *v, Selector **ret, GError **err)
{
	if (!v || json_is_null(v)) {
		*ret = NULL;
		return true;
	}
	if (!json_is_object(v))
		return sl_fail(err, SL_ERR_INVALID, "a label selector is not an object");
	g_autoptr(Selector) s = g_new0(Selector, 1);
	const char *key;
	json_t *part;
	json_object_foreach ((json_t *)v, key, part) {
		if (json_is_null(part))
			continue;
		if (strcmp(key, "matchLabels") == 0) {
			if (!add_labels(s, part, err))
				return false;
		} else if (strcmp(key, "matchExpressions") == 0) {
			if (!add_expressions(s, part, err))
				return false;
		} else {
			return sl_fail(err, SL_ERR_INVALID,
				"a label selector has an unknown field \"%s\"", key);
		}
	}
	finish(s);
	*ret = g_steal_pointer(&s);
	return true;
}

static bool has_value(const Requirement *r, const char *value)
{
	for (char **v = r->values; *v; v++)
		if (strcmp(*v, value) == 0)
			return true;
	return false;
}

static bool requirement_matches(const Requirement *r, const json_t *labels)
{
	const char *value = json_string_value(json_object_get(labels, r->key));
	switch (r->op) {
	case OP_IN:
		return value && has_value(r, value);
	case OP_NOT_IN:
		return !value || !has_value(r, value);
	case OP_EXISTS:
		return value != NULL;
	case OP_NOT_EXISTS:
		return value == NULL;
	}
	g_assert_not_reached();
}

bool selector_matches(const Selector *s, const json_t *labels)
{
	if (!s)
		return false;
	for (size_t i = 0; i < s->n; i++)
		if (!requirement_matches(&s->requirements[i], labels))
			return false;
	return true;
}

bool selector_is_everything(const Selector *s)
{
	return s && s->n == 0;
}

char *selector_format(const Selector *s)
{
	if (!s)
		return NULL;
	GString *out = g_string_new(NULL);
	for (size_t i = 0; i < s->n; i++) {
		const Requirement *r = &s->requirements[i];
		bool one = r->op == OP_IN && !r->values[1];
		g_autofree char *values = g_strjoinv(",", r->values);
		if (i)
			g_string_append_c(out, ',');
		if (r->op == OP_EXISTS || r->op == OP_NOT_EXISTS)
			g_string_append_printf(out, "%s%s", r->op == OP_EXISTS ? "" : "!", r->key);
		else if (one)
			g_string_append_printf(out, "%s=%s", r->key, values);
		else
			g_string_append_printf(
				out, "%s %s (%s)", r->key, r->op == OP_IN ? "in" : "notin", values);
	}
	return g_string_free(out, FALSE);
}

/* The query form: a recursive descent over "requirement , requirement ...". */

static void skip_spaces(const char **at)
{
	while (**at == ' ')
		(*at)++;
}

/* A key or a value: everything up to an operator. May be empty. */
static char *take_word(const char **at)
{
	skip_spaces(at);
	size_t n = strcspn(*at, " =!,()");
	char *word = g_strndup(*at, n);
	*at += n;
	skip_spaces(at);
	return word;
}

static char **take_set(const char **at)
{
	GStrvBuilder *b = g_strv_builder_new();
	bool closed = false;
	if (**at == '(') {
		do {
			(*at)++;
			g_autofree char *word = take_word(at);
			g_strv_builder_add(b, word);
		} while (**at == ',');
		closed = **at == ')';
		*at += closed;
		skip_spaces(at);
	}
	char **values = g_strv_builder_end(b);
	g_strv_builder_unref(b);
	if (!closed)
		g_clear_pointer(&values, g_strfreev);
	return values;
}

static char **take_equals(const char **at, Op *ret_op)
{
	*ret_op = **at == '!' ? OP_NOT_IN : OP_IN;
	if (**at == '!')
		(*at)++;
	if (**at != '=')
		return NULL;
	(*at)++;
	*at += **at == '=' && *ret_op == OP_IN;
	char **values = g_new0(char *, 2);
	values[0] = take_word(at);
	return values;
}

/* What follows a key; NULL when it is no operator that fits. */
static char **take_operator(const char **at, Op *ret_op)
{
	if (**at == '=' || **at == '!')
		return take_equals(at, ret_op);
	*ret_op = OP_EXISTS;
	if (**at == ',' || **at == '\0')
		return g_new0(char *, 1);
	g_autofree char *word = take_word(at);
	*ret_op = strcmp(word, "in") == 0 ? OP_IN : OP_NOT_IN;
	if (*ret_op == OP_NOT_IN && strcmp(word, "notin") != 0)
		return NULL;
	return take_set(at);
}

static bool take_requirement(const char **at, Selector *s, GError **err)
{
	Op op = OP_NOT_EXISTS;
	skip_spaces(at);
	bool negated = **at == '!';
	*at += negated;
	g_autofree char *key = take_word(at);
	char **values = negated ? g_new0(char *, 1) : take_operator(at, &op);
	if (!values)
		return sl_fail(
			err, SL_ERR_INVALID, "label selector: no operator after \"%s\"", key);
	return add(s, g_steal_pointer(&key), op, values, err);
}

Selector *selector_from_query(const char *text, GError **err)
{
	g_autoptr(Selector) s = g_new0(Selector, 1);
	const char *at = text ? text : "";
	skip_spaces(&at);
	while (*at) {
		if (!take_requirement(&at, s, err))
			return NULL;
		if (*at != ',' && *at) {
			sl_fail(err, SL_ERR_INVALID, "label selector: unexpected text at \"%s\"",
				at);
			return NULL;
		}
		if (*at == ',' && !*++at) {
			sl_fail(err, SL_ERR_INVALID, "label selector: ends with a comma");
			return NULL;
		}
	}
	finish(s);
	return g_steal_pointer(&s);
}
