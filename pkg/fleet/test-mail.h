/* For tests: receivers of notices beside the simulated fleet, with a transport of their own, and
 * the count of what reached them by key. */
#pragma once
#include "fleet/notice.h"
#include "fleet/test-outside.h"

enum { MAIL_UP, MAIL_REFUSES, MAIL_STATUS };

/* One key, as its receiver saw it. */
typedef struct MailKey {
	char *key;
	unsigned n_arrived,
		n_accepted; /* accepted: answered 2xx, whether or not that got through */
	char *body; /* of the last */
} MailKey;

typedef struct Mail {
	Rig *r;
	HttpSim *net;
	const json_t *notify; /* receivers; NULL: nobody is told */
	GPtrArray *keys; /* MailKey, in order of arrival */
	unsigned n_sent;
	int64_t first_sent_usec; /* boot time; 0: nothing was sent yet */
	int64_t first_accepted_usec;
	/* How it behaves for so long after the first request reached it or was refused. */
	int64_t for_usec;
	HttpFault fault;
	int status; /* 0: 200 */
	int retry_after_sec;
	unsigned n_after_stored; /* sent although its 2xx was stored */
	const char *poison; /* a notice with this in its body is always answered 400 */
} Mail;

static inline MailKey *mail_key(Mail *m, const char *key)
{
	for (unsigned i = 0; i < m->keys->len; i++) {
		MailKey *k = m->keys->pdata[i];
		if (strcmp(k->key, key) == 0)
			return k;
	}
	MailKey *k = g_new0(MailKey, 1);
	k->key = g_strdup(key);
	g_ptr_array_add(m->keys, k);
	return k;
}

static inline const char *mail_key_of(const HttpRequest *q)
{
	for (size_t i = 0; i < q->n_headers; i++)
		if (strcmp(q->headers[i].name, "Idempotency-Key") == 0)
			return q->headers[i].value;
	g_error("a notice without Idempotency-Key");
}

static inline int64_t mail_now(const Mail *m)
{
	return loop_boot_usec(loop_sim_loop(m->r->loop));
}

static inline bool mail_is_bad(const Mail *m)
{
	return m->first_sent_usec && mail_now(m) < m->first_sent_usec + m->for_usec;
}

static inline HttpSimAnswer mail_take(const HttpRequest *q, void *ud)
{
	Mail *m = ud;
	MailKey *k = mail_key(m, mail_key_of(q));
	bool poison = m->poison && g_strstr_len(q->body, (gssize)q->n_body, m->poison);
	int status = poison ? 400 : mail_is_bad(m) && m->status ? m->status : 200;
	g_free(k->body);
	k->body = g_strndup(q->body, q->n_body);
	k->n_arrived++;
	k->n_accepted += status == 200;
	if (status == 200 && !m->first_accepted_usec)
		m->first_accepted_usec = mail_now(m);
	return (HttpSimAnswer){ .status = status,
		.body = g_strdup("ok"),
		.content_type = "text/plain",
		.retry_after_sec = m->retry_after_sec };
}
