#include "providers/kubeadm-node.h"
#include "creds/certificate.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

static const char discover[] =
	"say \"shiplock-discover 1\"\n"
	"say \"hostname $(uname -n)\"\n"
	"say \"boot $(cat /proc/sys/kernel/random/boot_id)\"\n"
	"for p in kubeadm kubelet kubectl; do say \"program $p $(version $p)\"; done\n"
	"! systemctl is-active --quiet kubelet 2>/dev/null || say \"kubelet-active\"\n"
	"[ ! -e \"$ours/kubeadm-done\" ] || say \"kubeadm-done $(cat \"$ours/kubeadm-done\")\"\n"
	"mtime() { stat -Lc %Y \"$1\"; }\n"
	"# When the running container began, as its runtime tells it.\n"
	"started() {\n"
	"\tid=$(container \"$1\") && [ -n \"$id\" ] || return 0\n"
	"\tat=$({ ! has crictl || timeout 20 crictl inspect \"$id\"; } 2>/dev/null |\n"
	"\t\tsed -n 's/^ *\"startedAt\": *\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)\n"
	"\t[ -n \"$at\" ] || at=$(timeout 20 ctr -n k8s.io containers info \"$id\" 2>/dev/null |\n"
	"\t\tsed -n 's/^ *\"CreatedAt\": *\"\\([^\"]*\\)\".*/\\1/p' | head -n 1)\n"
	"\t[ -z \"$at\" ] || date -d \"$at\" +%s 2>/dev/null\n"
	"}\n"
	"for c in kube-apiserver kube-controller-manager kube-scheduler etcd; do\n"
	"\tf=$manifests/$c.yaml\n"
	"\t[ ! -e \"$etc/.shiplock-parked-$c.yaml\" ] || say \"parked $c\"\n"
	"\t[ -e \"$f\" ] || continue\n"
	"\tsay \"manifest $c $(sha \"$f\") $(mtime \"$f\") $(image \"$f\")\"\n"
	"\tfor name in emulated-version min-compatibility-version data-dir; do\n"
	"\t\tsay \"flag $c $name $(flag \"$f\" $name)\"\n"
	"\tdone\n"
	"\tsay \"started $c $(started $c)\"\n"
	"done\n"
	"if [ -e \"$kubelet/config.yaml\" ] && [ -e \"$ours/kubelet-config\" ]; then\n"
	"\tsum=$(sha \"$kubelet/config.yaml\")\n"
	"\tsed -n \"s/^$sum /config-minor /p\" \"$ours/kubelet-config\"\n"
	"fi\n"
	"# Only what is public: the first certificate of each file, never the key beside it.\n"
	"for f in \"$etc\"/pki/*.crt \"$etc\"/pki/etcd/*.crt "
	"\"$kubelet\"/pki/kubelet-client-current.pem; do\n"
	"\t[ -e \"$f\" ] || continue\n"
	"\tsay \"certificate $(mtime \"$f\") ${f#\"$root\"}\"\n"
	"\tsed -n '/^-----BEGIN CERT/,/^-----END CERT/p; /^-----END CERT/q' \"$f\"\n"
	"\tsay \"-----END CERTIFICATE-----\"\n"
	"done\n"
	"for f in \"$etc\"/*.conf; do\n"
	"\t[ -e \"$f\" ] || continue\n"
	"\tsay \"certificate $(mtime \"$f\") ${f#\"$root\"}\"\n"
	"\tsed -n 's/^ *client-certificate-data: *//p' \"$f\" | head -n 1 | base64 -d 2>/dev/null "
	"|\n"
	"\t\tsed '/^-----END CERT/q'\n"
	"\tsay \"-----END CERTIFICATE-----\"\n"
	"done\n"
	"for d in /etc/kubernetes /var/lib/etcd /var/lib/kubelet /var/lib/shiplock; do\n"
	"\tat=$root$d\n"
	"\twhile [ ! -d \"$at\" ] && [ \"$at\" != \"${at%/*}\" ]; do at=${at%/*}; done\n"
	"\tsay \"disk $d $(df -Pk \"${at:-/}\" | awk 'NR == 2 { print $4 }')\"\n"
	"done\n"
	"data=\n"
	"[ ! -e \"$manifests/etcd.yaml\" ] || data=$(flag \"$manifests/etcd.yaml\" data-dir)\n"
	"data=$root${data:-/var/lib/etcd}/member\n"
	"[ ! -d \"$data\" ] || say \"data $(du -sk \"$data\" | cut -f1)\"\n"
	"for f in \"$etc\"/tmp/*; do\n"
	"\t[ ! -e \"$f\" ] || say \"tmp $(du -sk \"$f\" | cut -f1) $(mtime \"$f\") ${f##*/}\"\n"
	"done\n"
	"if has dpkg-query; then\n"
	"\tdpkg-query -W -f='${Package} ${Version} ${db:Status-Want} ${db:Status-Eflag} "
	"${db:Status-Status}\\n' \\\n"
	"\t\tkubeadm kubelet kubectl kubernetes-cni cri-tools 2>/dev/null | sed 's/^/apt /'\n"
	"fi\n"
	"if has rpm && rpm -q kubeadm >/dev/null 2>&1; then\n"
	"\trpm -q --qf '%{NAME} %{VERSION}-%{RELEASE}\\n' kubeadm kubelet kubectl kubernetes-cni "
	"\\\n"
	"\t\tcri-tools 2>/dev/null | sed -n 's/^\\([a-z-]* [0-9][^ ]*\\)$/dnf \\1/p'\n"
	"\tgrep -l '^exclude=.*kube' \"$root\"/etc/yum.repos.d/*.repo >/dev/null 2>&1 && say "
	"\"dnf-held\"\n"
	"fi\n"
	"for f in \"$ours\"/backups/*/result; do\n"
	"\t[ -e \"$f\" ] || continue\n"
	"\td=${f%/result}\n"
	"\tsay \"backup ${d##*/} $(sed -n 's/^set \\([0-9a-f]*\\).*/\\1/p' \"$f\") $(mtime "
	"\"$f\")\"\n"
	"done\n"
	"# The newest commands of ours, whoever gave them: the guard's lock tells which one runs.\n"
	"has flock && find \"$ours/jobs\" -maxdepth 2 -name started -exec stat -c '%Y %n' {} + "
	"2>/dev/null |\n"
	"\tsort -rn | head -n 20 | while read -r since d; do\n"
	"\td=${d%/started}\n"
	"\tif [ -e \"$d/code\" ]; then at='done'\n"
	"\telif flock -n -s \"$d/alive\" true; then at=lost\n"
	"\telse at=running; fi\n"
	"\tsay \"job $since $at ${d##*/}\"\n"
	"done\n"
	"say \"clock $(date +%s%N)\"\n"
	"say \"end\"\n";

