"""Feature levels on true nodes: an upgrade in two hops, and the way back by the level alone (T1)."""

from rangelib import objects
from rangelib.harness import check, equal, test
from rangelib.kubeadm import UNREACHABLE
from rangelib.kubeadm_fleet import OldClient
from rangelib.wait import wait_for
from test_kubeadm import LONG_SEC, Upgrade, check_no_marks
from test_kubeadm_long import rollback, wait_ended

NEEDS = ["own-kubeadm:1+1", "binaries:shiplock,shiplockd,shiplock-worker"]


def minor(version):
    return ".".join(version.split(".")[:2])


def level_of(version):
    return f"{version['emulationMajor']}.{version['emulationMinor']}"


def levels(cluster):
    return {level_of(cluster.client_of(m).request("GET", "/version")) for m in cluster.control_planes}


def commands(up, run):
    """The kinds of commands that nodes were given since this number of them, in order."""
    acts = up.fleet.journal().find("intent", row="node-command")
    return [a["want"]["kind"] for a in acts][run:]


@test(
    "kubeadm: the feature level is raised in a hop of its own, and goes back alone by itself",
    NEEDS,
    timeout=1500,
    part="kubeadm-tiers",
)
def test_levels(t):
    up = Upgrade(t)
    cluster = up.cluster
    own, before = minor(cluster.target), minor(cluster.version)
    old = OldClient(cluster, lambda version: level_of(version) == own)
    t.defer(old.stop)
    old.armed.set()
    old.start()
    up.fleet.start(cpSoak="45s", target={"emulatedStep": True})
    wait_ended(up, 4)
    equal(
        commands(up, 0),
        ["up-backup", "up-control-plane", "up-raise", "down-level"],
        "the commands of the run that went back",
    )
    equal(cluster.server_version(), cluster.target, "the API server's binary")
    equal(levels(cluster), {before}, "its feature level")
    cluster.wait_nodes(cluster.version)
    first, healthy = up.fleet.back_figures(old.since)
    t.note(f"T1: fault to first write {first:.1f} s, fault to healthy {healthy:.1f} s")
    old.armed.clear()
    again(t, up, own)
    back_after_the_workers(t, up, before)


def again(t, up, own):
    """The fault is gone: a retry begins where the level is raised."""
    cluster, so_far = up.cluster, len(commands(up, 0))
    done = up.fleet.cli("retry", up.fleet.name)
    equal(done.returncode, 0, f"retry: {done.stdout}{done.stderr}")
    newest = lambda: len(up.fleet.status()["runs"]) > 1
    wait_for("the next run", newest, LONG_SEC)
    wait_ended(up, 0)
    ran = [k for k in commands(up, so_far)]
    equal(ran, ["up-raise", "up-kubelet", "up-kubelet"], "the commands of the retry")
    equal(levels(cluster), {own}, "the feature level")
    cluster.wait_nodes(cluster.target)


def back_after_the_workers(t, up, before):
    """A finished upgrade is taken back: every kubelet first, then the level."""
    cluster, so_far = up.cluster, len(commands(up, 0))
    rollback(up)
    ran = commands(up, so_far)
    equal(ran, ["down-kubelet", "down-kubelet", "down-level"], "the commands of the way back")
    wait_for("the level", lambda: levels(cluster) == {before}, 60, ignore=UNREACHABLE)
    equal(cluster.server_version(), cluster.target, "the API server's binary stays")
    cluster.wait_nodes(cluster.version)
    up.check_seen(())
    after = objects.picture(cluster.client)
    equal(objects.differences(up.before, after), [], "objects that changed")
    check_no_marks(after)
    check("feature level" in up.fleet.cli("status").stdout, "status names the level")
