/* The API on the Unix socket: who asks is known from the socket's peer. */
#include "codec/json.h"
#include "daemon.h"
#include "objects/time.h"
#include "plan/doc.h"
#include <string.h>

enum { MAX_PARTS = 8, AUDIT_PAGE = 1000, REASON_MAX_BYTES = 4096 };

typedef struct Call {
	Daemon *d;
	WebRequest *r;
	unsigned roles;
	const char *parts[MAX_PARTS]; /* of the path, after /v1 */
	size_t n_parts;
	json_t *body; /* of a POST; never NULL there */
} Call;

static void not_found(const Call *c, const char *what, const char *name)
{
	g_autofree char *text = g_strdup_printf("there is no %s %s in any run", what, name);
	web_problem(c->r, 404, text, NULL);
}

/* Takes v; NULL: not found. */
static void answer(const Call *c, json_t *v, const char *what, const char *name)
{
	if (v)
		web_answer_json(c->r, 200, v);
	else
		not_found(c, what, name);
	json_decref(v);
}

static int64_t number(const char *text, int64_t def)
{
	char *end = NULL;
	int64_t v = text ? g_ascii_strtoll(text, &end, 10) : def;
	return text && (end == text || *end || v < 0) ? def : v;
}

/* ---- looking ---- */

static void get_status(Call *c)
{
	json_t *v = fleet_status(c->d->fleet);
	int64_t up = loop_boot_usec(c->d->loop) - c->d->started_usec;
	json_object_set_new(v, "journalWritable", json_boolean(daemon_writable(c->d)));
	json_object_set_new(v, "upSeconds", json_integer((json_int_t)(up / SL_USEC_PER_SEC)));
	answer(c, v, "status", "");
}

static void get_runs(Call *c)
{
	json_t *v = json_pack("{s:o}", "runs", fleet_runs(c->d->fleet));
	answer(c, v, "runs", "");
}

static void get_run(Call *c)
{
	answer(c, fleet_run(c->d->fleet, number(c->parts[1], -1)), "run", c->parts[1]);
}

static void get_run_why(Call *c)
{
	answer(c, fleet_why_run(c->d->fleet, number(c->parts[1], -1)), "run", c->parts[1]);
}

static void get_run_report(Call *c)
{
	answer(c, fleet_report(c->d->fleet, number(c->parts[1], -1)), "run", c->parts[1]);
}

static void get_cluster(Call *c)
{
	answer(c, fleet_cluster(c->d->fleet, c->parts[1]), "cluster", c->parts[1]);
}

static void get_cluster_why(Call *c)
{
	answer(c, fleet_why(c->d->fleet, c->parts[1], NULL), "cluster", c->parts[1]);
}

static void get_node_why(Call *c)
{
	answer(c, fleet_why(c->d->fleet, c->parts[1], c->parts[3]), "node", c->parts[3]);
}

static void get_lengths(Call *c)
{
	answer(c, json_pack("{s:o}", "clusters", fleet_lengths(c->d->fleet)), "lengths", "");
}

static void get_version(Call *c)
{
	answer(c,
		json_pack("{s:s,s:s,s:s}", "version", SL_VERSION, "fleet", c->d->config->name,
			"state", config_state(c->d->config)),
		"version", "");
}

static void get_order(Call *c)
{
	orders_answer(c->d->orders, c->r, number(c->parts[1], -1));
}

static void get_events(Call *c)
{
	const char *after = web_query(c->r, "after");
	const char *last = web_header(c->r, "Last-Event-ID");
	feed_stream(c->d->feed, c->r, number(last ? last : after, -1));
}

typedef struct Page {
	json_t *records;
	int64_t last;
	size_t left;
} Page;

static bool add_record(const Record *r, void *ud)
{
	Page *p = ud;
	if (p->left-- == 0)
		return false;
	g_autoptr(json_t) body = json_parse(r->body, strlen(r->body), NULL);
	g_autofree char *time = sl_time_format_micro(r->wall_usec);
	json_array_append_new(p->records, json_pack("{s:I,s:s,s:s,s:O?}", "seq", (json_int_t)r->seq,
						  "time", time, "kind", r->kind, "body", body));
	p->last = r->seq;
	return true;
}

