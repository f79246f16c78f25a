"""A real cluster on true nodes: real kubelets, containers, etcd and kubeadm."""

import json
import os
import signal
import subprocess
import sys
import time

from rangelib import machines, objects, outside, product, workload
from rangelib.harness import check, equal, need_true_nodes, test
from rangelib.kubeadm import SYSTEMCTL
from rangelib.kubeadm_fleet import KubeadmFleet, OldClient
from rangelib.wait import wait_for

STATE_SEC = 300.0
LONG_SEC = 800.0
RATE_MIN, LOOKS_MIN = 18, 8  # of 20 and 10 a second that are wanted
LIB = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lib")


def worker(request):
    """One request to the product's own worker, as shiplockd would send it."""
    done = subprocess.run(
        [product.binary("shiplock-worker"), "node"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=60,
    )
    check(done.returncode == 0, f"{request['op']} on {request['host']}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def node_request(cluster, m, **more):
    return {
        "host": m.address,
        "user": cluster.ssh_user,
        "key": {"file": cluster.ssh_key},
        "knownHosts": {"file": cluster.known_hosts},
        "become": "none",
        **more,
    }


def check_node_access(cluster, m):
    """Looks, effects and files by the product's own way to a node."""
    ask = lambda **more: worker(node_request(cluster, m, **more))
    boot = m.read("/proc/sys/kernel/random/boot_id")
    seen = ask(op="run", command="hostname; cat /proc/sys/kernel/random/boot_id; kubelet --version")
    check(seen["ok"], f"{m.name}: {seen}")
    equal(seen["out"], f"{m.name}\n{boot}Kubernetes v{cluster.version}\n", f"{m.name} says")
    job = {"state": "/var/lib/shiplock", "epoch": 1, "job": "range-1"}
    ask(op="start", command="systemctl is-active kubelet", limitSec=30, **job)
    done = wait_for(
        f"{m.name}: the job is done",
        lambda: (a := ask(op="look", **job)) and a["state"] == "done" and a,
        30,
    )
    equal((done["ok"], done["out"]), (True, "active\n"), f"{m.name}: the job")
    put = ask(op="put", state=job["state"], epoch=1, path="/etc/range-was-here", text="yes\n")
    equal(m.read("/etc/range-was-here"), "yes\n", "a file that was put")
    equal(ask(op="get", path="/etc/range-was-here")["sha256"], put["sha256"], "and got")
    check(not os.path.exists("/etc/range-was-here"), "the node's disk is the machine's")


def kill_web(m):
    """Kills the workload's servers on one node; other nodes' processes are not seen from it."""
    pids = m.run("pgrep", "-x", "web").split()
    m.run("kill", "-KILL", *pids)


def start_witnesses(t, cluster, name=""):
    """The client and the observer, ended with the test."""
    folder = os.path.join(t.folder, "witness")
    traffic = outside.Traffic(
        t.registry, folder, cluster, workload.NAMESPACE, workload.SERVICES, f"traffic{name}"
    )
    t.defer(traffic.process.stop)
    observer = outside.Observer(
        t.registry, folder, cluster, workload.NAMESPACE, workload.NEEDED, f"observer{name}"
    )
    t.defer(observer.process.stop)
    wait_for("the client asks", traffic.sent, 30)
    return traffic, observer


def scraped(prometheus, query, n):
    """Waits until the query has n series, and none of them 0."""

    def enough(result):
        return len(result) == n and all(float(r["value"][1]) > 0 for r in result)

    prometheus.wait_query(query, enough, timeout=60)


@test("kubeadm: a cluster of three true nodes stands, works and is scraped", ["kubeadm:1+2"])
def test_stands(t):
    c = t.kubeadm
    equal(c.server_version(), c.version, "the API server's version")
    equal(c.kubelet_versions(), {m.name: c.version for m in c.nodes}, "kubelets")
    for m in c.nodes:
        check_node_access(c, m)
    workload.install(c.client)
    t.defer(workload.remove, c.client)
    p = c.prometheus or c.scraped()
    traffic, observer = start_witnesses(t, c)
    for name in workload.SERVICES:
        pod = c.client.list("pods", workload.NAMESPACE, labelSelector=f"app={name}")[0]
        c.client.evict(workload.NAMESPACE, pod["metadata"]["name"], pod["metadata"]["uid"])
        gone = lambda: workload.ready(c.client) and not uid_there(c.client, pod)
        wait_for(f"a pod of {name} is replaced", gone, 60)
    scraped(p, 'sum by (node) (apiserver_request_total{job="apiserver"})', 1)
    scraped(p, 'sum by (node) (etcd_server_has_leader{job="etcd"})', 1)
    scraped(p, 'sum by (node) (kubelet_running_pods{job="kubelet"})', 3)
    equal(p.query("up == 0"), [], "targets that are down")
    wait_for("200 requests", lambda: traffic.sent() >= 200, 30)
    traffic.stop()
    observer.stop()
    equal(traffic.failed(), [], f"failed of {traffic.sent()} requests")
    equal(observer.breaches(), [], "budgets that were broken")
    equal(observer.gaps(), [], "API server not answering")
    check_witnesses(t, c)


def check_witnesses(t, c):
    """They see it when requests fail and budgets break."""
    traffic, observer = start_witnesses(t, c, "-control")
    for m in c.workers:
        kill_web(m)
    wait_for("failed requests", traffic.failed, 30)
    wait_for("broken budgets", observer.breaches, 30)
    ahead = {"metadata": {"name": "x"}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.3"}}}
    equal(len(outside.newer_kubelets(["v1.36.3", "v1.35.4"], [ahead])), 1, "a kubelet ahead")
    equal(outside.newer_kubelets(["v1.36.3"], [ahead]), [], "one that is not")


def uid_there(client, pod):
    now = client.find("pods", pod["metadata"]["name"], workload.NAMESPACE)
    return now and now["metadata"]["uid"] == pod["metadata"]["uid"]


class Upgrade:
    """The workload, the witnesses and a fleet of one cluster of true nodes; ended with the test."""

    def __init__(self, t):
        self.t, self.cluster = t, t.kubeadm
        self.cluster.bring_images(self.cluster.target)
        workload.install(self.cluster.client, everywhere=len(self.cluster.workers) < 2)
        t.defer(workload.remove, self.cluster.client)
        self.fleet = KubeadmFleet(t)
        self.before = objects.picture(self.cluster.client)
        self.traffic, self.observer = start_witnesses(t, self.cluster)
        folder = os.path.join(t.folder, "witness")
        self.versions = outside.Versions(t.registry, folder, self.cluster)
        t.defer(self.versions.process.stop)
        self.began = time.monotonic()

    def kill_in(self, state, what=None):
        """kill -9 of shiplockd and a new start, once the cluster is in this state."""
        name = self.fleet.name
        there = lambda c: c["state"] == state and (not what or what in json.dumps(c))
        self.fleet.wait(name, f"{state} {what or ''}", there, STATE_SEC)
        self.fleet.restart()
        self.t.note(f"shiplockd killed in {state} {what or ''}")

    def check_end(self, version, lost=()):
        """Everything stands at this version, nobody noticed, nothing of ours is left. lost: machines
        that were without power: requests to their pods are not counted."""
        c = self.cluster
        c.wait_nodes(version)
        for m in c.control_planes:
            equal(c.server_version(m), version, f"the API server of {m.name}")
        workload.wait_ready(c.client)
        self.t.note(" ".join(f"{at:.0f}:{words}" for at, words in self.fleet.steps()))
        self.check_seen(tuple(m.pods.rpartition(".")[0] + "." for m in lost))
        after = objects.picture(c.client)
        equal(objects.differences(self.before, after), [], "objects that changed")
        check_no_marks(after)

    def check_seen(self, lost):
        """They have looked all the time, and saw nothing. lost: how addresses begin."""
        for witness in (self.traffic, self.observer, self.versions):
            witness.stop()
        sent, gaps, took = self.traffic.sent(), self.observer.gaps(), time.monotonic() - self.began
        away = self.observer.gap_sec()
        looks = self.observer.looks() / max(took - away, 1)
        self.t.note(
            f"{took:.0f} s: {sent / took:.1f} requests a second, {sent} in all; API server away "
            f"{[round(s, 1) for _, s in gaps]} s; budgets looked at {looks:.1f} times a second, "
            f"versions {self.versions.looks() / max(took - away, 1):.1f} times"
        )
        failed = [x for x in self.traffic.failed() if not (x["address"] or "").startswith(lost)]
        equal(failed, [], f"failed of {sent} requests")
        equal(self.observer.breaches(), [], "budgets that were broken")
        equal(self.versions.newer(), [], "kubelets newer than an API server")
        check(sent / took > RATE_MIN, f"the client asked {sent / took:.1f} times a second")
        check(looks > LOOKS_MIN, f"the budgets were looked at {looks:.1f} times a second")
        check(self.versions.looks() > (took - away) / 2, "versions were hardly looked at")


def check_no_marks(picture):
    """Nothing carries a mark of ours, save the claim's own object, which holds no claim."""
    for key, item in picture.items():
        marks = [k for k in item["metadata"].get("annotations", {}) if k.startswith("shiplock")]
        marks += [k for k in item["metadata"].get("labels", {}) if k.startswith("shiplock")]
        allowed = ["shiplock.dev/"] if key.startswith("events ") else []
        check(not [m for m in marks if m not in allowed], f"{key} carries {marks}")
        check(not item.get("spec", {}).get("unschedulable"), f"{key} is cordoned")


@test(
    "kubeadm: a rule on real metrics fails in the soak and 1.36 goes back to 1.35 by itself",
    ["kubeadm:1+2", "binaries:shiplock,shiplockd,shiplock-worker"],
    timeout=480,
)
def test_back(t):
    up = Upgrade(t)
    old = OldClient(up.cluster)
    t.defer(old.stop)
    old.start()
    up.fleet.start(cpSoak="5m")
    up.kill_in("control-plane", "kubeadm upgrade on")
    up.kill_in("cp-soak")
    equal(up.cluster.server_version(), up.cluster.target, "the API server in the soak")
    old.armed.set()
    up.kill_in("rollback", "way back on")
    status = up.fleet.wait_rest(STATE_SEC)
    equal([r["exitCode"] for r in status["runs"]], [4], "RolledBack")
    first, healthy = up.fleet.back_figures(old.since)
    t.note(f"fault to first write {first:.1f} s, fault to healthy {healthy:.1f} s")
    up.check_end(up.cluster.version)


@test(
    "kubeadm: a merged plan takes 1.35 to 1.36, workers included, and nobody notices",
    ["own-kubeadm:1+2", "binaries:shiplock,shiplockd,shiplock-worker"],
    timeout=900,
    part="kubeadm-up",
)
def test_up(t):
    up = Upgrade(t)
    up.fleet.start(cpSoak="10s")
    status = up.fleet.wait_rest(LONG_SEC)
    equal([r["exitCode"] for r in status["runs"]], [0], "Succeeded")
    up.check_end(up.cluster.target)


KILLED = """
import sys, time
from rangelib import machines, proc
lab = machines.Lab(proc.Registry(sys.argv[1] + "/logs"), sys.argv[1] + "/lab")
m = lab.add("n1")
m.file("/usr/local/sbin/systemctl", source=sys.argv[2], mode=0o755)
m.power_on()
print(lab.number, m.pid, flush=True)
time.sleep(600)
"""


@test("kubeadm: what a killed run leaves of its nodes is removed by the next one", [])
def test_killed(t):
    need_true_nodes()
    folder = os.path.join(t.folder, "killed")
    os.makedirs(folder)
    killed = subprocess.Popen(
        [sys.executable, "-B", "-c", KILLED, folder, SYSTEMCTL],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": LIB},
    )
    left = os.path.join(folder, "lab", "n1")
    try:
        number, pid = map(int, killed.stdout.readline().split())
        cgroup = f"/sys/fs/cgroup/pids/slr{number}-n1"
        check(os.path.exists(left) and os.path.exists(cgroup), "it has a disk and a cgroup")
    finally:
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        killed.stdout.close()
    wait_for("its node dies with it", lambda: not os.path.exists(f"/proc/{pid}"), 20)
    lab = machines.Lab(t.registry, os.path.join(t.folder, "lab"))
    try:
        wait_for("its disk is gone", lambda: not os.path.exists(left), 20)
        check(not os.path.exists(cgroup) or lab.number != number, "its cgroup is gone")
    finally:
        lab.stop()
    equal(machines.links(f"slr{lab.number}"), [], "links")
    equal(machines.members(f"slr{lab.number}-*"), set(), "processes")
