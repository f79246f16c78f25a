"""Measures on a kubeadm cluster of 1 + 2 true nodes: `make bench BENCH=kubeadm`.

The plain script and the product in turn, ROUNDS times (2); the figures are means. The workload of
the range runs meanwhile; the outside client and observer look on.
"""

import os
import time

from . import harness, outside, script, workload
from .kubeadm_fleet import KubeadmFleet, OldClient
from .wait import wait_for

SHAPE = "1+2"
RUN_SEC = 900.0
ROUNDS = int(os.environ.get("ROUNDS", "2"))


def watched(cluster, registry, folder, name, work):
    """work() with the witnesses beside it; returns (what it returned, traffic, observer)."""
    traffic = outside.Traffic(
        registry, folder, cluster, workload.NAMESPACE, workload.SERVICES, f"traffic-{name}"
    )
    observer = outside.Observer(
        registry, folder, cluster, workload.NAMESPACE, workload.NEEDED, f"observer-{name}"
    )
    try:
        wait_for("the client asks", traffic.sent, 30)
        result = work()
    finally:
        for witness in (traffic, observer):
            witness.stop()
    print(f"# {name}: {traffic.sent()} requests, {len(traffic.failed())} failed", flush=True)
    return result, traffic, observer


def plain_script(cluster, run, n):
    """script_up_s, script_down_s: start: e2e/range/kubeadm-script begins; end: it ends, the whole
    cluster at the other version; no target. script_up_phases_s, script_down_phases_s: the same,
    what it waited for `kubectl drain` taken off. script_api_gap_up_s: seconds on the way up in
    which an outside look every 100 ms got no answer from the only API server.
    script_failed_requests: of the client, both ways."""
    folder = os.path.join(run.folder, f"script-{n}")
    out = {"script_failed_requests": 0}
    for way in ("up", "down"):
        took, traffic, observer = watched(
            cluster, run.registry, folder, f"script-{way}-{n}", lambda: script.run(cluster, way)
        )
        for name, seconds in took.phases:
            print(f"# script {way}: {name} {seconds:.1f}", flush=True)
        out["script_failed_requests"] += len(traffic.failed())
        out[f"script_{way}_s"] = took.seconds
        out[f"script_{way}_phases_s"] = took.without_drains()
        if way == "up":
            out["script_api_gap_up_s"] = observer.gap_sec()
    return out


def context(cluster, run, name):
    t = harness.Context(run, os.path.join(run.folder, name))
    t.kubeadm = cluster
    return t


def our_run(cluster, run, n):
    """kubeadm_up_s, kubeadm_down_s: start: the first effect that the product orders; end: the run
    ends, the whole cluster at the other version, backup set and proofs counted; declared soaks 0;
    target: <= script_up_s, script_down_s. api_gap_up_s as script_api_gap_up_s.
    kubeadm_failed_requests: of the client, both ways."""
    t = context(cluster, run, f"ours-{n}")
    fleet = KubeadmFleet(t)

    def up():
        fleet.start(cpSoak="0s", soak="0s", gates=())
        return fleet.wait_rest(RUN_SEC)

    def down():
        done = fleet.cli(
            "rollback", "--yes", fleet.name, "--wait", fleet.name, timeout=RUN_SEC
        )
        if done.returncode:
            raise RuntimeError(f"rollback: {done.returncode}: {done.stdout}{done.stderr}")

    out = {"kubeadm_failed_requests": 0}
    try:
        for way, work in (("up", up), ("down", down)):
            asked = time.time()
            _, traffic, observer = watched(
                cluster, run.registry, t.folder, f"ours-{way}-{n}", work
            )
            began, ended = fleet.times(asked)
            for at, words in fleet.steps(began):
                print(f"# ours {way}: {at:6.1f} {words}", flush=True)
            out[f"kubeadm_{way}_s"] = ended - began
            out["kubeadm_failed_requests"] += len(traffic.failed())
            if way == "up":
                out["api_gap_up_s"] = observer.gap_sec()
    finally:
        for error in t.close():
            print(error, flush=True)
    cluster.wait_nodes(cluster.version)
    return out


def means(rounds):
    """Each key's mean over the rounds; what was counted is summed."""
    out = {}
    for key in rounds[0]:
        values = [r[key] for r in rounds]
        print(f"# {key}: {', '.join(f'{v:.1f}' for v in values)}", flush=True)
        counted = key.endswith("_requests")
        out[key] = sum(values) if counted else round(sum(values) / len(values), 1)
    return out


def fault(cluster, run):
    """fault_to_first_write_s: start: in the control-plane soak a client begins to ask for what is
    not there, 20 times a second; end: the first effect of the way back is ordered. The gate takes
    3 looks, one a second, at a rate over 10 s that is scraped every 2 s. fault_to_healthy_s: the
    same start; end: RolledBack, all gates asked again. No target of their own."""
    t = context(cluster, run, "fault")
    old = OldClient(cluster)
    old.start()
    try:
        fleet = KubeadmFleet(t)
        fleet.start(cpSoak="5m")
        fleet.wait_state(fleet.name, "cp-soak", RUN_SEC)
        old.armed.set()
        fleet.wait_rest(RUN_SEC)
        first, healthy = fleet.back_figures(old.since)
    finally:
        old.stop()
        for error in t.close():
            print(error, flush=True)
    cluster.wait_nodes(cluster.version)
    return {"fault_to_first_write_s": round(first, 1), "fault_to_healthy_s": round(healthy, 1)}


def measure():
    """Brings the cluster up, measures, and takes it down again; (results, exit code)."""
    harness.need_true_nodes()
    run, out = harness.Run([]), {}
    try:
        cluster = run.kubeadm(SHAPE)
        cluster.bring_images(cluster.target)
        workload.install(cluster.client)
        cluster.scraped()  # for both: it costs the API server something
        scripts, ours = [], []
        for n in range(ROUNDS):
            scripts.append(plain_script(cluster, run, n))
            ours.append(our_run(cluster, run, n))
            out = means(scripts) | means(ours)
        out.update(fault(cluster, run))
        return out, 0
    except Exception as e:
        print(f"bench: kubeadm: {e}", flush=True)
        return out, 1
    finally:
        for error in run.close(keep=False):
            print(error, flush=True)
