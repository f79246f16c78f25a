"""Whole ways up and down on true nodes, too long for every run: parts kubeadm-... of check-long."""

import json

from rangelib import endstate, objects
from rangelib.harness import check, equal, test
from rangelib.kubeadm import UNREACHABLE, parallel
from rangelib.kubeadm_fleet import OldClient
from rangelib.upgrade import at_rest
from rangelib.wait import holds_for, wait_for
from test_kubeadm import LONG_SEC, STATE_SEC, Upgrade

NEEDS = ["own-kubeadm:1+2", "binaries:shiplock,shiplockd,shiplock-worker"]
NEEDS_THREE = ["own-kubeadm:3+1", *NEEDS[1:]]
ROUNDS = 3
CUTS, CUT_EVERY = 10, 3
AWAY_SEC = 20


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


def wait_a_worker(up):
    moved = lambda: up.cluster.target in worker_kubelets(up.cluster)
    wait_for("a worker is up", moved, LONG_SEC, poll=1, ignore=UNREACHABLE)


def moved_first(up):
    """The machines whose kubelets were ordered back, in order."""
    acts = up.fleet.journal().find("intent", row="node-command")
    return [a["want"]["node"] for a in acts if a["want"]["kind"] == "down-kubelet"]


@test(
    "kubeadm: in mid-way of the workers it goes back when told to",
    NEEDS,
    timeout=1200,
    part="kubeadm-asks",
)
def test_told(t):
    up = Upgrade(t)
    up.fleet.start(cpSoak="5s", gates=())
    wait_a_worker(up)
    rollback(up)
    up.check_end(up.cluster.version)


@test(
    "kubeadm: a rule on real metrics fails with one worker up: asks, then goes back workers first",
    NEEDS,
    timeout=1500,
    part="kubeadm-asks",
)
def test_asks(t):
    up = Upgrade(t)
    old = OldClient(up.cluster)
    t.defer(old.stop)
    old.start()
    name = up.fleet.name
    up.fleet.start(may_skip=True, cpSoak="2s", soak="10m")
    left = second_worker(up)
    done = up.fleet.cli("skip", "--node", left, "--reason", "one worker is enough here", name)
    equal(done.returncode, 0, f"skip: {done.stdout}{done.stderr}")
    up.fleet.wait_state(name, "soak", LONG_SEC)
    moved = {m.name for m in up.cluster.nodes} - {left}
    target = up.cluster.target
    is_up = {n for n, v in up.cluster.kubelet_versions().items() if v == target}
    equal(is_up, moved, "kubelets that are up")
    old.armed.set()
    asked = up.fleet.wait(name, "it asks", lambda c: held(c, "rollback"), STATE_SEC)
    t.note(f"it asks: {held(asked, 'rollback')['reason']}")
    equal(moved_first(up), [], "kubelets ordered back before anybody said so")
    rollback(up)
    first = up.fleet.back_figures(old.since)
    t.note(f"fault to first write {first[0]:.1f} s, fault to healthy {first[1]:.1f} s")
    equal(moved_first(up), sorted(moved - {"n1"}) + ["n1"], "kubelets in the order of the way back")
    up.check_end(up.cluster.version)


def second_worker(up):
    """Waits until the second of the workers is cordoned by the run; its name."""
    workers, journal = [m.name for m in up.cluster.workers], up.fleet.journal()

    def probe():
        acts = journal.find("intent", row="cordon")
        names = [a["key"].rpartition("/")[2] for a in acts]
        return [n for n in names if n in workers][1:]

    return wait_for("the second worker is drained", probe, LONG_SEC, ignore=(OSError,))[0]


def held(entry, word):
    """The hold whose cause or reason has this word; None: there is none."""
    holds = [h for h in entry["holds"] if word in h["cause"] + " " + h["reason"]]
    return holds[0] if holds else None


@test(
    "kubeadm: three round trips 1.35 -> 1.36 -> 1.35, a sample of every kind equal after each",
    NEEDS,
    timeout=3000,
    part="kubeadm-rounds",
)
def test_rounds(t):
    up = Upgrade(t)
    install_sample(up.cluster)
    sample = settled_sample(up)
    check_every_kind(up.cluster.client, sample)
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
            done = up.fleet.cli("resume", "--fleet")  # a rollback stops the fleet
            equal(done.returncode, 0, f"resume: {done.stdout}{done.stderr}")
            newest = f"up-{i + 2}#"
            wait_for("the next run", lambda: newest in json.dumps(up.fleet.status()), STATE_SEC)
    up.check_end(up.cluster.version)


def settled_sample(up):
    """Once controllers have added what they add to a new object."""
    seen = []

    def probe():
        seen.append(sample_of(picture(up)))
        return seen[-2:-1] == seen[-1:]

    wait_for("the sample is as it stays", probe, STATE_SEC, poll=3, ignore=UNREACHABLE)
    return seen[-1]


def picture(up):
    return objects.picture(up.cluster.client)


def sample_of(all_objects):
    return {
        k: v for k, v in all_objects.items() if "/sample" in k and not k.startswith("events ")
    }


