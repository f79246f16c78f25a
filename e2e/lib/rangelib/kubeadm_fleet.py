"""A cluster of true nodes under a daemon of the product: documents, a fault that a gate sees, figures."""

import os
import signal
import threading
import time

from . import product, upgrade, workload
from .kube import KubeClient
from .kubeadm import UNREACHABLE
from .upgrade import Fleet, invariant

ASK_SEC = 0.05
ENDS = ("done", "rolled-back")
SEEN = 'apiserver_request_total{job="apiserver",resource="configmaps",verb="GET"'


def error_gate(cluster, **more):
    """Of the ConfigMaps that clients ask the real API server for, how many are not there."""
    this = f'{SEEN},cluster="{cluster.name}"'
    return {
        "name": "errors",
        "when": ["cp-soak", "soak"],
        "query": f'(sum(rate({this},code="404"}}[10s])) or vector(0)) / '
        f"clamp_min(sum(rate({this}}}[10s])), 0.1)",
        "pass": {"atMost": 0.1},
        "fail": {"above": 0.5},
        "settle": "2s",
        "interval": "1s",
        "count": 3,
        "failureLimit": 1,
        "onFail": "rollback",
        **more,
    }


def gate_policy(*more):
    """Gates in seconds: what the API server shows, and more."""
    gates = [
        invariant("api", "apiServer", ["cp-verify", "verify"]),
        invariant("nodes", "nodes", ["cp-verify", "verify"]),
        *more,
    ]
    return {"kind": "GatePolicy", "metadata": {"name": "quick"}, "spec": {"gates": gates}}


class OldClient(threading.Thread):
    """A client of the cluster that does not get on with the new minor: from then on it asks for
    what is not there, 20 times a second. armed.set() makes it so; since: when it first did.
    is_new: what of the answer of /version it does not get on with."""

    def __init__(self, cluster, is_new=None):
        super().__init__(daemon=True)
        self.cluster = cluster
        self.is_new = is_new or (lambda version: version["gitVersion"] == "v" + cluster.target)
        self.armed, self.ended = threading.Event(), threading.Event()
        self.since = None

    def run(self):
        c = self.cluster
        client = KubeClient(
            c.first.address, 6443, c.ca, *c.cert, agent="range-old-client", timeout=5
        )
        new, looked = False, 0.0
        while not self.ended.wait(ASK_SEC):
            try:
                if time.monotonic() - looked > 1:
                    looked = time.monotonic()
                    new = self.is_new(client.request("GET", "/version"))
                wrong = new and self.armed.is_set()
                name = "not-there" if wrong else "kube-root-ca.crt"
                client.raw("GET", f"/api/v1/namespaces/{workload.NAMESPACE}/configmaps/{name}")
                if wrong and not self.since:
                    self.since = time.time()
            except UNREACHABLE:
                client.close()

    def stop(self):
        self.ended.set()
        self.join(10)


class KubeadmFleet(Fleet):
    """t.kubeadm with a repository and a daemon of its own."""

    def __init__(self, t):
        self.t, self.cluster_of_nodes = t, t.kubeadm
        self.name = t.kubeadm.name
        self.folder = os.path.join(t.folder, "daemon")
        self.prometheus = t.kubeadm.prometheus or t.kubeadm.scraped()

    def documents(self, gates=None, target=None, may_skip=False, **plan_fields):
        """gates: further ones; without it the rule on errors. target: more of the plan's.
        may_skip: nodes may be left out."""
        c = self.cluster_of_nodes
        policy = gate_policy(*([error_gate(c)] if gates is None else gates))
        document = product.cluster_document(
            c, "kubeadm", prometheus=self.prometheus, nodeAccess=c.node_access()
        )
        plan = upgrade.plan([self.name], **{"cpSoak": "20s", "soak": "2s", **plan_fields})
        plan["spec"]["target"].update({"version": c.target, **(target or {})})
        drain = {
            "kind": "DrainPolicy",
            "metadata": {"name": "drain"},
            "spec": {"nodes": {"maySkip": may_skip}},
        }
        plan["spec"]["policies"]["drain"] = "drain"
        return product.documents(document, policy, drain, plan)

    def start(self, **plan_fields):
        """A merged plan, and a daemon that finds it."""
        files = {"plans/fleet.yaml": self.documents(**plan_fields)}
        repository = upgrade.make_repository(self.folder, files)
        spec = {"repositories": [{"name": "fleet", "url": repository, "interval": "5s"}]}
        self.daemon = product.Daemon(self.t.registry, self.folder, spec)
        self.t.defer(self.daemon.stop)
        self.daemon.start()
        return self.daemon

    def change(self, **plan_fields):
        """Another merge."""
        upgrade.commit_files(
            os.path.join(self.folder, "checkout"),
            {"plans/fleet.yaml": self.documents(**plan_fields)},
        )
        self.daemon.process.signal(signal.SIGHUP)

    def times(self, since):
        """(first effect that was ordered since then, the move that ended the run): wall times."""
        j = self.journal()
        writes = [r["time"] for r in j.find("intent") if r["time"] >= since]
        ends = [m["time"] for m in self._moves(j) if m["to"] in ENDS and m["time"] >= since]
        return writes[0], ends[-1]

    def steps(self, since=0):
        """[(seconds after it, words)] of each state that the cluster reached, of each command that
        a node was given, and of each node that was drained or put back. since: a wall time, or 0:
        the first effect."""
        out, own = [], None
        for r in self.journal().records():
            since = since or (r["time"] if r["record"] == "intent" else 0)
            if r["record"] == "item" and r.get("kind") == "cluster":
                own = r["item"]
            words = None
            if r["record"] == "move" and r["to"] != r["from"] and r["item"] == own:
                words = f"{r['from']} -> {r['to']}"
            elif r["record"] == "intent" and r.get("row") in ("node-command", "cordon", "uncordon"):
                want = r.get("want") or {}
                words = f"{want.get('kind') or r['row']} {want.get('node') or r['key']}"
            if words and since and r["time"] >= since:
                out.append((r["time"] - since, words))
        return out

    def _moves(self, journal):
        return [m for m in journal.find("move", cluster=self.name) if m["to"] != m["from"]]

    def back_figures(self, since):
        """Seconds from a fault to the first effect of the way back, and to its end."""
        j = self.journal()
        began = next(m["time"] for m in self._moves(j) if m["to"] == "rollback")
        ended = next(m["time"] for m in self._moves(j) if m["to"] == "rolled-back")
        writes = [r["time"] for r in j.find("intent") if r["time"] >= began]
        return writes[0] - since, ended - since

    def picture(self):
        c = self.cluster_of_nodes
        try:
            return c.kubectl("get", "nodes,pods", "-A", "-o", "wide", timeout=20)
        except Exception as e:
            return str(e)
