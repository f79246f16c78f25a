/* What the texts of kubeadm-commands.h answer. */
#include "providers/kubeadm-commands.h"
#include <string.h>

static json_t *etcd_member(const char *line)
{
	/* ID, started|unstarted, NAME, PEER-URLS, CLIENT-URLS, LEARNER */
	g_auto(GStrv) w = g_strsplit(line, ", ", 6);
	if (g_strv_length(w) < 5)
		return NULL;
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b}", "id", w[0], "name", w[2], "peerUrls",
		w[3], "clientUrls", w[4], "started", strcmp(w[1], "started") == 0, "learner",
		w[5] && strcmp(w[5], "true") == 0);
}

static void see_set(json_t *r, const char *text)
{
	g_auto(GStrv) w = g_strsplit(text, " ", 3);
	if (g_strv_length(w) < 3)
		return;
	json_object_set_new(r, "sha256", json_string(w[0]));
	json_object_set_new(r, "bytes", json_integer(g_ascii_strtoll(w[1], NULL, 10)));
	json_object_set_new(r, "files", json_integer(g_ascii_strtoll(w[2], NULL, 10)));
}

static void see_snapshot(json_t *r, const char *text)
{
	char hash[16];
	g_autoptr(json_t) status = json_parse(text, strlen(text), NULL);
	if (!json_is_integer(json_object_get(status, "revision")))
		return;
	g_snprintf(hash, sizeof hash, "%08x", (unsigned)json_path_int(status, "hash", 0));
	json_object_set_new(r, "hash", json_string(hash));
	json_object_set(r, "revision", json_object_get(status, "revision"));
	json_object_set_new(
		r, "snapshotBytes", json_integer(json_path_int(status, "totalSize", 0)));
}

static void see_result(json_t *r, const char *word, const char *text)
{
	if (strcmp(word, "set") == 0)
		see_set(r, text);
	else if (strcmp(word, "snapshot") == 0)
		see_snapshot(r, text);
	else if (strcmp(word, "at") == 0)
		json_object_set_new(r, "at", json_integer(g_ascii_strtoll(text, NULL, 10)));
	else if (strcmp(word, "objects") == 0)
		json_object_set_new(r, "objects", json_boolean(strcmp(text, "1") == 0));
	else if (strcmp(word, "member") == 0)
		json_array_append_new(json_object_get(r, "members"), etcd_member(text));
	else if (strcmp(word, "key") == 0 || strcmp(word, "kubelet") == 0 ||
		 strcmp(word, "etcd") == 0)
		json_object_set_new(r, word, json_string(text));
}

/* With a snapshot there is its revision; without one there is none to restore. */
static bool result_whole(const json_t *r)
{
	const char *etcd = json_path_str(r, "etcd", "");
	bool snapshot = strcmp(etcd, "stacked") == 0 || strcmp(etcd, "external") == 0;
	return json_object_get(r, "sha256") && *etcd &&
	       (!snapshot || (json_object_get(r, "revision") &&
				     json_array_size(json_object_get(r, "members")) > 0));
}

json_t *node_backup_result(const char *out, GError **err)
{
	const char *from = strstr(out, "shiplock-backup 1\n");
	g_auto(GStrv) lines = g_strsplit(from ? from : "", "\n", -1);
	json_t *r = json_pack("{s:[]}", "members");
	bool end = false;
	for (char **l = lines; *l && !end; l++) {
		char *blank = strchr(*l, ' ');
		if (blank) {
			*blank = '\0';
			see_result(r, *l, blank + 1);
		}
		end = strcmp(*l, "end") == 0;
	}
	if (end && result_whole(r))
		return r;
	json_decref(r);
	sl_fail(err, SL_ERR_INVALID, "the node's answer names no whole backup set");
	return NULL;
}
