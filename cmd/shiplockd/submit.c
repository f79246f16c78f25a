#include "submit.h"
#include "codec/json.h"
#include <string.h>

typedef struct Submission {
	Submissions *all;
	Order *order;
	json_t *request; /* of the worker: {"files"} */
	char *plan, *commit, *who;
	bool owner;
	uint64_t job;
} Submission;

struct Submissions {
	Fleet *fleet;
	Job job;
	json_t *const *inventory;
	GPtrArray *list; /* Submission */
};

static void submission_free(void *p)
{
	Submission *s = p;
	if (s->job)
		s->all->job.ops->cancel(s->all->job.self, s->job);
	json_decref(s->request);
	g_free(s->plan);
	g_free(s->commit);
	g_free(s->who);
	g_free(s);
}

Submissions *submissions_new(Fleet *fleet, Job job, json_t *const *inventory)
{
	Submissions *s = g_new0(Submissions, 1);
	*s = (Submissions){ fleet, job, inventory, NULL };
	s->list = g_ptr_array_new_with_free_func(submission_free);
	return s;
}

void submissions_free(Submissions *s)
{
	if (!s)
		return;
	g_ptr_array_unref(s->list);
	g_free(s);
}

static bool is_known(const json_t *inventory, const Doc *d)
{
	const char *repository;
	json_t *clusters;
	json_object_foreach ((json_t *)inventory, repository, clusters) {
		const json_t *have = json_object_get(clusters, doc_name(d));
		if (have && json_equal((json_t *)have, (json_t *)doc_json(d)))
			return true;
	}
	return false;
}

static const char *unknown_cluster(const Submission *s, const DocSet *set)
{
	for (size_t i = 0; i < docset_n(set, "Cluster"); i++) {
		const Doc *d = docset_nth(set, "Cluster", i);
		if (!is_known(*s->all->inventory, d))
			return doc_name(d);
	}
	return NULL;
}

static bool refuse_findings(Submission *s, const DocSet *set)
{
	if (docset_ok(set))
		return false;
	const Findings *f = docset_findings(set);
	size_t n_docs = docset_n_documents(set), n_files = docset_n_files(set);
	g_autofree char *text = findings_text(f, n_docs, n_files);
	order_refuse(s->order, 422, g_strchomp(text),
		json_pack("{s:o}", "report", findings_report(f, n_docs, n_files)));
	return true;
}

static bool refuse_clusters(Submission *s, const DocSet *set)
{
	const char *name = s->owner ? NULL : unknown_cluster(s, set);
	if (!name)
		return false;
	g_autofree char *text = g_strdup_printf(
		"Cluster/%s: no watched repository holds it in this form, and it names files of "
		"the controller's host; merge it first, or let root submit it",
		name);
	order_refuse(s->order, 403, text, NULL);
	return true;
}

static void take(Submission *s, json_t *answer)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(DocSet) set = docset_new();
	if (!docset_add_files(set, s->request, answer, &err)) {
		order_refuse(s->order, 422, err->message, NULL);
		return;
	}
	docset_check(set);
	if (refuse_findings(s, set) || refuse_clusters(s, set))
		return;
	FleetSubmit f = {
		.set = g_steal_pointer(&set), .plan = s->plan, .commit = s->commit, .who = s->who
	};
	fleet_submit(s->all->fleet, &f, order_reply, s->order);
}

static void on_yaml(const char *answer, size_t len, const GError *job_err, void *ud)
{
	Submission *s = ud;
	g_autoptr(GError) err = NULL;
	s->job = 0;
	g_autoptr(json_t) v = job_err ? NULL : json_parse(answer, len, &err);
	if (v)
		take(s, v);
	else
		order_refuse(s->order, 422, job_err ? job_err->message : err->message, NULL);
	g_ptr_array_remove_fast(s->all->list, s);
}

void submit_plan(Submissions *all, const json_t *request, const char *who, bool owner, Order *order)
{
	json_t *files = json_object_get(request, "files");
	if (!json_is_array(files) || json_array_size(files) == 0) {
		order_refuse(order, 422, "\"files\" holds no documents", NULL);
		return;
	}
	if (all->list->len == SUBMIT_MAX_WAITING) {
		order_refuse(order, 503, "too many submissions at once", NULL);
		return;
	}
	Submission *s = g_new0(Submission, 1);
	*s = (Submission){ .all = all, .order = order, .owner = owner };
	s->request = json_pack("{s:O}", "files", files);
	s->plan = g_strdup(json_path_str(request, "plan", NULL));
	s->commit = g_strdup(json_path_str(request, "commit", NULL));
	s->who = g_strdup(who);
	g_ptr_array_add(all->list, s);
	g_autofree char *text = json_canonical(s->request);
	s->job = all->job.ops->start(
		all->job.self, "yaml", text, strlen(text), SUBMIT_YAML_MSEC, on_yaml, s);
}
