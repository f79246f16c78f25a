"""T3 on true nodes: ordered, approved by two, and the data of the run's own snapshot is back."""

import json
import os
import pwd
import subprocess

from rangelib import product, upgrade
from rangelib.harness import check, equal, need_root, test
from rangelib.kubeadm_fleet import KubeadmFleet, gate_policy
from rangelib.wait import wait_for
from test_kubeadm import STATE_SEC, Upgrade

NEEDS = ["own-kubeadm:1+1", "binaries:shiplock,shiplockd,shiplock-worker"]
SECOND = "daemon"  # a login of every machine, beside root
CLAIM = "shiplock-claim"
BUMP = 1000000000
GONE = 410
APPROVAL = {
    "kind": "ApprovalPolicy",
    "metadata": {"name": "two-leads"},
    "spec": {"quorum": 2, "groups": [{"name": "leads", "users": ["root", SECOND], "need": 2}]},
}
ROLLBACK = {
    "kind": "RollbackPolicy",
    "metadata": {"name": "data"},
    "spec": {"approval": {"T3": "two-leads"}},
}


class DataFleet(KubeadmFleet):
    """With policies that let two people ask for T3."""

    def documents(self, gates=None, **plan_fields):
        c = self.cluster_of_nodes
        document = product.cluster_document(
            c, "kubeadm", prometheus=self.prometheus, nodeAccess=c.node_access()
        )
        plan = upgrade.plan([self.name], **{"soak": "2s", **plan_fields})
        plan["spec"]["target"]["version"] = c.target
        plan["spec"]["policies"]["rollback"] = "data"
        return product.documents(document, gate_policy(), plan, ROLLBACK, APPROVAL)

    def start(self, **plan_fields):
        files = {"plans/fleet.yaml": self.documents(**plan_fields)}
        repository = upgrade.make_repository(self.folder, files)
        spec = {
            "repositories": [{"name": "fleet", "url": repository, "interval": "5s"}],
            "roles": {"approve": ["root", SECOND], "operate": ["root"], "read": ["*"]},
        }
        self.daemon = product.Daemon(self.t.registry, self.folder, spec)
        self.t.defer(self.daemon.stop)
        self.daemon.start()
        api = os.path.dirname(self.daemon.api)
        for folder in (self.t.folder, os.path.dirname(self.t.folder), api):
            os.chmod(folder, 0o755)

    def approve_as(self, user, *args):
        who = pwd.getpwnam(user)
        return subprocess.run(
            [product.binary("shiplock"), "approve", "--socket", self.daemon.api, *args, self.name],
            capture_output=True,
            text=True,
            timeout=30,
            cwd="/",
            env={"PATH": os.environ["PATH"], "NO_COLOR": "1", "LANG": "C.UTF-8"},
            user=who.pw_uid,
            group=who.pw_gid,
            extra_groups=[],
        )


def claim(client):
    return client.find("configmaps", CLAIM, "kube-system")


def revision(client):
    answer = client.request("GET", "/api/v1/namespaces/default/configmaps")
    return int(answer["metadata"]["resourceVersion"])


def watch_from(client, rv):
    _, body = client.raw(
        "GET",
        "/api/v1/namespaces/default/configmaps",
        query={"watch": "1", "resourceVersion": str(rv), "timeoutSeconds": "5"},
    )
    return json.loads(body.splitlines()[0])["object"]


def check_set(up):
    """The set of the control plane lies in the state folder, for its owner alone."""
    for m in up.cluster.control_planes:
        root = os.path.join(up.fleet.daemon.state, "backups", up.fleet.name)
        keys = os.listdir(root)
        equal(len(keys), 1, f"sets in {root}: {keys}")
        path = os.path.join(root, keys[0], f"{m.name}.tar")
        equal(os.stat(path).st_mode & 0o777, 0o600, path)
        on_node = m.run("sha256sum", f"/var/lib/shiplock/backups/{keys[0]}/set.tar").split()[0]
        here = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        equal(here.stdout.split()[0], on_node, "its digest")


@test(
    "kubeadm: ordered by one and approved by another, the data of the snapshot is put back",
    NEEDS,
    timeout=900,
    part="kubeadm-tiers",
)
def test_data(t):
    need_root()
    up = Upgrade(t)
    up.fleet = DataFleet(t)
    name, client = up.fleet.name, up.cluster.client
    up.fleet.start(cpSoak="20m")
    up.fleet.wait_state(name, "cp-soak", STATE_SEC)
    check_set(up)
    for i in range(3):
        made = {"metadata": {"name": f"after-{i}"}, "data": {"k": "v"}}
        client.create("configmaps", made, ns="default")
    old, before = revision(client), int(claim(client)["data"]["epoch"])
    done = up.fleet.cli("rollback", "--tier", "T3", "--yes", name, name)
    equal(done.returncode, 0, f"rollback: {done.stdout}{done.stderr}")
    check("waits for approval two-leads" in done.stdout, done.stdout)
    equal(up.fleet.cluster(name)["state"], "cp-soak", "one yes is not enough")
    done = up.fleet.approve_as(SECOND, "--for", "T3")
    equal(done.returncode, 0, f"approve: {done.stdout}{done.stderr}")
    up.kill_in("rollback", "the restore of etcd on")
    epochs = lambda: int(claim(client)["data"]["epoch"])
    wait_for("the claim is back", lambda: epochs() > before, STATE_SEC, ignore=(Exception,))
    status = up.fleet.wait_rest(STATE_SEC)
    equal([r["exitCode"] for r in status["runs"]], [4], "RolledBack")
    up.cluster.wait_nodes(up.cluster.version)
    equal(up.cluster.server_version(), up.cluster.version, "the API server")
    names = {o["metadata"]["name"] for o in client.list("configmaps", "default")}
    check(not any(n.startswith("after-") for n in names), f"still there: {names}")
    check(revision(client) > BUMP, f"revision {revision(client)}")
    equal(watch_from(client, old)["code"], GONE, "a watch from before")
    check_report(up)
    check("annotations" not in claim(client)["metadata"], f"a claim is left: {claim(client)}")
    t.note(" ".join(f"{at:.0f}:{words}" for at, words in up.fleet.steps()))
    up.check_seen(())


def check_report(up):
    """What was lost is in the report by its name."""
    run = up.fleet.status()["runs"][-1]["name"]
    done = up.fleet.cli("audit", "report", "-o", "json", run)
    equal(done.returncode, 0, f"report: {done.stdout}{done.stderr}")
    lost = json.loads(done.stdout)["clusters"][0]["lost"]
    names = {o["name"] for o in lost["objects"]}
    check({"after-0", "after-1", "after-2"} <= names, f"lost: {lost}")
