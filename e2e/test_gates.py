"""Gates on real Prometheus data: a breach rolls back, silence holds."""

from rangelib import upgrade
from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, TO, RangeFleet, stands_at
from test_upgrade import NEEDS, ROLLED_BACK, UNDISTURBED, check_writes


@test(
    "a breach in cp-soak rolls back, proves health again, stops the fleet; why says everything",
    needs=["own-clusters:2", *NEEDS],
    timeout=180,
)
def test_breach(t):
    f = RangeFleet(t, faults=["error-rate-rise"])
    c, spared = t.clusters
    f.begin(upgrade.gates(when=["cp-soak", "verify"]))
    status = f.wait_rest()
    run = status["runs"][0]
    equal(f.outcomes(), {c.name: "RolledBack", spared.name: None}, "outcomes")
    equal(run["exitCode"], 4, "exit code of the run")
    equal([h["cause"] for h in run["holds"]], ["fleet-stopped"], "the run's hold")
    stands_at(c.client, FROM)
    check_writes(c, ROLLED_BACK)
    check_writes(spared, {})
    j = f.journal()
    looks = j.find("look", gate="ingress")
    back = j.find("move", to="rolled-back")[0]
    again = [r for r in looks if r["seq"] > back["seq"]]
    check(again and again[-1]["verdict"] == "PASS", f"health was not proven again: {again}")
    check_why(f, c.name)


def check_why(f, name):
    """Query, value, threshold, times and what to type, for programs and for people."""
    code, why = f.daemon.call("GET", f"/v1/clusters/{name}/why")
    equal(code, 200, "why")
    text = f.cli("why", name).stdout
    for part in (
        'sum(rate(haproxy_backend_http_responses_total{code="5xx"',
        "FAIL: 0.1",
        "above 0.05",
        "asked local at",
        "ingress",
        f"shiplock retry {name}",
        "RolledBack",
        FROM,
    ):
        check(part.lower() in text.lower(), f"why does not say {part!r}:\n{text}")
    check(f.cli("why", name, "-o", "json").stdout.strip().startswith("{"), "why -o json")
    equal(why["kind"], "Why", "kind")


def start_prometheus_again(t):
    """The same command line once more; its data stayed."""
    p = t.prometheus.process
    argv = p.popen.args[p.popen.args.index("--") + 1 :]
    t.prometheus.process = t.registry.spawn("prometheus", argv)


@test(
    "Prometheus stopped in mid-soak: held, never passed, never rolled back; goes on when it is back",
    needs=["own-clusters:1", *NEEDS],
    timeout=180,
)
def test_silence(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    f.begin(upgrade.gates(consecutiveErrorLimit=2, noDataLimit=2), cpSoak="12s")
    f.wait_state(c.name, "cp-soak")
    j = f.journal()
    j_looks = lambda: j.find("look", gate="ingress", verdict="PASS")
    upgrade.wait_for("a first look passed", j_looks, 30)
    t.prometheus.process.stop()
    restarted = []
    t.defer(lambda: restarted or start_prometheus_again(t))
    held = f.wait(c.name, "held", lambda e: e["holds"], 40)
    equal(held["state"], "cp-soak", "state while held")
    passes = len(j_looks())
    upgrade.wait_for(
        "longer than the soak with no data", lambda: f.cluster(c.name)["sinceSeconds"] > 15, 60
    )
    now = f.cluster(c.name)
    equal((now["state"], bool(now["holds"])), ("cp-soak", True), "after more than the soak")
    equal(len(j_looks()), passes, "looks that passed while Prometheus was away")
    start_prometheus_again(t)
    restarted.append(True)
    f.wait_rest()
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcome")
    check("rollback" not in j.states(c.name), "it rolled back")
    stands_at(c.client, TO)
    check_writes(c, UNDISTURBED)
