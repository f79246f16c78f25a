#include "objects/time.h"
#include "policy/window.h"

static WindowRules *parse(const char *text, const char *zone)
{
	g_autoptr(GError) err = NULL;
	json_t *v = json_loads(text, 0, NULL);
	g_assert_nonnull(v);
	WindowRules *r = window_parse(v, zone, &err);
	g_assert_no_error(err);
	json_decref(v);
	return r;
}

static int64_t at(const char *text)
{
	int64_t usec;
	g_assert_true(sl_time_parse(text, &usec));
	return usec;
}

#define NY "\"timeZone\":\"America/New_York\""
#define SECOND_TUESDAY                                                                             \
	"{" NY                                                                                     \
	",\"open\":[{\"weekday\":\"tuesday\",\"nth\":2,\"start\":\"08:00\",\"end\":\"17:00\"}]}"
#define NIGHT "{" NY ",\"open\":[{\"weekday\":\"saturday\",\"start\":\"22:00\",\"end\":\"06:00\"}]}"
#define SUNDAY(start, end)                                                                         \
	"{" NY ",\"open\":[{\"weekday\":\"sunday\",\"start\":\"" start "\",\"end\":\"" end "\"}]}"

#define IN(zone, start, end)                                                                       \
	"{\"timeZone\":\"" zone "\",\"open\":[{\"weekday\":\"sunday\",\"start\":\"" start          \
	"\",\"end\":\"" end "\"}]}"

typedef struct Case {
	const char *name, *rules, *now;
	bool open;
	const char *edge; /* when it closes (open) or opens (closed); NULL: never */
	const char *blackout;
} Case;

