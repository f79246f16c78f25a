#include "kube/answer.h"
#include <string.h>

static bool is_status(const json_t *json)
{
	return strcmp(json_path_str(json, "kind", ""), "Status") == 0;
}

bool kube_answer_has_cause(const KubeAnswer *a, const char *reason)
{
	size_t i;
	json_t *c;
	json_array_foreach ((json_t *)a->causes, i, c)
		if (strcmp(json_path_str(c, "reason", ""), reason) == 0)
			return true;
	return false;
}

/* Server texts may hold whole objects. */
static json_t *bounded(const char *text)
{
	g_autofree char *start = g_strndup(text, KUBE_CAUSE_BYTES);
	g_autofree char *valid = g_utf8_make_valid(start, -1);
	return json_string(valid);
}

static json_t *bounded_causes(const json_t *causes)
{
	json_t *list = json_array(), *c;
	size_t i;
	json_array_foreach ((json_t *)causes, i, c) {
		if (i >= KUBE_CAUSES_MAX)
			break;
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:o}", "reason",
				      bounded(json_path_str(c, "reason", "")), "message",
				      bounded(json_path_str(c, "message", "")), "field",
				      bounded(json_path_str(c, "field", ""))));
	}
	return list;
}

/* A person's or a policy's refusal: asking again changes nothing by itself. Webhooks may give it
 * any code. */
static bool is_denial(const KubeAnswer *a)
{
	return (g_str_has_prefix(a->message, "admission webhook \"") &&
		       strstr(a->message, "denied the request")) ||
	       strstr(a->message, "more than one PodDisruptionBudget");
}

/* A 404 counts as "the object is not there" only when the API server says so itself. */
static SlErr code_of_404(const KubeAnswer *a)
{
	if (is_status(a->json))
		return SL_ERR_NOT_FOUND;
	return strstr(a->text, "404 page not found") ? SL_ERR_INVALID : SL_ERR_RETRY;
}

static SlErr code_of_status(const KubeAnswer *a, int status, bool write)
{
	switch (status) {
	case 401:
	case 403:
		return SL_ERR_REFUSED;
	case 404:
		return code_of_404(a);
	case 409:
	case 410:
		return SL_ERR_CONFLICT;
	case 429:
		return kube_answer_has_cause(a, "DisruptionBudget") ? SL_ERR_REFUSED : SL_ERR_RETRY;
	case 408:
		break;
	default:
		if (status >= 400 && status < 500)
			return SL_ERR_INVALID;
	}
	if (is_denial(a))
		return SL_ERR_REFUSED;
	return write ? SL_ERR_UNKNOWN_OUTCOME : SL_ERR_RETRY;
}

static KubeEffect effect_of_status(const KubeAnswer *a, int status)
{
	if (status >= 400 && status < 500 && status != 408)
		return KUBE_NOT_APPLIED;
	return is_denial(a) ? KUBE_NOT_APPLIED : KUBE_UNKNOWN;
}

static char *first_line(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	size_t n = strcspn(valid, "\r\n");
	return g_strndup(valid, MIN(n, KUBE_MESSAGE_BYTES / 2));
}

static char *message_of(const KubeAnswer *a, const HttpAnswer *h)
{
	const char *said = json_path_str(a->json, "message", "");
	if (h->outcome != HTTP_ANSWERED)
		return g_strdup(h->error ? h->error : "no answer");
	if (*said) {
		g_autofree char *start = g_strndup(said, KUBE_MESSAGE_BYTES);
		return g_utf8_make_valid(start, -1);
	}
	if (a->json)
		return g_strdup_printf("status %d without a message", a->status);
	if (h->n_body == 0)
		return g_strdup_printf("status %d with an empty answer", a->status);
	if (h->content_type && strstr(h->content_type, "text/plain"))
		return first_line(h->body);
	return g_strdup_printf("status %d with %s instead of JSON: not the API server's own answer",
		a->status, h->content_type ? h->content_type : "something");
}

