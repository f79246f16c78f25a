/* Where the cluster stands and where it goes. */
#include "objects/version.h"
#include "providers/kubeadm-jobs.h"
#include "providers/kubeadm-level.h"
#include "providers/wanted.h"
#include <string.h>

#define LEVEL_WORDS " at feature level "
#define AT_LEVEL "%s" LEVEL_WORDS "%s"
enum { CONTROL_PLANE_SEC = 330, LEVEL_SEC = 60, NODE_SEC = 90 };

static const char *plain(const char *version)
{
	return *version == 'v' ? version + 1 : version;
}

json_t *kubeadm_hop_json(const char *from, const char *to, int index, bool last)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:b}", "from", from, "fromImage", "", "to", to,
		"image", "", "index", index, "last", (int)last);
}

static char *edge_problem(const char *from, const char *to)
{
	Version a, b;
	if (!version_parse(from, &a) || !version_parse(to, &b))
		return g_strdup_printf("%s -> %s are no full versions", from, to);
	int minors = version_minor_distance(&a, &b);
	if (minors > 1)
		return g_strdup_printf("%s is %d minor versions above %s; kubeadm takes one at a "
				       "time: name the hops in spec.target.hops",
			to, minors, from);
	return NULL;
}

/* Does the plan ask for this version? */
static bool planned(const Item *it, const char *version, bool *ret_last)
{
	const json_t *target = wanted_target(it);
	size_t i;
	json_t *h;
	*ret_last = kubeadm_same(json_path_str(target, "version", ""), version);
	json_array_foreach (json_object_get(target, "hops"), i, h)
		if (kubeadm_same(json_string_value(h), version))
			return true;
	return *ret_last;
}

/* The one that answered may be ahead of another: where they are two, the lower one counts. */
static const char *lowest(const Servers *s, const json_t *version)
{
	return *s->low ? s->low : plain(json_path_str(version, "gitVersion", ""));
}

/* The second of two hops, where the first is done everywhere; NULL: it is not. */
static json_t *raise_due(const Item *it, const json_t *nodes, const Servers *s, const char *saved)
{
	bool last = false, mixed = version_compare_text(s->low, s->high) < 0;
	return !mixed && planned(it, s->high, &last) ? kubeadm_raise_hop(it, nodes, s, saved, last)
						     : NULL;
}

/* What the control plane ran before its newest version, by the newest backup set on its machines;
 * NULL: there is none. One that is away says nothing. False: not read. Caller frees. */
static bool saved_from(Item *it, const json_t *nodes, const json_t *pods, char **ret)
{
	Servers s;
	kubeadm_servers(pods, &s);
	g_autofree char *words = g_strdup_printf("-to-%s-", s.high);
	g_autoptr(json_t) machines = kubeadm_machines(nodes);
	int64_t newest = -1;
	bool all = true;
	size_t i, k;
	json_t *o, *set;
	json_array_foreach (machines, i, o) {
		Machine m = { json_path_str(o, "name", ""), json_path_str(o, "address", ""),
			json_path_bool(o, "controlPlane", false) };
		g_autofree char *key = node_key(m.address, KUBEADM_DISCOVER);
		const json_t *look = m.control_plane ? kubeadm_look(it, &m, 0) : NULL;
		all = all && (look || !m.control_plane || fact_error(it, &fact_node_look, key));
		json_array_foreach (json_object_get(look, "backups"), k, set) {
			const char *name = json_path_str(set, "key", ""), *at = strstr(name, words);
			if (!at || json_path_int(set, "at", 0) <= newest)
				continue;
			newest = json_path_int(set, "at", 0);
			g_free(*ret);
			*ret = g_strndup(name, (size_t)(at - name));
		}
	}
	return all;
}

/* What the cluster ran before: as its backup sets say, else the newest kubelet that has not moved.
 * Borrowed. */
static const char *old_version(const json_t *nodes, const char *saved, const char *now)
{
	const char *best = "";
	size_t i;
	json_t *n;
	if (saved)
		return saved;
	json_array_foreach (json_object_get(nodes, "items"), i, n) {
		const char *v = plain(json_path_str(n, "status.nodeInfo.kubeletVersion", ""));
		if (version_compare_text(v, now) < 0 && version_compare_text(v, best) > 0)
			best = v;
	}
	return *best ? best : now;
}

