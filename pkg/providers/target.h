/* One target cluster as the steps see it: its document, its provider, the facts that can be read of
 * it and how its acts leave. The site of the engine carries it. */
#pragma once
#include "codec/json.h"
#include "job/job.h"
#include "kube/client.h"
#include "saga/saga.h"
#include "telemetry/telemetry.h"

typedef struct Provider Provider;

typedef struct TargetDrains TargetDrains; /* drains.h */

/* The members that every request to the worker has for this Cluster document: for Git mirror, url,
 * branch, credential; for nodes port, user, key, knownHosts. NULL: err says why. New reference. */
typedef json_t *TargetAccess(void *ud, const json_t *doc, GError **err);

typedef struct Target {
	char *name;
	json_t *doc; /* the Cluster document with its defaults; "gitops": that of its controller's
			cluster */
	const Provider *provider;
	KubeClient *kube; /* owned */
	Telemetry *telemetry; /* owned; NULL: none declared */
	char *broken; /* why there is no kube: every read fails with it */
	KubeClient
		*gitops; /* owned; where the GitOps controller runs, NULL: none or not reachable */
	char *gitops_broken; /* why there is none although the document names one */
	Loop loop;
	Job job; /* ops NULL: no worker here */
	TargetAccess *git_access; /* of git_ud; NULL: no repository can be reached */
	void *git_ud;
	TargetAccess *node_access; /* of node_ud; NULL: no node can be reached */
	void *node_ud;
	/* For probes: an endpoint as for telemetry, and the way there; set by the fleet. NULL:
	 * nobody can be asked. */
	Http http;
	const HttpEndpoint *(*endpoint)(
		void *ud, const json_t *cluster, const json_t *source, GError **err);
	void *endpoint_ud;
	Site *site; /* owned by the engine */
	SiteOps ops;
	/* Evicts on a node that somebody else drains; set by the layer that knows drains. NULL:
	 * nobody does. */
	void (*assist)(Item *cluster, Batch *b, const char *node);
	const TargetDrains *drains; /* set by the layer that knows drains */
	/* The provider's own word is that an order fails, since this wall time (0: it does not).
	 * True with *ret where that is a verdict by now; set by the layer that decides. NULL: it is
	 * waited for. */
	bool (*failing)(Item *cluster, int64_t now_usec, Batch *b, int64_t since_usec,
		const char *text, StepResult *ret);
	/* Whether workers may be moved now (a window); false: *ret says what the step returns;
	 * true: ret->until_usec is when to ask again (boot time; 0: never). NULL: always. */
	bool (*may_move)(Item *cluster, StepResult *ret);
	/* Whether a hop's order, and what comes before it (acknowledgements, channel, brake), may
	 * be written now (a window), which may be hours after the hop was chosen; false: *ret says
	 * what the step returns. Asks nothing on the way down. NULL: always. */
	bool (*may_order)(Item *cluster, StepResult *ret);
	const char *backups; /* folder for what nodes keep of themselves; borrowed, NULL: none */
	char *fleet; /* the name in our claims */
	const char *holder; /* whose journal it is (store/holder.h), borrowed; NULL: not told */
	/* How long this cluster's last upgrade took, of past.h of the fleet; borrowed, NULL: not
	 * known. The function itself may be NULL. */
	const json_t *(*length)(Item *cluster);
	struct Wake *wakes; /* wake.h */
	struct TargetWatches *watches; /* watches.h; made and freed by the fleet, NULL: none */
	struct Pending *pending; /* completions under way: they go with the target */
} Target;

/* Takes kube and telemetry. The site is made with it, under the document's name. */
Target *target_new(Saga *s, Loop loop, const json_t *doc, const Provider *p, KubeClient *kube,
	Telemetry *t, const char *fleet);
/* A newer document of the same cluster: everything but the site is replaced. Takes kube, telemetry
 * and broken. */
void target_renew(Target *t, const json_t *doc, const Provider *p, KubeClient *kube,
	Telemetry *telemetry, char *broken);
