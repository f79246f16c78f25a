"""The programs under test: the daemon, the actors' program and the command line.

Binaries come from $SHIPLOCK_BUILD, by default <repository>/build.
"""

import http.client
import json
import os
import signal
import socket
import subprocess

from .cluster import write_json
from .proc import free_port
from .wait import wait_for

REPO = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
API_VERSION = "shiplock.dev/v1alpha1"
START_SEC = 20.0
STOP_SEC = 15.0
ORDER_SEC = 30.0


def binary(name):
    """Path of one of the product's programs."""
    return os.path.join(os.environ.get("SHIPLOCK_BUILD", os.path.join(REPO, "build")), name)


def built(program):
    """Its path; what only a test of the range needs is made where it is missing."""
    path = binary(program)
    if missing(program):
        target = path.removeprefix(REPO + "/")
        build = binary("").rstrip("/")
        done = subprocess.run(
            ["make", "-s", "-C", REPO, f"B={build}", target],
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise RuntimeError(f"{path} cannot be built: {done.stdout}{done.stderr}")
    return path


def missing(*names):
    """Those of the programs that are not built."""
    return [n for n in names if not os.access(binary(n), os.X_OK)]


def documents(*docs):
    """Documents as the text of one file. JSON is YAML; apiVersion is filled in."""
    return "".join(
        "---\n" + json.dumps({"apiVersion": API_VERSION, **d}, indent=1) + "\n" for d in docs
    )


def cluster_document(
    cluster, provider="openshift", labels=None, prometheus=None, alertmanager=None, **spec
):
    """The Cluster document of one cluster of the range, with the product's own kubeconfig.

    prometheus, alertmanager: the servers that answer for it; spec: more fields of the document.
    """
    full = {
        "provider": provider,
        "access": {"kubeconfig": {"file": cluster.kubeconfigs["shiplock"]}},
    }
    if prometheus:
        full["telemetry"] = [
            {"name": "local", "url": prometheus.url, "matcher": f'cluster="{cluster.name}"'}
        ]
    if alertmanager:
        full["alertmanager"] = {"url": alertmanager.url}
    return {
        "kind": "Cluster",
        "metadata": {"name": cluster.name, "labels": labels or {}},
        "spec": {**full, **spec},
    }


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path, timeout=10):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """One shiplockd with a ControllerConfig file of its own.

    spec: merged over the defaults (state folder, listeners); give repositories there.
    api: path of its socket, web: address of /metrics, /healthz, /readyz and the webhook.
    """

    def __init__(self, registry, folder, spec, name="shiplockd", env=None):
        self.registry, self.name = registry, name
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self.api = os.path.join(self.folder, "api.sock")
        self.web = f"127.0.0.1:{free_port()}"
        self.state = os.path.join(self.folder, "state")
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        defaults = {"state": self.state, "listen": {"api": self.api, "web": self.web}}
        self.env = {**os.environ, **(env or {})}
        self.config = os.path.join(self.folder, "controller.yaml")
        write_json(
            self.config,
            {
                "apiVersion": API_VERSION,
                "kind": "ControllerConfig",
                "metadata": {"name": "range"},
                "spec": {**defaults, **spec},
            },
        )
        self.process = None

    def start(self, wait=True):
        self.process = self.registry.spawn(
            self.name, [binary("shiplockd"), "--config", self.config], env=self.env
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        self.process.wait_ready(
            lambda: self.get_web("/readyz")[0] == 200, START_SEC, ignore=(OSError,)
        )

    def crash(self):
        """kill -9, as a power cut would."""
        return self.process.kill()

    def stop(self):
        return self.process.stop(STOP_SEC) if self.process else None

    def pause(self):
        """SIGSTOP; go_on() ends it."""
        self.process.signal(signal.SIGSTOP)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    def get_web(self, path):
        """GET on the second listener; returns (status, text)."""
        host, _, port = self.web.partition(":")
        return _exchange(http.client.HTTPConnection(host, int(port), timeout=10), "GET", path)

    def call(self, method, path, body=None):
        """One request on the API socket; returns (status, parsed JSON or text)."""
        data = None if body is None else json.dumps(body)
        status, text = _exchange(UnixConnection(self.api), method, path, data)
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text

    def order(self, path, body=None):
        """POST of an order, and what became of it once it is durable; as call()."""
        status, answer = self.call("POST", path, body or {})
        while status == 202:
            number = answer["order"]

            def probe():
                done = self.call("GET", f"/v1/orders/{number}")
                return done if done[0] != 202 else None

            status, answer = wait_for(f"order {number} is durable", probe, ORDER_SEC, poll=0.005)
        return status, answer

    def cluster(self, name):
        """What the daemon says about a cluster, or None while it does not know it."""
        status, answer = self.call("GET", f"/v1/clusters/{name}")
        return answer if status == 200 else None

    def wait_cluster(self, name, what, condition, timeout):
        """Waits until condition(answer of /v1/clusters/NAME) holds; returns the answer."""
        seen = {}

        def probe():
            self.process.check()
            seen["is"] = self.cluster(name)
            return seen["is"] is not None and condition(seen["is"])

        wait_for(f"{name}: {what}", probe, timeout, ignore=(OSError,))
        return seen["is"]


def _exchange(connection, method, path, data=None):
    try:
        headers = {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method, path, data, headers)
        r = connection.getresponse()
        return r.status, r.read().decode(errors="replace")
    finally:
        connection.close()


class FakeKubeletsAndOperators:
    """The actors of one cluster: shiplock-sim play against its real API server."""

    def __init__(self, registry, cluster, faults=(), time_scale=None, exporter=False, extra=()):
        self.registry, self.cluster = registry, cluster
        self.address = f"127.0.0.1:{free_port()}" if exporter else None
        self.argv = [binary("shiplock-sim"), "play", "--kubeconfig", cluster.kubeconfigs["actors"]]
        for f in faults:
            self.argv += ["--fault", f]
        if time_scale is not None:
            self.argv += ["--time-scale", str(time_scale)]
        if self.address:
            self.argv += ["--exporter", self.address]
        self.argv += list(extra)
        self.process = None

    def start(self):
        self.process = self.registry.spawn(f"{self.cluster.name}-actors", self.argv)
        return self

    def pause(self):
        """SIGSTOP: nothing moves on the cluster; go_on() ends it."""
        self.process.signal(signal.SIGSTOP)

    def go_on(self):
        self.process.signal(signal.SIGCONT)

    def stop(self):
        return self.process.stop() if self.process else None


def cli(*args, env=None, stdin=None, timeout=60):
    """Runs shiplock to its end; returns the CompletedProcess with text streams."""
    return subprocess.run(
        [binary("shiplock"), *map(str, args)],
        capture_output=True,
        text=True,
        input=stdin,
        timeout=timeout,
        env={**os.environ, "NO_COLOR": "1", **(env or {})},
    )
