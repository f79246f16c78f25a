/* Gates by Jobs: each look has a Job of its own; the shipped acceptance test has one for each class
 * of accelerators. */
#include "policy/accelerator.h"
#include "steps/internal.h"
#include "steps/job.h"
#include <string.h>

#define ACCELERATORS "builtin/accelerators"

/* The worst verdict of several Jobs is that of the look. */
typedef struct Sum {
	LookVerdict verdict;
	json_t *evidence;
	GString *text;
	int exit_code; /* of the one that decides; -1: not known */
	bool waits;
} Sum;

static int badness(LookVerdict v)
{
	return v == LOOK_PASS ? 0 : v == LOOK_ERROR ? 1 : 2;
}

static void add_result(Sum *s, const json_t *result, const char *what)
{
	LookVerdict v = LOOK_ERROR;
	look_verdict_parse(json_path_str(result, "verdict", "ERROR"), &v);
	if (badness(v) >= badness(s->verdict)) {
		s->verdict = v;
		s->exit_code = (int)json_path_int(result, "exitCode", -1);
	}
	if (v != LOOK_PASS || s->text->len == 0)
		g_string_append_printf(s->text, "%s%s%s%s", s->text->len ? "; " : "", what,
			*what ? ": " : "", json_path_str(result, "text", ""));
	json_array_append(s->evidence, (json_t *)result);
}

static void ask(Item *it, Batch *b, const char *purpose, const json_t *job, const json_t *class,
	const char *what, Sum *s)
{
	Item *item = job_find(it, purpose);
	const json_t *result = item ? job_result(item) : NULL;
	if (!item)
		job_begin(it, b, purpose, job, class);
	if (result)
		add_result(s, result, what);
	else
		s->waits = true;
}

/* The classes of before the upgrade: one that is gone since must fail, not be forgotten. */
static void ask_each_class(Item *it, Batch *b, const char *purpose, const json_t *job, Sum *s)
{
	size_t i;
	json_t *class;
	json_array_foreach (json_object_get(item_memo(it), "accelerators"), i, class) {
		g_autofree char *one = g_strdup_printf("%s-class-%zu", purpose, i + 1);
		g_autofree char *what = accelerator_text(class);
		ask(it, b, one, job, class, what, s);
	}
	if (i == 0)
		g_string_append(s->text, "no node had an accelerator before the upgrade");
}

bool job_gate_look(Item *it, const Gate *g, size_t n_looks, Batch *b, LookVerdict *ret_verdict,
	int *ret_code, char **ret_text, json_t **ret_evidence)
{
	const json_t *job = json_object_get(g->json, "job");
	g_autofree char *purpose = g_strdup_printf("gate-%s-%s-%" G_GINT64_FORMAT "-%zu", g->name,
		item_state_name(it), item_since_wall_usec(it), n_looks + 1);
	Sum s = { .verdict = LOOK_PASS, .exit_code = -1 };
	s.evidence = json_array();
	s.text = g_string_new(NULL);
	if (strcmp(json_path_str(job, "file", ""), ACCELERATORS) == 0)
		ask_each_class(it, b, purpose, job, &s);
	else
		ask(it, b, purpose, job, NULL, "", &s);
	*ret_verdict = s.verdict;
	*ret_code = s.exit_code;
	*ret_text = g_string_free(s.text, FALSE);
	*ret_evidence = json_array_size(s.evidence) == 1
				? json_incref(json_array_get(s.evidence, 0))
				: json_pack("{s:O}", "jobs", s.evidence);
	json_decref(s.evidence);
	return !s.waits;
}
