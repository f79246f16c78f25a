#include "fleet/internal.h"
#include "fleet/notice.h"
#include <string.h>

static void label(GString *s, const char *text)
{
	for (; *text; text++)
		if (*text == '"' || *text == '\\')
			g_string_append_printf(s, "\\%c", *text);
		else if (*text == '\n')
			g_string_append(s, "\\n");
		else
			g_string_append_c(s, *text);
}

static void header(GString *s, const char *name, const char *type, const char *help)
{
	g_string_append_printf(s, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void each_cluster(Fleet *f, GString *s, void (*add)(Fleet *f, GString *s, const Item *c))
{
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *run = fleet_nth_run(f, i);
		for (size_t k = 0; run_is_live(run) && k < item_n_children(run); k++)
			add(f, s, item_child(run, k));
	}
}

static void add_state(Fleet *f, GString *s, const Item *c)
{
	for (unsigned st = CL_PENDING; st < CL_MAX; st++) {
		g_string_append(s, "shiplock_cluster_state{cluster=\"");
		label(s, item_name(c));
		g_string_append_printf(s, "\",state=\"%s\"} %d\n", cluster_kind.states[st].name,
			item_state(c) == st);
	}
}

/* Of a cluster, a run, or with neither name the fleet: those that stand for nothing are left out.
 */
static void hold_series(
	Fleet *f, GString *s, const char *what, const char *name, const char *cause, int64_t since)
{
	int64_t sec = (loop_wall_usec(f->o.loop) - since) / SL_USEC_PER_SEC;
	g_string_append(s, "shiplock_hold_seconds{");
	if (what) {
		g_string_append_printf(s, "%s=\"", what);
		label(s, name);
		g_string_append(s, "\",");
	}
	g_string_append_printf(s, "cause=\"%s\"} %" G_GINT64_FORMAT "\n", cause, MAX(sec, 0));
}

static void holds_of(Fleet *f, GString *s, const char *what, const Item *it)
{
	for (size_t i = 0; i < item_n_holds(it); i++) {
		const Hold *h = item_hold(it, i);
		hold_series(f, s, what, item_name(it), h->cause, h->since_wall_usec);
	}
}

static void add_holds(Fleet *f, GString *s, const Item *c)
{
	holds_of(f, s, "cluster", c);
}

/* A run that ended holds whatever would start while nobody has answered its rollback. */
static void add_run_holds(Fleet *f, GString *s)
{
	char text[SCHEDULE_TEXT_MAX];
	holds_of(f, s, NULL, saga_root(f->saga));
	for (size_t i = 0; i < fleet_n_runs(f); i++) {
		const Item *run = fleet_nth_run(f, i);
		if (run_is_live(run))
			holds_of(f, s, "run", run);
		else if (run_stops_fleet(run, text))
			hold_series(f, s, "run", item_name(run), "fleet-stopped",
				item_since_wall_usec(run));
	}
}

static void add_verdicts(Fleet *f, GString *s, const Item *c)
{
	static const char *const verdicts[] = { "PASS", "FAIL", "NODATA", "ERROR" };
	size_t n;
	const Gate *const *gates = cluster_gates(c, &n);
	for (size_t g = 0; g < n; g++) {
		const char *last = NULL;
		size_t i;
		json_t *l;
		json_array_foreach (item_looks(c), i, l)
			if (strcmp(json_path_str(l, "gate", ""), gates[g]->name) == 0)
				last = json_path_str(l, "verdict", NULL);
		for (size_t v = 0; last && v < G_N_ELEMENTS(verdicts); v++) {
			g_string_append(s, "shiplock_gate_verdict{cluster=\"");
			label(s, item_name(c));
			g_string_append_printf(s, "\",gate=\"%s\",verdict=\"%s\"} %d\n",
				gates[g]->name, verdicts[v], strcmp(last, verdicts[v]) == 0);
		}
	}
}

typedef struct {
	const char *row, *class;
	unsigned n;
} ActCount;

static void add_acts(Fleet *f, GString *s, const Item *c)
{
	static const char *const names[] = { [ACT_OPEN] = "open",
		[ACT_DONE] = "done",
		[ACT_ABSENT] = "absent",
		[ACT_REFUSED] = "refused",
		[ACT_FOREIGN] = "foreign",
		[ACT_UNDONE] = "undone" };
	ActCount counts[64];
	size_t n = 0;
	for (size_t i = 0; i < item_n_acts(c); i++) {
		const Act *a = item_act(c, i);
		const char *row = act_row(a)->name, *class = names[act_state(a)];
		size_t k = 0;
		while (k < n && (counts[k].row != row || counts[k].class != class))
			k++;
		if (k == G_N_ELEMENTS(counts))
			break;
		if (k == n)
			counts[n++] = (ActCount){ row, class, 0 };
		counts[k].n++;
	}
	for (size_t k = 0; k < n; k++) {
		g_string_append(s, "shiplock_act_total{cluster=\"");
		label(s, item_name(c));
		g_string_append_printf(s, "\",act=\"%s\",result=\"%s\"} %u\n", counts[k].row,
			counts[k].class, counts[k].n);
	}
}

static void add_ends(Fleet *f, GString *s)
{
	static const char *const ends[] = { "Succeeded", "SucceededWithSkips", "RolledBack",
		"PartiallyRolledBack", "Held", "Aborted", "Refused", "Indeterminate" };
	for (size_t i = 0; i < G_N_ELEMENTS(ends); i++)
		g_string_append_printf(s, "shiplock_run_end_total{end=\"%s\"} %u\n", ends[i],
			GPOINTER_TO_UINT(g_hash_table_lookup(f->ends, ends[i])));
}

static void add_git(Fleet *f, GString *s)
{
	for (unsigned i = 0; i < f->repositories->len; i++) {
		const Repository *r = g_ptr_array_index(f->repositories, i);
		g_string_append(s, "shiplock_git_age_seconds{repository=\"");
		label(s, r->name);
		g_string_append_printf(s, "\"} %" G_GINT64_FORMAT "\n",
			(loop_wall_usec(f->o.loop) - r->looked_usec) / SL_USEC_PER_SEC);
	}
}

char *fleet_metrics(Fleet *f)
{
	GString *s = g_string_new(NULL);
	header(s, "shiplock_cluster_state", "gauge",
		"1 for the state that a cluster of a live run is in.");
	each_cluster(f, s, add_state);
	header(s, "shiplock_hold_seconds", "gauge",
		"How long a cluster, a run or (without either) the fleet is held, by cause.");
	each_cluster(f, s, add_holds);
	add_run_holds(f, s);
	header(s, "shiplock_gate_verdict", "gauge",
		"1 for the newest verdict of a gate in the present state.");
	each_cluster(f, s, add_verdicts);
	header(s, "shiplock_act_total", "counter", "Acts on the cluster itself, by result.");
	each_cluster(f, s, add_acts);
	header(s, "shiplock_run_end_total", "counter", "Runs that ended, by outcome.");
	add_ends(f, s);
	header(s, "shiplock_git_age_seconds", "gauge",
		"Seconds since the repository was last read well.");
	add_git(f, s);
	notices_metrics(f->notices, s);
	header(s, "shiplock_journal_writable", "gauge", "1 while the journal takes records.");
	g_string_append_printf(s, "shiplock_journal_writable %d\n", f->writable);
	header(s, "shiplock_build_info", "gauge", "The version that runs.");
	g_string_append(s, "shiplock_build_info{version=\"" SL_VERSION "\"} 1\n");
	return g_string_free(s, FALSE);
}
