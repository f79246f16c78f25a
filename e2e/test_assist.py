"""The operator drains in windows of 90 s; with us a node is empty before it needs a second one."""

from datetime import datetime

from rangelib.harness import check, equal, test
from rangelib.upgrade import RangeFleet, budget_settled, settled
from rangelib.wait import wait_for
from test_upgrade import NEEDS

SCALE = 3  # of drains and pods: a window takes 30 s, a pod 2 s
SLOT_SEC = 0.5  # from a budget that allows one to our eviction, on a machine that is busy
PODS = 16  # on the node
POD_SEC, WINDOW_SEC = 6, 90  # one after the other by the operator alone, and how long it tries
SECOND_WINDOW_SEC = 5 + 90 + 60  # after the order to drain: start, first window, pause
EXIT_SEC = 2  # of a pod
MCO = "machineconfiguration.openshift.io/"


def at(write, done=False):
    stamp = write.done_at if done else write.at
    return datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def drains(cluster, annotation):
    """Accepted writes that give a worker's annotation a drain: [(node, write)] in order."""
    out = []
    for w in cluster.audit.writes(user="actors", resource="nodes", accepted=True):
        notes = ((w.body or {}).get("metadata") or {}).get("annotations") or {}
        if "worker" in w.name and (notes.get(MCO + annotation) or "").startswith("drain-"):
            out.append((w.name, w))
    return out


def slots(cluster, evictions):
    """Seconds from each status with a free place in the budget to the next of these evictions."""
    out = []
    for w in cluster.audit.writes(resource="poddisruptionbudgets", sub="status", accepted=True):
        free = (w.body or {}).get("status", {}).get("disruptionsAllowed", 0) > 0
        later = [e for e in evictions if e > at(w, done=True)]
        if free and later and len(later) < len(evictions):
            out.append(later[0] - at(w, done=True))
    return out


def gather(client):
    """Brings all pods of the app to the worker that goes first."""
    first, other = sorted(
        n["metadata"]["name"] for n in client.list("nodes") if "worker" in n["metadata"]["name"]
    )
    client.patch("nodes", other, {"spec": {"unschedulable": True}})
    for p in client.list("pods", "apps"):
        client.delete_if_there("pods", p["metadata"]["name"], "apps")
    here = lambda: [p for p in client.list("pods", "apps") if running_on(p, first)]
    wait_for(f"{PODS} pods on {first}", lambda: len(here()) == PODS, 60)
    budgets = lambda: all(map(budget_settled, client.list("poddisruptionbudgets")))
    wait_for("their budget knows them", budgets, 60)
    client.patch("nodes", other, {"spec": {"unschedulable": None}})
    wait_for("the pools count them", lambda: settled(client), 60)


def running_on(pod, node):
    ready = [c["status"] for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
    return pod["spec"].get("nodeName") == node and ready == ["True"]


@test(
    "assist: 16 pods under one budget, the node is empty before the operator's second window",
    needs=["own-clusters:1", *NEEDS],
    timeout=180,
)
def test_assist(t):
    extra = ["--apps", "1", "--replicas", PODS, "--workers", "2", "--drain-scale", SCALE]
    f = RangeFleet(t, extra=extra)
    (c,) = t.clusters
    gather(c.client)
    f.begin(cpSoak="8s")
    wait_for("a drain begins", lambda: drains(c, "desiredDrain"), 60)
    node, began = drains(c, "desiredDrain")[0]
    ended = lambda: [w for n, w in drains(c, "lastAppliedDrain") if n == node]
    wait_for(f"{node} is drained", ended, 90)
    evicted = c.audit.writes(resource="pods", sub="eviction", accepted=True)
    evicted = [w for w in evicted if at(w) < at(ended()[0])]
    ours = [w for w in evicted if w.user == "shiplock"]
    took = (at(ours[-1], done=True) - at(began)) * SCALE + EXIT_SEC
    t.note(f"{node}: {len({w.name for w in evicted})} pods, {len(ours)} by us, {took:.0f} s")
    alone = len({w.name for w in evicted}) * POD_SEC
    check(alone > WINDOW_SEC, f"{alone} s: the operator alone would not need a second window")
    check(len(ours) > PODS // 2, f"only {len(ours)} by us")
    uids = [w.body["deleteOptions"]["preconditions"]["uid"] for w in ours]
    equal(len(set(uids)), len(uids), "a UID evicted twice by us")
    waits = slots(c, [at(w, done=True) for w in ours])
    t.note(f"longest wait of a slot: {max(waits) * 1000:.0f} ms")
    check(max(waits) < SLOT_SEC, f"a slot waited {max(waits):.2f} s")
    check(took < SECOND_WINDOW_SEC, f"empty after {took:.0f} s: the second window had begun")
