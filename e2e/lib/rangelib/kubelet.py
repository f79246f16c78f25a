"""A small kubelet actor for tests of the range: keeps nodes Ready, runs what is bound to them.

It polls: good for a handful of nodes and pods. Tests of the product use shiplock-sim play instead.
"""

import datetime
import threading

from .kube import ApiError

POLL_SEC = 0.1
LEASE_SEC = 10.0
LEASE_NS = "kube-node-lease"


def now_text(micro=False):
    t = datetime.datetime.now(datetime.timezone.utc)
    return t.strftime("%Y-%m-%dT%H:%M:%S.%fZ" if micro else "%Y-%m-%dT%H:%M:%SZ")


def ready_condition(status="True"):
    return {
        "type": "Ready",
        "status": status,
        "reason": "Actor",
        "lastHeartbeatTime": now_text(),
        "lastTransitionTime": now_text(),
    }


class TinyKubelet:
    """Plays the kubelets of the named nodes in a thread of its own until stop().

    grace_sec: how long a pod takes to end after its deletion was asked.
    """

    def __init__(self, client, names, grace_sec=0.0):
        self.client, self.names, self.grace_sec = client, list(names), grace_sec
        self.ending = {}
        self.lease_due = 0.0
        self.quit = threading.Event()
        self.errors = []
        for n in self.names:
            self._register(n)
        self.thread = threading.Thread(target=self._run, name="kubelet", daemon=True)
        self.thread.start()

    def stop(self, remove_nodes=True):
        """Ends the thread; the nodes go too, unless told otherwise."""
        self.quit.set()
        self.thread.join(10)
        if remove_nodes:
            for n in self.names:
                self.client.delete_if_there("nodes", n)
                self.client.delete_if_there("leases", n, LEASE_NS)

    def _register(self, name):
        room = {"cpu": "8", "memory": "16Gi", "pods": "110"}
        self.client.create(
            "nodes",
            {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
                },
            },
        )
        self.client.status(
            "nodes",
            name,
            {
                "capacity": room,
                "allocatable": room,
                "conditions": [ready_condition()],
                "nodeInfo": {
                    "kubeletVersion": "v1.36.3",
                    "operatingSystem": "linux",
                    "architecture": "amd64",
                    "machineID": name,
                    "systemUUID": name,
                    "bootID": name,
                    "kernelVersion": "0",
                    "osImage": "actor",
                    "containerRuntimeVersion": "actor://0",
                    "kubeProxyVersion": "",
                },
            },
        )

    def _run(self):
        elapsed = 0.0
        while not self.quit.wait(POLL_SEC):
            elapsed += POLL_SEC
            try:
                if elapsed >= self.lease_due:
                    self._leases()
                    self.lease_due = elapsed + LEASE_SEC
                for name in self.names:
                    for pod in self.client.list("pods", fieldSelector=f"spec.nodeName={name}"):
                        self._pod(pod, elapsed)
            except (OSError, ApiError) as e:  # the server may be away for a while: go on
                self.errors.append(e)
        self.client.close()

    def _leases(self):
        for name in self.names:
            spec = {
                "holderIdentity": name,
                "leaseDurationSeconds": 40,
                "renewTime": now_text(micro=True),
            }
            if self.client.find("leases", name, LEASE_NS):
                self.client.patch("leases", name, {"spec": spec}, LEASE_NS)
            else:
                self.client.create(
                    "leases",
                    {
                        "apiVersion": "coordination.k8s.io/v1",
                        "kind": "Lease",
                        "metadata": {"name": name, "namespace": LEASE_NS},
                        "spec": spec,
                    },
                )

    def _pod(self, pod, elapsed):
        m = pod["metadata"]
        if m.get("deletionTimestamp"):
            began = self.ending.setdefault(m["uid"], elapsed)
            if elapsed - began >= self.grace_sec:
                self.client.delete_if_there(
                    "pods",
                    m["name"],
                    m["namespace"],
                    gracePeriodSeconds=0,
                    preconditions={"uid": m["uid"]},
                )
        elif pod.get("status", {}).get("phase") == "Pending":
            self._start(pod)

    def _start(self, pod):
        m, stamp = pod["metadata"], now_text()
        conditions = [
            {"type": t, "status": "True", "lastTransitionTime": stamp}
            for t in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
        ]
        containers = [
            {
                "name": c["name"],
                "image": c.get("image", ""),
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": stamp}},
            }
            for c in pod["spec"]["containers"]
        ]
        try:
            self.client.status(
                "pods",
                m["name"],
                {
                    "phase": "Running",
                    "startTime": stamp,
                    "conditions": conditions,
                    "containerStatuses": containers,
                    "podIP": "10.0.0.1",
                    "podIPs": [{"ip": "10.0.0.1"}],
                },
                m["namespace"],
            )
        except ApiError as e:
            if e.status != 404:
                raise
