"""Clusters that a real Argo CD owns: what direct refuses, what git does through it."""

import json
import os

from rangelib import product
from rangelib.gitserver import git
from rangelib.gitops import ArgoFleet
from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, TO, RangeFleet, freeze_when, gates, plan, stands_at
from rangelib.wait import Timeout, wait_for
from test_rights import (
    GROUP,
    LAG_SEC,
    PLURALS,
    USER,
    WRITER,
    check_identity,
    each_right,
    put,
    text_of,
    without,
)

NEEDS = ["argocd", "prometheus", "git", "binaries:shiplock,shiplockd,shiplock-sim,shiplock-worker"]
REVERTED_SEC = 20.0


def wanted(cv):
    return (cv["spec"].get("desiredUpdate") or {}).get("version")


def writers(cluster, user):
    """Accepted writes of this user on the ClusterVersion."""
    return cluster.audit.writes(
        user=user, resource="clusterversions", name="version", accepted=True
    )


@test(
    "Argo CD puts back what somebody else patches, and direct refuses its cluster by name",
    needs=["own-clusters:2", *NEEDS],
    timeout=180,
)
def test_direct_refuses(t):
    f = ArgoFleet(t)
    c = f.clusters[0]
    c.client.patch("clusterversions", "version", {"spec": {"channel": "candidate-4.21"}})
    f.wait_object(c, "put back", lambda cv: cv["spec"]["channel"] == "stable-4.21", REVERTED_SEC)
    check(writers(c, "argocd"), "nobody put it back")
    f.push(*f.documents(git=False), gates(), plan(f.names))
    f.start()
    f.wait_rest()
    equal(f.outcomes(), {c.name: "Refused"}, "outcomes")
    told = f.cli("why", c.name).stdout
    check(f"Argo CD application {c.name}" in told, f"why does not name the Application: {told}")
    equal([w for w in c.audit.writes(user="shiplock") if "reviews" not in w.resource], [], "writes")
    equal(wanted(c.client.get("clusterversions", "version")), FROM, "desiredUpdate")


def versions(f, cluster, user):
    """The versions that this user asked for since the cluster was adopted, in order."""
    writes = cluster.audit.writes(
        user=user, resource="clusterversions", accepted=True, since=f.since[cluster.name]
    )
    asked = [(w.body.get("spec", {}).get("desiredUpdate") or {}).get("version") for w in writes]
    return [v for v in asked if v]


def never_fought(f, cluster, want):
    """Argo CD alone writes the order, each version once, and nobody undoes anything."""
    us = f.user or "shiplock"
    equal(versions(f, cluster, "argocd"), want, "orders of Argo CD")
    equal(versions(f, cluster, us), [], "orders of ours")
    ours = [w for w in writers(cluster, us) if "spec" in w.body]
    equal(ours, [], "spec of ClusterVersion written by us")


def folder_of(f, docs, acks=()):
    """A folder with these documents, the gates and a plan, for the command line."""
    path = os.path.join(f.t.folder, "documents", "all.yaml")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as out:
        out.write(product.documents(*docs, gates(), plan_with(f, acks)))
    return os.path.dirname(path)


def plan_with(f, acks):
    up = plan(f.names)
    if acks:
        up["spec"]["target"]["acks"] = list(acks)
    return up


def bare_documents(f):
    """Everything is written as another identity, on the hub too."""
    docs = f.documents()
    for d in docs:
        d["spec"]["access"]["impersonate"] = {"user": WRITER, "groups": [GROUP]}
    return docs


def grant(cluster, folder):
    """Applies what `shiplock rbac` prints for this cluster; returns the objects."""
    done = product.cli("rbac", "--cluster", cluster.name, "--user", USER, "-o", "json", folder)
    equal(done.returncode, 0, done.stdout + done.stderr)
    objects = json.loads(done.stdout)["items"]
    for o in objects:
        plural, m = PLURALS[o["kind"]], o["metadata"]
        ns = m.get("namespace")
        if ns and not cluster.client.find("namespaces", ns):  # the hub has no operators of its own
            cluster.client.create("namespaces", {"metadata": {"name": ns}})
        if not cluster.client.find(plural, m["name"], ns):
            cluster.client.create(plural, o)
    return objects


