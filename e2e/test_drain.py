"""The drain step on plain nodes of a real API server, judged from its audit log.

Deployments, budgets, bindings and evictions are the real ones; a small actor plays the kubelets. The
program under test is pkg/steps/test-drain-range.c: the step, the client, the journal and the loop
as the daemon has them, without the daemon.
"""

import datetime
import json
import os
import signal
import subprocess
import uuid

from rangelib import product
from rangelib.harness import check, equal, test
from rangelib.kubelet import TinyKubelet
from rangelib.wait import holds_for, wait_for

PROGRAM = "san/test/steps-drain-range"
OURS = "shiplock"
MARK = "shiplock.dev/drain"
EXIT_SEC = 1.0
END_SEC = 120
BUDGET_BACK_SEC = 125


def seconds(stamp):
    """Of an audit event's time."""
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


class Drain:
    """One run of the program, its output in a file of the test's folder."""

    def __init__(self, t, cluster, nodes, state="state", isolation="cordon", policy=None):
        self.log = os.path.join(t.folder, f"{state}.out")
        folder = os.path.join(t.folder, state)
        os.makedirs(folder, exist_ok=True)
        env = {
            **os.environ,
            "SHIPLOCK_RANGE_KUBECONFIG": cluster.kubeconfigs[OURS],
            "SHIPLOCK_RANGE_NODES": ",".join(nodes),
            "SHIPLOCK_RANGE_STATE": folder,
            "SHIPLOCK_RANGE_ISOLATION": isolation,
            "G_SLICE": "always-malloc",
        }
        if policy:
            env["SHIPLOCK_RANGE_POLICY"] = json.dumps(policy)
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(
                [t.program, "--tap"], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )
        t.defer(self.stop)

    def text(self):
        with open(self.log, encoding="utf-8", errors="replace") as f:
            return f.read()

    def stop(self):
        """Ends it, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def finish(self, timeout=END_SEC):
        """Waits for its end, which must be a good one."""
        code = wait_for("the end of the drain", lambda: self.process.poll() is not None, timeout)
        check(code and self.process.returncode == 0, f"the program failed:\n{self.text()[-4000:]}")


class Shop:
    """A namespace with one Deployment of n pods under a budget, on nodes that an actor plays."""

    def __init__(self, t, nodes, replicas, max_unavailable, first=None):
        self.client = t.clusters[0].client
        self.audit = t.clusters[0].audit
        self.replicas = replicas
        self.kubelet = TinyKubelet(self.client, nodes, grace_sec=EXIT_SEC)
        t.defer(self.kubelet.stop)
        self.ns = f"shop-{uuid.uuid4().hex[:6]}"
        t.defer(self._remove)
        self.client.create("namespaces", {"metadata": {"name": self.ns}})
        wait_for(
            "default service account",
            lambda: self.client.find("serviceaccounts", "default", self.ns),
        )
        for n in nodes if first else []:
            self._cordon(n, n != first)
        self.client.create("poddisruptionbudgets", self._budget(max_unavailable), self.ns)
        self.client.create("deployments", self._deployment(), self.ns)
        wait_for("all pods run", lambda: len(self.ready()) == replicas, 30)
        wait_for("the budget counts them", self._counted, 30)
        for n in nodes if first else []:
            self._cordon(n, False)
        self.mark = self.audit.mark()

    def _cordon(self, node, on):
        self.client.patch("nodes", node, {"spec": {"unschedulable": True if on else None}})

    def _budget(self, max_unavailable):
        return {
            "metadata": {"name": "web"},
            "spec": {
                "maxUnavailable": max_unavailable,
                "selector": {"matchLabels": {"app": "web"}},
            },
        }

    def _deployment(self):
        labels = {"app": "web"}
        return {
            "metadata": {"name": "web"},
            "spec": {
                "replicas": self.replicas,
                "selector": {"matchLabels": labels},
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "terminationGracePeriodSeconds": 5,
                        "containers": [{"name": "main", "image": "example.com/app:1"}],
                    },
                },
            },
        }

    def _counted(self):
        status = self.client.get("poddisruptionbudgets", "web", self.ns).get("status", {})
        return status.get("currentHealthy") == self.replicas

    def _remove(self):
        self.client.delete_if_there("deployments", "web", self.ns)
        self.client.delete_if_there("poddisruptionbudgets", "web", self.ns)
        for pod in self.client.list("pods", self.ns):
            self.client.delete_if_there(
                "pods", pod["metadata"]["name"], self.ns, gracePeriodSeconds=0
            )
        self.client.delete_if_there("namespaces", self.ns)

    def pods(self, node=None):
        every = self.client.list("pods", self.ns)
        return [p for p in every if not node or p["spec"].get("nodeName") == node]

    def uids(self, node):
        return {p["metadata"]["uid"] for p in self.pods(node)}

    def ready(self):
        return [
            p
            for p in self.pods()
            if p.get("status", {}).get("phase") == "Running"
            and not p["metadata"].get("deletionTimestamp")
        ]

    def settled(self):
        return len(self.ready()) == self.replicas and len(self.pods()) == self.replicas

    def evictions(self):
        """What our user asked for, whatever the answer."""
        return self.audit.writes(user=OURS, resource="pods", sub="eviction", since=self.mark)

    def slot_gaps_ms(self):
        """From each status that shows a free slot to our next accepted eviction, in the server's
        own times: what the whole way through watch, journal and request costs."""
        slots = [
            w
            for w in self.audit.writes(
                resource="poddisruptionbudgets",
                name="web",
                ns=self.ns,
                sub="status",
                accepted=True,
                since=self.mark,
            )
            if ((w.body or {}).get("status") or {}).get("disruptionsAllowed", 0) > 0
        ]
        gaps = []
        for e in (w for w in self.evictions() if w.accepted):
            before = [seconds(w.done_at) for w in slots if seconds(w.done_at) <= seconds(e.at)]
            if before:
                gaps.append(1000 * (seconds(e.at) - before[-1]))
        return sorted(gaps)

    def check_evictions(self, uids):
        """Each of these UIDs went by one accepted eviction of ours that named it, no other did."""
        seen = self.evictions()
        named = [
            w.body.get("deleteOptions", {}).get("preconditions", {}).get("uid")
            for w in seen
            if w.accepted
        ]
        equal(sorted(named), sorted(uids), "UIDs evicted")
        check(not [w for w in seen if w.code == 409], f"a UID was not the live one: {seen}")

    def check_node_writes(self, node, want):
        """Nobody but our user cordoned or uncordoned the node, and ours wrote its spec so."""
        writes = [
            w
            for w in self.audit.writes(
                resource="nodes", name=node, sub="", accepted=True, since=self.mark
            )
            if w.verb in ("patch", "update") and "spec" in (w.body or {})
        ]
        others = [w for w in writes if w.user != OURS and "unschedulable" in w.body["spec"]]
        equal(others, [], f"cordons by others of node {node}")
        ours = [bool(w.body["spec"].get("unschedulable")) for w in writes if w.user == OURS]
        equal(ours, want, f"our writes of the spec of node {node}")


def cluster_version(t):
    """The object that carries the claim."""
    client = t.clusters[0].client
    client.create(
        "clusterversions",
        {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ClusterVersion",
            "metadata": {"name": "version"},
            "spec": {"clusterID": str(uuid.uuid4()), "channel": "stable-4.21"},
        },
    )
    t.defer(client.delete_if_there, "clusterversions", "version")
    t.program = product.built(PROGRAM)


def check_unmarked(t, node, cordoned=False):
    obj = t.clusters[0].client.get("nodes", node)
    equal(bool(obj["spec"].get("unschedulable")), cordoned, f"{node} is cordoned")
    check(MARK not in obj["metadata"].get("annotations", {}), f"our mark stands on {node}")
    taints = [x["key"] for x in obj["spec"].get("taints", [])]
    check(MARK not in taints, f"our taint stands on {node}")
    notes = t.clusters[0].client.get("clusterversions", "version")["metadata"]
    check("shiplock.dev/claim" not in notes.get("annotations", {}), "the claim stands")


@test("drain: a node is emptied under its budget and put back", needs=["clusters:1"], timeout=180)
def test_drain(t):
    cluster_version(t)
    shop = Shop(t, ["dr-a", "dr-b"], 6, 2, first="dr-a")
    uids = shop.uids("dr-a")
    equal(len(uids), 6, "pods on the node")
    drain = Drain(t, t.clusters[0], ["dr-a"])
    drain.finish()
    equal(shop.pods("dr-a"), [], "pods left on the node")
    wait_for("all pods run again", shop.settled, 30)
    shop.check_evictions(uids)
    refused = [w for w in shop.evictions() if not w.accepted]
    equal(refused, [], "evictions that the server refused")
    gaps = shop.slot_gaps_ms()
    t.note(f"from a free slot to our eviction: {', '.join(f'{g:.0f}' for g in gaps)} ms")
    shop.check_node_writes("dr-a", [True, False])
    check_unmarked(t, "dr-a")


@test("drain: two nodes by taint share a budget of one", needs=["clusters:1"], timeout=240)
def test_drain_two(t):
    cluster_version(t)
    nodes = ["dt-a", "dt-b", "dt-c"]
    shop = Shop(t, nodes, 6, 1)
    drain = Drain(t, t.clusters[0], nodes[:2], isolation="taint")
    drain.finish()
    wait_for("all pods run again", shop.settled, 30)
    seen = shop.evictions()
    named = [w.body["deleteOptions"]["preconditions"]["uid"] for w in seen if w.accepted]
    equal(len(named), len(set(named)), "UIDs evicted twice")
    check(not [w for w in seen if w.code == 409], f"a UID was not the live one: {seen}")
    for node in nodes[:2]:
        shop.check_node_writes(node, [False, False])
        check_unmarked(t, node)


@test(
    "drain: killed with an eviction in flight, it goes on, and evicts no UID twice",
    needs=["clusters:1"],
    timeout=600,
)
def test_drain_killed(t):
    cluster_version(t)
    shop = Shop(t, ["dk-a", "dk-b"], 5, 1, first="dk-a")
    uids = shop.uids("dk-a")
    # A client that dies between the budget and the delete leaves the budget spent for two minutes.
    for n in range(1, 4):
        drain = Drain(t, t.clusters[0], ["dk-a"])
        wait_for(f"eviction {n}", lambda n=n: len(shop.evictions()) >= n, BUDGET_BACK_SEC + 60)
        drain.kill()
    Drain(t, t.clusters[0], ["dk-a"]).finish(END_SEC + BUDGET_BACK_SEC)
    equal(shop.pods("dk-a"), [], "pods left on the node")
    wait_for("all pods run again", shop.settled, 30)
    shop.check_evictions(uids)
    shop.check_node_writes("dk-a", [True, False])
    check_unmarked(t, "dk-a")


@test("drain: uncordoned by a person it stops, and holds", needs=["clusters:1"], timeout=180)
def test_drain_uncordoned(t):
    cluster_version(t)
    shop = Shop(t, ["du-a", "du-b"], 5, 1, first="du-a")
    drain = Drain(t, t.clusters[0], ["du-a"])
    wait_for("two evictions", lambda: len(shop.evictions()) >= 2, 60)
    shop.client.patch("nodes", "du-a", {"spec": {"unschedulable": None}})
    wait_for("the hold", lambda: "somebody took our cordon away" in drain.text(), 20)
    before = len(shop.evictions())
    holds_for("no further eviction", lambda: len(shop.evictions()) == before, 8)
    check(
        not shop.client.get("nodes", "du-a")["spec"].get("unschedulable"),
        "the node was cordoned again against the person's will",
    )
    shop.client.patch("nodes", "du-a", {"spec": {"unschedulable": True}})
    drain.finish()
    check_unmarked(t, "du-a")


@test("drain: a cordon that stood before stays", needs=["clusters:1"], timeout=180)
def test_drain_foreign_cordon(t):
    cluster_version(t)
    shop = Shop(t, ["df-a", "df-b"], 3, 1, first="df-a")
    uids = shop.uids("df-a")
    shop.client.patch("nodes", "df-a", {"spec": {"unschedulable": True}})
    Drain(t, t.clusters[0], ["df-a"]).finish()
    equal(shop.pods("df-a"), [], "pods left on the node")
    shop.check_evictions(uids)
    check_unmarked(t, "df-a", cordoned=True)


@test("drain: a budget that allows nothing is named, with who can mend it", needs=["clusters:1"])
def test_drain_blocked(t):
    cluster_version(t)
    shop = Shop(t, ["db-a", "db-b"], 3, 0, first="db-a")
    drain = Drain(t, t.clusters[0], ["db-a"])
    wait_for("the cause", lambda: f"{shop.ns}/web" in drain.text(), 30)
    check("3 blocked" in drain.text(), drain.text()[-2000:])
    equal(shop.evictions(), [], "evictions")
    shop.client.patch("poddisruptionbudgets", "web", {"spec": {"maxUnavailable": 1}}, shop.ns)
    drain.finish(60)
    check_unmarked(t, "db-a")
