"""Jobs as steps on real API servers: the real Job controller runs them, the log comes through the
API server from what plays the kubelet."""

import http.server
import json
import ssl
import threading
import urllib.parse

from rangelib.harness import check, equal, test
from rangelib.pki import Authority
from rangelib.upgrade import FROM, TO, UP_SEC, RangeFleet, gates, plan, stands_at
from rangelib.wait import wait_for
from test_upgrade import NEEDS

SUM = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9"
PROOF = f"saved\nshiplock-proof file=/b/s.db sha256={SUM} time=2026-11-20T08:00:00Z\n"
LOUD_BYTES = 100_000_000
LOUD_LINES = LOUD_BYTES // 80
TAIL_BYTES = 4096
CHUNK = b"x" * 79 + b"\n"


class KubeletLogs:
    """Answers /containerLogs/NS/POD/CONTAINER as a kubelet would: of a container named loud there are
    100 MB, of which it gives what is asked for. Of one named deaf it sends as much, asked or not."""

    def __init__(self, folder):
        outer = self
        self.asked, self.sent = [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                url = urllib.parse.urlsplit(self.path)
                container = url.path.rpartition("/")[2]
                limits = {k: int(v[0]) for k, v in urllib.parse.parse_qs(url.query).items()}
                outer.asked.append((container, limits))
                self.send_response(200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                try:
                    outer.send(self.wfile, container, limits)
                except OSError:
                    pass  # the reader had enough

            def log_message(self, *args):
                pass

        pki = Authority(folder, "kubelets")
        cert, key = pki.server("kubelet")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def send(self, out, container, limits):
        if container == "loud":
            first = LOUD_LINES - limits["tailLines"] + PROOF.count("\n")
            tail = b"".join(b"line %074d\n" % i for i in range(first, LOUD_LINES))
            out.write((tail + PROOF.encode())[: limits["limitBytes"]])
            return
        if container == "deaf":
            while self.sent < LOUD_BYTES:
                out.write(CHUNK * 1000)
                self.sent += 80_000
        out.write(PROOF.encode())

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


def template(container, **notes):
    """A Job whose pod the actors run as these annotations say."""
    pod = {
        "metadata": {"annotations": {f"sim/{k}": str(v) for k, v in notes.items()}},
        "spec": {"containers": [{"name": container, "image": "registry.example/none"}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"namespace": "default", "labels": {"of": "shiplock"}},
        "spec": {"template": pod},
    }


def push(f, templates, *docs):
    files = {f"policies/jobs/{n}.yaml": json.dumps(x) for n, x in templates.items()}
    f.repository.commit(files, "templates")
    f.push(*docs)


def job_gate(name, when, file):
    job = {"file": f"policies/jobs/{file}.yaml", "timeout": "1m"}
    return {"name": name, "when": when, "onFail": "rollback", "interval": "1s", "job": job}


@test(
    "a backup and acceptance tests as Jobs: created once over a crash, proof kept, 100 MB of log bounded",
    needs=["own-clusters:1", *NEEDS],
    timeout=240,
)
def test_jobs(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    logs = KubeletLogs(t.folder)
    t.defer(logs.stop)
    for n in c.client.list("nodes"):
        c.client.status(
            "nodes",
            n["metadata"]["name"],
            {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": logs.port}},
            },
        )
    policy = gates()
    policy["spec"]["gates"] += [
        job_gate("works", ["cp-verify"], "loud"),
        job_gate("still-works", ["verify"], "quiet"),
        job_gate("deaf-works", ["verify"], "deaf"),
    ]
    push(
        f,
        {n: template(n, run="3s") for n in ("quiet", "loud", "deaf")},
        *f.documents(),
        policy,
        *with_backup(f),
    )
    f.start()
    f.wait_state(c.name, "backup")
    j = f.journal()
    wait_for("the Job is asked for", lambda: j.find("intent", row="create-job"), 30, poll=0.01)
    f.restart()
    f.wait_rest(UP_SEC)
    equal(f.outcomes(), {c.name: "Succeeded"}, "outcome")
    stands_at(c.client, TO)
    made = [w for w in c.audit.writes(user="shiplock", resource="jobs", verb="create") if w.accepted]
    gone = [w for w in c.audit.writes(user="shiplock", resource="jobs", verb="delete") if w.accepted]
    equal((len(made), len(gone)), (4, 4), "Jobs created and deleted")
    equal(c.client.list("jobs", "default"), [], "Jobs that are left")
    proof = [m["memo"]["backup"] for m in j.find("note") if "backup" in m.get("memo", {})]
    equal([(p["sha256"], p["file"]) for p in proof], [(SUM, "/b/s.db")], "the proof of the backup")
    looks = {x["gate"]: x for x in j.find("look") if x["gate"].endswith("works")}
    verdicts = {g: x["verdict"] for g, x in looks.items()}
    equal(verdicts, dict.fromkeys(("works", "still-works", "deaf-works"), "PASS"), "looks")
    equal(looks["still-works"]["evidence"]["exitCode"], 0, "exit code")
    check("logDigest" in looks["still-works"]["evidence"], "the digest of the log")
    tail = looks["works"]["evidence"]["log"]
    check(tail.endswith(f"{LOUD_LINES - 1:074d}\n{PROOF}"), f"the end of 100 MB is: {tail[-400:]}")
    check(TAIL_BYTES // 2 < len(tail) <= TAIL_BYTES, f"a tail of {len(tail)} bytes")
    check("logMissing" in looks["deaf-works"]["evidence"], "a log beyond its limit is told")
    check(logs.sent < LOUD_BYTES, f"{logs.sent} bytes were read")
    check(all("tailLines" in q and "limitBytes" in q for _, q in logs.asked), "limits are asked for")
    check(max(len(r) for r in map(str, j.records())) < 100_000, "a record is large")


def with_backup(f, timeout="2m"):
    """A RollbackPolicy whose backup is the template quiet, and a plan that names it."""
    back = {"job": {"file": "policies/jobs/quiet.yaml", "timeout": timeout}}
    rollback = {"kind": "RollbackPolicy", "metadata": {"name": "back"}, "spec": {"backup": back}}
    wish = plan(f.names)
    wish["spec"]["policies"]["rollback"] = "back"
    return [rollback, wish]


@test("a Job that exits 1 in cp-verify rolls back", needs=["own-clusters:1", *NEEDS], timeout=180)
def test_gate_job_fails(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    policy = gates()
    policy["spec"]["gates"].append(job_gate("works", ["cp-verify"], "fails"))
    templates = {"fails": template("main", run="2s", code=1)}
    push(f, templates, *f.documents(), policy, plan(f.names))
    f.start()
    f.wait(c.name, "ended", lambda e: e["state"] == "ended", UP_SEC)
    equal(f.cluster(c.name)["outcome"], "RolledBack", "outcome")
    stands_at(c.client, FROM)
    why = f.cli("why", c.name).stdout
    check("BackoffLimitExceeded" in why, f"why does not name the cause:\n{why}")
    equal(c.client.list("jobs", "default"), [], "Jobs that are left")


@test(
    "a backup past its deadline: held before anything is ordered, aborted without a trace",
    needs=["own-clusters:1", *NEEDS],
    timeout=180,
)
def test_backup_late(t):
    f = RangeFleet(t)
    (c,) = t.clusters
    templates = {"quiet": template("main", run="9h")}
    push(f, templates, *f.documents(), gates(), *with_backup(f, timeout="5s"))
    f.start()
    held = f.wait(c.name, "held", lambda e: any(h["cause"] == "backup" for h in e["holds"]), 60)
    check("DeadlineExceeded" in held["now"], f"held: {held['now']}")
    equal(c.audit.writes(user="shiplock", resource="machineconfigpools"), [], "brakes")
    equal(f.cli("abort", c.name).returncode, 0, "abort")
    f.wait(c.name, "ended", lambda e: e["state"] == "ended", 60)
    stands_at(c.client, FROM)
    wait_for("no Job is left", lambda: not c.client.list("jobs", "default"), 20)
