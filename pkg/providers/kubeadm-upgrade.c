/* Texts that run kubeadm and restart the kubelet. */
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

static const char run_kubeadm[] =
	"umask 022\n"
	"have=$(version kubeadm)\n"
	"[ -n \"$have\" ] || die \"there is no kubeadm on this node\"\n"
	"if [ -n \"$version\" ] && [ \"${have#v}\" != \"${version#v}\" ] && [ -z \"$force\" ]; "
	"then\n"
	"\tdie \"kubeadm on this node is $have, and ${version#v} is needed: install it first\"\n"
	"fi\n"
	"# The new binaries at an older feature level: one more flag for each, by kubeadm's own "
	"patches.\n"
	"if [ -n \"$emulated\" ]; then\n"
	"\t[ -z \"$config\" ] || die \"an emulated version and an UpgradeConfiguration do not go "
	"together\"\n"
	"\tp=$ours/patches\n"
	"\trm -rf \"$p\"\n"
	"\tmkdir -p \"$p\" || die \"cannot make $p\"\n"
	"\t[ -z \"$patches\" ] || cp -a \"$root$patches/.\" \"$p/\" || die \"cannot copy "
	"$root$patches\"\n"
	"\tfor c in kube-apiserver kube-controller-manager kube-scheduler; do\n"
	"\t\tsay \"[{\\\"op\\\":\\\"add\\\",\\\"path\\\":\\\"/spec/containers/0/command/-\\\",\" "
	"\\\n"
	"\t\t\t\"\\\"value\\\":\\\"--emulated-version=$emulated\\\"}]\" "
	">\"$p/${c}90shiplock+json.json\"\n"
	"\tdone\n"
	"\tset -- \"$@\" \"--patches=$p\"\n"
	"elif [ -n \"$patches\" ]; then\n"
	"\tset -- \"$@\" \"--patches=$root$patches\"\n"
	"fi\n"
	"kubeadm \"$@\" </dev/null\n"
	"code=$?\n"
	"[ $code -eq 0 ] || die \"kubeadm $2 ended with exit code $code; its words stand above\"\n"
	"stamp \"$(minor \"$have\")\"\n"
	"# Of its last phase: manifests alone do not tell that it came so far.\n"
	"new=$ours/.kubeadm-done.new\n"
	"{ mkdir -p \"$ours\" && say \"$have\" >\"$new\" && durable \"$new\" &&\n"
	"\tmv -f \"$new\" \"$ours/kubeadm-done\"; } || die \"cannot write "
	"$ours/kubeadm-done\"\n";

static const char restart[] =
	"systemctl daemon-reload || die \"systemctl daemon-reload failed\"\n"
	"systemctl restart kubelet || die \"systemctl restart kubelet failed; see journalctl -u "
	"kubelet\"\n"
	"tries=0 steady=0\n"
	"while [ \"$steady\" -lt 2 ]; do\n"
	"\tsleep \"$poll\"\n"
	"\tif systemctl is-active --quiet kubelet; then steady=$((steady + 1)); else steady=0; fi\n"
	"\ttries=$((tries + 1))\n"
	"\t[ \"$tries\" -lt 120 ] || die \"the kubelet is not active after 120 looks: it is\" \\\n"
	"\t\t\"$(systemctl is-active kubelet); see journalctl -u kubelet\"\n"
	"done\n"
	"say \"the kubelet is active: $(version kubelet)\"\n";

static const char put_config[] =
	"found=\n"
	"for f in config.yaml instance-config.yaml kubeadm-flags.env; do\n"
	"\t! set_place \"var/lib/kubelet/$f\" \"$kubelet/$f\" || found=yes\n"
	"done\n"
	"[ -n \"$found\" ] || die \"the backup set $key has no configuration of a kubelet\"\n";

/* --flag='a,b' of a list of names. */
static void add_list(GString *out, const char *flag, const json_t *list)
{
	GString *all = g_string_new("");
	size_t i;
	json_t *v;
	json_array_foreach (list, i, v)
		if (json_is_string(v))
			g_string_append_printf(
				all, "%s%s", all->len ? "," : "", json_string_value(v));
	if (all->len)
		sh_append_word(out, flag, all->str);
	g_string_free(all, TRUE);
}

/* The words for kubeadm, as "set --" takes them. With a configuration the rest stands in it. */
static void add_options(GString *out, const json_t *options)
{
	const char *config = json_path_str(options, "config", NULL);
	if (config)
		sh_append_word(out, "--config=", config);
	add_list(out,
		"--ignore-preflight-errors=", json_object_get(options, "ignorePreflightErrors"));
	add_list(out, "--skip-phases=", json_object_get(options, "skipPhases"));
	if (config)
		return;
	if (!json_path_bool(options, "etcdUpgrade", true))
		g_string_append(out, " --etcd-upgrade=false");
	if (!json_path_bool(options, "certificateRenewal", true))
		g_string_append(out, " --certificate-renewal=false");
}

static char *kubeadm_text(const char *words, const char *version, const json_t *options)
{
	bool force = json_path_bool(options, "force", false);
	GString *text = g_string_new("set --");
	g_string_append(text, words);
	add_options(text, options);
	g_string_append_c(text, '\n');
	g_string_append(text, run_kubeadm);
	char *all = sh_text(
		(const ShValue[]){ { "version", version }, { "force", force ? "yes" : NULL },
			{ "emulated", json_path_str(options, "emulated", NULL) },
			{ "config", json_path_str(options, "config", NULL) },
			{ "patches", json_path_str(options, "patches", NULL) }, { 0 } },
		0, text->str);
	g_string_free(text, TRUE);
	return all;
}

char *kubeadm_apply_text(const char *version, const json_t *options)
{
	GString *words = g_string_new(" upgrade apply --yes");
	g_autofree char *v = g_strconcat(*version == 'v' ? "" : "v", version, NULL);
	sh_append_word(words, NULL, v);
	if (json_path_bool(options, "force", false) && !json_path_str(options, "config", NULL))
		g_string_append(words, " --force");
	char *text = kubeadm_text(words->str, version, options);
	g_string_free(words, TRUE);
	return text;
}

char *kubeadm_node_text(const json_t *options)
{
	return kubeadm_text(" upgrade node", json_path_str(options, "version", NULL), options);
}

char *kubelet_restart_text(void)
{
	return sh_text(NULL, 0, restart);
}

char *kubelet_config_restore_text(const char *backup_key)
{
	return sh_text((const ShValue[]){ { "key", backup_key }, { 0 } }, SH_SET, put_config);
}
