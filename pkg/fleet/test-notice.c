/* Telling people: one plan that asks for an approval, is paused by a person, fails a gate, rolls
 * back and ends, with a receiver that is away, slow, wrong or forgetful, and with the controller
 * killed at every batch and request that concerns a notice. Counted at the receiver, by key,
 * against the causes in the journal. By default the points of the notices themselves; `-m slow`:
 * all. */
#include "fleet/test-mail-net.h"

#define DOCUMENTS_WITH(approval)                                                                   \
	HEAD("GatePolicy", "few")                                                                  \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, verify], invariant: clusterOperators}\n"        \
	"    - {name: errors, when: [cp-soak], onFail: rollback, interval: 20s, query: "           \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3}\n" HEAD("ApprovalPolicy", "yes") approval CLUSTER("a")           \
		PLAN_WITH("up",                                                                    \
			"[{name: one, clusters: {names: [a]}, cpSoak: 10m, soak: 30s, "            \
			"approval: yes}]",                                                         \
			"  policies: {gates: few}\n")
#define DOCUMENTS DOCUMENTS_WITH("spec: {}\n")
#define GLASS                                                                                      \
	DOCUMENTS_WITH("spec: {quorum: 2, groups: [{name: p, users: [ann, bob], need: 2}], "       \
		       "breakGlass: {groups: [p]}}\n")
#define CHAT                                                                                       \
	"[{\"name\": \"chat\", \"url\": {\"env\": \"U\"}, \"on\": [\"hold\", \"rollback\", "       \
	"\"end\", \"approval\"], \"body\": {\"text\": \"{{event}} {{cluster}} in {{state}} of "    \
	"{{run}}: {{reason}} ({{next}})\"}}]"
enum { N_CAUSES = 4, RESTART_USEC = 2000000, TICK_USEC = 5000000, HOUR = 3600 };

typedef struct Point {
	bool on_request; /* of a notice; else a batch */
	uint64_t at;
	int kind; /* HttpFault or StoreFault */
} Point;

typedef struct Trial {
	Rig *r;
	Mail *mail;
	Point point;
	bool faulty;
	bool paused, glass;
	unsigned n_crashes;
	uint64_t n_batches, n_requests;
	GArray *lens; /* records on the disk before each batch */
	int64_t ended_usec; /* boot time */
} Trial;

static bool run_ended(const Trial *t)
{
	return t->r->fleet && fleet_n_runs(t->r->fleet) > 0 &&
	       !run_is_live(fleet_nth_run(t->r->fleet, 0));
}

/* The people: they merge, say yes, pause once, resume. */
static void people(void *ud)
{
	Trial *t = ud;
	Fleet *f = t->r->fleet;
	Loop world = loop_sim_loop(t->r->loop);
	loop_timer(world, loop_boot_usec(world) + TICK_USEC, people, t);
	if (!f)
		return;
	if (fleet_n_runs(f) == 0) {
		story_submit(t->r, t->glass ? GLASS : DOCUMENTS);
		return;
	}
	Item *run = fleet_nth_run(f, 0), *a = item_find_child(run, "a");
	FleetCommand c = { .cluster = "a", .who = "ann", .reason = "<&\"test" };
	bool stands = a && item_find_hold(a, "pause");
	t->paused |= stands;
	if (item_find_hold(run, "approval"))
		c.verb = "approve", c.break_glass = t->glass;
	else if (stands)
		c.verb = "resume";
	else if (!t->paused && a && item_state(a) >= CL_CONTROL_PLANE &&
		 item_state(a) < CL_ROLLBACK)
		c.verb = "pause";
	if (c.verb)
		fleet_command(f, &c, NULL, NULL);
}

static void restart(void *ud)
{
	Trial *t = ud;
	rig_start(t->r);
}

static void crash(void *ud)
{
	Trial *t = ud;
	Loop world = loop_sim_loop(t->r->loop);
	if (!t->r->fleet)
		return;
	t->n_crashes++;
	rig_crash(t->r);
	http_sim_crash(t->mail->net);
	loop_timer(world, loop_boot_usec(world) + RESTART_USEC, restart, t);
}

static HttpFault request_fault(uint64_t n, const HttpRequest *q, void *ud)
{
	Trial *t = ud;
	bool here = t->faulty && t->point.on_request && t->point.at == t->n_requests;
	t->n_requests++;
	return here ? (HttpFault)t->point.kind : mail_fault(n, q, t->mail);
}

static StoreFault batch_fault(uint64_t n, void *ud)
{
	Trial *t = ud;
	size_t len = store_mem_len(t->r->disk);
	g_array_append_val(t->lens, len);
	bool here = t->faulty && !t->point.on_request && t->point.at == t->n_batches;
	t->n_batches++;
	return here ? (StoreFault)t->point.kind : STORE_FAULT_NONE;
}

static bool all_sent(const Trial *t)
{
	g_autoptr(json_t) list = notices_json(t->r->fleet->notices);
	return json_path_int(list, "0.waiting", 0) == 0;
}

/* The run is over and everybody knows, and some time more for what must not happen. */
static bool over(void *ud)
{
	Trial *t = ud;
	if (!t->ended_usec && run_ended(t))
		t->ended_usec = mail_now(t->mail);
	return t->ended_usec && run_ended(t) && all_sent(t);
}

static Trial *trial_new(const json_t *notify)
{
	Trial *t = g_new0(Trial, 1);
	t->r = rig_new(11);
	t->mail = mail_new(t->r, notify);
	t->lens = g_array_new(FALSE, FALSE, sizeof(size_t));
	SimSpec spec = { .world = { .name = "a",
				 .version = "4.21.8",
				 .previous = "4.21.7",
				 .n_workers = 1,
				 .n_apps = 1,
				 .n_replicas = 1 },
		.releases = "4.21.10",
		.faults = SIM_FAULT_BIT(SIM_FAULT_ERROR_RATE_RISE),
		.scale = 20 };
	sim_fleet_add(t->r->world, &spec);
	http_sim_set_faults(t->mail->net, request_fault, crash, t);
	store_mem_set_faults(t->r->disk, batch_fault, crash, t);
	return t;
}

static void trial_free(Trial *t)
{
	rig_stop(t->r);
	mail_free(t->mail);
	rig_free(t->r);
	g_array_unref(t->lens);
	g_free(t);
}

static void play(Trial *t)
{
	rig_start(t->r);
	people(t);
	int64_t until = mail_now(t->mail) + INT64_C(48) * HOUR * RIG_SEC;
	if (!loop_sim_run(t->r->loop, over, t, until))
		g_error("never over:\n%s", t->r->story->str);
	if (t->mail->notify)
		story_pass(t->r, 2 * HOUR);
	g_assert_nonnull(t->r->fleet);
	g_assert_cmpstr(story_outcome(t->r, "a"), ==, "RolledBack");
}

static void all_is_told(const Trial *t)
{
	unsigned n = 0;
	g_autofree char *wrong = mail_wrong(t->mail, &n);
	g_assert_cmpstr(wrong, ==, NULL);
	g_assert_cmpuint(n, ==, N_CAUSES);
}

static json_t *receivers(const char *text)
{
	json_t *v = json_loads(text, 0, NULL);
	g_assert_nonnull(v);
	return v;
}

/* ---- what is said ---- */

static void test_words(void)
{
	static const char *const want[N_CAUSES] = {
		"{\"text\":\"approval a in active of up#1: ",
		"{\"text\":\"hold a in control-plane of up#1: paused by ann: <&\\\"test (shiplock "
		"why "
		"a)\"}",
		"{\"text\":\"rollback a in rollback of up#1: gate errors failed: ",
		"{\"text\":\"end a in ended of up#1: RolledBack: a RolledBack (shiplock why 1)\"}",
	};
	g_autoptr(json_t) notify = receivers(CHAT);
	Trial *t = trial_new(notify);
	play(t);
	all_is_told(t);
	for (unsigned i = 0; i < N_CAUSES; i++) {
		const MailKey *k = t->mail->keys->pdata[i];
		g_test_message("%s", k->body);
		g_assert_true(g_str_has_prefix(k->body, want[i]));
		g_assert_cmpuint(k->n_arrived, ==, 1);
		g_assert_true(g_str_has_prefix(k->key, "test."));
		g_assert_true(g_str_has_suffix(k->key, ".chat"));
	}
	g_autofree char *metrics = fleet_metrics(t->r->fleet);
	g_assert_nonnull(
		strstr(metrics, "\nshiplock_notice_total{receiver=\"chat\",result=\"sent\"} 4\n"));
	g_assert_nonnull(strstr(metrics, "\nshiplock_notice_waiting{receiver=\"chat\"} 0\n"));
	trial_free(t);
}

static void test_who_wants_what(void)
{
	static const struct {
		const char *name, *on, *events;
	} cases[] = {
		{ "end", "[\"end\"]", "end " },
		{ "hold", "[\"hold\"]", "hold hold " }, /* a wanted approval is a hold too */
		{ "approval", "[\"approval\"]", "approval " },
		{ "two", "[\"rollback\", \"end\"]", "rollback end " },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autofree char *text = g_strdup_printf("[{\"name\": \"x\", \"on\": %s, \"body\": "
							"{\"e\": \"{{event}}\"}}]",
			cases[i].on);
		g_autoptr(json_t) notify = receivers(text);
		Trial *t = trial_new(notify);
		g_test_message("%s", cases[i].name);
		play(t);
		g_autoptr(GString) got = g_string_new(NULL);
		for (unsigned k = 0; k < t->mail->keys->len; k++) {
			const MailKey *key = t->mail->keys->pdata[k];
			g_autoptr(json_t) body = json_loads(key->body, 0, NULL);
			g_string_append_printf(got, "%s ", json_path_str(body, "e", ""));
		}
		g_assert_cmpstr(got->str, ==, cases[i].events);
		trial_free(t);
	}
}

/* Who goes past those who had to say yes is told of, too. */
static void test_broken_glass(void)
{
	g_autoptr(json_t) notify = receivers(CHAT);
	Trial *t = trial_new(notify);
	t->glass = true;
	play(t);
	unsigned n = 0;
	g_autofree char *wrong = mail_wrong(t->mail, &n);
	g_assert_cmpstr(wrong, ==, NULL);
	g_assert_cmpuint(n, ==, N_CAUSES + 1);
	const MailKey *k = t->mail->keys->pdata[1];
	g_test_message("%s", k->body);
	g_assert_true(g_str_has_prefix(k->body,
		"{\"text\":\"approval a in active of up#1: GLASS BROKEN: wave one let through by "
		"ann: <&\\\"test"));
	trial_free(t);
}

/* ---- receivers that do not behave ---- */

static int64_t undisturbed(void)
{
	Trial *t = trial_new(NULL);
	play(t);
	int64_t ended = t->ended_usec;
	g_assert_cmpuint(t->mail->n_sent, ==, 0);
	trial_free(t);
	return ended;
}

static void test_bad_receivers(void)
{
	static const struct {
		const char *name;
		HttpFault fault;
		int status, retry_after_sec;
	} cases[] = {
		{ "down", HTTP_FAULT_NOT_SENT },
		{ "swallows", HTTP_FAULT_LOST },
		{ "too slow", HTTP_FAULT_LATE_PAST_TIMEOUT },
		{ "answers 500", HTTP_FAULT_NONE, 500 },
		{ "answers 500 having taken it", HTTP_FAULT_500_APPLIED },
		{ "redirects", HTTP_FAULT_NONE, 302 },
		{ "redirects for good", HTTP_FAULT_NONE, 308 },
		{ "loses its answer", HTTP_FAULT_ANSWER_LOST },
		{ "wants time", HTTP_FAULT_NONE, 429, 120 },
		{ "is forbidden", HTTP_FAULT_NONE, 403 },
		{ "does not like what it gets", HTTP_FAULT_NONE, 400 },
		{ "has nothing new to say", HTTP_FAULT_NONE, 304 },
	};
	int64_t calm = undisturbed();
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) notify = receivers(CHAT);
		Trial *t = trial_new(notify);
		t->mail->for_usec = HOUR * RIG_SEC;
		t->mail->fault = cases[i].fault;
		t->mail->status = cases[i].status;
		t->mail->retry_after_sec = cases[i].retry_after_sec;
		g_test_message("%s", cases[i].name);
		play(t);
		all_is_told(t);
		/* The run was over long before anybody could be told, and as early as ever. */
		if (cases[i].fault == HTTP_FAULT_NONE)
			g_assert_cmpint(t->ended_usec, <, t->mail->first_accepted_usec);
		g_assert_cmpint(ABS(t->ended_usec - calm), <, RIG_SEC);
		/* An hour is no reason to ask every second, nor to give up. */
		g_assert_cmpuint(t->mail->n_sent, <, 4 * 60);
		g_assert_cmpuint(t->mail->n_sent, >, N_CAUSES + 8);
		trial_free(t);
	}
}

