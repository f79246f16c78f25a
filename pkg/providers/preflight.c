/* What every provider asks beforehand in the same way. */
#include "providers/preflight.h"
#include "providers/clusterversion.h"
#include <string.h>

/* One read that was lost, and its repetition; less while a person waits for the answer. */
enum { PATIENCE_SEC = 45, LOOK_PATIENCE_SEC = 8 };

bool provider_may_pass(const Item *it, const GError *err)
{
	bool final = g_error_matches(err, SL_ERROR, SL_ERR_REFUSED) ||
		     g_error_matches(err, SL_ERROR, SL_ERR_INVALID);
	int patience = provider_inspects(it) ? LOOK_PATIENCE_SEC : PATIENCE_SEC;
	return !final && item_observed_usec(it) < patience * SL_USEC_PER_SEC;
}

/* The server's answer to the path of a kind that it does not know. */
bool provider_no_such_kind(const GError *err)
{
	return err && g_error_matches(err, SL_ERROR, SL_ERR_INVALID) &&
	       strstr(err->message, "404 page not found");
}

/* Without the key or path that begins it: the same words for all that fail alike. */
static const char *cause_of(const char *key, const char *message)
{
	size_t n = strlen(key);
	if (strncmp(message, key, n) == 0 && g_str_has_prefix(message + n, ": "))
		return message + n + 2;
	const char *colon = message[0] == '/' ? strstr(message, ": ") : NULL;
	return colon ? colon + 2 : message;
}

/* What fails for the cause that an earlier finding names goes into that one: a cluster that is away
 * is one finding, not one for each read. False: there is none yet. */
static bool fold(json_t *findings, const char *level, const char *cause)
{
	size_t i;
	json_t *f;
	json_array_foreach (findings, i, f) {
		const char *has = json_path_str(f, "level", "");
		if (strcmp(json_path_str(f, "cause", ""), cause) != 0 ||
			(strcmp(has, level) != 0 && strcmp(has, "block") != 0))
			continue;
		json_int_t n = json_path_int(f, "more", 0) + 1;
		json_object_set_new(f, "more", json_integer(n));
		json_object_set_new(f, "message",
			json_sprintf("%s and %d more cannot be read: %s",
				json_path_str(f, "first", "?"), (int)n, cause));
		return true;
	}
	return false;
}

static void unreadable(json_t *findings, const char *level, const char *what, const char *cause)
{
	if (fold(findings, level, cause))
		return;
	finding_add(findings, level, "unreadable",
		"check the credentials and the address in the Cluster document",
		"%s cannot be read: %s", what, cause);
	json_t *f = json_array_get(findings, json_array_size(findings) - 1);
	json_object_set_new(f, "cause", json_string(cause));
	json_object_set_new(f, "first", json_string(what));
}

/* what: how people call it. */
static bool settled_as(Item *it, const FactRow *row, const char *key, const char *what,
	bool optional, const View **ret, json_t *findings)
{
	*ret = fact(it, row, key);
	if (*ret)
		return true;
	const GError *err = fact_error(it, row, key);
	if (!err || provider_may_pass(it, err))
		return false;
	/* That it is not allowed, the question about that right tells. */
	if (optional &&
		(provider_no_such_kind(err) || g_error_matches(err, SL_ERROR, SL_ERR_REFUSED)))
		return true;
	unreadable(findings, optional ? "warn" : "block", what, cause_of(key, err->message));
	return true;
}

bool provider_settled(Item *it, const FactRow *row, const char *key, bool optional,
	const View **ret, json_t *findings)
{
	return settled_as(it, row, key, key, optional, ret, findings);
}

static bool is_right(const json_t *right, const char *field, const char *value)
{
	return strcmp(json_path_str(right, field, ""), value) == 0;
}

/* False: not answered yet. */
static bool check_right(Item *it, const json_t *right, bool *ret_lacks, json_t *findings)
{
	g_autofree char *key = right_key(right), *what = right_text(right);
	g_autofree char *asked = g_strdup_printf("the right to %s", what);
	const View *v;
	*ret_lacks = false;
	if (!settled_as(it, &fact_access, key, asked, false, &v, findings))
		return false;
	*ret_lacks = v && !json_path_bool(v->json, "allowed", false);
	g_autofree char *fix = g_strdup_printf(
		"shiplock rbac --cluster %s prints all that is to be granted", target_of(it)->name);
	if (*ret_lacks)
		finding_add(findings, json_path_bool(right, "spare", false) ? "warn" : "block",
			"rbac", fix, "not allowed to %s", what);
	return true;
}

/* Who may not speak as the writer cannot ask what the writer may: that is one finding, not many. */
bool provider_check_access(Item *it, const char *unwritten, json_t *findings)
{
	g_autoptr(json_t) rights =
		rights_of(target_of(it)->provider->rights, target_spec(target_of(it)));
	bool all = true, mute = false, lacks;
	size_t i;
	json_t *r;
	json_array_foreach (rights, i, r) {
		bool speaks = is_right(r, "verb", "impersonate");
		bool elsewhere = unwritten && is_right(r, "resource", unwritten);
		if (is_right(r, "as", "writer") && (mute || elsewhere))
			continue;
		bool answered = check_right(it, r, &lacks, findings);
		all = all && answered;
		mute = mute || (speaks && (lacks || !answered));
	}
	return all;
}

void provider_check_nodes(const json_t *list, json_t *findings)
{
	size_t i;
	json_t *n;
	json_array_foreach (json_object_get(list, "items"), i, n) {
		const char *name = json_path_str(n, "metadata.name", "?");
		if (json_path_bool(n, "spec.unschedulable", false))
			finding_add(findings, "warn", "cordon",
				"a cordoned node counts as unavailable and can stop its whole "
				"pool: uncordon it, if it may",
				"node %s is cordoned by somebody else", name);
		if (strcmp(condition_status(n, "Ready"), "True") != 0)
			finding_add(findings, "warn", "node", "mend it or take it out of its pool",
				"node %s is not Ready: %s", name, condition_message(n, "Ready"));
	}
}
