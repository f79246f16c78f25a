#include "fleet/report.h"
#include "loop/loop.h"
#include "objects/time.h"
#include "plan/doc.h"
#include <string.h>

/* While it is in one of these, something of the cluster is being replaced. */
static const char *const moving[] = { "control-plane", "nodes", "rollback" };

typedef struct Run Run;
typedef struct Cluster {
	Run *run;
	char *name;
	const json_t *entry; /* of the snapshot; borrowed from the run */
	json_t *states, *holds, *gates, *writes; /* as they are shown */
	json_t *moves; /* namespace -> {"pods", "usec"}; NULL: none */
	char *state, *outcome, *why;
	char *target; /* where a way back would lead, or led; NULL: none was offered */
	json_t *hop;
	json_t *observed; /* memo of a cluster that is only observed; NULL: none */
	json_t *lost; /* {"objects", "cut", "note"} by a restore of data; NULL: none */
	int64_t since_usec, began_usec, ended_usec;
	json_t *open; /* holds that stand: cause -> {"reason","by","since"} */
} Cluster;

struct Run {
	int64_t id, began_usec, ended_usec, first_seq, last_seq;
	char *name, *outcome;
	json_t *data; /* the snapshot */
	json_t *plan; /* of the record plan */
	json_t *approvals, *commands;
	GPtrArray *clusters; /* Cluster, in the order of their items */
};

/* An item of the journal: whose records are about what. */
typedef struct Known {
	int64_t id;
	Run *run; /* NULL: none, or one whose beginning was pruned */
	Cluster *cluster;
	bool is_run, is_cluster;
} Known;

struct Report {
	char *fleet;
	GPtrArray *runs; /* Run */
	GHashTable *items; /* id -> Known */
	json_t *plans; /* run name -> body of its record, until its item comes */
};

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

/* ---- life ---- */

static void cluster_free(void *p)
{
	Cluster *c = p;
	json_t *const owned[] = { c->states, c->holds, c->gates, c->writes, c->moves, c->hop,
		c->open, c->observed, c->lost };
	for (size_t i = 0; i < G_N_ELEMENTS(owned); i++)
		json_decref(owned[i]);
	g_free(c->name);
	g_free(c->state);
	g_free(c->outcome);
	g_free(c->why);
	g_free(c->target);
	g_free(c);
}

static void run_free(void *p)
{
	Run *r = p;
	g_ptr_array_unref(r->clusters);
	json_decref(r->data);
	json_decref(r->plan);
	json_decref(r->approvals);
	json_decref(r->commands);
	g_free(r->name);
	g_free(r->outcome);
	g_free(r);
}

Report *report_new(const char *fleet)
{
	Report *r = g_new0(Report, 1);
	r->fleet = g_strdup(fleet);
	r->runs = g_ptr_array_new_with_free_func(run_free);
	r->items = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
	r->plans = json_object();
	return r;
}

void report_free(Report *r)
{
	if (!r)
		return;
	g_hash_table_unref(r->items);
	g_ptr_array_unref(r->runs);
	json_decref(r->plans);
	g_free(r->fleet);
	g_free(r);
}

/* ---- items ---- */

static Known *known(const Report *r, int64_t id)
{
	return g_hash_table_lookup(r->items, &id);
}

static Run *add_run(Report *r, const Record *x, const json_t *body)
{
	Run *run = g_new0(Run, 1);
	const char *hash = strrchr(str(body, "name"), '#');
	*run = (Run){ .id = hash ? g_ascii_strtoll(hash + 1, NULL, 10) : 0,
		.name = g_strdup(str(body, "name")),
		.began_usec = x->wall_usec,
		.first_seq = x->seq,
		.last_seq = x->seq,
		.data = json_incref(json_object_get(body, "data")),
		.plan = json_incref(json_object_get(r->plans, str(body, "name"))),
		.approvals = json_array(),
		.commands = json_array() };
	run->clusters = g_ptr_array_new_with_free_func(cluster_free);
	json_object_del(r->plans, run->name);
	g_ptr_array_add(r->runs, run);
	return run;
}

