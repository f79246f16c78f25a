"""The helpers for the product's programs, tried on stand-ins with the same command lines."""

import json
import os
import signal
import sys

from rangelib import product
from rangelib.harness import check, equal, test

DAEMON = """#!{python}
import http.server, json, socketserver, sys, threading
assert sys.argv[1] == "--config", sys.argv
config = json.load(open(sys.argv[2]))
spec = config["spec"]

class Handler(http.server.BaseHTTPRequestHandler):
    def address_string(self):
        return "peer"
    def do_GET(self):
        body = json.dumps({{"path": self.path, "repositories": spec["repositories"]}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

class Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

import os
if os.path.exists(spec["listen"]["api"]):
    os.unlink(spec["listen"]["api"])
threading.Thread(target=Unix(spec["listen"]["api"], Handler).serve_forever, daemon=True).start()
host, port = spec["listen"]["web"].split(":")
http.server.ThreadingHTTPServer((host, int(port)), Handler).serve_forever()
"""

ECHO = """#!{python}
import sys
print(" ".join(sys.argv[1:]), flush=True)
import signal
signal.pause() if sys.argv[1:2] == ["play"] else sys.exit(3)
"""


def stand_in(t, name, text):
    """Makes an executable of this name the one that the helpers find."""
    folder = os.path.join(t.folder, "bin")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.format(python=sys.executable))
    os.chmod(path, 0o700)
    before = os.environ.get("SHIPLOCK_BUILD")
    os.environ["SHIPLOCK_BUILD"] = folder

    def restore():
        if before is None:
            del os.environ["SHIPLOCK_BUILD"]
        else:
            os.environ["SHIPLOCK_BUILD"] = before

    t.defer(restore)


@test("a daemon is started, asked on both listeners, crashed and started again", needs=[])
def test_daemon(t):
    stand_in(t, "shiplockd", DAEMON)
    d = product.Daemon(t.registry, t.folder, {"repositories": [{"name": "fleet"}]})
    t.defer(d.stop)
    first = d.start().process.pid
    equal(d.get_web("/healthz")[0], 200, "the second listener")
    status, answer = d.call("GET", "/v1/status")
    equal(
        (status, answer["path"], answer["repositories"]),
        (200, "/v1/status", [{"name": "fleet"}]),
        "the API",
    )
    seen = d.wait_cluster("c1", "is known", lambda c: c["path"].endswith("c1"), 5)
    equal(seen["path"], "/v1/clusters/c1", "asked for a cluster")
    equal(d.crash(), -signal.SIGKILL, "exit code of a crash")
    check(d.start().process.pid != first, "not started again")


@test("actors and command line get their arguments, documents are one file", needs=[])
def test_actors_and_cli(t):
    class Cluster:
        name, kubeconfigs = "stand-in", {"actors": "/k/actors", "shiplock": "/k/shiplock"}

    stand_in(t, "shiplock-sim", ECHO)
    actors = product.FakeKubeletsAndOperators(
        t.registry, Cluster, ["slow-drain"], 60, exporter=True
    )
    p = actors.start().process
    t.defer(actors.stop)
    p.wait_ready(lambda: p.tail().endswith("\n"), 20)
    equal(
        p.tail().strip(),
        "play --kubeconfig /k/actors --fault slow-drain --time-scale 60 "
        f"--exporter {actors.address}",
        "arguments of the actors",
    )
    stand_in(t, "shiplock", ECHO)
    done = product.cli("status", "-o", "json")
    equal((done.returncode, done.stdout.strip()), (3, "status -o json"), "the command line")
    text = product.documents(
        product.cluster_document(Cluster, labels={"stage": "canary"}), {"kind": "X"}
    )
    parts = [json.loads(p) for p in text.split("---\n") if p]
    equal(
        [(p["apiVersion"], p["kind"]) for p in parts],
        [("shiplock.dev/v1alpha1", "Cluster"), ("shiplock.dev/v1alpha1", "X")],
        "documents",
    )
    equal(parts[0]["spec"]["access"], {"kubeconfig": {"file": "/k/shiplock"}}, "access")
