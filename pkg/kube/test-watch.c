#include "kube/test-kube.h"

/* What a watch told: "+a/u1 ~a/u1 -a/u1 S" in order; E for an error. */
typedef struct Told {
	GString *log;
	KubeWatch *w;
	char free_at; /* frees the watch at this mark */
	int n_errors, n_synced;
	GError *err;
	bool streaming;
} Told;

static void note(Told *t, char mark, const json_t *object)
{
	g_string_append_c(t->log, mark);
	if (object)
		g_string_append_printf(t->log, "%s/%s", json_path_str(object, "metadata.name", "?"),
			json_path_str(object, "metadata.uid", "?"));
	g_string_append_c(t->log, ' ');
	if (t->free_at == mark)
		g_clear_pointer(&t->w, kube_watch_free);
}

static void on_event(KubeEventType type, const json_t *object, void *ud)
{
	note(ud, "+~-"[type], object);
}

static void on_synced(int64_t sent_usec, void *ud)
{
	((Told *)ud)->n_synced++;
	note(ud, 'S', NULL);
}

static void on_error(const GError *err, void *ud)
{
	Told *t = ud;
	t->n_errors++;
	g_clear_error(&t->err);
	t->err = g_error_copy(err);
	g_test_message("told: %s", err->message);
	note(t, 'E', NULL);
}

static void told_clear(Told *t)
{
	kube_watch_free(t->w);
	g_clear_error(&t->err);
	g_string_free(t->log, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Told, told_clear)

static void start(Sim *s, Told *t)
{
	t->log = g_string_new(NULL);
	KubeWatchOptions o = { .path = "/api/v1/pods",
		.label_selector = "app=x",
		.streaming = t->streaming,
		.ops = { .event = on_event, .synced = on_synced, .error = on_error },
		.ud = t };
	t->w = kube_watch_new(s->k, &o);
}

/* What was told since the last call. */
#define assert_told(t, want)                                                                       \
	do {                                                                                       \
		g_assert_cmpstr((t)->log->str, ==, want);                                          \
		g_string_truncate((t)->log, 0);                                                    \
	} while (0)

#define OBJECT(name, uid, version)                                                                 \
	"{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"n\",\"uid\":\"" uid                  \
	"\",\"resourceVersion\":\"" version "\"}}"
#define LIST(version, items)                                                                       \
	"{\"metadata\":{\"resourceVersion\":\"" version "\"},\"items\":[" items "]}"
#define EVENT(type, object) "{\"type\":\"" type "\",\"object\":" object "}"
#define FAILURE(code, more)                                                                        \
	EVENT("ERROR", "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":" #code more "}")
static const char two[] = LIST("9", OBJECT("a", "u1", "1") "," OBJECT("b", "u2", "2"));

static const Script one_list[] = { { "GET", "/api/v1/pods?limit=500&labelSelector=app%3Dx", 200,
	two } };

/* Until the n-th stream is open. */
static void until_stream(Sim *s, int n)
{
	int64_t end = sim_now(s) + 3600 * SL_USEC_PER_SEC;
	while (s->n_watches < n) {
		g_assert_true(loop_sim_step(s->ls));
		g_assert_cmpint(sim_now(s), <, end);
	}
}

static void push(Sim *s, const char *line)
{
	http_sim_push(s->http, s->watch, line);
	sim_pass(s, 10000);
}

static void assert_resumed_from(Sim *s, const char *version)
{
	g_autofree char *want = g_strdup_printf("&resourceVersion=%s&", version);
	const char *last = g_strrstr(s->log->str, "GET /api/v1/pods?watch=1");
	g_assert_nonnull(last);
	if (!strstr(last, want))
		g_error("not resumed from %s: %s", version, last);
}

static void test_list_and_events(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	g_auto(Told) t = { 0 };
	sim_expect(s, one_list);
	start(s, &t);
	g_assert_cmpint(kube_watch_stale_usec(t.w), ==, INT64_MAX);
	until_stream(s, 1);
	assert_told(&t, "+a/u1 +b/u2 S ");
	assert_resumed_from(s, "9");
	g_assert_nonnull(strstr(s->log->str, "allowWatchBookmarks=true"));
	g_assert_nonnull(strstr(s->log->str, "labelSelector=app%3Dx"));
	int seconds = (int)g_ascii_strtoll(strstr(s->log->str, "timeoutSeconds=") + 15, NULL, 10);
	g_assert_cmpint(seconds, >=, KUBE_WATCH_MIN_SEC);
	g_assert_cmpint(seconds, <=, KUBE_WATCH_MAX_SEC);
	push(s, EVENT("MODIFIED", OBJECT("a", "u1", "10")));
	push(s, EVENT("DELETED", OBJECT("b", "u2", "11")));
	push(s, EVENT("ADDED", OBJECT("c", "u3", "12")));
	assert_told(&t, "~a/u1 -b/u2 +c/u3 ");
	g_assert_cmpuint(kube_watch_n_objects(t.w), ==, 2);
	g_assert_true(kube_watch_synced(t.w));
	g_assert_cmpint(kube_watch_stale_usec(t.w), <, SL_USEC_PER_SEC);
	sim_pass(s, 90 * SL_USEC_PER_SEC);
	g_assert_cmpint(kube_watch_stale_usec(t.w), >=, 90 * SL_USEC_PER_SEC);
	/* The name comes again under another UID without a word about the first. */
	push(s, EVENT("MODIFIED", OBJECT("c", "u4", "13")));
	assert_told(&t, "-c/u3 +c/u4 ");
}

static void test_bookmark_and_end(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	g_auto(Told) t = { 0 };
	sim_expect(s, one_list);
	start(s, &t);
	until_stream(s, 1);
	sim_pass(s, 60 * SL_USEC_PER_SEC);
	push(s, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"500\"}}"));
	g_assert_cmpint(kube_watch_stale_usec(t.w), <, SL_USEC_PER_SEC);
	http_sim_end_watch(s->http, s->watch);
	until_stream(s, 2);
	assert_resumed_from(s, "500");
	assert_told(&t, "+a/u1 +b/u2 S ");
	g_assert_cmpint(t.n_errors, ==, 0);
}

