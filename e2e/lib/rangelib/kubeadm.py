"""A cluster made by the real kubeadm on true nodes (machines.py).

Cluster(...).start() brings up n1 (and as many more control-plane nodes as wanted, with stacked
etcd, behind a balancer on the bridge) and the workers after them, all at the older of the two
versions that the range builds; bring_images() puts the servers of the other onto the control-plane
nodes. Nothing comes from a network: no CoreDNS, no kube-proxy, pods reach each other by routes.
"""

import base64
import http.client
import json
import os
import shlex
import ssl
import subprocess
import threading

from . import balancer
from .images import REGISTRY, Images, sha256
from .kube import ApiError, KubeClient
from .machines import CNI, Lab
from .prom import Prometheus
from .wait import wait_for

TOKEN = "range0.0123456789abcdef"
CERTIFICATE_KEY = "ab" * 32
API_PORT = 6443
ETCD_METRICS_PORT = 2381
KUBELET_PORT = 10250
READY_SEC = 120.0
KUBEADM_SEC = 420.0
SCRAPE = "2s"
KUBEADM_CONFIG = "/etc/kubeadm.yaml"
OFFERED = "/opt/kubernetes"  # on every node: VERSION/PROGRAM and sha256sums
PROGRAMS = ("kubeadm", "kubelet", "kubectl")
SYSTEMCTL = os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "range", "node", "systemctl"
)
CONTAINERD = """version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "range.local/pause:3.10.2"
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{cni}"
  conf_dir = "/etc/cni/net.d"
"""
UNREACHABLE = (OSError, http.client.HTTPException, ssl.SSLError, ApiError)


def parallel(function, items):
    """Calls function(item) for all at once; raises the first error."""
    errors = []

    def one(item):
        try:
            function(item)
        except BaseException as e:
            errors.append(e)

    threads = [threading.Thread(target=one, args=(i,)) for i in items]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    if errors:
        raise errors[0]


def documents(*docs):
    return "".join("---\n" + json.dumps(d, indent=1) + "\n" for d in docs)


def extra(**values):
    """extraArgs in the form of v1beta4."""
    return [{"name": k.replace("_", "-"), "value": v} for k, v in sorted(values.items())]


