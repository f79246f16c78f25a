"""The texts for a node on a true one: what kubelet, containerd and etcd make of them.

One control-plane node alone; its programs for etcd are only in etcd's own image, and there is ctr and
no crictl, as on many nodes.
"""

import json
import subprocess
import time

from rangelib.harness import check, equal, test
from rangelib.kubeadm import UNREACHABLE
from rangelib.nodetext import node_text
from rangelib.wait import wait_for

KEY = "run.1"
API_SEC = 120
TEXT_SEC = 240
BUMP = 1000000000
GONE = 410
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
MANIFESTS = "/etc/kubernetes/manifests"


class Node:
    def __init__(self, t):
        self.t, self.cluster = t, t.kubeadm
        self.m = self.cluster.control_planes[0]
        self.client = self.cluster.client

    def run(self, name, /, ok=True, **arguments):
        began = time.monotonic()
        done = subprocess.run(
            self.m.enter("/bin/sh", "-c", node_text(name, **arguments)),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=TEXT_SEC,
        )
        words = [w for w in done.stdout.splitlines() if not w.startswith("2026-") or "info" not in w]
        self.t.note(f"{name}: exit {done.returncode} after {time.monotonic() - began:.1f} s")
        check((done.returncode == 0) == ok, f"{name}: " + "\n".join(words[-30:]))
        return done.stdout

    def ready(self):
        wait_for("the API server", lambda: self.client.ready(), API_SEC, ignore=UNREACHABLE)

    def discovered(self, word):
        said = self.run("discover")
        return [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith(word + " ")]


def config_map(name):
    return {"metadata": {"name": name}, "data": {"k": "v"}}


def version_now(node):
    answer = node.client.request("GET", "/api/v1/namespaces/default/configmaps")
    return int(answer["metadata"]["resourceVersion"])


def emulated(node):
    v = node.client.request("GET", "/version")
    return f"{v['emulationMajor']}.{v['emulationMinor']}"


@test(
    "a node's texts do on a true node what they say",
    needs=["own-kubeadm:1+0"],
    timeout=420,
    part="kubeadm-texts",
)
def test_node(t):
    node = Node(t)
    node.ready()
    discover(node)
    backup(node)
    feature_level(node)
    repair(node)
    restore(node)


def discover(node):
    found = {line.split()[0]: line.split() for line in node.discovered("manifest")}
    equal(sorted(found), sorted((*COMPONENTS, "etcd")), "manifests")
    for c in COMPONENTS:
        check(found[c][3].endswith(f"/{c}:v{node.cluster.version}"), f"{c}: {found[c]}")
    started = dict(line.split(" ", 1) for line in node.discovered("started"))
    now = time.time()
    for c, at in started.items():
        check(at and 0 <= now - int(at) < 600, f"{c} began at {at!r}, now {now}")
    look = node.run("etcd-look")
    check("health https://127.0.0.1:2379 is healthy" in look or " is healthy" in look, look)
    check(look.count("\nmember ") == 1, look)


def backup(node):
    node.client.create("configmaps", config_map("before"), ns="default")
    said = node.run("backup", key=KEY)
    check("\netcd stacked\n" in said and "\nsnapshot {" in said and "\nobjects 1\n" in said, said)
    equal(node.run("backup", key=KEY), said, "the second time")


def feature_level(node):
    """T1: down by a minor and up again, by flags alone."""
    major, minor = node.cluster.version.split(".")[:2]
    own, lower = f"{major}.{minor}", f"{major}.{int(minor) - 1}"
    before = {c: node.m.read(f"{MANIFESTS}/{c}.yaml") for c in COMPONENTS}
    equal(emulated(node), own, "emulated version at first")
    node.run("emulated", minor=lower)
    node.ready()
    equal(emulated(node), lower, "emulated version")
    check("already" in node.run("emulated", minor=lower), "the second time")
    node.run("emulated")
    node.ready()
    equal(emulated(node), own, "emulated version again")
    after = {c: node.m.read(f"{MANIFESTS}/{c}.yaml") for c in COMPONENTS}
    equal(after, before, "manifests")


def repair(node):
    """A manifest that is missing, and a component that runs with an old certificate."""
    scheduler = f"{MANIFESTS}/kube-scheduler.yaml"
    before = node.m.read(scheduler)
    node.m.shell(f"rm {scheduler}")
    node.run("repair", fault="manifest-missing", what="kube-scheduler", key=KEY)
    equal(node.m.read(scheduler), before, "the manifest")
    started = dict(line.split(" ", 1) for line in node.discovered("started"))
    time_of = int(started["kube-controller-manager"])
    node.run("repair", fault="certificate-newer", what="kube-controller-manager")
    started = dict(line.split(" ", 1) for line in node.discovered("started"))
    check(int(started["kube-controller-manager"]) > time_of, f"not started again: {started}")


def restore(node):
    """T3 on one node."""
    node.ready()
    for i in range(3):
        node.client.create("configmaps", config_map(f"after-{i}"), ns="default")
    old = version_now(node)
    peer = f"https://{node.m.address}:2380"
    member = {
        "key": KEY,
        "name": node.m.name,
        "peerUrl": peer,
        "initialCluster": f"{node.m.name}={peer}",
        "token": "shiplock-run-1",
    }
    check("is not stopped" in node.run("etcd-restore", ok=False, **member), "beside an API server")
    node.run("stop")
    parked = node.discovered("parked")
    equal(parked, ["kube-apiserver"], "what is out")
    node.run("etcd-restore", **member)
    node.run("start")
    node.ready()
    names = {o["metadata"]["name"] for o in node.client.list("configmaps", "default")}
    check("before" in names and not any(n.startswith("after-") for n in names), str(names))
    check(version_now(node) > BUMP, f"revision {version_now(node)}")
    _, body = node.client.raw(
        "GET",
        "/api/v1/namespaces/default/configmaps",
        query={"watch": "1", "resourceVersion": str(old), "timeoutSeconds": "5"},
    )
    equal(json.loads(body.splitlines()[0])["object"]["code"], GONE, "a watch from before")
    node.cluster.wait_nodes(node.cluster.version)