/* After a stream in error: how it goes on. */
static void test_stream_errors(void)
{
	static const char later[] = LIST("20", OBJECT("b", "u2", "2") "," OBJECT("d", "u4", "19"));
	static const struct {
		const char *line;
		bool relists;
	} cases[] = {
		{ FAILURE(410, ",\"reason\":\"Expired\""), true },
		{ FAILURE(500, ",\"reason\":\"Expired\""), true },
		{ FAILURE(500, ""), false },
		{ FAILURE(429, ",\"details\":{\"retryAfterSeconds\":2}"), false },
		{ "{\"type\":", true },
		{ "[]", true },
		{ EVENT("ADDED", "{}"), true },
		{ EVENT("ADDED", "{\"metadata\":{\"resourceVersion\":\"15\"}}"), true },
		{ EVENT("NEW", OBJECT("x", "u", "14")), true },
	};
	const Script rows[] = { one_list[0], { "GET", "/api/v1/pods?limit", 200, later } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Sim) s = sim_new(NULL);
		g_auto(Told) t = { 0 };
		sim_expect(s, rows);
		start(s, &t);
		until_stream(s, 1);
		push(s, cases[i].line);
		until_stream(s, 2);
		g_test_message("%s", cases[i].line);
		assert_resumed_from(s, cases[i].relists ? "20" : "9");
		assert_told(&t,
			cases[i].relists ? "+a/u1 +b/u2 S E +d/u4 -a/u1 S " : "+a/u1 +b/u2 S E ");
	}
}

static void test_stream_refused(void)
{
	static const char later[] = LIST("20", OBJECT("a", "u1", "1"));
	static const struct {
		int status;
		const char *body;
		bool relists_at_once;
	} cases[] = {
		{ 410, "{\"kind\":\"Status\",\"code\":410}", true },
		{ 503, "", false },
		{ 504, "{\"kind\":\"Status\",\"code\":504}", false },
		{ 403, "{\"kind\":\"Status\",\"code\":403}", false },
	};
	const Script rows[] = { one_list[0], { "GET", "/api/v1/pods?limit", 200, later } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Sim) s = sim_new(NULL);
		g_auto(Told) t = { 0 };
		sim_expect(s, rows);
		s->watch_status = cases[i].status;
		s->watch_body = cases[i].body;
		start(s, &t);
		until_stream(s, cases[i].relists_at_once ? 1 : KUBE_RESUMES_MAX);
		g_assert_cmpuint(s->n_asked, ==, 1);
		s->watch_status = 0;
		/* After some refusals in a row, or 410, it lists again. */
		until_stream(s, cases[i].relists_at_once ? 2 : KUBE_RESUMES_MAX + 1);
		g_assert_cmpuint(s->n_asked, ==, 2);
		assert_resumed_from(s, "20");
	}
}

