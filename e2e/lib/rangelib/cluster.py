"""etcd, and clusters on it: an API server each, with controller-manager and scheduler.

No kubelets: nodes and the running of pods are played by actors. What is real: admission, RBAC,
storage, watches, the scheduler's bindings, ReplicaSets, PodDisruptionBudget status, evictions,
garbage collection.
"""

import json
import os
import signal

from . import crds, rbac
from .audit import AuditLog
from .kube import ApiError, KubeClient
from .pki import Authority
from .proc import free_port
from .wait import wait_for

START_SEC = 90.0
STOP_SEC = 3.0  # an API server waits for its watches much longer

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "Panic"],
    "omitManagedFields": True,
    "rules": [
        {"level": "None", "verbs": ["get", "list", "watch"]},
        {
            "level": "None",
            "resources": [
                {"group": "", "resources": ["events"]},
                {"group": "events.k8s.io", "resources": ["events"]},
            ],
        },
        {
            "level": "Metadata",
            "resources": [{"group": "", "resources": ["secrets", "serviceaccounts/token"]}],
        },
        {"level": "Request"},
    ],
}


def write_json(path, value):
    """Writes a file that only its owner reads; JSON is YAML, so servers take it as either."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as f:
        json.dump(value, f, indent=1)
    return path


class Etcd:
    """One etcd member on loopback. No fsync: a test's data need not survive the machine."""

    def __init__(self, registry, folder, binaries):
        client, peer = free_port(), free_port()
        self.url = f"http://127.0.0.1:{client}"
        peer_url = f"http://127.0.0.1:{peer}"
        self.process = registry.spawn(
            "etcd",
            [
                os.path.join(binaries, "etcd"),
                "--name=range",
                f"--data-dir={folder}/etcd",
                f"--listen-client-urls={self.url}",
                f"--advertise-client-urls={self.url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=range={peer_url}",
                "--unsafe-no-fsync",
                "--log-level=warn",
            ],
        )


