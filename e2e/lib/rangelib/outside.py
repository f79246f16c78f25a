"""Witnesses outside of the product and of the runner: processes of their own that only look.

Traffic   a client that asks the pods of Services 20 times a second, in turn over the endpoints that
          are Ready; every request that is not answered with 200 counts as failed, none is repeated
Observer  looks every 100 ms at the budgets of a namespace and at whether the API server answers
Versions  looks twice a second whether a kubelet is newer than any API server that answers

Each appends JSON lines to a file. As a program: python3 -m rangelib.outside CONFIG.json
"""

import http.client
import json
import os
import signal
import sys
import threading
import time

from .cluster import write_json
from .kube import ApiError, KubeClient
from .wait import wait_for

TRAFFIC_SEC = 0.05
LOOK_SEC = 0.1
VERSIONS_SEC = 0.5
REQUEST_SEC = 2.0
WATCH_SEC = 60
START_SEC = 30.0
SLICES = "/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices"
UNREACHABLE = (OSError, http.client.HTTPException, ApiError, ValueError)
PATIENCE_SEC = 0.5


class Endpoints(threading.Thread):
    """The Ready addresses of each Service, by watch; while no API server answers they stay."""

    def __init__(self, clients, namespace, services):
        super().__init__(daemon=True)
        self.clients, self.path = clients, SLICES.format(ns=namespace)
        self.slices, self.services = {}, services
        self.lock = threading.Lock()

    def ready(self, service):
        """[(address, port)], in a fixed order."""
        with self.lock:
            slices = list(self.slices.values())
        out = set()
        for s in slices:
            if s["metadata"].get("labels", {}).get("kubernetes.io/service-name") != service:
                continue
            ports = [p["port"] for p in s.get("ports") or []]
            for e in s.get("endpoints") or []:
                if e.get("conditions", {}).get("ready") and ports:
                    out.update((a, ports[0]) for a in e["addresses"])
        return sorted(out)

    def _apply(self, kind, item):
        with self.lock:
            if kind == "DELETED":
                self.slices.pop(item["metadata"]["name"], None)
            else:
                self.slices[item["metadata"]["name"]] = item

    def _follow(self, client):
        answer = client.request("GET", self.path)
        with self.lock:
            self.slices = {s["metadata"]["name"]: s for s in answer["items"]}
        version = answer["metadata"]["resourceVersion"]
        c = http.client.HTTPSConnection(
            client.host, client.port, context=client.context, timeout=WATCH_SEC + 5
        )
        query = f"?watch=1&resourceVersion={version}&timeoutSeconds={WATCH_SEC}"
        try:
            c.request("GET", self.path + query, headers={"User-Agent": "range-traffic"})
            answer = c.getresponse()
            while line := answer.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._apply(event["type"], event["object"])
        finally:
            c.close()

    def run(self):
        turn = 0
        while True:
            client = self.clients[turn % len(self.clients)]
            turn += 1
            try:
                self._follow(client)
            except UNREACHABLE:
                client.close()
                time.sleep(PATIENCE_SEC)


class Writer:
    """Appends lines; each is there as soon as it is written."""

    def __init__(self, path):
        self.file = open(path, "a", encoding="utf-8", buffering=1)

    def write(self, **line):
        self.file.write(json.dumps(line) + "\n")


def ask(address, port):
    """One request on a connection of its own; returns None, or what went wrong."""
    c = http.client.HTTPConnection(address, port, timeout=REQUEST_SEC)
    try:
        c.request("GET", "/", headers={"Connection": "close"})
        r = c.getresponse()
        r.read()
        return None if r.status == 200 else f"status {r.status}"
    except (OSError, http.client.HTTPException) as e:
        return f"{type(e).__name__}: {e}"
    finally:
        c.close()