bool kubeadm_next_hop(Item *it, json_t **ret_hop, char **ret_why)
{
	const View *v = fact(it, &fact_object, KUBEADM_VERSION);
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	const View *pods = fact(it, &fact_list, KUBEADM_SYSTEM_PODS);
	g_autofree char *saved = NULL;
	if (!v || !nodes || !pods || !saved_from(it, nodes->json, pods->json, &saved))
		return false;
	Servers s;
	kubeadm_servers(pods->json, &s);
	const char *now = lowest(&s, v->json), *low, *high;
	int index = 0;
	bool last = false;
	*ret_hop = raise_due(it, nodes->json, &s, saved);
	if (*ret_hop)
		return true;
	const char *to = wanted_next(it, now, &index, &last);
	kubeadm_kubelets(nodes->json, &low, &high);
	if (to) {
		*ret_why = edge_problem(now, to);
		*ret_hop = kubeadm_splits(it, now, to) ? kubeadm_first_hop(now, to, index)
						       : kubeadm_hop_json(now, to, index, last);
		return true;
	}
	/* The control plane is there and kubelets are not: an earlier run stopped between the two.
	 */
	bool behind = planned(it, now, &last) && *low && version_compare_text(low, now) < 0;
	*ret_hop = behind ? kubeadm_hop_json(old_version(nodes->json, saved, now), now, 0, true)
			  : json_null();
	return true;
}

/* The second hop of two is due now, as far as it is known. */
static bool raise_first(Item *it, char **ret_now)
{
	const View *nodes = fact_peek(it, &fact_list, KUBEADM_NODES);
	const View *pods = fact_peek(it, &fact_list, KUBEADM_SYSTEM_PODS);
	Servers s = { 0 };
	if (!nodes || !pods || !kubeadm_is_stepped(it))
		return false;
	kubeadm_servers(pods->json, &s);
	g_autoptr(json_t) raise = raise_due(it, nodes->json, &s, NULL);
	if (raise && s.n_below > 0)
		*ret_now = g_strdup_printf(AT_LEVEL, s.high, s.level);
	return raise != NULL;
}

bool kubeadm_path(Item *it, json_t **ret_versions, char **ret_now)
{
	char level[KUBEADM_LEVEL_BYTES];
	const View *v = fact(it, &fact_object, KUBEADM_VERSION);
	if (!v)
		return false;
	const View *pods = fact_peek(it, &fact_list, KUBEADM_SYSTEM_PODS);
	Servers s;
	kubeadm_servers(pods ? pods->json : NULL, &s);
	const char *now = lowest(&s, v->json);
	*ret_now = NULL;
	*ret_versions = json_array();
	if (raise_first(it, ret_now))
		json_array_append_new(*ret_versions, json_string(now));
	if (!*ret_now)
		*ret_now = g_strdup(now);
	const char *at = now, *next;
	int index;
	for (bool last = false; !last && (next = wanted_next(it, at, &index, &last)); at = next) {
		if (kubeadm_splits(it, at, next))
			json_array_append_new(*ret_versions,
				json_sprintf(AT_LEVEL, next, kubeadm_minor(at, level)));
		json_array_append_new(*ret_versions, json_string(next));
	}
	return true;
}

/* ---- how long ---- */

/* Hops of each sort that lie ahead. */
typedef struct Ahead {
	size_t n, n_first, n_raise;
} Ahead;

static bool read_ahead(Item *it, Ahead *ret)
{
	json_t *path = NULL, *v;
	g_autofree char *now = NULL;
	size_t i;
	*ret = (Ahead){ 0 };
	if (!kubeadm_path(it, &path, &now))
		return false;
	json_array_foreach (path, i, v) {
		bool first = strstr(json_string_value(v), LEVEL_WORDS) != NULL;
		ret->n_first += first;
		ret->n_raise += i > 0 && !first && ret->n_first > ret->n_raise;
	}
	g_autofree char *level = NULL;
	ret->n_raise += raise_first(it, &level);
	ret->n = i;
	json_decref(path);
	return true;
}

