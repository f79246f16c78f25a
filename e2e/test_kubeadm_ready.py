"""What is known of a real kubeadm cluster beforehand: a stranger's context, and the way back."""

import json

from rangelib import product
from rangelib.harness import check, equal, test


@test(
    "kubeadm: inspect recognises a cluster of true nodes, and finds nothing in its way",
    ["kubeadm:1+2", "binaries:shiplock,shiplock-worker"],
)
def test_inspect(t):
    c = t.kubeadm
    done = product.cli("inspect", "--kubeconfig", c.kubeconfig)
    t.note(done.stdout)
    equal(done.returncode, 0, done.stdout + done.stderr)
    line = done.stdout.splitlines()[1]
    for word in (" kubeadm ", f" {c.version} ", " 1.36.x ", " nothing"):
        check(word in line, f"{word!r} in {line!r}")
    done = product.cli("inspect", "--kubeconfig", c.kubeconfig, "-o", "json")
    (one,) = json.loads(done.stdout)["clusters"]
    equal((one["provider"], one["version"], one["nodes"]), ("kubeadm", c.version, 3), "inspect")
    equal([f for f in one["findings"] if f["level"] == "block"], [], "what blocks")