/* One that is refused for what it says does not stop the others. */
static void test_poison(void)
{
	g_autoptr(json_t) notify = receivers(CHAT);
	Trial *t = trial_new(notify);
	t->mail->poison = "\"hold a";
	rig_start(t->r);
	people(t);
	loop_sim_run(t->r->loop, over, t, mail_now(t->mail) + 6 * HOUR * RIG_SEC);
	g_assert_true(run_ended(t));
	g_autoptr(json_t) list = notices_json(t->r->fleet->notices);
	g_assert_cmpint(json_path_int(list, "0.sent", 0), ==, N_CAUSES - 1);
	g_assert_cmpint(json_path_int(list, "0.waiting", 0), ==, 1);
	g_autoptr(json_t) status = fleet_status(t->r->fleet);
	g_assert_cmpstr(json_path_str(status, "needsYou.1.text", ""), ==,
		"1 notice to chat cannot be delivered: it answers 400");
	/* After a week nobody needs it any more. */
	story_pass(t->r, NOTICE_KEEP_SEC);
	g_autoptr(json_t) later = notices_json(t->r->fleet->notices);
	g_assert_cmpint(json_path_int(later, "0.givenUp", 0), ==, 1);
	g_assert_cmpint(json_path_int(later, "0.waiting", 0), ==, 0);
	trial_free(t);
}

