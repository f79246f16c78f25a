"""Measures on a kubeadm cluster of 1 + 2 true nodes: `make bench BENCH=kubeadm`.

The workload of the range runs meanwhile; the outside client and observer look on.
"""

import os

from . import harness, outside, script, workload
from .wait import wait_for

SHAPE = "1+2"


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


def plain_script(cluster, registry, folder):
    """script_up_s, script_down_s: start: e2e/range/kubeadm-script begins; end: it ends, the whole
    cluster at the other version; no target. script_up_phases_s, script_down_phases_s: the same,
    what it waited for `kubectl drain` taken off. script_api_gap_up_s: seconds on the way up in
    which an outside look every 100 ms got no answer from the only API server.
    script_failed_requests: of the client, both ways."""
    out = {"script_failed_requests": 0}
    for way in ("up", "down"):
        run, traffic, observer = watched(
            cluster, registry, folder, f"script-{way}", lambda: script.run(cluster, way)
        )
        for name, seconds in run.phases:
            print(f"# script {way}: {name} {seconds:.1f}", flush=True)
        out["script_failed_requests"] += len(traffic.failed())
        out[f"script_{way}_s"] = round(run.seconds, 1)
        out[f"script_{way}_phases_s"] = round(run.without_drains(), 1)
        if way == "up":
            out["script_api_gap_up_s"] = round(observer.gap_sec(), 1)
    return out


def measure():
    """Brings the cluster up, measures, and takes it down again."""
    harness.need_true_nodes()
    run = harness.Run([])
    try:
        cluster = run.kubeadm(SHAPE)
        cluster.bring_images(cluster.target)
        workload.install(cluster.client)
        return plain_script(cluster, run.registry, os.path.join(run.folder, "witness"))
    finally:
        for error in run.close(keep=False):
            print(error, flush=True)