def lacks_of(folder):
    """Exit code of `shiplock plan`, and the rights that it misses."""
    done = product.cli("plan", "up", folder, "-o", "json", timeout=60)
    check(done.stdout, done.stderr)
    (entry,) = json.loads(done.stdout)["clusters"]
    return done.returncode, [x for x in entry["findings"] if x["code"] == "rbac"]


def wait_clean(folder):
    """Until an API server has seen every role."""
    seen = {}

    def clean():
        seen["last"] = lacks_of(folder)
        return seen["last"] == (0, [])

    try:
        wait_for("the preflight is clean", clean, LAG_SEC)
    except Timeout as e:
        raise Timeout(f"{e}: {seen['last']}") from None


def check_each_hub_right(f, folder, objects):
    """What our work needs on the hub, taken away one right at a time; the refresh only warns."""
    n = 0
    for role, index, verb in each_right(objects):
        what = text_of(role["rules"][index], verb)
        if "argoproj.io" not in what and verb != "impersonate":
            continue
        put(f.hub, without(role, index, verb))
        told = f"not allowed to {what}"
        seen = {}

        def missed():
            seen["code"], seen["findings"] = lacks_of(folder)
            lacking = [x["message"] for x in seen["findings"] if x["code"] == "rbac"]
            return any(told in x and f"on {f.hub.name}" in x for x in lacking)

        wait_for(f"{what} on the hub is missed", missed, LAG_SEC, poll=0.1)
        needed = what == "get applications.argoproj.io"
        equal(seen["code"], 5 if needed else 0, f"exit code without {what}: {seen['findings']}")
        put(f.hub, role)
        n += 1
    equal(n, 5, "rights on the hub: Application read and refreshed, project, user and group")


ACK = "ack-4.20-kube-1.34-api-removals-in-4.21"


@test(
    "git: a cluster goes up through Argo CD, with pools and acknowledgements and the rights of "
    "shiplock rbac alone, and nobody fights",
    needs=["own-clusters:2", *NEEDS],
    timeout=240,
)
def test_up(t):
    f = ArgoFleet(t, pools=True, acks=True, user=USER)
    c, docs = f.clusters[0], bare_documents(f)
    folder = folder_of(f, docs, [ACK])
    grant(c, folder)
    hub = grant(f.hub, folder)
    wait_clean(folder)
    check_each_hub_right(f, folder, hub)
    wait_clean(folder)
    f.push(*docs, gates(), plan_with(f, [ACK]))
    f.start()
    f.wait_rest(200)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcomes")
    stands_at(c.client, TO)
    check_identity(c)
    acks = c.client.get("configmaps", "admin-acks", "openshift-config")["data"]
    equal(acks, {"ack-of-old": "true", ACK: "true"}, "acknowledgements")
    subjects = [
        f"{c.name}: acknowledge {ACK}",
        f"{c.name}: pause pool worker for the update",
        f"{c.name}: update to OpenShift {TO}",
        f"{c.name}: release pool worker",
    ]
    equal(f.commits(), subjects, "commits")
    never_fought(f, c, [TO])
    for resource in ("machineconfigpools", "configmaps"):
        equal(c.audit.writes(resource=resource, user=USER), [], f"writes of ours on {resource}")
    message = f.message(2)
    for words in ("Fleet range, run up#1", f"Shiplock-Cluster: {c.name}", f"Shiplock-Target: {TO}",
                  "Shiplock-Approved-By: nobody"):
        check(words in message, f"no {words!r} in {message}")
    text = f.text(c)
    check(text.startswith(f"# {c.name}: the version that"), f"comments are gone: {text}")
    check(f"version: {TO}    # was ordered on the second Tuesday" in text, f"the line: {text}")
    asked = f.hub.audit.writes(user=USER, resource="applications")
    check(asked and "refresh" in str(asked[0].body), "no refresh was asked for")
    equal(asked[0].event["impersonatedUser"]["username"], WRITER, "the refresh is written as")


