/* Values without parts: text of a certain form, numbers, booleans. */
#include "objects/time.h"
#include "objects/version.h"
#include "plan/check.h"
#include "plan/value.h"
#include <string.h>

struct ZoneCache {
	GHashTable *known; /* identifier -> GINT_TO_POINTER(1 good, 2 not) */
};

ZoneCache *zone_cache_new(void)
{
	ZoneCache *z = g_new0(ZoneCache, 1);
	z->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return z;
}

void zone_cache_free(ZoneCache *z)
{
	if (!z)
		return;
	g_hash_table_destroy(z->known);
	g_free(z);
}

/* GLib also takes offsets and rules ("UTC+3"); documents name a place, so that the clock changes
 * come along. */
static bool zone_ok(ZoneCache *z, const char *text)
{
	int known = GPOINTER_TO_INT(g_hash_table_lookup(z->known, text));
	if (known)
		return known == 1;
	bool ok = strcmp(text, "UTC") == 0;
	if (!ok && strchr(text, '/') && text[0] != '/' && !strstr(text, "..")) {
		GTimeZone *zone = g_time_zone_new_identifier(text);
		ok = zone != NULL;
		g_clear_pointer(&zone, g_time_zone_unref);
	}
	g_hash_table_insert(z->known, g_strdup(text), GINT_TO_POINTER(ok ? 1 : 2));
	return ok;
}

static bool problem(Problem *p, const char *code, char *message, const char *hint)
{
	*p = (Problem){ code, message, g_strdup(hint) };
	return false;
}

static bool bad(Problem *p, const char *written, const char *what, const char *hint)
{
	return problem(p, CODE_VALUE, g_strdup_printf("%s %s", written, what), hint);
}

static bool enum_ok(const Shape *s, const char *text, const char *written, Problem *p)
{
	Nearest near = { .wanted = text };
	GString *all = g_string_new(NULL);
	bool found = false, never = false;
	for (const Choice *c = s->choices; c->name && !found; c++) {
		if (strcmp(c->name, text) == 0) {
			found = true;
			never = c->status == CHOICE_NEVER;
			if (never)
				bad(p, written, c->doc, NULL);
		} else if (c->status != CHOICE_NEVER) {
			nearest_try(&near, c->name);
			g_string_append_printf(all, "%s%s", all->len ? ", " : "", c->name);
		}
	}
	if (!found) {
		g_autofree char *what = g_strdup_printf("is not one of %s", all->str);
		g_autofree char *hint =
			near.best ? g_strdup_printf("did you mean \"%s\"?", near.best) : NULL;
		bad(p, written, what, hint);
	}
	g_string_free(all, TRUE);
	return found && !never;
}

static bool version_ok(const char *text, const char *written, Problem *p)
{
	Version v;
	if (text[0] != 'v' && version_parse(text, &v))
		return true;
	if (text[0] == 'v' && version_parse(text, &v))
		return bad(p, written, "is not how documents write a version", "leave out the v");
	if (version_parse_minor(text, &v)) {
		g_autofree char *hint = g_strdup_printf("write %d.%d.Z", v.major, v.minor);
		return bad(p, written, "is not a full version", hint);
	}
	return bad(p, written, "is not a version", "write X.Y.Z");
}

/* Documents lie in Git, and what they say is shown to everybody who may look: a password inside a
 * URL, in whatever field, would be no secret any more. It is not repeated in the finding. */
static bool holds_password(const char *text)
{
	while ((text = strstr(text, "://"))) {
		text += strlen("://");
		size_t n = strcspn(text, "@/?# \t\r\n\"'<>");
		if (text[n] == '@' && memchr(text, ':', n))
			return true;
	}
	return false;
}

/* Over ssh the user belongs to the address; over http it is half of a login, or a token. */
static bool remote_ok(const char *text, Problem *p)
{
	const char *host = g_str_has_prefix(text, "https://")  ? text + 8
			   : g_str_has_prefix(text, "http://") ? text + 7
							       : NULL;
	if (host && memchr(host, '@', strcspn(host, "/?#")))
		return problem(p, CODE_VALUE, g_strdup("the URL holds a user or token"),
			"leave it out, and write USER:PASSWORD into what credential names");
	return true;
}

static bool url_ok(const char *text, const char *written, Problem *p)
{
	const char *host = g_str_has_prefix(text, "https://")  ? text + 8
			   : g_str_has_prefix(text, "http://") ? text + 7
							       : NULL;
	if (holds_password(text) || (host && memchr(host, '@', strcspn(host, "/?#"))))
		return problem(p, CODE_VALUE, g_strdup("the URL holds a user or password"),
			"give it as token or basic, by reference");
	if (!host || strcspn(host, "/:?#") == 0 || strpbrk(text, " \t\n\"'<>\\"))
		return bad(p, written, "is not a URL", "write https://HOST/PATH");
	return true;
}

static bool policy_name_ok(const char *text)
{
	return doc_label_ok(g_str_has_prefix(text, "builtin/") ? text + 8 : text);
}

#define NAME_HINT                                                                                  \
	"use lower-case letters, digits and \"-\", at most 63, with a letter or digit at both "    \
	"ends"

static bool duration_ok(const char *text)
{
	int64_t sec;
	return sl_duration_parse(text, &sec);
}

static bool percent_ok(const char *text)
{
	double percent;
	return doc_percent(text, &percent);
}

static bool date_ok(const char *text)
{
	int64_t days;
	return sl_date_parse(text, &days);
}