class Cluster:
    """One cluster. name; nodes [Machine], with role "control-plane" or "worker" in .roles[name];
    versions: {"1.35.4": folder of its programs, ...}, oldest first; url, kubeconfig, client
    (administrator); ssh_user, ssh_key, known_hosts; offered: the folder with the programs on every
    node; ignored: what kubeadm's preflight must let pass here (cgroup v1, no CoreDNS)."""

    ssh_user = "root"
    offered = OFFERED
    ignored = ("SystemVerification", "CoreDNSUnsupportedPlugins", "CoreDNSMigration")

    def __init__(self, registry, folder, versions, etcd_dir, control_planes=1, workers=2):
        self.name = f"kubeadm-{control_planes}-{workers}"
        self.registry, self.folder, self.versions = registry, folder, dict(versions)
        self.version, self.target = list(self.versions)[0], list(self.versions)[-1]
        os.makedirs(folder, mode=0o700)
        self.images = Images(os.path.join(folder, "images"), etcd_dir)
        self.lab = Lab(registry, os.path.join(folder, "lab"))
        self.ssh_key, self.known_hosts = self.lab.ssh_key, self.lab.known_hosts
        self.nodes = [self.lab.add(f"n{i + 1}") for i in range(control_planes + workers)]
        self.roles = {
            m.name: "control-plane" if i < control_planes else "worker"
            for i, m in enumerate(self.nodes)
        }
        self.control_planes = self.nodes[:control_planes]
        self.workers = self.nodes[control_planes:]
        self.first = self.nodes[0]
        several = len(self.control_planes) > 1
        self.endpoint = f"{self.lab.gateway if several else self.first.address}:{API_PORT}"
        self.url = f"https://{self.endpoint}"
        self.kubeconfig = os.path.join(folder, "admin.kubeconfig")
        self.kubeconfigs = {"admin": self.kubeconfig, "shiplock": self.kubeconfig}
        self.prometheus, self.balancer, self.brought = None, None, {self.version}
        self.digests = "".join(
            f"{sha256(os.path.join(d, p))}  {v}/{p}\n"
            for v, d in self.versions.items()
            for p in PROGRAMS
        )

    # ---- life ----

    def start(self):
        try:
            for m in self.nodes:
                self._install(m)
                m.power_on(wait=False)
            for m in self.nodes:
                m.wait_on()
            self._load_images()
            if len(self.control_planes) > 1:
                self._balance()
            self._init()
            self._admin()
            parallel(self._join, self.workers)
            for m in self.control_planes[1:]:
                self._join(m)
            self.wait_nodes(self.version)
        except BaseException:
            self.stop()
            raise
        return self

    def _balance(self):
        """What kubelets and everybody else reach the API servers by."""
        self.balancer = balancer.spawn(
            self.registry,
            f"{self.lab.bridge}-balancer",
            self.lab.gateway,
            API_PORT,
            [m.address for m in self.control_planes],
        )

    def stop(self):
        """Ends all of it; raises when something is left."""
        for process in filter(None, (self.balancer, self.prometheus and self.prometheus.process)):
            process.stop()
        self.lab.stop()

    def binaries(self, version):
        return self.versions[version]

    def _install(self, m):
        for p in PROGRAMS:
            source = os.path.join(self.binaries(self.version), p)
            m.file(f"/usr/local/bin/{p}", source=source, mode=0o755)
        m.read_only = {f"{OFFERED}/{v}": folder for v, folder in self.versions.items()}
        m.file(f"{OFFERED}/sha256sums", self.digests)
        m.file("/usr/local/sbin/systemctl", source=SYSTEMCTL, mode=0o755)
        m.file("/etc/containerd/config.toml", CONTAINERD.format(cni=CNI))
        m.file("/etc/default/kubelet", "")
        hosts = "".join(f"{x.address} {x.name}\n" for x in self.nodes)
        m.file("/etc/hosts", "127.0.0.1 localhost\n" + hosts)
        m.file("/etc/cni/net.d/10-range.conflist", self._cni(m))
        m.file(KUBEADM_CONFIG, self._config(m))

    @staticmethod
    def _cni(m):
        bridge = {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": m.pods}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        return json.dumps({"cniVersion": "0.4.0", "name": "range", "plugins": [bridge]})

    def _load_images(self):
        archives = {m.name: self.images.node() for m in self.nodes}
        for m in self.control_planes:
            archives[m.name] = archives[m.name] + self._servers(self.version)
        parallel(lambda m: self._import(m, archives[m.name]), self.nodes)

    def _servers(self, version):
        return self.images.control_plane(version, self.binaries(version))

    def bring_images(self, version):
        """The servers' images of a version, to every control-plane node, once."""
        if version not in self.brought:
            paths = self._servers(version)
            parallel(lambda m: self._import(m, paths), self.control_planes)
            self.brought.add(version)

    @staticmethod
    def _import(m, paths):
        for path in paths:
            with open(path, "rb") as f:
                m.run("ctr", "-n", "k8s.io", "images", "import", "-", stdin=f)

    # ---- kubeadm ----

    def _registration(self, m):
        return {
            "name": m.name,
            "criSocket": "unix:///run/containerd/containerd.sock",
            "imagePullPolicy": "Never",
            "ignorePreflightErrors": ["all"],
            "kubeletExtraArgs": extra(node_ip=m.address, cgroup_root="/" + m.cgroup),
        }

    def _config(self, m):
        kind = {"apiVersion": "kubeadm.k8s.io/v1beta4"}
        local = {"advertiseAddress": m.address, "bindPort": API_PORT}
        if m is self.first:
            return documents(
                {
                    **kind,
                    "kind": "InitConfiguration",
                    "bootstrapTokens": [{"token": TOKEN, "ttl": "24h0m0s"}],
                    "certificateKey": CERTIFICATE_KEY,
                    "localAPIEndpoint": local,
                    "nodeRegistration": self._registration(m),
                },
                {**kind, **self._cluster_configuration()},
                self._kubelet_configuration(),
            )
        join = {
            **kind,
            "kind": "JoinConfiguration",
            "discovery": {
                "bootstrapToken": {
                    "token": TOKEN,
                    "apiServerEndpoint": self.endpoint,
                    "unsafeSkipCAVerification": True,
                }
            },
            "nodeRegistration": self._registration(m),
        }
        if self.roles[m.name] == "control-plane":
            join["controlPlane"] = {
                "localAPIEndpoint": local,
                "certificateKey": CERTIFICATE_KEY,
            }
        return documents(join)

    def _cluster_configuration(self):
        return {
            "kind": "ClusterConfiguration",
            "clusterName": self.name,
            "kubernetesVersion": "v" + self.version,
            "imageRepository": REGISTRY,
            "controlPlaneEndpoint": self.endpoint,
            "networking": {"serviceSubnet": "10.96.0.0/16"},
            "apiServer": {"certSANs": [self.lab.gateway, *[m.address for m in self.nodes]]},
            "etcd": {
                "local": {
                    "imageTag": "3.6.8-0",
                    "extraArgs": extra(
                        listen_metrics_urls=f"http://0.0.0.0:{ETCD_METRICS_PORT}",
                        unsafe_no_fsync="true",
                    ),
                }
            },
        }

    @staticmethod
    def _kubelet_configuration():
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "cgroupDriver": "cgroupfs",
            "failCgroupV1": False,
            "enforceNodeAllocatable": [],
            "localStorageCapacityIsolation": False,
            "evictionHard": {"imagefs.available": "0%", "memory.available": "0%"}
            | {"nodefs.available": "0%", "nodefs.inodesFree": "0%"},
            "imageGCHighThresholdPercent": 100,
            "resolvConf": "",
        }

    def _init(self):
        upload = ["--upload-certs"] if len(self.control_planes) > 1 else []
        self.first.run(
            "kubeadm", "init", f"--config={KUBEADM_CONFIG}",
            "--skip-phases=addon", *upload, timeout=KUBEADM_SEC,
        )  # fmt: skip

    @staticmethod
    def _join(m):
        m.run(
            "kubeadm", "join", f"--config={KUBEADM_CONFIG}",
            "--ignore-preflight-errors=all", timeout=KUBEADM_SEC,
        )  # fmt: skip

    def _admin(self):
        """The administrator's kubeconfig, and its certificates as files for our own client."""
        text = self.first.read("/etc/kubernetes/admin.conf")
        with open(os.open(self.kubeconfig, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(text)
        parts = {}
        for line in text.splitlines():
            key, _, value = line.strip().partition(": ")
            if key.endswith("-data"):
                path = os.path.join(self.folder, key.removesuffix("-data") + ".pem")
                with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
                    f.write(base64.b64decode(value))
                parts[key.removesuffix("-data")] = path
        self.ca = parts["certificate-authority"]
        self.cert = (parts["client-certificate"], parts["client-key"])
        self.client = self.client_of(self.first)

    def client_of(self, m):
        """A REST client as administrator for the API server of one node."""
        return KubeClient(m.address, API_PORT, self.ca, *self.cert)

    # ---- use ----

    def node(self, name):
        return next(m for m in self.nodes if m.name == name)

    def kubectl(self, *args, version=None, **options):
        """Runs kubectl as administrator on this machine; returns its stdout."""
        program = os.path.join(self.binaries(version or self.version), "kubectl")
        done = subprocess.run(
            [program, "--kubeconfig", self.kubeconfig, *map(str, args)],
            capture_output=True, text=True, **{"timeout": KUBEADM_SEC, **options},
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"kubectl {' '.join(map(str, args))}: {done.stderr.strip()}")
        return done.stdout

    def ssh(self, m, text, check=True, timeout=KUBEADM_SEC):
        """Runs a shell text on a node as an operator would, by OpenSSH."""
        done = subprocess.run(
            self.ssh_command(m, text), capture_output=True, text=True,
            stdin=subprocess.DEVNULL, timeout=timeout,
        )  # fmt: skip
        if check and done.returncode:
            raise RuntimeError(f"{m.name}: {text}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def ssh_command(self, m, text):
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes"]
        options += [f"UserKnownHostsFile={self.known_hosts}", "LogLevel=ERROR"]
        flags = [x for o in options for x in ("-o", o)]
        return ["ssh", "-F", "none", "-i", self.ssh_key, *flags]  + [
            f"{self.ssh_user}@{m.address}", "/bin/sh -c " + shlex.quote(text)
        ]  # fmt: skip

    def kubelet_versions(self):
        """{node: version of its kubelet}, as the API server knows it."""
        nodes = self.client.list("nodes")
        return {
            n["metadata"]["name"]: n["status"]["nodeInfo"]["kubeletVersion"].lstrip("v")
            for n in nodes
        }

    def server_version(self, m=None):
        client = self.client_of(m) if m else self.client
        try:
            return client.request("GET", "/version")["gitVersion"].lstrip("v")
        finally:
            if m:
                client.close()

    def ready_nodes(self):
        return {
            n["metadata"]["name"]
            for n in self.client.list("nodes")
            for c in n["status"].get("conditions", [])
            if c["type"] == "Ready" and c["status"] == "True"
        }

    def wait_nodes(self, version, timeout=READY_SEC):
        """Waits until every node is Ready with a kubelet of this version."""
        want = {m.name: version for m in self.nodes}

        def probe():
            return self.kubelet_versions() == want and self.ready_nodes() == set(want)

        wait_for(f"all nodes Ready at {version}", probe, timeout, ignore=UNREACHABLE)

    def scraped(self):
        """Starts a Prometheus that scrapes API servers, kubelets and etcd; returns it."""
        folder = os.path.join(self.folder, "prometheus")
        tls = {
            "ca_file": self.ca,
            "cert_file": self.cert[0],
            "key_file": self.cert[1],
            "insecure_skip_verify": True,  # a kubelet signs its serving certificate itself
        }

        def job(name, machines, port, **more):
            targets = [
                {"targets": [f"{m.address}:{port}"], "labels": self.labels(node=m.name)}
                for m in machines
            ]
            timing = {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE}
            return {"job_name": name, "static_configs": targets, **timing, **more}

        secure = {"scheme": "https", "tls_config": tls}
        self.prometheus = Prometheus(
            self.registry,
            folder,
            name=f"prometheus-{self.lab.bridge}",
            jobs=(
                job("apiserver", self.control_planes, API_PORT, **secure),
                job("kubelet", self.nodes, KUBELET_PORT, **secure),
                job("etcd", self.control_planes, ETCD_METRICS_PORT),
            ),
        )
        return self.prometheus

    def labels(self, **more):
        return {"cluster": self.name, **more}

    def node_access(self, **more):
        """nodeAccess of the Cluster document; software lies in a folder on every node."""
        return {
            "ssh": {
                "user": self.ssh_user,
                "key": {"file": self.ssh_key},
                "knownHosts": {"file": self.known_hosts},
            },
            "become": "none",
            "software": {
                "method": "binaries",
                "from": OFFERED + "/{{version}}",
                "sha256sums": OFFERED + "/sha256sums",
            },
            "kubeadm": {"ignorePreflightErrors": list(self.ignored)},
            **more,
        }
