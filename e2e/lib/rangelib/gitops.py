"""A fleet whose clusters are owned by a real Argo CD with selfHeal.

ArgoFleet takes the last of the test's clusters as the hub on which Argo CD runs; the others get
their ClusterVersion (and what else is asked for) from a repository of their own, one Application
each, as sites keep them.
"""

from . import product, rbac
from .gitserver import git
from .upgrade import RangeFleet
from .wait import wait_for

CLUSTERVERSION = """\
# {name}: the version that this cluster shall run. Edited by merge request only.
apiVersion: config.openshift.io/v1
kind: ClusterVersion
metadata:
  name: version
spec:
  channel: {channel}      # follow the minor
  clusterID: {id}
  desiredUpdate:
    version: {version}    # was ordered on the second Tuesday
    image: {image}
"""

POOLS = """\
apiVersion: machineconfiguration.openshift.io/v1
kind: MachineConfigPool
metadata: {name: worker}
spec:
  paused: false  # never by hand
"""
ACKS = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: admin-acks
  namespace: openshift-config
data:
  ack-of-old: "true"   # given in spring
"""
ADOPT_SEC = 60.0


READER = "shiplock-argocd"


def reader_role(refresh):
    """Our user's rights where Argo CD runs."""
    groups, verbs = ["argoproj.io"], ["get", "patch"] if refresh else ["get"]
    rules = [
        {"apiGroups": groups, "resources": ["applications"], "verbs": verbs},
        {"apiGroups": groups, "resources": ["appprojects"], "verbs": ["get"]},
    ]
    return {
        "apiVersion": rbac.API,
        "kind": "ClusterRole",
        "metadata": {"name": READER},
        "rules": rules,
    }


class ArgoFleet(RangeFleet):
    """Clusters under Argo CD. config: their repository; folder(cluster): where its files lie."""

    def __init__(
        self,
        t,
        argocd=None,
        pools=False,
        acks=False,
        refresh=True,
        file=True,
        user=None,
        **options,
    ):
        """argocd: options of the server. pools, acks: they are in Git too. refresh: our user may
        annotate Applications. file: the documents name the file with the ClusterVersion. user: we
        are this one everywhere, who may nothing yet."""
        self.hub = t.clusters[-1]
        t.clusters = t.clusters[:-1]
        self.pools, self.acks, self.file, self.user = pools, acks, file, user
        if not user:
            binding = rbac.binding("shiplock", READER, "argocd")
            self.hub.client.create("clusterroles", reader_role(refresh))
            self.hub.client.create("clusterrolebindings", binding)
        kubeconfigs = {c.name: c.kubeconfigs[user] for c in t.clusters} if user else None
        super().__init__(t, kubeconfigs=kubeconfigs, **options)
        self.config = t.git.repository(f"config-{self.hub.name}")
        self.url = t.git.http.url(self.config)
        self.argocd = t.argocd(self.hub, **(argocd or {}))
        files = {f"{self.folder(c)}/clusterversion.yaml": self.manifest(c) for c in self.clusters}
        if pools:
            files.update({f"{self.folder(c)}/pools.yaml": POOLS for c in self.clusters})
        if acks:
            files.update({f"{self.folder(c)}/acks.yaml": ACKS for c in self.clusters})
        self.config.commit(files, "as the clusters are")
        self.adopted = self.config.head()
        for c in self.clusters:
            self.argocd.adopt(c)
            self.argocd.application(c.name, c, self.url, self.folder(c))
        self.wait_adopted()
        self.since = {c.name: c.audit.mark() for c in self.clusters}

    @staticmethod
    def folder(cluster):
        return f"overlays/{cluster.name}"

    @staticmethod
    def manifest(cluster, text=CLUSTERVERSION):
        """The ClusterVersion as it is now, as a person would have written it."""
        cv = cluster.client.get("clusterversions", "version")
        now = cv["status"]["desired"]
        return text.format(
            name=cluster.name,
            channel=cv["spec"]["channel"],
            id=cv["spec"]["clusterID"],
            version=now["version"],
            image=now["image"],
        )

    def wait_adopted(self):
        """Every Application is in sync with the head of the repository."""
        head = self.config.head()
        for c in self.clusters:
            self.argocd.refresh(c.name)
            self.argocd.wait_synced(c.name, head, ADOPT_SEC)

    def commits(self):
        """What was committed since the clusters were adopted: subjects, oldest first."""
        out = git("log", "--reverse", "--format=%s", f"{self.adopted}..main", cwd=self.config.bare)
        return out.splitlines()

    def message(self, n=1):
        """The whole message of the n-th newest commit."""
        return git("log", "-1", f"--skip={n - 1}", "--format=%B", "main", cwd=self.config.bare)

    def text(self, cluster, file="clusterversion.yaml"):
        """A file of the cluster at the head of the repository."""
        self.config.pull()
        with open(f"{self.config.tree}/{self.folder(cluster)}/{file}", encoding="utf-8") as f:
            return f.read()

    def actuator(self, cluster, **more):
        """The actuator of a Cluster document."""
        argo = {"cluster": self.hub.name, "namespace": "argocd", "application": cluster.name}
        return {
            "type": "git",
            "repository": self.url,
            **({"file": f"{self.folder(cluster)}/clusterversion.yaml"} if self.file else {}),
            **({"poolsFile": f"{self.folder(cluster)}/pools.yaml"} if self.pools else {}),
            **({"acksFile": f"{self.folder(cluster)}/acks.yaml"} if self.acks else {}),
            "sync": {"argoCD": argo, "timeout": "20s"},
            **more,
        }

    def documents(self, git=True, actuator=None, **spec):
        """The Cluster documents and that of the hub; actuator: more fields of each actuator."""
        docs = super().documents(**spec)
        for d, c in zip(docs, self.clusters):
            if git:
                d["spec"]["actuator"] = self.actuator(c, **(actuator or {}))
        hub = product.cluster_document(self.hub)
        if self.user:
            hub["spec"]["access"]["kubeconfig"]["file"] = self.hub.kubeconfigs[self.user]
        return [*docs, hub]

    def wait_object(self, cluster, what, condition, timeout=ADOPT_SEC):
        """Waits until condition(ClusterVersion) holds."""
        return wait_for(
            f"{cluster.name}: {what}",
            lambda: condition(cluster.client.get("clusterversions", "version")),
            timeout,
        )
