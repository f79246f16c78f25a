"""True nodes on one machine: each a process tree with namespaces and a disk of its own.

Lab      one bridge and the machines on it; end with stop(), which raises when anything is left
Machine  one node: power_on(), power_off() (as a power cut), run(), an address that everybody on
         this machine reaches, sshd with a host key of its own

What a lab makes carries its number: bridge and links slrN..., cgroups slrN-NAME, addresses
10.77.N.0/24, pods 10.(128 + N).0.0/16. Numbers are held by a lock in /run/shiplock-range that the
kernel lets go when the run dies; the kernel then also ends all of the lab's processes. The next lab
that is made removes the bridge, the cgroups and the folder of every number that nobody holds.
"""

import contextlib
import fcntl
import glob
import json
import os
import shutil
import signal
import subprocess
import uuid

from .wait import Timeout, wait_for

HELD = "/run/shiplock-range"
CGROUPS = "/sys/fs/cgroup"
LABS = 16
INIT = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "range", "node", "init"
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TOOLS = ["containerd", "ctr", "runc", "ip", "nsenter", "unshare", "conntrack", "iptables"] + [
    "ethtool", "socat", "sshd", "ssh", "ssh-keygen", "gcc"
]  # fmt: skip
CNI = "/usr/lib/cni"
PRIVATE = ["/var/lib/containerd", "/var/lib/kubelet", "/var/log/pods", "/var/log/containers"]
START_SEC = 30.0
GONE_SEC = 20.0
COMMAND_SEC = 300.0


def unsupported():
    """Why this machine cannot have true nodes, or None."""
    if os.geteuid() != 0:
        return "true nodes need root"
    if not controllers():
        return "true nodes need cgroup v1 controllers under /sys/fs/cgroup"
    done = subprocess.run(
        ["unshare", "-m", "-u", "-i", "-n", "-p", "-f", "--mount-proc", "true"],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return f"true nodes need namespaces: {done.stderr.strip()}"
    return None


def controllers():
    """The folders of the cgroup v1 controllers."""
    with open("/proc/mounts", encoding="utf-8") as f:
        rows = [line.split() for line in f]
    return sorted(r[1] for r in rows if r[2] == "cgroup" and r[1].startswith(CGROUPS + "/"))


def command(*argv, **options):
    """Runs a program and returns its stdout; raises with its words when it fails."""
    usual = {"timeout": COMMAND_SEC}
    if "input" not in options:
        usual["stdin"] = subprocess.DEVNULL
    done = subprocess.run(
        [str(a) for a in argv], capture_output=True, text=True, **{**usual, **options}
    )
    if done.returncode:
        words = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.returncode}: {words}")
    return done.stdout


def make_cgroup(name):
    """A cgroup of this name under every controller; returns the folder whose members we count."""
    for folder in controllers():
        path = os.path.join(folder, name)
        os.makedirs(path, exist_ok=True)
        for setting in ("cpuset.cpus", "cpuset.mems"):
            if os.path.exists(os.path.join(folder, setting)):
                with open(os.path.join(folder, setting), encoding="utf-8") as f:
                    value = f.read()
                with open(os.path.join(path, setting), "w", encoding="utf-8") as f:
                    f.write(value)
    counted = os.path.join(CGROUPS, "pids", name, "system")
    os.makedirs(counted, exist_ok=True)
    return counted


def _folders_of(pattern):
    """All cgroups whose name matches, with those below them, the deepest first."""
    out = []
    for folder in controllers():
        for top in glob.glob(os.path.join(folder, pattern)):
            out += [path for path, _, _ in os.walk(top, topdown=False)]
    return out


def members(pattern):
    """The processes in the cgroups of this name."""
    out = set()
    for path in _folders_of(pattern):
        with contextlib.suppress(OSError), open(os.path.join(path, "cgroup.procs")) as f:
            out.update(int(line) for line in f)
    return out


def remove_cgroups(pattern):
    """Ends what is in these cgroups and removes them."""

    def emptied():
        for pid in members(pattern):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for path in _folders_of(pattern):
            with contextlib.suppress(OSError):
                os.rmdir(path)
        return not _folders_of(pattern)

    wait_for(f"cgroups {pattern} removed", emptied, GONE_SEC)


def links(prefix):
    """The network links of this machine whose name begins so."""
    return [n for n in os.listdir("/sys/class/net") if n.startswith(prefix)]


