"""The range itself: are the servers real, do the helpers tell the truth? Needs no product."""

import os
import signal
import subprocess
import sys
import time
import uuid

from rangelib.gitserver import git, wait_head
from rangelib.harness import check, equal, test
from rangelib.kube import ApiError
from rangelib.kubelet import TinyKubelet, now_text
from rangelib.proc import Registry
from rangelib.prom import Exporter, fetch
from rangelib.wait import Timeout, holds_for, wait_for

AGENT = "range-test/1"


def refused(call, status, what):
    """Runs call(), which the server must refuse with this status; returns the error."""
    try:
        call()
    except ApiError as e:
        equal(e.status, status, what)
        return e
    raise AssertionError(f"{what}: was accepted")


def labels(app):
    return {"app": app}


def deployment(app, replicas):
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": app},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels(app)},
            "template": {
                "metadata": {"labels": labels(app)},
                "spec": {
                    "terminationGracePeriodSeconds": 1,
                    "containers": [{"name": "main", "image": "example.com/app:1"}],
                },
            },
        },
    }


def budget(app, minimum):
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": app},
        "spec": {"minAvailable": minimum, "selector": {"matchLabels": labels(app)}},
    }


def namespace(t, client, name):
    client.create(
        "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    t.defer(client.delete_if_there, "namespaces", name)
    wait_for("default service account", lambda: client.find("serviceaccounts", "default", name))


@test("two clusters answer ready, each with its own store", needs=["clusters:2"])
def test_ready(t):
    a, b = (c.client for c in t.clusters)
    for c in (a, b):
        equal(c.raw("GET", "/readyz")[0], 200, "readyz")
        equal(c.request("GET", "/version")["gitVersion"], "v1.36.3", "version")
    a.create("configmaps", {"metadata": {"name": "only-here"}, "data": {"k": "v"}}, ns="default")
    t.defer(a.delete, "configmaps", "only-here", "default")
    check(b.find("configmaps", "only-here", "default") is None, "an object of c1 is seen in c2")


@test("kubectl and the kubeconfig of each user work", needs=["clusters:1"])
def test_kubeconfigs(t):
    cluster = t.clusters[0]
    for user, name in (("admin", "range-admin"), ("shiplock", "shiplock"), ("actors", "actors")):
        out = subprocess.run(
            [
                os.path.join(cluster.binaries, "kubectl"),
                "auth",
                "whoami",
                "-o",
                "jsonpath={.status.userInfo.username}",
                "--kubeconfig",
                cluster.kubeconfigs[user],
            ],
            capture_output=True,
            text=True,
            timeout=30,
            env={**os.environ, "HOME": t.folder},
        )
        equal(
            (out.returncode, out.stdout), (0, name), f"kubectl auth whoami as {user}: {out.stderr}"
        )


@test("the product's user has its rights and no more", needs=["clusters:1"])
def test_rights(t):
    cluster = t.clusters[0]
    product, admin = cluster.client_for("shiplock"), cluster.client
    check(isinstance(product.list("clusterversions"), list), "clusterversions cannot be listed")
    admin.create("nodes", {"metadata": {"name": "right-node"}})
    t.defer(admin.delete, "nodes", "right-node")
    product.patch("nodes", "right-node", {"spec": {"unschedulable": True}})
    refused(lambda: product.delete("nodes", "right-node"), 403, "delete of a node")
    refused(lambda: product.list("secrets"), 403, "list of secrets")
    check(cluster.client_for("actors").list("secrets") is not None, "actors cannot list secrets")


@test(
    "ClusterVersion takes spec and status and refuses what the real one refuses",
    needs=["clusters:1"],
)
def test_cluster_version(t):
    client = t.clusters[0].client
    spec = {"clusterID": str(uuid.uuid4()), "channel": "stable-4.21"}
    made = client.create(
        "clusterversions",
        {
            "apiVersion": "config.openshift.io/v1",
            "kind": "ClusterVersion",
            "metadata": {"name": "version"},
            "spec": spec,
        },
    )
    t.defer(client.delete, "clusterversions", "version")
    equal(made["metadata"]["generation"], 1, "generation")
    release = {"version": "4.21.8", "image": "example.com/release@sha256:" + "0" * 64}
    condition = {"type": "Available", "status": "True", "lastTransitionTime": now_text()}
    made["status"] = {
        "desired": release,
        "observedGeneration": 1,
        "versionHash": "x",
        "availableUpdates": None,
        "history": [
            {
                **release,
                "state": "Completed",
                "startedTime": now_text(),
                "completionTime": now_text(),
                "verified": True,
            }
        ],
        "conditions": [condition],
    }
    client.replace("clusterversions", made, "status")
    got = client.get("clusterversions", "version")
    equal(got["status"]["desired"], release, "status.desired")
    equal(got["status"]["availableUpdates"], None, "status.availableUpdates")
    equal(got["metadata"]["generation"], 1, "generation after a status write")

    wish = {
        "spec": {
            "desiredUpdate": {
                "architecture": "",
                "version": "4.21.10",
                "image": "example.com/release@sha256:" + "1" * 64,
                "force": False,
            }
        }
    }
    got = client.patch("clusterversions", "version", wish)
    equal(got["metadata"]["generation"], 2, "generation after a wish")
    equal(got["status"]["desired"], release, "status is not touched by a spec patch")
    both = {"spec": {"desiredUpdate": {"architecture": "Multi"}}}
    refused(
        lambda: client.patch("clusterversions", "version", both), 422, "image with architecture"
    )
    stale = {
        "metadata": {"resourceVersion": made["metadata"]["resourceVersion"]},
        "spec": {"channel": "x"},
    }
    refused(
        lambda: client.patch("clusterversions", "version", stale), 409, "patch of an old version"
    )
    refused(
        lambda: client.create(
            "clusterversions",
            {
                "apiVersion": "config.openshift.io/v1",
                "kind": "ClusterVersion",
                "metadata": {"name": "second"},
                "spec": {},
            },
        ),
        422,
        "ClusterVersion without clusterID",
    )


@test("operators and pools take their status", needs=["clusters:1"])
def test_operators_and_pools(t):
    client = t.clusters[0].client
    stamp = now_text()
    for plural, api, kind, spec, status in (
        (
            "clusteroperators",
            "config.openshift.io/v1",
            "ClusterOperator",
            {},
            {
                "versions": [{"name": "operator", "version": "4.21.8"}],
                "conditions": [
                    {"type": "Available", "status": "True", "lastTransitionTime": stamp}
                ],
            },
        ),
        (
            "machineconfigpools",
            "machineconfiguration.openshift.io/v1",
            "MachineConfigPool",
            {"paused": False, "maxUnavailable": "10%"},
            {
                "machineCount": 3,
                "updatedMachineCount": 2,
                "configuration": {"name": "rendered-worker-a"},
            },
        ),
        (
            "machineconfigs",
            "machineconfiguration.openshift.io/v1",
            "MachineConfig",
            {"osImageURL": "example.com/os"},
            None,
        ),
    ):
        client.create(
            plural, {"apiVersion": api, "kind": kind, "metadata": {"name": "probe"}, "spec": spec}
        )
        t.defer(client.delete, plural, "probe")
        if status:
            client.status(plural, "probe", status)
        got = client.get(plural, "probe")
        equal((got["spec"], got.get("status")), (spec, status), kind)
    wrong = {
        "status": {
            "conditions": [{"type": "Available", "status": "Maybe", "lastTransitionTime": stamp}]
        }
    }
    refused(
        lambda: client.patch("clusteroperators", "probe", wrong, sub="status"),
        422,
        "a status of Maybe",
    )


@test(
    "pods are bound, a budget is computed, and an eviction against it answers 429",
    needs=["clusters:1"],
)
def test_eviction(t):
    cluster = t.clusters[0]
    client = cluster.client
    t.defer(TinyKubelet(client, ["n1", "n2"]).stop)
    namespace(t, client, "shop")
    client.create("deployments", deployment("web", 2), ns="shop")
    client.create("poddisruptionbudgets", budget("web", 2), ns="shop")

    def ready():
        return [
            p
            for p in client.list("pods", "shop")
            if p.get("status", {}).get("phase") == "Running"
            and not p["metadata"].get("deletionTimestamp")
        ]

    wait_for("two pods run", lambda: len(ready()) == 2, 20)
    check(
        {p["spec"]["nodeName"] for p in ready()} <= {"n1", "n2"}, "bound to nodes that do not exist"
    )
    wait_for(
        "budget sees two healthy pods",
        lambda: client.get("poddisruptionbudgets", "web", "shop")
        .get("status", {})
        .get("currentHealthy")
        == 2,
    )
    victim = ready()[0]["metadata"]
    e = refused(
        lambda: client.evict("shop", victim["name"], victim["uid"]), 429, "eviction at budget 0"
    )
    check("DisruptionBudget" in e.causes(), f"cause of the refusal: {e.body}")

    client.patch("poddisruptionbudgets", "web", {"spec": {"minAvailable": 1}}, "shop")
    wait_for(
        "budget allows one",
        lambda: client.get("poddisruptionbudgets", "web", "shop")["status"]["disruptionsAllowed"]
        == 1,
    )
    client.evict("shop", victim["name"], victim["uid"])
    wait_for(
        "the victim is gone and replaced",
        lambda: len(ready()) == 2 and all(p["metadata"]["uid"] != victim["uid"] for p in ready()),
        20,
    )
    codes = [
        w.code for w in cluster.audit.writes(resource="pods", sub="eviction", name=victim["name"])
    ]
    equal(codes, [429, 201], "evictions in the audit log")


@test("an eviction by a wrong uid answers 409 and yet spends the budget", needs=["clusters:1"])
def test_eviction_wrong_uid(t):
    client = t.clusters[0].client
    t.defer(TinyKubelet(client, ["n3"]).stop)
    namespace(t, client, "wrong-uid")
    client.create("deployments", deployment("web", 2), ns="wrong-uid")
    client.create("poddisruptionbudgets", budget("web", 1), ns="wrong-uid")

    def status():
        return client.get("poddisruptionbudgets", "web", "wrong-uid").get("status", {})

    wait_for("the budget allows one", lambda: status().get("disruptionsAllowed") == 1, 20)
    names = [p["metadata"]["name"] for p in client.list("pods", "wrong-uid")]
    refused(
        lambda: client.evict("wrong-uid", names[0], "another-uid"), 409, "eviction of another uid"
    )
    # The server takes the pod from the budget before it compares the uid, and
    # gives it back after 2 minutes.
    check(names[0] in status()["disruptedPods"], "the pod does not stand in disruptedPods")
    refused(lambda: client.evict("wrong-uid", names[1]), 429, "eviction of the other pod")


@test("the audit log tells who wrote what, and what took effect", needs=["clusters:1"])
def test_audit(t):
    cluster = t.clusters[0]
    product = cluster.client_for("shiplock", AGENT)
    cluster.client.create("nodes", {"metadata": {"name": "audit-node"}})
    t.defer(cluster.client.delete, "nodes", "audit-node")
    mark = cluster.audit.mark()
    body = {"spec": {"unschedulable": True}}
    product.patch("nodes", "audit-node", body, query={"dryRun": "All"})
    product.patch("nodes", "audit-node", body)
    refused(lambda: product.delete("nodes", "audit-node"), 403, "delete of a node")
    cluster.audit.wait(user="shiplock", verb="delete", name="audit-node", since=mark)
    seen = cluster.audit.writes(user="shiplock", agent=AGENT, since=mark)
    equal(
        [(w.verb, w.code, w.accepted) for w in seen],
        [("patch", 200, False), ("patch", 200, True), ("delete", 403, False)],
        "writes of the product",
    )
    equal(seen[1].body, body, "the body of the request")
    effective = cluster.audit.effective(user="shiplock", since=mark)
    equal(sorted(effective), ["nodes audit-node"], "objects that the product changed")
    equal(len(effective["nodes audit-node"]), 1, "effective writes")


@test("an outage of one API server ends with the same objects", needs=["own-clusters:1"])
def test_outage(t):
    cluster = t.clusters[0]
    uid = cluster.client.get("namespaces", "default")["metadata"]["uid"]
    cluster.stop_apiserver(kill=True)
    check(not cluster.client.ready(), "a dead API server answers")
    cluster.start_apiserver()
    cluster.wait_answering()
    equal(
        cluster.client.get("namespaces", "default")["metadata"]["uid"], uid, "uid of the namespace"
    )


@test("Prometheus scrapes an exporter and its alert reaches the Alertmanager", needs=["prometheus"])
def test_prometheus(t):
    exporter = Exporter()
    t.defer(exporter.stop)
    exporter.set("demo_value", 41, node="n1")
    t.prometheus.target(exporter.address, cluster="c1")
    t.defer(t.prometheus.forget, exporter.address)
    got = t.prometheus.wait_query('demo_value{cluster="c1"}')
    equal((got[0]["metric"]["node"], got[0]["value"][1]), ("n1", "41"), "the sample")
    exporter.set("demo_value", 42, node="n1")
    t.prometheus.wait_query('demo_value{cluster="c1"} == 42')
    t.prometheus.rules(
        [
            {
                "name": "demo",
                "rules": [
                    {
                        "alert": "DemoHigh",
                        "expr": "demo_value > 41",
                        "labels": {"severity": "critical"},
                    }
                ],
            }
        ]
    )
    t.defer(t.prometheus.rules, [])
    alert = wait_for("the alert at the Alertmanager", t.alertmanager.alerts, 20)[0]
    equal(
        (alert["labels"]["alertname"], alert["labels"]["cluster"]), ("DemoHigh", "c1"), "the alert"
    )


@test("a silence is accepted and hides its alert", needs=["alertmanager"])
def test_silence(t):
    url = t.alertmanager.url
    fetch(url + "/api/v2/alerts", [{"labels": {"alertname": "ByHand", "cluster": "c1"}}])
    stamp, later = time.time(), time.time() + 600
    made = fetch(
        url + "/api/v2/silences",
        {
            "matchers": [
                {"name": "alertname", "value": "ByHand", "isRegex": False, "isEqual": True}
            ],
            "startsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(stamp)),
            "endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(later)),
            "createdBy": "range",
            "comment": "probe",
        },
    )
    t.defer(fetch, f"{url}/api/v2/silence/{made['silenceID']}", method="DELETE")
    wait_for(
        "the alert is silenced",
        lambda: any(
            a["labels"]["alertname"] == "ByHand" and a["status"]["silencedBy"]
            for a in t.alertmanager.alerts()
        ),
    )


@test("Git is served over http and over ssh, for reading and writing", needs=["git"])
def test_git(t):
    repository = t.git.repository("fleet")
    first = repository.commit({"plans/a.yaml": "a: 1\n"})
    for kind, url, env in (
        ("http", t.git.http.url(repository), {}),
        ("ssh", t.git.ssh.url(repository), t.git.ssh.env()),
    ):
        tree = os.path.join(t.folder, kind)
        git("clone", "-q", url, tree, env=env)
        equal(git("rev-parse", "HEAD", cwd=tree), first, f"cloned over {kind}")
        with open(os.path.join(tree, kind), "wb") as f:
            f.write(os.urandom(2_000_000))  # more than one http buffer: sent in chunks
        git("add", "-A", cwd=tree)
        git("commit", "-q", "-m", kind, cwd=tree)
        git("push", "-q", "origin", "main", cwd=tree, env=env)
        first = git("rev-parse", "HEAD", cwd=tree)
        wait_head(repository, first)
    equal(repository.pull(), first, "pulled")
    done = t.git.ssh.run("touch /tmp/never")
    check(done.returncode != 0, "the git login runs other commands too")


@test(
    "a process that ignores SIGTERM is ended, and a condition that never holds is named", needs=[]
)
def test_registry(t):
    registry = Registry(os.path.join(t.folder, "logs"))
    stubborn = registry.spawn(
        "stubborn",
        [
            sys.executable,
            "-c",
            "import signal,sys\nsignal.signal(signal.SIGTERM,signal.SIG_IGN)\n"
            "print('up',flush=True)\nsignal.pause()",
        ],
    )
    stubborn.wait_ready(lambda: "up" in stubborn.tail(), 20)
    equal(stubborn.stop(timeout=0.3), -signal.SIGKILL, "exit code of the process")
    try:
        wait_for("pigs fly", lambda: False, timeout=0.1)
        raise AssertionError("a false condition came true")
    except Timeout as e:
        check("pigs fly" in str(e), f"the text names the condition: {e}")


@test("a run that is killed leaves no process behind", needs=[])
def test_killed_run(t):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from rangelib.proc import Registry\n"
        "p = Registry(sys.argv[2]).spawn('child', ['sleep', '600'])\n"
        "print(p.pid, flush=True); p.popen.wait()\n"
    )
    lib = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")
    runner = subprocess.Popen(
        [sys.executable, "-c", code, lib, os.path.join(t.folder, "killed")],
        stdout=subprocess.PIPE,
        text=True,
    )
    t.defer(runner.wait, 10)
    t.defer(runner.kill)
    child = int(runner.stdout.readline())

    def state():
        """Z: ended, but whoever adopted it has not asked for its exit code."""
        try:
            with open(f"/proc/{child}/stat", encoding="ascii") as f:
                return f.read().rpartition(")")[2].split()[0]
        except OSError:
            return "gone"

    def is_sleep():
        with open(f"/proc/{child}/comm", encoding="ascii") as f:
            return f.read().strip() == "sleep"

    wait_for("the child runs", is_sleep)
    holds_for("the child lives", lambda: state() in ("S", "R"), 0.2)
    runner.kill()
    wait_for("the child ended with its run", lambda: state() in ("Z", "gone"))