static Cluster *add_cluster(Run *run, const Record *x, const json_t *body)
{
	Cluster *c = g_new0(Cluster, 1);
	*c = (Cluster){ .run = run,
		.name = g_strdup(str(body, "name")),
		.entry = json_array_get(json_object_get(run->data, "clusters"),
			(size_t)json_path_int(body, "data.index", 0)),
		.states = json_array(),
		.holds = json_array(),
		.gates = json_array(),
		.writes = json_object(),
		.open = json_object(),
		.state = g_strdup(str(body, "state")),
		.since_usec = x->wall_usec };
	g_ptr_array_add(run->clusters, c);
	return c;
}

static void take_item(Report *r, const Record *x, const json_t *body)
{
	const char *kind = str(body, "kind");
	const Known *parent = known(r, json_path_int(body, "parent", 0));
	Known *k = g_new0(Known, 1);
	k->id = json_path_int(body, "item", 0);
	k->is_run = strcmp(kind, "run") == 0;
	k->run = k->is_run ? add_run(r, x, body) : parent ? parent->run : NULL;
	k->is_cluster = k->run && strcmp(kind, "cluster") == 0;
	k->cluster = k->is_cluster ? add_cluster(k->run, x, body) : parent ? parent->cluster : NULL;
	g_hash_table_insert(r->items, &k->id, k);
}

/* ---- times ---- */

static json_t *time_text(int64_t usec)
{
	if (!usec)
		return json_null();
	g_autofree char *text = sl_time_format(usec);
	return json_string(text);
}

static json_t *span(int64_t from, int64_t until)
{
	return json_pack("{s:o, s:o, s:I, s:I, s:I}", "from", time_text(from), "until",
		time_text(until), "seconds", (json_int_t)((until - from) / SL_USEC_PER_SEC),
		"fromUsec", (json_int_t)from, "untilUsec", (json_int_t)until);
}

static void add_bounded(json_t *list, json_t *v)
{
	if (json_array_size(list) < REPORT_LIST_MAX)
		json_array_append_new(list, v);
	else
		json_decref(v);
}

static void close_hold(Cluster *c, const char *cause, const json_t *hold, int64_t now)
{
	json_t *h = span(json_path_int(hold, "since", now), now);
	json_object_set_new(h, "cause", json_string(cause));
	json_object_set_new(h, "reason", json_string(str(hold, "reason")));
	json_object_set_new(h, "by", json_string(str(hold, "by")));
	add_bounded(c->holds, h);
}

/* A move ends all holds but a person's, as in the engine. */
static void close_holds(Cluster *c, bool all, int64_t now)
{
	void *tmp;
	const char *cause;
	json_t *hold;
	json_object_foreach_safe (c->open, tmp, cause, hold) {
		if (!all && strcmp(str(hold, "by"), "person") == 0)
			continue;
		close_hold(c, cause, hold, now);
		json_object_del(c->open, cause);
	}
}

static void close_state(Cluster *c, int64_t now)
{
	json_t *s = span(c->since_usec, now);
	json_object_set_new(s, "state", json_string(c->state));
	add_bounded(c->states, s);
	c->since_usec = now;
}

/* ---- records ---- */

static void take_memo(Cluster *c, const json_t *memo)
{
	const char *outcome = json_path_str(memo, "outcome", NULL);
	json_t *hop = json_object_get(memo, "hop"), *seen = json_object_get(memo, "observed");
	json_t *moves = json_path(memo, "disruption.namespaces");
	const char *target = json_path_str(memo, "offer.target", NULL);
	json_t *lost = json_object_get(memo, "lost");
	if (lost) {
		json_decref(c->lost);
		c->lost = json_incref(lost);
	}
	if (moves) {
		json_decref(c->moves);
		c->moves = json_incref(moves);
	}
	if (seen) {
		json_decref(c->observed);
		c->observed = json_incref(seen);
	}
	if (target) {
		g_free(c->target);
		c->target = g_strdup(target);
	}
	if (outcome) {
		g_free(c->outcome);
		c->outcome = g_strdup(outcome);
	}
	if (json_is_object(hop)) {
		json_t *first = c->hop ? json_object_get(c->hop, "from") : NULL;
		json_t *now = json_copy(hop);
		if (first) /* several hops: from the first to the last */
			json_object_set(now, "from", first);
		json_decref(c->hop);
		c->hop = now;
	}
}

