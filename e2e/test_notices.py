"""Telling people: webhooks whose receiver misbehaves while the daemon is killed, and the alerts that
are shipped for a Prometheus beside the daemon."""

import glob
import http.server
import json
import os
import re
import resource
import subprocess
import threading
import time

from rangelib import product
from rangelib.prom import Prometheus, fetch
from rangelib.harness import check, equal, test
from rangelib.upgrade import Journal, SimFleet, git
from rangelib.wait import wait_for

SIM = ["binaries:shiplockd,shiplock-sim,shiplock-worker,shiplock"]
RULES = os.path.join(product.REPO, "cmd", "shiplockd", "prometheus-rules.yaml")
SECRET_PATH, TOKEN = "T0PS3CRET-path", "T0PS3CRET-token"


class Receiver:
    """A webhook receiver; mode: ok, down (hangs up), slow, error, redirect, forgets (its answer)."""

    def __init__(self, t):
        self.mode, self.got, self.elsewhere = "ok", [], 0
        self.lock = threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                receiver.take(self)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        t.defer(self.server.shutdown)
        self.url = f"http://127.0.0.1:{self.server.server_port}/{SECRET_PATH}"

    def take(self, h):
        body = h.rfile.read(int(h.headers.get("Content-Length", 0)))
        mode = self.mode
        accepted = mode in ("ok", "slow", "forgets")
        with self.lock:
            if h.path != f"/{SECRET_PATH}":
                self.elsewhere += 1
            else:
                self.got.append((h.headers["Idempotency-Key"], accepted, time.time(),
                                 h.headers.get("Authorization"), json.loads(body)))
        if mode in ("down", "forgets"):
            h.close_connection = True
            return
        if mode == "slow":
            threading.Event().wait(1.5)
        h.send_response({"error": 500, "redirect": 307}.get(mode, 204))
        if mode == "redirect":
            h.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        h.send_header("Content-Length", "0")
        h.end_headers()

    def keys(self, accepted=False):
        with self.lock:
            return [g[0] for g in self.got if g[1] or not accepted]


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def daemon_with(t, f, receiver):
    """A daemon (not started) that tells the receiver everything."""
    d = f.daemon = f.daemon_for(f.names, os.path.join(t.folder, "daemon"))
    with open(d.config, encoding="utf-8") as x:
        config = json.load(x)
    config["spec"]["notify"] = [{
        "name": "chat",
        "url": {"file": write(os.path.join(d.folder, "url"), receiver.url + "\n")},
        "token": {"file": write(os.path.join(d.folder, "token"), TOKEN + "\n")},
        "body": {"text": "{{event}} {{cluster}}: {{reason}}", "event": "{{event}}", "run": "{{run}}"},
    }]
    write(d.config, json.dumps(config))
    t.defer(d.stop)
    return d


def causes(journal):
    """Numbers of the records that people must hear of."""
    seqs = [r["seq"] for r in journal.find("end")]
    seqs += [r["seq"] for r in journal.find("hold") if r.get("cluster") != "@notify"]
    seqs += [r["seq"] for r in journal.find("move")
             if r["to"] == "rollback" and r["from"] != "rollback"]
    return sorted(seqs)


def nothing_secret(d):
    """Neither journal nor logs nor what is shown holds where and how it is posted."""
    for path in glob.glob(os.path.join(d.state, "journal.db*")) + [d.process.log]:
        with open(path, "rb") as f:
            check(b"T0PS3CRET" not in f.read(), f"a secret in {path}")
    shown = json.dumps(d.call("GET", "/v1/status")) + d.get_web("/metrics")[1]
    shown += json.dumps(d.call("GET", "/v1/audit?after=0"))
    check("T0PS3CRET" not in shown, "a secret is shown")
    check('shiplock_notice_total{receiver="chat",result="sent"}' in shown, "metric")


