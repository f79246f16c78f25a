"""Wishes in Git: the worker edits, commits and pushes, through real servers over http and ssh."""

import json
import os
import signal
import subprocess
import threading
import time

from rangelib import product
from rangelib.gitserver import BRANCH, git
from rangelib.harness import check, equal, test
from rangelib.wait import wait_for

FILE = "overlays/prod/clusterversion.yaml"
ACKS = "overlays/prod/kustomization.yaml"
ACK = "ack-4.20-kube-1.34-api-removals-in-4.21"
RESULTS = "shiplock/results"
WISHES = 6
SENDS = 8  # how often a wish that was cut off is sent again at most
EXIT_ERROR = 10

MANIFEST = """# the cluster's own object
apiVersion: config.openshift.io/v1
kind: ClusterVersion
metadata:
  name: version
spec:
  channel: stable-4.20   # stable, not fast
  desiredUpdate:
    version: 4.20.15
"""
KUSTOMIZATION = """kind: Kustomization
resources:
- clusterversion.yaml
configMapGenerator:
- name: admin-acks
  namespace: openshift-config
  behavior: merge
  literals:
  - ack-4.18-kube-1.32-api-removals-in-4.19=true
"""


def cluster_version(path, value, **more):
    return {
        "kind": "ClusterVersion",
        "name": "version",
        "at": ["spec", *path.split(".")],
        "value": value,
        **more,
    }