/* Why it did not go up: into a rollback, out of the run before its time, or into the undo of an
 * abort. */
static bool is_reason(const char *from, const char *to)
{
	if (strcmp(to, "rollback") == 0)
		return true;
	if (strcmp(to, "ended") == 0)
		return strcmp(from, "done") != 0 && strcmp(from, "undo") != 0;
	return strcmp(to, "undo") == 0 && strcmp(from, "rolled-back") != 0 &&
	       strcmp(from, "rollback") != 0;
}

static void move_cluster(Cluster *c, const Record *x, const json_t *body)
{
	const char *to = str(body, "to");
	take_memo(c, json_object_get(body, "memo"));
	if (strcmp(to, c->state) == 0)
		return;
	close_state(c, x->wall_usec);
	bool ended = strcmp(to, "ended") == 0;
	close_holds(c, ended, x->wall_usec);
	if (strcmp(c->state, "pending") == 0)
		c->began_usec = ended ? 0 : x->wall_usec;
	if (is_reason(c->state, to)) {
		g_free(c->why);
		c->why = g_strdup(str(body, "why"));
	}
	g_free(c->state);
	c->state = g_strdup(to);
	if (ended)
		c->ended_usec = x->wall_usec;
}

static void take_move(Known *k, const Record *x, const json_t *body)
{
	if (k->is_run && strcmp(str(body, "to"), "ended") == 0) {
		k->run->ended_usec = x->wall_usec;
		g_free(k->run->outcome);
		k->run->outcome = g_strdup(str(body, "memo.outcome"));
	} else if (k->is_cluster) {
		move_cluster(k->cluster, x, body);
	}
}

static void take_hold(Known *k, const Record *x, const json_t *body)
{
	if (!k->is_cluster)
		return;
	const char *cause = str(body, "cause");
	json_t *open = k->cluster->open, *old = json_object_get(open, cause);
	bool ends = strcmp(x->kind, "unhold") == 0;
	if (old)
		close_hold(k->cluster, cause, old, x->wall_usec);
	json_object_del(open, cause);
	if (!ends)
		json_object_set_new(open, cause,
			json_pack("{s:s, s:s, s:I}", "reason", str(body, "reason"), "by",
				str(body, "by"), "since", (json_int_t)x->wall_usec));
}

static json_t *gate_of(Cluster *c, const char *gate)
{
	size_t i;
	json_t *g;
	json_array_foreach (c->gates, i, g)
		if (strcmp(str(g, "gate"), gate) == 0 && strcmp(str(g, "state"), c->state) == 0)
			return g;
	if (json_array_size(c->gates) == REPORT_LIST_MAX)
		return NULL;
	g = json_pack("{s:s, s:s, s:s, s:s, s:i, s:{}, s:s}", "gate", gate, "state", c->state,
		"verdict", "", "text", "", "looks", 0, "verdicts", "evidence", "");
	json_array_append_new(c->gates, g);
	return g;
}

/* Each look, as it stands in the journal, is hashed with the digest before it: the last one stands
 * for all of them. */
static void take_look(Known *k, const Record *x, const json_t *body)
{
	const char *verdict = str(body, "verdict");
	json_t *g = k->is_cluster ? gate_of(k->cluster, str(body, "gate")) : NULL;
	if (!g)
		return;
	json_t *verdicts = json_object_get(g, "verdicts");
	g_autofree char *chained = g_strconcat(str(g, "evidence"), "\n", x->body, NULL);
	g_autofree char *digest = sl_sha256(chained, strlen(chained));
	json_object_set_new(g, "verdict", json_string(verdict));
	json_object_set_new(g, "text", json_string(str(body, "text")));
	json_object_set_new(g, "looks", json_integer(json_path_int(g, "looks", 0) + 1));
	json_object_set_new(
		verdicts, verdict, json_integer(json_path_int(verdicts, verdict, 0) + 1));
	json_object_set_new(g, "evidence", json_string(digest));
}