/* Of one hop, in the mean of those that lie ahead: the first of two moves no node, the second only
 * restarts what the control plane is made of. */
bool kubeadm_bound(Item *it, HopBound *ret)
{
	const View *nodes = fact(it, &fact_list, KUBEADM_NODES);
	Ahead a;
	if (!nodes || !read_ahead(it, &a))
		return false;
	g_autoptr(json_t) machines = kubeadm_machines(nodes->json);
	double n = a.n > 0 ? (double)a.n : 1;
	double upgrades = (n - (double)a.n_raise) / n, moves = (n - (double)a.n_first) / n;
	*ret = (HopBound){ 0 };
	size_t i;
	json_t *m;
	json_array_foreach (machines, i, m) {
		if (json_path_bool(m, "controlPlane", false))
			ret->control_plane_sec +=
				CONTROL_PLANE_SEC * upgrades + LEVEL_SEC * (double)a.n_raise / n;
		ret->nodes_sec += NODE_SEC * moves;
	}
	return true;
}

/* ---- taking over ---- */

static char *found_text(const Servers *s, const char *low, const char *high)
{
	bool mixed = strcmp(s->low, s->high) != 0, two = strcmp(low, high) != 0;
	g_autofree char *level = s->n_below > 0 ? g_strdup_printf(", %zu of %zu" LEVEL_WORDS "%s",
							  s->n_below, s->n, s->level)
						: g_strdup("");
	return g_strdup_printf("API servers run %s%s%s%s, kubelets %s%s%s", s->low,
		mixed ? " to " : "", mixed ? s->high : "", level, low, two ? " to " : "",
		two ? high : "");
}

static void classify(
	Item *it, const json_t *nodes, const json_t *pods, const char *saved, Found *ret)
{
	const char *low, *high;
	Servers s;
	bool last = false;
	kubeadm_kubelets(nodes, &low, &high);
	kubeadm_servers(pods, &s);
	bool mixed = version_compare_text(s.low, s.high) < 0;
	bool wished = planned(it, s.high, &last);
	ret->text = found_text(&s, low, high);
	ret->workers_moved = wished && kubeadm_same(high, s.high);
	if (!wished || (!mixed && kubeadm_same(low, s.high) && !last && s.n_below == 0)) {
		ret->class = FOUND_NOTHING;
		ret->workers_moved = false;
		return;
	}
	if (mixed)
		ret->class = FOUND_CONTROL_PLANE;
	else if (!ret->workers_moved)
		ret->class = FOUND_BEFORE_NODES;
	else
		ret->class = kubeadm_same(low, s.high) ? FOUND_DONE : FOUND_NODES;
	ret->hop = kubeadm_found_step(it, nodes, &s, saved, last, &ret->class);
	if (!ret->hop)
		ret->hop = kubeadm_hop_json(
			mixed ? s.low : old_version(nodes, saved, s.high), s.high, 0, last);
}

bool kubeadm_found(Item *it, int64_t since_usec, Found *ret)
{
	const View *nodes = fact_since(it, &fact_list, KUBEADM_NODES, since_usec);
	const View *pods = fact_since(it, &fact_list, KUBEADM_SYSTEM_PODS, since_usec);
	if (!nodes || !pods)
		return false;
	bool back;
	Tier tier;
	g_autofree char *saved = NULL;
	if (!kubeadm_went_back(it, nodes->json, since_usec, &back, &tier) ||
		!saved_from(it, nodes->json, pods->json, &saved))
		return false;
	*ret = (Found){ .tier = back ? tier : TIER_T0 };
	classify(it, nodes->json, pods->json, saved, ret);
	/* Versions alone look the same on both ways: between the two the nodes' commands tell. */
	if (back && ret->class != FOUND_NOTHING) {
		g_autofree char *text = g_steal_pointer(&ret->text);
		ret->class = FOUND_BACK;
		ret->text = g_strdup_printf(
			"%s; the newest command on the nodes was one of a way back", text);
	}
	return true;
}
