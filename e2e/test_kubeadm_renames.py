"""kubeadm itself killed between its two renames of a manifest, on a true node: mended, once."""

import hashlib

from rangelib.harness import check, equal, test
from rangelib.kubeadm import OFFERED
from test_kubeadm import LONG_SEC, Upgrade

NEEDS = ["own-kubeadm:1+2", "binaries:shiplock,shiplockd,shiplock-worker"]
REAL, KILLED = "/opt/kubeadm-real", "/opt/kubeadm-killed"
COMPONENT = "kube-controller-manager"

# Both renames name the manifest: each is held up on entry, so that the first one's effect is seen
# while the second one waits, whatever thread they run on.
KILLER = f"""#!/bin/sh
manifest=/etc/kubernetes/manifests/{COMPONENT}.yaml
case "$*" in "upgrade apply"*) ;; *) exec {REAL} "$@" ;; esac
[ ! -e {KILLED} ] || exec {REAL} "$@"
strace -f -qq -o {KILLED}.trace -P "$manifest" \\
	-e trace=renameat,renameat2 -e inject=renameat,renameat2:delay_enter=3s {REAL} "$@" &
while [ -e "$manifest" ] && kill -0 $! 2>/dev/null; do sleep 0.2; done
pkill -KILL -x kubeadm-real
wait $!
[ -e "$manifest" ] || : >{KILLED}
exit 137
"""


def offer_killer(cluster, m):
    """The offered kubeadm is one that is killed the first time; its digest is right."""
    at = f"{OFFERED}/{cluster.target}/kubeadm"
    m.shell(f"cp {at} {REAL}; chmod 755 {REAL}")
    m.write("/opt/kubeadm-killer", KILLER)
    m.shell(f"chmod 755 /opt/kubeadm-killer; mount --bind /opt/kubeadm-killer {at}")
    digest = hashlib.sha256(KILLER.encode()).hexdigest()
    name = f"{cluster.target}/kubeadm"
    lines = [
        f"{digest}  {name}" if line.split()[1].lstrip("*") == name else line
        for line in m.read(f"{OFFERED}/sha256sums").splitlines()
    ]
    check(any(digest in line for line in lines), f"{name} is not among the digests")
    m.write(f"{OFFERED}/sha256sums", "\n".join(lines) + "\n")


@test("kubeadm: killed between its two renames it is mended", NEEDS, 1500, "kubeadm-cuts")
def test_between_renames(t):
    up = Upgrade(t)
    offer_killer(up.cluster, up.cluster.first)
    up.fleet.start(cpSoak="5s")
    status = up.fleet.wait_rest(LONG_SEC)
    equal([r["exitCode"] for r in status["runs"]], [0], f"exit code of {status['runs']}")
    killed = up.cluster.first.shell(f"ls {KILLED}; cat {KILLED}.trace || :")
    t.note(killed)
    acts = up.fleet.journal().find("intent", row="node-command")
    kinds = [a["want"]["kind"] for a in acts if a["want"]["node"] == up.cluster.first.name]
    t.note(f"commands on {up.cluster.first.name}: {', '.join(kinds)}")
    equal(kinds.count("up-control-plane"), 2, "attempts of kubeadm")
    check("mend" in kinds, "nothing was mended")
    up.check_end(up.cluster.target)