static void take_result(Known *k, const json_t *body)
{
	const char *row = str(body, "row");
	if (!k->cluster || strcmp(str(body, "class"), "done") != 0)
		return;
	json_t *n = json_object_get(k->cluster->writes, row);
	json_object_set_new(k->cluster->writes, row, json_integer(json_integer_value(n) + 1));
}

/* Who said what; the fields as they stand in the record. */
static void take_words(Known *k, const Record *x, const json_t *body)
{
	static const char *const fields[] = { "verb", "who", "reason", "subject", "about", "wave",
		"reject", "breakGlass", "stands" };
	bool approval = strcmp(x->kind, "approval") == 0;
	if (!k->run)
		return;
	json_t *out =
		json_pack("{s:o, s:I}", "time", time_text(x->wall_usec), "seq", (json_int_t)x->seq);
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		json_t *v = json_object_get(body, fields[i]);
		if (v)
			json_object_set(out, fields[i], v);
	}
	if (k->cluster)
		json_object_set_new(out, "cluster", json_string(k->cluster->name));
	add_bounded(approval ? k->run->approvals : k->run->commands, out);
}

void report_add(Report *r, const Record *x, const json_t *body)
{
	const char *kind = x->kind;
	if (strcmp(kind, "plan") == 0)
		json_object_set(r->plans, str(body, "run"), (json_t *)body);
	else if (strcmp(kind, "item") == 0)
		take_item(r, x, body);
	Known *k = known(r, json_path_int(body, "item", 0));
	if (!k)
		return;
	if (k->run)
		k->run->last_seq = x->seq;
	json_t *memo = json_object_get(body, "memo");
	if (strcmp(kind, "move") == 0)
		take_move(k, x, body);
	else if (memo && k->is_cluster)
		take_memo(k->cluster, memo);
	if (strcmp(kind, "hold") == 0 || strcmp(kind, "unhold") == 0)
		take_hold(k, x, body);
	else if (strcmp(kind, "look") == 0)
		take_look(k, x, body);
	else if (strcmp(kind, "result") == 0)
		take_result(k, body);
	else if (strcmp(kind, "approval") == 0 || strcmp(kind, "command") == 0)
		take_words(k, x, body);
}

/* ---- the report ---- */

static bool is_moving(const char *state)
{
	for (size_t i = 0; i < G_N_ELEMENTS(moving); i++)
		if (strcmp(state, moving[i]) == 0)
			return true;
	return false;
}