static void get_audit(Call *c)
{
	g_autoptr(GError) err = NULL;
	int64_t after = number(web_query(c->r, "after"), 0);
	g_autoptr(json_t) records = json_array();
	int64_t limit = number(web_query(c->r, "limit"), AUDIT_PAGE);
	Page p = { records, after, (size_t)CLAMP(limit, 1, AUDIT_PAGE) };
	Store store = store_sqlite_store(c->d->store);
	if (!store.ops->replay(store.self, after, add_record, &p, &err)) {
		web_problem(c->r, 500, err->message, NULL);
		return;
	}
	g_autoptr(json_t) v = json_pack("{s:s,s:s,s:O,s:I,s:I}", "apiVersion", DOC_API_VERSION,
		"kind", "AuditPage", "records", records, "next", (json_int_t)p.last, "last",
		(json_int_t)fleet_seq(c->d->fleet));
	web_answer_json(c->r, 200, v);
}

/* ---- orders ---- */

static const char *text_of(const Call *c, const char *key)
{
	return json_path_str(c->body, key, NULL);
}

/* A screen that is stale must not act: 409 with what it is now. */
static bool is_stale(Call *c, const char *cluster)
{
	const char *want = text_of(c, "expect.state");
	g_autoptr(json_t) now = cluster ? fleet_cluster(c->d->fleet, cluster) : NULL;
	if (cluster && !now) {
		not_found(c, "cluster", cluster);
		return true;
	}
	const char *is = json_path_str(now, "state", "");
	int64_t seen = json_path_int(c->body, "expect.seq", 0), seq = json_path_int(now, "seq", 0);
	bool other = want && strcmp(want, is) != 0;
	if (!cluster || (!other && (seen <= 0 || seq <= seen)))
		return false;
	g_autofree char *text =
		other ? g_strdup_printf("%s is in %s now, not in %s: look again", cluster, is, want)
		      : g_strdup_printf("%s is not as it was seen, since record %" G_GINT64_FORMAT
					": look again",
				cluster, seq);
	g_autoptr(json_t) more = json_pack("{s:O}", "now", now);
	web_problem(c->r, 409, text, more);
	return true;
}

static bool lacks_something(Call *c, const char *verb, const char *cluster)
{
	const char *text = NULL;
	const char *reason = text_of(c, "reason");
	if (reason && strlen(reason) > REASON_MAX_BYTES)
		text = "the reason is too long";
	else if (strcmp(verb, "rollback") == 0 && g_strcmp0(text_of(c, "confirm"), cluster) != 0)
		text = "rollback needs the cluster's name in \"confirm\"";
	else if (strcmp(verb, "takeover") == 0 && g_strcmp0(text_of(c, "confirm"), cluster) != 0)
		text = "takeover needs the cluster's name in \"confirm\"";
	else if (strcmp(verb, "skip") == 0 && (!reason || !*reason))
		text = "skip needs a \"reason\"";
	else if ((json_path_bool(c->body, "reject", false) ||
			 json_path_bool(c->body, "breakGlass", false)) &&
		 (!reason || !*reason))
		text = "\"reject\" and \"breakGlass\" need a \"reason\"";
	if (text)
		web_problem(c->r, 422, text, NULL);
	return text != NULL;
}

static void give_order(Call *c, const char *verb, const char *cluster)
{
	if (lacks_something(c, verb, cluster))
		return;
	g_autofree char *who = roles_login(web_peer(c->r));
	FleetCommand cmd = { .verb = verb,
		.cluster = cluster,
		.who = who,
		.reason = text_of(c, "reason"),
		.gate = text_of(c, "gate"),
		.node = text_of(c, "node"),
		.subject = text_of(c, "subject"),
		.digest = text_of(c, "expect.digest"),
		.reject = json_path_bool(c->body, "reject", false),
		.break_glass = json_path_bool(c->body, "breakGlass", false),
		.uid = web_peer(c->r)->uid,
		.confirm = text_of(c, "confirm"),
		.expect_state = text_of(c, "expect.state"),
		.expect_seq = json_path_int(c->body, "expect.seq", 0) };
	Order *order = order_new(c->d->orders);
	fleet_command(c->d->fleet, &cmd, order_reply, order);
	order_accepted(order, c->r);
}

static void post_fleet(Call *c)
{
	give_order(c, c->parts[0], NULL);
}

static void post_cluster(Call *c)
{
	if (!is_stale(c, c->parts[1]))
		give_order(c, c->parts[2], c->parts[1]);
}

/* Of a cluster that no run of this journal need know. */
static void post_takeover(Call *c)
{
	g_autoptr(json_t) known = fleet_cluster(c->d->fleet, c->parts[1]);
	if (!known || !is_stale(c, c->parts[1]))
		give_order(c, c->parts[2], c->parts[1]);
}

static void post_run(Call *c)
{
	g_autofree char *who = roles_login(web_peer(c->r));
	Order *order = order_new(c->d->orders);
	submit_plan(c->d->submissions, c->body, who, c->roles & ROLE_OWNER, order);
	order_accepted(order, c->r);
}

