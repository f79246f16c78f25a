/* etcd before and after one of its members is restarted: all of them are asked, through a member.
 * That a pod is Ready says too little: a member may be up alone, or not be in the list. */
#include "base/num.h"
#include "providers/kubeadm.h"
#include <string.h>

enum { POLL_SEC = 2, LOOK_SEC = 15 };

/* "https://10.0.0.1:2379,..." names the machine. */
static bool is_at(const char *urls, const char *address)
{
	g_autofree char *plain = g_strdup_printf("://%s:", address);
	g_autofree char *v6 = g_strdup_printf("://[%s]:", address);
	return strstr(urls, plain) || strstr(urls, v6);
}

static const json_t *endpoint_of(const json_t *etcd, const char *urls)
{
	g_auto(GStrv) all = g_strsplit(urls, ",", -1);
	size_t i;
	json_t *e;
	json_array_foreach (json_object_get(etcd, "endpoints"), i, e)
		for (char **u = all; *u; u++)
			if (strcmp(json_path_str(e, "endpoint", ""), g_strstrip(*u)) == 0)
				return e;
	return NULL;
}

static char *member_problem(const json_t *etcd, const json_t *m)
{
	const char *name = json_path_str(m, "name", ""), *urls = json_path_str(m, "clientUrls", "");
	const json_t *e = endpoint_of(etcd, urls);
	const char *who = *name ? name : json_path_str(m, "peerUrls", "?");
	if (!json_path_bool(m, "started", false))
		return g_strdup_printf("etcd's member %s was added and has not started", who);
	if (json_path_bool(m, "learner", false))
		return g_strdup_printf("etcd's member %s is a learner still", who);
	if (!e)
		return g_strdup_printf("etcd's member %s does not answer", who);
	if (!json_path_bool(e, "healthy", false))
		return g_strdup_printf("etcd's member %s is not healthy: %s", who,
			json_path_str(e, "errors", "it does not say why"));
	return NULL;
}

static char *alarm_problem(const json_t *etcd)
{
	const json_t *alarms = json_object_get(etcd, "alarms");
	if (json_array_size(alarms) == 0)
		return NULL;
	return g_strdup_printf("etcd has an alarm (%s): mend its cause and disarm it with etcdctl "
			       "alarm disarm",
		json_string_value(json_array_get(alarms, 0)));
}

char *kubeadm_etcd_problem(const json_t *etcd, const char *but_at)
{
	size_t i, n_leaders = 0, n = 0;
	json_t *m;
	json_array_foreach (json_object_get(etcd, "members"), i, m) {
		const char *urls = json_path_str(m, "clientUrls", "");
		const char *peers = json_path_str(m, "peerUrls", "");
		n++;
		if (but_at && (is_at(urls, but_at) || is_at(peers, but_at)))
			continue;
		char *why = member_problem(etcd, m);
		if (why)
			return why;
	}
	json_array_foreach (json_object_get(etcd, "endpoints"), i, m)
		n_leaders += json_path_bool(m, "leader", false);
	if (n == 0)
		return g_strdup("etcd names no member");
	if (n_leaders > 1)
		return g_strdup_printf("etcd has %zu leaders", n_leaders);
	/* The one that is left out may lead as long as it lives. */
	if (n_leaders == 0 && (!but_at || n > 1))
		return g_strdup("etcd has no leader");
	return alarm_problem(etcd);
}

typedef enum { ASKED_NOT_YET, ASKED_ANSWERED, ASKED_SILENT } Asked;

/* *ret_why: what is wrong, or why it does not answer; NULL: nothing. Caller frees. */
static Asked ask(Item *it, const Machine *at, const char *but_at, int64_t since, char **ret_why)
{
	g_autofree char *key = node_key(at->address, KUBEADM_ETCD);
	const View *v = fact_within(it, &fact_node_look, key, LOOK_SEC * SL_USEC_PER_SEC, since);
	const GError *err = v ? NULL : fact_error(it, &fact_node_look, key);
	bool ok = v && json_path_bool(v->json, "ok", false);
	if (!v && !err)
		return ASKED_NOT_YET;
	if (ok)
		*ret_why = kubeadm_etcd_problem(json_object_get(v->json, "parsed"), but_at);
	else
		*ret_why = g_strdup_printf("etcd cannot be asked on %s: %s", at->name,
			err ? err->message : json_path_str(v->json, "err", "?"));
	return ok ? ASKED_ANSWERED : ASKED_SILENT;
}

/* The others first: who is to be restarted may be the one that is broken. *ret_n: who was asked. */
static Asked ask_all(Item *it, const Machine *losing, const char *but_at, int64_t since,
	size_t *ret_n, char **ret_why)
{
	Machine m;
	for (int self = 0; self < 2; self++)
		for (size_t i = 0; kubeadm_machine(it, i, &m) && m.control_plane; i++) {
			if ((losing && strcmp(losing->name, m.name) == 0) != self)
				continue;
			g_clear_pointer(ret_why, g_free);
			++*ret_n;
			Asked a = ask(it, &m, but_at, since, ret_why);
			if (a != ASKED_SILENT)
				return a;
		}
	return ASKED_SILENT;
}

bool kubeadm_etcd_stands(
	Item *it, int64_t now, const Machine *losing, int64_t since, StepResult *ret)
{
	/* On the way back the member that is restarted may be what is broken. */
	bool back = item_pivot_crossed(it, "rollback");
	const char *but_at = back && losing ? losing->address : NULL;
	g_autofree char *why = NULL;
	size_t n = 0;
	*ret = step_read(it);
	Asked a = ask_all(it, losing, but_at, since, &n, &why);
	if (a == ASKED_NOT_YET)
		return false;
	if (!why || (a == ASKED_SILENT && but_at && n == 1))
		return true;
	*ret = step_wait(it, now + POLL_SEC * SL_USEC_PER_SEC, "%s", why);
	return false;
}

bool kubeadm_quorum_stands(Item *it, int64_t now, const Machine *losing, StepResult *ret)
{
	if (kubeadm_etcd_stands(it, now, losing, 0, ret))
		return true;
	if (ret->verb != STEP_WAIT)
		return false;
	g_autofree char *why = g_strdup(item_reason(it));
	*ret = step_hold(it, "etcd", "%s: no other member is restarted before it is", why);
	ret->until_usec = now + POLL_SEC * SL_USEC_PER_SEC;
	return false;
}
