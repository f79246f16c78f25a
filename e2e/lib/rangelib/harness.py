"""Tests, their fixtures, and the runner that prints TAP.

A test is a function with @test in a file e2e/test_*.py; it gets a Context:

    @test("a name", needs=["clusters:2", "prometheus"], timeout=60)
    def test_it(t):
        a, b = t.clusters

needs (a fixture is made at the first test that needs it and ended after the last test of the run):
    clusters:N        N clusters shared by all tests of the run: leave them as they were found
    own-clusters:N    N new clusters for this test alone
    alertmanager      t.alertmanager
    prometheus        t.prometheus (brings the Alertmanager along)
    git               t.git, servers over http and ssh
    argocd            t.argocd(hub): a new Argo CD on this cluster, ended with the test
    kubeadm:1+2       t.kubeadm: a cluster of true nodes (kubeadm.Cluster), one control-plane node
                      and two workers, shared by all tests of the run: leave it as it was found
    own-kubeadm:1+2   the same, new and for this test alone
    binaries:A,B      programs of the product in $SHIPLOCK_BUILD
A missing part that belongs to the range is a failure where a Go toolchain is on PATH, else a skip.
True nodes are also skipped where the machine cannot have them: no root, no namespaces.
"""

import faulthandler
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from . import kubeadm, lanes, machines, product
from .argocd import ArgoCD
from .cluster import Clusters
from .gitserver import GitServers
from .proc import Registry
from .prom import Alertmanager, Prometheus

TESTS = []
DEFAULT_TIMEOUT_SEC = 120
BUILD_SKIPS = 77
EXIT_USAGE = 64
RANGE_BUILD = os.path.join(product.REPO, "e2e", "range", "build")
TOOLS = {
    "alertmanager": ["prometheus-alertmanager"],
    "prometheus": ["prometheus", "prometheus-alertmanager"],
    "git": ["git", "git-shell", "sshd", "ssh", "ssh-keygen"],
    "argocd": ["redis-server", "git"],
    "clusters": ["openssl"],
    "kubeadm": [*machines.TOOLS, "prometheus"],
}


class Skip(Exception):
    """Not run, and why."""


class TestTimeout(BaseException):
    """The test took longer than it may. Not an Exception: no test swallows it by accident."""


class Test:
    def __init__(self, name, function, needs, timeout, part):
        self.name, self.function, self.needs, self.timeout = name, function, needs, timeout
        self.part = part

    def clusters(self):
        """How many shared clusters it wants."""
        return max(
            (int(n.split(":")[1]) for n in self.needs if n.startswith("clusters:")), default=0
        )


def test(name, needs=(), timeout=DEFAULT_TIMEOUT_SEC, part=None):
    """Registers a test. timeout: seconds for the test itself, its fixtures apart; part: too long
    for every run, it belongs to this part of `make check-long`."""

    def register(function):
        if any(t.name == name for t in TESTS):
            raise ValueError(f"two tests are called {name!r}")
        TESTS.append(Test(name, function, list(needs), timeout, part))
        return function

    return register


def check(condition, message):
    """An assertion that -O cannot take away."""
    if not condition:
        raise AssertionError(message)


def equal(got, want, what):
    check(got == want, f"{what}: got {got!r}, want {want!r}")


class Context:
    """What a test may use. Attributes appear as its needs say; folder is its own."""

    def __init__(self, run, folder):
        self.registry = run.registry
        self.folder = folder
        self.deferred = []
        os.makedirs(folder)

    def defer(self, function, *args, **options):
        """Called when the test ended, however it ended; latest first."""
        self.deferred.append((function, args, options))

    def note(self, text):
        """A comment in the TAP output."""
        for line in str(text).splitlines():
            print(f"# {line}", flush=True)

    def close(self):
        """Runs what was deferred; returns the errors."""
        errors = []
        for function, args, options in reversed(self.deferred):
            try:
                function(*args, **options)
            except Exception:
                errors.append(traceback.format_exc())
        self.deferred = []
        return errors


