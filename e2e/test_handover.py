"""The host is lost in mid-run: another daemon with no journal, or an older backup, takes over."""

import json
import os
import shutil
import subprocess
import tarfile

from rangelib import product
from rangelib.harness import check, equal, test
from rangelib.upgrade import TO, UP_SEC, Journal, RangeFleet, SimFleet, stands_at
from rangelib.wait import wait_for
from test_upgrade import CV, NEEDS, POOL, our_writes, story

HOST_NEEDS = ["own-clusters:1", *NEEDS]


def spec_of(f):
    url = f.t.git.http.url(f.repository)
    repository = {"name": "fleet", "url": url, "interval": "5s"}
    return {"repositories": [repository], "idleInterval": "1s"}


def second_daemon(f, backup=None):
    """A daemon on another host: the same configuration, a state folder of its own."""
    d = product.Daemon(f.t.registry, f.t.folder, spec_of(f), name="second")
    f.t.defer(d.stop)
    if backup:
        shutil.copy(backup, os.path.join(d.state, "journal.db"))
    return d.start()


def lose_host(f, keep=None):
    """kill -9, and the state folder with it; keep: where it goes instead."""
    f.daemon.crash()
    if keep:  # a copy would be another journal
        os.rename(f.daemon.state, keep)
    else:
        shutil.rmtree(f.daemon.state)


def take_over(f, name, *words):
    """The whole conversation of a person: status, takeover, why; returns what was found."""
    wanted = f"shiplock takeover {name}"
    wait_for("status says what to do", lambda: wanted in f.cli("status").stdout, 20)
    status = f.cli("status").stdout.splitlines()
    equal(status[2], "HELD BY", f"status opens with who holds what: {status}")
    equal(f.cli("takeover", name).returncode, 64, "takeover without the name typed")
    done = f.cli("takeover", "--yes", name, "--reason", "host lost", name)
    equal(done.returncode, 0, f"takeover: {done.stdout}{done.stderr}")
    f.wait(name, "taken over", lambda c: any(h["cause"] == "takeover" for h in c["holds"]), 60)
    text = f.cli("why", name).stdout
    for word in words:
        check(word in text, f"why does not say {word!r}:\n{text}")


def check_once(c):
    """No effect twice, whoever ordered it: one order, one brake, one release, a UID evicted once."""
    writes = our_writes(c)
    orders = [w for w in story(writes[CV]) if TO in w]
    equal(orders, [TO], "orders")
    equal(story(writes[POOL]), ["brake on paused", "brake off released"], "the pool")
    equal(story(writes[CV])[-1], "claim off", "the end")
    gone = [w for w in c.audit.writes(user="shiplock", sub="eviction") if w.accepted]
    uids = [w.body["deleteOptions"]["preconditions"]["uid"] for w in gone]
    equal(len(uids), len(set(uids)), "evictions by UID")


def claim_on(c):
    cv = c.client.get("clusterversions", "version")
    return cv["metadata"].get("annotations", {}).get("shiplock.dev/claim", "")