class Lab:
    """A bridge with machines. folder: their disks, removed by stop()."""

    def __init__(self, registry, folder):
        self.registry, self.folder = registry, folder
        self.machines = []
        self.number = self._take()
        self.bridge = f"slr{self.number}"
        self.gateway = f"10.77.{self.number}.1"
        os.makedirs(os.path.join(folder, "ssh"), mode=0o700)
        self._note({"folder": folder})
        try:
            self._make()
        except BaseException:
            self.stop()
            raise

    # ---- numbers ----

    def _held(self, what):
        return os.path.join(HELD, f"{self.number}.{what}")

    def _take(self):
        """Holds the first free number; clears all that are free of what killed runs left."""
        os.makedirs(HELD, exist_ok=True)
        taken = None
        for self.number in range(LABS):
            lock = open(self._held("lock"), "a", encoding="utf-8")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.close()
                continue
            self._clear()
            others = command("ip", "-4", "route", "show", f"10.77.{self.number}.0/24")
            if taken is None and not others.strip():
                taken, self.lock = self.number, lock
            else:
                lock.close()
        if taken is None:
            raise RuntimeError(f"no free lab number: {LABS} are held in {HELD}")
        return taken

    def _note(self, value):
        with open(self._held("json"), "w", encoding="utf-8") as f:
            json.dump(value, f)

    def _clear(self):
        """Removes what a run left that was killed; nothing where none was."""
        for link in links(f"slr{self.number}"):
            if link == f"slr{self.number}" or link.startswith(f"slr{self.number}v"):
                subprocess.run(["ip", "link", "del", link], capture_output=True)
        remove_cgroups(f"slr{self.number}-*")
        if os.path.exists(self._held("json")):
            with open(self._held("json"), encoding="utf-8") as f:
                shutil.rmtree(json.load(f)["folder"], ignore_errors=True)
            os.unlink(self._held("json"))

    # ---- life ----

    def _make(self):
        command("ip", "link", "add", self.bridge, "type", "bridge")
        command("ip", "address", "add", self.gateway + "/24", "dev", self.bridge)
        command("ip", "link", "set", self.bridge, "up")
        self.ssh_key = os.path.join(self.folder, "ssh", "id_ed25519")
        self.known_hosts = os.path.join(self.folder, "ssh", "known_hosts")
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "range", "-f", self.ssh_key)
        open(self.known_hosts, "w", encoding="utf-8").close()

    def add(self, name):
        """A new machine, switched off."""
        m = Machine(self, name, len(self.machines) + 1)
        self.machines.append(m)
        return m

    def stop(self):
        """Ends every machine; raises when a process, a link or a cgroup of the lab is left, which
        the next lab then removes."""
        problems = []

        def attempt(function, *args):
            try:
                function(*args)
            except Exception as e:
                problems.append(str(e))

        for m in self.machines:
            attempt(m.power_off, False)
        for m in self.machines:
            attempt(m.wait_off)
        attempt(self._remove_links)
        attempt(remove_cgroups, f"{self.bridge}-*")
        attempt(self._keep_logs)
        attempt(shutil.rmtree, self.folder)
        if problems:
            raise RuntimeError("; ".join(problems))
        os.unlink(self._held("json"))
        self.lock.close()

    def _remove_links(self):
        if self.bridge in links(self.bridge):
            command("ip", "link", "del", self.bridge)
        wait_for("links gone", lambda: not self.left_links(), GONE_SEC)

    def _keep_logs(self):
        """With KEEP=1 what the pods wrote is put beside the other logs."""
        if os.environ.get("KEEP") != "1":
            return
        for m in self.machines:
            pods = os.path.join(m.folder, "private", "var-log-pods")
            if os.path.isdir(pods):
                shutil.copytree(pods, m.logs + "-pods", symlinks=True, dirs_exist_ok=True)

    def left_links(self):
        return [n for n in links(self.bridge) if n[len(self.bridge) :][:1] in ("", "v")]


