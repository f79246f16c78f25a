"""The real Argo CD, headless: redis, repository server and application controller on one cluster.

ArgoCD(registry, folder, binaries, kubectl, hub): runs on the cluster `hub`. adopt() tells it of a
cluster that it writes to, application() of a folder in a repository; both may be the hub itself.
Its user on every cluster is "argocd", so the audit logs tell its writes from everybody's.
"""

import base64
import json
import os
import shutil
import subprocess

from .cluster import write_json
from .kube import RESOURCES, ApiError
from .proc import free_port
from .wait import wait_for

NAMESPACE = "argocd"
USER = "argocd"
START_SEC = 60.0
APPLY_SEC = 60
RESYNC_SEC = 10
API = "argoproj.io/v1alpha1"
REFRESH = "argocd.argoproj.io/refresh"
CONFIG_MAPS = (
    "argocd-cm",
    "argocd-rbac-cm",
    "argocd-cmd-params-cm",
    "argocd-gpg-keys-cm",
    "argocd-ssh-known-hosts-cm",
    "argocd-tls-certs-cm",
)
RESOURCES.update(
    applications=(f"apis/{API}", True),
    appprojects=(f"apis/{API}", True),
)


def _base64(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read()).decode()


def part(kind, name, **more):
    """One of its own objects."""
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/part-of": "argocd", **more.pop("labels", {})},
        },
        **more,
    }


