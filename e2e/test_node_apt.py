"""How Debian packages come to a node, by the real apt and dpkg in a Debian root of its own.

The packages are made here, in two versions, each in a repository of its minor as the real ones are.
"""

import hashlib
import os
import shutil
import subprocess

from rangelib.harness import Skip, check, equal, test
from rangelib.nodetext import node_text

OLD, NEW = "1.35.4", "1.36.3"
SOURCE = "deb [trusted=yes] file:/repo/v{{minor}} ./"
# As an administrator may have written it: other options, and a line that has nothing to do with it.
LIST = "# by hand\ndeb [ trusted=yes arch=amd64 ] file:/repo/v{} ./\ndeb [trusted=yes] file:/other ./\n"
LIST_FILE = "etc/apt/sources.list.d/kubernetes.list"
SOURCES = "Types: deb\nURIs: file:/repo/v{}\nSuites: ./\nTrusted: yes\n"
SOURCES_FILE = "etc/apt/sources.list.d/kubernetes.sources"
KUBEADM, KUBELET = 1, 2
DEBOOTSTRAP_SEC = 600


def suite():
    with open("/etc/os-release", encoding="utf-8") as f:
        words = dict(line.rstrip().split("=", 1) for line in f if "=" in line)
    return words.get("VERSION_CODENAME", "stable").strip('"')


