"""What tests of whole upgrades share: plans in seconds, a fleet with its daemon, the journal.

RangeFleet: clusters of the range with actors, Prometheus, a repository served over http, a daemon.
SimFleet: the same behind `shiplock-sim serve`, for what needs many runs and no real server.
Journal: reads a daemon's records from outside, also while the daemon is stopped or dead.
"""

import functools
import json
import os
import re
import signal
import sqlite3
import subprocess
import time

from . import product
from .harness import check, equal
from .wait import Timeout, wait_for

FROM, TO = "4.21.8", "4.21.10"
SCALE = 200
SETTLED_SEC = 60.0
UP_SEC = 110.0
SLICE_SEC = 0.001

ERROR_RATIO = (
    'sum(rate(haproxy_backend_http_responses_total{code="5xx"}[3s])) '
    "/ sum(rate(haproxy_backend_http_responses_total[3s]))"
)


def gates(**change):
    """A GatePolicy in seconds; change: fields of the gate `ingress`."""
    ingress = {
        "name": "ingress",
        "when": ["cp-soak"],
        "query": ERROR_RATIO,
        "pass": {"atMost": 0.01},
        "fail": {"above": 0.05},
        "settle": "4s",
        "interval": "1s",
        "count": 3,
        "failureLimit": 1,
        "onFail": "rollback",
        **change,
    }
    return {
        "kind": "GatePolicy",
        "metadata": {"name": "quick"},
        "spec": {
            "gates": [
                invariant("version", "clusterVersion", ["cp-verify"], stableFor="5s"),
                invariant("operators", "clusterOperators", ["cp-verify", "verify"], stableFor="1s"),
                invariant("nodes", "nodes", ["verify", "soak"]),
                ingress,
            ]
        },
    }


def invariant(name, what, when, **more):
    return {
        "name": name,
        "when": when,
        "invariant": what,
        "onFail": "rollback",
        "interval": "1s",
        **more,
    }


def plan(names, name="up", **more):
    """An UpgradePlan of one wave; more: fields of the wave, and state or onFailure of the plan."""
    spec = {k: more.pop(k) for k in ("state", "onFailure") if k in more}
    wave = {"name": "all", "clusters": {"names": names}, "cpSoak": "8s", "soak": "2s", **more}
    return {
        "kind": "UpgradePlan",
        "metadata": {"name": name},
        "spec": {"target": {"version": TO}, "policies": {"gates": "quick"}, "waves": [wave], **spec},
    }


class Journal:
    """The records of a state folder."""

    def __init__(self, state):
        self.path = os.path.join(state, "journal.db")
        self.connection = None

    def records(self, after=0):
        """[{"seq", "time" (wall, seconds), "record" (its kind), **body}] in order."""
        try:
            if not self.connection:
                self.connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
            rows = self.connection.execute(
                "select seq, wall_usec, kind, body from record where seq > ? order by seq", (after,)
            ).fetchall()
        except sqlite3.OperationalError:
            self.connection = None
            return []
        return [
            {**json.loads(body), "seq": seq, "time": wall / 1e6, "record": kind}
            for seq, wall, kind, body in rows
        ]

    def seq(self):
        """The last record's number; cheap."""
        try:
            if not self.connection:
                self.connection = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
            return self.connection.execute("select max(seq) from record").fetchone()[0] or 0
        except sqlite3.OperationalError:
            self.connection = None
            return 0

    def find(self, record, **fields):
        """Records of this kind whose fields have these values."""
        return [
            r
            for r in self.records()
            if r["record"] == record and all(r.get(k) == v for k, v in fields.items())
        ]

    def states(self, cluster):
        """The states that the cluster's own item went through, in order."""
        items = {r["item"] for r in self.find("item", kind="cluster", name=cluster)}
        own = min(items) if items else None
        moves = [m for m in self.find("move", cluster=cluster) if m["item"] == own]
        return [m["to"] for m in moves if m["to"] != m["from"]]

    def text(self):
        """Everything in the file and its log, as bytes: for greps."""
        out = b""
        for name in (self.path, self.path + "-wal"):
            if os.path.exists(name):
                with open(name, "rb") as f:
                    out += f.read()
        return out

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None


