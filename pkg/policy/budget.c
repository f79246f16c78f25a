#include "policy/budget.h"
#include <string.h>

bool budget_matches(const Budget *b, const DrainPod *p)
{
	return strcmp(b->ns, p->ns) == 0 && selector_matches(b->selector, p->labels);
}

size_t budget_of_pod(const Budget *b, size_t n, const DrainPod *p, size_t *ret_n)
{
	size_t first = n, count = 0;
	for (size_t i = 0; i < n; i++) {
		if (!budget_matches(&b[i], p))
			continue;
		first = MIN(first, i);
		count++;
	}
	if (ret_n)
		*ret_n = count;
	return first;
}

bool budget_counts_pod(const Budget *b, const DrainPod *p)
{
	if (p->phase == POD_PENDING || pod_is_finished(p) || p->deletion_usec)
		return false;
	if (p->ready || b->unhealthy == UNHEALTHY_OTHER)
		return true;
	if (b->unhealthy == UNHEALTHY_ALWAYS_ALLOW)
		return false;
	return b->current_healthy < b->desired_healthy || b->desired_healthy <= 0;
}

/* ---- preflight ---- */

/* How many pods may be away when all are healthy. */
static int slack(const Budget *b)
{
	if (b->has_max)
		return intstr_of_pdb(b->max_unavailable, b->expected_pods);
	if (b->has_min)
		return b->expected_pods - intstr_of_pdb(b->min_available, b->expected_pods);
	return b->expected_pods;
}

static void patch_command(BudgetFinding *f, const char *kubectl, const char *spec)
{
	g_snprintf(f->command, sizeof f->command,
		"%s -n %s patch pdb %s --type merge -p '{\"spec\":{%s}}'", kubectl, f->ns, f->name,
		spec);
}

static void explain_never(const Budget *b, const char *kubectl, BudgetFinding *f)
{
	g_autofree char *min = intstr_format(b->min_available);
	g_autofree char *max = intstr_format(b->max_unavailable);
	char patch[64];
	g_snprintf(f->text, sizeof f->text,
		"PodDisruptionBudget %s/%s allows no disruption (%s %s, %d pod%s)", b->ns, b->name,
		b->has_max ? "maxUnavailable" : "minAvailable", b->has_max ? max : min,
		b->expected_pods, b->expected_pods == 1 ? "" : "s");
	if (b->has_max) {
		g_strlcpy(f->fix, "set maxUnavailable to 1", sizeof f->fix);
		g_strlcpy(patch, "\"maxUnavailable\":1", sizeof patch);
	} else if (b->expected_pods <= 1) {
		g_strlcpy(f->fix,
			"run 2 replicas, or accept a short outage and set minAvailable to 0",
			sizeof f->fix);
		g_strlcpy(patch, "\"minAvailable\":0", sizeof patch);
	} else if (b->min_available.percent) {
		g_strlcpy(f->fix, "set maxUnavailable 1 instead of minAvailable", sizeof f->fix);
		g_strlcpy(patch, "\"minAvailable\":null,\"maxUnavailable\":1", sizeof patch);
	} else {
		g_snprintf(f->fix, sizeof f->fix, "set minAvailable to %d", b->expected_pods - 1);
		g_snprintf(patch, sizeof patch, "\"minAvailable\":%d", b->expected_pods - 1);
	}
	patch_command(f, kubectl, patch);
}

static void show_command(BudgetFinding *f, const char *kubectl)
{
	g_snprintf(
		f->command, sizeof f->command, "%s -n %s describe pdb %s", kubectl, f->ns, f->name);
}

static bool find(const Budget *b, BudgetFinding *f, BudgetFault fault, bool blocks)
{
	*f = (BudgetFinding){ .fault = fault, .blocks = blocks, .ns = b->ns, .name = b->name };
	return true;
}

bool budget_check(const Budget *b, const char *kubectl, BudgetFinding *ret)
{
	kubectl = kubectl ? kubectl : "kubectl";
	if (b->sync_failed) {
		find(b, ret, BUDGET_SYNC_FAILED, true);
		g_snprintf(ret->text, sizeof ret->text,
			"PodDisruptionBudget %s/%s cannot be computed, so it allows no disruption: "
			"%s",
			b->ns, b->name, b->sync_failed);
		g_strlcpy(ret->fix,
			"its owner must mend the selector, or use an integer minAvailable",
			sizeof ret->fix);
		show_command(ret, kubectl);
		return true;
	}
	if (b->observed_generation < b->generation) {
		find(b, ret, BUDGET_LAG, false);
		g_snprintf(ret->text, sizeof ret->text,
			"PodDisruptionBudget %s/%s was changed and is not computed yet", b->ns,
			b->name);
		g_strlcpy(ret->fix, "wait; if it stays, the disruption controller does not run",
			sizeof ret->fix);
		show_command(ret, kubectl);
		return true;
	}
	if (b->expected_pods > 0 && slack(b) <= 0) {
		find(b, ret, BUDGET_NEVER, true);
		explain_never(b, kubectl, ret);
		return true;
	}
	if (b->current_healthy < b->desired_healthy) {
		find(b, ret, BUDGET_UNHEALTHY, false);
		g_snprintf(ret->text, sizeof ret->text,
			"PodDisruptionBudget %s/%s: %d of %d wanted pods are healthy, so it allows "
			"no "
			"disruption",
			b->ns, b->name, b->current_healthy, b->desired_healthy);
		g_strlcpy(ret->fix, "its owner must make the pods healthy again", sizeof ret->fix);
		show_command(ret, kubectl);
		return true;
	}
	return false;
}

