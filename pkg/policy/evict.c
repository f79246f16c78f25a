#include "policy/evict.h"
#include "codec/json.h"
#include <string.h>

enum { LAG_RETRY_SEC = 10, BUDGET_RETRY_SEC = 5, SLOW_RETRY_SEC = 30, BACKOFF_MAX_SEC = 15 };

/* The answer, taken apart. */
typedef struct Parts {
	const EvictAnswer *a;
	bool is_status; /* a Kubernetes Status came */
	const char *reason, *message; /* never NULL */
	const json_t *causes;
} Parts;

static bool has(const char *text, const char *part)
{
	return strstr(text, part) != NULL;
}

static Parts take_apart(const EvictAnswer *a)
{
	Parts p = { .a = a };
	p.is_status = strcmp(json_path_str(a->body, "kind", ""), "Status") == 0;
	p.reason = json_path_str(a->body, "reason", "");
	p.message = json_path_str(a->body, "message", a->text && !a->body ? a->text : "");
	p.causes = json_path(a->body, "details.causes");
	return p;
}

static const char *cause_message(const Parts *p, const char *type)
{
	for (size_t i = 0; i < json_array_size(p->causes); i++) {
		const json_t *c = json_array_get(p->causes, i);
		/* The JSON name of a cause's type is "reason". */
		if (strcmp(json_path_str(c, "reason", ""), type) == 0)
			return json_path_str(c, "message", "");
	}
	return NULL;
}

/* ---- webhooks ---- */

static bool is_denial(const Parts *p)
{
	return has(p->message, "admission webhook ") && has(p->message, "denied the request");
}

/* Denials by known operators that are no refusals. */
static EvictClass class_of_denial(const Parts *p)
{
	static const char *const progress[] = { "Eviction triggered evacuation of VMI",
		"Evacuation in progress" };
	for (size_t i = 0; i < G_N_ELEMENTS(progress); i++)
		if (has(p->message, progress[i]))
			return EVICT_PROGRESS;
	return EVICT_WEBHOOK;
}

/* ---- by code ---- */

static EvictClass class_of_404(const Parts *p)
{
	const char *kind = json_path_str(p->a->body, "details.kind", "");
	if (strcmp(p->reason, "NotFound") != 0)
		return EVICT_TRANSIENT; /* a page of some proxy says nothing about the pod */
	if (strcmp(kind, "pods") == 0 || strcmp(kind, "namespaces") == 0 ||
		has(p->message, "pods \"") || has(p->message, "namespaces \""))
		return EVICT_GONE;
	return EVICT_BUG; /* the server does not know this path */
}

static EvictClass class_of_429(const Parts *p)
{
	const char *budget = cause_message(p, "DisruptionBudget");
	if (class_of_denial(p) == EVICT_PROGRESS)
		return EVICT_PROGRESS;
	if (has(p->message, "shutting down"))
		return EVICT_SHUTDOWN;
	if (!budget && !has(p->message, "violate the pod's disruption budget"))
		return EVICT_THROTTLED;
	if (p->a->retry_after_sec > 0 || (budget && has(budget, "still being processed")))
		return EVICT_BUDGET_LAG;
	return EVICT_BUDGET;
}

static EvictClass class_of_403(const Parts *p)
{
	if (cause_message(p, "NamespaceTerminating"))
		return EVICT_NS_TERMINATING;
	if (has(p->message, "disruptions allowed is negative") ||
		has(p->message, "DisruptedPods map too big"))
		return EVICT_TRANSIENT;
	return p->is_status ? EVICT_FORBIDDEN : EVICT_TRANSIENT;
}

static EvictClass class_of_error(const Parts *p)
{
	/* A webhook chooses its code freely, so this comes first. */
	if (is_denial(p))
		return class_of_denial(p);
	switch (p->a->status) {
	case 404:
		return class_of_404(p);
	case 409:
		return EVICT_CONFLICT;
	case 429:
		return class_of_429(p);
	case 401:
		return EVICT_CREDENTIALS;
	default:
		break;
	}
	if (p->a->status == 403)
		return class_of_403(p);
	if (p->a->status == 500 && has(p->message, "more than one PodDisruptionBudget"))
		return EVICT_TWO_PDBS;
	/* Only what the server itself says about our request is ours: a proxy's page is not. */
	if (p->is_status && p->a->status >= 400 && p->a->status < 500 && p->a->status != 408)
		return EVICT_BUG;
	return EVICT_TRANSIENT;
}

