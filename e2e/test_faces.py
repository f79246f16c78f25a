"""The daemon and the command line against a simulated fleet on loopback."""

import hashlib
import hmac
import http.client
import json
import os
import pty
import re
import resource
import signal
import socket
import subprocess
import xml.etree.ElementTree as ElementTree

from rangelib import gitserver, planted, product
from rangelib.harness import check, equal, need_root, test
from rangelib.wait import holds_for, wait_for

NEEDS = ["binaries:shiplock,shiplockd,shiplock-sim,shiplock-worker"]
SCALE = 300
PLAN = "to-4-21-10"
FIRST, SECOND = "ocp-test", "ocp-infra"
RUN_SEC = 150
NOBODY = 65534


class Fleet:
    """shiplock-sim serve: clusters, their telemetry and a repository of plans."""

    def __init__(self, t, faults=(), clusters=2):
        self.dir = os.path.join(t.folder, "fleet")
        argv = [product.binary("shiplock-sim"), "serve", "--clusters", clusters]
        argv += ["--time-scale", SCALE, "--dir", self.dir]
        for f in faults:
            argv += ["--fault", f]
        self.process = t.registry.spawn("sim-" + os.path.basename(t.folder), argv)
        self.process.wait_ready(lambda: "fleet of" in self.process.tail(), 20)
        t.defer(self.process.stop)
        self.checkout = os.path.join(self.dir, "checkout")
        self.plans = os.path.join(self.checkout, "plans")
        self.url = os.path.join(self.dir, "plans.git")

    def git(self, *args):
        subprocess.run(
            ["git", "-C", self.checkout, "-c", "user.name=t", "-c", "user.email=t@example", *args],
            check=True,
            capture_output=True,
        )

    def push(self, message, force=False):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.git("push", "-q", *(["--force"] if force else []), "origin", "HEAD:main")

    def write(self, name, text):
        with open(os.path.join(self.plans, name), "w", encoding="utf-8") as f:
            f.write(text)

    def edit(self, name, old, new):
        path = os.path.join(self.plans, name)
        with open(path, encoding="utf-8") as f:
            text = f.read()
        check(old in text, f"{name} holds {old!r}")
        self.write(name, text.replace(old, new))


def daemon(t, fleet, name="shiplockd", **repository):
    spec = {"repositories": [{"name": "fleet", "url": fleet.url, "interval": "5s", **repository}]}
    d = product.Daemon(t.registry, t.folder, spec, name=name)
    t.defer(d.stop)
    return d


def cli(d, *args, **options):
    return product.cli(args[0], "--socket", d.api, *args[1:], **options)