class Run:
    """One run: a work directory, its processes, and the fixtures that tests share."""

    def __init__(self, tests):
        self.tests = tests
        self.folder = tempfile.mkdtemp(prefix="shiplock-e2e-")
        self.registry = Registry(os.path.join(self.folder, "logs"))
        self.parts = {}
        self.failed_parts = {}
        self.closers = []

    def part(self, name, make):
        """A shared fixture, made once; when that failed it fails again at once, saying why."""
        if name in self.failed_parts:
            raise RuntimeError(f"{name} could not be started earlier: {self.failed_parts[name]}")
        if name not in self.parts:
            began = time.monotonic()
            try:
                self.parts[name] = make()
            except Skip:
                raise
            except Exception as e:
                self.failed_parts[name] = e
                raise
            print(f"# {name} up after {time.monotonic() - began:.1f} s", flush=True)
        return self.parts[name]

    def _binaries(self, *sets):
        """Builds missing servers of the range; returns the folders of these sets."""
        done = subprocess.run(
            [RANGE_BUILD, *sets], stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
        )
        if done.returncode == BUILD_SKIPS:
            raise Skip("the servers are not built and there is no usable Go toolchain on PATH")
        if done.returncode:
            raise RuntimeError(f"{RANGE_BUILD} failed with {done.returncode}")
        return done.stdout.split()

    def clusters_pool(self):
        return self.part("servers", lambda: self._binaries("etcd", "k8s")) and self.part(
            "etcd", lambda: Clusters(self.registry, self.folder, *self.parts["servers"])
        )

    def shared_clusters(self, n):
        """The first n of the shared clusters; as many as any test wants are started together."""
        pool = self.clusters_pool()
        most = max(t.clusters() for t in self.tests)
        return self.part(f"{most} clusters", lambda: pool.make(most))[:n]

    def alertmanager(self):
        return self.part(
            "alertmanager", lambda: Alertmanager(self.registry, self._sub("alertmanager"))
        )

    def prometheus(self):
        manager = self.alertmanager()
        return self.part(
            "prometheus", lambda: Prometheus(self.registry, self._sub("prometheus"), manager)
        )

    def kubeadm(self, shape, owner=None):
        """A cluster of true nodes: shape is CONTROL-PLANES+WORKERS; owner: the test that has it."""
        folders = self.part(
            "servers of both minors", lambda: self._binaries("etcd", "k8s-previous", "k8s")
        )
        n, _, m = shape.partition("+")

        def make(where):
            versions = {os.path.basename(f).partition("-")[2]: f for f in folders[1:]}
            return kubeadm.Cluster(
                self.registry, where, versions, folders[0], int(n), int(m)
            ).start()

        if owner:
            cluster = make(os.path.join(owner.folder, "kubeadm"))
            owner.defer(cluster.stop)
            return cluster
        name = f"kubeadm {shape}"
        if name not in self.parts:
            self.part(name, lambda: make(os.path.join(self.folder, f"kubeadm-{shape}")))
            self.closers.append(self.parts[name].stop)
        return self.parts[name]

    def git(self):
        return self.part("git", lambda: GitServers(self.registry, self._sub("git")))

    def argocd(self, t, hub, **options):
        binaries = self.part("argocd", lambda: self._binaries("argocd"))[0]
        kubectl = os.path.join(self.parts["servers"][1], "kubectl")
        server = ArgoCD(t.registry, t.folder, binaries, kubectl, hub, **options)
        t.defer(server.stop)
        return server.start()

    def _sub(self, name):
        path = os.path.join(self.folder, name)
        os.makedirs(path, exist_ok=True)
        return path

    def equip(self, t, need):
        """Gives the test one of the things that it needs."""
        kind, _, value = need.partition(":")
        if kind.endswith("kubeadm"):
            need_true_nodes()
        need_tools(TOOLS.get(kind.replace("own-", ""), []))
        if kind == "clusters":
            t.clusters = self.shared_clusters(int(value))
        elif kind == "own-clusters":
            t.clusters = self.clusters_pool().make(int(value))
            for c in t.clusters:
                t.defer(c.stop)
        elif kind == "binaries":
            gone = product.missing(*value.split(","))
            if gone:
                raise RuntimeError(f"not built: {', '.join(gone)} (looked in {product.binary('')})")
        elif kind in ("kubeadm", "own-kubeadm"):
            t.kubeadm = self.kubeadm(value, t if kind.startswith("own-") else None)
        elif kind == "prometheus":
            t.prometheus, t.alertmanager = self.prometheus(), self.alertmanager()
        elif kind == "alertmanager":
            t.alertmanager = self.alertmanager()
        elif kind == "git":
            t.git = self.git()
        elif kind == "argocd":
            self.part("argocd", lambda: self._binaries("argocd"))
            t.argocd = functools.partial(self.argocd, t)
        else:
            raise ValueError(f"unknown need {need!r}")

    def close(self, keep):
        """Ends every process and removes the work directory, unless it is to be kept; returns
        the errors of the fixtures that could not be ended."""
        if "git" in self.parts:
            self.parts["git"].http.stop()
        errors = []
        for close in reversed(self.closers):
            try:
                close()
            except Exception:
                errors.append(traceback.format_exc())
        self.registry.stop_all()
        if keep:
            print(f"# kept: {self.folder}", flush=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        return errors


def need_true_nodes():
    """Skips where the machine cannot have true nodes."""
    reason = machines.unsupported()
    if reason:
        print(f"# {reason}: NOTHING of level kubeadm is tested here", flush=True)
        raise Skip(reason)


def need_root():
    """Skips a test that acts as several people."""
    if os.geteuid() != 0:
        raise Skip("only root can be somebody else")


def need_tools(names):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    gone = [n for n in names if not shutil.which(n, path=path)]
    if not gone:
        return
    words = f"not installed: {', '.join(gone)}"
    if shutil.which("go"):
        raise RuntimeError(words)
    raise Skip(words)


def _on_alarm(number, frame):
    raise TestTimeout()


def _on_end(number, frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def run_one(run, index, one):
    """Runs a test with its fixtures; returns "ok", "not ok" or "skip" and prints its TAP lines."""
    t = Context(run, os.path.join(run.folder, f"test-{index}"))
    began, problem, skipped = time.monotonic(), None, None
    try:
        for need in one.needs:
            run.equip(t, need)
        began = time.monotonic()
        signal.alarm(one.timeout)
        one.function(t)
    except Skip as e:
        skipped = str(e)
    except TestTimeout:
        problem = f"took longer than {one.timeout} s\n{traceback.format_exc()}"
    except Exception:
        problem = traceback.format_exc()
    finally:
        signal.alarm(0)
        errors = t.close()
    took = time.monotonic() - began
    if errors:
        problem = "\n".join(filter(None, [problem, *errors]))
    if problem:
        t.note(problem)
        print(f"not ok - {one.name}", flush=True)
        return "not ok"
    if skipped is not None:
        print(f"ok - {one.name} # SKIP {skipped}", flush=True)
        return "skip"
    print(f"ok - {one.name} ({took:.1f} s)", flush=True)
    return "ok"


def run_here(tests, indices, results):
    """Runs the tests that indices names, in this process; results takes what became of each."""
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _on_alarm)
    run = Run(tests)
    try:
        for i in indices:
            results.append(run_one(run, i, tests[i]))
    except KeyboardInterrupt:
        results.append("not ok")
        raise
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # the tear-down is bounded: let it end
        for error in run.close(keep="not ok" in results and os.environ.get("KEEP") == "1"):
            print("".join(f"# {line}\n" for line in error.splitlines()), end="")
            print("not ok - the tear-down", flush=True)
            results.append("not ok")


def run_all(tests, n_lanes, lane_argv):
    """Runs them, n_lanes at a time by this command; returns the exit code."""
    signal.signal(signal.SIGTERM, _on_end)
    signal.signal(signal.SIGINT, _on_end)
    results = []
    print(f"TAP version 13\n1..{len(tests)}", flush=True)
    try:
        if n_lanes > 1:
            lanes.run_lanes(tests, n_lanes, lane_argv, results)
        else:
            run_here(tests, range(len(tests)), results)
    except KeyboardInterrupt as e:
        print(f"Bail out! {e}", flush=True)
        results.append("not ok")
    passed, failed, skipped = (results.count(r) for r in ("ok", "not ok", "skip"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed or not results else 0


def run_lane(tests):
    """A lane of run_all: the numbers of its tests come by stdin."""
    signal.signal(signal.SIGTERM, _on_end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the terminal: the caller says when to end
    try:
        run_here(tests, map(int, sys.stdin), [])
    except KeyboardInterrupt:
        pass


def choose(names, part=None):
    """The tests whose name or file contains one of the words; without words all, the long ones of
    a part apart, or those of this part."""
    if part and not any(t.part == part for t in TESTS):
        print(f"e2e/run: no test is of part {part!r}, see --list", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    if not names:
        return [t for t in TESTS if t.part == part]
    chosen = [t for t in TESTS if any(n in t.name or n in t.function.__module__ for n in names)]
    for n in names:
        if not any(n in t.name or n in t.function.__module__ for t in TESTS):
            print(f"e2e/run: no test matches {n!r}, see --list", file=sys.stderr)
            sys.exit(EXIT_USAGE)
    return chosen