@test(
    "notices: a receiver that misbehaves and a daemon that is killed: each once under its key, "
    "none lost, no secret anywhere",
    needs=SIM,
    timeout=180,
)
def test_notices(t):
    f = SimFleet(t, faults=["error-rate-rise@1"])
    receiver = Receiver(t)
    receiver.mode = "down"
    d = daemon_with(t, f, receiver)
    d.start()
    name = f.names[0]
    f.wait_state(name, "control-plane", 60)
    equal(d.order(f"/v1/clusters/{name}/pause", {"reason": "look"})[0], 200, "pause")
    wait_for("the hold is told", lambda: receiver.keys(), 20)
    for mode in ("error", "redirect", "forgets"):
        receiver.mode, before = mode, len(receiver.keys())
        wait_for(f"tried again while it {mode}s", lambda n=before: len(receiver.keys()) > n, 30)
        d.crash()
        d.start()
    receiver.mode = "slow"
    wait_for("the slow one has it", lambda: "waiting\": 0" in json.dumps(
        d.call("GET", "/v1/status")[1]["notify"]), 30)
    receiver.mode = "error"
    equal(d.order(f"/v1/clusters/{name}/resume")[0], 200, "resume")
    f.wait_rest(90)
    equal(f.outcomes(), {name: "RolledBack"}, "outcome, with nobody listening")
    d.crash()
    d.start()
    receiver.mode = "ok"
    want = causes(Journal(d.state))
    wait_for("everybody heard of everything", lambda: len(set(receiver.keys(True))) == len(want), 60)
    seqs = sorted(int(k.split(".")[1]) for k in set(receiver.keys()))
    equal(seqs, want, "one key for each cause, and no other")
    check(len(want) >= 3, f"{want}")
    wait_for("all is stored", lambda: d.call("GET", "/v1/status")[1]["notify"][0]["sent"]
             == len(want), 10)
    done = len(receiver.keys())
    d.stop()
    d.start()
    equal(d.order("/v1/pause", {"reason": "one more"})[0], 200, "pause of the fleet")
    wait_for("the next is told", lambda: len(receiver.keys()) > done, 20)
    equal(len(receiver.keys()), done + 1, "nothing is sent after its stored 2xx")
    equal({g[3] for g in receiver.got}, {f"Bearer {TOKEN}"}, "the token")
    equal({g[4]["event"] for g in receiver.got}, {"hold", "rollback", "end"}, "events")
    equal(receiver.elsewhere, 0, "requests to where it was redirected")
    nothing_secret(d)


# Each alert: a series that raises it, when it does not fire yet, when it does, and its labels.
ALERTS = [
    ("ShiplockControllerDown", 'up{job="shiplock"}', "1x4 0x20", "9m", "10m",
     {"severity": "critical", "job": "shiplock"}),
    ("ShiplockJournalNotWritable", "shiplock_journal_writable", "1x4 0x20", "4m", "5m",
     {"severity": "critical"}),
    ("ShiplockHoldTooLong", 'shiplock_hold_seconds{cluster="c",cause="gate"}', "0+60x60", "31m",
     "32m", {"severity": "warning", "cluster": "c", "cause": "gate"}),
    ("ShiplockHoldTooLong", 'shiplock_hold_seconds{run="up#1",cause="approval"}', "0+60x60", "31m",
     "32m", {"severity": "warning", "run": "up#1", "cause": "approval"}),
    ("ShiplockHoldTooLong", 'shiplock_hold_seconds{cause="pause"}', "0+60x60", "31m", "32m",
     {"severity": "warning", "cause": "pause"}),
    ("ShiplockNoticesNotDelivered", 'shiplock_notice_waiting{receiver="chat"}', "1x60", "14m",
     "15m", {"severity": "warning", "receiver": "chat"}),
    ("ShiplockRepositoryStale", 'shiplock_git_age_seconds{repository="r"}', "0+60x60", "16m", "17m",
     {"severity": "warning", "repository": "r"}),
]


def rule_tests():
    """For promtool: every alert fires when it should, and not a minute sooner."""
    tests = []
    for alert, series, values, before, at, labels in ALERTS:
        inputs = [{"series": series, "values": values},
                  {"series": "shiplock_build_info", "values": "1x120"}]
        all_labels = {"alertname": alert, "alertstate": "firing", **labels}
        series = ",".join(f'{k}="{v}"' for k, v in all_labels.items())
        expr = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
        found = [{"labels": f"ALERTS{{{series}}}", "value": 1}]
        tests.append({
            "interval": "1m", "input_series": inputs,
            "promql_expr_test": [
                {"expr": expr, "eval_time": before, "exp_samples": []},
                {"expr": expr, "eval_time": at, "exp_samples": found},
            ],
        })
    return {"rule_files": [RULES], "evaluation_interval": "1m", "tests": tests}


@test(
    "the shipped alerts: each fires in its time; a real Prometheus loads them, and tells of a "
    "journal that cannot be written",
    needs=SIM + ["prometheus"],
    timeout=120,
)
def test_alerts(t):
    path = write(os.path.join(t.folder, "rules-test.json"), json.dumps(rule_tests()))
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True)
    equal(done.returncode, 0, done.stdout + done.stderr)
    p = Prometheus(t.registry, os.path.join(t.folder, "prom"), job="shiplock", rule_files=[RULES])
    t.defer(p.process.stop)
    f = SimFleet(t)
    d = f.start(state="suspended")
    p.target(d.web)
    p.wait_query('up{job="shiplock"} == 1')
    rules = lambda: [r for g in fetch(p.url + "/api/v1/rules")["data"]["groups"] for r in g["rules"]]
    wait_for("all rules are evaluated", lambda: {r["health"] for r in rules()} == {"ok"}, 20)
    equal({r["name"] for r in rules()}, {a[0] for a in ALERTS}, "the alerts")
    firing = lambda: {a["labels"]["alertname"] for a in p.alerts() if a["state"] == "firing"}
    equal(firing(), set(), "alerts of a good controller")
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))  # as on a full disk
    d.call("POST", "/v1/pause", {"reason": "a record that cannot be written"})
    wait_for("the alert fires", lambda: firing() == {"ShiplockJournalNotWritable"}, 30)
    d.crash()
    down = lambda: any(a["labels"]["alertname"] == "ShiplockControllerDown" for a in p.alerts())
    wait_for("the next one is on its way", down, 30)


