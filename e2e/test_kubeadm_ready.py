"""What is known of a real kubeadm cluster beforehand: a stranger's context, and the way back.

Calibration of the probe: prepared states on one cluster whose control plane is at the new minor. In
each the product is asked what it could take back (`shiplock plan`), then that way is really tried:
a yes must work, and what was refused must fail."""

import json
import os
import subprocess

from rangelib import product
from rangelib.harness import check, equal, test
from rangelib.kube import ApiError
from rangelib.kubeadm import OFFERED, UNREACHABLE
from rangelib.kubeadm_fleet import OldClient
from rangelib.nodetext import node_text
from rangelib.wait import wait_for
from test_kubeadm import LONG_SEC, STATE_SEC, Upgrade

READY_SEC = 90.0
MANIFESTS = "/etc/kubernetes/manifests"
KEPT = "/var/lib/shiplock/binaries"


def inspected(c):
    done = product.cli("inspect", "--kubeconfig", c.kubeconfig, "-o", "json")
    equal(done.returncode, 0, done.stdout + done.stderr)
    (one,) = json.loads(done.stdout)["clusters"]
    return one


@test(
    "kubeadm: inspect recognises a cluster of true nodes, and finds nothing in its way",
    ["kubeadm:1+2", "binaries:shiplock,shiplock-worker"],
)
def test_inspect(t):
    c = t.kubeadm
    blocks = lambda: [f for f in inspected(c)["findings"] if f["level"] == "block"]
    wait_for("nothing blocks", lambda: not blocks(), READY_SEC)  # etcd's pod is Ready late
    one = inspected(c)
    equal((one["provider"], one["version"], one["nodes"]), ("kubeadm", c.version, 3), "inspect")
    done = product.cli("inspect", "--kubeconfig", c.kubeconfig)
    t.note(done.stdout)
    line = done.stdout.splitlines()[1]
    for word in (" kubeadm ", f" {c.version} ", " 1.36.x ", " nothing"):
        check(word in line, f"{word!r} in {line!r}")


def on_node(m, name, check_=True, **arguments):
    """One of the product's texts on a node; its exit code."""
    done = subprocess.run(
        m.enter("/bin/sh", "-c", node_text(name, **arguments)),
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
    )  # fmt: skip
    if check_:
        equal(done.returncode, 0, done.stdout + done.stderr)
    return done.returncode