class Site:
    """A repository of a site on both servers, and the worker's view of it."""

    def __init__(self, t, scheme, name):
        self.t, self.scheme = t, scheme
        self.repository = t.git.repository(name)
        self.repository.commit({FILE: MANIFEST, ACKS: KUSTOMIZATION}, "site")
        self.mirror = os.path.join(t.folder, f"mirror-{name}")

    def common(self):
        server = {"http": self.t.git.http, "ssh": self.t.git.ssh}[self.scheme]
        r = {"mirror": self.mirror, "url": server.url(self.repository), "branch": BRANCH}
        if self.scheme == "ssh":
            r["credential"] = {"secret": {"file": server.key}}
            r["knownHosts"] = {"file": server.known_hosts}
        return r

    def wish(self, key, version="4.21.10", op="edit", **more):
        """The request for channel, version and acknowledgement in one commit."""
        return {
            "op": op,
            **self.common(),
            "key": key,
            "message": f"order {version} for prod",
            "trailers": [["Shiplock-Run", "r1"], ["Shiplock-Cluster", "prod"]],
            "author": {"name": "Shiplock", "email": "shiplock@example.com"},
            "time": 1700000000,
            "files": [
                {
                    "path": FILE,
                    "edits": [
                        cluster_version("channel", "stable-4.21"),
                        cluster_version("desiredUpdate.version", version),
                    ],
                },
                {"path": ACKS, "edits": [{"ack": ACK, "value": "true"}]},
            ],
            **more,
        }

    def report(self, key):
        """The request for a report on a branch of its own."""
        wish = self.wish(key, op="write", branch=RESULTS)
        return {**wish, "files": [{"path": f"runs/{key}.md", "text": "# went well\n"}]}

    def hook(self, name, script):
        path = os.path.join(self.repository.bare, "hooks", name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{script}\n")
        os.chmod(path, 0o755)
        return path

    def count(self, key, branch=BRANCH):
        """How many commits of the branch carry the key; 0 where there is no branch yet."""
        bare = self.repository.bare
        if not git("for-each-ref", f"refs/heads/{branch}", cwd=bare):
            return 0
        log = git("log", "--format=%B", branch, cwd=bare)
        return log.splitlines().count(f"Shiplock-Key: {key}")


class Worker:
    """One job of the worker, by hand."""

    def __init__(self, request):
        self.process = subprocess.Popen(
            [product.binary("shiplock-worker"), "git"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.process.stdin.write(json.dumps(request).encode())
        self.process.stdin.close()
        self.process.stdin = None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def answer(self):
        """What it says, or None when it was killed."""
        out, said = self.process.communicate(timeout=60)
        if self.process.returncode == -signal.SIGKILL:
            return None
        check(
            self.process.returncode in (0, EXIT_ERROR),
            f"worker: {self.process.returncode}: {out} {said}",
        )
        return json.loads(out)


def ask(request):
    return Worker(request).answer()


def sent_until_done(request):
    """As the controller does: RETRY and an unknown outcome are settled by the same request."""
    for _ in range(SENDS):
        answer = ask(request)
        if answer.get("outcome") == "done":
            return answer
        code = answer.get("error", {}).get("code")
        check(code in ("retry", "unknownOutcome"), f"neither done nor to be sent again: {answer}")
    raise AssertionError(f"never done: {answer}")


def numstat(site, commits):
    return git("diff", "--numstat", *commits, cwd=site.repository.bare).splitlines()


def wish_and_back(t, scheme):
    site = Site(t, scheme, f"wish-{scheme}")
    before = site.repository.head()
    done = ask(site.wish("up"))
    equal((done["outcome"], done["how"]), ("done", "new"), f"{scheme}: the wish")
    equal(done["commit"], site.repository.head(), "where the branch stands")
    lines = numstat(site, [before, BRANCH])
    equal(lines, [f"2\t2\t{FILE}", f"1\t0\t{ACKS}"], "lines touched")
    text = git("show", f"{BRANCH}:{FILE}", cwd=site.repository.bare)
    check("channel: stable-4.21   # stable, not fast" in text, text)
    found = ask(site.wish("up"))
    equal((found["how"], found["commit"]), ("found", done["commit"]), "sent again")
    back = ask({**site.wish("down"), "files": done["undo"]})
    equal((back["outcome"], back["how"]), ("done", "new"), f"{scheme}: the way back: {back}")
    equal(numstat(site, [before, BRANCH]), [], "what differs from the start")
    git("fsck", "--strict", "--no-dangling", cwd=site.repository.bare)


@test("a wish and its way back are one commit each, over http and ssh", needs=["git"])
def test_wish(t):
    for scheme in ("http", "ssh"):
        wish_and_back(t, scheme)


@test("a server's hook says no in its own words, over http and ssh", needs=["git"])
def test_hook(t):
    for scheme in ("http", "ssh"):
        site = Site(t, scheme, f"hook-{scheme}")
        before = site.repository.head()
        hook = site.hook("pre-receive", "echo 'main is frozen until Monday' >&2; exit 1")
        no = ask(site.wish("w1"))
        equal(no["outcome"], "rejected", scheme)
        check("main is frozen until Monday" in no["message"], no["message"])
        equal(site.repository.head(), before, "where the branch stands")
        os.unlink(hook)
        equal(ask(site.wish("w1"))["how"], "new", "once the hook is gone")


def others(site, stop, tokens, counted):
    """Pushes to the branch, beside the wish's lines, one commit a token."""
    while not stop.is_set():
        if not tokens.acquire(timeout=0.1):
            continue
        pushed = False
        while not pushed:  # ours may be faster
            site.repository.pull()
            try:
                site.repository.commit({f"other/{len(counted)}.txt": "x\n"}, "somebody else")
                pushed = True
            except RuntimeError:
                git("reset", "-q", "--hard", "HEAD~1", cwd=site.repository.tree)
        counted.append(1)


@test("wishes and a busy committer lose nothing of each other", needs=["git"], timeout=180)
def test_race(t):
    total = 0
    for scheme in ("http", "ssh"):
        site = Site(t, scheme, f"race-{scheme}")
        stop, tokens, counted = threading.Event(), threading.Semaphore(0), []
        busy = threading.Thread(target=others, args=(site, stop, tokens, counted), daemon=True)
        busy.start()
        attempts = 0
        try:
            for i in range(WISHES):
                tokens.release(3)
                done = sent_until_done(site.wish(f"w{i}", f"4.21.{i}"))
                equal(done["how"], "new", f"wish {i}")
                attempts += done["attempts"]
            wait_for("the others' last push", lambda: len(counted) == 3 * WISHES, 60)
        finally:
            stop.set()
            busy.join()
        t.note(f"{scheme}: {WISHES} wishes took {attempts} pushes beside {len(counted)} of others")
        total += attempts
        subjects = git("log", "--format=%s", BRANCH, cwd=site.repository.bare).splitlines()
        equal(subjects.count("somebody else"), len(counted), "commits of others")
        equal([site.count(f"w{i}") for i in range(WISHES)], [1] * WISHES, "commits of each wish")
        merges = git("rev-list", "--merges", "--count", BRANCH, cwd=site.repository.bare)
        equal(merges, "0", "merges")
    check(total > 2 * WISHES, "no race was lost: the test shows nothing")


def kill_at(site, hook, script):
    """Ends the worker while the server runs this hook; the script goes on afterwards."""
    pid = os.path.join(site.t.folder, f"pid-{site.repository.name}")
    path = site.hook(hook, f"cat >/dev/null; kill -9 $(cat {pid}); {script}")
    fifo = os.path.join(site.t.folder, f"go-{site.repository.name}")
    os.mkfifo(fifo)
    worker = subprocess.Popen(
        ["sh", "-c", f'echo $$ >{pid}; exec "$0" git <{fifo}', product.binary("shiplock-worker")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return path, fifo, worker


def killed_in_hook(t, scheme, hook, script, landed):
    site = Site(t, scheme, f"kill-{scheme}-{hook}-{landed}")
    before = site.repository.head()
    path, fifo, worker = kill_at(site, hook, script)
    with open(fifo, "w", encoding="utf-8") as f:
        json.dump(site.wish("w"), f)
    worker.communicate(timeout=60)
    equal(worker.returncode, -signal.SIGKILL, f"{scheme} {hook}: how the worker ended")
    os.unlink(path)
    if landed:
        wait_for("the push", lambda: site.repository.head() != before, 20)
    again = ask(site.wish("w"))
    equal((again["outcome"], again["how"]), ("done", "found" if landed else "new"), hook)
    equal(site.count("w"), 1, f"{scheme} {hook}: commits of the wish")


@test("a worker that dies while the server takes its push leaves one commit", needs=["git"])
def test_kill_in_hook(t):
    for scheme in ("http", "ssh"):
        killed_in_hook(t, scheme, "pre-receive", "exit 1", False)
        killed_in_hook(t, scheme, "pre-receive", "exit 0", True)
        killed_in_hook(t, scheme, "post-receive", "exit 0", True)


def kill_sweep(t, site, make, branch, parts):
    """Kills the worker after each of so many parts of its life, then sends the request again."""
    began = time.monotonic()
    equal(ask(make("whole"))["how"], "new", "undisturbed")
    whole = time.monotonic() - began
    hows = {"new": 0, "found": 0}
    for i in range(parts):
        request = make(f"k{i}")
        worker = Worker(request)
        time.sleep(whole * 1.2 * i / parts)  # the instant of the kill is what is varied
        worker.kill()
        hows[sent_until_done(request)["how"]] += 1
    equal([site.count(f"k{i}", branch) for i in range(parts)], [1] * parts, "commits of each")
    t.note(f"{site.scheme}: killed {parts} times within {whole:.2f} s: {hows}")
    check(hows["new"] > 0 and hows["found"] > 0, f"the kills were all early or all late: {hows}")


@test("a worker killed at any instant leaves one commit a wish", needs=["git"], timeout=300)
def test_kill_sweep(t):
    for scheme, parts in (("http", 40), ("ssh", 16)):
        site = Site(t, scheme, f"sweep-{scheme}")
        numbers = iter(range(1000))

        def wish(key, site=site, numbers=numbers):
            return site.wish(key, f"4.21.{next(numbers)}")

        kill_sweep(t, site, wish, BRANCH, parts)


@test("a report is one commit on its branch, and plans stay as they are", needs=["git"], timeout=300)
def test_report(t):
    site = Site(t, "http", "report")
    before = site.repository.head()
    kill_sweep(t, site, site.report, RESULTS, 30)
    equal(site.repository.head(), before, "the plans' branch")
    files = git("ls-tree", "-r", "--name-only", RESULTS, cwd=site.repository.bare).splitlines()
    equal(len(files), 31, "reports")


@test("a merge request's branch waits for its merge", needs=["git"])
def test_merge_request(t):
    site = Site(t, "ssh", "merge")
    to = "shiplock/r1/prod/1"
    before = site.repository.head()
    done = ask(site.wish("w", to=to))
    equal((done["how"], done["on"], done["merged"]), ("new", to, False), "asked")
    equal(site.repository.head(), before, "the branch")
    seen = ask(site.wish("w", op="read", to=to))
    equal(seen["commits"][0]["on"], to, "read")
    equal(seen["toTip"], done["commit"], "read")
    git("fetch", "-q", "origin", cwd=site.repository.tree)
    git("merge", "-q", "--no-ff", "-m", "merge", f"origin/{to}", cwd=site.repository.tree)
    git("push", "-q", "origin", BRANCH, cwd=site.repository.tree)
    equal(ask(site.wish("w", to=to))["merged"], True, "merged")


@test("a wish is refused where the file cannot be edited, with its place", needs=["git"])
def test_refused(t):
    site = Site(t, "http", "refused")
    site.repository.commit({FILE: MANIFEST.replace("4.20.15", '"{{ .Values.v }}"')}, "a template")
    no = ask(site.wish("w"))
    equal((no["outcome"], no["code"]), ("refused", "templated"), "outcome")
    check(no["message"].startswith(f"{FILE}:9:14: "), no["message"])
    site.repository.commit({FILE: "[" * 10000}, "deep")
    no = ask(site.wish("w"))
    equal((no["outcome"], no["code"], no["column"]), ("refused", "tooLarge", 65), "outcome")
    equal(site.count("w"), 0, "commits")
    server = t.git.http.server
    server.login = ("bot", "right")
    try:
        closed = ask({**site.wish("w"), "credential": {"secret": {"text": "bot:wrong"}}})
    finally:
        server.login = None
    equal(closed["error"]["code"], "refused", closed)
    gone = ask({**site.wish("w"), "url": "http://127.0.0.1:9/x.git"})
    equal(gone["error"]["code"], "retry", gone)
