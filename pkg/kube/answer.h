/* What an answer of an API server means. Pure. Sources: the API conventions (Status), and the
 * measured behaviour of real servers: what may stand between us and them is a proxy that speaks
 * HTML. */
#pragma once
#include "codec/json.h"
#include "http/http.h"

/* What became of a write. A request other than GET, asked with any answer. */
typedef enum {
	KUBE_APPLIED, /* 2xx with the server's own object */
	KUBE_NOT_APPLIED, /* not sent, or refused by 4xx other than 408 */
	KUBE_UNKNOWN, /* everything else, 5xx included: observe first */
} KubeEffect;

enum { KUBE_MESSAGE_BYTES = 1024, KUBE_CAUSE_BYTES = 256, KUBE_CAUSES_MAX = 16 };

/* Borrowed for the duration of a completion; json may be kept with json_incref(). */
typedef struct KubeAnswer {
	bool ok; /* 2xx, and an object where one was expected */
	SlErr code; /* where !ok: what to do next */
	KubeEffect effect; /* of a write; NOT_APPLIED for reads */
	HttpOutcome outcome;
	int status; /* 0: none came */
	json_t *json; /* NULL when the body was no JSON object */
	const char *text; /* the body as it came */
	const char *reason; /* of the Status, "" when there is none */
	const char *message; /* the server's own words, else ours; at most KUBE_MESSAGE_BYTES */
	const json_t *causes; /* of the Status: [{reason, message, field}], or NULL */
	int retry_after_sec; /* header or details.retryAfterSeconds, -1 when neither */
	const char *content_type, *warning, *audit_id, *etag; /* NULL when not given */
	int64_t sent_usec; /* boot time when the (last) request was handed over */
	char *owned_message; /* private */
} KubeAnswer;

/* raw: the answer may be text (health endpoints). The strings are borrowed from h. last: of the
 * same list, see json_parse_list(); NULL: none. */
void kube_answer_init(KubeAnswer *a, const HttpAnswer *h, bool write, bool raw, JsonLast **last);
void kube_answer_clear(KubeAnswer *a);
/* One that we give ourselves, without any request: NOT_SENT with this error. */
void kube_answer_init_error(KubeAnswer *a, const GError *err, int status, int64_t now_usec);

/* Sets err from an answer that is not ok, as "what: message"; returns a->ok. */
bool kube_answer_check(const KubeAnswer *a, const char *what, GError **err);
/* True when a cause has this reason ("DisruptionBudget", "NamespaceTerminating" ...). */
bool kube_answer_has_cause(const KubeAnswer *a, const char *reason);
/* {"reason","message","causes","warning"} for the journal, bounded, without empty ones. New
 * reference. */
json_t *kube_answer_detail(const KubeAnswer *a);