/* The states in which something moves, neighbours made one. */
static json_t *outage_of(const Cluster *c)
{
	json_t *out = json_array();
	size_t i;
	json_t *s;
	int64_t from = 0, until = 0;
	json_array_foreach (c->states, i, s) {
		int64_t begins = json_path_int(s, "fromUsec", 0),
			ends = json_path_int(s, "untilUsec", 0);
		if (!is_moving(str(s, "state")) || ends - begins < SL_USEC_PER_SEC)
			continue;
		if (from && begins > until) {
			json_array_append_new(out, span(from, until));
			from = 0;
		}
		from = from ? from : begins;
		until = ends;
	}
	if (from)
		json_array_append_new(out, span(from, until));
	return out;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *disruption_of(const Cluster *c)
{
	json_t *out = json_array();
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	const char *ns;
	json_t *m;
	json_object_foreach (c->moves, ns, m)
		g_ptr_array_add(names, (char *)ns);
	g_ptr_array_sort(names, compare_names);
	for (unsigned i = 0; i < names->len; i++) {
		m = json_object_get(c->moves, names->pdata[i]);
		double minutes = (double)json_path_int(m, "usec", 0) / (60.0 * SL_USEC_PER_SEC);
		json_array_append_new(
			out, json_pack("{s:s, s:I, s:f}", "namespace", names->pdata[i], "pods",
				     (json_int_t)json_path_int(m, "pods", 0), "minutes",
				     (double)(int64_t)(minutes * 100 + 0.5) / 100));
	}
	return out;
}

json_t *report_observed(const json_t *noted)
{
	json_t *out = json_array(), *o;
	size_t i;
	json_array_foreach (noted, i, o)
		json_array_append_new(
			out, json_pack("{s:s, s:o, s:o}", "what", str(o, "what"), "wouldAt",
				     time_text(json_path_int(o, "wouldUsec", 0)), "doneAt",
				     time_text(json_path_int(o, "doneUsec", 0))));
	return out;
}

static const json_t *window_of(const Cluster *c)
{
	const char *name = str(c->entry, "policies.window");
	return json_object_get(json_object_get(c->run->data, "policies"), name);
}

static json_t *cluster_json(const Cluster *c)
{
	const char *version = json_path_str(c->hop, "to", NULL);
	if (g_strcmp0(c->outcome, "RolledBack") == 0)
		version = c->target && *c->target ? c->target : json_path_str(c->hop, "from", NULL);
	return json_pack(
		"{s:s, s:s, s:s, s:s?, s:s?, s:s?, s:s?, s:s, s:s?, s:o, s:o, s:O, s:O, s:O, s:O, "
		"s:o, s:o, s:o, s:s, s:s, s:O?, s:O?, s:O?}",
		"name", c->name, "wave", str(c->entry, "wave"), "service",
		json_path_str(c->entry, "spec.aliases.billing", c->name), "outcome", c->outcome,
		"from", json_path_str(c->hop, "from", NULL), "ordered",
		json_path_str(c->hop, "to", NULL), "version", version, "state", c->state, "why",
		c->why, "began", time_text(c->began_usec), "ended", time_text(c->ended_usec),
		"states", c->states, "holds", c->holds, "gates", c->gates, "writes", c->writes,
		"disruption", disruption_of(c), "outage", outage_of(c), "observed",
		report_observed(c->observed), "provider", str(c->entry, "spec.provider"),
		"timeZone", json_path_str(c->entry, "spec.timeZone", "UTC"), "window", window_of(c),
		"aliases", json_path(c->entry, "spec.aliases"), "lost", c->lost);
}

static const Run *find_run(const Report *r, int64_t id)
{
	for (unsigned i = r->runs->len; i > 0; i--) {
		const Run *run = r->runs->pdata[i - 1];
		if (run->id == id)
			return run;
	}
	return NULL;
}

int64_t report_last_id(const Report *r)
{
	return r->runs->len ? ((const Run *)r->runs->pdata[r->runs->len - 1])->id : 0;
}

static json_t *wave_names(const Run *run)
{
	json_t *out = json_array(), *w;
	size_t i;
	json_array_foreach (json_object_get(run->data, "waves"), i, w)
		json_array_append_new(out, json_string(str(w, "name")));
	return out;
}

json_t *report_run(const Report *r, int64_t id)
{
	const Run *run = find_run(r, id);
	if (!run)
		return NULL;
	json_t *clusters = json_array();
	for (unsigned i = 0; i < run->clusters->len; i++)
		json_array_append_new(clusters, cluster_json(run->clusters->pdata[i]));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s?, s:o, s:o, s:O?, s:O, "
			 "s:O, s:o, s:o, s:{s:I, s:I}}",
		"apiVersion", DOC_API_VERSION, "kind", "RunReport", "fleet", r->fleet, "run",
		run->name, "plan", str(run->data, "plan.name"), "repository",
		str(run->data, "repository"), "commit", str(run->data, "commit"), "digest",
		str(run->plan, "digest"), "orderedBy", str(run->plan, "who"), "outcome",
		run->outcome, "began", time_text(run->began_usec), "ended",
		time_text(run->ended_usec), "target", json_path(run->data, "plan.spec.target"),
		"approvals", run->approvals, "commands", run->commands, "clusters", clusters,
		"waves", wave_names(run), "journal", "first", (json_int_t)run->first_seq, "last",
		(json_int_t)run->last_seq);
}
