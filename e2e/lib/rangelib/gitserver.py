"""Bare Git repositories on loopback: over http (git http-backend) and over ssh (sshd)."""

import base64
import getpass
import http.server
import os
import shlex
import shutil
import subprocess
import threading

from .proc import free_port
from .wait import wait_for

START_SEC = 20.0
BRANCH = "main"
CGI_SEC = 60
ENV = {
    "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Range",
    "GIT_AUTHOR_EMAIL": "range@example.com",
    "GIT_COMMITTER_NAME": "Range",
    "GIT_COMMITTER_EMAIL": "range@example.com",
}


def git(*args, cwd=None, env=None):
    """Runs git and returns its stdout; raises with its words when it fails."""
    done = subprocess.run(
        ["git", *args],
        cwd=cwd,
        env={**ENV, **(env or {})},
        capture_output=True,
        text=True,
        timeout=CGI_SEC,
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(args)}: {done.returncode}: {done.stderr.strip()}")
    return done.stdout.strip()


class Repository:
    """A bare repository and a work tree beside it, through which the test commits."""

    def __init__(self, folder, name):
        self.name = name
        self.bare = os.path.join(folder, name + ".git")
        self.tree = os.path.join(folder, name + ".tree")
        git("init", "-q", "--bare", f"--initial-branch={BRANCH}", self.bare)
        git("config", "http.receivepack", "true", cwd=self.bare)
        git("clone", "-q", self.bare, self.tree)
        git("checkout", "-q", "-B", BRANCH, cwd=self.tree)

    def commit(self, files, message="change", push=True):
        """Writes {path: text or None to remove}, commits and pushes; returns the commit id."""
        for path, text in files.items():
            full = os.path.join(self.tree, path)
            if text is None:
                os.unlink(full)
                continue
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as f:
                f.write(text)
        git("add", "-A", cwd=self.tree)
        git("commit", "-q", "--allow-empty", "-m", message, cwd=self.tree)
        if push:
            git("push", "-q", "origin", BRANCH, cwd=self.tree)
        return git("rev-parse", "HEAD", cwd=self.tree)

    def pull(self):
        """Takes over what others pushed; returns the commit id."""
        git("pull", "-q", "--ff-only", "origin", BRANCH, cwd=self.tree)
        return git("rev-parse", "HEAD", cwd=self.tree)

    def head(self):
        """The id of the branch in the bare repository."""
        return git("rev-parse", BRANCH, cwd=self.bare)


