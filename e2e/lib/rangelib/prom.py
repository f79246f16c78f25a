"""Prometheus and Alertmanager of Debian, and an exporter whose samples the test sets."""

import http.server
import json
import os
import threading
import urllib.error
import urllib.parse
import urllib.request

from .cluster import write_json
from .proc import free_port
from .wait import wait_for

START_SEC = 30.0
SCRAPE = "500ms"


# Whatever proxy the environment names: everything here is on loopback.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(url, body=None, method=None, timeout=10):
    """One request of JSON; returns the parsed answer, raises HTTPError from 400 up."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with _opener.open(request, timeout=timeout) as r:
        text = r.read()
    return json.loads(text) if text[:1] in (b"{", b"[", b'"') else text.decode()


def answers(url):
    """True when a GET of url answers 200."""
    try:
        with _opener.open(url, timeout=5) as r:
            return r.status == 200
    except OSError:
        return False


class Exporter:
    """Serves /metrics on loopback with the samples that set() was given last."""

    def __init__(self):
        self.lock = threading.Lock()
        self.samples = {}
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    def set(self, metric, value, **labels):
        """Sets one sample; value None takes it away."""
        inner = ",".join(f"{k}={json.dumps(v)}" for k, v in sorted(labels.items()))
        series = f"{metric}{{{inner}}}" if inner else metric
        with self.lock:
            if value is None:
                self.samples.pop(series, None)
            else:
                self.samples[series] = value

    def text(self):
        with self.lock:
            return "".join(f"{k} {v}\n" for k, v in sorted(self.samples.items()))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Alertmanager:
    """One Alertmanager with a receiver that sends nowhere."""

    def __init__(self, registry, folder):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = write_json(
            os.path.join(folder, "alertmanager.yml"),
            {
                "route": {"receiver": "none", "group_wait": "1s", "group_interval": "1s"},
                "receivers": [{"name": "none"}],
            },
        )
        self.process = registry.spawn(
            "alertmanager",
            [
                "prometheus-alertmanager",
                f"--config.file={config}",
                f"--storage.path={folder}/alertmanager",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--cluster.listen-address=",
            ],
        )
        self.process.wait_ready(lambda: answers(self.url + "/-/ready"), START_SEC)

    def alerts(self):
        return fetch(self.url + "/api/v2/alerts")

    def silences(self):
        return fetch(self.url + "/api/v2/silences")


class Prometheus:
    """One Prometheus. Scrape targets come from a file that target() rewrites, rules from rules().

    alertmanager: an Alertmanager or None; job: name of the scrape job; rule_files, jobs: further
    rule files and scrape_configs; name: of the process, for its log.
    """

    def __init__(
        self,
        registry,
        folder,
        alertmanager=None,
        scrape=SCRAPE,
        job="range",
        rule_files=(),
        jobs=(),
        name="prometheus",
    ):
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.targets = {}
        self.sd_path = os.path.join(folder, "targets.json")
        self.rules_path = os.path.join(folder, "rules.json")
        self._write(self.sd_path, [])
        self._write(self.rules_path, {"groups": []})
        managers = (
            [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager.port}"]}]}]
            if alertmanager
            else []
        )
        config = write_json(
            os.path.join(folder, "prometheus.yml"),
            {
                "global": {
                    "scrape_interval": scrape,
                    "scrape_timeout": scrape,
                    "evaluation_interval": scrape,
                },
                "rule_files": [self.rules_path, *rule_files],
                "alerting": {"alertmanagers": managers},
                "scrape_configs": [
                    {
                        "job_name": job,
                        "file_sd_configs": [{"files": [self.sd_path], "refresh_interval": "1s"}],
                    },
                    *jobs,
                ],
            },
        )
        self.process = registry.spawn(
            name,
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/tsdb",
                f"--web.listen-address=127.0.0.1:{self.port}",
                "--web.enable-lifecycle",
                "--storage.tsdb.retention.time=1d",
                "--rules.alert.resend-delay=1s",
                "--log.level=warn",
            ],
        )
        self.process.wait_ready(lambda: answers(self.url + "/-/ready"), START_SEC)

    @staticmethod
    def _write(path, value):
        write_json(path + ".new", value)
        os.replace(path + ".new", path)

    def target(self, address, **labels):
        """Scrapes this address from now on, these labels on every series (seen after up to 5 s)."""
        self.targets[address] = labels
        self._write_targets()

    def forget(self, address):
        self.targets.pop(address, None)
        self._write_targets()

    def _write_targets(self):
        self._write(
            self.sd_path, [{"targets": [a], "labels": v} for a, v in sorted(self.targets.items())]
        )

    def rules(self, groups):
        """Replaces all rule groups, in the shape of a rule file."""
        self._write(self.rules_path, {"groups": groups})
        fetch(self.url + "/-/reload", method="POST")

    def query(self, text):
        """An instant query; returns the result list: [{"metric": {...}, "value": [time, text]}]."""
        answer = fetch(self.url + "/api/v1/query?" + urllib.parse.urlencode({"query": text}))
        return answer["data"]["result"]

    def wait_query(self, text, condition=bool, timeout=20.0):
        """Waits until condition(result) holds for this query; returns the result."""
        seen = {}

        def probe():
            seen["result"] = self.query(text)
            return condition(seen["result"])

        wait_for(f"prometheus: {text}", probe, timeout, ignore=(urllib.error.URLError,))
        return seen["result"]

    def alerts(self):
        return fetch(self.url + "/api/v1/alerts")["data"]["alerts"]
