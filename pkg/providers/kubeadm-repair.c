#include "providers/kubeadm-repair.h"
#include "objects/version.h"
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

enum { MIN_FREE_BYTES = 1 << 30 };

static const char put_manifest[] =
	"# kubeadm moves a manifest to its own backup, then the new one in: killed between, there "
	"is none.\n"
	"# What ran before stands in our backup set; without that, in the last of kubeadm's own.\n"
	"component=$what\n"
	"to=$manifests/$component.yaml\n"
	"if [ -e \"$to\" ]; then\n"
	"\tsay \"$to is there\"\n"
	"\texit 0\n"
	"fi\n"
	"[ -d \"$manifests\" ] || die \"there is no $manifests on this node\"\n"
	"if [ -n \"$key\" ] && [ -e \"$set_tar\" ] &&\n"
	"\tset_place \"etc/kubernetes/manifests/$component.yaml\" \"$to\"; then\n"
	"\texit 0\n"
	"fi\n"
	"# Their names end in their date.\n"
	"last=\n"
	"for f in \"$etc\"/tmp/kubeadm-backup-manifests-*/\"$component.yaml\"; do\n"
	"\tif [ -s \"$f\" ] && grep -q '^kind: *Pod' \"$f\"; then last=$f; fi\n"
	"done\n"
	"[ -n \"$last\" ] || die \"neither the backup set ${key:-(none)} nor kubeadm's own has\" "
	"\\\n"
	"\t\"a manifest of $component\"\n"
	"place \"$last\" \"$to\"\n"
	"say \"$to put back from $last\"\n";

static const char restart_component[] =
	"# The kubelet starts it again at once; what it reads at its start is new then.\n"
	"id=$(container \"$what\") || die \"neither crictl nor ctr is there to restart $what\"\n"
	"[ -n \"$id\" ] || { say \"$what does not run: it takes the new certificate when it "
	"starts\"; exit 0; }\n"
	"if has crictl && timeout 20 crictl inspect \"$id\" >/dev/null 2>&1; then\n"
	"\tcrictl stop --timeout 30 \"$id\" >/dev/null || die \"crictl stop of $what failed\"\n"
	"else\n"
	"\tctr -n k8s.io tasks kill -s SIGTERM \"$id\" || die \"ctr tasks kill of $what failed\"\n"
	"fi\n"
	"replaced \"$what\" \"$id\"\n"
	"say \"$what runs with its new certificate\"\n";

static const char prune_tmp[] =
	"# Only what is named: kubeadm left it there in runs of ours.\n"
	"for name in \"$@\"; do\n"
	"\tcase $name in\n"
	"\t*/* | . | .. | '') die \"'$name' is no name of an entry in $etc/tmp\" ;;\n"
	"\tkubeadm-*) ;;\n"
	"\t*) die \"'$name' is not of kubeadm\" ;;\n"
	"\tesac\n"
	"\t[ -e \"$etc/tmp/$name\" ] || continue\n"
	"\trm -rf \"${etc:?}/tmp/$name\" || die \"cannot remove $etc/tmp/$name\"\n"
	"\tsay \"removed $etc/tmp/$name\"\n"
	"done\n";

static const char configure_package[] =
	"export DEBIAN_FRONTEND=noninteractive\n"
	"if has dpkg; then\n"
	"\tdpkg --force-confdef --force-confold --configure -a ||\n"
	"\t\tdie \"dpkg --configure -a failed; its words stand above\"\n"
	"\tcase $(dpkg-query -W -f='${db:Status-Eflag} ${db:Status-Status}' \"$what\") in\n"
	"\t'ok installed' | 'ok not-installed' | 'ok config-files') say \"$what is whole\" ;;\n"
	"\t*) die \"$what must be installed anew: its step, run again, does that\" ;;\n"
	"\tesac\n"
	"else\n"
	"\t[ \"$(rpm -q \"$what\" | wc -l)\" -le 1 ] ||\n"
	"\t\tdnf -q -y --disableexcludes=all remove --duplicates \"$what\" </dev/null ||\n"
	"\t\tdie \"dnf remove --duplicates $what failed\"\n"
	"\tsay \"$what is whole\"\n"
	"fi\n";

static const char *const names[_NODE_FAULT_MAX] = {
	[NODE_FAULT_MANIFEST_MISSING] = "manifest-missing",
	[NODE_FAULT_MIXED_COMPONENTS] = "mixed-components",
	[NODE_FAULT_KUBELET_CONFIG] = "kubelet-config",
	[NODE_FAULT_HALF_INSTALLED] = "half-installed",
	[NODE_FAULT_CERTIFICATE_NEWER] = "certificate-newer",
	[NODE_FAULT_TMP_FULL] = "tmp-full",
	[NODE_FAULT_PARKED] = "parked",
};

const char *node_fault_name(NodeFault f)
{
	return names[f];
}

static const char *const components[] = { "kube-apiserver", "kube-controller-manager",
	"kube-scheduler" };