static json_t *parse_body(const HttpAnswer *h, JsonLast **last)
{
	const char *p = h->body;
	while (p && g_ascii_isspace(*p))
		p++;
	/* The type may be missing or wrong behind a proxy; what starts like an object is tried. */
	if (h->outcome != HTTP_ANSWERED || !p || *p != '{')
		return NULL;
	json_t *v = last ? json_parse_list(h->body, h->n_body, last, NULL)
			 : json_parse(h->body, h->n_body, NULL);
	if (json_is_object(v))
		return v;
	json_decref(v);
	return NULL;
}

/* A proxy, or an aggregated server, may wrap a failure into 200. */
static int true_status(const KubeAnswer *a)
{
	if (a->status >= 300 || !is_status(a->json) ||
		strcmp(json_path_str(a->json, "status", ""), "Failure") != 0)
		return a->status;
	int64_t code = json_path_int(a->json, "code", 0);
	return code >= 400 && code < 600 ? (int)code : 500;
}

static void judge(KubeAnswer *a, bool write, bool raw)
{
	int status = true_status(a);
	if (a->outcome != HTTP_ANSWERED) {
		bool not_sent = a->outcome == HTTP_NOT_SENT;
		a->effect = write && !not_sent ? KUBE_UNKNOWN : KUBE_NOT_APPLIED;
		a->code = write && !not_sent ? SL_ERR_UNKNOWN_OUTCOME : SL_ERR_RETRY;
		return;
	}
	if (status >= 200 && status < 300 && (a->json || raw)) {
		a->ok = true;
		a->effect = write ? KUBE_APPLIED : KUBE_NOT_APPLIED;
		return;
	}
	a->code = code_of_status(a, status, write);
	a->effect = write ? effect_of_status(a, status) : KUBE_NOT_APPLIED;
}

void kube_answer_init(KubeAnswer *a, const HttpAnswer *h, bool write, bool raw, JsonLast **last)
{
	*a = (KubeAnswer){
		.outcome = h->outcome,
		.status = h->status,
		.json = parse_body(h, last),
		.text = h->body ? h->body : "",
		.retry_after_sec = h->retry_after_sec,
		.content_type = h->content_type,
		.warning = h->warning,
		.audit_id = h->audit_id,
		.etag = h->etag,
		.sent_usec = h->sent_usec,
	};
	bool status = is_status(a->json);
	a->message = a->owned_message = message_of(a, h);
	a->reason = status ? json_path_str(a->json, "reason", "") : "";
	a->causes = status ? json_path(a->json, "details.causes") : NULL;
	int64_t asked = json_path_int(a->json, "details.retryAfterSeconds", -1);
	if (status && a->retry_after_sec < 0)
		a->retry_after_sec = (int)CLAMP(asked, -1, 86400);
	judge(a, write, raw);
}

void kube_answer_init_error(KubeAnswer *a, const GError *err, int status, int64_t now_usec)
{
	char *message = g_strdup(err->message);
	*a = (KubeAnswer){
		.code = (SlErr)err->code,
		.effect = KUBE_NOT_APPLIED,
		.outcome = status ? HTTP_ANSWERED : HTTP_NOT_SENT,
		.status = status,
		.text = "",
		.reason = "",
		.message = message,
		.retry_after_sec = -1,
		.sent_usec = now_usec,
		.owned_message = message,
	};
}

void kube_answer_clear(KubeAnswer *a)
{
	json_decref(a->json);
	g_free(a->owned_message);
	*a = (KubeAnswer){ 0 };
}

bool kube_answer_check(const KubeAnswer *a, const char *what, GError **err)
{
	if (a->ok)
		return true;
	if (a->status)
		return sl_fail(err, a->code, "%s: %d: %s", what, a->status, a->message);
	return sl_fail(err, a->code, "%s: %s", what, a->message);
}

json_t *kube_answer_detail(const KubeAnswer *a)
{
	json_t *d = json_object();
	if (*a->reason)
		json_object_set_new(d, "reason", json_string(a->reason));
	if (!a->ok)
		json_object_set_new(d, "message", json_string(a->message));
	if (a->causes)
		json_object_set_new(d, "causes", bounded_causes(a->causes));
	if (a->warning)
		json_object_set_new(d, "warning", bounded(a->warning));
	return d;
}
