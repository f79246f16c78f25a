"""What can stand between the product and a node: each told clearly, and nothing done by half."""

import json
import os
import socket
import subprocess

from rangelib import machines, product
from rangelib.harness import check, equal, need_tools, need_true_nodes, test
from rangelib.kubeadm import SYSTEMCTL

TOUCH = "echo was here >>/etc/touched; "
LOUD = "head -c 100000000 /dev/zero | tr '\\0' x"


def ask(request):
    """One request to the product's own worker: (its exit code, its answer, what it says)."""
    done = subprocess.run(
        [product.binary("shiplock-worker"), "node"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        timeout=60,
    )
    check(len(done.stdout) < 4 << 20, f"{len(done.stdout)} bytes of answer")
    return done.returncode, done.stdout, done.stdout + done.stderr


def refused(t, request, words, m):
    """It fails with these words, and nothing has run on the node."""
    code, _, text = ask(request)
    check(code != 0, f"{words}: it was done: {text[:300]}")
    check(words in text, f"not {words!r}: {text[:600]}")
    t.note(f"{words}: {' '.join(text.split())[:200]}")
    gone = m.shell("test -e /etc/touched && cat /etc/touched || echo nothing")
    equal(gone, "nothing\n", f"{words}: what ran on the node")


@test(
    "node access: wrong and revoked host keys, silence, a flood, a signal, a locked key",
    ["binaries:shiplock-worker"],
)
def test_access(t):
    need_true_nodes()
    need_tools(machines.TOOLS)
    lab = machines.Lab(t.registry, os.path.join(t.folder, "lab"))
    t.defer(lab.stop)
    m = lab.add("n1")
    m.file("/usr/local/sbin/systemctl", source=SYSTEMCTL, mode=0o755)
    m.power_on()
    base = {
        "op": "run",
        "command": TOUCH,
        "host": m.address,
        "user": "root",
        "become": "none",
        "key": {"file": lab.ssh_key},
        "knownHosts": {"text": m.host_key},
    }
    check_host_keys(t, lab, m, base)
    check_silence(t, base, m)
    check_locked_key(t, base, m)
    check_ends(t, base)


def check_host_keys(t, lab, m, base):
    other = os.path.join(t.folder, "other")
    machines.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", other)
    with open(other + ".pub", encoding="utf-8") as f:
        wrong = f"{m.address} {' '.join(f.read().split()[:2])}\n"
    lines = {
        "is not the one in knownHosts": wrong,
        "is revoked": m.host_key + "@revoked " + m.host_key,
        "no host key is known": "",
    }
    for words, text in lines.items():
        refused(t, {**base, "knownHosts": {"text": text}}, words, m)


def check_silence(t, base, m):
    """A host that accepts and says nothing ends with its deadline, not later."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        known = m.host_key.replace(m.address, f"[127.0.0.1]:{port}", 1)
        request = {**base, "host": "127.0.0.1", "port": port, "knownHosts": {"text": known}}
        refused(t, {**request, "sessionMsec": 2000}, "within 2.000 s", m)


def check_locked_key(t, base, m):
    locked = os.path.join(t.folder, "locked")
    machines.command("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", locked)
    refused(t, {**base, "key": {"file": locked}}, "has a passphrase and no agent", m)


def check_ends(t, base):
    """A flood is cut off; a command with effects keeps a part of it; a signal is a failure."""
    code, _, text = ask({**base, "command": LOUD})
    check(code != 0 and "prints more than" in text, f"100 MB of output: {code} {text[:300]}")
    job = {"state": "/var/lib/shiplock", "epoch": 1, "job": "loud", "limitSec": 60}
    loud = {**base, **job, "op": "start", "command": LOUD, "keepBytes": 4096}
    answer = {"state": "running"}
    ask(loud)
    while answer["state"] == "running":
        answer = json.loads(ask({**base, **job, "op": "look"})[1])
    kept = (answer["state"], answer["ok"], answer["outBytes"] + answer["outDropped"])
    equal(kept, ("done", True, 100000000), "the command that printed 100 MB")
    check(len(answer["out"]) <= 64 << 10, f"{len(answer['out'])} bytes of it")
    answer = json.loads(ask({**base, "command": "echo before; kill -KILL $$"})[1])
    seen = (answer["ok"], answer["exitCode"], answer["signal"], answer["out"])
    equal(seen, (False, None, "KILL", "before\n"), "a command ended by a signal")
