"""Secrets that tests plant, and the search for them: in what a daemon says, answers and keeps."""

import base64
import http.server
import json
import os
import threading
import urllib.request

from .harness import check, equal


def nowhere(d, run, planted):
    """Not in the log, the metrics, any answer of the API or any file of the daemon's state."""
    texts = {"metrics": d.get_web("/metrics")[1]}
    with open(d.process.log, encoding="utf-8") as f:
        texts["log"] = f.read()
    name = run["clusters"][0]["name"]
    for path in ("/v1/status", "/v1/audit", "/v1/runs", f"/v1/runs/{run['id']}",
                 f"/v1/runs/{run['id']}/why", f"/v1/runs/{run['id']}/report",
                 f"/v1/clusters/{name}", f"/v1/clusters/{name}/why"):
        status, answer = d.call("GET", path)
        equal(status, 200, path)
        texts[path] = json.dumps(answer)
    for folder, _, names in os.walk(d.state):
        for n in names:
            with open(os.path.join(folder, n), "rb") as f:
                texts[os.path.join(folder, n)] = f.read().decode("latin-1")
    for where, text in texts.items():
        for what, secret in planted.items():
            check(secret not in text, f"the planted {what} is in {where}")


class _Guarded(http.server.BaseHTTPRequestHandler):
    """Telemetry behind a user and a password."""

    def log_message(self, *args):
        pass

    def _pass_on(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(self.headers.get("Authorization"))
        url = self.server.behind + self.path
        if self.server.asked[-1] != self.server.want:
            return self._answer(401, b"no\n", "text/plain")
        headers = {"Authorization": f"Bearer {self.server.token}"}
        headers["Content-Type"] = self.headers.get("Content-Type") or "text/plain"
        ask = urllib.request.Request(url, data=body or None, headers=headers, method=self.command)
        with urllib.request.urlopen(ask, timeout=10) as answer:
            self._answer(answer.status, answer.read(), answer.headers["Content-Type"])

    def _answer(self, code, body, kind):
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = _pass_on


def guarded(t, behind, token, user, password):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Guarded)
    server.daemon_threads = True
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    server.behind, server.token, server.asked = behind, token, []
    server.want = f"Basic {login}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    t.defer(server.server_close)
    t.defer(server.shutdown)
    return server, f"http://127.0.0.1:{server.server_address[1]}"


def plugin(folder, config, token):
    """The kubeconfig names a credential plugin, which fails once, babbling, and then works."""
    script, once = os.path.join(folder, "plugin"), os.path.join(folder, "plugin.once")
    shown = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
             "status": {"token": token}}
    with open(script, "w", encoding="utf-8") as f:
        f.write(f"#!/bin/sh\n[ -e {once} ] && printf %s '{json.dumps(shown)}' && exit\n"
                f"touch {once}\necho 'expired: {token}' | tee /dev/stderr\nexit 7\n")
    os.chmod(script, 0o700)
    with open(config, encoding="utf-8") as f:
        text = f.read()
    plain = f'user: {{token: "{token}"}}'
    check(plain in text, text)
    exec_ = (f"user: {{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {script}, "
             "interactiveMode: Never}}")
    with open(config, "w", encoding="utf-8") as f:
        f.write(text.replace(plain, exec_))
    return once


def secret_file(t, name, text):
    path = os.path.join(t.folder, name)
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    return path
