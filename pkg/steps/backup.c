/* Before each hop: a backup by a Job, or the proof that somebody else made one lately. */
#include "base/num.h"
#include "policy/job.h"
#include "steps/internal.h"
#include "steps/job.h"
#include <string.h>

static const json_t *backup_policy(const Item *it)
{
	return json_object_get(cluster_policy(it, "rollback"), "backup");
}

static char *purpose_of(const char *to, int attempt)
{
	return g_strdup_printf("backup-%s-%d", to, attempt);
}

/* How old the newest backup of others is: the last line of the log tells its time. */
static char *external_problem(const Item *it, const json_t *external, const json_t *result)
{
	int64_t at = 0, max_sec = 0;
	sl_duration_parse(json_path_str(external, "maxAge", "24h"), &max_sec);
	if (!job_last_time(json_path_str(result, "log", ""), &at))
		return g_strdup("the last line of its log is no time such as 2026-11-20T08:00:00Z");
	int64_t age = (loop_wall_usec(saga_loop(item_saga(it))) - at) / SL_USEC_PER_SEC;
	g_autofree char *human = sl_duration_human(sl_max(age, 0));
	return age > max_sec ? g_strdup_printf("the last backup is %s old, maxAge is %s", human,
				       json_path_str(external, "maxAge", "24h"))
			     : NULL;
}

/* What is wrong with a Job that has ended; NULL: the backup is proven. Caller frees. */
static char *problem_of(const Item *it, const json_t *policy, const json_t *result)
{
	const json_t *external = json_object_get(policy, "external");
	if (strcmp(json_path_str(result, "verdict", ""), "PASS") != 0)
		return g_strdup_printf("%s (exit code %d)", json_path_str(result, "text", "?"),
			(int)json_path_int(result, "exitCode", -1));
	if (external)
		return external_problem(it, external, result);
	g_autofree char *sum = job_proof(json_path_str(result, "log", ""), "sha256");
	bool shipped = g_str_has_prefix(json_path_str(policy, "job.file", ""), "builtin/");
	return shipped && !sum ? g_strdup("its log holds no proof (file and sha256)") : NULL;
}

static void note_backup(Item *it, const json_t *result, const char *to, Batch *b)
{
	const char *log = json_path_str(result, "log", "");
	g_autofree char *file = job_proof(log, "file"), *sum = job_proof(log, "sha256"),
			*time = job_proof(log, "time");
	batch_memo(b, it, "backup",
		json_pack("{s:s, s:s?, s:s?, s:s?, s:O?, s:O?}", "to", to, "file", file, "sha256",
			sum, "time", time, "job", json_object_get(result, "job"), "logDigest",
			json_object_get(result, "logDigest")));
}

/* The newest attempt for this hop; *ret_n: its number, 0: none. */
static Item *newest_attempt(const Item *it, const char *to, int *ret_n)
{
	Item *found = NULL;
	for (*ret_n = 0;; ++*ret_n) {
		g_autofree char *next = purpose_of(to, *ret_n + 1);
		Item *job = job_find(it, next);
		if (!job)
			return found;
		found = job;
	}
}

static StepResult try_again(Item *it, Batch *b, const char *to, int attempt)
{
	const json_t *policy = backup_policy(it), *external = json_object_get(policy, "external");
	g_autofree char *purpose = purpose_of(to, attempt);
	job_begin(it, b, purpose, json_object_get(external ? external : policy, "job"), NULL);
	return step_wait(it, 0, external ? "the age of the last backup is asked" : "backup");
}

/* A person who resumes lets it be tried once more. */
static StepResult failed(
	Item *it, Batch *b, const char *to, int attempt, const json_t *result, const char *problem)
{
	const char *log = json_path_str(result, "log", "");
	int64_t asked = json_path_int(item_memo(it), "backupAsked", 0);
	if (asked == attempt && !item_find_hold(it, "backup"))
		return try_again(it, b, to, attempt + 1);
	if (asked != attempt)
		batch_memo(b, it, "backupAsked", json_integer(attempt));
	return step_hold_person(it, "backup", "no backup before %s: %s; resume tries it again%s%s",
		to, problem, *log ? "; its log ends: " : "", log);
}

static StepResult backup_tick(Item *it, int64_t now, Batch *b)
{
	const json_t *policy = backup_policy(it);
	g_autofree char *why = NULL;
	json_t *hop = NULL;
	if (!json_is_object(policy) || target_observes(target_of(it)))
		return step_done(0);
	if (!target_of(it)->provider->next_hop(it, &hop, &why))
		return step_read(it);
	g_autoptr(json_t) owned = hop;
	const char *to = json_path_str(hop, "to", NULL);
	if (!to || strcmp(json_path_str(item_memo(it), "backup.to", ""), to) == 0)
		return step_done(0);
	int attempt;
	Item *job = newest_attempt(it, to, &attempt);
	if (!job)
		return try_again(it, b, to, 1);
	const json_t *result = job_result(job);
	if (!result)
		return step_wait(it, 0, "backup before %s: %s", to, item_reason(job));
	g_autofree char *problem = problem_of(it, policy, result);
	if (problem)
		return failed(it, b, to, attempt, result, problem);
	note_backup(it, result, to, b);
	return step_wait(it, now, "the backup before %s is proven", to);
}

const StepOps step_backup = { "backup", backup_tick };