static void SL_PRINTF(5, 6) fault_add(
	json_t *faults, NodeFault f, const char *what, const char *repair, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *text = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	json_array_append_new(faults, json_pack("{s:s, s:s, s:s, s:s}", "fault", names[f], "what",
					      what, "repair", repair, "text", text));
}

static bool list_has(const json_t *list, const char *name)
{
	size_t i;
	json_t *v;
	json_array_foreach (list, i, v)
		if (g_strcmp0(json_string_value(v), name) == 0)
			return true;
	return false;
}

static void find_missing_one(
	const json_t *node, const json_t *wanted, const char *component, json_t *faults)
{
	bool parked = list_has(json_object_get(node, "parked"), component);
	bool there = json_object_get(json_object_get(node, "manifests"), component) != NULL;
	if (there || (parked && json_path_bool(wanted, "stopped", false)))
		return;
	if (parked)
		fault_add(faults, NODE_FAULT_PARKED, component, "text",
			"%s was taken out for a restore of etcd and not put back", component);
	else
		fault_add(faults, NODE_FAULT_MANIFEST_MISSING, component, "text",
			"/etc/kubernetes/manifests/%s.yaml is missing: %s does not run on this "
			"node",
			component, component);
}

static void find_missing(const json_t *node, const json_t *wanted, json_t *faults)
{
	if (json_path_bool(wanted, "stackedEtcd", false))
		find_missing_one(node, wanted, "etcd", faults);
	for (size_t i = 0; i < G_N_ELEMENTS(components); i++)
		find_missing_one(node, wanted, components[i], faults);
}

/* "1.36.3" of an image's tag; NULL: none. Caller frees. */
static char *image_version(const json_t *node, const char *component)
{
	const json_t *m = json_object_get(json_object_get(node, "manifests"), component);
	const char *image = json_path_str(m, "image", ""), *tag = strrchr(image, ':');
	Version v;
	return tag && version_parse(tag + 1, &v) ? version_format(&v) : NULL;
}

static void find_mixed(const json_t *node, const json_t *wanted, json_t *faults)
{
	const char *want = json_path_str(wanted, "version", NULL);
	g_autofree char *first = image_version(node, components[0]);
	GString *others = g_string_new(""), *seen = g_string_new("");
	size_t n_others = 0, n_seen = 0;
	if (want && *want == 'v')
		want++;
	if (!want)
		want = first;
	bool early = json_path_bool(wanted, "helpersFirst", false) && g_strcmp0(first, want) != 0;
	bool judged = want && !early && json_path_bool(wanted, "mixed", true);
	for (size_t i = 0; judged && i < G_N_ELEMENTS(components); i++) {
		g_autofree char *is = image_version(node, components[i]);
		if (!is)
			continue;
		g_string_append_printf(seen, "%s%s %s", n_seen++ ? ", " : "", components[i], is);
		if (strcmp(is, want) != 0)
			g_string_append_printf(
				others, "%s%s", n_others++ ? "," : "", components[i]);
	}
	/* None at the wanted version: it has not begun. */
	if (n_others > 0 && n_others < n_seen)
		fault_add(faults, NODE_FAULT_MIXED_COMPONENTS, others->str, "text",
			"the control plane of this node is of two versions: %s", seen->str);
	g_string_free(others, TRUE);
	g_string_free(seen, TRUE);
}

static void find_config(const json_t *node, const json_t *wanted, json_t *faults)
{
	const char *want = json_path_str(wanted, "kubeletMinor", NULL);
	const char *is = json_path_str(node, "kubeletConfigMinor", NULL);
	const char *saved = json_path_str(wanted, "backupMinor", NULL);
	if (want && is && strcmp(want, is) != 0)
		fault_add(faults, NODE_FAULT_KUBELET_CONFIG, is,
			g_strcmp0(saved, want) == 0 ? "text" : "rerun",
			"/var/lib/kubelet/config.yaml was written by %s, the kubelet is to be %s",
			is, want);
}

static void find_half(const json_t *node, json_t *faults)
{
	const char *name;
	json_t *p;
	json_object_foreach (json_object_get(node, "packages"), name, p)
		if (json_path_bool(p, "half", false))
			fault_add(faults, NODE_FAULT_HALF_INSTALLED, name, "rerun",
				"package %s %s is installed half way", name,
				json_path_str(p, "installed", ""));
}

/* What a component reads at its start. */
static const struct {
	const char *component, *file;
} reads[] = {
	{ "etcd", "/etc/kubernetes/pki/etcd/server.crt" },
	{ "etcd", "/etc/kubernetes/pki/etcd/peer.crt" },
	{ "kube-apiserver", "/etc/kubernetes/pki/apiserver.crt" },
	{ "kube-apiserver", "/etc/kubernetes/pki/apiserver-kubelet-client.crt" },
	{ "kube-apiserver", "/etc/kubernetes/pki/apiserver-etcd-client.crt" },
	{ "kube-apiserver", "/etc/kubernetes/pki/front-proxy-client.crt" },
	{ "kube-controller-manager", "/etc/kubernetes/controller-manager.conf" },
	{ "kube-scheduler", "/etc/kubernetes/scheduler.conf" },
};

