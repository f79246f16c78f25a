"""What runs on a cluster of true nodes while it is upgraded: a Deployment and a StatefulSet of the
range's web server, two pods each, behind Services and budgets of maxUnavailable 1."""

from .kube import ApiError
from .images import WEB
from .wait import wait_for

NAMESPACE = "shop"
SERVICES = ("front", "store")
REPLICAS = 2
PORT = 8080
READY_SEC = 60.0
GRACE_SEC = 10
NEEDED = {name: REPLICAS - 1 for name in SERVICES}


def _labels(name):
    return {"app": name}


def _pod(name, everywhere):
    anywhere = {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists"}
    return {
        "metadata": {"labels": _labels(name)},
        "spec": {
            "terminationGracePeriodSeconds": GRACE_SEC,
            "tolerations": [anywhere] if everywhere else [],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": "kubernetes.io/hostname",
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": _labels(name)},
                }
            ],
            "containers": [
                {
                    "name": "web",
                    "image": WEB,
                    "imagePullPolicy": "Never",
                    "ports": [{"containerPort": PORT}],
                    "readinessProbe": {
                        "httpGet": {"path": "/", "port": PORT},
                        "periodSeconds": 1,
                    },
                }
            ],
        },
    }


def _set(kind, name, everywhere, **more):
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "replicas": REPLICAS,
            "selector": {"matchLabels": _labels(name)},
            "template": _pod(name, everywhere),
            **more,
        },
    }


def _service(name):
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "clusterIP": "None",
            "selector": _labels(name),
            "ports": [{"name": "http", "port": PORT}],
        },
    }


def _budget(name):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": _labels(name)}},
    }


def install(client, everywhere=False):
    """Creates it and waits until every pod is Ready. everywhere: also on control-plane nodes, for
    clusters with a single worker, which could not be drained else."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    client.create("namespaces", namespace)
    wait_for(
        "the namespace's service account",
        lambda: client.find("serviceaccounts", "default", NAMESPACE),
        READY_SEC,
    )
    for name in SERVICES:
        client.create("services", _service(name))
        client.create("poddisruptionbudgets", _budget(name))
    client.create("deployments", _set("Deployment", "front", everywhere))
    client.create(
        "statefulsets", _set("StatefulSet", "store", everywhere, serviceName="store")
    )
    wait_ready(client)


def ready(client):
    """True when both have all their pods Ready."""
    return all(
        client.get(plural, name, NAMESPACE).get("status", {}).get("readyReplicas") == REPLICAS
        for plural, name in (("deployments", "front"), ("statefulsets", "store"))
    )


def wait_ready(client, timeout=READY_SEC):
    wait_for("the workload is Ready", lambda: ready(client), timeout, ignore=(OSError, ApiError))


def remove(client):
    """Takes it away again, and waits until it is gone."""
    client.delete_if_there("namespaces", NAMESPACE)
    wait_for(
        "the workload is gone", lambda: not client.find("namespaces", NAMESPACE), READY_SEC
    )
