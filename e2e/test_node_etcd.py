"""The backup and the restore of etcd's data, by the texts that run on nodes, with the real etcd and
a real API server. The test plays the kubelet: what has a manifest in the folder runs, what has none
is ended."""

import json
import os
import subprocess

from rangelib.cluster import Cluster, RangeAuthority
from rangelib.harness import BUILD_SKIPS, RANGE_BUILD, Skip, check, equal, test
from rangelib.kube import ApiError
from rangelib.nodetext import node_text
from rangelib.proc import free_port
from rangelib.wait import wait_for

KEY = "run.1"
BUMP = 1000000000
TEXT_SEC = 60
GONE = 410
N_AFTER = 5

MANIFEST = "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - {0}\n{1}    image: range.local/{0}:v{2}\n"
# Says what the kubelet of the test runs, as the real one does of its containers.
CRICTL = """#!/bin/sh
[ "$1" = ps ] || exit 1
for last; do :; done
cat "$ROOT/run/${last##*=}" 2>/dev/null
exit 0
"""


def folders():
    done = subprocess.run([RANGE_BUILD, "etcd", "k8s"], stdout=subprocess.PIPE, text=True)
    if done.returncode == BUILD_SKIPS:
        raise Skip("the servers are not built and there is no usable Go toolchain on PATH")
    return done.stdout.split()


class Node:
    """A control-plane node below a folder of its own."""

    def __init__(self, t):
        self.t, self.root = t, os.path.join(t.folder, "root")
        etcd_dir, k8s_dir = folders()
        self.etcd_dir = etcd_dir
        self.url, self.peer = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
        self.data = os.path.join(self.root, "var/lib/etcd")
        os.makedirs(self.data, mode=0o700)
        os.makedirs(os.path.join(self.root, "run"))
        ca = RangeAuthority(os.path.join(t.folder, "pki"))
        self.cluster = Cluster("n", t.registry, t.folder, k8s_dir, self, ca)
        self.client = self.cluster.client
        self.processes = {}
        flags = (
            "    - --data-dir=/var/lib/etcd\n"
            f"    - --listen-client-urls={self.url}\n    - --name=cp0\n"
        )
        self.write("bin/crictl", CRICTL, 0o755)
        self.write_manifest("etcd", flags, "3.6.8")
        for c in ("kube-apiserver", "kube-controller-manager", "kube-scheduler"):
            self.write_manifest(c, "", "1.36.3")
        t.defer(self.stop)

    def write(self, name, text, mode=0o600):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, mode)

    def manifest(self, component):
        return os.path.join(self.root, "etc/kubernetes/manifests", f"{component}.yaml")

    def write_manifest(self, component, flags, version):
        text = MANIFEST.format(component, flags, version)
        self.write(f"etc/kubernetes/manifests/{component}.yaml", text)

    def start(self, component):
        if component == "kube-apiserver":
            self.cluster.start_apiserver()
            return self.cluster.processes[component]
        return self.t.registry.spawn(
            "etcd",
            [
                os.path.join(self.etcd_dir, "etcd"),
                "--name=cp0",
                f"--data-dir={self.data}",
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={self.peer}",
                f"--initial-advertise-peer-urls={self.peer}",
                f"--initial-cluster=cp0={self.peer}",
                "--log-level=warn",
            ],
        )

    def kubelet(self):
        """One turn of the kubelet."""
        for component in ("etcd", "kube-apiserver"):
            mark = os.path.join(self.root, "run", component)
            wanted = os.path.exists(self.manifest(component))
            runs = component in self.processes
            if wanted and not runs:
                self.processes[component] = self.start(component)
                self.write(f"run/{component}", f"{self.processes[component].pid}\n")
            elif runs and not wanted:
                self.processes.pop(component).stop()
                os.unlink(mark)

    def stop(self):
        self.client.close()
        for p in reversed(list(self.processes.values())):
            p.stop()

    def wait_ready(self):
        self.kubelet()
        wait_for("the API server ready", lambda: self.client.ready(), TEXT_SEC, ignore=(OSError, ApiError))

    def run(self, text, ok=True):
        """Runs a text while the kubelet goes on; returns what it said."""
        with open(os.path.join(self.t.folder, "said"), "w+", encoding="utf-8") as said:
            process = subprocess.Popen(
                ["/bin/sh", "-c", text],
                stdout=said,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "ROOT": self.root,
                    "SHIPLOCK_POLL": "0.1",
                    "PATH": f"{self.root}/bin:{self.etcd_dir}:{os.environ['PATH']}",
                },
            )

            def ended():
                self.kubelet()
                return process.poll() is not None

            try:
                wait_for("the text's end", ended, TEXT_SEC)
            finally:
                process.kill()
            said.seek(0)
            words = said.read()
        self.t.note(words)
        check((process.returncode == 0) == ok, f"exit {process.returncode}: {words}")
        return words


