"""Certificates and keys of a run, made with openssl. Nothing here outlives the work directory."""

import os
import subprocess

DAYS = 60  # longer than the time before its end in which a certificate is warned of


def _openssl(*args):
    done = subprocess.run(["openssl", *args], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {' '.join(args)}: {done.stderr.strip()}")


class Authority:
    """A certificate authority in a folder of its own: ca.crt, ca.key and what it signed."""

    def __init__(self, folder, common_name):
        self.folder = folder
        os.makedirs(folder, mode=0o700, exist_ok=True)
        self.crt = self.path("ca.crt")
        self.key = self.path("ca.key")
        _openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            str(DAYS),
            "-subj",
            f"/CN={common_name}",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
            "-keyout",
            self.key,
            "-out",
            self.crt,
        )

    def path(self, name):
        return os.path.join(self.folder, name)

    def _issue(self, name, subject, usage, extra=()):
        crt, key = self.path(name + ".crt"), self.path(name + ".key")
        _openssl(
            "req",
            "-x509",
            "-CA",
            self.crt,
            "-CAkey",
            self.key,
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            str(DAYS),
            "-subj",
            subject,
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-addext",
            f"extendedKeyUsage={usage}",
            *extra,
            "-keyout",
            key,
            "-out",
            crt,
        )
        return crt, key

    def server(self, name, dns=("localhost",), addresses=("127.0.0.1",)):
        """A server certificate; returns (certificate path, key path)."""
        names = [f"DNS:{d}" for d in dns] + [f"IP:{a}" for a in addresses]
        return self._issue(
            name, f"/CN={name}", "serverAuth", ("-addext", "subjectAltName=" + ",".join(names))
        )

    def client(self, name, user, groups=()):
        """A client certificate for a Kubernetes user; returns (certificate path, key path)."""
        subject = "".join(f"/O={g}" for g in groups) + f"/CN={user}"
        return self._issue(name, subject, "clientAuth")

    def signing_key(self, name):
        """A key pair that signs service account tokens; returns (public path, private path)."""
        pub, key = self.path(name + ".pub"), self.path(name + ".key")
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)
        _openssl("ec", "-in", key, "-pubout", "-out", pub)
        return pub, key