char *node_discover_text(void)
{
	return sh_text(NULL, SH_RUNTIME, discover);
}

typedef struct Look {
	json_t *node, *certificates, *tmp, *backups, *packages, *parked, *jobs;
	json_t *pem_of; /* the certificate whose lines are being read; borrowed */
	GString *pem;
	const char *minor; /* of the kubelet on PATH; borrowed */
	bool whole;
} Look;

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static int64_t number(const char *s)
{
	return s ? g_ascii_strtoll(s, NULL, 10) : 0;
}

/* "1.35" of "v1.35.4", in buf; or "". */
static const char *minor_of(const char *version, char *buf, size_t size)
{
	const char *s = version && *version == 'v' ? version + 1 : version ? version : "";
	const char *dot = strchr(s, '.'), *end = dot ? strchr(dot + 1, '.') : NULL;
	g_snprintf(buf, size, "%.*s", end ? (int)(end - s) : 0, s);
	return buf;
}

static void see_hostname(Look *l, char **w)
{
	json_object_set_new(l->node, "hostname", text_or_null(w[0]));
}

static void see_boot(Look *l, char **w)
{
	json_object_set_new(l->node, "bootId", text_or_null(w[0]));
}

static void see_clock(Look *l, char **w)
{
	/* Nanoseconds; a date that does not know %N leaves the letter. */
	char *end = NULL;
	int64_t n = w[0] ? g_ascii_strtoll(w[0], &end, 10) : 0;
	json_object_set_new(
		l->node, "clockUsec", json_integer(end && *end ? n * 1000000 : n / 1000));
}

static void see_program(Look *l, char **w)
{
	if (w[0])
		json_object_set_new(l->node, w[0], text_or_null(w[1]));
}

static void see_active(Look *l, char **w)
{
	json_object_set_new(l->node, "kubeletActive", json_true());
}

static void see_kubeadm_done(Look *l, char **w)
{
	json_object_set_new(l->node, "kubeadmDone", text_or_null(w[0]));
}

/* Several minors may have written the same bytes: that of the kubelet goes first. */
static void see_config_minor(Look *l, char **w)
{
	char minor[32];
	minor_of(json_path_str(l->node, "kubelet", ""), minor, sizeof minor);
	const char *known = json_path_str(l->node, "kubeletConfigMinor", "");
	if (!*known || strcmp(known, minor) != 0)
		json_object_set_new(l->node, "kubeletConfigMinor", text_or_null(w[0]));
}

