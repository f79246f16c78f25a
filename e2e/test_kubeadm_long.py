"""Whole ways up and down on true nodes, too long for every run: parts kubeadm-... of check-long."""

import json
import threading

from rangelib import objects
from rangelib.harness import check, equal, test
from rangelib.kubeadm import UNREACHABLE
from rangelib.upgrade import at_rest
from rangelib.wait import wait_for
from test_kubeadm import LONG_SEC, STATE_SEC, Upgrade

NEEDS = ["own-kubeadm:1+2", "binaries:shiplock,shiplockd,shiplock-worker"]
NEEDS_THREE = ["own-kubeadm:3+1", *NEEDS[1:]]
ROUNDS = 3
CUTS = 10


def rollback(up, timeout=LONG_SEC):
    """The order of a person, and its end."""
    name = up.fleet.name
    done = up.fleet.cli("rollback", "--yes", name, "--wait", name, timeout=timeout)
    equal(done.returncode, 0, f"rollback: {done.stdout}{done.stderr}")


def wait_ended(up, code):
    """Waits until the newest run has ended, and with this exit code."""
    status = up.fleet.wait_rest(LONG_SEC)
    equal([r["exitCode"] for r in status["runs"]][-1:], [code], f"exit code of {status['runs']}")


def worker_kubelets(cluster):
    versions = cluster.kubelet_versions()
    return [versions[m.name] for m in cluster.workers]


@test(
    "kubeadm: with one worker up it goes back when told to, workers first",
    NEEDS,
    timeout=1200,
    part="kubeadm-asks",
)
def test_asks(t):
    up = Upgrade(t)
    up.fleet.start(cpSoak="5s", gates=())
    moved = lambda: up.cluster.target in worker_kubelets(up.cluster)
    wait_for("a worker is up", moved, LONG_SEC, poll=1, ignore=UNREACHABLE)
    seen = []
    end = versions_watcher(up.cluster, seen)
    rollback(up)
    end()
    equal(too_new(seen), [], "a kubelet newer than the API server")
    up.check_end(up.cluster.version)


def versions_watcher(cluster, seen):
    """Looks at the versions every second from now on; the function that is returned ends it."""
    ended = threading.Event()

    def look():
        while not ended.wait(1):
            try:
                kubelets = cluster.kubelet_versions()
                seen.append((cluster.server_version(cluster.first), kubelets))
            except UNREACHABLE:
                pass

    thread = threading.Thread(target=look, daemon=True)
    thread.start()

    def end():
        ended.set()
        thread.join(60)

    return end


def too_new(seen):
    """The moments at which a kubelet was newer than the API server."""
    number = lambda v: [int(x) for x in v.split(".")]
    return [
        (server, kubelets)
        for server, kubelets in seen
        if any(number(k) > number(server) for k in kubelets.values())
    ]


@test(
    "kubeadm: three round trips 1.35 -> 1.36 -> 1.35, a sample of every kind equal after each",
    NEEDS,
    timeout=3000,
    part="kubeadm-rounds",
)
def test_rounds(t):
    up = Upgrade(t)
    install_sample(up.cluster)
    sample = sample_of(objects.picture(up.cluster.client))
    check(len(sample) >= 30, f"the sample has only {sorted(sample)}")
    seen = []
    end = versions_watcher(up.cluster, seen)
    up.fleet.start(name="up-1", cpSoak="2s")
    for i in range(ROUNDS):
        wait_ended(up, 0)
        equal(objects.differences(sample, sample_of(picture(up)), ()), [], f"up, round {i + 1}")
        rollback(up)
        up.cluster.wait_nodes(up.cluster.version)
        equal(objects.differences(sample, sample_of(picture(up)), ()), [], f"down, round {i + 1}")
        t.note(f"round {i + 1}: {len(sample)} objects equal")
        if i + 1 < ROUNDS:
            up.fleet.change(name=f"up-{i + 2}", cpSoak="2s")
            newest = f"up-{i + 2}#"
            wait_for("the next run", lambda: newest in json.dumps(up.fleet.status()), STATE_SEC)
    end()
    equal(too_new(seen), [], "a kubelet newer than the API server")
    up.check_end(up.cluster.version)


def picture(up):
    return objects.picture(up.cluster.client)


def sample_of(all_objects):
    return {
        k: v for k, v in all_objects.items() if "/sample" in k and not k.startswith("events ")
    }


def install_sample(cluster):
    """One object of each built-in kind that people make, all with a name that begins so."""
    cluster.client.create(
        "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sample"}}
    )
    for doc in sample_documents():
        kind, api = doc["kind"], doc["apiVersion"]
        for row in objects.kinds(cluster.client):
            if (row["kind"], row["api"]) == (kind, api):
                break
        else:
            raise AssertionError(f"{api} {kind} is not served")
        path = row["path"]
        if row["namespaced"]:
            path = path.replace(api, f"{api}/namespaces/sample")
        cluster.client.request("POST", path, doc)


