/* The Job controller, and what a kubelet does with a pod that ends by itself. A pod template may
 * say by annotations how it goes: sim/run (how long, "5s"), sim/code (its exit code), sim/log (what
 * it prints), sim/log-bytes (so many bytes of noise before that). */
#include "codec/json.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

#define CONTROLLER "kube-controller-manager"

static bool is_job(const char *kind)
{
	return kind && strcmp(kind, "Job") == 0;
}

bool pod_ends_by_itself(const SimObj *pod)
{
	bool once = g_strcmp0(tree_str(pod->json, "spec.restartPolicy"), "Never") == 0;
	return is_job(pod->pod.owner_kind) || (once && !pod->pod.owner_kind);
}

void pod_end(SimActors *a, SimObj *pod)
{
	const char *code = tree_annotation(pod->json, "sim/code");
	int exit_code = code ? (int)g_ascii_strtoll(code, NULL, 10) : 0;
	out_merge(a, pod, SIM_SUB_STATUS, "kubelet",
		json_pack("{s:{s:s, s:[{s:s, s:b, s:{s:{s:i, s:s}}}]}}", "status", "phase",
			exit_code ? "Failed" : "Succeeded", "containerStatuses", "name", "main",
			"ready", 0, "state", "terminated", "exitCode", exit_code, "reason",
			exit_code ? "Error" : "Completed"));
}

static bool is_over(const json_t *job)
{
	const json_t *status = json_object_get(job, "status");
	return condition_is(status, "Complete", "True") || condition_is(status, "Failed", "True");
}

static void end_job(SimActors *a, SimObj *job, bool complete, const char *reason)
{
	const json_t *old = json_object_get(job->json, "status");
	json_t *c = condition_new(
		a, old, complete ? "Complete" : "Failed", "True", reason, "as the simulation says");
	out_merge(a, job, SIM_SUB_STATUS, CONTROLLER,
		json_pack("{s:{s:i, s:i, s:[o]}}", "status", "active", 0,
			complete ? "succeeded" : "failed", 1, "conditions", c));
}

static SimObj *pod_of_job(const SimActors *a, const SimObj *job)
{
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PODS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (is_job(p->pod.owner_kind) && strcmp(p->ns, job->ns) == 0 &&
			strcmp(p->pod.owner, job->name) == 0)
			return p;
	}
	return NULL;
}

static void begin_job(SimActors *a, SimObj *job)
{
	const json_t *t = tree_get(job->json, "spec.template");
	json_t *meta = json_object_get(t, "metadata");
	meta = meta ? json_deep_copy(meta) : json_object();
	g_autofree char *name = g_strdup_printf("%s-pod", job->name);
	json_t *labels = json_object_get(meta, "labels");
	if (!labels)
		json_object_set_new(meta, "labels", labels = json_object());
	json_object_set_new(labels, "job-name", json_string(job->name));
	json_object_set_new(meta, "name", json_string(name));
	json_object_set_new(meta, "ownerReferences",
		json_pack("[{s:s, s:s, s:s, s:s, s:b}]", "apiVersion", "batch/v1", "kind", "Job",
			"name", job->name, "uid", tree_str(job->json, "metadata.uid"), "controller",
			1));
	out_create(a, SIM_PODS, job->ns, CONTROLLER,
		json_pack("{s:o, s:O}", "metadata", meta, "spec", json_object_get(t, "spec")));
	out_merge(a, job, SIM_SUB_STATUS, CONTROLLER,
		json_pack("{s:{s:i, s:o}}", "status", "active", 1, "startTime", time_json(a)));
}

static int64_t job_tick(SimActors *a, SimObj *job)
{
	SimObj *pod = pod_of_job(a, job);
	bool begun = tree_get(job->json, "status.startTime") != NULL;
	int64_t limit = tree_int(job->json, "spec.activeDeadlineSeconds", 0) * a->t.second_usec;
	if (!begun) {
		job->memo.since_usec = a->now.boot_usec;
		begin_job(a, job);
		return limit ? a->now.boot_usec + limit : INT64_MAX;
	}
	if (!pod) { /* the node went, and its pods with it */
		end_job(a, job, false, "BackoffLimitExceeded");
	} else if (strcmp(pod->pod.phase ? pod->pod.phase : "", "Succeeded") == 0) {
		end_job(a, job, true, "CompletionsReached");
	} else if (strcmp(pod->pod.phase ? pod->pod.phase : "", "Failed") == 0) {
		end_job(a, job, false, "BackoffLimitExceeded");
	} else if (limit && job->memo.since_usec + limit <= a->now.boot_usec) {
		end_job(a, job, false, "DeadlineExceeded");
	} else {
		return limit ? job->memo.since_usec + limit : INT64_MAX;
	}
	return INT64_MAX;
}

/* What the garbage collector does: pods go with their Job. */
static void collect(SimActors *a)
{
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PODS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (is_job(p->pod.owner_kind) && !find(a, SIM_JOBS, p->ns, p->pod.owner))
			out_delete(a, p, json_pack("{s:i}", "gracePeriodSeconds", 0));
	}
}

int64_t jobs_tick(SimActors *a)
{
	int64_t due = INT64_MAX;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_JOBS); i++) {
		SimObj *job = sim_store_at(a->store, SIM_JOBS, i);
		int64_t at = is_over(job->json) ? INT64_MAX : job_tick(a, job);
		due = at < due ? at : due;
	}
	collect(a);
	return due;
}
