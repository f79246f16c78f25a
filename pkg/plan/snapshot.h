/* What a run is made of: a plan frozen with everything it depends on, and the plan's identity. */
#pragma once
#include "plan/docset.h"

/* Digest ("sha256:...") of the plan's spec without state and of the specs of the documents it
 * names, directly or through others, all as written: neither commit, nor inventory, nor a new
 * version of the shipped policies or defaults changes it. Caller frees. */
char *plan_identity(const DocSet *set, const Doc *plan);

/* The run's immutable snapshot, defaults filled in. New reference:
 *   {"apiVersion", "kind": "RunSnapshot", "identity", "commit", "digest",
 *    "plan": {"name", "spec" without state},
 *    "policies": {"GatePolicy/x": {"gates": after include}, "DrainPolicy/y": spec, ...},
 *    "approvals": {"four-eyes": spec},
 *    "waves": [{"name", "clusters": [NAME...], "cpSoakSeconds", "soakSeconds", "bakeSeconds",
 *               "failureBudget", "maxConcurrent", "approval": NAME or null}],
 *    "clusters": [{"name", "wave", "labels", "spec",
 *                  "policies": {"gates", "drain", "window", "rollback"},   keys of "policies" or
 * null "later": [TEXT...]}]}                                    see plan_later clusters stand in
 * the order of the waves. commit may be NULL (an empty text then). "digest" is that of all the
 * other members but the commit: what people approve, whoever made the snapshot. */
json_t *plan_snapshot(const DocSet *set, const Doc *plan, const char *commit) SL_MUST_USE;

/* What a look at every Cluster of the set is made of, without any plan: the same shape with
 * "planOnly" and "inspect", an empty target and no policies. New reference. */
json_t *inspect_snapshot(const DocSet *set) SL_MUST_USE;

/* Fields without effect in this version that the plan, a cluster, or a policy that counts for it
 * uses: "Cluster/a: spec.nodeAccess". A run of that cluster is refused by these names. New
 * reference, empty when there are none. */
json_t *plan_later(
	const DocSet *set, const Doc *plan, const json_t *wave, const Doc *cluster) SL_MUST_USE;

/* The Cluster on which the GitOps controller of this one runs, as far as it takes to reach it:
 * {"metadata": {"name"}, "spec": {"access"}}. New reference; NULL: the document names none. */
json_t *plan_gitops_cluster(const DocSet *set, const Doc *cluster);