def planned(f):
    """What `shiplock plan` prints of the fleet's documents."""
    done = product.cli("plan", "up", folder_of(f, f.documents()), timeout=60)
    equal(done.returncode, 0, done.stdout + done.stderr)
    return done.stdout


@test(
    "git: a failed gate rolls back through Argo CD by a new commit, in the file that was found; "
    "a pool is patched directly",
    needs=["own-clusters:2", *NEEDS],
    timeout=240,
)
def test_back(t):
    f = ArgoFleet(t, faults=["error-rate-rise"], refresh=False, file=False)
    c = f.clusters[0]
    # the same object in another folder, and a template that names it: neither is applied to c
    other = {"overlays/other/cv.yml": f.manifest(c), "charts/cv.yaml": "kind: ClusterVersion {{x}}\n"}
    f.config.commit(other, "other clusters")
    f.adopted = f.config.head()
    told = planned(f)
    found = f"{f.folder(c)}/clusterversion.yaml was found: the only file of branch main below"
    check(found in told, f"plan does not show the file: {told}")
    f.begin()
    f.wait_rest(200)
    equal(f.outcomes(), {c.name: "RolledBack"}, "outcomes")
    stands_at(c.client, FROM)
    subjects = [f"{c.name}: update to OpenShift {TO}", f"{c.name}: back to OpenShift {FROM}"]
    equal(f.commits(), subjects, "commits")
    never_fought(f, c, [TO, FROM])
    pools = c.audit.effective(user="shiplock").get("machineconfigpools worker", [])
    equal([w.body["spec"]["paused"] for w in pools], [True, False], "the brake")
    refused = f.hub.audit.writes(user="shiplock", resource="applications")
    check(refused and all(w.code == 403 for w in refused), f"refresh without rights: {refused}")


# it looks like one, else Argo CD would pass over it
NO_MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata: [this does not build\n"


def reject_pushes(repository):
    """The server's hook says no from here on; returns what ends that."""
    path = os.path.join(repository.bare, "hooks", "pre-receive")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o755), "w") as f:
        f.write("#!/bin/sh\necho 'the branch is frozen' >&2\nexit 1\n")
    return lambda: os.unlink(path)


def held(cluster, cause, words):
    """The entry of a cluster says that it is held by this cause, with these words."""
    return any(h["cause"] == cause and words in h["reason"] for h in cluster["holds"])


@test(
    "git: Argo CD stopped, its window closed, out of sync for an error, a push rejected: held with "
    "the reason, and on by itself",
    needs=["own-clusters:2", *NEEDS],
    timeout=240,
)
def test_holds(t):
    f = ArgoFleet(t, pools=True)
    c = f.clusters[0]
    f.argocd.stop_controller()
    f.begin()
    f.wait(c.name, "no controller", lambda e: held(e, "sync", "is its controller running?"))
    equal(f.commits(), [f"{c.name}: pause pool worker for the update"], "commits")
    deny = {"kind": "deny", "schedule": "* * * * *", "duration": "1h", "applications": ["*"]}
    f.argocd.sync_windows([deny])
    f.argocd.start_controller()
    f.wait(c.name, "window", lambda e: held(e, "sync-blocked", "a sync window denies it"))
    told = f.cli("why", c.name).stdout
    check("a sync window denies it" in told, f"why: {told}")
    broken = f"{f.folder(c)}/broken.yaml"
    f.config.pull()
    f.config.commit({broken: NO_MANIFEST}, "a manifest that nobody can read")
    f.argocd.sync_windows([])
    f.argocd.refresh(c.name)
    f.wait(c.name, "does not build", lambda e: held(e, "sync-blocked", "it reports: Failed to load"))
    told = f.cli("why", c.name).stdout
    check("OutOfSync" in told or "Unknown" in told, f"why: {told}")
    f.config.commit({broken: None}, "mended")
    f.argocd.refresh(c.name)
    allow = reject_pushes(f.config)
    f.wait(c.name, "rejected", lambda e: held(e, "write-fails", "the branch is frozen"))
    ours = lambda: [s for s in f.commits() if s.startswith(c.name)]
    equal(len(ours()), 1, "commits while the server refuses")
    allow()
    f.wait_rest(150)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcomes")
    equal(len(ours()), 3, "commits")
    never_fought(f, c, [TO])


