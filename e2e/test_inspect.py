"""A stranger with a kubeconfig: what `shiplock inspect` finds on real API servers."""

import json
import os
import time

from rangelib import product
from rangelib.cluster import write_json
from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, SETTLED_SEC, TO, settled
from rangelib.wait import wait_for

NEEDS = ["binaries:shiplock,shiplock-sim,shiplock-worker"]
GATE = "ack-4.21-kube-1.35-api-removals-in-4.22"
ANSWER_SEC = 2.0


def play(t, cluster, *extra):
    a = product.FakeKubeletsAndOperators(t.registry, cluster, time_scale=200, extra=extra)
    a.start()
    t.defer(a.stop)
    wait_for(f"{cluster.name} is settled", lambda: settled(cluster.client), SETTLED_SEC)
    return a


def inspect(cluster, *args, user="shiplock", **options):
    return product.cli(
        "inspect", "--kubeconfig", cluster.kubeconfigs[user], *args, **options
    )


def report(done):
    equal(done.returncode, 0, f"exit code: {done.stdout}{done.stderr}")
    answer = json.loads(done.stdout)
    equal(answer["kind"], "InspectReport", "kind")
    return answer["clusters"]


def writes(cluster, since, user="shiplock"):
    return [
        w
        for w in cluster.audit.writes(user=user, since=since)
        if w.resource != "selfsubjectaccessreviews"
    ]


# ---- ten faults ----


def condition(kind, status):
    return {
        "type": kind,
        "status": status,
        "reason": "Prepared",
        "message": "prepared by the test",
        "lastTransitionTime": "2026-09-01T00:00:00Z",
    }


def with_condition(obj, new):
    kept = [c for c in obj["status"]["conditions"] if c["type"] != new["type"]]
    return {"conditions": [*kept, new]}


def operator_degraded(c):
    """One that no actor plays, so that nobody mends it."""
    new = {
        "apiVersion": "config.openshift.io/v1",
        "kind": "ClusterOperator",
        "metadata": {"name": "insights"},
        "spec": {},
    }
    c.client.create("clusteroperators", new)
    conditions = [condition("Available", "True"), condition("Degraded", "True")]
    c.client.status("clusteroperators", "insights", {"conditions": conditions})


def upgradeable_false(c):
    co = c.client.get("clusteroperators", "network")
    new = with_condition(co, condition("Upgradeable", "False"))
    c.client.status("clusteroperators", "network", new)
    blocked = lambda: any(
        x["type"] == "Upgradeable" and x["status"] == "False"
        for x in c.client.get("clusterversions", "version")["status"]["conditions"]
    )
    wait_for("the cluster-version operator has seen it", blocked, 30)


def ack_missing(c):
    body = {"data": {GATE: "Remove the use of APIs, then acknowledge."}}
    c.client.patch("configmaps", "admin-gates", body, ns="openshift-config-managed")


def pool_degraded(c):
    pool = c.client.get("machineconfigpools", "master")
    new = with_condition(pool, condition("Degraded", "True"))
    c.client.status("machineconfigpools", "master", new)


def pool_paused(c):
    c.client.patch("machineconfigpools", "worker", {"spec": {"paused": True}})


def node_name(c):
    return next(n["metadata"]["name"] for n in c.client.list("nodes") if "worker-1" in n["metadata"]["name"])


def foreign_cordon(c):
    c.client.patch("nodes", node_name(c), {"spec": {"unschedulable": True}})


def pdb_zero(c):
    c.client.patch("poddisruptionbudgets", "app-00", {"spec": {"maxUnavailable": 0}}, ns="apps")


def two_pdbs(c):
    selector = {"matchLabels": {"app": "app-01"}}
    second = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "second", "namespace": "apps"},
        "spec": {"maxUnavailable": 1, "selector": selector},
    }
    c.client.create("poddisruptionbudgets", second)


def count_api(c, name, removed, user):
    new = {
        "apiVersion": "apiserver.openshift.io/v1",
        "kind": "APIRequestCount",
        "metadata": {"name": name},
        "spec": {"numberOfUsersToReport": 10},
    }
    c.client.create("apirequestcounts", new)
    hour = {
        "requestCount": 17,
        "byNode": [{"nodeName": "m0", "byUser": [{"username": user, "requestCount": 17}]}],
    }
    c.client.status(
        "apirequestcounts",
        name,
        {"removedInRelease": removed, "requestCount": 17, "currentHour": hour, "last24h": [hour]},
    )