class Calibration:
    """Asks the probe, prepares states, keeps the table."""

    def __init__(self, t, up):
        self.t, self.up, self.c, self.m = t, up, t.kubeadm, t.kubeadm.first
        self.rows = []
        self.key = None

    def ask(self):
        folder = os.path.join(self.up.fleet.folder, "checkout")
        done = product.cli("plan", "-o", "json", "up", folder, timeout=120)
        if not done.stdout.startswith("{"):
            done = product.cli("plan", "-o", "json", folder, timeout=120)
        (one,) = json.loads(done.stdout)["clusters"]
        back = one.get("rollback") or {}
        return back.get("tier") or "T0", back.get("how") or "nothing could be asked"

    def state(self, name, tier, says, attempt):
        """tier: whose word is looked at. attempt: tries it, True where it worked."""
        is_, how = self.ask()
        says_yes = is_ == tier
        works = attempt()
        self.rows.append((name, tier, says_yes, works, how))
        verdict = "ok" if says_yes == works else "FALSE YES" if says_yes else "FALSE NO"
        self.t.note(f"{name:38} {tier} {'yes' if says_yes else 'no':3} tried: "
                    f"{'works' if works else 'fails':5} {verdict:9} {how[:150]}")  # fmt: skip
        check(says in how, f"{name}: {says!r} in {how!r}")

    def api_back(self):
        wait_for("the API server answers", self.answers, READY_SEC)

    def answers(self):
        try:
            return self.c.server_version()
        except UNREACHABLE:
            self.c.client.close()
            return None

    # ---- attempts ----

    def level(self):
        v = self.c.client.request("GET", "/version")
        return v.get("emulationMinor")

    def try_level(self):
        """T1, as the product does it, and up again."""
        on_node(self.m, "emulated", minor="1.35")
        self.api_back()
        works = self.level() == "35"
        on_node(self.m, "emulated")
        self.api_back()
        return works

    def try_swap(self):
        """The first thing that T2 does: the scheduler of the old minor, by the set."""
        before = self.m.read(f"{MANIFESTS}/kube-scheduler.yaml")
        code = on_node(self.m, "swap", check_=False, key=self.key)
        works = code == 0 and self.scheduler_runs(self.c.version)
        self.m.write("/etc/kubernetes/.scheduler", before)
        self.m.shell(f"mv /etc/kubernetes/.scheduler {MANIFESTS}/kube-scheduler.yaml")
        return works

    def scheduler_runs(self, version):
        def seen():
            p = self.c.client.find("pods", f"kube-scheduler-{self.m.name}", "kube-system")
            image = p and p["spec"]["containers"][0]["image"]
            states = (p or {}).get("status", {}).get("containerStatuses", [])
            waiting = [s["state"].get("waiting", {}).get("reason", "") for s in states]
            if image and image.endswith("v" + version):
                if any(s.get("ready") for s in states):
                    return "ready"
                return "never" if "ErrImageNeverPull" in waiting else None
            return None

        return wait_for(f"the scheduler of {version}", seen, READY_SEC) == "ready"

    def try_pod(self):
        """kubeadm's Job and every mirror pod need what this needs."""
        pod = {
            "metadata": {"name": "probe", "namespace": "kube-system"},
            "spec": {"containers": [{"name": "c", "image": "range.local/pause:3.10.2"}]},
        }
        try:
            self.c.client.create("pods", pod, "kube-system")
        except ApiError:
            return False
        self.c.kubectl("-n", "kube-system", "delete", "pod", "probe", "--now")
        return True


def webhook():
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "away"},
        "webhooks": [
            {
                "name": "away.example.io",
                "clientConfig": {"service": {"namespace": "default", "name": "away"}},
                "rules": [rule],
                "sideEffects": "None",
                "admissionReviewVersions": ["v1"],
                "timeoutSeconds": 1,
            }
        ],
    }