/* ---- receivers that come and go ---- */

static void test_configured_later(void)
{
	g_autoptr(json_t) two = receivers("[{\"name\": \"chat\", \"on\": [\"end\"], \"body\": {}},"
					  "{\"name\": \"late\", \"on\": [\"hold\", \"end\"], "
					  "\"body\": {}}]");
	g_autoptr(json_t) none = json_array();
	Trial *t = trial_new(NULL);
	rig_start(t->r);
	people(t);
	story_reach(t->r, "a", "cp-soak", NULL);
	t->mail->notify = two;
	crash(t); /* a new process with another configuration */
	story_reach(t->r, "a", "rollback", NULL);
	g_assert_true(loop_sim_run(t->r->loop, over, t, mail_now(t->mail) + 6 * HOUR * RIG_SEC));
	story_pass(t->r, HOUR);
	/* Nothing of what was before; the end, to both. */
	g_assert_cmpuint(t->mail->keys->len, ==, 2);
	fleet_set_notify(t->r->fleet, none);
	story_pass(t->r, HOUR);
	fleet_set_notify(t->r->fleet, two);
	story_pass(t->r, HOUR);
	g_assert_cmpuint(t->mail->n_sent, ==, 2);
	trial_free(t);
}

/* What waits for a receiver that is taken out of the configuration ends; it is not kept for one
 * that comes later under its name. */
