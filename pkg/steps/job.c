#include "steps/job.h"
#include "codec/redact.h"
#include "policy/accelerator.h"
#include "policy/job.h"
#include "providers/jobs.h"
#include "steps/internal.h"
#include <string.h>

enum { JS_CREATE = 1, JS_RUN, JS_LOG, JS_REMOVE, JS_ENDED, JS_MAX };
enum {
	JOB_POLL_SEC = 5,
	JOB_GRACE_SEC = 60, /* after the server's own deadline */
	JOB_LOG_PATIENCE_SEC = 60,
	JOB_LOG_LINES = 200,
	JOB_DEFAULT_SEC = 600
};

static char *job_path(const Item *it)
{
	const json_t *job = job_of_item(it);
	return g_strdup_printf("/apis/batch/v1/namespaces/%s/jobs/%s", job_namespace(job),
		json_path_str(job, "metadata.name", ""));
}

/* ---- the verdict ---- */

static StepResult judged(Item *it, Batch *b, const char *verdict, json_t *more, const char *text)
{
	json_t *result = json_pack("{s:s, s:s, s:s}", "verdict", verdict, "text", text, "job",
		json_path_str(job_of_item(it), "metadata.name", ""));
	json_object_update_missing(result, more);
	json_decref(more);
	batch_move_memo(
		b, it, JS_REMOVE, json_pack("{s:o}", "result", result), "%s: %s", verdict, text);
	return (StepResult){ .verb = STEP_ACT };
}

/* ---- the steps ---- */

static StepResult create_tick(Item *it, int64_t now, Batch *b)
{
	g_autofree char *path = job_path(it);
	const Act *a = act_find(it, &act_create_job, path);
	if (a && act_state(a) == ACT_DONE) {
		item_set_reason(it, "created");
		return step_done(0);
	}
	if (a && act_state(a) == ACT_FOREIGN)
		return judged(it, b, "ERROR", json_object(),
			"a Job of that name is there already and is not ours");
	return step_act(it, &act_create_job, path, b);
}

static StepResult run_tick(Item *it, int64_t now, Batch *b)
{
	g_autofree char *path = job_path(it), *text = NULL;
	int64_t limit = json_path_int(item_data(it), "timeoutSec", JOB_DEFAULT_SEC) + JOB_GRACE_SEC;
	bool late = item_observed_usec(it) > limit * SL_USEC_PER_SEC;
	const View *v = fact_within(it, &fact_object, path, JOB_POLL_SEC * SL_USEC_PER_SEC, 0);
	if (!v && late)
		return judged(it, b, "ERROR", json_object(), "it cannot be read past its deadline");
	if (!v)
		return step_read(it);
	if (v->missing)
		return judged(it, b, "ERROR", json_object(), "somebody deleted the Job");
	JobState state = job_state(v->json, &text);
	if (state == JOB_RUNNING && late)
		return judged(it, b, "FAIL", json_object(), "it did not end within its deadline");
	if (state == JOB_RUNNING)
		return step_wait(it, now + JOB_POLL_SEC * SL_USEC_PER_SEC, "the Job runs");
	batch_move_memo(b, it, JS_LOG,
		json_pack("{s:b, s:s}", "complete", (int)(state == JOB_COMPLETE), "ended", text),
		"%s", text);
	return (StepResult){ .verb = STEP_ACT };
}

/* What the kubelet gives of the log; a log that cannot be had is told, and changes no verdict. */
static bool read_log(Item *it, const json_t *pod, json_t *more)
{
	g_autofree char *path =
		g_strdup_printf("/api/v1/namespaces/%s/pods/%s/log?tailLines=%d&limitBytes=%d",
			job_namespace(job_of_item(it)), json_path_str(pod, "metadata.name", ""),
			JOB_LOG_LINES, TARGET_TEXT_MAX_BYTES / 2);
	const View *v = fact(it, &fact_text, path);
	const GError *err = fact_error(it, &fact_text, path);
	bool waited = item_observed_usec(it) > JOB_LOG_PATIENCE_SEC * SL_USEC_PER_SEC;
	if (!v && !err && !waited)
		return false;
	const char *text = v ? json_path_str(v->json, "text", "") : "";
	if (!v) {
		json_object_set_new(more, "logMissing",
			json_string(err ? err->message : "no answer within a minute"));
		return true;
	}
	/* Before it is cut: half a key is not known as one. */
	g_autofree char *clean = redact_text(text), *tail = job_log_tail(clean);
	g_autofree char *digest = sl_sha256(text, strlen(text));
	json_object_set_new(more, "log", json_string(tail));
	json_object_set_new(more, "logDigest", json_string(digest));
	return true;
}

static StepResult log_tick(Item *it, int64_t now, Batch *b)
{
	g_autofree char *path =
		g_strdup_printf("/api/v1/namespaces/%s/pods?labelSelector=job-name%%3D%s",
			job_namespace(job_of_item(it)),
			json_path_str(job_of_item(it), "metadata.name", ""));
	bool complete = json_path_bool(item_memo(it), "complete", false);
	const View *pods = fact(it, &fact_list, path);
	if (!pods)
		return step_read(it);
	g_autoptr(json_t) more = json_object();
	const json_t *pod = job_pod(pods->json);
	int code = job_exit_code(pod);
	if (pod && !read_log(it, pod, more))
		return step_read(it);
	if (pod)
		json_object_update_missing_new(more,
			json_pack("{s:s, s:s}", "pod", json_path_str(pod, "metadata.name", ""),
				"node", json_path_str(pod, "spec.nodeName", "")));
	if (code >= 0)
		json_object_set_new(more, "exitCode", json_integer(code));
	g_autofree char *text = g_strdup_printf(
		"%s%s", json_path_str(item_memo(it), "ended", ""), pod ? "" : ", its pod is gone");
	return judged(it, b, complete ? "PASS" : "FAIL", json_incref(more), text);
}