class Tally:
    """Counts requests; written once a second."""

    def __init__(self, out):
        self.out, self.lock = out, threading.Lock()
        self.sent = self.failed = 0

    def one(self, service, address, port):
        began = time.time()
        problem = ask(address, port) if address else "no Ready endpoint"
        with self.lock:
            self.sent += 1
            self.failed += problem is not None
        if problem:
            self.out.write(at=began, service=service, address=address, failed=problem)


def traffic(config, out):
    clients = make_clients(config)
    endpoints = Endpoints(clients, config["namespace"], config["services"])
    endpoints.start()
    services, tally, turn, told = config["services"], Tally(out), 0, 0.0
    wait_for("endpoints", lambda: all(map(endpoints.ready, services)), START_SEC)
    due = time.monotonic()
    while not ended:
        service = services[turn % len(services)]
        ready = endpoints.ready(service)
        address, port = ready[turn // len(services) % len(ready)] if ready else (None, None)
        threading.Thread(target=tally.one, args=(service, address, port), daemon=True).start()
        turn += 1
        if time.monotonic() - told >= 1:
            told = time.monotonic()
            out.write(at=time.time(), sent=tally.sent, bad=tally.failed)
        due += TRAFFIC_SEC
        time.sleep(max(0.0, due - time.monotonic()))
    time.sleep(REQUEST_SEC)
    out.write(at=time.time(), sent=tally.sent, bad=tally.failed)


def pod_ready(pod):
    return not pod["metadata"].get("deletionTimestamp") and any(
        c["type"] == "Ready" and c["status"] == "True"
        for c in pod.get("status", {}).get("conditions", [])
    )


def selects(selector, pod):
    labels = pod["metadata"].get("labels", {})
    return all(labels.get(k) == v for k, v in selector.get("matchLabels", {}).items())


def breaches(client, namespace, wanted):
    """[text] of each budget with fewer Ready pods than wanted[budget] says it needs."""
    root = f"/api/v1/namespaces/{namespace}/pods"
    pods = client.request("GET", root)["items"]
    budgets = client.request("GET", f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets")
    out = []
    for b in budgets["items"]:
        name = b["metadata"]["name"]
        ready = sum(pod_ready(p) for p in pods if selects(b["spec"]["selector"], p))
        if ready < wanted[name]:
            out.append(f"{name}: {ready} Ready, {wanted[name]} needed")
    return out


def observe(config, out):
    """A line per breach, and one per change of the API server's answering."""
    clients = make_clients(config, REQUEST_SEC)
    answers, looks = None, 0
    due = time.monotonic()
    while not ended:
        problem = "not asked"
        for client in clients:
            began = time.time()
            try:
                for text in breaches(client, config["namespace"], config["needed"]):
                    out.write(at=began, breach=text)
                problem, looks = None, looks + 1
                break
            except UNREACHABLE as e:
                client.close()
                problem = f"{type(e).__name__}: {e}"
        if (problem is None) != answers:
            answers = problem is None
            out.write(at=time.time() if answers else began, answers=answers, why=problem)
        due = max(due + LOOK_SEC, time.monotonic() - LOOK_SEC)
        time.sleep(max(0.0, due - time.monotonic()))
    out.write(at=time.time(), looks=looks)


def number(version):
    return [int(x) for x in version.lstrip("v").split(".")]


def newer_kubelets(servers, nodes):
    """[text] of each kubelet that is newer than one of these API servers."""
    low = min(servers, key=number)
    kubelets = {n["metadata"]["name"]: n["status"]["nodeInfo"]["kubeletVersion"] for n in nodes}
    return [
        f"kubelet of {name} is {v}, an API server is {low}"
        for name, v in sorted(kubelets.items())
        if number(v) > number(low)
    ]


def versions(config, out):
    """A line per breach, and one per change of what the API servers run. The servers are asked
    before the kubelets: on either way nothing is newer then by the look alone."""
    clients, last, looks = make_clients(config, REQUEST_SEC), None, 0
    while not ended:
        servers, answering = {}, None
        for client in clients:
            try:
                servers[client.host] = client.request("GET", "/version")["gitVersion"]
                answering = client
            except UNREACHABLE:
                client.close()
        if servers != last:
            last = servers
            out.write(at=time.time(), servers=servers)
        try:
            nodes = answering.request("GET", "/api/v1/nodes")["items"] if answering else []
            for text in newer_kubelets(servers.values(), nodes) if nodes else []:
                out.write(at=time.time(), newer=text)
            looks += bool(nodes)
        except UNREACHABLE:
            answering.close()
        time.sleep(VERSIONS_SEC)
    out.write(at=time.time(), looks=looks)


ended = []


def make_clients(config, timeout=30):
    return [
        KubeClient(
            host, config["port"], config["ca"], *config["cert"], agent="range-outside",
            timeout=timeout,
        )
        for host in config["hosts"]
    ]  # fmt: skip


def main(argv):
    with open(argv[1], encoding="utf-8") as f:
        config = json.load(f)
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    works = {"traffic": traffic, "observe": observe, "versions": versions}
    works[config["what"]](config, Writer(config["out"]))
    return 0


# ---- from the runner ----


class Witness:
    """One such process. stop() ends it; lines() is what it has written so far."""

    def __init__(self, registry, folder, name, cluster, **config):
        os.makedirs(folder, exist_ok=True)
        self.out = os.path.join(folder, name + ".jsonl")
        self.name = name
        base = {
            "out": self.out,
            "hosts": [m.address for m in cluster.control_planes],
            "port": 6443,
            "ca": cluster.ca,
            "cert": cluster.cert,
        }
        path = write_json(os.path.join(folder, name + ".json"), {**base, **config})
        lib = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        self.process = registry.spawn(
            f"{cluster.lab.bridge}-{name}",
            ["/usr/bin/python3", "-B", "-m", "rangelib.outside", path],
            env={**os.environ, "PYTHONPATH": lib},
        )

    def lines(self):
        try:
            with open(self.out, encoding="utf-8") as f:
                return [json.loads(line) for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return []

    def stop(self):
        self.process.check()
        code = self.process.stop(REQUEST_SEC * 3)
        if code:
            raise RuntimeError(f"{self.name} ended with {code}: {self.process.tail()}")


class Traffic(Witness):
    def __init__(self, registry, folder, cluster, namespace, services, name="traffic"):
        super().__init__(
            registry, folder, name, cluster, what="traffic", namespace=namespace, services=services
        )

    def sent(self):
        return max((x["sent"] for x in self.lines() if "sent" in x), default=0)

    def failed(self):
        """[{"at", "service", "address", "failed": why}]"""
        return [x for x in self.lines() if "failed" in x]


class Versions(Witness):
    def __init__(self, registry, folder, cluster, name="versions"):
        super().__init__(registry, folder, name, cluster, what="versions")

    def looks(self):
        """How many there were; known once it was stopped."""
        return max((x["looks"] for x in self.lines() if "looks" in x), default=0)

    def newer(self):
        """Moments at which a kubelet was newer than an API server."""
        return [x for x in self.lines() if "newer" in x]


class Observer(Witness):
    def __init__(self, registry, folder, cluster, namespace, needed, name="observer"):
        """needed: {budget: how many Ready pods it needs at any time}."""
        super().__init__(
            registry, folder, name, cluster, what="observe", namespace=namespace, needed=needed
        )

    def breaches(self):
        return [x for x in self.lines() if "breach" in x]

    def looks(self):
        """How many there were; known once it was stopped."""
        return max((x["looks"] for x in self.lines() if "looks" in x), default=0)

    def gaps(self):
        """[(begin, seconds)] in which no API server answered."""
        out, began = [], None
        for x in self.lines():
            if x.get("answers") is False:
                began = x["at"]
            elif x.get("answers") and began:
                out.append((began, x["at"] - began))
                began = None
        return out

    def gap_sec(self):
        return sum(s for _, s in self.gaps())


if __name__ == "__main__":
    sys.exit(main(sys.argv))