static const Case cases[] = {
	{ "before", SECOND_TUESDAY, "2026-12-08T12:59:59Z", false, "2026-12-08T13:00:00Z" },
	{ "start", SECOND_TUESDAY, "2026-12-08T13:00:00Z", true, "2026-12-08T22:00:00Z" },
	{ "last second", SECOND_TUESDAY, "2026-12-08T21:59:59Z", true, "2026-12-08T22:00:00Z" },
	{ "end", SECOND_TUESDAY, "2026-12-08T22:00:00Z", false, "2027-01-12T13:00:00Z" },
	{ "first Tuesday", SECOND_TUESDAY, "2026-12-01T15:00:00Z", false, "2026-12-08T13:00:00Z" },
	{ "summer time", SECOND_TUESDAY, "2026-07-01T00:00:00Z", false, "2026-07-14T12:00:00Z" },
	{ "last", "{" NY ",\"open\":[{\"weekday\":\"friday\",\"nth\":\"last\"}]}",
		"2026-11-01T00:00:00Z", false, "2026-11-27T05:00:00Z" },
	{ "fifth", "{" NY ",\"open\":[{\"weekday\":\"monday\",\"nth\":5}]}", "2026-11-01T00:00:00Z",
		false, "2026-11-30T05:00:00Z" },
	{ "fifth, next month with one", "{" NY ",\"open\":[{\"weekday\":\"monday\",\"nth\":5}]}",
		"2026-12-01T06:00:00Z", false, "2027-03-29T04:00:00Z" },
	{ "over midnight, before it", NIGHT, "2026-11-22T04:00:00Z", true, "2026-11-22T11:00:00Z" },
	{ "over midnight, after it", NIGHT, "2026-11-22T10:00:00Z", true, "2026-11-22T11:00:00Z" },
	{ "over midnight, closed", NIGHT, "2026-11-22T11:00:00Z", false, "2026-11-29T03:00:00Z" },
	{ "every day, all day: one piece", "{" NY ",\"open\":[{}]}", "2026-11-22T11:00:00Z", true,
		NULL },
	{ "touching",
		"{" NY ",\"open\":[{\"weekday\":\"sunday\"},{\"weekday\":\"monday\","
		"\"end\":\"01:00\"}]}",
		"2026-11-22T20:00:00Z", true, "2026-11-23T06:00:00Z" },
	{ "overlapping",
		"{" NY ",\"open\":[{\"start\":\"08:00\",\"end\":\"12:00\"},{\"start\":"
		"\"10:00\",\"end\":\"14:00\"}]}",
		"2026-11-20T14:00:00Z", true, "2026-11-20T19:00:00Z" },
	/* Clocks jump from 02:00 to 03:00 on 2027-03-14, back from 02:00 to 01:00 on 2026-11-01. */
	{ "start skipped", SUNDAY("02:30", "05:00"), "2027-03-14T06:00:00Z", false,
		"2027-03-14T07:00:00Z" },
	{ "end skipped", SUNDAY("01:00", "02:30"), "2027-03-14T06:30:00Z", true,
		"2027-03-14T07:00:00Z" },
	{ "start twice: the first", SUNDAY("01:30", "05:00"), "2026-11-01T05:00:00Z", false,
		"2026-11-01T05:30:00Z" },
	{ "end twice: the last", SUNDAY("00:30", "01:30"), "2026-11-01T06:00:00Z", true,
		"2026-11-01T06:30:00Z" },
	{ "both in the hour that comes twice", SUNDAY("01:15", "01:45"), "2026-11-01T05:50:00Z",
		true, "2026-11-01T06:45:00Z" },
	/* Sydney jumps on 2026-10-04 and goes back on 2027-04-04; Lord Howe by half an hour. */
	{ "Sydney, start skipped", IN("Australia/Sydney", "02:30", "05:00"), "2026-10-03T14:00:00Z",
		false, "2026-10-03T16:00:00Z" },
	{ "Sydney, end skipped", IN("Australia/Sydney", "01:00", "02:30"), "2026-10-03T15:30:00Z",
		true, "2026-10-03T16:00:00Z" },
	{ "Sydney, start twice", IN("Australia/Sydney", "02:30", "05:00"), "2027-04-03T15:00:00Z",
		false, "2027-04-03T15:30:00Z" },
	{ "Sydney, end twice", IN("Australia/Sydney", "01:30", "02:30"), "2027-04-03T16:00:00Z",
		true, "2027-04-03T16:30:00Z" },
	{ "Sydney, over midnight", IN("Australia/Sydney", "22:00", "03:00"), "2027-04-10T15:00:00Z",
		false, "2027-04-11T12:00:00Z" },
	{ "Lord Howe, start skipped", IN("Australia/Lord_Howe", "02:15", "05:00"),
		"2026-10-03T14:00:00Z", false, "2026-10-03T15:30:00Z" },
	{ "Lord Howe, end twice", IN("Australia/Lord_Howe", "01:00", "01:45"),
		"2027-04-03T14:50:00Z", true, "2027-04-03T15:15:00Z" },
	{ "no rule: open", "{" NY "}", "2026-11-22T11:00:00Z", true, NULL },
	{ "blackout, no rule",
		"{" NY
		",\"blackouts\":[{\"name\":\"b\",\"from\":\"2027-06-01\",\"to\":\"2027-06-05\"}]}",
		"2027-06-05T12:00:00Z", false, "2027-06-06T04:00:00Z", "b" },
	{ "blackout to come, no rule",
		"{" NY
		",\"blackouts\":[{\"name\":\"b\",\"from\":\"2027-06-01\",\"to\":\"2027-06-05\"}]}",
		"2027-05-30T12:00:00Z", true, "2027-06-01T04:00:00Z" },
	{ "blackout takes a window",
		"{" NY ",\"open\":[{\"weekday\":\"tuesday\"}],\"blackouts\":[{\"name\":\"b\","
		"\"from\":\"2026-12-08\",\"to\":\"2026-12-08\"}]}",
		"2026-12-08T12:00:00Z", false, "2026-12-15T05:00:00Z", "b" },
	{ "blackout cuts a night",
		"{" NY
		",\"open\":[{\"weekday\":\"saturday\",\"start\":\"22:00\",\"end\":\"06:00\"}],"
		"\"blackouts\":[{\"from\":\"2026-11-22\"}]}",
		"2026-11-22T04:00:00Z", true, "2026-11-22T05:00:00Z" },
	{ "two blackouts in a row",
		"{" NY
		",\"blackouts\":[{\"name\":\"a\",\"from\":\"2026-12-01\",\"to\":\"2026-12-02\"},"
		"{\"name\":\"b\",\"from\":\"2026-12-03\",\"to\":\"2026-12-04\"}]}",
		"2026-12-01T12:00:00Z", false, "2026-12-05T05:00:00Z", "a" },
	{ "never",
		"{" NY ",\"open\":[{\"weekday\":\"tuesday\"}],\"blackouts\":[{\"name\":\"b\","
		"\"from\":\"2026-01-01\",\"to\":\"2030-01-01\"}]}",
		"2026-12-08T12:00:00Z", false, NULL, "b" },
};

