/* Texts about etcd: the restore of its data, and a look at it. */
#include "providers/kubeadm-commands.h"
#include "providers/kubeadm-sh.h"

static const char restore[] =
	"man=$manifests/etcd.yaml parked=$etc/.shiplock-parked-etcd.yaml\n"
	"[ ! -e \"$manifests/kube-apiserver.yaml\" ] ||\n"
	"\tdie \"the API server of this node is not stopped: stop all of them first\"\n"
	"id=$(container kube-apiserver) || id=\n"
	"[ -z \"$id\" ] || die \"the API server of this node still runs\"\n"
	"from=$man\n"
	"[ -e \"$from\" ] || from=$parked\n"
	"[ -e \"$from\" ] || die \"there is no etcd on this node: $man is missing\"\n"
	"data=$(flag \"$from\" data-dir)\n"
	"[ -n \"$data\" ] || die \"$from names no data folder\"\n"
	"is=$root$data new=$is/shiplock-new-$key old=$is/shiplock-old-$key\n"
	"start() {\n"
	"\tif [ -e \"$man\" ]; then rm -f \"$parked\"\n"
	"\telse mv -f \"$parked\" \"$man\" && durable \"$manifests\" \"$etc\"; fi || die \"cannot "
	"write $man\"\n"
	"}\n"
	"# Done before, and the data in place: only etcd may be missing.\n"
	"if [ -d \"$old/member\" ] && [ -d \"$is/member\" ] && [ ! -d \"$new/member\" ]; then\n"
	"\tstart\n"
	"\trm -rf \"$new\"\n"
	"\tsay \"etcd's data is that of the backup set $key\"\n"
	"\texit 0\n"
	"fi\n"
	"# The new data lies beside the old, so that both change places by rename. The mark says "
	"it is whole.\n"
	"if [ ! -e \"$new/whole\" ] && [ ! -d \"$old/member\" ]; then\n"
	"\trm -rf \"$new\"\n"
	"\tmkdir -p \"$new\" || die \"cannot make $new\"\n"
	"\tset_file shiplock/etcd.snapshot \"$new/snapshot.db\" ||\n"
	"\t\tdie \"the backup set $key has no snapshot of etcd\"\n"
	"\tby=path at=$new\n"
	"\tif ! has etcdutl; then\n"
	"\t\t[ -e \"$man\" ] || start\n"
	"\t\tby=$(container etcd) || die \"neither etcdutl nor crictl nor ctr is on this node\"\n"
	"\t\t[ -n \"$by\" ] || die \"etcd does not run on this node, and no etcdutl is on PATH\"\n"
	"\t\tat=$data/shiplock-new-$key\n"
	"\tfi\n"
	"\tutl snapshot restore \"$at/snapshot.db\" --data-dir \"$at/data\" --name \"$name\" \\\n"
	"\t\t--initial-cluster \"$cluster\" --initial-cluster-token \"$token\" \\\n"
	"\t\t--initial-advertise-peer-urls \"$peer\" \\\n"
	"\t\t--bump-revision 1000000000 --mark-compacted || die \"etcdutl snapshot restore "
	"failed\"\n"
	"\tmv \"$new/data/member\" \"$new/member\" || die \"etcdutl left no data in $new\"\n"
	"\trm -rf \"$new/data\" \"$new/snapshot.db\"\n"
	"\tchown -R \"$(stat -c %u:%g \"$is\")\" \"$new\"\n"
	"\tchmod 700 \"$new\"\n"
	"\tdurable\n"
	"\t: >\"$new/whole\"\n"
	"\tdurable \"$new/whole\" \"$new\"\n"
	"fi\n"
	"if [ -e \"$man\" ]; then\n"
	"\t{ mv -f \"$man\" \"$parked\" && durable \"$manifests\" \"$etc\"; } || die \"cannot take "
	"$man out\"\n"
	"fi\n"
	"gone etcd\n"
	"if [ ! -d \"$old/member\" ]; then\n"
	"\t{ mkdir -p \"$old\" && mv \"$is/member\" \"$old/member\" && durable \"$old\"; } ||\n"
	"\t\tdie \"cannot move $is/member to $old\"\n"
	"fi\n"
	"if [ -d \"$new/member\" ]; then\n"
	"\tmv \"$new/member\" \"$is/member\" || die \"cannot move $new/member to $is/member\"\n"
	"fi\n"
	"durable \"$is\"\n"
	"rm -rf \"$new\"\n"
	"start\n"
	"say \"etcd's data is that of the backup set $key; what was there is in $old\"\n";

static const char look[] =
	"etcd_find\n"
	"say \"shiplock-etcd 1\"\n"
	"case $etcd_kind in none | unreached) die \"there is no etcd here that could be asked\" ;; "
	"esac\n"
	"said=$(mktemp) || die \"cannot make a file in /tmp\"\n"
	"trap 'rm -f \"$said\"' EXIT\n"
	"members=$(ctl member list -w simple 2>\"$said\") ||\n"
	"\tdie \"etcdctl member list failed: $(tail -n 1 \"$said\")\"\n"
	"say \"$members\" | sed -n 's/^\\([0-9a-f][0-9a-f]*, .*\\)/member \\1/p'\n"
	"# An endpoint that does not answer is missing in it: that is an answer too.\n"
	"ctl --command-timeout 5s endpoint status --cluster -w fields 2>\"$said\" | sed "
	"'s/^/status /'\n"
	"ctl --command-timeout 5s endpoint health --cluster 2>&1 | sed -n "
	"'s/^\\(https\\{0,1\\}:.*\\)/health \\1/p'\n"
	"alarms=$(ctl alarm list 2>\"$said\") || die \"etcdctl alarm list failed: $(tail -n 1 "
	"\"$said\")\"\n"
	"say \"$alarms\" | sed -n 's/^\\(..*\\)/alarm \\1/p'\n"
	"say \"end\"\n";

char *etcd_restore_text(const char *backup_key, const json_t *member)
{
	return sh_text((const ShValue[]){ { "key", backup_key },
			       { "name", json_path_str(member, "name", NULL) },
			       { "peer", json_path_str(member, "peerUrl", NULL) },
			       { "cluster", json_path_str(member, "initialCluster", NULL) },
			       { "token", json_path_str(member, "token", NULL) }, { 0 } },
		SH_SET | SH_ETCD, restore);
}

char *etcd_look_text(void)
{
	return sh_text(NULL, SH_ETCD, look);
}
