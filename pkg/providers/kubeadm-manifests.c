/* Texts that change manifests of static pods: always a whole file, by rename. */
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-sh.h"

static const char swap[] =
	"[ -d \"$manifests\" ] || die \"there is no $manifests on this node\"\n"
	"set_place \"etc/kubernetes/manifests/$component.yaml\" \"$manifests/$component.yaml\" ||\n"
	"\tdie \"the backup set $key has no manifest of $component\"\n";

static const char restore[] =
	"[ -d \"$manifests\" ] || die \"there is no $manifests on this node\"\n"
	"for component in kube-scheduler kube-controller-manager kube-apiserver; do\n"
	"\tset_place \"etc/kubernetes/manifests/$component.yaml\" \"$manifests/$component.yaml\" "
	"||\n"
	"\t\tdie \"the backup set $key has no manifest of $component\"\n"
	"done\n"
	"# Data that a newer etcd has written is not for an older one.\n"
	"is=$manifests/etcd.yaml was=$ours/.etcd-of-set\n"
	"if set_file etc/kubernetes/manifests/etcd.yaml \"$was\"; then\n"
	"\tif [ ! -e \"$is\" ] || [ \"$(image \"$is\")\" = \"$(image \"$was\")\" ]; then\n"
	"\t\tset_place etc/kubernetes/manifests/etcd.yaml \"$is\"\n"
	"\telse\n"
	"\t\tsay \"$is stays: it is $(image \"$is\"), the backup set has $(image \"$was\")\"\n"
	"\tfi\n"
	"fi\n"
	"rm -f \"$was\"\n";

static const char emulated[] =
	"# One manifest with the flag set to $level, or without it.\n"
	"edit() {\n"
	"\tawk -v level=\"$level\" -v c=\"$1\" '\n"
	"\t\t/^ *- *[\"\\047]?--emulated-version=/ { next }\n"
	"\t\t{ print }\n"
	"\t\t$1 == \"-\" && $2 == c && NF == 2 && !done {\n"
	"\t\t\tdone = 1\n"
	"\t\t\tif (level) { sub(/-.*/, \"- --emulated-version=\" level); print }\n"
	"\t\t}\n"
	"\t\tEND { if (!done) exit 1 }' \"$2\"\n"
	"}\n"
	"for c in $components; do\n"
	"\tf=$manifests/$c.yaml\n"
	"\t[ -e \"$f\" ] || die \"$f is missing: put it back first\"\n"
	"\tnew=$ours/.emulated\n"
	"\tmkdir -p \"$ours\"\n"
	"\tedit \"$c\" \"$f\" >\"$new\" || {\n"
	"\t\trm -f \"$new\"\n"
	"\t\tdie \"$f has no line '- $c' that begins its command: set --emulated-version by "
	"hand\"\n"
	"\t}\n"
	"\tif cmp -s \"$new\" \"$f\"; then\n"
	"\t\trm -f \"$new\"\n"
	"\t\tsay \"$c: emulated version ${level:-none} already\"\n"
	"\t\tcontinue\n"
	"\tfi\n"
	"\tbefore=$(container \"$c\")\n"
	"\tchmod --reference=\"$f\" \"$new\"\n"
	"\tplace \"$new\" \"$f\"\n"
	"\trm -f \"$new\"\n"
	"\treplaced \"$c\" \"$before\"\n"
	"\tsay \"$c: emulated version ${level:-none}\"\n"
	"done\n";

static const char stop[] =
	"f=$manifests/kube-apiserver.yaml parked=$etc/.shiplock-parked-kube-apiserver.yaml\n"
	"if [ -e \"$f\" ]; then\n"
	"\t[ \"$(stat -c %d \"$etc\")\" = \"$(stat -c %d \"$manifests\")\" ] ||\n"
	"\t\tdie \"$manifests is a filesystem of its own: its manifest cannot be taken out by "
	"rename\"\n"
	"\t{ mv -f \"$f\" \"$parked\" && durable \"$manifests\" \"$etc\"; } || die \"cannot move "
	"$f to $parked\"\n"
	"fi\n"
	"# None at all (it was lost) is as good: the set brings one back.\n"
	"[ -e \"$parked\" ] || warn \"there is no manifest of the API server on this node\"\n"
	"gone kube-apiserver\n"
	"say \"the API server of this node is stopped\"\n";

static const char start[] =
	"f=$manifests/kube-apiserver.yaml parked=$etc/.shiplock-parked-kube-apiserver.yaml\n"
	"if [ -e \"$f\" ]; then\n"
	"\trm -f \"$parked\"\n"
	"elif [ -e \"$parked\" ]; then\n"
	"\t{ mv -f \"$parked\" \"$f\" && durable \"$manifests\" \"$etc\"; } || die \"cannot move "
	"$parked to $f\"\n"
	"else\n"
	"\tdie \"no manifest of the API server on this node: put it back from a backup set\"\n"
	"fi\n"
	"replaced kube-apiserver ''\n"
	"say \"the API server of this node runs\"\n";

char *manifest_swap_text(const char *component, const char *backup_key)
{
	return sh_text(
		(const ShValue[]){ { "component", component }, { "key", backup_key }, { 0 } },
		SH_SET, swap);
}

char *manifests_restore_text(const char *backup_key)
{
	return sh_text((const ShValue[]){ { "key", backup_key }, { 0 } }, SH_SET, restore);
}

/* Neither the scheduler nor the controller manager is ever above the API server that it asks. */
char *emulated_version_text(const char *minor)
{
	const char *order = minor ? "kube-scheduler kube-controller-manager kube-apiserver"
				  : "kube-apiserver kube-controller-manager kube-scheduler";
	g_autofree char *loop = g_strdup_printf("components='%s'\n%s", order, emulated);
	return sh_text((const ShValue[]){ { "level", minor }, { 0 } }, SH_RUNTIME, loop);
}

char *apiserver_stop_text(void)
{
	return sh_text(NULL, SH_RUNTIME, stop);
}

char *apiserver_start_text(void)
{
	return sh_text(NULL, SH_RUNTIME, start);
}