def freeze_when(daemon, what, condition, timeout):
    """Stops the daemon (SIGSTOP) at the first moment at which condition() is seen to hold.

    Near the end the daemon runs in slices of a millisecond, so that little happens in between.
    The caller crashes it, or lets it go on.
    """
    deadline = time.monotonic() + timeout
    while True:
        daemon.process.check()
        daemon.process.signal(signal.SIGSTOP)
        if condition():
            return
        if time.monotonic() > deadline:
            daemon.process.signal(signal.SIGCONT)
            raise Timeout(f"{what}: not within {timeout:g} s")
        daemon.process.signal(signal.SIGCONT)
        time.sleep(SLICE_SEC)


def at_rest(status):
    """Every run of a status has an exit code: nothing goes on by itself."""
    runs = status.get("runs") or []
    return bool(runs) and all(r["exitCode"] not in (None, -1) for r in runs)


class Fleet:
    """What both kinds of fleet share: self.daemon, self.t."""

    daemon = None

    @functools.cached_property
    def journals(self):
        return {}

    def status(self):
        code, answer = self.daemon.call("GET", "/v1/status")
        equal(code, 200, "status")
        return answer

    def cluster(self, name):
        return self.daemon.cluster(name)

    def journal(self):
        """The same one for every call: each holds files open."""
        j = self.journals.get(self.daemon.state)
        if not j:
            j = self.journals[self.daemon.state] = Journal(self.daemon.state)
            self.t.defer(j.close)
        return j

    def wait(self, name, what, condition, timeout=UP_SEC):
        """Waits for condition(entry of the cluster)."""
        return self.daemon.wait_cluster(name, what, condition, timeout)

    def wait_state(self, name, state, timeout=UP_SEC):
        return self.wait(name, state, lambda c: c["state"] == state, timeout)

    def wait_rest(self, timeout=UP_SEC):
        """Waits until nothing goes on by itself; returns the status."""
        seen = {}

        def probe():
            self.daemon.process.check()
            seen["is"] = self.status()
            return at_rest(seen["is"])

        try:
            wait_for("the run is at rest", probe, timeout, ignore=(OSError,))
        except Timeout as e:
            short = [(c["name"], c["state"], c["now"]) for r in seen["is"]["runs"] for c in r["clusters"]]
            raise Timeout(f"{e}\nclusters: {short}\n{self.picture()}") from None
        return seen["is"]

    def picture(self):
        """What the clusters look like, for a test that failed."""
        return ""

    def outcomes(self):
        return {c["name"]: c["outcome"] for r in self.status()["runs"] for c in r["clusters"]}

    def cli(self, *args, **options):
        """The command line, talking to this fleet's daemon."""
        env = {"SHIPLOCK_SOCKET": self.daemon.api, **options.pop("env", {})}
        return product.cli(*args, env=env, **options)

    def restart(self):
        """kill -9 and a new start."""
        self.daemon.crash()
        self.daemon.start()