/* ---- texts ---- */

/* "The disruption budget NAME needs ...", "... does not allow ..." */
static void take_budget_name(const char *cause, char *ret)
{
	static const char prefix[] = "The disruption budget ";
	if (!cause || !g_str_has_prefix(cause, prefix))
		return;
	const char *name = cause + strlen(prefix);
	size_t n = strcspn(name, " ");
	if (n < EVICT_NAME_MAX)
		g_strlcpy(ret, name, n + 1);
}

static const char *plain_text(EvictClass c)
{
	switch (c) {
	case EVICT_ACCEPTED:
		return "accepted";
	case EVICT_GONE:
		return "the pod is gone";
	case EVICT_UNKNOWN:
		return "no answer; it may have happened";
	case EVICT_THROTTLED:
		return "the API server asks us to slow down";
	case EVICT_CREDENTIALS:
		return "the credentials were not accepted";
	default:
		return "no reason given";
	}
}

static void explain(const Parts *p, const char *cause, EvictVerdict *v)
{
	bool own_words = v->class != EVICT_ACCEPTED && v->class != EVICT_UNKNOWN;
	const char *said = cause && *cause ? cause : p->message;
	if (!own_words)
		g_strlcpy(v->text, plain_text(v->class), sizeof v->text);
	else if (p->is_status && *said)
		g_snprintf(v->text, sizeof v->text, "HTTP %d: %s", p->a->status, said);
	else
		g_snprintf(v->text, sizeof v->text, "HTTP %d: %.120s", p->a->status,
			*said ? said : plain_text(v->class));
	for (char *c = v->text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
}

EvictVerdict evict_classify(const EvictAnswer *a)
{
	EvictVerdict v = { .class = EVICT_UNKNOWN };
	Parts p = take_apart(a);
	const char *cause = cause_message(&p, "DisruptionBudget");
	if (a->answered && a->status >= 200 && a->status < 300)
		v.class = EVICT_ACCEPTED;
	else if (a->answered)
		v.class = class_of_error(&p);
	v.retry_after_sec = MAX(a->retry_after_sec, 0);
	if (v.class == EVICT_BUDGET_LAG && !v.retry_after_sec)
		v.retry_after_sec = LAG_RETRY_SEC;
	if (v.class == EVICT_BUDGET || v.class == EVICT_BUDGET_LAG)
		take_budget_name(cause, v.budget);
	explain(&p, cause, &v);
	return v;
}

const char *evict_class_name(EvictClass c)
{
	static const char *const names[] = { "accepted", "gone", "budget", "budget-lag", "progress",
		"throttled", "shutdown", "two-budgets", "webhook", "transient",
		"namespace-terminating", "forbidden", "credentials", "conflict", "unknown", "bug" };
	return names[c];
}

bool evict_class_is_blocked(EvictClass c)
{
	return c == EVICT_TWO_PDBS || c == EVICT_WEBHOOK || c == EVICT_FORBIDDEN ||
	       c == EVICT_CREDENTIALS || c == EVICT_BUG;
}

int64_t evict_wait_usec(const EvictVerdict *v, unsigned attempt, uint64_t jitter)
{
	const int64_t sec = 1000000;
	if (v->retry_after_sec > 0)
		return v->retry_after_sec * sec;
	if (v->class == EVICT_BUDGET)
		return BUDGET_RETRY_SEC * sec;
	if (v->class == EVICT_PROGRESS || v->class == EVICT_NS_TERMINATING)
		return SLOW_RETRY_SEC * sec;
	int64_t wait = attempt >= 4 ? BACKOFF_MAX_SEC : (int64_t)1 << attempt;
	return wait * sec - (int64_t)(jitter % (uint64_t)(wait * sec / 4));
}