class _Cgi(http.server.BaseHTTPRequestHandler):
    """Hands requests to git http-backend. Bodies come whole or in chunks (a push of any size)."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def _body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while True:
            size = int(self.rfile.readline().split(b";")[0], 16)
            if not size:
                break
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts)

    def _answer(self, code, headers, body):
        self.send_response(code)
        for k, v in headers:
            self.send_header(k, v)
        self.send_header("Content-Length", str(len(body)))
        try:
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # tests kill their clients

    def _allowed(self):
        if not self.server.login:
            return True
        want = "Basic " + base64.b64encode(":".join(self.server.login).encode()).decode()
        return self.headers.get("Authorization") == want

    def _run(self):
        body = self._body()
        if not self._allowed():
            return self._answer(401, [("WWW-Authenticate", 'Basic realm="range"')], b"")
        self.server.requests.append(f"{self.command} {self.path}")
        path, _, query = self.path.partition("?")
        env = {
            **ENV,
            "GIT_PROJECT_ROOT": self.server.folder,
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
            "REMOTE_USER": self.server.login[0] if self.server.login else "",
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "http-backend"],
            input=body,
            env=env,
            capture_output=True,
            timeout=CGI_SEC,
        )
        head, _, out = done.stdout.partition(b"\r\n\r\n")
        code, headers = 200 if head else 500, []
        for line in head.decode().split("\r\n"):
            key, _, value = line.partition(": ")
            if key.lower() == "status":
                code = int(value.split()[0])
            elif key:
                headers.append((key, value))
        return self._answer(code, headers, out)

    do_GET = do_POST = _run


class GitHttp:
    """Serves all repositories of a folder.

    login: (user, password) for basic authentication, or None.
    tls: (certificate path, key path), or None.
    requests: what was asked, for tests that count.
    """

    def __init__(self, folder, login=None, tls=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Cgi)
        self.server.daemon_threads = True
        self.server.folder, self.server.login, self.server.requests = folder, login, []
        if tls:
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        # libgit2 insists on a name in the certificate, so https goes by name.
        self.base = f"https://localhost:{self.port}" if tls else f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )
        self.thread.start()

    @property
    def requests(self):
        return self.server.requests

    def url(self, repository):
        return f"{self.base}/{repository.name}.git"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Sshd:
    """The machine's sshd with configuration and keys of its own, for the current user.

    commands: None lets the user run anything (node commands), else a program that gets the wish in
    SSH_ORIGINAL_COMMAND. key: the user's private key; known_hosts: a file that names the server.
    """

    def __init__(self, registry, folder, name="sshd", commands=None):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, mode=0o700)
        self.port = free_port()
        self.user = getpass.getuser()
        self.key = self._keygen("id_ed25519")
        host_key = self._keygen("host_ed25519")
        self.known_hosts = self._write(
            "known_hosts", f"[127.0.0.1]:{self.port} {self._public(host_key)}\n"
        )
        forced = f'restrict,command="{commands}" ' if commands else "restrict,pty "
        authorized = self._write("authorized_keys", forced + self._public(self.key) + "\n")
        config = self._write(
            "sshd_config",
            "\n".join(
                [
                    f"Port {self.port}",
                    "ListenAddress 127.0.0.1",
                    f"HostKey {host_key}",
                    f"AuthorizedKeysFile {authorized}",
                    "PidFile none",
                    "UsePAM no",
                    "StrictModes no",
                    "PasswordAuthentication no",
                    "KbdInteractiveAuthentication no",
                    "PermitRootLogin prohibit-password",
                    "LogLevel VERBOSE",
                    f"AllowUsers {self.user}",
                    "",
                ]
            ),
        )
        if os.geteuid() == 0:
            # sshd refuses to start without it
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        sshd = shutil.which("sshd", path=ENV["PATH"] + ":/usr/sbin")
        self.process = registry.spawn(name, [sshd, "-D", "-e", "-f", config])
        self.process.wait_ready(lambda: self.run("true", probe=True), START_SEC)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _write(self, name, text):
        with open(os.open(self._path(name), os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
            f.write(text)
        return self._path(name)

    def _keygen(self, name):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self._path(name)],
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return self._path(name)

    @staticmethod
    def _public(key):
        with open(key + ".pub", encoding="ascii") as f:
            return " ".join(f.read().split()[:2])

    def command(self):
        """The ssh command line up to the host, for GIT_SSH_COMMAND too."""
        return [
            "ssh",
            "-F",
            "/dev/null",
            "-i",
            self.key,
            "-p",
            str(self.port),
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            "IdentityAgent=none",
            "-o",
            f"UserKnownHostsFile={self.known_hosts}",
            "-o",
            "StrictHostKeyChecking=yes",
        ]

    def run(self, text, probe=False):
        """Runs a command there; probe: only tells whether the login worked."""
        done = subprocess.run(
            [*self.command(), f"{self.user}@127.0.0.1", text],
            capture_output=True,
            text=True,
            timeout=CGI_SEC,
            stdin=subprocess.DEVNULL,
        )
        return done.returncode != 255 if probe else done


class GitSsh(Sshd):
    """An sshd that lets its user do nothing but git's own transfers."""

    def __init__(self, registry, folder):
        super().__init__(registry, folder, "git-sshd", 'git-shell -c \\"$SSH_ORIGINAL_COMMAND\\"')

    def url(self, repository):
        return f"ssh://{self.user}@127.0.0.1:{self.port}{repository.bare}"

    def env(self):
        """For git on the command line."""
        return {"GIT_SSH_COMMAND": shlex.join(self.command())}


class GitServers:
    """Both servers over one folder of repositories."""

    def __init__(self, registry, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.http = GitHttp(folder)
        self.ssh = GitSsh(registry, folder)

    def repository(self, name):
        """A new, empty repository, served by both."""
        return Repository(self.folder, name)

    def stop(self):
        self.http.stop()
        self.ssh.process.stop()


def wait_head(repository, commit, timeout=20.0):
    """Waits until the branch stands at this commit."""
    wait_for(f"{repository.name} at {commit[:12]}", lambda: repository.head() == commit, timeout)
