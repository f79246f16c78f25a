"""kill -9 at chosen instants: the end is that of the undisturbed run, and nothing is done twice."""

import os

from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, TO, UP_SEC, Journal, RangeFleet, SimFleet, freeze_when, stands_at
from rangelib.wait import wait_for
from test_upgrade import NEEDS, ROLLED_BACK, UNDISTURBED, check_writes

EVERY = 10
BUDGET_BACK_SEC = 125


def crash_when(f, what, condition, timeout=60):
    """kill -9 at the first moment at which condition(records) is seen to hold; starts again."""
    j = f.journal()
    seen = []

    def probe():
        seen[:] = j.records()
        return condition(seen)

    freeze_when(f.daemon, what, probe, timeout)
    last = seen[-1]["record"]
    f.restart()
    f.t.note(f"killed {what}: at record {seen[-1]['seq']} ({last})")
    j.close()
    return seen


def has(records, record, **fields):
    return any(
        r["record"] == record and all(r.get(k) == v for k, v in fields.items()) for r in records
    )


def verify(f):
    done = f.cli("audit", "verify", os.path.join(f.daemon.state, "journal.db"))
    equal(done.returncode, 0, f"audit verify: {done.stdout}{done.stderr}")


@test(
    "killed with desiredUpdate sent, in cp-soak and with an eviction in flight: as undisturbed",
    needs=["own-clusters:1", *NEEDS],
    timeout=300,
)
def test_crash_up(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    f.begin()
    crash_when(f, "with desiredUpdate sent", lambda rs: has(rs, "intent", row="set-version"))
    crash_when(f, "in cp-soak", lambda rs: has(rs, "look", gate="ingress"))
    crash_when(f, "with an eviction in flight", lambda rs: has(rs, "intent", row="evict"))
    # A server that loses its client between the budget and the delete has spent the budget: the
    # controller-manager gives it back after two minutes, and nobody can evict until then.
    f.wait_rest(UP_SEC + BUDGET_BACK_SEC)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcome")
    stands_at(c.client, TO)
    check_writes(c, UNDISTURBED)
    verify(f)


@test(
    "killed with the FAIL stored and nothing written, and in mid-rollback: rolled back once",
    needs=["own-clusters:1", *NEEDS],
    timeout=180,
)
def test_crash_back(t):
    f = RangeFleet(t, faults=["error-rate-rise"])
    (c,) = t.clusters
    f.begin()
    failed = lambda rs: sum(r["record"] == "look" and r["verdict"] == "FAIL" for r in rs) >= 2
    seen = crash_when(f, "with the FAIL stored", failed)
    back = [r for r in seen if r["record"] == "intent" and r.get("want", {}).get("version") == FROM]
    check(not back, f"the order back was on its way already: {back}")
    crash_when(f, "in mid-rollback", back_sent)
    f.wait_rest()
    equal(f.outcomes(), {c.name: "RolledBack"}, "outcome")
    stands_at(c.client, FROM)
    check_writes(c, ROLLED_BACK)
    verify(f)


def back_sent(records):
    return any(
        r["record"] == "intent" and r["row"] == "set-version" and r["want"].get("version") == FROM
        for r in records
    )


def picture(fleet, name):
    """What an upgrade leaves behind, as far as it must be the same for every way there."""
    cv = fleet.get(name, "/apis/config.openshift.io/v1/clusterversions/version")
    pools = fleet.get(name, "/apis/machineconfiguration.openshift.io/v1/machineconfigpools")
    nodes = fleet.get(name, "/api/v1/nodes")
    return {
        "history": [(h["version"], h["state"]) for h in cv["status"]["history"]],
        "generation": cv["metadata"]["generation"],
        "wanted": cv["spec"].get("desiredUpdate", {}).get("version"),
        "marks": sorted(k for k in cv["metadata"].get("annotations", {}) if "shiplock" in k),
        "pools": [
            (
                p["metadata"]["name"],
                p["metadata"]["generation"],
                p["spec"].get("paused", False),
                sorted(k for k in p["metadata"].get("annotations", {}) if "shiplock" in k),
            )
            for p in pools["items"]
        ],
        "unschedulable": [n["metadata"]["name"] for n in nodes["items"] if n["spec"].get("unschedulable")],
    }


def crash_at_every_tenth(t, faults, n, want, version, least):
    """One run is left alone; the others are each killed once, at the 10th, 20th, ... record."""
    fleet = SimFleet(t, n=n, faults=faults)
    runs = []
    for k, name in enumerate(fleet.names):
        daemon = fleet.daemon_for([name], os.path.join(t.folder, f"run-{k * EVERY}"))
        t.defer(daemon.stop)
        daemon.start(wait=False)
        runs.append((k * EVERY, name, daemon, Journal(daemon.state)))
    killed = set()

    def progress():
        for at, name, daemon, journal in runs:
            if at and at not in killed and journal.seq() >= at:
                daemon.crash()
                journal.close()
                daemon.start(wait=False)
                killed.add(at)
        return all(ended(j) for _, _, _, j in runs)

    ended = lambda j: j.seq() and has(j.records(), "move", to="ended", item=3)
    wait_for("all runs ended", progress, 150, poll=0.02)
    lengths = [journal.seq() for _, _, _, journal in runs]
    shortest, longest = min(lengths), max(lengths)
    plain = picture(fleet, runs[0][1])
    equal((plain["wanted"], plain["marks"], plain["unschedulable"]), (version, [], []), "undisturbed")
    for at, name, daemon, journal in runs:
        daemon.wait_ready()
        entry = daemon.cluster(name)
        equal(entry["outcome"], want, f"killed at {at}: outcome")
        equal(picture(fleet, name), plain, f"killed at {at}: what is left")
        journal.close()
    t.note(f"killed at {sorted(killed)} of {shortest} to {longest} records")
    # How many pods we help with, and so how many records there are, is up to the operator's pace.
    check(len(killed) >= least, f"killed only at {sorted(killed)}: the shortest run has {shortest} records")
    all_tenths = set(range(EVERY, min(len(runs) * EVERY, shortest), EVERY))
    check(killed >= all_tenths, f"not killed at {sorted(all_tenths - killed)}")


SIM = ["binaries:shiplockd,shiplock-sim,shiplock-worker,shiplock"]


@test("killed at every tenth record on the way up: the same end", needs=SIM, timeout=200)
def test_every_tenth_up(t):
    crash_at_every_tenth(t, [], 17, "Succeeded", TO, least=10)


@test("killed at every tenth record with a rollback: the same end", needs=SIM, timeout=200)
def test_every_tenth_back(t):
    crash_at_every_tenth(t, ["error-rate-rise"], 9, "RolledBack", FROM, least=5)