static void test_gone(void)
{
	g_autoptr(json_t) chat = receivers(CHAT), none = json_array();
	for (unsigned restarted = 0; restarted < 2; restarted++) {
		Trial *t = trial_new(chat);
		t->mail->for_usec = 24 * HOUR * RIG_SEC;
		t->mail->status = 503;
		rig_start(t->r);
		people(t);
		story_reach(t->r, "a", NULL, "pause");
		t->mail->notify = none;
		if (restarted)
			crash(t);
		else
			fleet_set_notify(t->r->fleet, none);
		story_pass(t->r, HOUR);
		unsigned n = t->mail->n_sent;
		fleet_set_notify(t->r->fleet, chat);
		story_pass(t->r, 26 * HOUR);
		g_assert_cmpuint(t->mail->n_sent, ==, n);
		trial_free(t);
	}
}

/* ---- killed at any point ---- */

static void judge(const json_t *notify, Point p, unsigned *n_crashes)
{
	Trial *t = trial_new(notify);
	t->point = p;
	t->faulty = true;
	play(t);
	unsigned n = 0;
	g_autofree char *wrong = mail_wrong(t->mail, &n);
	if (wrong || n < N_CAUSES)
		g_error("%s %u, fault %d: %s (%u causes)\n%s", p.on_request ? "request" : "batch",
			(unsigned)p.at, p.kind, wrong, n, t->r->story->str);
	*n_crashes += t->n_crashes;
	trial_free(t);
}

