"""REST client for one API server. Objects are plain dicts, as JSON has them."""

import http.client
import json
import select
import ssl
import threading
import urllib.parse

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"

# plural -> (folder of group and version, namespaced)
RESOURCES = {
    "namespaces": ("api/v1", False),
    "nodes": ("api/v1", False),
    "pods": ("api/v1", True),
    "configmaps": ("api/v1", True),
    "secrets": ("api/v1", True),
    "services": ("api/v1", True),
    "serviceaccounts": ("api/v1", True),
    "events": ("api/v1", True),
    "deployments": ("apis/apps/v1", True),
    "replicasets": ("apis/apps/v1", True),
    "statefulsets": ("apis/apps/v1", True),
    "daemonsets": ("apis/apps/v1", True),
    "jobs": ("apis/batch/v1", True),
    "poddisruptionbudgets": ("apis/policy/v1", True),
    "leases": ("apis/coordination.k8s.io/v1", True),
    "roles": ("apis/rbac.authorization.k8s.io/v1", True),
    "rolebindings": ("apis/rbac.authorization.k8s.io/v1", True),
    "clusterroles": ("apis/rbac.authorization.k8s.io/v1", False),
    "clusterrolebindings": ("apis/rbac.authorization.k8s.io/v1", False),
    "priorityclasses": ("apis/scheduling.k8s.io/v1", False),
    "customresourcedefinitions": ("apis/apiextensions.k8s.io/v1", False),
    "clusterversions": ("apis/config.openshift.io/v1", False),
    "clusteroperators": ("apis/config.openshift.io/v1", False),
    "machineconfigpools": ("apis/machineconfiguration.openshift.io/v1", False),
    "machineconfigs": ("apis/machineconfiguration.openshift.io/v1", False),
    "controllerconfigs": ("apis/machineconfiguration.openshift.io/v1", False),
    "apirequestcounts": ("apis/apiserver.openshift.io/v1", False),
}


class ApiError(Exception):
    """An answer of 400 or above. status: the HTTP code, body: the Status object (or text)."""

    def __init__(self, verb, path, status, body):
        self.status = status
        self.body = body
        message = body.get("message") if isinstance(body, dict) else body
        super().__init__(f"{verb} {path}: {status}: {message}")

    @property
    def reason(self):
        return self.body.get("reason", "") if isinstance(self.body, dict) else ""

    def causes(self):
        """The reasons in details.causes, as the eviction API fills them."""
        details = self.body.get("details", {}) if isinstance(self.body, dict) else {}
        return [c.get("reason") for c in details.get("causes", [])]


def path_of(plural, name=None, ns=None, sub=None):
    folder, namespaced = RESOURCES[plural]
    parts = ["", folder]
    if namespaced and ns:
        parts += ["namespaces", ns]
    parts.append(plural)
    parts += [p for p in (name, sub) if p]
    return "/".join(parts)


class KubeClient:
    """One identity against one server. Threads may share it: each has its own connection."""

    def __init__(self, host, port, ca, cert=None, key=None, agent="range-harness", timeout=30):
        self.host, self.port = host, port
        self.agent, self.timeout = agent, timeout
        self.context = ssl.create_default_context(cafile=ca)
        if cert:
            self.context.load_cert_chain(cert, key)
        self.local = threading.local()

    def _connection(self):
        kept = getattr(self.local, "connection", None)
        if kept and kept.sock and select.select([kept.sock], [], [], 0)[0]:
            self.close()  # nothing was asked: the server has ended it, perhaps by a restart
        if getattr(self.local, "connection", None) is None:
            self.local.connection = http.client.HTTPSConnection(
                self.host, self.port, context=self.context, timeout=self.timeout
            )
        return self.local.connection

    def close(self):
        """Closes this thread's connection."""
        if getattr(self.local, "connection", None) is not None:
            self.local.connection.close()
            self.local.connection = None

    def raw(self, verb, path, body=None, content_type="application/json", query=None):
        """One request; returns (status, text). A GET on a stale connection is sent again."""
        if query:
            path += "?" + urllib.parse.urlencode(query)
        data = None if body is None else json.dumps(body).encode()
        headers = {"User-Agent": self.agent, "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = content_type
        for last in (False, True):
            fresh = getattr(self.local, "connection", None) is None
            try:
                c = self._connection()
                c.request(verb, path, data, headers)
                r = c.getresponse()
                return r.status, r.read().decode(errors="replace")
            except (OSError, http.client.HTTPException):
                self.close()
                if last or fresh or verb != "GET":
                    raise
        raise AssertionError("unreachable")

    def request(self, verb, path, body=None, content_type="application/json", query=None):
        """One request; returns the parsed answer or raises ApiError."""
        status, text = self.raw(verb, path, body, content_type, query)
        try:
            answer = json.loads(text) if text else None
        except ValueError:
            answer = text
        if status >= 400:
            raise ApiError(verb, path, status, answer)
        return answer

    def ready(self):
        """True when /readyz answers ok."""
        try:
            return self.raw("GET", "/readyz")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def get(self, plural, name, ns=None, sub=None):
        return self.request("GET", path_of(plural, name, ns, sub))

    def find(self, plural, name, ns=None):
        """Like get(), but None when there is no such object."""
        try:
            return self.get(plural, name, ns)
        except ApiError as e:
            if e.status == 404:
                return None
            raise

    def list(self, plural, ns=None, **query):
        """The items. query: labelSelector, fieldSelector and so on."""
        return self.request("GET", path_of(plural, None, ns), query=query)["items"]

    def create(self, plural, obj, ns=None, sub=None, name=None):
        ns = ns or obj.get("metadata", {}).get("namespace")
        return self.request("POST", path_of(plural, name, ns, sub), obj)

    def replace(self, plural, obj, sub=None):
        m = obj["metadata"]
        return self.request("PUT", path_of(plural, m["name"], m.get("namespace"), sub), obj)

    def patch(self, plural, name, body, ns=None, sub=None, kind=MERGE, query=None):
        return self.request("PATCH", path_of(plural, name, ns, sub), body, kind, query)

    def status(self, plural, name, status, ns=None):
        """Merge-patches the status subresource. None removes a field; replace() stores a null."""
        return self.patch(plural, name, {"status": status}, ns, "status")

    def delete(self, plural, name, ns=None, **options):
        """options: gracePeriodSeconds, propagationPolicy, preconditions ..."""
        return self.request("DELETE", path_of(plural, name, ns), options or None)

    def delete_if_there(self, plural, name, ns=None, **options):
        try:
            return self.delete(plural, name, ns, **options)
        except ApiError as e:
            if e.status == 404:
                return None
            raise

    def evict(self, ns, pod, uid=None, dry_run=False):
        """POSTs an eviction; raises ApiError 429 where a budget refuses it."""
        options = {}
        if uid:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            options["dryRun"] = ["All"]
        return self.create(
            "pods",
            {
                "apiVersion": "policy/v1",
                "kind": "Eviction",
                "metadata": {"name": pod, "namespace": ns},
                "deleteOptions": options,
            },
            ns,
            "eviction",
            pod,
        )