@test(
    "git: kill -9 between commit, push and proof of sync: one commit per wish",
    needs=["own-clusters:2", *NEEDS],
    timeout=240,
)
def test_killed(t):
    f = ArgoFleet(t, pools=True)
    c = f.clusters[0]
    f.begin()
    journal = f.journal()
    # the intent is stored, the worker is on its way
    freeze_when(f.daemon, "intent", lambda: journal.find("intent", row="commit-pause"), 60)
    f.restart()
    # the push is there, the answer perhaps not
    freeze_when(f.daemon, "push", lambda: len(f.commits()) == 2, 90)
    f.restart()
    # the answer is stored, the proof is not
    freeze_when(f.daemon, "answer", lambda: journal.find("result", row="commit-release"), 120)
    check(not journal.find("look", wish=f"range/up#1/{c.name}/release-worker-3"), "proven already")
    f.restart()
    f.wait_rest(120)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcomes")
    stands_at(c.client, TO)
    equal([s.split(": ")[1] for s in f.commits()],
          ["pause pool worker for the update", f"update to OpenShift {TO}", "release pool worker"],
          "commits")
    never_fought(f, c, [TO])


@test(
    "git: a branch for a merge request waits for its merge",
    needs=["own-clusters:2", *NEEDS],
    timeout=200,
)
def test_merge(t):
    f = ArgoFleet(t)
    c = f.clusters[0]
    f.push(*f.documents(actuator={"deliver": "branch"}), gates(), plan(f.names))
    f.start()
    branch = f"shiplock/up-1/{c.name}/1"
    f.wait(c.name, "merge", lambda e: held(e, "merge", f"waits for the merge of branch {branch}"))
    equal(f.commits(), [], "commits on the branch that Argo CD follows")
    git("fetch", "-q", "origin", branch, cwd=f.config.tree)
    git("merge", "-q", "--no-ff", "-m", "merged by a person", "FETCH_HEAD", cwd=f.config.tree)
    git("push", "-q", "origin", "main", cwd=f.config.tree)
    f.wait_rest(120)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcomes")
    stands_at(c.client, TO)
    equal(sorted(f.commits()), sorted([f"{c.name}: update to OpenShift {TO}", "merged by a person"]), "commits")
    never_fought(f, c, [TO])


@test(
    "observe: a person orders, and no write of ours is in the audit log",
    needs=["own-clusters:1", "prometheus", "git", NEEDS[-1]],
    timeout=200,
)
def test_observe(t):
    f = RangeFleet(t)
    c = t.clusters[0]
    f.push(*f.documents(actuator={"type": "observe"}), gates(), plan(f.names))
    f.start()
    waits = f"waits for a person to order {TO}"
    f.wait(c.name, "waits for the order", lambda e: waits in (e["now"] or ""))
    offer = c.client.get("clusterversions", "version")["status"]["availableUpdates"]
    image = next(u["image"] for u in offer if u["version"] == TO)
    order = {"spec": {"desiredUpdate": {"version": TO, "image": image}}}
    c.client.patch("clusterversions", "version", order)
    f.wait_rest(150)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcomes")
    stands_at(c.client, TO)
    ours = [w for w in c.audit.writes(user="shiplock") if "reviews" not in w.resource]
    equal(ours, [], "writes of ours")
    told = f.cli("why", c.name).stdout
    for words in (f"order {TO} at ", "; done at ", "pause pool worker at ", "; not done"):
        check(words in told, f"why does not say {words!r}: {told}")
    code, report = f.daemon.call("GET", "/v1/runs/1/report")
    equal(code, 200, "report")
    seen = {o["what"]: o for o in report["clusters"][0]["observed"]}
    check(seen[f"order {TO}"]["wouldAt"] <= seen[f"order {TO}"]["doneAt"], f"report: {seen}")
    equal(seen["pause pool worker"]["doneAt"], None, "what nobody did")
    text = f.cli("audit", "report", "1").stdout
    check(f"| order {TO} | {seen[f'order {TO}']['wouldAt']} | " in text, f"report as text: {text}")
    check(" | not done |" in text, f"report as text: {text}")
