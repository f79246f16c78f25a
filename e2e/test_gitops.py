"""Clusters that a real Argo CD owns: what direct refuses, what git does through it."""

from rangelib.gitops import ArgoFleet
from rangelib.harness import check, equal, test
from rangelib.upgrade import FROM, TO, gates, plan

NEEDS = ["argocd", "prometheus", "git", "binaries:shiplock,shiplockd,shiplock-sim,shiplock-worker"]
REVERTED_SEC = 20.0


def wanted(cv):
    return (cv["spec"].get("desiredUpdate") or {}).get("version")


def writers(cluster, user):
    """Accepted writes of this user on the ClusterVersion."""
    return cluster.audit.writes(
        user=user, resource="clusterversions", name="version", accepted=True
    )


@test(
    "Argo CD puts back what somebody else patches, and direct refuses its cluster by name",
    needs=["own-clusters:2", *NEEDS],
    timeout=180,
)
def test_direct_refuses(t):
    f = ArgoFleet(t)
    c = f.clusters[0]
    c.client.patch("clusterversions", "version", {"spec": {"channel": "candidate-4.21"}})
    f.wait_object(c, "put back", lambda cv: cv["spec"]["channel"] == "stable-4.21", REVERTED_SEC)
    check(writers(c, "argocd"), "nobody put it back")
    f.push(*f.documents(git=False), gates(), plan(f.names))
    f.start()
    f.wait_rest()
    equal(f.outcomes(), {c.name: "Refused"}, "outcomes")
    told = f.cli("why", c.name).stdout
    check(f"Argo CD application {c.name}" in told, f"why does not name the Application: {told}")
    equal([w for w in c.audit.writes(user="shiplock") if "reviews" not in w.resource], [], "writes")
    equal(wanted(c.client.get("clusterversions", "version")), FROM, "desiredUpdate")