def debian_root(folder):
    """A new Debian root; what was fetched for it is kept for the next one."""
    cache = os.environ.get("SHIPLOCK_CACHE", os.path.expanduser("~/.cache/shiplock"))
    packages = os.path.join(cache, "debootstrap")
    os.makedirs(packages, exist_ok=True)
    root = os.path.join(folder, "root")
    done = subprocess.run(
        ["debootstrap", f"--cache-dir={packages}", "--variant=minbase", suite(), root],
        capture_output=True,
        text=True,
        timeout=DEBOOTSTRAP_SEC,
    )
    check(done.returncode == 0, f"debootstrap: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return root


def digest_of(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


class Node:
    """The root as a node: texts run in it, and dpkg says what became of them."""

    def __init__(self, t):
        self.root = debian_root(t.folder)
        self.folder = t.folder
        self.t = t

    def path(self, name):
        return os.path.join(self.root, name)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name), encoding="utf-8") as f:
            return f.read()

    def run(self, text, ok=True):
        """Runs a text; returns what it said."""
        self.write("tmp/text", text)
        done = subprocess.run(
            ["chroot", self.root, "/bin/sh", "/tmp/text"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        os.unlink(self.path("tmp/text"))
        check((done.returncode == 0) == ok, f"exit {done.returncode}: {done.stdout}")
        return done.stdout

    def simulate(self, version, ok=True):
        return self.run(node_text("simulate", method="apt", source=SOURCE, version=version), ok)

    def install(self, version, what, ok=True):
        return self.run(
            node_text("install", method="apt", source=SOURCE, version=version, what=what), ok
        )

    def packages(self):
        """{name: "version want status"} of ours that are there."""
        out = self.run(
            "dpkg-query -W -f='${Package} ${Version} ${db:Status-Want} ${db:Status-Status}\\n' "
            "'kube*' 'depender' 2>/dev/null || true"
        )
        found = dict(line.split(" ", 1) for line in out.splitlines())
        return {n: v for n, v in found.items() if not v.endswith("not-installed")}

    def state(self):
        """What a look must leave as it is."""
        parts = []
        for where in ("etc/apt", "var/lib/apt/lists", "var/lib/dpkg", "var/cache/apt"):
            for folder, _, names in os.walk(self.path(where)):
                for name in names:
                    path = os.path.join(folder, name)
                    parts.append((path, os.path.islink(path) or digest_of(path)))
        return sorted(parts)


def build_package(node, name, version, extra="", scripts=None):
    """NAME_VERSION.deb in the repository of its minor, with a program that says its version."""
    work = os.path.join(node.folder, "package")
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(os.path.join(work, "DEBIAN"))
    os.makedirs(os.path.join(work, "usr/bin"))
    program = os.path.join(work, "usr/bin", name)
    with open(program, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\necho v{version.split('-')[0]}\n")
    os.chmod(program, 0o755)
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a <a@example.com>\n"
        f"Description: {name}\n{extra}"
    )
    with open(os.path.join(work, "DEBIAN/control"), "w", encoding="utf-8") as f:
        f.write(control)
    for script, body in (scripts or {}).items():
        path = os.path.join(work, "DEBIAN", script)
        with open(path, "w", encoding="utf-8") as f:
            f.write("#!/bin/sh\n" + body)
        os.chmod(path, 0o755)
    repo = node.path(f"repo/v{'.'.join(version.split('.')[:2])}")
    os.makedirs(repo, exist_ok=True)
    file = f"{name}_{version}_all.deb"
    subprocess.run(
        ["dpkg-deb", "--root-owner-group", "-b", work, os.path.join(repo, file)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with open(os.path.join(repo, file), "rb") as f:
        data = f.read()
    entry = f"Filename: ./{file}\nSize: {len(data)}\nSHA256: {hashlib.sha256(data).hexdigest()}\n"
    with open(os.path.join(repo, "Packages"), "a", encoding="utf-8") as f:
        f.write(control + entry + "\n")


# Stops a package in mid-installation, as a power cut does: once, where /cut/NAME says so.
CUT = "f=/cut/{0}.$DPKG_MAINTSCRIPT_NAME; [ ! -e $f ] || {{ rm $f; kill -9 $PPID; exit 1; }}\n"


def offer(node):
    """Both minors; the newer kubelet needs a newer kubernetes-cni."""
    for version, cni in ((OLD, "1.5.0"), (NEW, "1.6.0")):
        revision = f"{version}-1.1"
        build_package(node, "kubernetes-cni", f"{cni}-1.1")
        repo = "v" + ".".join(version.split(".")[:2])
        here = node.path(f"repo/v{cni[:3]}")
        for file in os.listdir(here):
            target = node.path(f"repo/{repo}/{file}")
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if file == "Packages":
                with open(target, "a", encoding="utf-8") as f, open(
                    os.path.join(here, file), encoding="utf-8"
                ) as g:
                    f.write(g.read())
            else:
                shutil.copy(os.path.join(here, file), target)
        shutil.rmtree(here)
        scripts = {s: CUT.format("kubelet") for s in ("preinst", "postinst")}
        build_package(node, "kubelet", revision, f"Depends: kubernetes-cni (>= {cni})\n", scripts)
        build_package(node, "kubeadm", revision)
        build_package(node, "kubectl", revision)
    build_package(node, "other", "9.9.9")
    os.rename(node.path("repo/v9.9"), node.path("other"))


def prepared(t):
    """A node as its administrator made it: OLD, held, by a line of his own."""
    if os.geteuid() != 0:
        raise Skip("apt in a Debian root needs root")
    if not shutil.which("debootstrap"):
        raise Skip("apt in a Debian root needs debootstrap")
    node = Node(t)
    offer(node)
    node.write("etc/dpkg/dpkg.cfg.d/fast", "force-unsafe-io\n")
    node.write("etc/apt/sources.list", "")
    node.write(LIST_FILE, LIST.format("1.35"))
    node.run("apt-get -q update && apt-get -q -y install kubelet kubeadm kubectl && "
             "apt-mark hold kubelet kubeadm kubectl")
    expect(node, OLD, OLD)
    return node


def expect(node, kubeadm, kubelet):
    got = node.packages()
    want = {
        "kubeadm": f"{kubeadm}-1.1 hold installed",
        "kubelet": f"{kubelet}-1.1 hold installed",
        "kubectl": f"{kubelet}-1.1 hold installed",
    }
    equal({k: v for k, v in got.items() if k in want}, want, "packages")


@test("packages come to a node by apt, go back, and a cut is mended", timeout=600)
def test_apt(t):
    node = prepared(t)
    there_and_back(node)
    half_installed(node)
    refused(node)
    deb822(node)


def there_and_back(node):
    before = node.state()
    said = node.simulate(NEW)
    check(f"Inst kubelet [{OLD}-1.1] ({NEW}-1.1" in said, f"simulated: {said}")
    check("Inst kubernetes-cni" in said, f"what it needs besides: {said}")
    node.simulate(OLD)
    equal(node.state(), before, "what a simulation leaves")
    node.install(NEW, KUBEADM)
    expect(node, NEW, OLD)
    equal(node.read(LIST_FILE), LIST.format("1.36"), "the administrator's line, switched")
    check(not os.path.exists(node.path("etc/apt/sources.list.d/shiplock.list")), "a line of ours")
    node.install(NEW, KUBELET)
    expect(node, NEW, NEW)
    before = node.state()
    node.simulate(OLD)
    equal(node.state(), before, "what a simulation of the way back leaves")
    check("is 1.36.3-1.1, held" in node.install(NEW, KUBELET | KUBEADM), "the second time")
    node.install(OLD, KUBELET)
    expect(node, NEW, OLD)
    node.install(OLD, KUBEADM)
    expect(node, OLD, OLD)
    equal(node.read(LIST_FILE), LIST.format("1.35"), "the administrator's line, back")


def half_installed(node):
    """Cut off while it is unpacked and while it is configured, up and down."""
    for version, was in ((NEW, OLD), (OLD, NEW)):
        for script, status in (("preinst", "half-installed"), ("postinst", "half-configured")):
            node.install(was, KUBELET)
            node.write(f"cut/kubelet.{script}", "")
            node.install(version, KUBELET, ok=False)
            got = node.packages()["kubelet"]
            check(got.endswith(status), f"{script} to {version}: {got}")
            found = node.run(node_text("discover"))
            check(any(line.startswith("apt kubelet") and status in line
                      for line in found.splitlines()), f"discovered: {found}")
            node.install(version, KUBELET)
            expect(node, OLD, version)
    # The one before again, after a cut in the middle of the way to the other.
    node.write("cut/kubelet.preinst", "")
    node.install(NEW, KUBELET, ok=False)
    node.install(OLD, KUBELET)
    expect(node, OLD, OLD)
    # Without a repository: what dpkg alone can mend.
    node.write("cut/kubelet.postinst", "")
    node.install(NEW, KUBELET, ok=False)
    node.run(node_text("repair", fault="half-installed", what="kubelet"))
    equal(node.packages()["kubelet"].split()[2], "installed", "kubelet after the repair")
    node.install(OLD, KUBELET)


def refused(node):
    said = node.simulate("1.35.9", ok=False)
    check("the packages of 1.35.9 cannot be installed" in said, said)
    said = node.simulate("1.37.0", ok=False)
    check("the repository of 1.37.0 does not answer" in said, said)
    before = node.read(LIST_FILE)
    # What would have to go for it: nothing is removed.
    build_package(node, "depender", "1.35.0-1", f"Depends: kubelet (<< {NEW})\n")
    node.run("dpkg -i /repo/v1.35/depender_1.35.0-1_all.deb")
    said = node.simulate(NEW, ok=False)
    check("cannot be installed" in said, said)
    node.install(NEW, KUBELET, ok=False)
    check("depender" in node.packages(), "a package was removed for it")
    node.run("dpkg -r depender")
    # No line for it on the node: one of ours.
    node.write(LIST_FILE, "# nothing here\n")
    node.install(NEW, KUBELET)
    expect(node, OLD, NEW)
    equal(
        node.read("etc/apt/sources.list.d/shiplock.list"),
        "deb [trusted=yes] file:/repo/v1.36 ./\n",
        "the line of ours",
    )
    node.write(LIST_FILE, before)
    os.unlink(node.path("etc/apt/sources.list.d/shiplock.list"))


def deb822(node):
    """The other way in which a repository may be written down."""
    os.unlink(node.path(LIST_FILE))
    node.write(SOURCES_FILE, SOURCES.format("1.36"))
    node.install(OLD, KUBELET)
    expect(node, OLD, OLD)
    equal(node.read(SOURCES_FILE), SOURCES.format("1.35"), "the repository, switched")
    check(not os.path.exists(node.path("etc/apt/sources.list.d/shiplock.list")), "a line of ours")
