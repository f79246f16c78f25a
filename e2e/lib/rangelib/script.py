"""The plain script that the product is measured against: e2e/range/kubeadm-script, run and timed."""

import os
import shlex
import subprocess
import time

SCRIPT = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "range", "kubeadm-script"
)
SCRIPT_SEC = 1800


class ScriptRun:
    """What a run of the script took. seconds: as a whole; phases: [(name, seconds)] in order."""

    def __init__(self, seconds, phases):
        self.seconds, self.phases = seconds, phases

    def sum(self, *names):
        return sum(s for n, s in self.phases if n in names)

    def without_drains(self):
        """The phases alone, without the waiting of kubectl drain."""
        return sum(s for n, s in self.phases if n != "drain")


def run(cluster, direction):
    """Takes the cluster up to its target or down to its version again; raises when it fails."""
    ssh = cluster.ssh_command(cluster.first, "")[:-2]
    words = lambda machines: " ".join(f"{m.name}={m.address}" for m in machines)
    env = {
        **os.environ,
        "KUBECTL": os.path.join(cluster.binaries(cluster.target), "kubectl"),
        "KUBECONFIG": cluster.kubeconfig,
        "SSH": shlex.join(ssh),
        "CONTROL_PLANES": words(cluster.control_planes),
        "WORKERS": words(cluster.workers),
        "FROM": cluster.version,
        "TO": cluster.target,
        "OFFERED": cluster.offered,
        "IGNORE": ",".join(cluster.ignored),
    }
    began = time.monotonic()
    done = subprocess.run(
        [SCRIPT, direction], env=env, capture_output=True, text=True, timeout=SCRIPT_SEC,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"kubeadm-script {direction}: {done.returncode}: {done.stderr[-4000:]}")
    phases = [line.split() for line in done.stdout.splitlines()]
    return ScriptRun(seconds, [(name, float(s)) for name, s in phases])
