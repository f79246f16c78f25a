/* What a restore of etcd loses: the objects that were made after its snapshot, listed before the
 * API servers are stopped and looked for afterwards, by UID. A node's own kubectl tells, as root
 * may: we ourselves have no right to list everything. */
#include "base/num.h"
#include "providers/kubeadm-restore.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

enum { OBJECTS_MAX = 1000, SLACK_SEC = 900 };

/* Events and Leases come and go by themselves. */
static const char made[] =
	"has kubectl || die \"there is no kubectl on this node\"\n"
	"iso=$(date -u -d \"@$since\" +%Y-%m-%dT%H:%M:%SZ) || die \"no date\"\n"
	"k() { kubectl --kubeconfig \"$etc/admin.conf\" --request-timeout 20s \"$@\" 2>/dev/null; "
	"}\n"
	"all=$(k api-resources --verbs=list -o name) ||\n"
	"\tdie \"the API server of this node does not say what kinds there are\"\n"
	"say \"shiplock-made 1\"\n"
	"for r in $all; do\n"
	"\tcase $r in\n"
	"\tevents | events.* | leases.* | componentstatuses | *.metrics.k8s.io) continue ;;\n"
	"\tesac\n"
	"\tk get \"$r\" -A --no-headers -o "
	"custom-columns=A:.metadata.creationTimestamp,B:.metadata.uid,C:.metadata.namespace,"
	"D:.metadata.name |\n"
	"\t\tawk -v since=\"$iso\" -v r=\"$r\" '$1 >= since { print \"made\", r, $2, $3, $4 }'\n"
	"done | head -n \"$max\"\n"
	"say \"end\"\n";

char *kubeadm_made_text(const char *since)
{
	char max[16];
	g_snprintf(max, sizeof max, "%d", OBJECTS_MAX + 1);
	return sh_text((const ShValue[]){ { "since", since }, { "max", max }, { 0 } }, 0, made);
}

static json_t *object_of(const char *line)
{
	g_auto(GStrv) w = g_strsplit(line, " ", 5); /* made RESOURCE UID NAMESPACE NAME */
	if (g_strv_length(w) != 5)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s}", "resource", w[1], "namespace",
		strcmp(w[3], "<none>") == 0 ? "" : w[3], "name", w[4], "uid", w[2]);
}

json_t *kubeadm_made_looked(const char *out, GError **err)
{
	g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
	bool begun = false, end = false, cut = false;
	json_t *list = json_array();
	for (char **l = lines; *l; l++) {
		begun = begun || strcmp(*l, "shiplock-made 1") == 0;
		end = end || strcmp(*l, "end") == 0;
		if (!g_str_has_prefix(*l, "made "))
			continue;
		cut = json_array_size(list) >= OBJECTS_MAX;
		json_t *o = cut ? NULL : object_of(*l);
		if (o)
			json_array_append_new(list, o);
	}
	if (begun && end)
		return json_pack("{s:o, s:b}", "objects", list, "cut", (int)cut);
	json_decref(list);
	sl_fail(err, SL_ERR_INVALID, "the node's answer lists no objects");
	return NULL;
}

/* By the first node of the control plane. *ret_why: it says that it cannot. NULL and no why: not
 * read yet. */
static const json_t *look(Item *it, int64_t since_usec, const char **ret_why)
{
	Machine m;
	if (!kubeadm_machine(it, 0, &m))
		return NULL;
	int64_t at = json_path_int(json_object_get(item_memo(it), "restore"), "at", 0);
	g_autofree char *what =
		g_strdup_printf(KUBEADM_MADE "%" G_GINT64_FORMAT, sl_max(at - SLACK_SEC, 0));
	g_autofree char *key = node_key(m.address, what);
	const View *v = since_usec ? fact_since(it, &fact_node_try, key, since_usec)
				   : fact(it, &fact_node_try, key);
	/* A list is no reason to let the way back wait: one that cannot be had is said so. */
	const GError *err = v ? NULL : fact_error(it, &fact_node_try, key);
	if (v && !json_path_bool(v->json, "ok", false))
		*ret_why = json_path_str(v->json, "err", "it does not say why");
	else if (err)
		*ret_why = err->message;
	return v ? json_object_get(v->json, "parsed") : NULL;
}

bool kubeadm_inventory(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	const char *why = NULL;
	if (json_object_get(item_memo(it), "made"))
		return true;
	const json_t *is = look(it, 0, &why);
	*ret = step_read(it);
	if (!is && !why)
		return false;
	batch_memo(b, it, "made",
		is ? json_incref((json_t *)is) : json_pack("{s:[], s:s}", "objects", "why", why));
	*ret = step_wait(it, now, "what was made after the snapshot is noted");
	return false;
}

static bool has_uid(const json_t *list, const char *uid)
{
	size_t i;
	json_t *o;
	json_array_foreach (list, i, o)
		if (strcmp(json_path_str(o, "uid", ""), uid) == 0)
			return true;
	return false;
}

static json_t *gone(const json_t *before, const json_t *after)
{
	json_t *out = json_array(), *o;
	size_t i;
	json_array_foreach (before, i, o)
		if (!has_uid(after, json_path_str(o, "uid", "")))
			json_array_append(out, o);
	return out;
}

/* What the list does not say, for people; NULL: nothing. */
static char *caveat(const json_t *known, const char *why)
{
	if (json_object_get(known, "why"))
		return g_strdup_printf("nothing could be listed before the restore: %s",
			json_path_str(known, "why", ""));
	if (why)
		return g_strdup_printf("what is left could not be listed: %s", why);
	return json_path_bool(known, "cut", false)
		       ? g_strdup_printf("only the first %d were looked at", OBJECTS_MAX)
		       : NULL;
}

bool kubeadm_losses(Item *it, int64_t now, Batch *b, StepResult *ret)
{
	const char *why = NULL;
	const json_t *known = json_object_get(item_memo(it), "made");
	const Act *claimed = act_find(it, &act_kubeadm_reclaim, KUBEADM_CLAIM);
	if (json_object_get(item_memo(it), "lost"))
		return true;
	const json_t *is = look(it, act_settled_usec(claimed), &why);
	*ret = step_read(it);
	if (!is && !why)
		return false;
	const json_t *before = json_object_get(known, "objects");
	g_autofree char *note = caveat(known, why);
	batch_memo(b, it, "lost",
		json_pack("{s:o, s:b, s:s*}", "objects",
			gone(before, json_object_get(is, "objects")), "cut",
			(int)json_path_bool(known, "cut", false), "note", note));
	*ret = step_wait(it, now, "what was lost is noted");
	return false;
}