/* A server in trouble: nothing is told as deleted, the waits grow, then all is well. */
static void test_list_errors(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	g_auto(Told) t = { 0 };
	const Script rows[] = {
		one_list[0],
		{ "GET", NULL, 503, "", "text/plain" },
		{ "GET", NULL, 200, "<html>", "text/html" },
		{ "GET", NULL, 200, "{}" },
		{ "GET", NULL, 404, "<html>", "text/html" },
		{ "GET", NULL, 429, "Too many requests", "text/plain", 120 },
		{ "GET", NULL, 200, LIST("30", "") },
	};
	sim_expect(s, rows);
	start(s, &t);
	until_stream(s, 1);
	push(s, FAILURE(410, ""));
	while (t.n_errors < 6)
		g_assert_true(loop_sim_step(s->ls));
	g_assert_cmpuint(kube_watch_n_objects(t.w), ==, 2);
	assert_told(&t, "+a/u1 +b/u2 S E E E E E E ");
	int64_t asked = sim_now(s);
	until_stream(s, 2);
	g_assert_cmpint(sim_now(s) - asked, >=, 120 * SL_USEC_PER_SEC);
	assert_told(&t, "-a/u1 -b/u2 S ");
}

static void test_backoff_grows_and_resets(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	g_auto(Told) t = { 0 };
	Script rows[14];
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		rows[i] = (Script){ "GET", NULL, 503, "", "text/plain" };
	rows[12] = rows[13] = one_list[0];
	sim_expect(s, rows);
	start(s, &t);
	int64_t last = sim_now(s), min_usec = KUBE_BACKOFF_MIN_MSEC * 1000;
	for (int n = 1; n <= 12; n++) {
		while (t.n_errors < n)
			g_assert_true(loop_sim_step(s->ls));
		if (n > 1) {
			g_assert_cmpint(sim_now(s) - last, >=, min_usec);
			g_assert_cmpint(sim_now(s) - last, <=, 2 * min_usec + 10000);
			min_usec = MIN(min_usec * 2, KUBE_BACKOFF_MAX_MSEC * 1000);
		}
		last = sim_now(s);
	}
	until_stream(s, 1);
	g_assert_cmpuint(s->n_asked, ==, 13);
	/* Healthy for a while: the next trouble starts with a short wait. */
	sim_pass(s, (KUBE_BACKOFF_RESET_SEC + 1) * SL_USEC_PER_SEC);
	last = sim_now(s);
	push(s, FAILURE(410, ""));
	until_stream(s, 2);
	g_assert_cmpint(sim_now(s) - last, <=, 2 * KUBE_BACKOFF_MIN_MSEC * 1000 + 100000);
}

/* A restored server says nothing on the open stream; the list taken regardless finds the loss. */
static void test_safety_relist(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	g_auto(Told) t = { 0 };
	const Script rows[] = {
		one_list[0],
		{ "GET", NULL, 200, LIST("4", OBJECT("a", "u0", "1") "," OBJECT("b", "u2", "2")) },
	};
	sim_expect(s, rows);
	start(s, &t);
	until_stream(s, 1);
	sim_pass(s, (KUBE_RELIST_SEC - 1) * SL_USEC_PER_SEC);
	g_assert_cmpuint(s->n_asked, ==, 1);
	until_stream(s, 2);
	/* Replaced under the same name: two changes; the untouched one: none. */
	assert_told(&t, "+a/u1 +b/u2 S -a/u1 +a/u0 S ");
	assert_resumed_from(s, "4");
	g_assert_cmpint(t.n_errors, ==, 0);
}

#define LIST_ENDS                                                                                  \
	EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"9\",\"annotations\":{"             \
			  "\"k8s.io/initial-events-end\":\"true\"}}}")