class ArgoCD:
    """start() brings everything up; stop() ends its processes, what it stored stays."""

    def __init__(self, registry, folder, binaries, kubectl, hub, revision_cache="2s"):
        """revision_cache: how long the repository server trusts what it knows of a branch."""
        self.registry, self.binaries, self.kubectl, self.hub = registry, binaries, kubectl, hub
        self.folder = os.path.join(folder, "argocd")
        os.makedirs(os.path.join(self.folder, "tmp"), mode=0o700)
        self.revision_cache = revision_cache
        self.client = hub.client
        self.kubeconfig = self._write_kubeconfig()
        self.ports = {n: free_port() for n in ("redis", "repo", "repo-metrics", "metrics")}
        self.processes = {}

    def _write_kubeconfig(self):
        with open(self.hub.kubeconfigs[USER], encoding="utf-8") as f:
            config = json.load(f)
        config["contexts"][0]["context"]["namespace"] = NAMESPACE
        return write_json(os.path.join(self.folder, "kubeconfig"), config)

    def start(self):
        self._install()
        self.start_redis()
        self.start_repo_server()
        self.start_controller()
        return self

    def stop(self):
        for p in self.processes.values():
            p.stop()

    # ---- objects ----

    def _install(self):
        done = subprocess.run(
            [self.kubectl, "--kubeconfig", self.hub.kubeconfigs["admin"], "apply"]
            + ["--server-side", "-f", os.path.join(self.binaries, "crds")],
            capture_output=True,
            text=True,
            timeout=APPLY_SEC,
            stdin=subprocess.DEVNULL,
        )
        if done.returncode:
            raise RuntimeError(f"kubectl apply: {done.returncode}: {done.stderr.strip()}")
        wait_for("Applications are served", self._served, START_SEC, ignore=(ApiError,))
        self.client.create(
            "namespaces",
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        )
        for name in CONFIG_MAPS:
            self.client.create("configmaps", part("ConfigMap", name, data={}))
        key = base64.b64encode(os.urandom(32)).decode()
        self.client.create(
            "secrets", part("Secret", "argocd-secret", stringData={"server.secretkey": key})
        )
        self.client.create("appprojects", self._project())

    def _served(self):
        return all(self.client.list(n) is not None for n in ("applications", "appprojects"))

    def _project(self):
        everything = [{"group": "*", "kind": "*"}]
        spec = {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": everything,
        }
        return {
            "apiVersion": API,
            "kind": "AppProject",
            "metadata": {"name": "default", "namespace": NAMESPACE},
            "spec": spec,
        }

    def sync_windows(self, windows):
        """Replaces the windows of the project; none: []."""
        self.client.patch(
            "appprojects", "default", {"spec": {"syncWindows": windows or None}}, NAMESPACE
        )

    def adopt(self, cluster):
        """A cluster that Applications may name by its URL."""
        crt, key = cluster.certs[USER]
        tls = {"caData": _base64(cluster.ca.crt), "certData": _base64(crt), "keyData": _base64(key)}
        data = {
            "name": cluster.name,
            "server": cluster.url,
            "config": json.dumps({"tlsClientConfig": tls}),
        }
        labels = {"argocd.argoproj.io/secret-type": "cluster"}
        self.client.create(
            "secrets",
            part("Secret", f"cluster-{cluster.name}", labels=labels, stringData=data),
        )

    def application(self, name, cluster, url, path, **more):
        """An Application with selfHeal; more: fields of its spec."""
        spec = {
            "project": "default",
            "source": {"repoURL": url, "targetRevision": "main", "path": path},
            "destination": {"server": cluster.url, "namespace": "default"},
            "syncPolicy": {"automated": {"selfHeal": True}},
            **more,
        }
        self.client.create(
            "applications",
            {
                "apiVersion": API,
                "kind": "Application",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": spec,
            },
        )

    def change(self, name, **spec):
        """Changes fields of an Application's spec; None removes one."""
        self.client.patch("applications", name, {"spec": spec}, NAMESPACE)

    def refresh(self, name):
        """What a person does who does not want to wait."""
        self.client.patch(
            "applications", name, {"metadata": {"annotations": {REFRESH: "normal"}}}, NAMESPACE
        )

    def get(self, name):
        return self.client.get("applications", name, NAMESPACE)

    def wait_synced(self, name, revision, timeout=START_SEC):
        """Waits until the Application says that it is in sync with this commit."""

        def probe():
            for p in self.processes.values():
                p.check()
            sync = self.get(name).get("status", {}).get("sync", {})
            return sync.get("status") == "Synced" and sync.get("revision") == revision

        return wait_for(f"Application {name} synced to {revision[:12]}", probe, timeout)

    # ---- processes ----

    def _env(self, program):
        return {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "HOME": os.path.join(self.folder, "tmp"),
            "TMPDIR": os.path.join(self.folder, "tmp"),
            "ARGOCD_BINARY_NAME": program,
            "ARGOCD_GPG_ENABLED": "false",
            "GIT_CONFIG_NOSYSTEM": "1",
        }

    def _spawn(self, program, *flags):
        p = self.registry.spawn(
            program,
            [os.path.join(self.binaries, program), *flags],
            env=self._env(program),
            cwd=os.path.join(self.folder, "tmp"),
        )
        self.processes[program] = p
        return p

    def start_redis(self):
        server = shutil.which("redis-server")
        port = str(self.ports["redis"])
        self.processes["redis"] = self.registry.spawn(
            "argocd-redis",
            [server, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=os.path.join(self.folder, "tmp"),
        )

    def start_repo_server(self):
        self._spawn(
            "argocd-repo-server",
            "--disable-tls",
            "--address=127.0.0.1",
            f"--port={self.ports['repo']}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={self.ports['repo-metrics']}",
            f"--redis=127.0.0.1:{self.ports['redis']}",
            f"--revision-cache-expiration={self.revision_cache}",
            "--logformat=text",
        )

    def start_controller(self):
        """The part that syncs; stop_controller() is the outage that sites fear."""
        self._spawn(
            "argocd-application-controller",
            f"--kubeconfig={self.kubeconfig}",
            f"--repo-server=127.0.0.1:{self.ports['repo']}",
            "--repo-server-plaintext",
            f"--redis=127.0.0.1:{self.ports['redis']}",
            f"--app-resync={RESYNC_SEC}",
            f"--metrics-port={self.ports['metrics']}",
            "--logformat=text",
        )

    def stop_controller(self):
        return self.processes["argocd-application-controller"].kill()