# What belongs to a server or a kubelet alone: it is not kept as somebody made it.
NOT_OURS = {
    "ComponentStatus", "Event", "Node", "CertificateSigningRequest", "CSINode", "IPAddress",
    "APIService", "ResourceSlice", "Namespace", "Sample",
}  # fmt: skip


def check_every_kind(client, sample):
    """Each built-in kind that people make is in the sample; the namespace itself is not asked for."""
    has = {key.partition(" ")[0] for key in sample}
    gone = sorted(
        f"{row['api']} {row['kind']}"
        for row in objects.kinds(client)
        if row["made"] and row["plural"] not in has and row["kind"] not in NOT_OURS
    )
    equal(gone, [], f"kinds that the sample of {len(sample)} objects lacks")


def install_sample(cluster):
    """One object of each built-in kind that people make, all with a name that begins so."""
    cluster.client.create(
        "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "sample"}}
    )
    account = lambda: cluster.client.find("serviceaccounts", "default", "sample")
    wait_for("the namespace's service account", account, STATE_SEC)
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
    """The Pod comes before the LimitRange, which it does not fit."""
    return [*typed_documents(), *plain_documents()]


def typed_documents():
    """Those whose type says more than a spec: what admission, scheduling and storage are told."""
    expression = {"expression": "true"}
    requests = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "sample"}}]}}
    out = [
        ("v1", "Pod", {"spec": pod_of_nobody()["spec"]}),
        ("apps/v1", "ControllerRevision", {"revision": 1, "data": {"a": "b"}}),
        ("networking.k8s.io/v1", "ServiceCIDR", {"spec": {"cidrs": ["198.51.100.0/24"]}}),
        (
            "storage.k8s.io/v1",
            "VolumeAttributesClass",
            {"driverName": "storage.example.com", "parameters": {"a": "1"}},
        ),
        ("storage.k8s.io/v1", "CSIStorageCapacity", {"storageClassName": "sample"}),
        (
            "storage.k8s.io/v1",
            "VolumeAttachment",
            {
                "spec": {
                    "attacher": "storage.example.com",
                    "nodeName": "nobody",
                    "source": {"persistentVolumeName": "sample"},
                }
            },
        ),
        (
            "flowcontrol.apiserver.k8s.io/v1",
            "PriorityLevelConfiguration",
            {
                "spec": {
                    "type": "Limited",
                    "limited": {
                        "nominalConcurrencyShares": 1,
                        "limitResponse": {"type": "Reject"},
                    },
                }
            },
        ),
        (
            "admissionregistration.k8s.io/v1",
            "ValidatingAdmissionPolicyBinding",
            {"spec": {"policyName": "nobody", "validationActions": ["Audit"]}},
        ),
        ("resource.k8s.io/v1", "DeviceClass", {"spec": {"selectors": [{"cel": expression}]}}),
        ("resource.k8s.io/v1", "ResourceClaim", {"spec": requests}),
        ("resource.k8s.io/v1", "ResourceClaimTemplate", {"spec": {"spec": requests}}),
    ]
    for api, kind, rest in out:
        yield {"apiVersion": api, "kind": kind, "metadata": {"name": "sample"}, **rest}


def pod_of_nobody():
    """A template that no node can run."""
    return {
        "metadata": {"labels": {"app": "sample"}},
        "spec": {
            "nodeSelector": {"nobody": "has-this"},
            "containers": [{"name": "c", "image": "range.local/web:1"}],
        },
    }


def plain_documents():
    pod = pod_of_nobody()
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
    "kubeadm: three control-plane nodes, up and down: a client of three endpoints is never without",
    NEEDS_THREE,
    timeout=3300,
    part="kubeadm-three",
)
def test_three(t):
    up = Upgrade(t)
    for m in up.cluster.workers:
        asks = m.shell("grep server: /etc/kubernetes/kubelet.conf").split()[1]
        equal(asks, up.cluster.url, f"the kubelet of {m.name} asks the balancer")
    up.fleet.start(cpSoak="5s")
    wait_ended(up, 0)
    up.cluster.wait_nodes(up.cluster.target)
    equal(up.observer.gaps(), [], "moments on the way up in which no API server answered")
    rollback(up, timeout=3000)
    equal(up.observer.gaps(), [], "moments on the way down in which no API server answered")
    up.check_end(up.cluster.version)


@test(
    "kubeadm: a control-plane node loses its power in mid-upgrade: held, named, goes on with it",
    NEEDS_THREE,
    timeout=1800,
    part="kubeadm-power",
)
def test_power(t):
    up = Upgrade(t)
    lost, last = up.cluster.control_planes[1:]
    up.fleet.start(cpSoak="5s")
    second = lambda c: f"kubeadm upgrade on {lost.name}" in json.dumps(c)
    up.fleet.wait(up.fleet.name, f"{lost.name} is its turn", second, LONG_SEC)
    lost.power_off()
    named = up.fleet.wait(
        up.fleet.name, f"held for {lost.name}", lambda c: held(c, lost.name), STATE_SEC
    )
    t.note(f"held: {held(named, lost.name)['reason']}")
    holds_for("nothing else is begun", lambda: commanded(up, last) <= {"up-backup"}, AWAY_SEC)
    equal(up.cluster.server_version(last), up.cluster.version, f"the API server of {last.name}")
    lost.power_on()
    wait_ended(up, 0)
    equal(up.observer.gaps(), [], "moments in which no API server answered")
    up.check_end(up.cluster.target, lost=[lost])


