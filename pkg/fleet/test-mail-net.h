/* For tests: the transport of a rig whose controller also tells people, and the count of what they
 * should have heard, from the journal's records alone. */
#pragma once
#include "fleet/test-mail.h"

/* ---- one transport for both ---- */

static inline bool mail_is_stored(const Mail *m, const char *key)
{
	g_autofree char *intent = g_strdup_printf("\"key\":\"%s\"", key);
	int64_t act = 0;
	for (size_t i = 0; i < store_mem_len(m->r->disk); i++) {
		const Record *x = store_mem_get(m->r->disk, i);
		g_autoptr(json_t) body = NULL;
		if (strcmp(x->kind, "intent") == 0 && strstr(x->body, intent)) {
			body = json_loads(x->body, 0, NULL);
			act = json_path_int(body, "act", 0);
		} else if (act && strcmp(x->kind, "result") == 0) {
			body = json_loads(x->body, 0, NULL);
			if (json_path_int(body, "act", 0) == act &&
				strcmp(json_path_str(body, "class", ""), "done") == 0)
				return true;
		}
	}
	return false;
}

static inline bool mail_is_for(const HttpRequest *q)
{
	return strstr(q->endpoint->base_url, ".receiver.sim") != NULL;
}

static inline uint64_t mail_request(void *self, const HttpRequest *q, HttpDone *done, void *ud)
{
	Mail *m = self;
	if (!mail_is_for(q))
		return http_request(http_sim_http(sim_fleet_transport(m->r->world)), q, done, ud)
		       << 1;
	m->n_sent++;
	m->n_after_stored += mail_is_stored(m, mail_key_of(q));
	if (!m->first_sent_usec)
		m->first_sent_usec = mail_now(m);
	return http_request(http_sim_http(m->net), q, done, ud) << 1 | 1;
}

static inline uint64_t mail_watch(
	void *self, const HttpRequest *q, HttpLine *line, HttpDone *done, void *ud)
{
	Mail *m = self;
	return http_watch(http_sim_http(sim_fleet_transport(m->r->world)), q, line, done, ud) << 1;
}

static inline void mail_forget(void *self, uint64_t id)
{
	Mail *m = self;
	uint64_t own = id >> 1;
	http_forget(http_sim_http((id & 1) ? m->net : sim_fleet_transport(m->r->world)), &own);
}

static inline HttpFault mail_fault(uint64_t n, const HttpRequest *q, void *ud)
{
	Mail *m = ud;
	return mail_is_bad(m) ? m->fault : HTTP_FAULT_NONE;
}

static inline const HttpEndpoint *mail_endpoint(void *ud, const json_t *notify, GError **err)
{
	return rig_endpoint(ud, json_path_str(notify, "name", ""), "receiver");
}

static inline void mail_key_free(void *p)
{
	MailKey *k = p;
	g_free(k->key);
	g_free(k->body);
	g_free(k);
}

static inline void mail_tune(FleetOptions *o, void *ud)
{
	static const HttpOps ops = { mail_request, mail_watch, mail_forget };
	Mail *m = ud;
	o->http = (Http){ &ops, m };
	o->connect.receiver = mail_endpoint;
	o->notify = m->notify;
}

/* Before the rig is started. */
static inline Mail *mail_new(Rig *r, const json_t *notify)
{
	Mail *m = g_new0(Mail, 1);
	m->r = r;
	m->net = http_sim_new(r->loop, mail_take, NULL, m);
	m->keys = g_ptr_array_new_with_free_func(mail_key_free);
	http_sim_set_faults(m->net, mail_fault, NULL, m);
	m->notify = notify;
	r->tune = mail_tune;
	r->tune_ud = m;
	return m;
}

/* After the rig's fleet was stopped. */
static inline void mail_free(Mail *m)
{
	http_sim_free(m->net);
	g_ptr_array_unref(m->keys);
	g_free(m);
}

/* ---- the oracle: what people had to hear of, from the journal's records alone ---- */

static inline bool mail_is_cause(const Record *x, const json_t *body)
{
	if (strcmp(x->kind, "end") == 0 || json_path_bool(body, "breakGlass", false))
		return true;
	if (strcmp(x->kind, "hold") == 0)
		return strcmp(json_path_str(body, "cluster", ""), NOTICE_SITE) != 0;
	return strcmp(x->kind, "move") == 0 &&
	       strcmp(json_path_str(body, "to", ""), "rollback") == 0 &&
	       strcmp(json_path_str(body, "from", ""), "rollback") != 0;
}

/* Every cause under exactly one key, accepted; no other key; nothing after its stored 2xx. */
static inline char *mail_wrong(const Mail *m, unsigned *ret_n_causes)
{
	unsigned n = 0;
	for (size_t i = 0; i < store_mem_len(m->r->disk); i++) {
		const Record *x = store_mem_get(m->r->disk, i);
		g_autoptr(json_t) body = json_loads(x->body, 0, NULL);
		if (!mail_is_cause(x, body))
			continue;
		n++;
		g_autofree char *part = g_strdup_printf(".%d.", (int)x->seq);
		unsigned n_keys = 0, n_accepted = 0;
		for (unsigned k = 0; k < m->keys->len; k++) {
			const MailKey *key = m->keys->pdata[k];
			n_keys += strstr(key->key, part) != NULL;
			n_accepted += strstr(key->key, part) ? key->n_accepted : 0;
		}
		if (n_keys != 1 || n_accepted == 0)
			return g_strdup_printf("%s %d: %u keys, accepted %u times", x->kind,
				(int)x->seq, n_keys, n_accepted);
	}
	*ret_n_causes = n;
	if (m->keys->len != n)
		return g_strdup_printf("%u keys for %u causes", m->keys->len, n);
	if (m->n_after_stored > 0)
		return g_strdup_printf("%u sent after their stored 2xx", m->n_after_stored);
	return NULL;
}