class Cluster:
    """One API server with its helpers. start_apiserver() returns at once, prepare() does the rest.

    name, url, client (administrator), audit (AuditLog), kubeconfig paths by user in .kubeconfigs:
    admin (system:masters), shiplock (the product's rights, rbac.py), actors (plays the cluster),
    bare (nothing but what every user may), argocd (its application controller).
    """

    USERS = {
        "admin": ("range-admin", ["system:masters"]),
        "shiplock": ("shiplock", []),
        "bare": ("bare", []),
        "actors": ("actors", []),
        "argocd": ("argocd", ["system:masters"]),
        "kcm": ("system:kube-controller-manager", []),
        "scheduler": ("system:kube-scheduler", []),
    }

    def __init__(self, name, registry, folder, binaries, etcd, ca):
        self.name, self.registry, self.binaries, self.etcd, self.ca = (
            name,
            registry,
            binaries,
            etcd,
            ca,
        )
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, mode=0o700)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.audit_path = os.path.join(self.folder, "audit.log")
        self.audit = AuditLog(self.audit_path)
        self.audit_policy = write_json(os.path.join(self.folder, "audit-policy.json"), AUDIT_POLICY)
        self.certs = {u: ca.issued(u, *self.USERS[u]) for u in self.USERS}
        self.kubeconfigs = {u: self._write_kubeconfig(u) for u in self.USERS}
        self.client = self.client_for("admin")
        self.processes = {}

    def client_for(self, user, agent="range-harness"):
        """A REST client as one of USERS."""
        return KubeClient("127.0.0.1", self.port, self.ca.crt, *self.certs[user], agent=agent)

    def _write_kubeconfig(self, user):
        crt, key = self.certs[user]
        return write_json(
            os.path.join(self.folder, user + ".kubeconfig"),
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": self.name,
                "clusters": [
                    {
                        "name": self.name,
                        "cluster": {"server": self.url, "certificate-authority": self.ca.crt},
                    }
                ],
                "users": [{"name": user, "user": {"client-certificate": crt, "client-key": key}}],
                "contexts": [{"name": self.name, "context": {"cluster": self.name, "user": user}}],
            },
        )

    def audit_reads(self, user):
        """From the API server's next start on its audit log has the lists and watches of this user."""
        rule = {"level": "Metadata", "users": [user], "verbs": ["list", "watch"]}
        policy = {**AUDIT_POLICY, "rules": [rule, *AUDIT_POLICY["rules"]]}
        write_json(self.audit_policy, policy)

    def _spawn(self, program, *flags):
        self.processes[program] = self.registry.spawn(
            f"{self.name}-{program}", [os.path.join(self.binaries, program), *flags]
        )

    def start_apiserver(self):
        crt, key = self.ca.serving
        pub, priv = self.ca.tokens
        self._spawn(
            "kube-apiserver",
            f"--etcd-servers={self.etcd.url}",
            f"--etcd-prefix=/{self.name}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self.port}",
            "--endpoint-reconciler-type=none",
            f"--client-ca-file={self.ca.crt}",
            f"--tls-cert-file={crt}",
            f"--tls-private-key-file={key}",
            f"--service-account-key-file={pub}",
            f"--service-account-signing-key-file={priv}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--authorization-mode=Node,RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--profiling=false",
            f"--audit-policy-file={self.audit_policy}",
            f"--audit-log-path={self.audit_path}",
            "--audit-log-maxsize=1000",
        )

    def start_helpers(self):
        """Controller-manager and scheduler; before the server is ready they would back off."""
        self._spawn(
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfigs['kcm']}",
            "--secure-port=0",
            "--leader-elect=false",
            "--use-service-account-credentials=true",
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",  # the default of 20 a second costs four seconds at the start
            f"--root-ca-file={self.ca.crt}",
            f"--service-account-private-key-file={self.ca.tokens[1]}",
        )
        self._spawn(
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfigs['scheduler']}",
            "--secure-port=0",
            "--leader-elect=false",
            "--kube-api-qps=1000",
            "--kube-api-burst=1000",
        )

    def wait_answering(self):
        """Waits until the API server says ready."""
        self.processes["kube-apiserver"].wait_ready(self.client.ready, START_SEC)

    def prepare(self):
        """Once it answers: starts the helpers and brings in CRDs and rights."""
        self.wait_answering()
        self.start_helpers()
        for crd in crds.definitions():
            self.client.create("customresourcedefinitions", crd)
        rbac.install(self.client)

    def wait_ready(self):
        """Waits until CRDs are served and the controllers work."""
        wait_for(f"{self.name}: CRDs served", self._crds_served, START_SEC, ignore=(ApiError,))
        wait_for(
            f"{self.name}: default service account",
            lambda: self.client.find("serviceaccounts", "default", "default"),
            START_SEC,
        )

    def _crds_served(self):
        names = [k[0] for k in crds.KINDS]
        if not all(map(crds.established, self.client.list("customresourcedefinitions"))):
            return False
        return all(self.client.list(n) is not None for n in names)

    def stop_apiserver(self, kill=False):
        """An outage of the control plane; start_apiserver() ends it."""
        p = self.processes["kube-apiserver"]
        self.client.close()
        return p.kill() if kill else p.stop()

    def stop(self):
        """Ends all three; what they stored stays in etcd."""
        self.client.close()
        for p in self.processes.values():
            p.signal(signal.SIGTERM)
        for p in self.processes.values():
            p.stop(STOP_SEC)


class RangeAuthority(Authority):
    """The certificates of all clusters of a run: one CA, one for serving, one for each user."""

    def __init__(self, folder):
        super().__init__(folder, "range")
        self.serving = self.server("apiserver", dns=("localhost", "kubernetes.default.svc"))
        self.tokens = self.signing_key("tokens")
        self.known = {}

    def issued(self, name, user, groups):
        """The client certificate of this user, made at the first call."""
        if name not in self.known:
            self.known[name] = self.client(name, user, groups)
        return self.known[name]


class Clusters:
    """The pool: clusters share one etcd and one CA. Grows on demand; names are c1, c2 ..."""

    def __init__(self, registry, folder, etcd_dir, k8s_dir):
        self.registry, self.folder, self.k8s_dir = registry, folder, k8s_dir
        self.ca = RangeAuthority(os.path.join(folder, "pki"))
        self.etcd = Etcd(registry, folder, etcd_dir)
        self.made = 0

    def make(self, n):
        """n new clusters, started together and ready."""
        new = []
        for _ in range(n):
            self.made += 1
            new.append(
                Cluster(
                    f"c{self.made}", self.registry, self.folder, self.k8s_dir, self.etcd, self.ca
                )
            )
        for c in new:
            c.start_apiserver()
        for c in new:
            c.prepare()
        for c in new:
            c.wait_ready()
        return new