/* ---- routes ---- */

static const struct Route {
	const char *method, *path; /* a * stands for one part */
	Role role;
	void (*run)(Call *c);
} routes[] = {
	{ "GET", "status", ROLE_READ, get_status },
	{ "GET", "runs", ROLE_READ, get_runs },
	{ "GET", "runs/*", ROLE_READ, get_run },
	{ "GET", "runs/*/why", ROLE_READ, get_run_why },
	{ "GET", "runs/*/report", ROLE_READ, get_run_report },
	{ "GET", "clusters/*", ROLE_READ, get_cluster },
	{ "GET", "clusters/*/why", ROLE_READ, get_cluster_why },
	{ "GET", "clusters/*/nodes/*/why", ROLE_READ, get_node_why },
	{ "GET", "audit", ROLE_READ, get_audit },
	{ "GET", "events", ROLE_READ, get_events },
	{ "GET", "orders/*", ROLE_READ, get_order },
	{ "GET", "lengths", ROLE_READ, get_lengths },
	{ "GET", "version", ROLE_READ, get_version },
	{ "POST", "runs", ROLE_OPERATE, post_run },
	{ "POST", "pause", ROLE_OPERATE, post_fleet },
	{ "POST", "resume", ROLE_OPERATE, post_fleet },
	{ "POST", "clusters/*/pause", ROLE_OPERATE, post_cluster },
	{ "POST", "clusters/*/resume", ROLE_OPERATE, post_cluster },
	{ "POST", "clusters/*/approve", ROLE_APPROVE, post_cluster },
	{ "POST", "clusters/*/abort", ROLE_OPERATE, post_cluster },
	{ "POST", "clusters/*/rollback", ROLE_OPERATE, post_cluster },
	{ "POST", "clusters/*/retry", ROLE_OPERATE, post_cluster },
	{ "POST", "clusters/*/skip", ROLE_OPERATE, post_cluster },
	{ "POST", "clusters/*/takeover", ROLE_OPERATE, post_takeover },
};

static bool path_fits(const Call *c, const char *pattern)
{
	g_auto(GStrv) want = g_strsplit(pattern, "/", -1);
	if (g_strv_length(want) != c->n_parts)
		return false;
	for (size_t i = 0; i < c->n_parts; i++)
		if (strcmp(want[i], "*") != 0 && strcmp(want[i], c->parts[i]) != 0)
			return false;
	return true;
}

static const struct Route *find_route(const Call *c, bool *ret_other_method)
{
	for (size_t i = 0; i < G_N_ELEMENTS(routes); i++) {
		if (!path_fits(c, routes[i].path))
			continue;
		if (strcmp(routes[i].method, web_method(c->r)) == 0)
			return &routes[i];
		*ret_other_method = true;
	}
	return NULL;
}

static bool may(Call *c, const struct Route *route)
{
	if (c->roles & route->role)
		return true;
	g_autofree char *who = roles_login(web_peer(c->r));
	g_autofree char *text = g_strdup_printf("%s may not: it needs the role %s; spec.roles of "
						"the ControllerConfig names its groups",
		who, role_name(route->role));
	web_problem(c->r, 403, text, NULL);
	return false;
}

/* An absent body counts as {}. */
static bool take_body(Call *c)
{
	g_autoptr(GError) err = NULL;
	size_t len = 0;
	const char *text = web_body(c->r, &len);
	c->body = len ? json_parse(text, len, &err) : json_object();
	if (json_is_object(c->body))
		return true;
	web_problem(c->r, 400, err ? err->message : "the body is no JSON object", NULL);
	return false;
}

static void split_path(Call *c, char **parts)
{
	for (; parts[c->n_parts] && c->n_parts < MAX_PARTS; c->n_parts++)
		c->parts[c->n_parts] = parts[c->n_parts];
}

void api_handle(WebRequest *r, void *ud)
{
	Call c = { .d = ud, .r = r };
	const char *path = web_path(r);
	bool v1 = g_str_has_prefix(path, "/v1/"), other_method = false;
	g_auto(GStrv) parts = g_strsplit(v1 ? path + strlen("/v1/") : "", "/", MAX_PARTS);
	split_path(&c, parts);
	c.roles = roles_of(c.d->roles, web_peer(r));
	const struct Route *route = v1 ? find_route(&c, &other_method) : NULL;
	if (!route)
		web_problem(r, other_method ? 405 : 404,
			other_method ? "not by this method" : "there is nothing at this path",
			NULL);
	else if (may(&c, route) && (strcmp(route->method, "GET") == 0 || take_body(&c)))
		route->run(&c);
	json_decref(c.body);
}
