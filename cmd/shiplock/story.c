#include "story.h"
#include "objects/time.h"
#include <string.h>

/* The states that are reported, in order; rollback only where it happened. */
static const char *const states[] = { "preflight", "claim", "baseline", "evacuate", "backup",
	"control-plane", "cp-verify", "cp-soak", "nodes", "verify", "soak", "done", "rollback" };
enum { N_STATES = G_N_ELEMENTS(states) };

typedef struct Gate {
	char *name, *verdict, *text; /* the newest; verdict NULL: not looked at */
} Gate;

typedef struct Cluster {
	char *name;
	bool reached[N_STATES];
	double seconds[N_STATES];
	int at; /* index of the state it is in, -1: none of these */
	int64_t since_usec;
	char *why; /* of the last move */
	GPtrArray *gates; /* Gate */
} Cluster;

struct Story {
	GPtrArray *clusters; /* Cluster, in the order of the plan, then of their appearance */
};

static const char *str(const json_t *v, const char *path)
{
	return json_path_str(v, path, "");
}

static void gate_free(void *p)
{
	Gate *g = p;
	g_free(g->name);
	g_free(g->verdict);
	g_free(g->text);
	g_free(g);
}

static void cluster_free(void *p)
{
	Cluster *c = p;
	g_free(c->name);
	g_free(c->why);
	g_ptr_array_unref(c->gates);
	g_free(c);
}

static Cluster *cluster_get(Story *s, const char *name)
{
	for (unsigned i = 0; i < s->clusters->len; i++) {
		Cluster *c = s->clusters->pdata[i];
		if (strcmp(c->name, name) == 0)
			return c;
	}
	Cluster *c = g_new0(Cluster, 1);
	c->name = g_strdup(name);
	c->at = -1;
	c->gates = g_ptr_array_new_with_free_func(gate_free);
	g_ptr_array_add(s->clusters, c);
	return c;
}

static Gate *gate_get(Cluster *c, const char *name)
{
	for (unsigned i = 0; i < c->gates->len; i++) {
		Gate *g = c->gates->pdata[i];
		if (strcmp(g->name, name) == 0)
			return g;
	}
	Gate *g = g_new0(Gate, 1);
	g->name = g_strdup(name);
	g_ptr_array_add(c->gates, g);
	return g;
}

static void take_cluster(Story *s, const json_t *snapshot, const json_t *entry)
{
	Cluster *c = cluster_get(s, str(entry, "name"));
	const json_t *policies = json_object_get(snapshot, "policies");
	const json_t *policy = json_object_get(policies, str(entry, "policies.gates"));
	size_t i;
	json_t *gate;
	json_array_foreach (json_object_get(policy, "gates"), i, gate)
		gate_get(c, str(gate, "name"));
}

Story *story_new(const json_t *snapshot)
{
	Story *s = g_new0(Story, 1);
	s->clusters = g_ptr_array_new_with_free_func(cluster_free);
	size_t i;
	json_t *entry;
	json_array_foreach (json_object_get(snapshot, "clusters"), i, entry)
		take_cluster(s, snapshot, entry);
	return s;
}

void story_free(Story *s)
{
	if (!s)
		return;
	g_ptr_array_unref(s->clusters);
	g_free(s);
}

static int state_index(const char *name)
{
	for (int i = 0; i < (int)N_STATES; i++)
		if (strcmp(states[i], name) == 0)
			return i;
	return -1;
}

static void take_move(Story *s, const json_t *e)
{
	Cluster *c = cluster_get(s, str(e, "cluster"));
	const char *to = str(e, "body.to");
	int64_t now = 0;
	/* Its nodes and pods move too, in states of their own. */
	if (strcmp(to, str(e, "state")) != 0 || !sl_time_parse(str(e, "time"), &now))
		return;
	if (c->at >= 0)
		c->seconds[c->at] += (double)MAX(now - c->since_usec, 0) / 1e6;
	c->since_usec = now;
	c->at = state_index(to);
	if (c->at >= 0)
		c->reached[c->at] = true;
	g_free(c->why);
	c->why = g_strdup(str(e, "body.why"));
}

/* True: the verdict is another than that of the look before. */
static bool take_look(Story *s, const json_t *e)
{
	Cluster *c = cluster_get(s, str(e, "cluster"));
	Gate *g = gate_get(c, str(e, "body.gate"));
	const char *verdict = str(e, "body.verdict");
	bool fresh = g_strcmp0(g->verdict, verdict) != 0;
	g_free(g->verdict);
	g_free(g->text);
	g->verdict = g_strdup(verdict);
	g->text = g_strdup(str(e, "body.text"));
	return fresh || strcmp(verdict, "PASS") != 0;
}

bool story_add(Story *s, const json_t *e)
{
	static const char *const quiet[] = { "item", "note", "epoch", "intent", "result" };
	const char *type = str(e, "type");
	if (strcmp(type, "look") == 0 && *str(e, "cluster"))
		return take_look(s, e);
	if (strcmp(type, "move") == 0 && *str(e, "cluster"))
		take_move(s, e);
	for (size_t i = 0; i < G_N_ELEMENTS(quiet); i++)
		if (strcmp(type, quiet[i]) == 0)
			return strcmp(str(e, "body.class"), "refused") == 0;
	return true;
}

/* ---- JUnit ---- */

typedef struct Suite {
	GString *cases;
	int n, failures, errors, skipped;
	double seconds;
} Suite;