def removed_api(c):
    count_api(c, "widgets.v1beta1.example.io", "1.35", "system:serviceaccount:apps:old")


def owned_by_argo(c):
    cv = c.client.get("clusterversions", "version")
    current = cv["status"]["desired"]
    wish = {"spec": {"desiredUpdate": {"version": current["version"], "image": current["image"]}}}
    c.client.patch("clusterversions", "version", wish, query={"fieldManager": "argocd-controller"})


FAULTS = (
    (operator_degraded, "ClusterOperator insights is degraded"),
    (upgradeable_false, "Upgradeable=False blocks a minor update"),
    (ack_missing, f"acknowledgement {GATE} is missing"),
    (pool_degraded, "MachineConfigPool master is degraded"),
    (pool_paused, "MachineConfigPool worker is paused by somebody else"),
    (foreign_cordon, "is cordoned by somebody else"),
    (pdb_zero, "PodDisruptionBudget apps/app-00 allows no disruption"),
    (two_pdbs, "has 2 PodDisruptionBudgets (app-01, second)"),
    (removed_api, "widgets.v1beta1.example.io goes away in Kubernetes 1.35"),
    (owned_by_argo, "owns ClusterVersion (field manager argocd-controller)"),
)


def timed(ask):
    """The answer, and how long it took."""
    began = time.monotonic()
    done = ask()
    return done, time.monotonic() - began


@test(
    "inspect names ten prepared faults in under 2 s and writes nothing; on a healthy cluster none",
    needs=["own-clusters:2", *NEEDS],
    timeout=240,
)
def test_ten_faults(t):
    sick, well = t.clusters
    play(t, sick)
    play(t, well)
    count_api(well, "later.v1beta1.example.io", "1.36", "old")
    count_api(well, "swept.v1beta1.example.io", "1.35", "system:kube-controller-manager")
    pool_paused(sick)  # first: the operator then writes the conditions of that pool anew
    for make, _ in FAULTS:
        if make is not pool_paused:
            make(sick)
    named = lambda: report(inspect(sick, "-o", "json"))[0]
    wait_for(
        "the budget is computed",
        lambda: any("allows no disruption" in f["message"] for f in named()["findings"]),
        30,
    )
    marks = [c.audit.mark() for c in t.clusters]
    done, took = timed(lambda: inspect(sick))
    t.note(done.stdout)
    equal(done.returncode, 0, done.stderr)
    for _, text in FAULTS:
        check(text in done.stdout, f"not named: {text}")
    healthy, took_well = timed(lambda: inspect(well, "-o", "json"))
    found = report(healthy)[0]
    equal(found["findings"], [], "findings of the healthy cluster")
    equal([u["version"] for u in found["updates"]], ["4.21.9", TO], "updates")
    equal(found["version"], FROM, "version")
    equal(found["rollback"]["target"], "4.21.7", "rollback today")
    t.note(f"answers after {took:.2f} s and {took_well:.2f} s")
    check(max(took, took_well) < ANSWER_SEC, f"took {took:.2f} s and {took_well:.2f} s")
    for c, mark in zip(t.clusters, marks):
        equal(writes(c, mark), [], f"writes on {c.name}")
        check(c.audit.writes(user="shiplock", since=mark), "the audit log has the access reviews")


# ---- a fleet ----


