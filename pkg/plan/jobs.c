#include "plan/jobs.h"
#include "codec/json.h"
#include <string.h>

/* The platform's own script (openshift/cluster-etcd-operator, cluster-backup.sh) on one node of the
 * control plane. The last line is the proof: what was written, its hash and when. */
#define ETCD_BACKUP                                                                                \
	"set -e\\n"                                                                                \
	"dir=/var/lib/shiplock-backup\\n"                                                          \
	"chroot /host /usr/local/bin/cluster-backup.sh \\\"$dir\\\"\\n"                            \
	"file=$(ls -t /host$dir/snapshot_*.db | head -n 1)\\n"                                     \
	"sum=$(sha256sum \\\"$file\\\" | cut -d ' ' -f 1)\\n"                                      \
	"echo \\\"shiplock-proof file=${file#/host} sha256=$sum time=$(date -u -r \\\"$file\\\" "  \
	"+%Y-%m-%dT%H:%M:%SZ)\\\"\\n"
/* An image stream of every OpenShift cluster. */
#define TOOLS "image-registry.openshift-image-registry.svc:5000/openshift/tools:latest"
#define TOLERATES "\"tolerations\": [{\"operator\": \"Exists\"}]"

static const struct {
	const char *name, *text;
} builtin[] = {
	{ "builtin/etcd-backup",
		"{\"apiVersion\": \"batch/v1\", \"kind\": \"Job\","
		" \"metadata\": {\"namespace\": \"openshift-etcd\"},"
		" \"spec\": {\"backoffLimit\": 0, \"template\": {\"spec\": {"
		"  \"restartPolicy\": \"Never\", \"hostPID\": true,"
		"  \"nodeSelector\": {\"node-role.kubernetes.io/master\": \"\"}, " TOLERATES ","
		"  \"volumes\": [{\"name\": \"host\", \"hostPath\": {\"path\": \"/\"}}],"
		"  \"containers\": [{\"name\": \"backup\","
		"   \"image\": \"" TOOLS "\","
		"   \"command\": [\"/bin/sh\", \"-c\", \"" ETCD_BACKUP "\"],"
		"   \"securityContext\": {\"privileged\": true},"
		"   \"volumeMounts\": [{\"name\": \"host\", \"mountPath\": \"/host\"}]}]}}}}" },
	/* Scheduled with one device, started and ended with 0: the driver, the plugin and the
	   runtime of that class work. The step adds device and node. */
	{ "builtin/accelerators",
		"{\"apiVersion\": \"batch/v1\", \"kind\": \"Job\","
		" \"metadata\": {\"namespace\": \"default\"},"
		" \"spec\": {\"backoffLimit\": 0, \"template\": {\"spec\": {"
		"  \"restartPolicy\": \"Never\", " TOLERATES ","
		"  \"containers\": [{\"name\": \"accelerator\", \"image\": \"" TOOLS "\","
		"   \"command\": [\"/bin/sh\", \"-c\", \"true\"]}]}}}}" },
};

bool jobs_is_template(const char *file)
{
	const char *at = strstr(file, JOBS_FOLDER);
	return at && (at == file || at[-1] == '/');
}

json_t *jobs_builtin(const char *name)
{
	for (size_t i = 0; i < G_N_ELEMENTS(builtin); i++)
		if (strcmp(builtin[i].name, name) == 0)
			return json_loads(builtin[i].text, JSON_REJECT_DUPLICATES, NULL);
	return NULL;
}

char *jobs_problem(const json_t *template)
{
	const char *version = json_path_str(template, "apiVersion", "?"),
		   *kind = json_path_str(template, "kind", "?");
	const char *error = json_path_str(template, "unreadable", NULL);
	if (error)
		return g_strdup_printf("is not readable: %s", error);
	if (strcmp(version, "batch/v1") != 0 || strcmp(kind, "Job") != 0)
		return g_strdup_printf("is %s %s, not batch/v1 Job", version, kind);
	if (json_array_size(json_path(template, "spec.template.spec.containers")) == 0)
		return g_strdup("has no container in spec.template.spec.containers");
	return NULL;
}

void jobs_named(const json_t *v, json_t *out)
{
	const char *file = json_path_str(json_object_get(v, "job"), "file", NULL), *key;
	json_t *member;
	size_t i;
	if (file)
		json_object_set_new(out, file, json_null());
	json_array_foreach (v, i, member) {
		jobs_named(member, out);
	}
	json_object_foreach ((json_t *)v, key, member) {
		jobs_named(member, out);
	}
}