@test(
    "host lost with an empty journal: refused, taken over, ended without a second act",
    needs=HOST_NEEDS,
    timeout=240,
)
def test_empty_journal(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    f.begin()
    f.wait_state(c.name, "nodes")
    first = f.daemon
    wait_for("the pool is released", lambda: len(our_writes(c).get(POOL, [])) == 2, 60)
    f.actors[c.name].pause()  # else the workers may be done before anybody takes over
    lose_host(f)
    f.daemon = second_daemon(f)
    refused = f.wait(c.name, "refused", lambda e: e["state"] == "ended", 60)
    equal(refused["outcome"], "Refused", "outcome")
    text = f.cli("why", c.name).stdout
    check(f"shiplock takeover {c.name}" in text, f"why does not say what to do next:\n{text}")
    held = claim_on(c)
    mark = c.audit.mark()
    take_over(f, c.name, "of the worker pools")
    check(claim_on(c) != held, "the claim is the old one")
    equal(list(our_writes(c, since=mark)), [CV], "written until a person says more")
    f.actors[c.name].go_on()
    equal(f.cli("resume", c.name).returncode, 0, "resume")
    f.wait(c.name, "ended", lambda e: e["state"] == "ended", UP_SEC)
    equal(f.cluster(c.name)["outcome"], "Succeeded", "outcome")
    stands_at(c.client, TO)
    check_once(c)
    check(first is not f.daemon, "the same daemon")


@test(
    "an older backup on a new host: held, taken over; the first host comes back and is fenced",
    needs=HOST_NEEDS,
    timeout=300,
)
def test_older_backup(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    f.begin(cpSoak="15s")
    backups = []

    def back_up(where):
        path = os.path.join(t.folder, f"backup-{where}.db")
        done = f.cli("audit", "backup", path)
        equal(done.returncode, 0, f"backup while the daemon writes: {done.stderr}")
        equal(f.cli("audit", "verify", path).returncode, 0, "the backup is proven")
        backups.append(path)

    for state in ("baseline", "control-plane", "cp-verify", "cp-soak"):
        f.wait(c.name, state, lambda e, s=state: order_of(e["state"]) >= order_of(s))
        back_up(state)
    first, kept = f.daemon, os.path.join(t.folder, "kept")
    lose_host(f, keep=kept)
    f.daemon = second_daemon(f, backups[1])
    f.wait(c.name, "held", lambda e: any(h["cause"] == "claim" for h in e["holds"]), 60)
    take_over(f, c.name, "every worker pool is braked by us")
    comes_back(f, first, kept, c)
    equal(f.cli("resume", c.name).returncode, 0, "resume")
    f.wait(c.name, "ended", lambda e: e["state"] == "ended", UP_SEC)
    equal(f.cluster(c.name)["outcome"], "Succeeded", "outcome")
    stands_at(c.client, TO)
    check_once(c)


ORDER = ["pending", "preflight", "claim", "baseline", "evacuate", "backup", "control-plane"]
ORDER += ["cp-verify", "cp-soak", "nodes", "verify", "soak", "done", "ended"]


def order_of(state):
    return ORDER.index(state)


def comes_back(f, first, kept, c):
    """The first host is repaired, its journal whole: it is held and writes nothing."""
    os.rename(kept, first.state)
    mark = c.audit.mark()
    first.start()
    held = first.wait_cluster(
        c.name, "fenced", lambda e: any(h["cause"] == "claim" for h in e["holds"]), 60
    )
    text = [h["reason"] for h in held["holds"] if h["cause"] == "claim"][0]
    check("no longer ours" in text, f"why it is held: {text}")
    journal = Journal(first.state)
    f.t.defer(journal.close)
    equal([r for r in journal.find("command", verb="takeover")], [], "its journal knows no takeover")
    first.stop()
    equal(our_writes(c, since=mark), {}, "written by the one that came back")


PLANTED = {
    "reason": "Bearer planted-in-a-reason",
    "password": "planted-in-a-url",
}


def unpack(path, folder):
    """The files of the archive by name, and that its checksums hold."""
    with tarfile.open(path) as tar:
        tar.extractall(folder)
    (top,) = os.listdir(folder)
    top = os.path.join(folder, top)
    done = subprocess.run(
        ["sha256sum", "--strict", "-c", "SHA256SUMS"], cwd=top, capture_output=True, text=True
    )
    equal(done.returncode, 0, f"sha256sum: {done.stdout}{done.stderr}")
    files = {}
    for name in os.listdir(top):
        with open(os.path.join(top, name), encoding="utf-8") as f:
            files[name] = f.read()
    return files


@test(
    "audit bundle: one archive of a run, its checksums hold, no planted secret is in it",
    needs=["binaries:shiplockd,shiplock-sim,shiplock-worker,shiplock"],
    timeout=120,
)
def test_bundle(t):
    f = SimFleet(t)
    (name,) = f.names
    token = os.path.join(f.folder, "kube", f"{name}.token")
    check(token in f.texts[name], "its Cluster document names the file of the token")
    with open(token, encoding="utf-8") as file:
        planted = {**PLANTED, "token": file.read().strip()}
    f.start()
    f.wait(name, "begun", lambda c: order_of(c["state"]) >= order_of("cp-verify"))
    reason = f"{PLANTED['reason']} https://ann:{PLANTED['password']}@git.example/x"
    equal(f.cli("pause", "--reason", reason, name).returncode, 0, "pause")
    for what, secret in planted.items():
        check(secret.split()[-1].encode() not in f.journal().text(), f"{what} is in the journal")
    live, again = (os.path.join(t.folder, n) for n in ("live.tar", "offline.tar"))
    done = f.cli("audit", "bundle", "1", live)
    equal(done.returncode, 0, f"bundle: {done.stdout}{done.stderr}")
    equal(f.cli("audit", "bundle", "1", live).returncode, 1, "a file that is there already")
    equal(f.cli("audit", "bundle", "77", live + "x").returncode, 1, "no such run")
    done = f.cli("audit", "bundle", "--state", f.daemon.state, "up#1", again)
    equal(done.returncode, 0, f"bundle offline: {done.stdout}{done.stderr}")
    files = unpack(live, os.path.join(t.folder, "live"))
    want = {"README", "SHA256SUMS", "plan.json", "proof.json", "records.jsonl", "run.json"}
    equal(set(files), want | {"status.json", "version.json", "why.json"}, "the files")
    records = [json.loads(line) for line in files["records.jsonl"].splitlines()]
    kinds = {r["kind"] for r in records}
    check({"item", "move", "intent", "result", "look", "command", "hold"} <= kinds, str(kinds))
    check(json.loads(files["proof.json"])["records"] >= len(records), "the proof")
    equal(json.loads(files["plan.json"])["plan"]["name"], "up", "the plan")
    offline = unpack(again, os.path.join(t.folder, "offline"))
    equal(set(offline), want - {"run.json"} | {"version.json"}, "the files offline")
    for archive in (live, again):
        with open(archive, "rb") as raw:
            data = raw.read()
        for what, secret in planted.items():
            word = secret.split()[-1].encode()
            check(word not in data, f"the planted {what} is in {archive}")
        check(b"[redacted]" in data, "nothing was redacted")
