"""The main job on real API servers: a merge upgrades two clusters, one after the other."""

import itertools
import json

from rangelib import upgrade
from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, TO, RangeFleet, stands_at

# What one undisturbed upgrade writes, by object (accepted writes of our user, access reviews and
# dry runs apart): claim, version and claim released; brake and release of the worker pool.
CV, POOL = "clusterversions version", "machineconfigpools worker"


def our_writes(cluster, since=0):
    """Accepted writes of the product's user by object, without questions about rights."""
    effective = cluster.audit.effective(user="shiplock", since=since)
    return {k: v for k, v in effective.items() if "selfsubjectaccessreviews" not in k}


def story(writes):
    """What the writes on one object were, in words, in order."""
    out = []
    for w in writes:
        spec = w.body.get("spec", {})
        notes = w.body.get("metadata", {}).get("annotations", {})
        words = [f"{k.split('/')[1]} {'off' if v is None else 'on'}" for k, v in notes.items()]
        if "desiredUpdate" in spec:
            words.append((spec["desiredUpdate"] or {}).get("version") or "cleared")
        if "paused" in spec:
            words.append("paused" if spec["paused"] else "released")
        out.append(" ".join(words))
    return out


def canceled(cluster):
    """Writes whose client died before the answer: the server tells 504, applied or not."""
    return [
        w
        for w in cluster.audit.writes(user="shiplock")
        if w.code == 504 and not w.sub and "context canceled" in json.dumps(w.event["responseStatus"])
    ]


def choose_story(writes, want):
    """The story of the writes; of those with an unknown outcome as many as make it the wanted one."""
    unknown = [w for w in writes if not w.accepted]
    for n in range(len(unknown) + 1):
        for without in itertools.combinations(unknown, n):
            told = story([w for w in writes if w not in without])
            if told == want:
                return told
    return story(writes)


UNDISTURBED = {
    CV: ["claim on", TO, "claim off"],
    POOL: ["brake on paused", "brake off released"],
}
ROLLED_BACK = {
    CV: ["claim on", TO, FROM, "claim off"],
    POOL: ["brake on paused", "brake off released"],
}


def check_writes(cluster, want):
    """Effective writes per object are those of the undisturbed run, never one twice; evictions
    each name the live pod, none twice."""
    writes = our_writes(cluster)
    evictions = [w for k, v in writes.items() if k.startswith("pods/eviction") for w in v]
    rest = {k: v for k, v in writes.items() if not k.startswith("pods/eviction")}
    for w in canceled(cluster):
        rest.setdefault(w.key, []).append(w)
    told = {k: choose_story(sorted(v, key=lambda w: w.at), want.get(k)) for k, v in rest.items()}
    equal(told, want, f"{cluster.name}: effective writes")
    uids = [w.body.get("deleteOptions", {}).get("preconditions", {}).get("uid") for w in evictions]
    check(all(uids), f"{cluster.name}: evictions without a UID: {evictions}")
    equal(len(set(uids)), len(uids), f"{cluster.name}: a UID evicted twice: {evictions}")


NEEDS = ["prometheus", "git", "binaries:shiplockd,shiplock-sim,shiplock-worker"]


@test(
    "a merge upgrades two clusters one after the other, and a later push changes nothing",
    needs=["own-clusters:2", *NEEDS],
    timeout=240,
)
def test_two_clusters(t):
    f = RangeFleet(t)
    first, second = t.clusters
    f.begin()
    f.wait_state(first.name, "cp-soak")
    pinned = f.status()["runs"][0]["commit"]
    again = [*f.documents(labels={"pushed": "later"}), upgrade.gates(count=2), upgrade.plan(f.names, soak="1h")]
    later = f.push(*again, message="a second push during the run")
    status = f.wait_rest(200)
    runs = status["runs"]
    equal([r["name"] for r in runs][:1], ["up#1"], "runs")
    equal(runs[0]["commit"], pinned, "the run's commit")
    check(pinned != later, "the second push was not a new commit")
    equal(f.outcomes(), {first.name: "Succeeded", second.name: "Succeeded"}, "outcomes")
    for c in t.clusters:
        check_writes(c, UNDISTURBED)
        stands_at(c.client, TO)
    check_one_after_the_other(first, second)
    states = f.journal().states(first.name)
    way = "preflight claim baseline evacuate backup control-plane cp-verify cp-soak nodes verify soak done ended"
    equal(states, way.split(), "states of the first cluster")


def check_one_after_the_other(first, second):
    """No write of ours on the second before the last one on the first; reviews and dry runs apart."""
    last = max(w.done_at for v in our_writes(first).values() for w in v)
    early = [
        w
        for w in second.audit.writes(user="shiplock")
        if w.at < last and w.resource != "selfsubjectaccessreviews" and not w.dry_run
    ]
    check(not early, f"written on {second.name} before {first.name} was done: {early}")
