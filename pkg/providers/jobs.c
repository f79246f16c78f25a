#include "providers/jobs.h"
#include "policy/job.h"
#include <string.h>

const json_t *job_of_item(const Item *it)
{
	return json_object_get(item_data(it), "object");
}

static const char *intent_of(const json_t *job)
{
	const json_t *notes = json_path(job, "metadata.annotations");
	const char *text = json_string_value(json_object_get(notes, JOB_INTENT));
	return text ? text : "";
}

static bool create_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	const json_t *job = job_of_item(it);
	if (!v->missing && strcmp(intent_of(v->json), intent_of(job)) != 0) {
		item_set_reason(it, "a Job of that name is there already and is not ours: %s", key);
		return false;
	}
	ret->method = "POST";
	ret->path = g_path_get_dirname(key);
	ret->body = json_incref((json_t *)job);
	ret->want = json_pack("{s:s}", "intent", intent_of(job));
	return true;
}

static Class create_classify(const json_t *want, const View *v)
{
	if (v->missing)
		return CLASS_ABSENT;
	return strcmp(intent_of(v->json), json_path_str(want, "intent", "")) == 0 ? CLASS_DONE
										  : CLASS_FOREIGN;
}

/* "It exists already" may be our own first attempt: a read tells. */
static AnswerClass create_answer(int status, const json_t *detail, AnswerClass plain)
{
	return status == 409 ? ANSWER_UNKNOWN : plain;
}

static bool delete_build(
	Item *it, const char *key, const Act *undoes, const View *v, ActRequest *ret)
{
	ret->method = "DELETE";
	ret->path = g_strdup(key);
	ret->body = json_pack("{s:s, s:s, s:s}", "apiVersion", "v1", "kind", "DeleteOptions",
		"propagationPolicy", "Background");
	if (!v->missing)
		json_object_set_new(ret->body, "preconditions",
			json_pack("{s:s}", "uid", json_path_str(v->json, "metadata.uid", "")));
	return true;
}

static Class delete_classify(const json_t *want, const View *v)
{
	const char *uid = json_path_str(want, "preconditions.uid", NULL);
	bool other =
		uid && !v->missing && strcmp(json_path_str(v->json, "metadata.uid", ""), uid) != 0;
	return v->missing || other || json_path(v->json, "metadata.deletionTimestamp")
		       ? CLASS_DONE
		       : CLASS_ABSENT;
}

/* It is gone, or another stands there by now. */
static AnswerClass delete_answer(int status, const json_t *detail, AnswerClass plain)
{
	return status == 404 || status == 409 ? ANSWER_DONE : plain;
}

const ActRow act_delete_job = {
	.name = "delete-job",
	.effect = EFFECT_BY_UID,
	.fact = &fact_object,
	.build = delete_build,
	.classify = delete_classify,
	.answer = delete_answer,
};
const ActRow act_create_job = {
	.name = "create-job",
	.effect = EFFECT_BY_NAME,
	.fact = &fact_object,
	.undo = &act_delete_job,
	.build = create_build,
	.classify = create_classify,
	.answer = create_answer,
};

static void read_text(Site *site, const char *key, FactRead *r)
{
	target_read_text(site_ctx(site), r, key, TARGET_TEXT_MAX_BYTES);
}

const FactRow fact_text = { .name = "text", .max_age_sec = 10, .read = read_text };

const RightRow job_rights[] = {
	{ RIGHT_READ, "get", "batch", "jobs", "", "", NULL },
	{ RIGHT_READ, "list", "", "pods", "", "", NULL },
	{ RIGHT_READ, "get", "", "pods/log", "", "", NULL },
	{ RIGHT_WRITE, "create delete", "batch", "jobs", "", "", NULL },
	{ 0 },
};