class RangeFleet(Fleet):
    """Clusters of the range. push() brings documents; the daemon is started by start()."""

    def __init__(self, t, faults=(), scale=SCALE, extra=(), kubeconfigs=None):
        """faults: of all clusters. kubeconfigs: {cluster name: path}, else the user shiplock's."""
        self.t, self.clusters = t, t.clusters
        self.kubeconfigs = kubeconfigs or {}
        self.actors = {}
        for c in t.clusters:
            a = product.FakeKubeletsAndOperators(
                t.registry, c, faults=faults, time_scale=scale, exporter=True, extra=extra
            )
            a.start()
            t.defer(a.stop)
            t.prometheus.target(a.address, cluster=c.name)
            t.defer(t.prometheus.forget, a.address)
            self.actors[c.name] = a
        self.repository = t.git.repository(f"fleet-{t.clusters[0].name}")
        self.names = [c.name for c in t.clusters]
        began = time.monotonic()
        for c in t.clusters:
            wait_for(f"{c.name} is settled", lambda c=c: settled(c.client), SETTLED_SEC)
        t.note(f"settled after {time.monotonic() - began:.1f} s")

    def picture(self):
        return "\n".join(picture_of(c) for c in self.clusters)

    def documents(self, **spec):
        """The Cluster documents; spec: more fields of each."""
        docs = [
            product.cluster_document(c, prometheus=self.t.prometheus, **spec) for c in self.clusters
        ]
        for d in docs:
            path = self.kubeconfigs.get(d["metadata"]["name"])
            if path:
                d["spec"]["access"]["kubeconfig"]["file"] = path
        return docs

    def push(self, *docs, file="plans/fleet.yaml", message="change"):
        """Commits documents and tells the daemon to look; returns the commit."""
        commit = self.repository.commit({file: product.documents(*docs)}, message)
        if self.daemon:
            self.look()
        return commit

    def look(self):
        """The daemon looks at its repositories at once."""
        self.daemon.process.signal(signal.SIGHUP)

    def start(self, env=None, **spec):
        repository = {"name": "fleet", "url": self.t.git.http.url(self.repository), "interval": "5s"}
        self.daemon = product.Daemon(
            self.t.registry, self.t.folder, {"repositories": [repository], **spec}, env=env
        )
        self.t.defer(self.daemon.stop)
        self.daemon.start()
        return self.daemon

    def begin(self, *gate_policies, **plan_fields):
        """Pushes clusters and plan and starts the daemon."""
        policies = gate_policies or (gates(),)
        self.push(*self.documents(), *policies, plan(self.names, **plan_fields))
        return self.start()


def settled(client):
    """A cluster that play has built stands still: pools updated, budgets computed, offers made."""
    cv = client.find("clusterversions", "version") or {}
    pools = client.list("machineconfigpools")
    budgets = client.list("poddisruptionbudgets")
    return (
        bool(cv.get("status", {}).get("availableUpdates"))
        and len(pools) == 2
        and all(pool_settled(p.get("status", {})) for p in pools)
        and all(budget_settled(b) for b in budgets)
    )


def picture_of(c):
    """Nodes and what is on them, in one line each."""
    pods = c.client.list("pods")
    lines = [f"{c.name}:"]
    for n in c.client.list("nodes"):
        name = n["metadata"]["name"]
        here = [p for p in pods if p["spec"].get("nodeName") == name]
        leaving = [p for p in here if p["metadata"].get("deletionTimestamp")]
        notes = {
            k.rpartition("/")[2]: v[:60] for k, v in n["metadata"].get("annotations", {}).items()
        }
        lines.append(
            f"  {name} unschedulable={n['spec'].get('unschedulable')} pods={len(here)} "
            f"leaving={len(leaving)} {notes}"
        )
    return "\n".join(lines)


def pool_settled(status):
    n = status.get("machineCount")
    return n and status.get("updatedMachineCount") == n and status.get("readyMachineCount") == n


def budget_settled(b):
    s = b.get("status", {})
    return (
        s.get("observedGeneration") == b["metadata"]["generation"]
        and s.get("currentHealthy", 0) >= s.get("desiredHealthy", 1)
    )


def stands_at(client, version):
    """Control plane and pools stand at this version, nothing of ours is left."""
    cv = client.get("clusterversions", "version")
    newest = cv["status"]["history"][0]
    equal((newest["version"], newest["state"]), (version, "Completed"), "newest history entry")
    ours = [k for k in cv["metadata"].get("annotations", {}) if "shiplock" in k]
    check(not ours, f"ClusterVersion still carries {ours}")
    for pool in client.list("machineconfigpools"):
        check(not pool["spec"].get("paused"), f"pool {pool['metadata']['name']} is paused")
        check(pool_settled(pool["status"]), f"pool {pool['metadata']['name']}: {pool['status']}")
    for node in client.list("nodes"):
        name = node["metadata"]["name"]
        marks = [k for k in node["metadata"].get("annotations", {}) if "shiplock" in k]
        check(not marks, f"marks on node {name}: {marks}")