static void see_manifest(Look *l, char **w)
{
	if (!w[0] || !w[1] || !w[2])
		return;
	json_t *m = json_object_in(json_object_in(l->node, "manifests"), w[0]);
	json_object_set_new(m, "sha256", json_string(w[1]));
	json_object_set_new(m, "mtime", json_integer(number(w[2])));
	json_object_set_new(m, "image", text_or_null(w[3]));
	json_object_set_new(m, "startedAt", json_null());
}

static void see_flag(Look *l, char **w)
{
	static const struct {
		const char *flag, *member;
	} flags[] = { { "emulated-version", "emulated" },
		{ "min-compatibility-version", "minCompat" }, { "data-dir", "dataDir" } };
	if (!w[0] || !w[1])
		return;
	json_t *m = json_object_in(json_object_in(l->node, "manifests"), w[0]);
	/* "1.35" or, by component, "kube=1.35". */
	const char *v = w[2] && g_str_has_prefix(w[2], "kube=") ? w[2] + strlen("kube=") : w[2];
	for (size_t i = 0; i < G_N_ELEMENTS(flags); i++)
		if (strcmp(flags[i].flag, w[1]) == 0)
			json_object_set_new(m, flags[i].member, text_or_null(v));
}

static void see_started(Look *l, char **w)
{
	if (w[0] && w[1] && *w[1])
		json_object_set_new(json_object_in(json_object_in(l->node, "manifests"), w[0]),
			"startedAt", json_integer(number(w[1])));
}

static void see_parked(Look *l, char **w)
{
	if (w[0])
		json_array_append_new(l->parked, json_string(w[0]));
}

static void see_certificate(Look *l, char **w)
{
	if (!w[0] || !w[1])
		return;
	json_array_append_new(
		l->certificates, json_pack("{s:s, s:I}", "file", w[1], "mtime", number(w[0])));
	l->pem_of = json_array_get(l->certificates, json_array_size(l->certificates) - 1);
	g_string_truncate(l->pem, 0);
}

static void see_disk(Look *l, char **w)
{
	if (w[0] && w[1] && *w[1])
		json_object_set_new(
			json_object_in(l->node, "disk"), w[0], json_integer(number(w[1]) * 1024));
}

static void see_data(Look *l, char **w)
{
	json_object_set_new(l->node, "dataBytes", json_integer(number(w[0]) * 1024));
}

static void see_tmp(Look *l, char **w)
{
	if (w[0] && w[1] && w[2])
		json_array_append_new(l->tmp, json_pack("{s:s, s:I, s:I}", "name", w[2], "bytes",
						      number(w[0]) * 1024, "mtime", number(w[1])));
}

static bool is_word(const char *s, const char *const *words)
{
	return s && g_strv_contains(words, s);
}

/* NAME VERSION WANT EFLAG STATUS */
static void see_apt(Look *l, char **w)
{
	static const char *const absent[] = { "not-installed", "config-files", NULL };
	static const char *const whole[] = { "installed", NULL }, *const ok[] = { "ok", NULL };
	if (!w[0] || !w[1] || !w[2] || !w[3] || is_word(w[4], absent))
		return;
	json_object_set_new(l->packages, "method", json_string("apt"));
	json_object_set_new(l->packages, w[0],
		json_pack("{s:o, s:b, s:b}", "installed", text_or_null(w[1]), "held",
			strcmp(w[2], "hold") == 0, "half",
			!is_word(w[4], whole) || !is_word(w[3], ok)));
}

/* NAME VERSION; the same name twice: a transaction that was cut off. */
static void see_dnf(Look *l, char **w)
{
	if (!w[0] || !w[1])
		return;
	bool twice = json_object_get(l->packages, w[0]) != NULL;
	json_object_set_new(l->packages, "method", json_string("dnf"));
	json_object_set_new(l->packages, w[0],
		json_pack("{s:s, s:b, s:b}", "installed", w[1], "held", false, "half", twice));
}

static void see_dnf_held(Look *l, char **w)
{
	const char *name;
	json_t *p;
	json_object_foreach (l->packages, name, p)
		if (json_is_object(p))
			json_object_set_new(p, "held", json_true());
}

static void see_backup(Look *l, char **w)
{
	if (w[0] && w[1] && w[2])
		json_array_append_new(l->backups, json_pack("{s:s, s:s, s:I}", "key", w[0],
							  "sha256", w[1], "at", number(w[2])));
}

static void see_job(Look *l, char **w)
{
	if (w[0] && w[1] && w[2])
		json_array_append_new(l->jobs, json_pack("{s:s, s:I, s:s}", "key", w[2], "at",
						       number(w[0]), "state", w[1]));
}