static int64_t certificate_mtime(const json_t *node, const char *file)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(node, "certificates"), i, c)
		if (strcmp(json_path_str(c, "file", ""), file) == 0)
			return json_path_int(c, "mtime", 0);
	return 0;
}

static void find_certificates(const json_t *node, json_t *faults)
{
	const char *last = "";
	for (size_t i = 0; i < G_N_ELEMENTS(reads); i++) {
		const json_t *m =
			json_object_get(json_object_get(node, "manifests"), reads[i].component);
		int64_t began = json_path_int(m, "startedAt", 0);
		int64_t renewed = certificate_mtime(node, reads[i].file);
		if (!began || renewed <= began || strcmp(last, reads[i].component) == 0)
			continue;
		last = reads[i].component;
		fault_add(faults, NODE_FAULT_CERTIFICATE_NEWER, last, "text",
			"%s is newer than the running %s, which may still use the one before",
			reads[i].file, last);
	}
}

static void find_tmp(const json_t *node, const json_t *wanted, json_t *faults)
{
	int64_t min = json_path_int(wanted, "minFreeBytes", MIN_FREE_BYTES);
	const json_t *free = json_object_get(json_object_get(node, "disk"), "/etc/kubernetes");
	if (!json_is_integer(free) || json_integer_value(free) >= min)
		return;
	GString *list = g_string_new("");
	int64_t bytes = 0;
	size_t i;
	json_t *e;
	json_array_foreach (json_object_get(node, "kubeadmTmp"), i, e) {
		const char *name = json_path_str(e, "name", "");
		if (!list_has(json_object_get(wanted, "tmpOurs"), name))
			continue;
		g_string_append_printf(list, "%s%s", list->len ? "," : "", name);
		bytes += json_path_int(e, "bytes", 0);
	}
	if (list->len)
		fault_add(faults, NODE_FAULT_TMP_FULL, list->str, "text",
			"/etc/kubernetes has %" G_GINT64_FORMAT
			" MiB free, and kubeadm left %" G_GINT64_FORMAT
			" MiB in /etc/kubernetes/tmp in runs of ours",
			(int64_t)json_integer_value(free) >> 20, bytes >> 20);
	g_string_free(list, TRUE);
}

json_t *node_faults(const json_t *node, const json_t *wanted)
{
	json_t *faults = json_array();
	find_tmp(node, wanted, faults); /* nothing else goes well on a full disk */
	find_half(node, faults);
	if (json_path_bool(wanted, "controlPlane", false)) {
		find_missing(node, wanted, faults);
		find_mixed(node, wanted, faults);
		find_certificates(node, faults);
	}
	find_config(node, wanted, faults);
	return faults;
}

/* Those of what that may go, as words of the shell. */
static char *prune_text(const char *what, const json_t *ours)
{
	g_auto(GStrv) list = g_strsplit(what, ",", -1);
	GString *text = g_string_new("set --");
	for (char **n = list; *n; n++)
		if (list_has(ours, *n))
			sh_append_word(text, NULL, *n);
	g_string_append_c(text, '\n');
	g_string_append(text, prune_tmp);
	char *all = sh_text(NULL, 0, text->str);
	g_string_free(text, TRUE);
	return all;
}

static char *unpark_text(const char *what)
{
	g_autofree char *text = g_strdup_printf(
		"f=$manifests/$what.yaml parked=$etc/.shiplock-parked-$what.yaml\n"
		"if [ -e \"$f\" ]; then rm -f \"$parked\"\n"
		"else { mv -f \"$parked\" \"$f\" && durable \"$manifests\" \"$etc\"; } ||\n"
		"\tdie \"cannot move $parked to $f\"; fi\n"
		"say \"$f is there\"\n");
	return sh_text((const ShValue[]){ { "what", what }, { 0 } }, 0, text);
}

char *node_repair_text(
	const char *fault, const char *what, const char *backup_key, const json_t *ours)
{
	const ShValue values[] = { { "what", what }, { "key", backup_key }, { 0 } };
	int f = 0;
	while (f < _NODE_FAULT_MAX && strcmp(names[f], fault) != 0)
		f++;
	switch (f) {
	case NODE_FAULT_MANIFEST_MISSING:
		return sh_text(values, SH_SET, put_manifest);
	case NODE_FAULT_MIXED_COMPONENTS:
		return manifests_restore_text(backup_key);
	case NODE_FAULT_KUBELET_CONFIG:
		return kubelet_config_restore_text(backup_key);
	case NODE_FAULT_HALF_INSTALLED:
		return sh_text(values, 0, configure_package);
	case NODE_FAULT_CERTIFICATE_NEWER:
		return sh_text(values, SH_RUNTIME, restart_component);
	case NODE_FAULT_TMP_FULL:
		return prune_text(what, ours);
	case NODE_FAULT_PARKED:
		return unpark_text(what);
	default:
		return NULL;
	}
}