def sample_documents():
    pod = {
        "metadata": {"labels": {"app": "sample"}},
        "spec": {
            "nodeSelector": {"nobody": "has-this"},
            "containers": [{"name": "c", "image": "range.local/web:1"}],
        },
    }
    workload_spec = {"selector": {"matchLabels": {"app": "sample"}}, "template": pod}
    job_pod = {**pod, "spec": {**pod["spec"], "restartPolicy": "Never"}}
    webhook = {
        "name": "sample.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/x"},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "failurePolicy": "Ignore",
        "rules": [],
    }
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    volume = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "hostPath": {"path": "/var/sample"},
        "storageClassName": "sample",
    }
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
        "storageClassName": "",
    }
    specs = [
        ("v1", "ConfigMap", {"data": {"a": "1"}}),
        ("v1", "Secret", {"stringData": {"a": "1"}}),
        ("v1", "Service", {"spec": {"ports": [{"port": 80}], "selector": {"app": "sample"}}}),
        ("v1", "ServiceAccount", {}),
        ("v1", "ReplicationController", {"spec": {"replicas": 0, "template": pod}}),
        ("v1", "PodTemplate", {"template": pod}),
        ("v1", "LimitRange", {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "2"}}]}}),
        ("v1", "ResourceQuota", {"spec": {"hard": {"pods": "50"}}}),
        ("v1", "PersistentVolumeClaim", {"spec": claim}),
        ("v1", "PersistentVolume", {"spec": volume}),
        ("apps/v1", "Deployment", {"spec": {"replicas": 0, **workload_spec}}),
        ("apps/v1", "ReplicaSet", {"spec": {"replicas": 0, **workload_spec}}),
        (
            "apps/v1",
            "StatefulSet",
            {"spec": {"replicas": 0, "serviceName": "sample", **workload_spec}},
        ),
        ("apps/v1", "DaemonSet", {"spec": workload_spec}),
        ("batch/v1", "Job", {"spec": {"suspend": True, "template": job_pod}}),
        (
            "batch/v1",
            "CronJob",
            {
                "spec": {
                    "schedule": "0 0 1 1 *",
                    "suspend": True,
                    "jobTemplate": {"spec": {"template": job_pod}},
                }
            },
        ),
        (
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            {
                "spec": {
                    "maxReplicas": 2,
                    "scaleTargetRef": {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "nobody",
                    },
                }
            },
        ),
        (
            "policy/v1",
            "PodDisruptionBudget",
            {"spec": {"minAvailable": 0, "selector": {"matchLabels": {"app": "sample"}}}},
        ),
        ("networking.k8s.io/v1", "NetworkPolicy", {"spec": {"podSelector": {}}}),
        (
            "networking.k8s.io/v1",
            "Ingress",
            {"spec": {"defaultBackend": {"service": {"name": "sample", "port": {"number": 80}}}}},
        ),
        ("networking.k8s.io/v1", "IngressClass", {"spec": {"controller": "example.com/c"}}),
        ("rbac.authorization.k8s.io/v1", "Role", {"rules": rules}),
        ("rbac.authorization.k8s.io/v1", "RoleBinding", {"roleRef": role}),
        ("rbac.authorization.k8s.io/v1", "ClusterRole", {"rules": rules}),
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", {"roleRef": role}),
        ("storage.k8s.io/v1", "StorageClass", {"provisioner": "example.com/p"}),
        ("storage.k8s.io/v1", "CSIDriver", {"spec": {"attachRequired": False}}),
        ("scheduling.k8s.io/v1", "PriorityClass", {"value": 7}),
        ("node.k8s.io/v1", "RuntimeClass", {"handler": "runc"}),
        ("coordination.k8s.io/v1", "Lease", {"spec": {"holderIdentity": "nobody"}}),
        (
            "discovery.k8s.io/v1",
            "EndpointSlice",
            {"addressType": "IPv4", "endpoints": [{"addresses": ["192.0.2.1"]}], "ports": []},
        ),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            {"webhooks": [webhook]},
        ),
        (
            "admissionregistration.k8s.io/v1",
            "MutatingWebhookConfiguration",
            {"webhooks": [webhook]},
        ),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicy",
            {
                "spec": {
                    "matchConstraints": {
                        "resourceRules": [
                            {
                                "apiGroups": ["example.com"],
                                "apiVersions": ["v1"],
                                "operations": ["CREATE"],
                                "resources": ["things"],
                            }
                        ]
                    },
                    "validations": [{"expression": "true"}],
                }
            },
        ),
        (
            "flowcontrol.apiserver.k8s.io/v1",
            "FlowSchema",
            {
                "spec": {
                    "matchingPrecedence": 9000,
                    "priorityLevelConfiguration": {"name": "global-default"},
                }
            },
        ),
        (
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            {
                "metadata": {"name": "samples.example.com"},
                "spec": {
                    "group": "example.com",
                    "names": {"kind": "Sample", "plural": "samples"},
                    "scope": "Namespaced",
                    "versions": [
                        {
                            "name": "v1",
                            "served": True,
                            "storage": True,
                            "schema": {"openAPIV3Schema": {"type": "object"}},
                        }
                    ],
                },
            },
        ),
    ]
    for api, kind, rest in specs:
        yield {"apiVersion": api, "kind": kind, "metadata": {"name": "sample"}, **rest}