static char *xml(const char *text)
{
	g_autofree char *copy = g_utf8_make_valid(text, -1);
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p < 0x20)
			*p = ' ';
	return g_markup_escape_text(copy, -1);
}

typedef enum { CASE_PASSED, CASE_FAILED, CASE_ERROR, CASE_SKIPPED } CaseEnd;

static void add_case(Suite *s, const char *class, const char *name, double seconds, CaseEnd end,
	const char *text)
{
	static const char *const tags[] = { "", "failure", "error", "skipped" };
	g_autofree char *c = xml(class), *n = xml(name), *t = xml(text ? text : "");
	g_string_append_printf(s->cases, "    <testcase classname=\"%s\" name=\"%s\" time=\"%.3f\"",
		c, n, seconds);
	if (end == CASE_PASSED)
		g_string_append(s->cases, "/>\n");
	else
		g_string_append_printf(
			s->cases, "><%s message=\"%s\"/></testcase>\n", tags[end], t);
	s->n++;
	s->failures += end == CASE_FAILED;
	s->errors += end == CASE_ERROR;
	s->skipped += end == CASE_SKIPPED;
	s->seconds += seconds;
}

static const json_t *cluster_of_run(const json_t *run, const char *name)
{
	size_t i;
	json_t *c;
	json_array_foreach (json_object_get(run, "clusters"), i, c)
		if (strcmp(str(c, "name"), name) == 0)
			return c;
	return NULL;
}

/* The state in which it went wrong, or still stands: the last one reached before the rollback. */
static int last_state(const Cluster *c)
{
	int last = -1;
	for (int i = 0; i + 1 < (int)N_STATES; i++)
		if (c->reached[i])
			last = i;
	return last;
}

static void add_states(Suite *s, const Cluster *c, const json_t *entry)
{
	g_autofree char *class = g_strconcat(c->name, ".state", NULL);
	const char *outcome = json_path_str(entry, "outcome", NULL);
	bool good = outcome && g_str_has_prefix(outcome, "Succeeded");
	int last = last_state(c);
	for (int i = 0; i < (int)N_STATES; i++) {
		bool rollback = strcmp(states[i], "rollback") == 0;
		if (rollback && !c->reached[i])
			continue;
		CaseEnd end = !c->reached[i] ? CASE_SKIPPED : CASE_PASSED;
		const char *text = end == CASE_SKIPPED ? "not reached" : NULL;
		if (i == last && !good) {
			end = outcome ? CASE_FAILED : CASE_ERROR;
			text = outcome ? c->why : str(entry, "now");
		}
		add_case(s, class, states[i], c->seconds[i], end, text);
	}
}

static void add_gates(Suite *s, const Cluster *c)
{
	g_autofree char *class = g_strconcat(c->name, ".gate", NULL);
	for (unsigned i = 0; i < c->gates->len; i++) {
		const Gate *g = c->gates->pdata[i];
		CaseEnd end = !g->verdict                       ? CASE_SKIPPED
			      : strcmp(g->verdict, "PASS") == 0 ? CASE_PASSED
			      : strcmp(g->verdict, "FAIL") == 0 ? CASE_FAILED
								: CASE_ERROR;
		add_case(s, class, g->name, 0, end, g->verdict ? g->text : "not reached");
	}
}

/* A suite of its own, so that nobody overlooks them: each is a warning, not a failure. */
static void add_glass(GString *out, const json_t *run)
{
	const json_t *list = json_object_get(run, "glass");
	size_t i;
	json_t *g;
	if (json_array_size(list) == 0)
		return;
	g_string_append_printf(out,
		"  <testsuite name=\"GLASS BROKEN\" tests=\"%zu\" failures=\"0\" errors=\"0\" "
		"skipped=\"0\" time=\"0.000\">\n",
		json_array_size(list));
	json_array_foreach (list, i, g) {
		g_autofree char *about = xml(str(g, "about")), *who = xml(str(g, "who"));
		g_autofree char *reason = xml(str(g, "reason"));
		g_string_append_printf(out,
			"    <testcase classname=\"approval\" name=\"%s %s\" time=\"0.000\">"
			"<system-err>GLASS BROKEN by %s at %s: %s</system-err></testcase>\n",
			str(g, "subject"), about, who, str(g, "at"), reason);
	}
	g_string_append(out, "  </testsuite>\n");
}

char *story_junit(const Story *story, const json_t *run)
{
	GString *out = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	g_autofree char *name = xml(str(run, "name"));
	g_string_append_printf(out, "<testsuites name=\"%s\">\n", name);
	for (unsigned i = 0; i < story->clusters->len; i++) {
		const Cluster *c = story->clusters->pdata[i];
		g_autofree char *suite = xml(c->name);
		Suite s = { .cases = g_string_new("") };
		add_states(&s, c, cluster_of_run(run, c->name));
		add_gates(&s, c);
		g_string_append_printf(out,
			"  <testsuite name=\"%s\" tests=\"%d\" failures=\"%d\" errors=\"%d\" "
			"skipped=\"%d\" time=\"%.3f\">\n%s  </testsuite>\n",
			suite, s.n, s.failures, s.errors, s.skipped, s.seconds, s.cases->str);
		g_string_free(s.cases, TRUE);
	}
	add_glass(out, run);
	g_string_append(out, "</testsuites>\n");
	return g_string_free(out, false);
}