static bool clock_ok(const char *text)
{
	int minutes;
	return doc_clock(text, &minutes);
}

/* Forms that a function knows, and how to write them. */
static const struct Form {
	bool (*ok)(const char *text);
	const char *what, *hint;
} forms[] = {
	[SHAPE_LABEL] = { doc_label_ok, "is not a valid name", NAME_HINT },
	[SHAPE_POLICY] = { policy_name_ok, "is not a valid name", NAME_HINT },
	[SHAPE_DURATION] = { duration_ok, "is not a duration", "write it as 90s, 15m, 3h or 7d" },
	[SHAPE_PERCENT] = { percent_ok, "is not a percentage", "write it as \"10%\"" },
	[SHAPE_DATE] = { date_ok, "is not a date", "write it as 2027-06-01" },
	[SHAPE_CLOCK] = { clock_ok, "is not a time of day", "write it as \"08:00\"" },
	[SHAPE_ANY] = { NULL, NULL, NULL },
};

static bool text_ok(
	ZoneCache *zones, const Shape *s, const char *text, const char *written, Problem *p)
{
	const struct Form *form = &forms[s->kind];
	if (s->kind != SHAPE_URL && holds_password(text))
		return problem(p, CODE_VALUE, g_strdup("the URL holds a password"),
			"give it by reference, as file, env or credential");
	if (form->ok)
		return form->ok(text) || bad(p, written, form->what, form->hint);
	switch (s->kind) {
	case SHAPE_ENUM:
		return enum_ok(s, text, written, p);
	case SHAPE_VERSION:
		return version_ok(text, written, p);
	case SHAPE_ZONE:
		return zone_ok(zones, text) || bad(p, written, "is not a known time zone",
						       "write it as Europe/Berlin or UTC");
	case SHAPE_URL:
		return url_ok(text, written, p);
	case SHAPE_REMOTE:
		if (!remote_ok(text, p))
			return false; /* fall through */
	default:
		return *text ? true : problem(p, CODE_VALUE, g_strdup("the text is empty"), NULL);
	}
}

static const char *type_name(const json_t *v)
{
	switch (json_typeof(v)) {
	case JSON_OBJECT:
		return "a mapping";
	case JSON_ARRAY:
		return "a list";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	default:
		return "text";
	}
}

/* What stands there in place of what is wanted. */
static bool wrong_type(
	Problem *p, const json_t *v, const char *written, const char *want, const char *hint)
{
	bool whole = json_is_object(v) || json_is_array(v);
	return problem(p, CODE_TYPE,
		g_strdup_printf("%s is not %s", whole ? type_name(v) : written, want), hint);
}

static bool int_ok(const Shape *s, const json_t *v, const char *written, Problem *p)
{
	if (!json_is_integer(v))
		return wrong_type(p, v, written, "a whole number", NULL);
	int64_t n = json_integer_value(v);
	if (n < s->min)
		return problem(p, CODE_VALUE,
			g_strdup_printf(
				"%" G_GINT64_FORMAT " is below %" G_GINT64_FORMAT, n, s->min),
			NULL);
	if (n > s->max)
		return problem(p, CODE_VALUE,
			g_strdup_printf(
				"%" G_GINT64_FORMAT " is above %" G_GINT64_FORMAT, n, s->max),
			NULL);
	return true;
}

static bool nth_ok(const json_t *v, const char *written, Problem *p)
{
	int64_t n = json_is_integer(v) ? json_integer_value(v) : 0;
	const char *text = json_string_value(v);
	if ((n >= 1 && n <= 5) || (text && strcmp(text, "last") == 0))
		return true;
	return wrong_type(p, v, written, "one of 1, 2, 3, 4, 5 and last", NULL);
}

/* A number where a name, version or duration is wanted: say how to write it. */
static bool scalar_for_text(
	ZoneCache *zones, const Shape *s, const json_t *v, const char *written, Problem *p)
{
	g_autofree char *hint = NULL;
	if (json_is_object(v) || json_is_array(v))
		return wrong_type(p, v, written, "text", NULL);
	switch (s->kind) {
	case SHAPE_VERSION:
	case SHAPE_DURATION:
	case SHAPE_PERCENT:
	case SHAPE_ENUM:
	case SHAPE_CLOCK:
	case SHAPE_DATE: {
		g_autofree char *quoted = g_strdup_printf("\"%s\"", written);
		if (!text_ok(zones, s, written, quoted, p)) {
			p->code = CODE_TYPE;
			return false;
		}
	} /* fall through */
	default:
		hint = g_strdup_printf("write \"%s\"", written);
		return problem(p, CODE_TYPE,
			g_strdup_printf("%s is %s, not text", written, type_name(v)), hint);
	}
}

bool value_ok(ZoneCache *zones, const Shape *s, const json_t *v, const char *written, Problem *ret)
{
	switch (s->kind) {
	case SHAPE_ANY:
		return true;
	case SHAPE_INT:
		return int_ok(s, v, written, ret);
	case SHAPE_NTH:
		return nth_ok(v, written, ret);
	case SHAPE_NUMBER:
		return json_is_number(v) || wrong_type(ret, v, written, "a number", NULL);
	case SHAPE_BOOL:
		return json_is_boolean(v) ||
		       wrong_type(ret, v, written, "a boolean", "write true or false");
	default:
		if (!json_is_string(v))
			return scalar_for_text(zones, s, v, written, ret);
		return text_ok(zones, s, json_string_value(v), written, ret);
	}
}
