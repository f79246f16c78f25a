#include "policy/approval.h"
#include "base/num.h"
#include "codec/json.h"
#include "objects/time.h"
#include <string.h>

static const int64_t USEC = 1000000;

typedef struct Group {
	const char *name;
	const json_t *users;
	int need;
	bool break_glass;
} Group;

struct ApprovalRules {
	json_t *spec;
	Group *groups;
	size_t n_groups;
	int quorum;
	int64_t expires_sec; /* 0: never */
};

void approval_free(ApprovalRules *r)
{
	if (!r)
		return;
	json_decref(r->spec);
	g_free(r->groups);
	g_free(r);
}

static bool list_has(const json_t *list, const char *text)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (g_strcmp0(json_string_value(json_array_get(list, i)), text) == 0)
			return true;
	return false;
}

static bool parse_group(Group *g, const json_t *v, const json_t *break_glass, GError **err)
{
	g->name = json_path_str(v, "name", NULL);
	g->users = json_object_get(v, "users");
	g->need = (int)json_path_int(v, "need", 1);
	if (!g->name)
		return sl_fail(err, SL_ERR_INVALID, "groups: one has no name");
	if (g->need < 0 || (size_t)g->need > json_array_size(g->users))
		return sl_fail(err, SL_ERR_INVALID,
			"groups: %s has %zu users, but needs %d of them", g->name,
			json_array_size(g->users), g->need);
	g->break_glass = list_has(break_glass, g->name);
	return true;
}

ApprovalRules *approval_parse(const json_t *spec, GError **err)
{
	g_autoptr(ApprovalRules) r = g_new0(ApprovalRules, 1);
	const json_t *groups = json_object_get(spec, "groups");
	const char *expires = json_path_str(spec, "expires", "0s");
	r->spec = json_incref((json_t *)spec);
	r->quorum = (int)json_path_int(spec, "quorum", 1);
	r->n_groups = json_array_size(groups);
	r->groups = g_new0(Group, r->n_groups + 1);
	for (size_t i = 0; i < r->n_groups; i++)
		if (!parse_group(&r->groups[i], json_array_get(groups, i),
			    json_path(spec, "breakGlass.groups"), err))
			return NULL;
	if (r->quorum < 1) {
		sl_fail(err, SL_ERR_INVALID, "quorum must be 1 or more");
		return NULL;
	}
	if (!sl_duration_parse(expires, &r->expires_sec)) {
		sl_fail(err, SL_ERR_INVALID, "expires: no duration like 72h");
		return NULL;
	}
	return g_steal_pointer(&r);
}

/* The newest answer of this person to this question that is still good; NULL when none. */
static bool is_newest(const ApprovalAnswer *a, size_t i, size_t n, const char *digest)
{
	if (strcmp(a[i].digest, digest) != 0)
		return false;
	for (size_t k = i + 1; k < n; k++)
		if (strcmp(a[k].digest, digest) == 0 && strcmp(a[k].user, a[i].user) == 0)
			return false;
	return true;
}

bool approval_may_answer(const ApprovalRules *r, const char *user)
{
	if (!r || r->n_groups == 0)
		return true;
	for (size_t i = 0; i < r->n_groups; i++)
		if (list_has(r->groups[i].users, user))
			return true;
	return false;
}

bool approval_may_break_glass(const ApprovalRules *r, const char *user)
{
	for (size_t i = 0; r && i < r->n_groups; i++)
		if (r->groups[i].break_glass && list_has(r->groups[i].users, user))
			return true;
	return false;
}

static int64_t good_until(const ApprovalRules *r, const ApprovalAnswer *a)
{
	return r && r->expires_sec ? a->at_usec + r->expires_sec * USEC : INT64_MAX;
}

/* Fills what counts: one flag for each answer. False when somebody said no. */
static bool select_answers(const ApprovalRules *r, const char *digest, const ApprovalAnswer *a,
	size_t n, int64_t now_usec, bool *counts, ApprovalResult *ret)
{
	for (size_t i = 0; i < n; i++) {
		counts[i] = is_newest(a, i, n, digest) && approval_may_answer(r, a[i].user);
		if (!counts[i])
			continue;
		if (a[i].reject) {
			ret->state = APPROVAL_REJECTED;
			g_snprintf(ret->text, sizeof ret->text, "%s said no", a[i].user);
			return false;
		}
		counts[i] = now_usec < good_until(r, &a[i]);
		if (!counts[i])
			continue;
		ret->have++;
		ret->expires_usec = sl_min(ret->expires_usec, good_until(r, &a[i]));
		if (a[i].break_glass && approval_may_break_glass(r, a[i].user)) {
			ret->by_break_glass = true;
			g_snprintf(ret->text, sizeof ret->text, "glass broken by %s", a[i].user);
		}
	}
	return true;
}

bool approval_has_yes(const ApprovalRules *r, const char *digest, const ApprovalAnswer *a, size_t n,
	int64_t now_usec, const char *user)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(a[i].user, user) == 0 && is_newest(a, i, n, digest))
			return !a[i].reject && approval_may_answer(r, user) &&
			       now_usec < good_until(r, &a[i]);
	return false;
}

int64_t approval_expires_sec(const ApprovalRules *r)
{
	return r ? r->expires_sec : 0;
}

char *approval_people(const ApprovalRules *r, bool of_glass)
{
	g_autoptr(GString) s = g_string_new("");
	for (size_t g = 0; r && g < r->n_groups; g++) {
		if (of_glass && !r->groups[g].break_glass)
			continue;
		g_string_append_printf(s, "%s%s (", s->len ? ", " : "", r->groups[g].name);
		for (size_t i = 0; i < json_array_size(r->groups[g].users); i++)
			g_string_append_printf(s, "%s%s", i ? ", " : "",
				json_string_value(json_array_get(r->groups[g].users, i)));
		g_string_append_c(s, ')');
	}
	return g_string_free(g_steal_pointer(&s), false);
}

static const Group *missing_group(
	const ApprovalRules *r, const ApprovalAnswer *a, size_t n, const bool *counts)
{
	for (size_t g = 0; r && g < r->n_groups; g++) {
		int have = 0;
		for (size_t i = 0; i < n; i++)
			have += counts[i] && list_has(r->groups[g].users, a[i].user);
		if (have < r->groups[g].need)
			return &r->groups[g];
	}
	return NULL;
}

ApprovalResult approval_judge(const ApprovalRules *r, const char *digest,
	const ApprovalAnswer *answers, size_t n, int64_t now_usec)
{
	ApprovalResult out = { .need = r ? r->quorum : 1, .expires_usec = INT64_MAX };
	g_autofree bool *counts = g_new0(bool, n + 1);
	if (!select_answers(r, digest, answers, n, now_usec, counts, &out))
		return out;
	const Group *missing = missing_group(r, answers, n, counts);
	if (out.by_break_glass || (out.have >= out.need && !missing))
		out.state = APPROVAL_GIVEN;
	if (!out.by_break_glass)
		g_snprintf(out.text, sizeof out.text, "%d of %d%s%s%s", out.have, out.need,
			missing ? ", group " : "", missing ? missing->name : "",
			missing ? " is missing" : "");
	return out;
}