static void add(GArray *out, const BudgetFinding *f)
{
	g_array_append_vals(out, f, 1);
}

/* Counts a pod under the same budgets as an earlier one there: a thousand pods are one finding. */
static bool is_alike(GArray *out, const BudgetFinding *f)
{
	for (unsigned i = 0; i < out->len; i++) {
		BudgetFinding *known = &g_array_index(out, BudgetFinding, i);
		if (known->fault == f->fault && strcmp(known->command, f->command) == 0) {
			known->n_alike++;
			return true;
		}
	}
	return false;
}

static void check_pod(
	const Budget *budgets, size_t n, const DrainPod *p, const char *kubectl, GArray *out)
{
	size_t n_match, first = budget_of_pod(budgets, n, p, &n_match);
	if (n_match < 2)
		return;
	size_t second = first + 1 + budget_of_pod(budgets + first + 1, n - first - 1, p, NULL);
	BudgetFinding f = { .fault = BUDGET_TWO, .blocks = true, .ns = p->ns, .name = p->name };
	g_snprintf(f.text, sizeof f.text,
		"pod %s/%s has %zu PodDisruptionBudgets (%s, %s): the server evicts no such pod",
		p->ns, p->name, n_match, budgets[first].name, budgets[second].name);
	g_strlcpy(f.fix, "their owners must narrow one of the selectors", sizeof f.fix);
	g_snprintf(f.command, sizeof f.command, "%s -n %s get pdb %s %s -o wide", kubectl, p->ns,
		budgets[first].name, budgets[second].name);
	if (!is_alike(out, &f))
		add(out, &f);
}

static void count_alike(GArray *out)
{
	for (unsigned i = 0; i < out->len; i++) {
		BudgetFinding *f = &g_array_index(out, BudgetFinding, i);
		g_autofree char *more = g_strdup_printf(
			"; %zu more pod%s alike", f->n_alike, f->n_alike == 1 ? " is" : "s are");
		if (f->n_alike > 0)
			g_strlcat(f->text, more, sizeof f->text);
	}
}

static void check_selects_none(
	const Budget *b, const DrainPod *pods, size_t n_pods, const char *kubectl, GArray *out)
{
	BudgetFinding f;
	if (b->expected_pods > 0)
		return;
	for (size_t i = 0; i < n_pods; i++) {
		if (!budget_matches(b, &pods[i]) || !budget_counts_pod(b, &pods[i]))
			continue;
		find(b, &f, BUDGET_SELECTS_NONE, true);
		g_snprintf(f.text, sizeof f.text,
			"PodDisruptionBudget %s/%s counts no pods, but selects %s: it allows no "
			"disruption",
			b->ns, b->name, pods[i].name);
		g_strlcpy(f.fix, "its owner must select pods that have a controller", sizeof f.fix);
		show_command(&f, kubectl);
		add(out, &f);
		return;
	}
}

static int compare_findings(const void *a, const void *b)
{
	const BudgetFinding *x = a, *y = b;
	if (x->blocks != y->blocks)
		return x->blocks ? -1 : 1;
	int c = strcmp(x->ns, y->ns);
	return c ? c : strcmp(x->name, y->name);
}

BudgetFindings budgets_check(const Budget *budgets, size_t n_budgets, const DrainPod *pods,
	size_t n_pods, const char *kubectl)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(BudgetFinding));
	BudgetFinding f;
	kubectl = kubectl ? kubectl : "kubectl";
	for (size_t i = 0; i < n_budgets; i++) {
		if (budget_check(&budgets[i], kubectl, &f))
			add(out, &f);
		else
			check_selects_none(&budgets[i], pods, n_pods, kubectl, out);
	}
	for (size_t i = 0; i < n_pods; i++)
		check_pod(budgets, n_budgets, &pods[i], kubectl, out);
	count_alike(out);
	g_array_sort(out, compare_findings);
	BudgetFindings all = { .n = out->len };
	all.items = (BudgetFinding *)(void *)g_array_free(out, FALSE);
	return all;
}

void budget_findings_clear(BudgetFindings *f)
{
	g_free(f->items);
	*f = (BudgetFindings){ 0 };
}