static void test_state(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		const Case *c = &cases[i];
		g_autoptr(WindowRules) r = parse(c->rules, NULL);
		WindowState s = window_state(r, at(c->now));
		int64_t edge = s.open ? s.closes_usec : s.opens_usec;
		g_autofree char *got = edge == INT64_MAX ? NULL : sl_time_format(edge);
		g_autofree char *text = window_text(r, &s);
		g_test_message("%s: %s", c->name, text);
		g_assert_true(s.open == c->open);
		g_assert_cmpstr(got, ==, c->edge);
		g_assert_cmpstr(s.blackout, ==, c->blackout);
	}
	WindowState none = window_state(NULL, 42);
	g_assert_true(none.open && none.hop_may_start && none.closes_usec == INT64_MAX);
}

static void test_hops(void)
{
	g_autoptr(WindowRules) r =
		parse("{\"open\":[{\"start\":\"08:00\",\"end\":\"17:00\"}],\"lastHopStart\":\"3h\","
		      "\"notice\":\"10d\",\"atClose\":\"finish\",\"rollbackOutside\":false}",
			"America/New_York");
	static const struct {
		const char *now;
		bool open, may;
	} hops[] = {
		{ "2026-12-08T12:59:00Z", false, false },
		{ "2026-12-08T13:00:00Z", true, true },
		{ "2026-12-08T19:00:00Z", true, true },
		{ "2026-12-08T19:00:01Z", true, false },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(hops); i++) {
		WindowState s = window_state(r, at(hops[i].now));
		g_assert_true(s.open == hops[i].open && s.hop_may_start == hops[i].may);
		g_assert_cmpint(s.last_hop_usec, ==, at("2026-12-08T19:00:00Z"));
	}
	g_assert_cmpint(
		window_notice_until(r, at("2026-12-01T00:00:00Z")), ==, at("2026-12-11T00:00:00Z"));
	g_assert_cmpint(window_at_close(r), ==, AT_CLOSE_FINISH);
	g_assert_false(window_rollback_outside(r));
	g_assert_true(window_rollback_outside(NULL));
	g_assert_cmpint(window_notice_until(NULL, 7), ==, 7);
	WindowState s = window_state(r, at("2026-12-08T13:00:00Z"));
	g_autofree char *text = window_text(r, &s);
	g_assert_cmpstr(text, ==, "open until Tue 2026-12-08 17:00 EST");
	s = window_state(r, at("2026-12-08T12:00:00Z"));
	g_autofree char *closed = window_text(r, &s);
	g_assert_cmpstr(closed, ==, "opens Tue 2026-12-08 08:00 EST");
}

/* Every half hour of half a year with two changes of the clocks: the state agrees with the wall
 * clock, and what it promises for its edge is so. */
static void every_hour(const char *name, const char *from)
{
	g_autofree char *rules = g_strdup_printf(IN("%s", "00:30", "03:30"), name);
	g_autoptr(WindowRules) r = parse(rules, NULL);
	g_autoptr(GTimeZone) zone = g_time_zone_new_identifier(name);
	int64_t begin = at(from) / 1000000;
	unsigned n_offsets = 0;
	GTimeSpan offset = 1;
	for (int64_t t = begin; t < begin + 200 * 86400; t += 1800) {
		g_autoptr(GDateTime) utc = g_date_time_new_from_unix_utc(t);
		g_autoptr(GDateTime) local = g_date_time_to_timezone(utc, zone);
		int minute = g_date_time_get_hour(local) * 60 + g_date_time_get_minute(local);
		bool want = g_date_time_get_day_of_week(local) == 7 && minute >= 30 && minute < 210;
		WindowState s = window_state(r, t * 1000000);
		g_assert_true(s.open == want);
		int64_t edge = s.open ? s.closes_usec : s.opens_usec;
		g_assert_cmpint(edge, >, t * 1000000);
		g_assert_true(window_state(r, edge).open != s.open);
		g_assert_true(window_state(r, edge - 1000000).open == s.open);
		n_offsets += g_date_time_get_utc_offset(local) != offset;
		offset = g_date_time_get_utc_offset(local);
	}
	g_assert_cmpuint(n_offsets, ==, 3); /* both edges were in it */
}

