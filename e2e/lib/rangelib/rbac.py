"""Rights of the range's users: the product gets what it needs, the actors everything."""

READ = ["get", "list", "watch"]

# (API groups, resources, verbs)
PRODUCT_RULES = (
    (
        [
            "",
            "apps",
            "batch",
            "policy",
            "storage.k8s.io",
            "scheduling.k8s.io",
            "autoscaling",
            "apiregistration.k8s.io",
            "apiextensions.k8s.io",
            "admissionregistration.k8s.io",
            "certificates.k8s.io",
            "discovery.k8s.io",
            "config.openshift.io",
            "machineconfiguration.openshift.io",
            "apiserver.openshift.io",
        ],
        [
            "nodes",
            "pods",
            "namespaces",
            "configmaps",
            "services",
            "persistentvolumes",
            "persistentvolumeclaims",
            "events",
            "replicationcontrollers",
            "deployments",
            "replicasets",
            "statefulsets",
            "daemonsets",
            "jobs",
            "cronjobs",
            "poddisruptionbudgets",
            "storageclasses",
            "volumeattachments",
            "csinodes",
            "priorityclasses",
            "horizontalpodautoscalers",
            "apiservices",
            "customresourcedefinitions",
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "certificatesigningrequests",
            "endpointslices",
            "clusterversions",
            "clusteroperators",
            "machineconfigpools",
            "machineconfigs",
            "controllerconfigs",
            "apirequestcounts",
        ],
        READ,
    ),
    ([""], ["nodes"], ["patch", "update"]),
    ([""], ["pods/eviction"], ["create"]),
    ([""], ["pods"], ["delete"]),
    ([""], ["pods/log"], ["get"]),
    ([""], ["configmaps"], ["create", "update", "patch", "delete"]),
    (["coordination.k8s.io"], ["leases"], [*READ, "create", "update", "patch", "delete"]),
    (["batch"], ["jobs"], ["create", "delete", "patch"]),
    (["config.openshift.io"], ["clusterversions"], ["patch", "update"]),
    (["machineconfiguration.openshift.io"], ["machineconfigpools"], ["patch", "update"]),
)
PRODUCT_PATHS = [
    "/readyz",
    "/readyz/*",
    "/livez",
    "/livez/*",
    "/healthz",
    "/version",
    "/metrics",
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
]

API = "rbac.authorization.k8s.io/v1"


def role(name):
    rules = [{"apiGroups": g, "resources": r, "verbs": v} for g, r, v in PRODUCT_RULES]
    rules.append({"nonResourceURLs": PRODUCT_PATHS, "verbs": ["get"]})
    return {"apiVersion": API, "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def binding(user, cluster_role, name=None):
    """name: of the binding where the user has several."""
    group = API.partition("/")[0]
    return {
        "apiVersion": API,
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"range:{name or user}"},
        "subjects": [{"kind": "User", "name": user, "apiGroup": group}],
        "roleRef": {"kind": "ClusterRole", "name": cluster_role, "apiGroup": group},
    }


def install(client):
    client.create("clusterroles", role("shiplock"))
    client.create("clusterrolebindings", binding("shiplock", "shiplock"))
    client.create("clusterrolebindings", binding("actors", "cluster-admin"))
