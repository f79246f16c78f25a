/* Whether the images of another version of the control plane lie on a node. */
#include "providers/kubeadm-readiness.h"
#include "providers/kubeadm-sh.h"
#include <string.h>

static const char images[] =
	"say \"shiplock-images 1\"\n"
	"# lies IMAGE: 0 it is here, 1 it is not, 2 nobody can say.\n"
	"lies() {\n"
	"\tif has crictl && timeout 20 crictl images -q >/dev/null 2>&1; then\n"
	"\t\ttimeout 20 crictl inspecti -q \"$1\" >/dev/null 2>&1\n"
	"\t\treturn $(($? != 0))\n"
	"\tfi\n"
	"\thas ctr || return 2\n"
	"\tall=$(timeout 20 ctr -n k8s.io images ls -q 2>/dev/null) || return 2\n"
	"\tsay \"$all\" | grep -qxF \"$1\"\n"
	"}\n"
	"for c in kube-apiserver kube-controller-manager kube-scheduler; do\n"
	"\tf=$manifests/$c.yaml\n"
	"\t[ -e \"$f\" ] || continue\n"
	"\tis=$(image \"$f\")\n"
	"\twant=${is%:*}:v${version_wanted#v}\n"
	"\tpolicy=$(sed -n 's/^ *imagePullPolicy: *//p' \"$f\" | head -n 1)\n"
	"\tlies \"$want\"\n"
	"\tcase $? in 0) here=yes ;; 1) here=no ;; *) here=unknown ;; esac\n"
	"\tsay \"image $here ${policy:-IfNotPresent} $want\"\n"
	"done\n"
	"say \"end\"\n";

char *node_images_text(const char *version)
{
	return sh_text((const ShValue[]){ { "version_wanted", version }, { 0 } }, 0, images);
}

static void see(json_t *out, const char *line)
{
	g_auto(GStrv) w = g_strsplit(line, " ", 4); /* image HERE POLICY NAME */
	if (g_strv_length(w) < 4 || strcmp(w[0], "image") != 0)
		return;
	if (strcmp(w[1], "unknown") == 0)
		json_object_set_new(out, "unknown", json_true());
	if (strcmp(w[1], "no") != 0)
		return;
	json_array_append_new(json_object_get(out, "missing"), json_string(w[3]));
	if (strcmp(w[2], "Never") == 0)
		json_array_append_new(json_object_get(out, "never"), json_string(w[3]));
}

json_t *node_images_looked(const char *out, GError **err)
{
	g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
	json_t *v = json_pack("{s:[], s:[], s:b}", "missing", "never", "unknown", 0);
	bool begun = false, end = false;
	for (char **l = lines; *l; l++) {
		begun = begun || strcmp(*l, "shiplock-images 1") == 0;
		end = end || strcmp(*l, "end") == 0;
		see(v, *l);
	}
	if (begun && end)
		return v;
	json_decref(v);
	sl_fail(err, SL_ERR_INVALID, "the node's answer does not tell of images");
	return NULL;
}