def ok(done, what):
    check(done.returncode == 0, f"{what}: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout


def runs(d):
    status, answer = d.call("GET", "/v1/runs")
    equal(status, 200, "GET /v1/runs")
    return answer["runs"]


def wait_run(d, what, condition, timeout=RUN_SEC):
    seen = {}

    def probe():
        d.process.check()
        seen["all"] = runs(d)
        return seen["all"] and condition(seen["all"][-1])

    wait_for(what, probe, timeout, ignore=(OSError,))
    return seen["all"][-1]


def ended(run):
    return run["state"] == "ended"


def outcomes(run):
    return {c["name"]: c["outcome"] for c in run["clusters"]}


def in_state(name, *states):
    return lambda run: any(c["name"] == name and c["state"] in states for c in run["clusters"])


@test("a plan in Git upgrades two clusters, and every face tells of it", needs=NEEDS, timeout=240)
def test_upgrade(t):
    fleet = Fleet(t)
    d = daemon(t, fleet).start()
    run = wait_run(d, "the first cluster is in work", in_state(FIRST, "control-plane", "cp-soak"))
    text = ok(cli(d, "status"), "status")
    check("fleet range: 1 run" in text and FIRST in text, text)
    check("waits for its turn" in text, text)
    text = ok(cli(d, "why", FIRST), "why")
    check("Because" in text and "You can" in text and "hop 4.21.8 -> 4.21.10" in text, text)
    check(f"shiplock abort {FIRST}" in text, text)
    watch = cli(d, "watch", run["name"], timeout=RUN_SEC)
    check("cp-verify" in ok(watch, "watch"), watch.stdout)
    check(re.search(r"^\d\d:\d\d:\d\dZ ocp-test +cp-soak", watch.stdout, re.M), watch.stdout)
    run = wait_run(d, "the run ends", ended)
    equal(outcomes(run), {FIRST: "Succeeded", SECOND: "Succeeded"}, "outcomes")
    equal(run["exitCode"], 0, "exit code")
    check(f"done: {FIRST} Succeeded 4.21.10" in ok(cli(d, "status"), "status"), "done line")
    _audit(t, d, run)
    _metrics(d)
    _secrets(fleet, d, run)
    equal(d.stop(), 0, "exit code of the daemon after SIGTERM")
    check("stopped by a signal" in d.process.output(), "the note at the end")


def _audit(t, d, run):
    shown = ok(cli(d, "audit", "show", run["name"]), "audit show")
    check("set-version" in shown and "desiredUpdate" not in shown, shown[:2000])
    part = ok(cli(d, "audit", "show", "5-7"), "audit show 5-7")
    equal(len(part.splitlines()), 3, "records 5-7")
    proof = ok(cli(d, "audit", "verify"), "audit verify")
    anchor = re.search(r"^anchor (\S+)$", proof, re.M).group(1)
    copy = os.path.join(t.folder, "copy.db")
    ok(cli(d, "audit", "backup", copy), "audit backup")
    ok(cli(d, "audit", "verify", "--anchor", anchor, copy), "audit verify of the copy")
    with open(copy, "r+b") as f:
        data = f.read()
        at = data.rfind(b"set-version")
        f.seek(at)
        f.write(b"SET-version")
    bad = cli(d, "audit", "verify", copy)
    equal(bad.returncode, 1, "verify of a changed journal")
    page = d.call("GET", "/v1/audit?after=3&limit=2")[1]
    equal([r["seq"] for r in page["records"]], [4, 5], "records after 3")


def _secrets(fleet, d, run):
    """The tokens of clusters and telemetry are nowhere but in their files."""
    kube = os.path.join(fleet.dir, "kube")
    tokens = [open(os.path.join(kube, n), encoding="utf-8").read().strip()
              for n in os.listdir(kube) if n.endswith(".token")]
    check(tokens and all(len(x) > 20 for x in tokens), "tokens are there")
    planted.nowhere(d, run, {f"token {i}": x for i, x in enumerate(tokens)})


@test("planted: Git's and telemetry's passwords, a plugin's token, a URL's userinfo are nowhere",
      needs=NEEDS, timeout=240)
def test_planted(t):
    fleet = Fleet(t, clusters=1)
    with open(os.path.join(fleet.dir, "kube", f"{FIRST}.token"), encoding="utf-8") as f:
        token = f.read().strip()
    secrets = {"token of the plugin": token, "password of Git": "planted-in-git",
               "basic password": "planted-in-basic", "password in a URL": "planted-in-a-url"}
    once = planted.plugin(t.folder, os.path.join(fleet.dir, "kube", FIRST), token)
    with open(os.path.join(fleet.plans, "clusters.yaml"), encoding="utf-8") as f:
        documents = f.read()
    behind = re.search(r'url: "(http://[^"]+)"', documents).group(1)
    guard, url = planted.guarded(t, behind, token, "bot", secrets["basic password"])
    basic = planted.secret_file(t, "basic", secrets["basic password"] + "\n")
    documents = re.sub(r"telemetry: .*", f"telemetry: [{{name: local, url: '{url}', basic: "
                       f"{{user: bot, password: {{file: {basic}}}}}}}]", documents)
    fleet.write("clusters.yaml", documents)
    plan = os.path.join(fleet.plans, "upgrade.yaml")
    os.rename(plan, os.path.join(t.folder, "later"))
    fleet.push("behind passwords")
    server = gitserver.GitHttp(fleet.dir, login=("bot", "changed"))
    t.defer(server.stop)
    key = planted.secret_file(t, "git", f"bot:{secrets['password of Git']}\n")
    d = product.Daemon(t.registry, t.folder, {"repositories": [{
        "name": "fleet", "url": f"{server.base}/plans.git", "interval": "5s",
        "credential": {"file": key}}], "idleInterval": "1s"})
    t.defer(d.stop)
    d.start(wait=False)
    wait_for("Git turns the credential away",
             lambda: "does not accept the credential" in json.dumps(d.call("GET", "/v1/status")[1]),
             30, ignore=(OSError,))
    server.server.login = ("bot", secrets["password of Git"])
    wait_for("the plugin fails once", lambda: os.path.exists(once), 30)
    wait_for("the cluster is seen all the same",
             lambda: "4.21.8" in json.dumps(d.call("GET", "/v1/status")[1]), 30)
    os.rename(os.path.join(t.folder, "later"), plan)
    fleet.push("the plan")
    run = wait_run(d, "the run ends", ended)
    equal(outcomes(run), {FIRST: "Succeeded"}, "outcomes")
    check(guard.asked.count(guard.want) > 3, "telemetry was asked with the password")
    secret = secrets["password in a URL"]
    bad = f"actuator: {{type: git, repository: 'https://bot:{secret}@git.example/c', file: c}}"
    fleet.write("clusters.yaml", documents + f"  {bad}\n")
    done = product.cli("check", fleet.checkout)
    equal(done.returncode, 2, "check")
    check("the URL holds a password" in done.stdout + done.stderr, done.stdout + done.stderr)
    check(secret not in done.stdout + done.stderr, "check repeats the password")
    fleet.push("a password in a URL")
    wait_for("the document is refused",
             lambda: "the URL holds a password" in json.dumps(d.call("GET", "/v1/status")[1]), 30)
    planted.nowhere(d, run, secrets)


def _held_metrics(d, cluster, state):
    """Of a held cluster in this state: each series with its value; others of its kind are 0."""
    status, text = d.get_web("/metrics")
    equal(status, 200, "/metrics")
    states = re.findall(rf'^shiplock_cluster_state{{cluster="{cluster}",state="([a-z-]+)"}} 1$',
                        text, re.M)
    equal(states, [state], "states of the cluster that are 1")
    for want in (
        rf'shiplock_hold_seconds{{cluster="{cluster}",cause="pause"}} \d+',
        rf'shiplock_act_total{{cluster="{cluster}",act="set-version",result="done"}} 1',
    ):
        check(re.search(f"^{want}$", text, re.M), f"{want} in the metrics:\n{text[:3000]}")
    return text


def _metrics(d):
    status, text = d.get_web("/metrics")
    equal(status, 200, "/metrics")
    for want in (
        "shiplock_journal_writable 1",
        'shiplock_run_end_total{end="Succeeded"} 1',
        "shiplock_journal_append_seconds ",
        "shiplock_request_seconds_count{",
        'shiplock_git_age_seconds{repository="fleet"} ',
        "shiplock_build_info{",
    ):
        check(want in text, f"{want} in the metrics:\n{text[:3000]}")
    equal(d.get_web("/healthz")[0], 200, "/healthz")
    equal(d.get_web("/readyz")[0], 200, "/readyz")


@test("run without a daemon: events, JUnit, exit code, and the plan before", needs=NEEDS,
      timeout=240)
def test_run(t):
    fleet = Fleet(t)
    none = {"SHIPLOCK_SOCKET": os.path.join(t.folder, "none")}
    plan = product.cli("plan", PLAN, fleet.checkout, env=none)
    check(f"{FIRST}  " in ok(plan, "plan") and "T2 to 4.21.8" in plan.stdout, plan.stdout)
    report = json.loads(ok(product.cli("plan", "-o", "json", PLAN, fleet.checkout), "plan json"))
    equal([c["preflight"] for c in report["clusters"]], ["ready", "ready"], "preflight")
    full = ok(product.cli("plan", "--full", PLAN, fleet.checkout), "plan --full")
    for want in ("kind: UpgradePlan", "name: builtin/default", "failureBudget: 0"):
        check(want in full, f"{want} in:\n{full}")
    lost = product.cli("run", PLAN, fleet.checkout, env=none)
    equal(lost.returncode, 64, "run without daemon and --state")
    check("no controller listens" in lost.stderr and "try: " in lost.stderr, lost.stderr)
    junit, state = os.path.join(t.folder, "j.xml"), os.path.join(t.folder, "state")
    done = product.cli("run", "--state", state, "--junit", junit, PLAN, fleet.checkout,
                       env=none, timeout=RUN_SEC)
    check(f"{FIRST} Succeeded, {SECOND} Succeeded" in ok(done, "run"), done.stdout)
    cases = _cases(junit)
    equal(cases[f"{FIRST}.state/cp-soak"], "passed", "cp-soak")
    equal(cases[f"{SECOND}.gate/ingress-error-ratio"], "passed", "gate")
    check("failed" not in cases.values() and "error" not in cases.values(), str(cases))
    again = product.cli("run", "-o", "json", "--state", state, PLAN, fleet.checkout,
                        env=none, timeout=RUN_SEC)
    lines = [json.loads(line) for line in ok(again, "run again").splitlines()]
    check(all(line["kind"] == "Event" for line in lines), "only events")
    check("set-version" not in again.stdout, "nothing is written twice")


def _cases(path):
    cases = {}
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        child = case.find("*")
        name = {"failure": "failed", "error": "error", "skipped": "skipped"}
        key = f"{case.get('classname')}/{case.get('name')}"
        cases[key] = "passed" if child is None else name[child.tag]
    return cases


@test("run: a gate that fails rolls back, exit 4, and why says what was measured", needs=NEEDS,
      timeout=240)
def test_run_rolls_back(t):
    fleet = Fleet(t, faults=["error-rate-rise@1"])
    junit, state = os.path.join(t.folder, "j.xml"), os.path.join(t.folder, "state")
    none = {"SHIPLOCK_SOCKET": os.path.join(t.folder, "none")}
    done = product.cli("run", "--state", state, "--junit", junit, PLAN, fleet.checkout,
                       env=none, timeout=RUN_SEC)
    equal(done.returncode, 4, f"exit code: {done.stdout}{done.stderr}")
    for want in (f"{FIRST} RolledBack", "gate ingress-error-ratio FAIL", "haproxy_backend",
                 "shiplock retry ocp-test"):
        check(want in done.stdout, f"{want} in:\n{done.stdout}")
    cases = _cases(junit)
    equal(cases[f"{FIRST}.state/cp-soak"], "failed", "cp-soak")
    equal(cases[f"{FIRST}.state/rollback"], "passed", "rollback")
    equal(cases[f"{SECOND}.state/preflight"], "skipped", "the second was not reached")
    run = ("run", "--state", state, PLAN, fleet.checkout)
    equal(product.cli(*run, env=none, timeout=RUN_SEC).returncode, 4, "it stands still")
    said = product.cli("resume", "--fleet", "--state", state, "--reason", "looked at", env=none)
    equal(ok(said, "resume").strip(), "the fleet goes on", "resume without a controller")
    more = product.cli(*run, env=none, timeout=RUN_SEC)
    equal(more.returncode, 4, f"exit code: {more.stdout}{more.stderr}")
    check(f"{SECOND} Succeeded" in more.stdout, more.stdout)
    shown = ok(product.cli("audit", "show", "--state", state, env=none), "audit show")
    check("looked at" in shown, "who resumed stands in the journal")


@test("a cluster that cannot be drained is refused beforehand, exit 5", needs=NEEDS, timeout=120)
def test_refused(t):
    fleet = Fleet(t, faults=["pdb-zero@1"])
    none = {"SHIPLOCK_SOCKET": os.path.join(t.folder, "none")}
    plan = product.cli("plan", PLAN, fleet.checkout, env=none)
    equal(plan.returncode, 5, f"plan: {plan.stdout}{plan.stderr}")
    for want in (f"{FIRST} is blocked", "PodDisruptionBudget", "try: ",
                 "1 of 2 clusters cannot start; nothing was changed."):
        check(want in plan.stdout, f"{want} in:\n{plan.stdout}")
    done = product.cli("run", "--state", os.path.join(t.folder, "state"), PLAN, fleet.checkout,
                       env=none, timeout=RUN_SEC)
    equal(done.returncode, 5, f"run: {done.stdout}{done.stderr}")
    check(f"{FIRST} Refused" in done.stdout, done.stdout)
    for args, code in (((PLAN, os.path.join(t.folder, "nothing")), 2), (("other", fleet.checkout), 2)):
        for verb in ("plan", "run"):
            equal(product.cli(verb, *args, env=none).returncode, code, f"{verb} {args}")


@test("a finished cluster is rolled back by a run of its own", needs=NEEDS, timeout=240)
def test_rollback_later(t):
    fleet = Fleet(t, clusters=1)
    d = daemon(t, fleet).start()
    equal(outcomes(wait_run(d, "the run ends", ended)), {FIRST: "Succeeded"}, "outcomes")
    back = cli(d, "rollback", "--yes", FIRST, "--wait", "--reason", "ticket 4711", FIRST,
               timeout=RUN_SEC)
    check(f"{FIRST} RolledBack" in ok(back, "rollback --wait"), back.stdout)
    check("4.21.10 -> 4.21.8 by T2" in back.stdout, back.stdout)
    check("ticket 4711" in ok(cli(d, "audit", "show"), "audit show"), "the reason is recorded")
    equal(len(runs(d)), 2, "runs")
    check(f"done: {FIRST} RolledBack 4.21.8" in ok(cli(d, "status"), "status"), "status")


@test("run: SIGTERM stops and holds with exit 3, the same command goes on", needs=NEEDS,
      timeout=240)
def test_run_stop(t):
    fleet = Fleet(t)
    state = os.path.join(t.folder, "state")
    argv = [product.binary("shiplock"), "run", "--socket", os.path.join(t.folder, "none"),
            "--state", state, PLAN, fleet.checkout]
    p = t.registry.spawn("run-stop", argv)
    p.wait_ready(lambda: "set-version" in p.output() or "control-plane" in p.output(), 60)
    locked = product.cli(*argv[1:])
    equal(locked.returncode, 1, "a second one on the same state")
    check("pid" in locked.stderr or "lock" in locked.stderr, locked.stderr)
    equal(p.stop(), 3, "exit code after SIGTERM")
    check("stopped by a signal" in p.output(), p.tail())
    done = product.cli(*argv[1:], timeout=RUN_SEC)
    check(f"{FIRST} Succeeded, {SECOND} Succeeded" in ok(done, "run again"), done.stdout)


@test("with a daemon on the socket run submits there and follows", needs=NEEDS, timeout=240)
def test_run_there(t):
    fleet = Fleet(t)
    fleet.edit("upgrade.yaml", "spec:\n", "spec:\n  state: suspended\n")
    fleet.push("suspended")
    d = daemon(t, fleet).start()
    fleet.edit("upgrade.yaml", "  state: suspended\n", "")
    done = cli(d, "run", "--junit", os.path.join(t.folder, "j.xml"), PLAN, fleet.checkout,
               timeout=RUN_SEC)
    check(f"{FIRST} Succeeded, {SECOND} Succeeded" in ok(done, "run"), done.stdout)
    equal(_cases(os.path.join(t.folder, "j.xml"))[f"{FIRST}.state/nodes"], "passed", "nodes")
    equal(len(runs(d)), 1, "runs")
    records = d.call("GET", "/v1/audit?limit=1")[1]["records"]
    equal(records[0]["body"]["who"], "root" if os.geteuid() == 0 else os.environ.get("USER"), "who")


def as_user(uid, d, method, path, body=None):
    """The status of one request made by another user."""
    code = (
        "import os,sys,json,http.client,socket\n"
        "os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
        "class C(http.client.HTTPConnection):\n"
        "    def connect(self):\n"
        "        self.sock = socket.socket(socket.AF_UNIX); self.sock.connect(sys.argv[2])\n"
        "c = C('x'); c.request(sys.argv[3], sys.argv[4], sys.argv[5])\n"
        "r = c.getresponse(); print(r.status, r.read().decode())\n"
    )
    done = subprocess.run(
        ["python3", "-c", code, str(uid), d.api, method, path, json.dumps(body or {})],
        capture_output=True, text=True, timeout=20,
    )
    status, _, text = done.stdout.partition(" ")
    check(status, done.stderr)
    return int(status), text


@test("the API: problems with their status", needs=NEEDS, timeout=120)
def test_api(t):
    fleet = Fleet(t)
    d = daemon(t, fleet).start()
    wait_run(d, "the first cluster is in work", in_state(FIRST, "control-plane"))
    cases = [
        ("GET", "/v1/nothing", None, 404),
        ("GET", "/other", None, 404),
        ("POST", "/v1/status", {}, 405),
        ("GET", "/v1/clusters/none", None, 404),
        ("GET", "/v1/clusters/none/why", None, 404),
        ("GET", "/v1/runs/77", None, 404),
        ("GET", "/v1/orders/77", None, 404),
        ("POST", "/v1/clusters/none/pause", {}, 404),
        ("POST", f"/v1/clusters/{FIRST}/rollback", {}, 422),
        ("POST", f"/v1/clusters/{FIRST}/rollback", {"confirm": "other"}, 422),
        ("POST", f"/v1/clusters/{FIRST}/skip", {}, 422),
        ("POST", f"/v1/clusters/{FIRST}/pause", {"expect": {"state": "soak"}}, 409),
        ("POST", f"/v1/clusters/{FIRST}/pause", {"expect": {"seq": 1}}, 409),
        ("POST", f"/v1/clusters/{FIRST}/retry", {"reason": "x"}, 409),
        ("POST", "/v1/resume", {}, 409),
        ("POST", "/v1/runs", {}, 422),
        ("POST", "/v1/runs", {"files": [{"name": "a", "text": "kind: Cluster\n"}]}, 422),
    ]
    for method, path, body, want in cases:
        status, answer = d.order(path, body) if method == "POST" else d.call(method, path)
        equal(status, want, f"{method} {path} {body}: {answer}")
        equal(answer["status"], want, f"the problem of {path}")
        check(answer["detail"], f"{path} says nothing")
    stale = d.call("POST", f"/v1/clusters/{FIRST}/pause", {"expect": {"state": "soak"}})[1]
    equal(stale["now"]["state"], "control-plane", "what it is now")


@test("the API: nobody may look, and do nothing", needs=NEEDS, timeout=120)
def test_api_nobody(t):
    need_root()
    fleet = Fleet(t)
    d = daemon(t, fleet).start()
    wait_run(d, "the first cluster is in work", in_state(FIRST, "control-plane"))
    for folder in (t.folder, os.path.dirname(t.folder), os.path.dirname(d.api)):
        os.chmod(folder, 0o755)
    equal(as_user(NOBODY, d, "GET", "/v1/status")[0], 200, "anyone may look")
    for path in ("/v1/pause", f"/v1/clusters/{FIRST}/abort", f"/v1/clusters/{FIRST}/approve"):
        status, text = as_user(NOBODY, d, "POST", path)
        equal(status, 403, f"nobody: {path}")
        check("needs the role" in text, text)
    equal([c["holds"] for c in runs(d)[-1]["clusters"]], [[], []], "nothing happened")


@test("a role lets others act, but not bring clusters of their own", needs=NEEDS, timeout=120)
def test_roles(t):
    need_root()
    fleet = Fleet(t)
    d = daemon(t, fleet)
    with open(d.config, encoding="utf-8") as f:
        config = json.load(f)
    config["spec"]["roles"] = {"operate": ["nogroup"], "read": ["*"]}
    with open(d.config, "w", encoding="utf-8") as f:
        json.dump(config, f)
    d.start()
    for folder in (t.folder, os.path.dirname(t.folder), os.path.dirname(d.api)):
        os.chmod(folder, 0o755)
    equal(as_user(NOBODY, d, "POST", "/v1/pause", {"reason": "x"})[0], 202, "operate")
    equal(as_user(NOBODY, d, "POST", f"/v1/clusters/{FIRST}/approve")[0], 403, "approve")
    names = ("clusters.yaml", "upgrade.yaml")
    texts = {n: open(os.path.join(fleet.plans, n), encoding="utf-8").read() for n in names}
    policy = os.path.join(fleet.checkout, "policies", "gates.yaml")
    texts["gates.yaml"] = open(policy, encoding="utf-8").read()
    own = {**texts, "clusters.yaml": texts["clusters.yaml"].replace("stage: hub", "stage: hab")}
    for submitted, want in ((own, 403), (texts, 200)):
        files = [{"name": n, "text": x} for n, x in submitted.items()]
        status, text = as_user(NOBODY, d, "POST", "/v1/runs", {"files": files})
        equal(status, 202, f"submitted: {text}")
        number = json.loads(text)["order"]
        answer = wait_for(
            "the order ends",
            lambda: (a := d.call("GET", f"/v1/orders/{number}"))[0] != 202 and a, 20)
        equal(answer[0], want, f"{answer}")
    for line in ("who", "nobody"):
        check(line in ok(cli(d, "audit", "show", "-o", "json"), "audit"), line)


def _typed(d):
    """On a terminal it asks; another name than the cluster's is a no."""
    ours, theirs = pty.openpty()
    try:
        os.write(ours, b"ocp-tset\n")
        done = subprocess.run(
            [product.binary("shiplock"), "rollback", "--socket", d.api, FIRST],
            stdin=theirs, capture_output=True, text=True, timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    check("Type the cluster's name to go on:" in done.stdout, done.stdout)
    equal(done.returncode, 64, f"another name: {done.stdout}{done.stderr}")


def _stale(d):
    """Something happens between the screen and the name that is typed: nothing is done."""
    ours, theirs = pty.openpty()
    try:
        asked = subprocess.Popen(
            [product.binary("shiplock"), "rollback", "--socket", d.api, FIRST],
            stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        seen = ""
        while "to go on: " not in seen:
            piece = asked.stdout.read(1)
            check(piece, f"it ended: {seen}{asked.stderr.read() if not piece else ''}")
            seen += piece
        equal(d.order(f"/v1/clusters/{FIRST}/pause", {"reason": "mine"})[0], 200, "pause")
        os.write(ours, f"{FIRST}\n".encode())
        out, err = asked.communicate(timeout=20)
    finally:
        os.close(ours)
        os.close(theirs)
    equal(asked.returncode, 1, f"after somebody's pause: {out}{err}")
    check(f"{FIRST} is not as it was seen" in err, err)
    equal(d.order(f"/v1/clusters/{FIRST}/resume")[0], 200, "resume")


@test("people: pause, resume, abort and rollback from the command line", needs=NEEDS, timeout=300)
def test_orders(t):
    fleet = Fleet(t)
    d = daemon(t, fleet).start()
    wait_run(d, "the first cluster is in work", in_state(FIRST, "control-plane"))
    ok(cli(d, "pause", "--reason", "power work", FIRST), "pause")
    text = ok(cli(d, "status"), "status")
    check("NEEDS YOU" in text and "power work" in text, text)
    check("power work" in ok(cli(d, "why", FIRST), "why"), "why says who paused")
    _held_metrics(d, FIRST, "control-plane")
    twice = cli(d, "pause", FIRST)
    check(twice.returncode == 1 and "shiplock: pause: " in twice.stderr, twice.stderr)
    unasked = cli(d, "approve", FIRST)
    check(unasked.returncode == 1 and unasked.stderr, unasked.stderr)
    equal(unasked.stdout, "", "approve shows a question where there is none")
    ok(cli(d, "resume", FIRST), "resume")
    wait_run(d, "it goes on", in_state(FIRST, "cp-soak", "nodes", "verify", "soak"))
    verdict = rf'^shiplock_gate_verdict{{cluster="{FIRST}",gate="[a-z-]+",verdict="PASS"}} 1$'
    wait_for("a gate's verdict is a series",
             lambda: re.search(verdict, d.get_web("/metrics")[1], re.M), 60)
    ok(cli(d, "pause", "--fleet", "--reason", "enough"), "pause --fleet")
    check(re.search(r'^shiplock_hold_seconds{cause="pause"} \d+$', d.get_web("/metrics")[1], re.M),
          "the pause of the fleet is a series")
    check("shiplock resume --fleet" in ok(cli(d, "status"), "status"), "fleet pause is shown")
    wrong = cli(d, "rollback", "--yes", "other", FIRST)
    equal(wrong.returncode, 64, "rollback with another name")
    check("nothing was done" in wrong.stderr and "try: " in wrong.stderr, wrong.stderr)
    check("4.21.10 -> 4.21.8 by T2" in wrong.stdout, wrong.stdout)
    _typed(d)
    _stale(d)
    equal(cli(d, "pause").returncode, 64, "pause without a name")
    equal(cli(d, "skip", FIRST).returncode, 64, "skip without a reason")
    ok(cli(d, "resume", "--fleet"), "resume --fleet")
    back = cli(d, "rollback", "--yes", FIRST, "--wait", FIRST, timeout=RUN_SEC)
    check(f"{FIRST} RolledBack" in ok(back, "rollback --wait"), back.stdout)
    equal(cli(d, "why", "7").returncode, 1, "why of no run")
    check("shiplock retry ocp-test" in ok(cli(d, "why", runs(d)[-1]["name"]), "why RUN"), "retry")


def hook(d, body, headers, query=""):
    host, _, port = d.web.partition(":")
    c = http.client.HTTPConnection(host, int(port), timeout=10)
    c.request("POST", "/hooks/git" + query, body, headers)
    status = c.getresponse().status
    c.close()
    return status


@test("a webhook with the right signature makes the daemon look at once", needs=NEEDS, timeout=120)
def test_webhook(t):
    fleet = Fleet(t)
    fleet.edit("upgrade.yaml", "spec:\n", "spec:\n  state: suspended\n")
    fleet.push("suspended")
    secret = os.path.join(t.folder, "hook")
    with open(secret, "w", encoding="utf-8") as f:
        f.write("planted-hook-secret\n")
    d = daemon(t, fleet, interval="1h", webhook={"secret": {"file": secret}}).start()
    wait_for("the first look", lambda: d.call("GET", "/v1/status")[1]["repositories"], 20)
    body = b'{"ref": "refs/heads/main"}'
    mac = hmac.new(b"planted-hook-secret", body, hashlib.sha256).hexdigest()
    cases = [
        ({}, "", 403),
        ({"X-Hub-Signature-256": "sha256=" + "0" * 64}, "", 403),
        ({"X-Hub-Signature-256": mac}, "", 403),
        ({"X-Gitlab-Token": "planted"}, "", 403),
        ({"X-Hub-Signature-256": "sha256=" + mac}, "?repository=other", 403),
        ({"X-Gitlab-Token": "planted-hook-secret"}, "", 202),
        ({"X-Hub-Signature-256": "sha256=" + mac}, "?repository=fleet", 202),
    ]
    for headers, query, want in cases:
        equal(hook(d, body, headers, query), want, f"{headers} {query}")
    equal(runs(d), [], "a suspended plan begins no run")
    fleet.edit("upgrade.yaml", "  state: suspended\n", "")
    fleet.push("active")
    equal(hook(d, body, {"X-Gitlab-Token": "planted-hook-secret"}), 202, "hook")
    wait_for("the run begins", lambda: runs(d), 10)
    equal(d.get_web("/hooks/git")[0], 405, "GET of the hook")
    for text in (json.dumps(d.call("GET", "/v1/status")[1]), d.process.output()):
        check("planted" not in text, "no secret in status or log")


@test("Git: what is broken stays out, the last good revision stays in force", needs=NEEDS,
      timeout=120)
def test_git(t):
    fleet = Fleet(t)
    fleet.edit("upgrade.yaml", "spec:\n", "spec:\n  state: suspended\n")
    fleet.push("suspended")
    d = daemon(t, fleet).start()

    def repository():
        return d.call("GET", "/v1/status")[1]["repositories"][0]

    first = wait_for("a commit is in force",
                     lambda: d.call("GET", "/v1/status")[1]["repositories"] and
                     repository()["commit"], 20)
    fleet.write("broken.yaml", "kind: Cluster\nspec: {}\n")
    fleet.push("broken")
    wait_for("the error shows", lambda: "is not taken: plans/broken.yaml" in
             (repository()["error"] or ""), 20)
    equal(repository()["commit"], first, "commit in force")
    check("stay in force" in ok(cli(d, "status"), "status"), "status names it")
    os.unlink(os.path.join(fleet.plans, "broken.yaml"))
    fleet.push("mended")
    wait_for("the error is gone", lambda: repository()["error"] is None, 20)
    good = repository()["commit"]
    check(good != first, "a newer commit")
    fleet.git("reset", "-q", "--hard", first)
    fleet.push("another past", force=True)
    wait_for("the rewrite shows", lambda: "was rewritten" in (repository()["error"] or ""), 20)
    equal(repository()["commit"], good, "commit in force")
    d.process.signal(signal.SIGHUP)
    wait_for("a reload takes it", lambda: repository()["error"] is None, 20)
    check(repository()["commit"] not in (first, good), "the new past is in force")


@test("a wrong configuration: exit 2 at the start, at a reload the old one stays", needs=NEEDS,
      timeout=60)
def test_config(t):
    fleet = Fleet(t)
    d = daemon(t, fleet)
    with open(d.config, encoding="utf-8") as f:
        good = f.read()
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(good.replace('"repositories"', '"repository"'))
    d.start(wait=False)
    equal(d.process.wait(10), 2, "exit code")
    check('did you mean \\"repositories\\"' in d.process.output(), d.process.tail())
    with open(d.config, "w", encoding="utf-8") as f:
        f.write(good)
    d.start()
    with open(d.config, "w", encoding="utf-8") as f:
        f.write("nonsense")
    d.process.signal(signal.SIGHUP)
    wait_for("the log says it", lambda: "configuration in force stays" in d.process.output(), 10)
    equal(d.get_web("/readyz")[0], 200, "/readyz")
    second = product.Daemon(t.registry, t.folder, {}, name="second")
    with open(second.config, "w", encoding="utf-8") as f:
        f.write(good.replace(d.api, second.api).replace(d.web, second.web))
    second.start(wait=False)
    equal(second.process.wait(10), 1, "a second daemon on the same state")


@test("a journal that cannot be written: not ready, and status goes on", needs=NEEDS, timeout=120)
def test_journal_full(t):
    fleet = Fleet(t)
    d = daemon(t, fleet).start()
    wait_run(d, "the first cluster is in work", in_state(FIRST, "control-plane", "cp-soak"))
    size = max(os.path.getsize(os.path.join(d.state, n)) for n in os.listdir(d.state)
               if n.startswith("journal"))
    # SIGXFSZ would end it; SQLite is to see a write that fails, as on a full disk.
    resource.prlimit(d.process.pid, resource.RLIMIT_FSIZE, (size, size))
    wait_for("/readyz says so", lambda: d.get_web("/readyz")[0] == 503, 60)
    check("shiplock_journal_writable 0" in d.get_web("/metrics")[1], "metric")
    status = d.call("GET", "/v1/status")
    equal((status[0], status[1]["journalWritable"]), (200, False), "status goes on")
    check("the journal cannot be written" in ok(cli(d, "status"), "status"), "CLI")
    equal(d.get_web("/healthz")[0], 200, "/healthz")
    d.crash()
    d.start()
    run = wait_run(d, "the next start goes on to the end", ended)
    equal(outcomes(run), {FIRST: "Succeeded", SECOND: "Succeeded"}, "outcomes")


@test("events: from a record on, and again after the stream was lost", needs=NEEDS, timeout=120)
def test_events(t):
    fleet = Fleet(t)
    d = daemon(t, fleet).start()
    wait_run(d, "the first cluster is in work", in_state(FIRST, "control-plane", "cp-soak"))
    c = product.UnixConnection(d.api, timeout=20)
    c.request("GET", "/v1/events?after=0")
    r = c.getresponse()
    equal(r.getheader("Content-Type"), "text/event-stream", "type")
    ids = []
    for _ in range(40):
        line = r.readline()
        if line.startswith(b"id: "):
            ids.append(int(line[4:]))
    c.close()
    equal(ids, list(range(1, len(ids) + 1)), "every record once, in order")
    d.stop()
    d.start()
    c = product.UnixConnection(d.api, timeout=20)
    c.request("GET", "/v1/events", headers={"Last-Event-ID": str(ids[-1])})
    r = c.getresponse()
    line = next(line for line in iter(r.readline, b"") if line.startswith(b"id: "))
    equal(int(line[4:]), ids[-1] + 1, "goes on behind the last that was seen")
    c.close()
    holds_for("the daemon lives on", d.process.running, 0.5)


@test("systemd is told what goes on, and lost time is noticed", needs=NEEDS, timeout=60)
def test_service(t):
    fleet = Fleet(t)
    told, said = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), []
    path = os.path.join(t.folder, "notify")
    told.bind(path)
    told.settimeout(0.1)
    t.defer(told.close)

    def heard(word):
        try:
            said.append(told.recv(4096).decode())
        except TimeoutError:
            pass
        return any(word in x for x in said)

    def noticed(begin):
        """In all that was logged since: what follows may be more than a tail."""
        with open(d.process.log, "rb") as f:
            f.seek(begin)
            return b"were not observed" in f.read()

    d = daemon(t, fleet)
    d.env = {**d.env, "NOTIFY_SOCKET": path, "WATCHDOG_USEC": "2000000"}
    d.start(wait=False)
    for word in ("READY=1", "WATCHDOG=1", "STATUS=1 run going on, 0 need a person"):
        wait_for(word, lambda w=word: heard(w), 20)
    said.clear()
    d.process.signal(signal.SIGHUP)
    wait_for("RELOADING=1", lambda: heard("RELOADING=1"), 10)
    wait_for("READY=1 again", lambda: heard("READY=1"), 10)
    d.pause()
    said.clear()
    holds_for("a stopped daemon pings nobody", lambda: not heard("WATCHDOG=1"), 7)
    begin = os.path.getsize(d.process.log)
    d.go_on()
    wait_for("the lost time is noticed", lambda: noticed(begin), 10)
    d.process.signal(signal.SIGTERM)
    wait_for("STOPPING=1", lambda: heard("STOPPING=1"), 10)
    equal(d.process.wait(10), 0, "exit code")


@test("the command line by itself: usage, completion, version", needs=NEEDS, timeout=30)
def test_alone(t):
    none = {"SHIPLOCK_SOCKET": os.path.join(t.folder, "none")}
    for args, code in (((), 64), (("nonsense",), 64), (("--help",), 0), (("status", "x"), 64),
                       (("why",), 64), (("pause", "--node", "x", "y"), 64), (("version",), 0),
                       (("completion", "bash"), 0), (("completion", "fish"), 64),
                       (("status", "--help"), 0), (("status",), 1),
                       (("audit", "replay"), 64), (("audit", "show", "9-3"), 64),
                       (("audit", "show", "7:x"), 64), (("audit", "verify", "/none"), 1),
                       (("audit", "backup"), 64), (("rollback",), 64)):
        done = product.cli(*args, env=none)
        equal(done.returncode, code, f"{args}: {done.stderr}")
    equal(product.cli("status", env=none).stderr.splitlines()[1],
          "try: systemctl status shiplockd, or --socket PATH", "try")
    usage = product.cli("approve", "--help").stdout
    check("--for" in usage and "--reject" in usage and "--break-glass" in usage, usage)
    script = product.cli("completion", "bash").stdout
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    words = subprocess.run(
        ["bash", "-c", script + "\nCOMP_WORDS=(shiplock roll); COMP_CWORD=1; _shiplock; "
         "echo ${COMPREPLY[@]}"], capture_output=True, text=True, check=True)
    equal(words.stdout.strip(), "rollback", "completion")
    with open(os.path.join(product.REPO, "cmd", "shiplock", "shiplock.1"), encoding="utf-8") as f:
        page = f.read()
    verbs = re.findall(r"^  (\w+)  ", product.cli("--help").stdout, re.M)
    check(len(verbs) > 12, str(verbs))
    for v in verbs:
        check(f".It Cm {v}" in page or f".Cm {v}" in page, f"{v} is in the manual page")