/* A batch in which a notice or its cause stands. */
static bool concerns_notices(const Trial *calm, size_t batch)
{
	size_t from = g_array_index(calm->lens, size_t, batch);
	size_t to = batch + 1 < calm->lens->len ? g_array_index(calm->lens, size_t, batch + 1)
						: store_mem_len(calm->r->disk);
	for (size_t i = from; i < to; i++) {
		const Record *x = store_mem_get(calm->r->disk, i);
		g_autoptr(json_t) body = json_loads(x->body, 0, NULL);
		if (mail_is_cause(x, body) || json_path(body, "memo.noticed") ||
			json_path(body, "memo.notify") ||
			strcmp(json_path_str(body, "cluster", ""), NOTICE_SITE) == 0)
			return true;
	}
	return false;
}

static void test_killed(void)
{
	static const int batch_faults[] = { STORE_FAULT_CRASH_BEFORE, STORE_FAULT_LOST,
		STORE_FAULT_UNACKNOWLEDGED, STORE_FAULT_CRASH_AFTER };
	g_autoptr(json_t) notify = receivers(CHAT);
	Trial *calm = trial_new(notify);
	play(calm);
	unsigned n_points = 0, n_crashes = 0;
	for (size_t b = 0; b < calm->lens->len; b++)
		for (size_t k = 0; k < G_N_ELEMENTS(batch_faults); k++)
			if (g_test_slow() || concerns_notices(calm, b)) {
				judge(notify, (Point){ false, b, batch_faults[k] }, &n_crashes);
				n_points++;
			}
	for (uint64_t q = 0; q < calm->n_requests; q++)
		for (int k = HTTP_FAULT_NOT_SENT; k <= HTTP_FAULT_CRASH_AFTER_ANSWER;
			k++, n_points++)
			judge(notify, (Point){ true, q, k }, &n_crashes);
	g_test_message("%u points, %u crashes", n_points, n_crashes);
	g_assert_cmpuint(n_crashes, >, 80);
	trial_free(calm);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/notice/words", test_words);
	g_test_add_func("/notice/who-wants-what", test_who_wants_what);
	g_test_add_func("/notice/broken-glass", test_broken_glass);
	g_test_add_func("/notice/bad-receivers", test_bad_receivers);
	g_test_add_func("/notice/poison", test_poison);
	g_test_add_func("/notice/configured-later", test_configured_later);
	g_test_add_func("/notice/gone", test_gone);
	g_test_add_func("/notice/killed", test_killed);
	return g_test_run();
}
