#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-sh.h"

static const char backup[] =
	"to=$root$dir/$key\n"
	"new=$root$dir/.$key.new\n"
	"if [ -e \"$to/result\" ]; then\n"
	"\tcat \"$to/result\"\n"
	"\texit 0\n"
	"fi\n"
	"rm -rf \"$new\"\n"
	"mkdir -p \"$new/tree/shiplock\" || die \"cannot make $new\"\n"
	"tree=$new/tree\n"
	"etcd_find\n"
	"controls=\n"
	"for c in kube-apiserver kube-controller-manager kube-scheduler; do\n"
	"\t[ ! -e \"$manifests/$c.yaml\" ] || controls=yes\n"
	"done\n"
	"for c in kube-apiserver kube-controller-manager kube-scheduler; do\n"
	"\t[ -z \"$controls\" ] || [ -e \"$manifests/$c.yaml\" ] ||\n"
	"\t\tdie \"$manifests/$c.yaml is missing: such a state is no backup; put it back first\"\n"
	"done\n"
	"free_kb() { df -Pk \"$new\" | awk 'NR == 2 { print $4 }'; }\n"
	"need=65536\n"
	"[ \"$etcd_kind\" != stacked ] || need=$((need + 2 * $(du -sk \"$root$data\" | cut -f1)))\n"
	"[ \"$(free_kb)\" -ge \"$need\" ] ||\n"
	"\tdie \"$root$dir has $(free_kb) KiB free and $need are needed: make room on the node\"\n"
	"# Copies what is there, under its own path.\n"
	"keep() {\n"
	"\tfor f; do\n"
	"\t\t[ -e \"$f\" ] || continue\n"
	"\t\tmkdir -p \"$tree/${f%/*}\"\n"
	"\t\tcp -a \"$f\" \"$tree/${f%/*}/\" || die \"cannot copy $f\"\n"
	"\tdone\n"
	"}\n"
	"rel=${root:+$root/}\n"
	"cd \"${rel:-/}\" || die \"cannot enter ${rel:-/}\"\n"
	"for f in etc/kubernetes/*; do [ \"$f\" = etc/kubernetes/tmp ] || keep \"$f\"; done\n"
	"keep var/lib/kubelet/config.yaml var/lib/kubelet/instance-config.yaml \\\n"
	"\tvar/lib/kubelet/kubeadm-flags.env\n"
	"for f in etc/apt/sources.list etc/apt/sources.list.d/* etc/yum.repos.d/*; do\n"
	"\t[ ! -f \"$f\" ] || ! grep -q kube \"$f\" || keep \"$f\"\n"
	"done\n"
	"cd / || exit 1\n"
	"for p in kubeadm kubelet kubectl; do\n"
	"\tsay \"$p $(version $p) $(command -v $p)\"\n"
	"done >\"$tree/shiplock/versions\"\n"
	"{\n"
	"\t! has dpkg-query || dpkg-query -W kubeadm kubelet kubectl kubernetes-cni cri-tools\n"
	"\t! has rpm || rpm -q kubeadm kubelet kubectl kubernetes-cni cri-tools\n"
	"} >\"$tree/shiplock/packages\" 2>/dev/null\n"
	"objects=0\n"
	"if [ -n \"$controls\" ] && has kubectl && kubectl --kubeconfig \"$etc/admin.conf\" \\\n"
	"\t--request-timeout 20s -n kube-system get configmaps/kubeadm-config \\\n"
	"\tconfigmaps/kubelet-config configmaps/kube-proxy configmaps/coredns \\\n"
	"\tdaemonsets/kube-proxy deployments/coredns --ignore-not-found -o json \\\n"
	"\t>\"$tree/shiplock/objects.json\" 2>/dev/null; then\n"
	"\tobjects=1\n"
	"fi\n"
	"# Within the container only the data folder is also one of the node.\n"
	"snapshot() {\n"
	"\tfile=$tree/shiplock/etcd.snapshot\n"
	"\tif [ \"$by\" = path ]; then at=$file; else at=$data/shiplock-snapshot.db; fi\n"
	"\t[ \"$by\" = path ] || rm -f \"$root$at\" \"$root$at.part\"\n"
	"\tctl snapshot save \"$at\" >\"$new/said\" 2>&1 ||\n"
	"\t\tdie \"etcdctl snapshot save failed: $(tail -n 1 \"$new/said\")\"\n"
	"\tstatus=$(utl snapshot status \"$at\" -w json 2>\"$new/said\") ||\n"
	"\t\tdie \"the snapshot cannot be read back: $(tail -n 1 \"$new/said\")\"\n"
	"\t[ \"$by\" = path ] || mv -f \"$root$at\" \"$file\" || die \"cannot move $root$at to "
	"$file\"\n"
	"\tmembers=$(ctl member list -w simple 2>\"$new/said\") ||\n"
	"\t\tdie \"etcdctl member list failed: $(tail -n 1 \"$new/said\")\"\n"
	"\tsay \"$members\" >\"$tree/shiplock/etcd.members\"\n"
	"\tsay \"$status\" >\"$tree/shiplock/etcd.status\"\n"
	"}\n"
	"case $etcd_kind in none | unreached) members='' status='' ;; *) snapshot ;; esac\n"
	"cd \"$tree\" || die \"cannot enter $tree\"\n"
	"find . -type f ! -path ./shiplock/SHA256SUMS -exec sha256sum {} + >\"$new/sums\" ||\n"
	"\tdie \"cannot take the digests of $tree\"\n"
	"mv \"$new/sums\" shiplock/SHA256SUMS\n"
	"files=$(wc -l <shiplock/SHA256SUMS)\n"
	"# The digests first: they are looked for in every use.\n"
	"mv shiplock \"$new/shiplock\" && mkdir shiplock && mv \"$new/shiplock/SHA256SUMS\" "
	"shiplock/\n"
	"{ tar -cf \"$new/set.tar\" . && tar -rf \"$new/set.tar\" -C \"$new\" ./shiplock; } ||\n"
	"\tdie \"cannot write $new/set.tar\"\n"
	"cd / || exit 1\n"
	"rm -rf \"$tree\" \"$new/shiplock\" \"$new/said\"\n"
	"{\n"
	"\tsay \"shiplock-backup 1\"\n"
	"\tsay \"key $key\"\n"
	"\tsay \"set $(sha \"$new/set.tar\") $(wc -c <\"$new/set.tar\") $files\"\n"
	"\tsay \"at $(date +%s)\"\n"
	"\tsay \"kubelet $(version kubelet)\"\n"
	"\tsay \"etcd $etcd_kind\"\n"
	"\tsay \"objects $objects\"\n"
	"\t[ -z \"$status\" ] || say \"snapshot $status\"\n"
	"\tsay \"$members\" | sed -n 's/^\\([0-9a-f][0-9a-f]*, .*\\)/member \\1/p'\n"
	"\tsay \"end\"\n"
	"} >\"$new/result\"\n"
	"durable \"$new/set.tar\" \"$new/result\" \"$new\"\n"
	"stamp \"$(minor \"$(version kubelet)\")\"\n"
	"rm -rf \"$to\"\n"
	"mv \"$new\" \"$to\" || die \"cannot make $to\"\n"
	"durable \"$root$dir\"\n"
	"cat \"$to/result\"\n";

