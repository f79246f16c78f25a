"""What an upgrade leaves on the disks of true nodes, in words that are the same on every cluster."""

import re

# What kubeadm and the product put there. Certificates and kubeconfigs are every cluster's own: of
# those the names alone count.
LOOK = """
cd /
for f in usr/local/bin/kube*; do echo "program $f $(sha256sum <$f)"; done
find etc/kubernetes -name tmp -prune -o -type f -print | sort | sed 's/^/file /'
find var/lib/kubelet -maxdepth 1 -type f | sort | sed 's/^/file /'
for f in etc/kubernetes/manifests/*.yaml var/lib/kubelet/config.yaml \
	var/lib/kubelet/instance-config.yaml var/lib/kubelet/kubeadm-flags.env; do
	[ ! -e $f ] || { echo "text $f"; cat $f; }
done
find etc/kubernetes usr/local/bin var/lib/kubelet -maxdepth 2 -name '*.new' -o -name '*.tmp' \
	-o -name '.*.new' | sort | sed 's/^/left /'
"""


def of(cluster):
    """{node: text}."""
    return {m.name: _plain(cluster, m.shell(LOOK)) for m in cluster.nodes}


def _plain(cluster, text):
    lab = cluster.lab
    text = text.replace(lab.bridge, "LAB").replace(f"10.77.{lab.number}.", "10.77.LAB.")
    return re.sub(rf"\b10\.{128 + lab.number}\.", "10.PODS.", text)


def differences(before, after):
    """[text] of the lines that only one of the two has."""
    out = []
    for node in sorted({*before, *after}):
        a, b = (x.get(node, "").splitlines() for x in (before, after))
        out += [f"{node}: gone: {line}" for line in a if line not in b]
        out += [f"{node}: new: {line}" for line in b if line not in a]
    return out