def merged_kubeconfig(t, clusters, **more):
    """One file with a context for each cluster, as `oc` would name some, and one server that is not."""
    full = {"apiVersion": "v1", "kind": "Config", "clusters": [], "users": [], "contexts": []}
    for c in clusters:
        with open(c.kubeconfigs["shiplock"], encoding="utf-8") as f:
            one = json.load(f)
        for part in ("clusters", "contexts", "users"):
            entry = dict(one[part][0])
            entry["name"] = c.name
            if part == "contexts":
                entry["context"] = {"cluster": c.name, "user": c.name}
            full[part].append(entry)
    for name, server in more.items():
        full["clusters"].append({"name": name, "cluster": {"server": server}})
        full["users"].append({"name": name, "user": {"token": "secret-token-of-nobody"}})
        full["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    same = {"name": f"default/api-{clusters[0].name}:6443/admin"}
    full["contexts"].append({**same, "context": {"cluster": clusters[0].name, "user": clusters[0].name}})
    full["current-context"] = clusters[0].name
    return write_json(os.path.join(t.folder, "kubeconfig"), full)


@test(
    "inspect of three clusters: laggards first, and --init gives documents that check and plan take",
    needs=["own-clusters:3", "prometheus", *NEEDS],
    timeout=240,
)
def test_fleet(t):
    ahead, behind, owned = t.clusters
    play(t, ahead, "--version", "4.21.9", "--previous", "4.21.8")
    play(t, behind, "--version", "4.20.16", "--previous", "4.20.15", "--releases", "4.20.18,4.21.10:NodeRebootLoop")
    play(t, owned)
    owned_by_argo(owned)
    path = merged_kubeconfig(t, t.clusters, dead="https://127.0.0.1:1")
    marks = [c.audit.mark() for c in t.clusters]
    done = product.cli("inspect", env={"KUBECONFIG": path})
    t.note(done.stdout)
    equal(done.returncode, 1, "exit code with a cluster that cannot be read")
    lines = done.stdout.splitlines()
    order = [line.split()[0] for line in lines[1:5]]
    equal(order, [behind.name, owned.name, ahead.name, "dead"], "laggards first")
    check("4.20.18, 4.21.10*" in lines[1], lines[1])
    check("NodeRebootLoop (applies here, asked" in done.stdout, done.stdout)
    check("version owned" in lines[2], lines[2])
    check(f"T2 to {FROM}, until the next update" in lines[3], lines[3])
    check("unreadable" in lines[4], lines[4])
    check("secret-token" not in done.stdout + done.stderr, "a secret is shown")
    by_oc = f"default/api-{ahead.name}:6443/admin"
    (one,) = report(product.cli("inspect", "--kubeconfig", path, "--context", by_oc, "-o", "json"))
    equal((one["name"], one["context"], one["server"]), (ahead.name, by_oc, ahead.url), "by oc's name")
    names = [c.name for c in t.clusters]
    wanted = [x for n in names for x in ("--context", n)]
    folder = os.path.join(t.folder, "fleet")
    done = product.cli("inspect", "--kubeconfig", path, *wanted, "--init", folder)
    equal(done.returncode, 0, done.stdout + done.stderr)
    check_documents(t, folder, behind)
    again = product.cli("inspect", "--kubeconfig", path, *wanted, "--init", folder)
    equal(again.returncode, 1, "a second --init replaces nothing")
    check("is there already" in again.stderr, again.stderr)
    for c, mark in zip(t.clusters, marks):
        equal(writes(c, mark), [], f"writes on {c.name}")


def check_documents(t, folder, behind):
    texts = {}
    for name in ("clusters", "first"):
        with open(os.path.join(folder, "plans", name + ".yaml"), encoding="utf-8") as f:
            texts[name] = f.read()
    t.note(texts["clusters"] + texts["first"])
    done = product.cli("check", folder)
    equal(done.returncode, 0, done.stdout + done.stderr)
    check(f"not {behind.name}: it cannot go there" in texts["first"], "who is left out, and why")
    equal(texts["clusters"].count("actuator: {type: observe}"), 1, "owned clusters observe")
    done = product.cli("plan", "first", folder)
    t.note(done.stdout)
    equal(done.returncode, 0, done.stdout + done.stderr)
    check("Every cluster can start; nothing was changed." in done.stdout, done.stdout)


@test("inspect complains about what it cannot use", needs=NEEDS)
def test_complaints(t):
    empty = write_json(os.path.join(t.folder, "empty"), {"apiVersion": "v1", "kind": "Config"})
    broken = os.path.join(t.folder, "broken")
    with open(broken, "w", encoding="utf-8") as f:
        f.write("a: [")
    for args, text in (
        (["--kubeconfig", "/nowhere/x"], "/nowhere/x: cannot read"),
        (["--kubeconfig", broken], "broken: line 2: is not valid YAML"),
        (["--kubeconfig", empty], "empty: names no context"),
        (["--kubeconfig", empty, "--context", "a"], "there is no context a in it"),
    ):
        done = product.cli("inspect", *args)
        equal(done.returncode, 1, f"{args}: {done.stdout}{done.stderr}")
        check(text in done.stderr, f"{args}: {done.stderr}")
        check("\ntry: shiplock inspect" in done.stderr, f"{args}: {done.stderr}")
    equal(product.cli("inspect", "CLUSTER").returncode, 64, "an argument is wrong usage")
