/* etcd beforehand: who answers for it, its members, what they store. */
#include "providers/kubeadm-ready.h"
#include "providers/preflight.h"
#include <string.h>

/* The members differ in this: an upgrade or a downgrade of etcd is under way. */
static void judge_mixed(const json_t *etcd, const char *member, const char *what, json_t *findings)
{
	const char *first = NULL;
	size_t i;
	json_t *e;
	json_array_foreach (json_object_get(etcd, "endpoints"), i, e) {
		const char *is = json_path_str(e, member, "");
		if (!*is)
			continue;
		if (first && strcmp(first, is) != 0) {
			finding_add(findings, "warn", "etcd",
				"let the change of etcd come to its end first: etcdctl endpoint "
				"status --cluster",
				"etcd's members have different %s: %s and %s", what, first, is);
			return;
		}
		first = first ? first : is;
	}
}

static void judge(const json_t *etcd, json_t *findings)
{
	g_autofree char *problem = kubeadm_etcd_problem(etcd, NULL);
	if (problem)
		finding_add(findings, "block", "etcd", "mend it first: quorum is all that is left",
			"%s", problem);
	judge_mixed(etcd, "storageVersion", "storage versions", findings);
	judge_mixed(etcd, "version", "versions", findings);
}

bool kubeadm_etcd_said(Item *it, const json_t *machines, const json_t **ret, char **ret_why)
{
	size_t i;
	json_t *o;
	*ret = NULL;
	json_array_foreach (machines, i, o) {
		if (!json_path_bool(o, "controlPlane", false))
			continue;
		g_autofree char *key = node_key(json_path_str(o, "address", ""), KUBEADM_ETCD);
		/* Not the row of the steps: before they restart a member they ask anew. */
		const View *v = fact(it, &fact_node_try, key);
		const GError *err = v ? NULL : fact_error(it, &fact_node_try, key);
		if (!v && (!err || provider_may_pass(it, err)))
			return false;
		if (v && json_path_bool(v->json, "ok", false)) {
			*ret = json_object_get(v->json, "parsed");
			return true;
		}
		g_free(*ret_why);
		*ret_why = g_strdup_printf("etcd cannot be asked on %s: %s",
			json_path_str(o, "name", "?"),
			err ? err->message : json_path_str(v->json, "err", "?"));
	}
	return true;
}

bool kubeadm_check_etcd(Item *it, const json_t *machines, json_t *findings)
{
	const json_t *etcd;
	g_autofree char *why = NULL;
	if (!kubeadm_etcd_said(it, machines, &etcd, &why))
		return false;
	if (etcd)
		judge(etcd, findings);
	else if (why)
		finding_add(findings, "block", "etcd",
			"where etcd runs elsewhere, put etcdctl and etcdutl on the PATH of the "
			"control-plane nodes; else see that its pod runs and crictl answers",
			"%s", g_strstrip(why));
	return true;
}