void target_free(Target *t); /* before the engine's own end; no completion comes afterwards */
Target *target_of(const Item *it);
const json_t *target_spec(const Target *t);
/* The actuator "observe": a person orders, nothing is ever written by us. */
bool target_observes(const Target *t);
/* The actuator "git": what a file holds is written there. */
bool target_by_git(const Target *t);
/* Its commits go to a branch that a person merges. */
bool target_waits_for_merge(const Target *t);
bool target_may_order(Item *it, StepResult *ret); /* for ActRow.may: its may_order */

/* The query for the time of the newest sample behind a query; NULL where there is nothing to ask.
 * Caller frees. */
char *target_freshness_query(const char *query);

/* Reads what a path answers as text ({"text"}), at most max_bytes; more is a failure. */
void target_read_text(Target *t, FactRead *r, const char *path, size_t max_bytes);
/* Ends a read of a target that cannot be reached at all, later, with the reason. */
void target_fail_read(Target *t, FactRead *r);

/* An object as the facts below show it, without what is large and looked at by nobody; owners: with
 * its managedFields. New reference, perhaps of the object itself; object is untouched. */
json_t *target_slim(json_t *object, bool owners);

/* Facts by API path: an object (missing is a fact), a list (json has "items", large and unused
 * fields cut), and /version. Answers other than these are failures with the server's own words. */
extern const FactRow fact_object, fact_list;
/* A collection as the server prints it, by API path: {"rows": [{COLUMN: cell}]}. Missing where the
 * server does not know the kind. For collections whose objects are too large to read them all. */
extern const FactRow fact_table;
/* Key: a PromQL query. json: {"status": ok|noData|error, "why", "values", "oldestUsec", "source",
 * "query", "timeUsec", "digest", "httpStatus"}; always read with fact_since, for a look of its own.
 */
extern const FactRow fact_query;
/* Key: canonical JSON of a gate's "http". json: {"status"} or, where nobody answered, {"error"};
 * always read with fact_since. */
extern const FactRow fact_http;
/* Key "verb group resource namespace name" ("-" where empty): a SelfSubjectAccessReview of the
 * identity that writes (verb with a leading "w:") or reads. json: {"allowed", "reason"}. */
extern const FactRow fact_access;

/* ---- the actuator git (target-git.c) ---- */

/* The client of the cluster on which the GitOps controller runs; NULL: gitops_broken. */
KubeClient *target_gitops_client(const Target *t);
/* An object of that cluster, by its path. */
#define GITOPS_PREFIX "gitops:" /* before the path of a request: it goes there too */
extern const FactRow fact_gitops;
extern const FactRow fact_gitops_access; /* as fact_access */

/* A request with this method is one for the worker: body without the members that git_access
 * gives. */
#define JOB_METHOD "JOB"
/* Where a wish stands: FILE#WHERE[|WHERE...][>BRANCH]. WHERE: "KIND/NAME FIELD FIELD..." or
 * "ack NAME"; BRANCH: not pushed to the document's branch but there, for a merge request. The
 * answer of the worker's read; what it refuses (a templated value, no such object) is an answer
 * too. */
extern const FactRow fact_git;
/* The same at a commit, and whether that one contains ours: "COMMIT OURS FILE#...". */
extern const FactRow fact_git_at;
/* The files of the branch with the ClusterVersion, looked for below the folder KEY ("": anywhere)
 * first: the answer of the worker's find. */
extern const FactRow fact_git_find;
/* What an edit would do: the canonical text of FILES. */
extern const FactRow fact_git_try;
/* FILES of the worker's interface for a key; values: by WHERE, NULL: none. New reference. */
json_t *git_files(const char *key, const json_t *values);
/* The value that stands at the n-th WHERE; NULL: none. Borrowed. */
json_t *git_value(const View *v, size_t n);
/* NULL: the file can be read; else why not, borrowed. ret_code (may be NULL): the worker's word. */
const char *git_refusal(const View *v, const char **ret_code);