def policy():
    """Of a kind that 1.35 does not serve."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "new-kind"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {
                        "apiGroups": ["example.io"],
                        "apiVersions": ["v1"],
                        "operations": ["CREATE"],
                        "resources": ["nothings"],
                    }
                ]
            },
            "mutations": [
                {
                    "patchType": "ApplyConfiguration",
                    "applyConfiguration": {"expression": "Object{}"},
                }
            ],
            "reinvocationPolicy": "Never",
        },
    }


def apply(c, *objects):
    for o in objects:
        c.kubectl("apply", "-f", "-", input=json.dumps(o))


@test(
    "kubeadm: what the probe says of a way back is what trying it shows",
    ["own-kubeadm:1+1", "binaries:shiplock,shiplockd,shiplock-worker"],
    timeout=3300,
    part="kubeadm-probe",
)
def test_probe(t):
    up = Upgrade(t)
    c, m = up.cluster, up.cluster.first
    old = OldClient(c)
    t.defer(old.stop)
    old.start()
    up.fleet.start(cpSoak="2h")
    up.fleet.wait(up.fleet.name, "cp-soak", lambda s: s["state"] == "cp-soak", LONG_SEC)
    k = Calibration(t, up)
    k.key = m.shell("ls /var/lib/shiplock/backups").split()[0]
    set_tar = f"/var/lib/shiplock/backups/{k.key}/set.tar"
    offered = f"{OFFERED}/{c.version}"

    k.state("as it is, its first step", "T2", "T2 to", k.try_swap)
    k.scheduler_runs(c.target)

    hidden = [offered, *m.shell(f"ls -d {KEPT}/{c.version} 2>/dev/null || true").split()]
    for folder in hidden:  # where it is offered, and what an earlier command brought
        m.run("mount", "-t", "tmpfs", "none", folder)
    k.state("the old software is gone", "T1", "feature level", k.try_level)
    for folder in hidden:
        m.run("umount", folder)

    m.shell(f"cp {set_tar} /tmp/kept && truncate -s 4096 {set_tar}")
    k.state("the backup set is damaged", "T2", "not what was saved", k.try_swap)
    m.shell(f"cp /tmp/kept {set_tar}")

    image = f"range.local/kube-scheduler:v{c.version}"
    m.run("ctr", "-n", "k8s.io", "images", "export", "/tmp/scheduler.tar", image)
    m.run("ctr", "-n", "k8s.io", "images", "rm", image)
    k.state("an image is gone, never pulled", "T2", "is not on", k.try_swap)
    m.run("ctr", "-n", "k8s.io", "images", "import", "/tmp/scheduler.tar")
    k.scheduler_runs(c.target)

    apply(c, webhook())
    k.state("a webhook on pods is away", "T2", "webhook away.example.io", k.try_pod)
    c.kubectl("delete", "validatingwebhookconfiguration", "away")

    apply(c, policy())
    k.state("objects of a new kind", "T2", "mutatingadmissionpolicies", k.try_swap)
    k.scheduler_runs(c.target)

    api = m.read(f"{MANIFESTS}/kube-apiserver.yaml")
    raised = api.replace("    - --", "    - --min-compatibility-version=1.36\n    - --", 1)
    m.write("/etc/kubernetes/.api", raised)
    m.shell(f"mv /etc/kubernetes/.api {MANIFESTS}/kube-apiserver.yaml")
    lifted = lambda: k.answers() and c.client.request("GET", "/version").get(
        "minCompatibilityMinor"
    ) == "36"
    wait_for("min-compatibility 1.36", lifted, READY_SEC)
    server = os.path.join(c.versions[c.target], "kube-apiserver")
    both = ["--emulated-version=1.35", "--min-compatibility-version=1.36"]
    k.state("min-compatibility raised", "T1", "min-compatibility", lambda: accepts(server, both))
    m.write("/etc/kubernetes/.api", api)
    m.shell(f"mv /etc/kubernetes/.api {MANIFESTS}/kube-apiserver.yaml")
    wait_for("as before", lambda: k.answers() and not lifted(), READY_SEC)

    m.shell(f"mv {MANIFESTS}/etcd.yaml /etc/kubernetes/.etcd")
    wait_for("no API", lambda: not k.answers(), READY_SEC)
    k.state("etcd is down", "T2", "", lambda: bool(k.answers()))
    m.shell(f"mv /etc/kubernetes/.etcd {MANIFESTS}/etcd.yaml")
    k.api_back()

    says, how = k.ask()
    old.armed.set()
    status = up.fleet.wait_rest(STATE_SEC * 2)
    works = [r["exitCode"] for r in status["runs"]] == [4] and c.server_version() == c.version
    k.rows.append(("the whole way back", "T2", says == "T2", works, how))
    finish(t, k)


def accepts(server, flags):
    """Whether this API server takes these levels: it names them where it does not."""
    done = subprocess.run([server, *flags], capture_output=True, text=True, timeout=30)
    return "compatib" not in done.stderr and "emulat" not in done.stderr


def finish(t, k):
    t.note("STATE | TIER | PROBE SAYS | TRIED")
    for name, tier, yes, works, _ in k.rows:
        t.note(f"{name} | {tier} | {'yes' if yes else 'no'} | {'works' if works else 'fails'}")
    false_yes = [r[0] for r in k.rows if r[2] and not r[3]]
    false_no = [r[0] for r in k.rows if r[3] and not r[2]]
    equal(false_yes, [], "false yes")
    check(len(false_no) <= 1, f"false no: {false_no}")
