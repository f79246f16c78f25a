"""Least rights: the main job with what `shiplock rbac` prints, and nothing else."""

import copy
import json
import os
import subprocess

from rangelib import product, upgrade
from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, TO, RangeFleet, stands_at
from rangelib.wait import wait_for

NEEDS = ["prometheus", "git", "binaries:shiplock,shiplockd,shiplock-sim,shiplock-worker"]
USER, WRITER, GROUP = "bare", "system:serviceaccount:shiplock:writer", "night-shift"
PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
}
JOBS = "openshift-etcd"  # where the shipped backup runs
BACKUP = {
    "kind": "RollbackPolicy",
    "metadata": {"name": "saved"},
    "spec": {"backup": {"job": {"file": "builtin/etcd-backup", "timeout": "30m"}}},
}
LAG_SEC = 20  # until an API server has seen a changed role


def yaml(text):
    """The documents of a YAML text, read by the product's own worker."""
    request = json.dumps({"files": [{"name": "rbac", "text": text}], "positions": False})
    done = subprocess.run(
        [product.binary("shiplock-worker"), "yaml"],
        input=request,
        capture_output=True,
        text=True,
        check=True,
    )
    (answer,) = json.loads(done.stdout)["files"]
    check(not answer.get("errors"), f"not YAML: {answer}")
    return [d["json"] for d in answer["documents"]]


class BareFleet(RangeFleet):
    """A fleet of one cluster whose user may nothing but what was applied; writes as another."""

    def __init__(self, t, **options):
        (self.target,) = t.clusters
        kubeconfigs = {self.target.name: self.target.kubeconfigs[USER]}
        super().__init__(t, kubeconfigs=kubeconfigs, **options)

    def documents(self, **spec):
        docs = super().documents(**spec)
        for d in docs:
            d["spec"]["access"]["impersonate"] = {"user": WRITER, "groups": [GROUP]}
        return docs

    def files(self, backup=False, **spec):
        """A folder with the cluster, the gates and a plan, for the command line."""
        folder = os.path.join(self.t.folder, "documents-" + "-".join(["all", *spec]))
        os.makedirs(folder, exist_ok=True)
        plan, more = upgrade.plan(self.names), []
        if backup:
            plan["spec"]["policies"]["rollback"] = "saved"
            more.append(BACKUP)
        text = product.documents(*self.documents(**spec), upgrade.gates(), *more, plan)
        with open(os.path.join(folder, "all.yaml"), "w", encoding="utf-8") as f:
            f.write(text)
        return folder

    def rights(self, folder):
        done = product.cli("rbac", "--cluster", self.target.name, "--user", USER, folder)
        equal(done.returncode, 0, done.stdout + done.stderr)
        return yaml(done.stdout)

    def apply(self, objects):
        for o in objects:
            plural, m = PLURALS[o["kind"]], o["metadata"]
            if not self.target.client.find(plural, m["name"], m.get("namespace")):
                self.target.client.create(plural, o)

    def plan(self, folder):
        done = product.cli("plan", "up", folder, "-o", "json", timeout=150)
        check(done.stdout, done.stderr)
        (entry,) = json.loads(done.stdout)["clusters"]
        return done.returncode, entry


def check_identity(cluster):
    """Whatever took effect was written by the reader in the writer's name."""
    writes = [
        w
        for w in cluster.audit.writes(user=USER, accepted=True)
        if w.resource != "selfsubjectaccessreviews"
    ]
    check(writes, "nothing was written at all")
    for w in writes:
        who = w.event.get("impersonatedUser", {})
        equal(who.get("username"), WRITER, f"{w.verb} {w.key} written as")
        check(GROUP in who.get("groups", []), f"{w.verb} {w.key} written as one of {who}")
    refused = [w for w in cluster.audit.writes(user=USER) if w.code == 403]
    equal(refused, [], "writes that were not allowed")


@test(
    "the main job runs with the rights of shiplock rbac alone",
    needs=["own-clusters:1", *NEEDS],
    timeout=240,
)
def test_up(t):
    f = BareFleet(t)
    f.apply(f.rights(f.files()))
    f.begin()
    f.wait_rest(200)
    equal(f.outcomes(), {f.target.name: "Succeeded"}, "outcomes")
    stands_at(f.target.client, TO)
    check_identity(f.target)


@test(
    "a gate's breach rolls back with the rights of shiplock rbac alone",
    needs=["own-clusters:1", *NEEDS],
    timeout=240,
)
def test_rollback(t):
    f = BareFleet(t, faults=["error-rate-rise"])
    f.apply(f.rights(f.files()))
    f.begin(cpSoak="30s")
    f.wait_rest(200)
    equal(f.outcomes(), {f.target.name: "RolledBack"}, "outcomes")
    stands_at(f.target.client, FROM)
    check_identity(f.target)


# ---- each right by itself ----


def each_right(objects):
    """(role, index of the rule, verb) of everything that is granted."""
    for o in objects:
        for i, rule in enumerate(o.get("rules", [])):
            for verb in rule["verbs"]:
                yield o, i, verb


def text_of(rule, verb):
    group = rule["apiGroups"][0]
    return f"{verb} {rule['resources'][0]}" + ("." + group if group else "")


def without(role, index, verb):
    less = copy.deepcopy(role)
    less["rules"][index]["verbs"].remove(verb)
    if not less["rules"][index]["verbs"]:
        del less["rules"][index]
    return less


def put(cluster, role):
    """Replaces the rules; the resourceVersion is nobody's business here."""
    plural, m = PLURALS[role["kind"]], role["metadata"]
    rules = {"rules": role.get("rules") or []}
    cluster.client.patch(plural, m["name"], rules, m.get("namespace"))


@test(
    "each right of shiplock rbac that is taken away is named by the preflight",
    needs=["own-clusters:1", *NEEDS],
    timeout=400,
)
def test_each_right(t):
    f = BareFleet(t)
    folder = f.files(backup=True)
    objects = f.rights(folder)
    f.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": JOBS}}, *objects])
    wait_for("the preflight is clean", lambda: f.plan(folder)[0] == 0, LAG_SEC)
    code, clean = f.plan(folder)
    equal(clean["findings"], [], "findings with every right")
    n = 0
    for role, index, verb in each_right(objects):
        what = text_of(role["rules"][index], verb)
        put(f.target, without(role, index, verb))
        seen = {}

        def named():
            seen["code"], seen["entry"] = f.plan(folder)
            texts = [x["message"] for x in seen["entry"]["findings"]]
            where = role["metadata"].get("namespace", "")
            return any(f"not allowed to {what}" in x and where in x for x in texts)

        wait_for(f"{what} is missed", named, LAG_SEC, poll=0.1)
        levels = {x["level"] for x in seen["entry"]["findings"] if what in x["message"]}
        equal(seen["code"], 5 if "block" in levels else 0, f"exit code without {what}")
        put(f.target, role)
        n += 1
    t.note(f"{n} rights, each missed when it was gone")
    check(n >= 29, f"only {n} rights were taken away")


@test(
    "a cluster that is only observed needs no right to write",
    needs=["own-clusters:1", *NEEDS],
    timeout=120,
)
def test_observe(t):
    f = BareFleet(t)
    folder = f.files(actuator={"type": "observe"})
    objects = f.rights(folder)
    verbs = {v for o, i, v in each_right(objects)}
    equal(verbs, {"get", "list", "watch"}, "verbs")
    f.apply(objects)
    wait_for("the preflight is clean", lambda: f.plan(folder)[0] == 0, LAG_SEC)
    code, entry = f.plan(folder)
    equal(entry["findings"], [], "findings")
