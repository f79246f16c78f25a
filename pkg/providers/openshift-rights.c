/* All that is ever asked of an OpenShift cluster. A read or a write that is not in here is refused
 * by a server that grants no more. */
#include "providers/openshift.h"
#include <string.h>

#define CONFIG "config.openshift.io"
#define MACHINE "machineconfiguration.openshift.io"

static bool by_git(const json_t *spec)
{
	return strcmp(json_path_str(spec, "actuator.type", "direct"), "git") == 0;
}

static bool patches_acks(const json_t *spec)
{
	return !by_git(spec) || !json_path_str(spec, "actuator.acksFile", NULL);
}

const RightRow openshift_rights[] = {
	{ RIGHT_READ, "get", CONFIG, "clusterversions", "", "version", NULL },
	{ RIGHT_READ, "list watch", CONFIG, "clusterversions", "", "", NULL },
	{ RIGHT_READ, "list", CONFIG, "clusteroperators", "", "", NULL },
	{ RIGHT_READ, "get list watch", MACHINE, "machineconfigpools", "", "", NULL },
	{ RIGHT_READ, "list watch", "", "nodes", "", "", NULL },
	{ RIGHT_READ, "list watch", "", "pods", "", "", NULL },
	{ RIGHT_READ, "list watch", "policy", "poddisruptionbudgets", "", "", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "openshift-config-managed", "admin-gates", NULL },
	{ RIGHT_READ, "get", "", "configmaps", "openshift-config", "admin-acks", NULL },
	{ RIGHT_SPARE, "get", MACHINE, "controllerconfigs", "", "machine-config-controller", NULL },
	{ RIGHT_SPARE, "list", "certificates.k8s.io", "certificatesigningrequests", "", "", NULL },
	{ RIGHT_SPARE, "get list", "apiserver.openshift.io", "apirequestcounts", "", "", NULL },
	/* The claim lies on the version also where Git holds the wish. */
	{ RIGHT_WRITE, "patch", CONFIG, "clusterversions", "", "version", NULL },
	/* Also where poolsFile is given: what is not in that file is patched. The preflight, which
	 * sees the file, does not ask where it holds them all. */
	{ RIGHT_WRITE, "patch", MACHINE, "machineconfigpools", "", "", NULL },
	{ RIGHT_WRITE, "patch", "", "configmaps", "openshift-config", "admin-acks", patches_acks },
	{ RIGHT_WRITE, "create", "", "pods/eviction", "", "", NULL },
	{ 0 },
};