class Machine:
    """One node. files(): puts files on its disk before it is first switched on."""

    def __init__(self, lab, name, index):
        self.lab, self.name, self.index = lab, name, index
        self.address = f"10.77.{lab.number}.{10 + index}"
        self.pods = f"10.{128 + lab.number}.{index}.0/24"
        self.cgroup = f"{lab.bridge}-{name}"
        self.link = f"{lab.bridge}v{index}"
        self.folder = os.path.join(lab.folder, name)
        self.process, self.pid, self.read_only = None, None, {}
        self.logs = os.path.join(lab.registry.log_dir, self.cgroup)
        os.makedirs(os.path.join(self.folder, "files"))
        self._sshd()

    def file(self, path, text=None, source=None, mode=0o644):
        """Puts a file on the disk: this text, or a copy of source."""
        full = os.path.join(self.folder, "files", path.lstrip("/"))
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if source:
            shutil.copy(source, full)
        else:
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        os.chmod(full, mode)

    def _sshd(self):
        key = os.path.join(self.lab.folder, "ssh", self.name)
        command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", self.name, "-f", key)
        self.file("/etc/ssh/ssh_host_ed25519_key", source=key, mode=0o600)
        self.file("/etc/ssh/authorized_keys", source=self.lab.ssh_key + ".pub")
        self.file(
            "/etc/ssh/sshd_config",
            "HostKey /etc/ssh/ssh_host_ed25519_key\nAuthorizedKeysFile /etc/ssh/authorized_keys\n"
            "PermitRootLogin prohibit-password\nPasswordAuthentication no\nStrictModes no\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nPidFile none\nMaxStartups 50\n",
        )
        with open("/etc/passwd", encoding="utf-8") as f:
            users = f.read().replace(":/root:", ":/var/lib/root:", 1)
        self.file("/etc/passwd", users)
        self.file("/var/lib/root/.profile", "")
        with open(key + ".pub", encoding="utf-8") as f:
            line = f"{self.address} {' '.join(f.read().split()[:2])}\n"
        with open(self.lab.known_hosts, "a", encoding="utf-8") as f:
            f.write(line)
        self.host_key = line

    # ---- power ----

    def power_on(self, wait=True):
        """Starts the node; its disk is as it was, its boot id is new."""
        config = os.path.join(self.folder, "init.json")
        with open(config, "w", encoding="utf-8") as f:
            json.dump(
                {
                    "name": self.name,
                    "folder": self.folder,
                    "logs": self.logs,
                    "cgroups": [make_cgroup(self.cgroup)],
                    "bootId": str(uuid.uuid4()),
                    "privateFolders": PRIVATE,
                    "readOnly": self.read_only,
                },
                f,
            )
        self.pid_file = os.path.join(self.folder, "pid")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.pid_file)
        inner, self.go = os.pipe()
        self.process = self.lab.registry.spawn(
            f"{self.cgroup}-init",
            ["unshare", "-m", "-u", "-i", "-n", "-p", "-f", "--kill-child", "--propagation"]
            + ["private", "/usr/bin/python3", "-B", os.path.abspath(INIT), config],
            stdin=inner,
        )
        os.close(inner)
        if wait:
            self.wait_on()

    def wait_on(self):
        """The second half of power_on(wait=False): its network, and then its services."""
        self.process.wait_ready(lambda: os.path.exists(self.pid_file), START_SEC)
        with open(self.pid_file, encoding="utf-8") as f:
            self.pid = int(f.read())
        command(
            "ip", "link", "add", self.link, "type", "veth", "peer", "name", "eth0",
            "netns", self.pid,
        )  # fmt: skip
        command("ip", "link", "set", self.link, "master", self.lab.bridge, "up")
        self._ip("address", "add", self.address + "/24", "dev", "eth0")
        self._ip("link", "set", "eth0", "up")
        self._ip("route", "add", "default", "via", self.lab.gateway)
        for other in self.lab.machines:
            if other is not self:
                self._ip("route", "add", other.pods, "via", other.address)
        route = ["ip", "route", "replace", self.pods, "via", self.address, "dev", self.lab.bridge]
        command(*route)
        os.write(self.go, b"go\n")
        os.close(self.go)
        self.go = None
        self.process.wait_ready(self._serves, START_SEC, ignore=(RuntimeError,))

    def _ip(self, *args):
        command("nsenter", "-t", self.pid, "-n", "ip", *args)

    def _serves(self):
        self.run("systemctl", "is-active", "ssh")
        return self.run("ctr", "version")

    def power_off(self, wait=True):
        """Ends every process of the node at once, as a power cut does."""
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        if self.process:
            self.process.kill()
        if wait:
            self.wait_off()

    def wait_off(self):
        try:
            wait_for(f"{self.name} is off", lambda: not members(self.cgroup), GONE_SEC)
        except Timeout:
            pass  # what the kernel could not end by itself is killed with its cgroup
        remove_cgroups(self.cgroup)
        # It goes with the node's namespace, but the kernel takes its time with that.
        subprocess.run(["ip", "link", "del", self.link], capture_output=True)
        wait_for(f"{self.link} gone", lambda: self.link not in links(self.link), GONE_SEC)
        self.pid = None

    def on(self):
        return self.pid is not None and self.process.running()

    # ---- use ----

    def enter(self, *argv):
        """The command line that runs argv in the node."""
        return [
            "nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "--",
            "env", "-i", f"PATH={PATH}", "HOME=/var/lib/root", "LC_ALL=C", *map(str, argv),
        ]  # fmt: skip

    def run(self, *argv, **options):
        """Runs a program in the node and returns its stdout; raises when it fails."""
        return command(*self.enter(*argv), **options)

    def shell(self, text, **options):
        return self.run("/bin/sh", "-ec", text, **options)

    def read(self, path):
        """A file of the running node."""
        return self.run("cat", path)

    def write(self, path, text):
        self.run("/bin/sh", "-c", 'cat >"$1"', "sh", path, input=text)

    def log(self, service):
        """What containerd, ssh or kubelet have written."""
        with contextlib.suppress(OSError), open(f"{self.logs}-{service}.log", "rb") as f:
            return f.read().decode(errors="replace")
        return ""