static StepResult remove_tick(Item *it, int64_t now, Batch *b)
{
	bool left;
	StepResult r = step_undo(it, b, &left);
	if (left)
		return r;
	item_set_reason(it, "the Job is deleted");
	return step_done(JS_ENDED);
}

static const StepOps step_create = { "create", create_tick }, step_run = { "run", run_tick },
		     step_log = { "log", log_tick }, step_remove = { "remove", remove_tick };

static const StateRow states[JS_MAX] = {
	[JS_CREATE] = { .name = "create",
		.next = TO(JS_RUN) | TO(JS_REMOVE),
		.steps = (const StepOps *const[]){ &step_create, NULL },
		.after = JS_RUN },
	[JS_RUN] = { .name = "run",
		.next = TO(JS_LOG) | TO(JS_REMOVE),
		.steps = (const StepOps *const[]){ &step_run, NULL } },
	[JS_LOG] = { .name = "log",
		.next = TO(JS_REMOVE),
		.steps = (const StepOps *const[]){ &step_log, NULL } },
	[JS_REMOVE] = { .name = "remove",
		.puts_back = true,
		.next = TO(JS_ENDED),
		.steps = (const StepOps *const[]){ &step_remove, NULL } },
	[JS_ENDED] = { .name = "ended", .end = true, .untimed = true },
};
const ItemKind job_kind = { .name = "job", .states = states, .n_states = JS_MAX };
const ActRow *const job_rows[] = { &act_create_job, &act_delete_job, NULL };

/* ---- for the steps of the cluster ---- */

static const json_t *template_of(const Item *cluster, const char *file)
{
	const json_t *jobs = json_object_get(item_data(item_parent(cluster)), "jobs");
	return json_object_get(jobs, file);
}

void job_begin(Item *cluster, Batch *b, const char *purpose, const json_t *job, const json_t *class)
{
	const json_t *template = template_of(cluster, json_path_str(job, "file", ""));
	const Target *t = target_of(cluster);
	const char *run = item_name(item_parent(cluster));
	char name[JOB_NAME_BYTES];
	int64_t sec = JOB_DEFAULT_SEC;
	sl_duration_parse(json_path_str(job, "timeout", "10m"), &sec);
	job_name(t->fleet, run, t->name, purpose, name);
	g_autofree char *intent = g_strdup_printf("%s %s %s %s", t->fleet, run, t->name, purpose);
	json_t *object = job_object(template, name, intent, (int)sec);
	if (class)
		accelerator_ask(object, class);
	batch_item(b, cluster, &job_kind, item_site(cluster), purpose, JS_CREATE,
		json_pack("{s:o, s:I}", "object", object, "timeoutSec", (json_int_t)sec));
}

Item *job_find(const Item *cluster, const char *purpose)
{
	for (size_t i = item_n_children(cluster); i > 0; i--) {
		Item *c = item_child(cluster, i - 1);
		if (item_kind(c) == &job_kind && strcmp(item_name(c), purpose) == 0)
			return c;
	}
	return NULL;
}

const json_t *job_result(const Item *job)
{
	return item_ended(job) ? json_object_get(item_memo(job), "result") : NULL;
}

void job_withdraw(Item *job, Batch *b)
{
	if (item_state(job) < JS_REMOVE)
		batch_move_memo(b, job, JS_REMOVE,
			json_pack("{s:{s:s, s:s}}", "result", "verdict", "ERROR", "text",
				"withdrawn before its end"),
			"withdrawn");
}

/* ---- preflight ---- */

static bool may(Item *it, const json_t *right, json_t *findings)
{
	g_autofree char *key = right_key(right), *what = right_text(right);
	g_autofree char *fix = g_strdup_printf(
		"shiplock rbac --cluster %s prints all that is to be granted", item_name(it));
	const View *v = fact(it, &fact_access, key);
	if (v && !json_path_bool(v->json, "allowed", false))
		finding_add(findings, "block", "rbac", fix, "not allowed to %s", what);
	return v || fact_error(it, &fact_access, key);
}

static bool may_all(Item *it, const char *ns, json_t *findings)
{
	g_autoptr(json_t) rights = json_array();
	size_t i;
	json_t *r;
	bool all = true;
	rights_add(rights, job_rights, ns, "");
	json_array_foreach (rights, i, r)
		all = may(it, r, findings) && all;
	return all;
}

/* The files that the policies of this cluster name. New reference. */
static json_t *files_of(const Item *it)
{
	json_t *out = json_object();
	size_t n;
	const Gate *const *gates = cluster_gates(it, &n);
	for (size_t i = 0; i < n; i++)
		if (gates[i]->kind == GATE_JOB)
			json_object_set_new(
				out, json_path_str(gates[i]->json, "job.file", ""), json_null());
	const json_t *backup = json_object_get(cluster_policy(it, "rollback"), "backup");
	const char *file =
		json_path_str(backup, "job.file", json_path_str(backup, "external.job.file", NULL));
	if (file)
		json_object_set_new(out, file, json_null());
	return out;
}

bool job_preflight(Item *it, json_t *findings)
{
	g_autoptr(json_t) files = files_of(it);
	const char *file;
	json_t *nothing;
	bool all = true;
	json_object_foreach (files, file, nothing) {
		const json_t *template = template_of(it, file);
		const char *problem = json_path_str(template, "problem", NULL);
		if (problem || !template)
			finding_add(findings, "block", "job",
				"put the template there, in the same commit",
				"the template %s of a Job %s", file,
				problem ? problem : "is not there");
		else if (!target_observes(target_of(it)))
			all = may_all(it, job_namespace(template), findings) && all;
	}
	return all;
}