static const char part[] = "f=$root/var/lib/shiplock/backups/$key/set.tar\n"
			   "[ -e \"$f\" ] || die \"no backup set $key on this node\"\n"
			   "tail -c \"+$((from + 1))\" \"$f\" | head -c \"$max\" | base64\n";

static const char drop[] =
	"d=$root/var/lib/shiplock/backups\n"
	"case $key in */* | .* | '') die \"'$key' is no key of a backup set\" ;; esac\n"
	"# Out of sight first: half a set is none.\n"
	"if [ -e \"$d/$key\" ]; then\n"
	"\trm -rf \"${d:?}/.$key.gone\"\n"
	"\tmv \"$d/$key\" \"$d/.$key.gone\" || die \"cannot remove $d/$key\"\n"
	"fi\n"
	"rm -rf \"${d:?}/.$key.gone\" \"${d:?}/.$key.new\" || die \"cannot remove all of "
	"$d/.$key.gone\"\n"
	"say \"there is no backup set $key on this node\"\n";

static const char look[] = "f=$root/var/lib/shiplock/backups/$key/set.tar\n"
			   "say \"shiplock-set 1\"\n"
			   "[ ! -e \"$f\" ] || say \"sha256 $(sha \"$f\")\"\n"
			   "say \"end\"\n";

/* By the time that each says of itself: a copy may have touched its files. */
static const char prune[] =
	"d=$root/var/lib/shiplock/backups\n"
	"for f in \"$d\"/*/result; do\n"
	"\t[ ! -e \"$f\" ] || say \"$(sed -n 's/^at //p' \"$f\") ${f%/result}\"\n"
	"done | sort -rn | tail -n \"+$((n + 1))\" | while read -r at f; do\n"
	"\t[ \"${f##*/}\" != \"$key\" ] || continue\n"
	"\tmv \"$f\" \"$d/.${f##*/}.gone\" && rm -rf \"$d/.${f##*/}.gone\"\n"
	"done\n"
	"# What a cut left of an earlier one.\n"
	"rm -rf \"$d\"/.*.gone\n";

char *node_set_text(const char *key)
{
	return sh_text((const ShValue[]){ { "key", key }, { 0 } }, 0, look);
}

char *node_backup_prune_text(const char *key, int n)
{
	char text[16];
	g_snprintf(text, sizeof text, "%d", n);
	return sh_text((const ShValue[]){ { "key", key }, { "n", text }, { 0 } }, 0, prune);
}

char *node_backup_text(const char *key, const char *dir)
{
	return sh_text(
		(const ShValue[]){ { "key", key }, { "dir", dir ? dir : NODE_BACKUP_DIR }, { 0 } },
		SH_ETCD, backup);
}

char *node_backup_part_text(const char *key, int64_t from, int64_t max)
{
	char a[32], b[32];
	g_snprintf(a, sizeof a, "%" G_GINT64_FORMAT, from);
	g_snprintf(b, sizeof b, "%" G_GINT64_FORMAT, max);
	return sh_text(
		(const ShValue[]){ { "key", key }, { "from", a }, { "max", b }, { 0 } }, 0, part);
}

char *node_backup_remove_text(const char *key)
{
	return sh_text((const ShValue[]){ { "key", key }, { 0 } }, 0, drop);
}