@test(
    "what a run did: report, outages and notice, from the controller and from its journal alike",
    needs=SIM,
    timeout=120,
)
def test_report(t):
    f = SimFleet(t)
    d = f.start()
    f.wait_rest(90)
    ask = lambda *args: product.cli("audit", *args, env={"SHIPLOCK_SOCKET": d.api})
    report = ask("report", "1")
    equal(report.returncode, 0, report.stderr)
    check(re.match(r"# Run \S+#1: Succeeded\n", report.stdout), report.stdout)
    check(re.search(r"\| cp-soak \| PASS \| \d+ \| sha256:[0-9a-f]{64} \|", report.stdout),
          report.stdout)
    outages = ask("outages", "--url", "https://status.example/x", "1")
    check(re.fullmatch(
        r'- url: "https://status\.example/x"\n  timeframes:\n(    - from: "\S+Z"\n      until: "\S+Z"\n'
        r'      affected_services: \["\S+"\]\n)+', outages.stdout), outages.stdout)
    notice = ask("notice", "1").stdout
    check("upgrade to OpenShift" in notice and "completed" in notice, notice)
    asked = json.loads(ask("report", "-o", "json", "1").stdout)
    equal(asked["kind"], "RunReport", "kind")
    d.stop()
    read = json.loads(ask("report", "-o", "json", "--state", d.state).stdout)
    equal({**read, "fleet": ""}, {**asked, "fleet": ""}, "the journal alone says the same")
    for args, code in ((("report",), 64), (("report", "x"), 64), (("outages", "1", "2"), 64),
                       (("report", "--state", d.state, "77"), 1),
                       (("notice", "--state", d.state, "1", "none"), 1)):
        equal(ask(*args).returncode, code, f"{args}")


def with_results(d):
    """The daemon's configuration, with results for its repository; returns the bare repository."""
    with open(d.config, encoding="utf-8") as x:
        config = json.load(x)
    config["spec"]["repositories"][0]["results"] = {}
    write(d.config, json.dumps(config))
    return config["spec"]["repositories"][0]["url"]


def refs(repository):
    out = git(repository, "for-each-ref", "--format=%(refname) %(objectname)")
    return dict(line.split() for line in out.splitlines())


@test(
    "the result goes back to Git: one report commit and one note however often the controller is "
    "killed, the plans branch untouched",
    needs=SIM,
    timeout=180,
)
def test_results(t):
    f = SimFleet(t)
    d = f.daemon = f.daemon_for(f.names, os.path.join(t.folder, "daemon"))
    repository = with_results(d)
    t.defer(d.stop)
    before = refs(repository)
    d.start()
    f.wait_state(f.names[0], "soak", 90)
    journal = Journal(d.state)
    wait_for("the result is on its way", lambda: journal.find("intent", row="result"), 60, poll=0.002)
    # Into the fetch, the commit, the push: wherever it is by then.
    for pause in (0.0, 0.004, 0.01, 0.02, 0.04, 0.08, 0.15):
        threading.Event().wait(pause)
        d.crash()
        d.start()
    done = lambda: len(journal.find("result", row="result", **{"class": "done"})) == 2
    wait_for("both are written", done, 60)
    now = refs(repository)
    branch, notes = "refs/heads/shiplock/results", "refs/notes/shiplock"
    equal(set(now) - set(before), {branch, notes}, "new refs")
    equal({k: now[k] for k in before}, before, "the others")
    equal(git(repository, "rev-list", "--count", branch).strip(), "1", "report commits")
    equal(git(repository, "rev-list", "--count", notes).strip(), "1", "notes commits")
    files = git(repository, "ls-tree", "-r", "--name-only", branch).split()
    equal({os.path.basename(x) for x in files if "notice-" not in x},
          {"report.md", "report.json", "outages.yaml"}, "files")
    plan = git(repository, "rev-parse", "main").strip()
    note = git(repository, "notes", "--ref", "shiplock", "show", plan)
    check(note.startswith("shiplock run ") and "Succeeded" in note, note)
    report = json.loads(git(repository, "show", f"{branch}:{os.path.dirname(files[0])}/report.json"))
    equal((report["outcome"], report["commit"]), ("Succeeded", plan), "the report")
    d.stop()
    d.start()
    wait_for("the daemon looked around", lambda: d.call("GET", "/v1/status")[0] == 200, 10)
    equal(d.call("GET", "/v1/status")[1]["results"], [], "nothing is open")
    equal(refs(repository), now, "and nothing is written again")
