"""Container images of one layer, made from programs that are on this machine: docker archives."""

import hashlib
import io
import json
import os
import subprocess
import tarfile

PODS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "range", "pods")
REGISTRY = "range.local"
PAUSE = f"{REGISTRY}/pause:3.10.2"
PAUSE_OLD = f"{REGISTRY}/pause:3.10.1"  # kubeadm of the older minor tries out pods with this one
WEB = f"{REGISTRY}/web:1"
CREATED = "2026-01-01T00:00:00Z"
CHUNK = 1 << 20


def compiled(folder, name):
    """One of the programs in e2e/range/pods, static."""
    out = os.path.join(folder, name)
    flags = ["-std=gnu17", "-D_GNU_SOURCE", "-O1", "-static", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", out, os.path.join(PODS, name + ".c")], check=True)
    return out


def sha256(path):
    """The digest of a file, in hex."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _layer(path, programs):
    with tarfile.open(path, "w") as tar:
        for folder in ("usr", "usr/local", "usr/local/bin", "tmp", "etc"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for program in programs:
            name = os.path.basename(program)
            # The true sandbox image has its program at /pause, and people start it by that path.
            for path in ["usr/local/bin/" + name] + (["pause"] if name == "pause" else []):
                entry = tarfile.TarInfo(path)
                entry.mode, entry.size = 0o755, os.path.getsize(program)
                with open(program, "rb") as f:
                    tar.addfile(entry, f)


def archive(folder, names, programs, command):
    """Writes the archive of an image that is called by these names; returns its path."""
    name = names[0]
    path = os.path.join(folder, name.rpartition("/")[2].replace(":", "-") + ".tar")
    layer = path + ".layer"
    _layer(layer, programs)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": CREATED,
        "config": {"Env": ["PATH=/usr/local/bin"], "Entrypoint": command[:1], "Cmd": command[1:]},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + sha256(layer)]},
    }
    text = json.dumps(config).encode()
    config_name = hashlib.sha256(text).hexdigest() + ".json"
    manifest = [{"Config": config_name, "RepoTags": list(names), "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as tar:
        for entry_name, data in (
            (config_name, text),
            ("manifest.json", json.dumps(manifest).encode()),
        ):
            entry = tarfile.TarInfo(entry_name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
        entry = tarfile.TarInfo("layer.tar")
        entry.size = os.path.getsize(layer)
        with open(layer, "rb") as f:
            tar.addfile(entry, f)
    os.unlink(layer)
    return path


class Images:
    """The archives of a run, each made when it is first asked for. folder: where they lie."""

    def __init__(self, folder, etcd_dir):
        self.folder, self.etcd_dir = folder, etcd_dir
        self.made = {}
        os.makedirs(folder)

    def _once(self, programs, command, *names):
        if names not in self.made:
            self.made[names] = archive(self.folder, names, programs, command)
        return self.made[names]

    def node(self):
        """What every node needs: [path]."""
        return [
            self._once([compiled(self.folder, "pause")], ["pause"], PAUSE, PAUSE_OLD),
            self._once([compiled(self.folder, "web")], ["web", "8080", "2"], WEB),
        ]

    def control_plane(self, version, binaries):
        """The servers of this version (1.36.3) from the folder binaries: [path]."""
        names = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
        out = [
            self._once([os.path.join(binaries, n)], [n], f"{REGISTRY}/{n}:v{version}")
            for n in names
        ]
        tools = [os.path.join(self.etcd_dir, n) for n in ("etcd", "etcdctl", "etcdutl")]
        return [*out, self._once(tools, ["etcd"], f"{REGISTRY}/etcd:3.6.8-0")]
