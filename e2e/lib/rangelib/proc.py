"""Every process of a run: started here, ended here by pid.

Processes are put in their own session, so that Ctrl-C reaches only the runner, and are killed by
the kernel when the runner itself is killed (setpriv --pdeathsig). Start them from the main thread
only: the death signal follows the thread that forked.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import threading

from .wait import Timeout, wait_for

STOP_SEC = 10.0
STOP_ALL_SEC = 3.0  # at the end of a run nobody needs a server's last words
TAIL_BYTES = 4000
FIRST_PORT, LAST_PORT = 15000, 32768


class ProcessEnded(Exception):
    """A server ended by itself while somebody waited for it."""


_locks = []  # of ports, held until the process ends


def ends_with_us(argv, signal_name):
    """The command, wrapped so that it gets this signal when we end, however that is."""
    wrap = ["setpriv", "--pdeathsig", signal_name, "--"] if shutil.which("setpriv") else []
    return wrap + argv


def free_port():
    """A TCP port of 127.0.0.1 that is ours until we end.

    It lies below those that the kernel gives to outgoing connections, which could take it before
    its server does. The lock is an abstract Unix socket, so that runs beside this one see it too.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
        end = min(int(f.read().split()[0]), LAST_PORT)
    while True:
        port = random.randrange(FIRST_PORT, end)
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0shiplock-range-{port}")
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as s:
                s.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _locks.append(lock)
        return port


class Process:
    """One started program. log: the file that takes its stdout and stderr."""

    def __init__(self, name, popen, log):
        self.name = name
        self.popen = popen
        self.log = log

    @property
    def pid(self):
        return self.popen.pid

    def running(self):
        return self.popen.poll() is None

    def output(self):
        """All that it has said so far; tail() is for messages, a busy log passes it by."""
        try:
            with open(self.log, "rb") as f:
                return f.read().decode(errors="replace")
        except OSError:
            return ""

    def tail(self):
        try:
            with open(self.log, "rb") as f:
                f.seek(0, os.SEEK_END)
                f.seek(max(0, f.tell() - TAIL_BYTES))
                return f.read().decode(errors="replace")
        except OSError:
            return ""

    def check(self):
        """Raises ProcessEnded with the end of the log when the program is gone."""
        if not self.running():
            raise ProcessEnded(
                f"{self.name} ended with {self.popen.returncode}, "
                f"log {self.log} ends:\n{self.tail()}"
            )

    def wait_ready(self, condition, timeout, ignore=()):
        """Waits for condition() while the program lives."""

        def probe():
            self.check()
            return condition()

        try:
            return wait_for(f"{self.name} ready", probe, timeout, ignore=ignore)
        except Timeout as e:
            raise Timeout(f"{e}\nlog {self.log} ends:\n{self.tail()}") from None

    def signal(self, number):
        if self.running():
            self.popen.send_signal(number)

    def wait(self, timeout):
        """Waits for the end and returns the exit code (negative: ended by that signal)."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Timeout(
                f"{self.name} (pid {self.pid}) did not end within {timeout:g} s"
            ) from None

    def stop(self, timeout=STOP_SEC):
        """SIGTERM, and SIGKILL after timeout seconds; returns the exit code."""
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            return self.popen.wait()

    def kill(self):
        """SIGKILL, at once."""
        self.popen.kill()
        return self.popen.wait()


class Registry:
    """All processes of a run, in the order in which they were started."""

    def __init__(self, log_dir):
        self.log_dir = log_dir
        self.processes = []
        os.makedirs(log_dir, exist_ok=True)

    def spawn(self, name, argv, env=None, cwd=None, stdin=None):
        """Starts argv; its output goes to log_dir/name.log (appended at a restart)."""
        assert threading.current_thread() is threading.main_thread()
        log = os.path.join(self.log_dir, name + ".log")
        with open(log, "ab") as out:
            popen = subprocess.Popen(
                ends_with_us([str(a) for a in argv], "KILL"),
                stdout=out,
                stderr=out,
                stdin=stdin or subprocess.DEVNULL,
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        p = Process(name, popen, log)
        self.processes.append(p)
        return p

    def stop_all(self):
        """Ends everything that still runs, latest first: asks all, then kills who stays."""
        alive = [p for p in reversed(self.processes) if p.running()]
        for p in alive:
            p.signal(signal.SIGTERM)
        try:
            wait_for("all servers ended", lambda: not any(p.running() for p in alive), STOP_ALL_SEC)
        except Timeout:
            pass
        for p in alive:
            if p.running():
                p.kill()
        self.processes = []