def config_map(name):
    return {"metadata": {"name": name}, "data": {"k": "v"}}


def names(node):
    return {o["metadata"]["name"] for o in node.client.list("configmaps", "default")}


def version_now(node):
    answer = node.client.request("GET", "/api/v1/namespaces/default/configmaps")
    return int(answer["metadata"]["resourceVersion"])


def lines(said, word):
    return [line.split(" ", 1)[1] for line in said.splitlines() if line.startswith(word + " ")]


def restore(node, **more):
    return node_text(
        "etcd-restore",
        **{
            "key": KEY,
            "name": "cp0",
            "peerUrl": node.peer,
            "initialCluster": f"cp0={node.peer}",
            "token": "shiplock-run-1",
            **more,
        },
    )


def watch(node, version):
    """The first event of a watch from this revision."""
    status, body = node.client.raw(
        "GET",
        "/api/v1/namespaces/default/configmaps",
        query={"watch": "1", "resourceVersion": str(version), "timeoutSeconds": "5"},
    )
    return status, json.loads(body.splitlines()[0]) if body.strip() else None


@test("etcd's data is saved and put back, and a watch from before gets 410", timeout=180)
def test_restore(t):
    node = Node(t)
    node.wait_ready()
    node.client.create("configmaps", config_map("before"), ns="default")
    said = node.run(node_text("backup", key=KEY))
    saved = json.loads(lines(said, "snapshot")[0])
    check(saved["revision"] > 1, f"snapshot: {saved}")
    equal(lines(said, "etcd"), ["stacked"], "etcd")
    equal(len(lines(said, "member")), 1, "members")
    for i in range(N_AFTER):
        node.client.create("configmaps", config_map(f"after-{i}"), ns="default")
    old = version_now(node)
    check("is not stopped" in node.run(restore(node), ok=False), "restored beside an API server")
    node.run(node_text("stop"))
    for _ in range(2):  # the second time it only says so
        node.run(restore(node))
    node.run(node_text("start"))
    node.wait_ready()
    found = names(node)
    check("before" in found, f"what was there at the snapshot: {found}")
    check(not any(n.startswith("after-") for n in found), f"what came after it: {found}")
    now = version_now(node)
    check(now > BUMP, f"revision {now} is not above {BUMP}")
    status, event = watch(node, old)
    t.note(f"watch from {old}, now {now}: {status} {json.dumps(event)}")
    check(event and event["type"] == "ERROR", f"watch from {old}: {status} {event}")
    equal(event["object"]["code"], GONE, "code")
    look = node.run(node_text("etcd-look"))
    equal(lines(look, "member")[0].split(", ")[2], "cp0", "member")
    check(lines(look, "health")[0].startswith(f"{node.url} is healthy"), look)
    revisions = [s for s in lines(look, "status") if s.startswith('"Revision"')]
    check(revisions and int(revisions[0].split()[-1]) > BUMP, look)
    kept = os.path.join(node.data, f"shiplock-old-{KEY}", "member/snap/db")
    check(os.path.exists(kept), f"{kept} is missing")