class SimFleet(Fleet):
    """One `shiplock-sim serve` with its clusters, and a daemon on a repository of its own."""

    def __init__(self, t, n=1, faults=(), scale=300, extra=()):
        self.t = t
        self.folder = os.path.join(t.folder, "sim")
        argv = [product.binary("shiplock-sim"), "serve", "--clusters", n, "--time-scale", scale]
        argv += ["--dir", self.folder, "--no-plan", *extra]
        for f in faults:
            argv += ["--fault", f]
        self.process = t.registry.spawn(f"sim-{os.path.basename(t.folder)}", argv)
        t.defer(self.process.stop)
        self.process.wait_ready(lambda: "fleet of" in self.process.tail(), 20)
        with open(self.process.log, encoding="utf-8") as f:
            lines = re.findall(r"^(\S+) api (\S+) telemetry (\S+)$", f.read(), re.M)
        self.api = {name: api for name, api, _ in lines}
        self.telemetry = {name: telemetry for name, _, telemetry in lines}
        self.names = list(self.api)
        with open(os.path.join(self.folder, "checkout/plans/clusters.yaml"), encoding="utf-8") as f:
            self.texts = dict(zip(self.names, f.read().split("---\n")[1:]))
        with open(os.path.join(self.folder, "checkout/policies/gates.yaml"), encoding="utf-8") as f:
            self.policy = f.read()

    def text(self, names, **plan_fields):
        """One file with these clusters, the policy and a plan."""
        fields = {"cpSoak": "4s", "soak": "2s", **plan_fields}
        wish = plan(names, **fields)
        wish["spec"]["policies"]["gates"] = "demo"
        parts = [self.texts[n] for n in names] + [self.policy]
        return "".join("---\n" + p for p in parts) + product.documents(wish)

    def daemon_for(self, names, folder, **plan_fields):
        """A daemon (not started) with a repository that holds a plan for these clusters."""
        repository = make_repository(folder, {"plans/fleet.yaml": self.text(names, **plan_fields)})
        spec = {"repositories": [{"name": "fleet", "url": repository, "interval": "5s"}]}
        return product.Daemon(self.t.registry, folder, spec, name=os.path.basename(folder))

    def start(self, names=None, **plan_fields):
        folder = os.path.join(self.t.folder, "daemon")
        self.daemon = self.daemon_for(names or self.names, folder, **plan_fields)
        self.t.defer(self.daemon.stop)
        self.daemon.start()
        return self.daemon

    def get(self, name, path):
        """An object of a simulated API server."""
        done = subprocess.run(
            ["curl", "-sf", "--noproxy", "*", self.api[name] + path],
            capture_output=True,
            timeout=20,
            check=True,
        )
        return json.loads(done.stdout)


def git(folder, *args):
    """git with an identity; returns its output."""
    done = subprocess.run(
        ["git", "-C", folder, "-c", "user.name=e2e", "-c", "user.email=e2e@localhost"]
        + ["-c", "commit.gpgsign=false", *args],
        capture_output=True,
        text=True,
        timeout=60,
    )
    check(done.returncode == 0, f"git {' '.join(args)}: {done.stderr}")
    return done.stdout


def make_repository(folder, files):
    """A bare repository folder/plans.git with one commit, its checkout beside it; returns its path."""
    bare, work = os.path.join(folder, "plans.git"), os.path.join(folder, "checkout")
    os.makedirs(work)
    git(folder, "init", "-q", "--bare", "-b", "main", bare)
    git(work, "init", "-q", "-b", "main")
    git(work, "remote", "add", "origin", bare)
    commit_files(work, files)
    return bare


def commit_files(work, files):
    """Writes files (bytes or text; None removes) in a checkout, commits, pushes."""
    for path, content in files.items():
        full = os.path.join(work, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if content is None:
            os.unlink(full)
            continue
        with open(full, "wb") as f:
            f.write(content.encode() if isinstance(content, str) else content)
    git(work, "add", "-A", ".")
    git(work, "commit", "-q", "-m", "change")
    git(work, "push", "-q", "-f", "origin", "main")
    return git(work, "rev-parse", "HEAD").strip()