static void test_every_hour(void)
{
	every_hour("America/New_York", "2026-10-20T00:00:00Z");
	every_hour("Australia/Sydney", "2026-09-20T00:00:00Z");
	every_hour("Australia/Lord_Howe", "2026-09-20T00:00:00Z");
}

static void test_spans(void)
{
	static const struct {
		const char *rules, *now, *text;
	} spans[] = {
		{ SECOND_TUESDAY, "2026-11-20T12:00:00Z", "Tue 2026-12-08 08:00-17:00 EST" },
		{ SECOND_TUESDAY, "2026-12-08T20:00:00Z", "Tue 2026-12-08 08:00-17:00 EST" },
		{ NIGHT, "2026-11-20T12:00:00Z",
			"Sat 2026-11-21 22:00 - Sun 2026-11-22 06:00 EST" },
		{ SUNDAY("00:30", "05:00"), "2026-11-01T04:00:00Z",
			"Sun 2026-11-01 00:30 EDT-05:00 EST" },
		{ "{" NY ",\"open\":[{\"weekday\":\"tuesday\",\"start\":\"08:00\",\"end\":"
		  "\"17:00\"}],\"lastHopStart\":\"3h\"}",
			"2026-11-20T12:00:00Z",
			"Tue 2026-11-24 08:00-17:00 EST, no hop after 14:00" },
		{ "{" NY ",\"open\":[{\"weekday\":\"saturday\",\"start\":\"22:00\",\"end\":"
		  "\"06:00\"}],\"lastHopStart\":\"3h\"}",
			"2026-11-20T12:00:00Z",
			"Sat 2026-11-21 22:00 - Sun 2026-11-22 06:00 EST, no hop after Sun "
			"2026-11-22 03:00" },
		{ "{" NY "}", "2026-11-20T12:00:00Z", "open" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(spans); i++) {
		g_autoptr(WindowRules) r = parse(spans[i].rules, NULL);
		WindowState s = window_state(r, at(spans[i].now));
		g_autofree char *text = window_span_text(r, &s);
		g_assert_cmpstr(text, ==, spans[i].text);
	}
}

static void test_bad(void)
{
	static const struct {
		const char *json, *message;
	} bad[] = {
		{ "{\"timeZone\":\"Mars/Olympus\"}",
			"timeZone: \"Mars/Olympus\" is not known on this machine" },
		{ "{\"open\":[{\"weekday\":\"Tuesday\"}]}",
			"open[0].weekday: no name of a day, like tuesday" },
		{ "{\"open\":[{},{\"weekday\":\"tuesday\",\"nth\":6}]}",
			"open[1].nth: none of 1 to 5 or last" },
		{ "{\"open\":[{\"nth\":1}]}", "open[0].nth needs a weekday" },
		{ "{\"open\":[{\"start\":\"8:00\"}]}", "open[0].start: no time like \"08:00\"" },
		{ "{\"open\":[{\"start\":\"24:00\"}]}", "open[0].start: no time like \"08:00\"" },
		{ "{\"open\":[{\"end\":\"25:00\"}]}", "open[0].end: no time like \"17:00\"" },
		{ "{\"open\":[{\"end\":\"12:60\"}]}", "open[0].end: no time like \"17:00\"" },
		{ "{\"blackouts\":[{}]}", "blackouts[0].from: no date like 2027-06-01" },
		{ "{\"blackouts\":[{\"from\":\"2027-06-05\",\"to\":\"2027-06-01\"}]}",
			"blackouts[0].to is before from" },
		{ "{\"notice\":\"soon\"}", "notice: no duration like 10d" },
		{ "{\"lastHopStart\":\"3\"}", "lastHopStart: no duration like 3h" },
		{ "{\"atClose\":\"panic\"}", "atClose: none of stopAtNode, finish" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) err = NULL;
		json_t *v = json_loads(bad[i].json, 0, NULL);
		g_assert_null(window_parse(v, NULL, &err));
		g_assert_error(err, SL_ERROR, SL_ERR_INVALID);
		g_assert_cmpstr(err->message, ==, bad[i].message);
		json_decref(v);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/window/state", test_state);
	g_test_add_func("/window/hops", test_hops);
	g_test_add_func("/window/every-hour", test_every_hour);
	g_test_add_func("/window/spans", test_spans);
	g_test_add_func("/window/bad", test_bad);
	return g_test_run();
}