static void see_end(Look *l, char **w)
{
	l->whole = true;
}

/* n_words: the last one takes the rest of the line. */
static const struct {
	const char *word;
	int n_words;
	void (*see)(Look *l, char **words);
} lines[] = {
	{ "hostname", 1, see_hostname },
	{ "boot", 1, see_boot },
	{ "clock", 1, see_clock },
	{ "program", 2, see_program },
	{ "kubelet-active", 0, see_active },
	{ "kubeadm-done", 1, see_kubeadm_done },
	{ "config-minor", 1, see_config_minor },
	{ "manifest", 4, see_manifest },
	{ "flag", 3, see_flag },
	{ "started", 2, see_started },
	{ "parked", 1, see_parked },
	{ "certificate", 2, see_certificate },
	{ "disk", 2, see_disk },
	{ "data", 1, see_data },
	{ "tmp", 3, see_tmp },
	{ "apt", 5, see_apt },
	{ "dnf", 2, see_dnf },
	{ "dnf-held", 0, see_dnf_held },
	{ "backup", 3, see_backup },
	{ "job", 3, see_job },
	{ "end", 0, see_end },
};

static void see_line(Look *l, const char *line)
{
	for (size_t i = 0; i < G_N_ELEMENTS(lines); i++) {
		size_t n = strlen(lines[i].word);
		if (strncmp(line, lines[i].word, n) != 0 || (line[n] && line[n] != ' '))
			continue;
		g_auto(GStrv) words =
			g_strsplit(line[n] ? line + n + 1 : "", " ", lines[i].n_words);
		lines[i].see(l, words);
		return;
	}
}

/* A line of the certificate that is being read; its last one settles it. */
static void see_pem(Look *l, const char *line)
{
	int64_t at;
	g_string_append(l->pem, line);
	g_string_append_c(l->pem, '\n');
	if (!g_str_has_prefix(line, "-----END "))
		return;
	if (certificate_not_after(l->pem->str, &at))
		json_object_set_new(l->pem_of, "notAfter", json_integer(at));
	else /* no certificate in it */
		json_array_remove(l->certificates, json_array_size(l->certificates) - 1);
	l->pem_of = NULL;
}

static void look_begin(Look *l)
{
	l->node = json_pack("{s:n, s:n, s:n, s:n, s:b, s:n, s:{}, s:i, s:{}}", "hostname",
		"kubelet", "kubeadm", "kubectl", "kubeletActive", false, "kubeletConfigMinor",
		"manifests", "dataBytes", 0, "disk");
	l->certificates = json_array();
	l->tmp = json_array();
	l->backups = json_array();
	l->parked = json_array();
	l->jobs = json_array();
	l->packages = json_pack("{s:n}", "method");
	json_object_set_new(l->node, "certificates", l->certificates);
	json_object_set_new(l->node, "kubeadmTmp", l->tmp);
	json_object_set_new(l->node, "backups", l->backups);
	json_object_set_new(l->node, "parked", l->parked);
	json_object_set_new(l->node, "jobs", l->jobs);
	json_object_set_new(l->node, "packages", l->packages);
	l->pem = g_string_new("");
}

json_t *node_discovered(const char *out, GError **err)
{
	if (!g_str_has_prefix(out, "shiplock-discover 1\n")) {
		sl_fail(err, SL_ERR_INVALID, "the node's answer is not that of the look at a node");
		return NULL;
	}
	Look l = { 0 };
	look_begin(&l);
	g_auto(GStrv) all = g_strsplit(out, "\n", -1);
	for (char **line = all + 1; *line; line++)
		if (l.pem_of)
			see_pem(&l, *line);
		else
			see_line(&l, *line);
	g_string_free(l.pem, TRUE);
	if (l.whole)
		return l.node;
	json_decref(l.node);
	sl_fail(err, SL_ERR_INVALID, "the node's answer to the look at a node is cut off");
	return NULL;
}

static const json_t *tmp_named(const json_t *list, const char *name)
{
	size_t i;
	json_t *e;
	json_array_foreach (list, i, e)
		if (strcmp(json_path_str(e, "name", ""), name) == 0)
			return e;
	return NULL;
}

json_t *node_tmp_ours(const json_t *before, const json_t *now, int64_t from, int64_t to)
{
	json_t *ours = json_array(), *e;
	size_t i;
	json_array_foreach (now, i, e) {
		const char *name = json_path_str(e, "name", "");
		int64_t mtime = json_path_int(e, "mtime", 0);
		if (g_str_has_prefix(name, "kubeadm-") && !tmp_named(before, name) &&
			mtime >= from && mtime <= to)
			json_array_append_new(ours, json_string(name));
	}
	return ours;
}
