"""What an API server's audit log says was written: an oracle apart from the product's log. Reads are in
it only from the server's next start after Cluster.audit_reads()."""

import json
import os

from .wait import wait_for


READS = ("get", "list", "watch")
ENDED = ("ResponseComplete",)


class Write:
    """One request that the server answered. accepted: it took effect (2xx and no dry run)."""

    def __init__(self, event):
        ref = event.get("objectRef", {})
        self.event = event
        self.user = event["user"]["username"]
        self.agent = event.get("userAgent", "")
        self.verb = event["verb"]
        self.uri = event["requestURI"]
        self.resource = ref.get("resource", "")
        self.sub = ref.get("subresource", "")
        self.ns = ref.get("namespace", "")
        self.name = ref.get("name", "")
        self.code = event.get("responseStatus", {}).get("code", 0)
        self.body = event.get("requestObject")
        self.at = event["requestReceivedTimestamp"]
        self.done_at = event["stageTimestamp"]
        body_dry = isinstance(self.body, dict) and (
            self.body.get("dryRun") or self.body.get("deleteOptions", {}).get("dryRun")
        )
        self.dry_run = "dryRun=" in self.uri or bool(body_dry)

    @property
    def accepted(self):
        return 200 <= self.code < 300 and not self.dry_run

    @property
    def key(self):
        """resource[/subresource] [namespace/]name"""
        what = self.resource + ("/" + self.sub if self.sub else "")
        return f"{what} {self.ns}/{self.name}" if self.ns else f"{what} {self.name}"

    def __repr__(self):
        return f"<{self.user} {self.verb} {self.key} {self.code}>"


class AuditLog:
    """Reads the log from its beginning at each call: logs of tests are small."""

    def __init__(self, path):
        self.path = path

    def mark(self):
        """A position: pass it as since= to see only what is written later."""
        try:
            return os.path.getsize(self.path)
        except OSError:
            return 0

    def writes(
        self,
        user=None,
        resource=None,
        name=None,
        ns=None,
        sub=None,
        verb=None,
        agent=None,
        accepted=None,
        since=0,
    ):
        """Writes in the order of the log, filtered; user and agent match exactly and by prefix."""
        want = {
            "user": user,
            "resource": resource,
            "name": name,
            "ns": ns,
            "sub": sub,
            "verb": verb,
        }
        out = []
        for w in self._all(since):
            if w.verb in READS:
                continue
            if any(v is not None and getattr(w, k) != v for k, v in want.items()):
                continue
            if agent is not None and not w.agent.startswith(agent):
                continue
            if accepted is not None and w.accepted != accepted:
                continue
            out.append(w)
        return out

    def reads(self, user, since=0):
        """Lists and watches of this user in the order in which they were asked; a watch also while
        it lasts."""
        last = {w.event["auditID"]: w for w in self._all(since, ("ResponseStarted", *ENDED))}
        ours = [w for w in last.values() if w.user == user and w.verb in READS]
        return sorted(ours, key=lambda w: w.at)

    def _all(self, since, stages=ENDED):
        try:
            f = open(self.path, "rb")
        except OSError:
            return
        with f:
            f.seek(since)
            for line in f:
                if not line.endswith(b"\n"):
                    return  # still being written
                event = json.loads(line)
                if event.get("stage") in stages:
                    yield Write(event)

    def effective(self, user=None, agent=None, since=0):
        """Accepted writes by object: {key: [Write, ...]}, in the order of the log."""
        out = {}
        for w in self.writes(user=user, agent=agent, accepted=True, since=since):
            out.setdefault(w.key, []).append(w)
        return out

    def wait(self, timeout=10.0, **filters):
        """Waits for at least one such write (the log may be milliseconds behind the answer)."""
        return wait_for(
            f"audit log: a write with {filters}", lambda: self.writes(**filters), timeout
        )