static void test_streamed_list(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	g_auto(Told) t = { .streaming = true };
	const Script none[] = { { 0 } };
	sim_expect(s, none);
	start(s, &t);
	int64_t asked = sim_now(s);
	until_stream(s, 1);
	g_assert_nonnull(strstr(s->log->str, "&sendInitialEvents=true&resourceVersionMatch="
					     "NotOlderThan"));
	g_assert_null(strstr(s->log->str, "&resourceVersion="));
	push(s, EVENT("ADDED", OBJECT("b", "u2", "2")));
	push(s, EVENT("BOOKMARK", "{\"metadata\":{\"resourceVersion\":\"8\"}}"));
	push(s, EVENT("ADDED", OBJECT("a", "u1", "1")));
	g_assert_false(kube_watch_synced(t.w));
	push(s, LIST_ENDS);
	assert_told(&t, "+b/u2 +a/u1 S ");
	g_assert_cmpint(kube_watch_stale_usec(t.w), ==, sim_now(s) - asked);
	push(s, EVENT("MODIFIED", OBJECT("a", "u1", "10")));
	assert_told(&t, "~a/u1 ");
	/* The next list is streamed too, and finds what is missing. */
	push(s, FAILURE(410, ""));
	until_stream(s, 2);
	push(s, EVENT("ADDED", OBJECT("a", "u1", "10")));
	push(s, LIST_ENDS);
	assert_told(&t, "E -b/u2 S ");
	http_sim_end_watch(s->http, s->watch);
	until_stream(s, 3);
	assert_resumed_from(s, "9");
	g_assert_cmpuint(s->n_asked, ==, 0);
}

/* Servers that cannot, will not, or do not understand: pages, and no error. */
static void test_streamed_list_falls_back(void)
{
	static const struct {
		int status;
		const char *body, *line;
	} cases[] = {
		{ 422, "{\"kind\":\"Status\",\"code\":422}", NULL },
		{ 200, NULL, FAILURE(500, ",\"message\":\"storage feature is disabled\"") },
		{ 200, NULL, EVENT("ADDED", OBJECT("a", "u1", "1")) "x" },
		{ 200, NULL, EVENT("ADDED", OBJECT("z", "u9", "1")) }, /* and then nothing */
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Sim) s = sim_new(NULL);
		g_auto(Told) t = { .streaming = true };
		sim_expect(s, one_list);
		s->watch_status = cases[i].status;
		s->watch_body = cases[i].body;
		start(s, &t);
		until_stream(s, 1);
		s->watch_status = 0;
		s->watch_body = NULL;
		if (cases[i].line)
			push(s, cases[i].line);
		until_stream(s, 2);
		assert_resumed_from(s, "9");
		assert_told(&t, i < 3 ? "+a/u1 +b/u2 S " : "+z/u9 +a/u1 +b/u2 -z/u9 S ");
		g_assert_cmpint(t.n_errors, ==, 0);
	}
}

static void test_freed_inside(void)
{
	static const char marks[] = "+~-SE";
	const Script rows[] = { one_list[0], { "GET", NULL, 200, LIST("20", "") } };
	for (const char *m = marks; *m; m++) {
		g_autoptr(Sim) s = sim_new(NULL);
		g_auto(Told) t = { .free_at = *m };
		sim_expect(s, rows);
		start(s, &t);
		for (int i = 0; i < 40 && t.w; i++)
			sim_pass(s, 1000);
		if (*m == '~' || *m == '-')
			push(s, *m == '~' ? EVENT("MODIFIED", OBJECT("a", "u1", "10"))
					  : EVENT("DELETED", OBJECT("a", "u1", "10")));
		if (*m == 'E')
			push(s, "not JSON");
		g_assert_null(t.w);
		sim_pass(s, 60 * SL_USEC_PER_SEC);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/watch/list-and-events", test_list_and_events);
	g_test_add_func("/watch/bookmark-and-end", test_bookmark_and_end);
	g_test_add_func("/watch/stream-errors", test_stream_errors);
	g_test_add_func("/watch/stream-refused", test_stream_refused);
	g_test_add_func("/watch/list-errors", test_list_errors);
	g_test_add_func("/watch/backoff-grows-and-resets", test_backoff_grows_and_resets);
	g_test_add_func("/watch/safety-relist", test_safety_relist);
	g_test_add_func("/watch/streamed-list", test_streamed_list);
	g_test_add_func("/watch/streamed-list-falls-back", test_streamed_list_falls_back);
	g_test_add_func("/watch/freed-inside", test_freed_inside);
	return g_test_run();
}
