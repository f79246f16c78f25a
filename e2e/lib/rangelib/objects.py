"""All objects of a cluster, as far as people and controllers wish them: to compare before and after.

What servers write by themselves (status, resource versions, managed fields) is left out. allowed:
patterns of "plural namespace/name" that may differ, see ALLOWED.
"""

import fnmatch
import json

# What a change of version may write besides: running state, what kubeadm stores about itself, and
# the objects that an API server makes sure of when it starts.
ALLOWED = (
    "pods *",
    "events *",
    "leases *",
    "endpoints *",
    "endpointslices *",
    "componentstatuses *",
    "ipaddresses *",
    "configmaps kube-system/kubeadm-config",
    "configmaps kube-system/kubelet-config",
    "configmaps kube-system/kube-apiserver-legacy-service-account-token-tracking",
    "configmaps kube-system/shiplock-claim",
    "secrets kube-system/bootstrap-token-*",
    "roles kube-system/kubeadm:*",
    "rolebindings kube-system/kubeadm:*",
    "clusterroles /system:*",
    "clusterrolebindings /system:*",
    "clusterrolebindings /kubeadm:*",
    "serviceaccounts kube-system/*-controller",
    "flowschemas *",
    "prioritylevelconfigurations *",
    "apiservices *",
    "csinodes *",
    "certificatesigningrequests *",
    "jobs kube-system/upgrade-health-check-*",
)
SERVERS_OWN = ("resourceVersion", "managedFields", "generation", "selfLink")
NODES_OWN = (
    "node.alpha.kubernetes.io/ttl",
    "volumes.kubernetes.io/controller-managed-attach-detach",
    "kubeadm.alpha.kubernetes.io/cri-socket",
)


def kinds(client):
    """[{"plural", "kind", "api", "path", "namespaced", "made"}] of everything that can be listed, once;
    made: by clients."""
    groups = [("v1", "/api/v1")]
    for g in client.request("GET", "/apis")["groups"]:
        api = g["preferredVersion"]["groupVersion"]
        if g["name"] != "events.k8s.io":
            groups.append((api, "/apis/" + api))
    for api, path in groups:
        for r in client.request("GET", path)["resources"]:
            if "list" in r["verbs"] and "/" not in r["name"]:
                row = {k: r[v] for k, v in (("plural", "name"), ("kind", "kind"))}
                row |= {"api": api, "path": f"{path}/{r['name']}", "namespaced": r["namespaced"]}
                row |= {"made": "create" in r["verbs"]}
                yield row


def _plain(item):
    out = {k: v for k, v in item.items() if k not in ("status", "apiVersion", "kind")}
    meta = {k: v for k, v in item["metadata"].items() if k not in SERVERS_OWN}
    notes = {k: v for k, v in meta.get("annotations", {}).items() if k not in NODES_OWN}
    return {**out, "metadata": {**meta, "annotations": notes}}


def picture(client):
    """{"plural namespace/name": the object's wish}."""
    out = {}
    for row in kinds(client):
        for item in client.request("GET", row["path"])["items"] or []:
            m = item["metadata"]
            out[f"{row['plural']} {m.get('namespace', '')}/{m['name']}"] = _plain(item)
    return out


def differences(before, after, allowed=ALLOWED):
    """[text] of what is gone, new or changed and not allowed."""
    out = []
    for key in sorted({*before, *after}):
        if before.get(key) == after.get(key):
            continue
        if any(fnmatch.fnmatchcase(key, pattern) for pattern in allowed):
            continue
        a, b = (json.dumps(x.get(key), sort_keys=True) for x in (before, after))
        out.append(f"{key}: {a[:1500]} -> {b[:1500]}")
    return out