# ---- three control-plane nodes ----


@test(
    "kubeadm: three control-plane nodes: a client that asks another endpoint is never without one",
    NEEDS_THREE,
    timeout=1800,
    part="kubeadm-three",
)
def test_three(t):
    up = Upgrade(t)
    up.fleet.start(cpSoak="5s")
    wait_ended(up, 0)
    equal(up.observer.gaps(), [], "moments in which no API server answered")
    up.check_end(up.cluster.target)


@test(
    "kubeadm: a control-plane node loses its power in mid-upgrade: held, named, goes on with it",
    NEEDS_THREE,
    timeout=1800,
    part="kubeadm-power",
)
def test_power(t):
    up = Upgrade(t)
    lost = up.cluster.control_planes[1]
    up.fleet.start(cpSoak="5s")
    second = lambda c: f"kubeadm upgrade on {lost.name}" in json.dumps(c)
    up.fleet.wait(up.fleet.name, f"{lost.name} is its turn", second, LONG_SEC)
    lost.power_off()
    named = lambda c: lost.name in (c.get("now") or c.get("reason") or json.dumps(c))
    up.fleet.wait(up.fleet.name, f"{lost.name} is named", named, STATE_SEC)
    check(up.cluster.server_version(up.cluster.control_planes[2]) == up.cluster.version, "stopped")
    lost.power_on()
    if at_rest_held(up):
        up.fleet.cli("resume", up.fleet.name)
    wait_ended(up, 0)
    up.check_end(up.cluster.target)


def at_rest_held(up):
    entry = up.fleet.cluster(up.fleet.name) or {}
    return bool(entry.get("hold"))


# ---- cuts ----


def cut_connections(up, m):
    """Ends what serves SSH connections now, not the listener."""
    m.shell("for p in $(pgrep -f '[s]shd: .*@notty'); do kill -KILL $p || :; done")


def kill_sshd(up, m):
    """The listener and what it serves; it comes back by itself."""
    m.shell("for p in $(pgrep -x sshd); do kill -KILL $p || :; done")


def kill_daemon(up, m):
    up.fleet.restart()


def cut_run(t, cut):
    """One way up with this cut at ten points: each time the journal tells of a new act."""
    up = Upgrade(t)
    up.fleet.start(cpSoak="5s")
    journal, seen, n = up.fleet.journal(), 0, 0

    def acts():
        return len(journal.find("intent")) + len(journal.find("result"))

    def probe():
        return acts() > seen or at_rest(up.fleet.status())

    while n < CUTS:
        wait_for("another act", probe, LONG_SEC, ignore=(OSError,))
        if acts() == seen:
            break
        for m in up.cluster.nodes:
            if cut is not kill_daemon or m is up.cluster.first:
                cut(up, m)
        seen, n = acts(), n + 1
    t.note(f"{n} cuts")
    check(n == CUTS, f"the run ended after {n} cuts")
    wait_ended(up, 0)
    for m in up.cluster.nodes:
        kept = m.shell("ls -d /etc/kubernetes/tmp/kubeadm-backup-manifests-* || :").split()
        want = 1 if m in up.cluster.control_planes else 0
        equal(len(kept), want, f"{m.name}: kubeadm took effect so often: {kept}")
    up.check_end(up.cluster.target)


@test("kubeadm: every SSH connection is cut at ten points", NEEDS, 1500, "kubeadm-cuts")
def test_cut_connections(t):
    cut_run(t, cut_connections)


@test("kubeadm: sshd is killed at ten points", NEEDS, 1500, "kubeadm-cuts")
def test_cut_sshd(t):
    cut_run(t, kill_sshd)


@test("kubeadm: shiplockd is killed at ten points", NEEDS, 1500, "kubeadm-cuts")
def test_cut_daemon(t):
    cut_run(t, kill_daemon)