def commanded(up, m):
    """The kinds of commands that were ordered on this machine so far."""
    acts = up.fleet.journal().find("intent", row="node-command")
    return {a["want"]["kind"] for a in acts if a["want"]["node"] == m.name}


# ---- cuts ----


# A look lasts 0.2 s: the next one is waited for.
CUT_CONNECTION = """
n=0
while [ $n -lt 60 ]; do
	n=$((n + 1))
	p=$(pgrep -f '[s]shd: .*@notty') && kill -KILL $p && echo cut && exit
	sleep 0.05
done
"""


def cut_connections(up):
    """Ends what serves an SSH connection, not the listener; how many there were."""
    cut = []
    parallel(lambda m: cut.extend(m.shell(CUT_CONNECTION).split()), up.cluster.nodes)
    return len(cut)


def kill_sshd(up):
    """The listeners and what they serve; they come back by themselves."""
    killed = []
    one = "for p in $(pgrep -x sshd); do kill -KILL $p && echo killed || :; done"
    parallel(lambda m: killed.extend(m.shell(one).split()), up.cluster.nodes)
    return len(killed)


def kill_daemon(up):
    up.fleet.restart()
    return 1


def way_up(up):
    up.fleet.start(cpSoak="5s")


def cut_run(t, cut):
    """One way up with this cut at ten points, from the first act to the last ones: each time right
    after the journal tells of one more, so while it is sent, or a command runs, or is asked for."""
    up = Upgrade(t)
    way_up(up)
    journal, seen, points, met = up.fleet.journal(), 0, [], 0

    def acts():
        return [r for r in journal.records() if r["record"] in ("intent", "result")]

    def probe():
        return len(acts()) >= seen + CUT_EVERY or at_rest(up.fleet.status())

    while len(points) < CUTS:
        wait_for("more acts", probe, LONG_SEC, poll=0.02, ignore=(OSError,))
        told = acts()
        if len(told) < seen + CUT_EVERY:
            break
        met += cut(up) > 0
        seen = len(told)
        points.append(point(told[-1]))
    t.note(f"{len(points)} cuts, {met} met something: {', '.join(points)}")
    check(len(points) == CUTS, f"the run ended after {len(points)} cuts")
    check(met >= CUTS / 2, f"only {met} of {CUTS} cuts met a connection")
    wait_ended(up, 0)
    check_once(up)
    up.check_end(up.cluster.target)
    compare_end(t, up)


def point(record):
    want = record.get("want") or {}
    words = [record["record"], record.get("row", ""), want.get("kind", ""), want.get("node", "")]
    return " ".join(filter(None, words))


def check_once(up):
    """Each command took effect once: kubeadm keeps what it replaced, each time in a new folder."""
    for m in up.cluster.nodes:
        kept = m.shell("ls -d /etc/kubernetes/tmp/kubeadm-backup-manifests-* || :").split()
        want = 1 if m in up.cluster.control_planes else 0
        equal(len(kept), want, f"{m.name}: kubeadm took effect so often: {kept}")
        again = [k for k in begun_jobs(up, m) if not k.endswith(".1")]
        equal(again, [], f"{m.name}: commands that were begun again")


def begun_jobs(up, m):
    acts = up.fleet.journal().find("intent", row="node-command")
    return [a["want"]["job"] for a in acts if a["want"]["node"] == m.name]


def compare_end(t, up):
    if not UNDISTURBED:
        t.note("not compared with the undisturbed run, which is not part of this one")
        return
    equal(endstate.differences(UNDISTURBED, endstate.of(up.cluster)), [], "what is on the nodes")


UNDISTURBED = {}


@test("kubeadm: the way up that the cuts are compared with", NEEDS, 1500, "kubeadm-cuts")
def test_undisturbed(t):
    up = Upgrade(t)
    way_up(up)
    wait_ended(up, 0)
    check_once(up)
    up.check_end(up.cluster.target)
    UNDISTURBED.update(endstate.of(up.cluster))
    check(all(len(text) > 1000 for text in UNDISTURBED.values()), str(UNDISTURBED))


@test("kubeadm: every SSH connection is cut at ten points", NEEDS, 1500, "kubeadm-cuts")
def test_cut_connections(t):
    cut_run(t, cut_connections)


@test("kubeadm: sshd is killed at ten points", NEEDS, 1500, "kubeadm-cuts")
def test_cut_sshd(t):
    cut_run(t, kill_sshd)


@test("kubeadm: shiplockd is killed at ten points", NEEDS, 1500, "kubeadm-cuts")
def test_cut_daemon(t):
    cut_run(t, kill_daemon)
