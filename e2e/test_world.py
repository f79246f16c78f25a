"""What happens to us from outside while an upgrade is on its way, on real API servers."""

import json
import os
import urllib.parse

from rangelib.cluster import write_json
from rangelib.harness import check, equal, test
from rangelib.upgrade import TO, RangeFleet, stands_at
from rangelib.wait import holds_for, wait_for
from test_upgrade import NEEDS, UNDISTURBED, check_writes, our_writes

RELIST_SEC = 10.0
WATCHED = ("clusterversions", "machineconfigpools", "nodes")
NS, ACCOUNT = "default", "shiplock"
OTHER, OTHER_IMAGE = "4.21.9", "release.other/ocp/release@sha256:" + "9" * 64


def holds(entry, cause):
    return any(h["cause"] == cause for h in entry["holds"])


@test(
    "somebody orders another version in mid-upgrade: held, not overwritten",
    needs=["own-clusters:1", *NEEDS],
    timeout=180,
)
def test_foreign_update(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    f.begin(cpSoak="20s")
    f.wait_state(c.name, "cp-soak")
    before = our_writes(c)
    wish = {"version": OTHER, "image": OTHER_IMAGE, "force": False}
    c.client.patch("clusterversions", "version", {"spec": {"desiredUpdate": wish}})
    entry = f.wait(c.name, "held", lambda e: holds(e, "foreign-update"), 60)
    check(OTHER in entry["holds"][0]["reason"], f"the hold does not name it: {entry['holds']}")
    check(entry["holds"][0]["needsPerson"], "a person must decide")
    equal(f.status()["runs"][0]["exitCode"], 3, "exit code: held")
    holds_for("nothing is written", lambda: our_writes(c).keys() == before.keys(), 3)
    equal({k: len(v) for k, v in our_writes(c).items()}, {k: len(v) for k, v in before.items()}, "writes")
    now = c.client.get("clusterversions", "version")["spec"]["desiredUpdate"]["version"]
    equal(now, OTHER, "the other's wish stands")
    text = f.cli("why", c.name).stdout
    check(OTHER in text and "held" in text, f"why:\n{text}")


@test(
    "a node cordoned by somebody else stays so and is named; the API server restarts twice",
    needs=["own-clusters:1", *NEEDS],
    timeout=200,
)
def test_cordon_and_restart(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    names = [n["metadata"]["name"] for n in c.client.list("nodes")]
    node = [n for n in names if "worker" in n][-1]
    c.client.patch("nodes", node, {"spec": {"unschedulable": True}})
    f.begin(cpSoak="12s")
    f.wait_state(c.name, "cp-soak")
    findings = json.dumps(f.cluster(c.name)["findings"])
    check(node in findings and "cordon" in findings, f"findings: {findings}")
    c.audit_reads("shiplock")
    mark = c.audit.mark()
    restart_apiserver(c)
    f.wait_state(c.name, "nodes")
    check_gone(t, c, mark)
    restart_apiserver(c, kill=True)
    check(c.client.get("nodes", node)["spec"].get("unschedulable"), "the foreign cordon is gone")
    c.client.patch("nodes", node, {"spec": {"unschedulable": None}})
    f.wait_rest(150)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcome")
    check_listed_again(c, mark)
    equal(f.journal().find("hold"), [], "holds: outages of seconds are a delay only")
    check_writes(c, UNDISTURBED)
    stands_at(c.client, TO)


def goes_on(read):
    """A watch that wants to go on from what was seen before."""
    return "watch=1" in read.uri and "sendInitialEvents=true" not in read.uri


def check_gone(t, c, mark):
    """Since the restart a watch of ours was answered: too old."""
    def gone():
        reads = c.audit.reads("shiplock", since=mark)
        return {r.resource for r in reads if goes_on(r) and r.code != 403 and too_old(c, r.uri)}

    t.note(f"410 for {wait_for('a watch of ours is too old', gone, RELIST_SEC)}")


def check_listed_again(c, mark):
    """Since then each watch of ours that could not go on was followed by a list, and by a new watch
    where the list was no stream itself."""
    version = lambda r: r.uri.partition("resourceVersion=")[2].partition("&")[0]
    reads = c.audit.reads("shiplock", since=mark)
    for resource in WATCHED:
        ours = [r for r in reads if r.resource == resource]
        first = next(i for i, r in enumerate(ours) if goes_on(r))
        lists = [i for i, r in enumerate(ours) if i > first and not goes_on(r) and r.code == 200]
        rest = ours[lists[0]:] if lists else []
        check(
            any("sendInitialEvents=true" in r.uri for r in rest)
            or any(goes_on(r) and version(r) != version(ours[first]) for r in rest),
            f"{resource} was not listed again: {[(r.at, r.uri, r.code) for r in ours]}",
        )


def too_old(c, uri):
    """The server answers this watch with 410, by its status or by the event in it."""
    path, _, query = uri.partition("?")
    query = dict(urllib.parse.parse_qsl(query)) | {"timeoutSeconds": "1"}
    status, text = c.client.raw("GET", path, query=query)
    return status == 410 or '"code":410' in text


def restart_apiserver(c, kill=False):
    """An outage of seconds; afterwards old resourceVersions are gone from its watch cache."""
    c.stop_apiserver(kill=kill)
    c.start_apiserver()
    c.wait_answering()


class Account:
    """A service account with the product's rights, whose tokens die with a Secret."""

    def __init__(self, cluster, folder):
        self.client, self.n = cluster.client, 0
        self.path = os.path.join(folder, "token")
        self.client.create("serviceaccounts", meta("v1", "ServiceAccount", ACCOUNT, namespace=NS))
        role = "rbac.authorization.k8s.io"
        self.client.create(
            "clusterrolebindings",
            {
                **meta(f"{role}/v1", "ClusterRoleBinding", "shiplock-account"),
                "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NS}],
                "roleRef": {"kind": "ClusterRole", "name": "shiplock", "apiGroup": role},
            },
        )
        self.renew()
        self.kubeconfig = write_json(
            os.path.join(folder, "kubeconfig"),
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "clusters": [
                    {
                        "name": "x",
                        "cluster": {"server": cluster.url, "certificate-authority": cluster.ca.crt},
                    }
                ],
                "users": [{"name": "x", "user": {"tokenFile": self.path}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            },
        )

    def renew(self):
        """A token bound to a new Secret goes into the file."""
        self.n += 1
        name = f"bound-{self.n}"
        secret = self.client.create("secrets", meta("v1", "Secret", name, namespace=NS))
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {
                "boundObjectRef": {
                    "apiVersion": "v1",
                    "kind": "Secret",
                    "name": name,
                    "uid": secret["metadata"]["uid"],
                }
            },
        }
        answer = self.client.create("serviceaccounts", request, NS, sub="token", name=ACCOUNT)
        self.token = answer["status"]["token"]
        with open(self.path + ".new", "w", encoding="utf-8") as file:
            file.write(self.token)
        os.replace(self.path + ".new", self.path)
        return name

    def expire(self):
        self.client.delete("secrets", f"bound-{self.n}", NS)


def meta(version, kind, name, **more):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **more}}


@test(
    "the token expires in mid-upgrade: held, goes on by itself with a new one; no token is told",
    needs=["own-clusters:1", *NEEDS],
    timeout=200,
)
def test_expiry(t):
    (c,) = t.clusters
    account = Account(c, t.folder)
    f = RangeFleet(t, kubeconfigs={c.name: account.kubeconfig})
    f.begin(cpSoak="15s")
    f.wait_state(c.name, "cp-soak")
    dead = account.token
    account.expire()
    entry = f.wait(c.name, "held", lambda e: holds(e, "credentials"), 90)
    check("rollback" not in f.journal().states(c.name), "it rolled back")
    t.note(entry["holds"])
    account.renew()
    f.wait_rest(150)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcome")
    stands_at(c.client, TO)
    places = {"journal": f.journal().text(), "log": open(f.daemon.process.log, "rb").read()}
    for path in ("/v1/status", "/v1/audit?after=0", f"/v1/clusters/{c.name}/why"):
        places[path] = json.dumps(f.daemon.call("GET", path)[1]).encode()
    for where, text in places.items():
        for token in (dead, account.token):
            check(token.encode() not in text, f"a token stands in {where}")
            check(token.split(".")[2].encode() not in text, f"a token's signature in {where}")
