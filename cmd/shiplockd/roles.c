#include "roles.h"
#include "codec/json.h"
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES = 16 << 10, GROUPS_MAX = 4096 };

typedef struct Grant {
	Role role;
	bool everybody;
	gid_t gid;
} Grant;

struct Roles {
	size_t n;
	Grant grants[];
};

static const struct {
	const char *name;
	Role role;
} names[] = { { "read", ROLE_READ }, { "operate", ROLE_OPERATE }, { "approve", ROLE_APPROVE } };

const char *role_name(Role r)
{
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (names[i].role == r)
			return names[i].name;
	return "owner";
}

static bool find_group(const char *name, gid_t *ret)
{
	g_autofree char *buf = g_malloc(NAME_BYTES);
	struct group g, *found = NULL;
	if (getgrnam_r(name, &g, buf, NAME_BYTES, &found) != 0 || !found)
		return false;
	*ret = g.gr_gid;
	return true;
}

static void add_grant(Roles *r, Role role, const char *group, Log log)
{
	Grant g = { .role = role, .everybody = strcmp(group, "*") == 0 };
	if (g.everybody || find_group(group, &g.gid))
		r->grants[r->n++] = g;
	else
		sl_log(log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"roles.%s: there is no group %s on this host", role_name(role), group);
}

Roles *roles_new(const json_t *spec, Log log)
{
	size_t n = 0, i;
	json_t *group;
	for (size_t k = 0; k < G_N_ELEMENTS(names); k++)
		n += json_array_size(json_object_get(spec, names[k].name));
	Roles *r = g_malloc0(sizeof(Roles) + n * sizeof(Grant));
	for (size_t k = 0; k < G_N_ELEMENTS(names); k++)
		json_array_foreach (json_object_get(spec, names[k].name), i, group)
			add_grant(r, names[k].role, json_string_value(group), log);
	return r;
}

void roles_free(Roles *r)
{
	g_free(r);
}

static struct passwd *find_user(uid_t uid, struct passwd *pw, char *buf)
{
	struct passwd *found = NULL;
	return getpwuid_r(uid, pw, buf, NAME_BYTES, &found) == 0 ? found : NULL;
}

char *roles_login(const WebPeer *p)
{
	g_autofree char *buf = g_malloc(NAME_BYTES);
	struct passwd pw, *found = find_user(p->uid, &pw, buf);
	return found ? g_strdup(found->pw_name) : g_strdup_printf("uid %u", (unsigned)p->uid);
}

static bool in_list(const gid_t *list, size_t n, gid_t gid)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == gid)
			return true;
	return false;
}

/* More groups than the kernel's answer had room for: the name service knows them. */
static bool in_group_by_name(const WebPeer *p, gid_t gid)
{
	g_autofree char *buf = g_malloc(NAME_BYTES);
	g_autofree gid_t *list = g_new(gid_t, GROUPS_MAX);
	struct passwd pw, *found = find_user(p->uid, &pw, buf);
	int n = GROUPS_MAX;
	return found && getgrouplist(found->pw_name, p->gid, list, &n) >= 0 &&
	       in_list(list, (size_t)n, gid);
}

static bool in_group(const WebPeer *p, gid_t gid)
{
	if (p->gid == gid || in_list(p->groups, p->n_groups, gid))
		return true;
	return p->n_groups == 0 && in_group_by_name(p, gid);
}

unsigned roles_of(const Roles *r, const WebPeer *p)
{
	unsigned all = ROLE_READ | ROLE_OPERATE | ROLE_APPROVE | ROLE_OWNER, mine = 0;
	if (!p->local)
		return 0;
	if (p->uid == 0 || p->uid == geteuid())
		return all;
	for (size_t i = 0; i < r->n; i++)
		if (r->grants[i].everybody || in_group(p, r->grants[i].gid))
			mine |= r->grants[i].role;
	return mine & (ROLE_OPERATE | ROLE_APPROVE) ? mine | ROLE_READ : mine;
}
