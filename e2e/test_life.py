"""The daemon as a service: its start and end under a service manager, and hostile repositories."""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time

from rangelib import product, upgrade
from rangelib.harness import Skip, check, equal, test
from rangelib.upgrade import TO, SimFleet, commit_files
from rangelib.wait import wait_for

SIM = ["binaries:shiplockd,shiplock-sim,shiplock-worker,shiplock"]
MIB = 1 << 20
EXPOSURE = 20  # of 100, as systemd reckons; the unit stands at 14
CLEAR_SEC = 1.0  # from the reload to the error


class Manager:
    """The service manager's side of the notify socket."""

    def __init__(self, t, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()
        t.defer(self.end)

    def read(self):
        """Takes every message at once: a sender waits where nobody reads."""
        while (text := self.socket.recv(4096)) != b"END":
            self.lines += text.decode().splitlines()
        self.socket.close()

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"END", self.path)

    def wait(self, start, n=1, timeout=15):
        """Waits until n lines begin like this."""
        count = lambda: sum(x.startswith(start) for x in self.lines) >= n
        wait_for(f"{n} x {start} of {self.lines[-5:]}", count, timeout)


def session(pid):
    """Processes of the daemon's session (it is started as its leader), zombies apart."""
    out = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as f:
                fields = f.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid and fields[0] != "Z":
            out.append(int(entry))
    return out


@test(
    "as a service: ready, watchdog, reload, safe stop in mid-run; the next start goes on; no "
    "process is left",
    needs=SIM,
    timeout=120,
)
def test_service(t):
    f = SimFleet(t)
    manager = Manager(t, t.folder)
    name = f.names[0]
    d = f.daemon = f.daemon_for([name], os.path.join(t.folder, "daemon"))
    d.env |= {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "2000000"}
    t.defer(d.stop)
    d.start(wait=False)
    manager.wait("READY=1")
    manager.wait("WATCHDOG=1", 2)
    f.wait_state(name, "cp-soak", 60)
    d.process.signal(signal.SIGHUP)
    manager.wait("RELOADING=1")
    manager.wait("MONOTONIC_USEC=")
    manager.wait("READY=1", 2)
    seq, leader = upgrade.Journal(d.state).seq(), d.process.pid
    equal(d.stop(), 0, "exit code of SIGTERM")
    manager.wait("STOPPING=1")
    equal(session(leader), [], "processes left behind")
    check("stopped by a signal" in d.process.output(), "the log does not tell of the stop")
    j = f.journal()
    check(j.seq() >= seq, "records were lost")
    check(not [r for r in j.find("move") if r["to"] == "undo"], "the stop undid something")
    d.start()
    f.wait_rest(60)
    equal(f.outcomes(), {name: "Succeeded"}, "outcome")
    wait_for("the workers ended", lambda: session(d.process.pid) == [d.process.pid], 10)
    d.crash()
    wait_for("nothing outlives a kill -9", lambda: not session(d.process.pid), 10)


@test("the unit file is valid, and walls the daemon in", needs=SIM, timeout=30)
def test_unit(t):
    if not shutil.which("systemd-analyze"):
        raise Skip("systemd-analyze is not installed")
    with open(os.path.join(product.REPO, "cmd/shiplockd/shiplockd.service"), encoding="utf-8") as f:
        text = f.read()
    unit = os.path.join(t.folder, "shiplockd.service")
    with open(unit, "w", encoding="utf-8") as f:
        f.write(text.replace("/usr/local/bin/shiplockd", product.binary("shiplockd")))
    for args in (["verify", "--man=no"], ["security", "--offline=true", f"--threshold={EXPOSURE}"]):
        done = subprocess.run(
            ["systemd-analyze", *args, unit], capture_output=True, text=True, timeout=20
        )
        equal(done.returncode, 0, f"systemd-analyze {args[0]}: {done.stdout[-2000:]}{done.stderr}")
        if args[0] == "verify":
            equal(done.stderr, "", "what it complains of")


BOMB = "a0: &a0 [x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30)
)
HOSTILE = {
    "too-large": (b"# " + b"x" * 98 + b"\n") * (20 * MIB // 101 + 1),
    "deep": b"a: " + b"[" * 10000 + b"]" * 10000 + b"\n",
    "not-utf8": b"kind: Cluster\nmetadata: {name: \xff\xfe}\n",
    "anchors": BOMB.encode(),
    "nul": b"kind: Cluster\nmetadata: {name: a\0b}\n",
    "control": b"kind: \"\x01\x02\"\n",
    "tabs": b"\tkind: Cluster\n",
}


@test(
    "hostile files in the repository: a clear error, the last good revision stays, the daemon too",
    needs=SIM,
    timeout=120,
)
def test_hostile(t):
    f = SimFleet(t)
    d = f.start(state="suspended")
    work = os.path.join(os.path.dirname(d.folder), "checkout")
    repository = lambda: (f.status()["repositories"] or [{"commit": None, "error": None}])[0]
    good = wait_for("a first revision", lambda: repository()["commit"], 20)
    pid, took = d.process.pid, {}
    for name, content in HOSTILE.items():
        bad = commit_files(work, {f"plans/{name}.yaml": content})
        began = time.monotonic()
        d.process.signal(signal.SIGHUP)
        error = wait_for(f"{name}: an error", lambda: repository()["error"], 20, poll=0.01)
        took[name] = time.monotonic() - began
        check(f"plans/{name}.yaml" in error, f"{name}: the error names no file: {error}")
        check(len(error) < 4096 and "\0" not in error, f"{name}: error of {len(error)} bytes")
        equal(repository()["commit"], good, f"{name}: the revision in force")
        good = commit_files(work, {f"plans/{name}.yaml": None})
        check(bad != good, "no new commit")
        d.process.signal(signal.SIGHUP)
        clean = lambda: repository()["error"] is None and repository()["commit"] == good
        wait_for(f"{name}: good again", clean, 20)
    t.note(f"refused after {', '.join(f'{k} {v:.2f} s' for k, v in took.items())}")
    check(max(took.values()) < CLEAR_SEC, f"an error took {max(took.values()):.2f} s")
    equal(d.process.pid, pid, "the daemon's pid")
    check(rss_mib(pid) < 100, f"the daemon has {rss_mib(pid)} MiB")


def rss_mib(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as f:
        for line in f:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return 0


@test("hostile files on the command line: each refused in under a second", needs=SIM, timeout=60)
def test_check_hostile(t):
    huge = os.path.join(t.folder, "huge.yaml")
    with open(huge, "wb") as out:
        out.truncate(1 << 30)
    paths = {"1 GiB": huge}
    for name, content in HOSTILE.items():
        paths[name] = os.path.join(t.folder, f"{name}.yaml")
        with open(paths[name], "wb") as out:
            out.write(content)
    for name, path in paths.items():
        began = time.monotonic()
        done = product.cli("check", path)
        took = time.monotonic() - began
        equal(done.returncode, 2, f"{name}: exit code: {done.stdout}{done.stderr}")
        check(os.path.basename(path) in done.stdout + done.stderr, f"{name}: names no file")
        check(took < CLEAR_SEC, f"{name}: {took:.2f} s")
