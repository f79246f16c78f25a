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

/* "NAME" : VALUE, as etcdctl -w fields prints it; the value without its quotes. */
static char *field_of(const char *line, char *ret_name, size_t size)
{
	static const char middle[] = "\" : ";
	const char *at = strstr(line, middle);
	if (*line != '"' || !at)
		return NULL;
	g_strlcpy(ret_name, line + 1, MIN(size, (size_t)(at - line)));
	const char *value = at + strlen(middle);
	size_t n = strlen(value);
	bool quoted = n >= 2 && *value == '"' && value[n - 1] == '"';
	return quoted ? g_strndup(value + 1, n - 2) : g_strdup(value);
}

/* A block begins with ClusterID. IDs are above what a signed number holds: they stay texts. */
static void see_status(json_t *endpoints, const char *line)
{
	static const struct {
		const char *field, *member;
		bool number;
	} fields[] = { { "MemberID", "id", false }, { "Leader", "leaderId", false },
		{ "Version", "version", false }, { "StorageVersion", "storageVersion", false },
		{ "Endpoint", "endpoint", false }, { "Errors", "errors", false },
		{ "DBSize", "dbBytes", true }, { "Revision", "revision", true },
		{ "RaftIndex", "raftIndex", true } };
	char name[32];
	g_autofree char *value = field_of(line, name, sizeof name);
	if (!value)
		return;
	if (strcmp(name, "ClusterID") == 0)
		json_array_append_new(endpoints, json_object());
	json_t *e = json_array_get(endpoints, json_array_size(endpoints) - 1);
	for (size_t i = 0; e && i < G_N_ELEMENTS(fields); i++)
		if (strcmp(fields[i].field, name) == 0)
			json_object_set_new(e, fields[i].member,
				fields[i].number ? json_integer(g_ascii_strtoll(value, NULL, 10))
						 : json_string(value));
}

static json_t *endpoint_named(json_t *endpoints, const char *url, size_t n)
{
	size_t i;
	json_t *e;
	json_array_foreach (endpoints, i, e) {
		const char *is = json_path_str(e, "endpoint", "");
		if (strlen(is) == n && strncmp(is, url, n) == 0)
			return e;
	}
	json_array_append_new(endpoints, json_pack("{s:s%}", "endpoint", url, n));
	return json_array_get(endpoints, json_array_size(endpoints) - 1);
}

/* URL is healthy: ... or URL is unhealthy: ...; also one that gave no status. */
static void see_health(json_t *endpoints, const char *line)
{
	const char *at = strstr(line, " is ");
	if (!at)
		return;
	json_t *e = endpoint_named(endpoints, line, (size_t)(at - line));
	bool healthy = g_str_has_prefix(at, " is healthy");
	json_object_set_new(e, "healthy", json_boolean(healthy));
	if (!healthy)
		json_object_set_new(e, "errors", json_string(at + 1));
}

static void finish_endpoints(json_t *endpoints)
{
	size_t i;
	json_t *e;
	json_array_foreach (endpoints, i, e) {
		const char *id = json_path_str(e, "id", "");
		bool leads = *id && strcmp(id, json_path_str(e, "leaderId", "0")) == 0;
		json_object_set_new(e, "leader", json_boolean(leads));
		json_object_del(e, "leaderId");
		json_object_del(e, "id");
		if (!json_object_get(e, "healthy"))
			json_object_set_new(e, "healthy", json_false());
		if (strcmp(json_path_str(e, "errors", "[]"), "[]") == 0)
			json_object_del(e, "errors");
	}
}

json_t *etcd_looked(const char *out, GError **err)
{
	bool begun = false, end = false;
	json_t *r = json_pack("{s:[], s:[], s:[]}", "members", "endpoints", "alarms");
	json_t *endpoints = json_object_get(r, "endpoints");
	g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
	for (char **l = lines; *l; l++) {
		begun = begun || strcmp(*l, "shiplock-etcd 1") == 0;
		end = end || strcmp(*l, "end") == 0;
		if (g_str_has_prefix(*l, "member "))
			json_array_append_new(
				json_object_get(r, "members"), etcd_member(*l + strlen("member ")));
		else if (g_str_has_prefix(*l, "status "))
			see_status(endpoints, *l + strlen("status "));
		else if (g_str_has_prefix(*l, "health "))
			see_health(endpoints, *l + strlen("health "));
		else if (g_str_has_prefix(*l, "alarm "))
			json_array_append_new(
				json_object_get(r, "alarms"), json_string(*l + strlen("alarm ")));
	}
	finish_endpoints(endpoints);
	if (begun && end && json_array_size(json_object_get(r, "members")) > 0)
		return r;
	json_decref(r);
	sl_fail(err, SL_ERR_INVALID, "the node's answer does not tell of etcd's members");
	return NULL;
}
