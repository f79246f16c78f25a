#include "policy/window.h"
#include "codec/json.h"
#include "objects/time.h"
#include <string.h>

enum {
	DAY_SEC = 86400,
	MINUTES_PER_DAY = 24 * 60,
	NTH_EVERY = 0,
	NTH_LAST = -1,
	SPAN_SEC = 27 * 3600
};
static const int64_t USEC = 1000000;

typedef struct Opening {
	int weekday; /* 0 = Sunday; -1: every day */
	int nth; /* 1-5, NTH_LAST, NTH_EVERY */
	int start_min, end_min; /* of the day; end after start, maybe past midnight */
} Opening;

typedef struct Blackout {
	char *name;
	int64_t from_day, to_day; /* both within */
} Blackout;

struct WindowRules {
	GTimeZone *zone;
	Opening *openings;
	size_t n_openings;
	Blackout *blackouts;
	size_t n_blackouts;
	int64_t notice_sec, last_hop_sec;
	WindowAtClose at_close;
	bool rollback_outside;
};

typedef struct Span {
	int64_t from, to; /* seconds UTC, to not within */
} Span;

void window_free(WindowRules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_blackouts; i++)
		g_free(r->blackouts[i].name);
	g_free(r->blackouts);
	g_free(r->openings);
	if (r->zone)
		g_time_zone_unref(r->zone);
	g_free(r);
}

/* ---- reading ---- */

static bool parse_clock(const char *text, int *ret_min)
{
	if (!text || strlen(text) != 5 || text[2] != ':')
		return false;
	for (int i = 0; i < 5; i++)
		if (i != 2 && !g_ascii_isdigit(text[i]))
			return false;
	int h = (text[0] - '0') * 10 + text[1] - '0', m = (text[3] - '0') * 10 + text[4] - '0';
	*ret_min = h * 60 + m;
	return m < 60 && (h < 24 || (h == 24 && m == 0));
}

static bool parse_weekday(const char *text, int *ret)
{
	static const char *const names[] = { "sunday", "monday", "tuesday", "wednesday", "thursday",
		"friday", "saturday" };
	*ret = -1;
	if (!text)
		return true;
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++)
		if (strcmp(text, names[i]) == 0)
			*ret = (int)i;
	return *ret >= 0;
}

static bool parse_nth(const json_t *v, int *ret)
{
	*ret = NTH_EVERY;
	if (!v || json_is_null(v))
		return true;
	if (g_strcmp0(json_string_value(v), "last") == 0)
		*ret = NTH_LAST;
	else if (json_is_integer(v) && json_integer_value(v) >= 1 && json_integer_value(v) <= 5)
		*ret = (int)json_integer_value(v);
	/* One type a field: documents may write the number as a text. */
	else if (json_is_string(v) && strlen(json_string_value(v)) == 1 &&
		 *json_string_value(v) >= '1' && *json_string_value(v) <= '5')
		*ret = *json_string_value(v) - '0';
	return *ret != NTH_EVERY;
}

static bool parse_opening(const json_t *v, Opening *o, GError **err)
{
	const char *start = json_path_str(v, "start", "00:00");
	const char *end = json_path_str(v, "end", "24:00");
	if (!parse_weekday(json_path_str(v, "weekday", NULL), &o->weekday))
		return sl_fail(err, SL_ERR_INVALID, "weekday: no name of a day, like tuesday");
	if (!parse_nth(json_object_get(v, "nth"), &o->nth))
		return sl_fail(err, SL_ERR_INVALID, "nth: none of 1 to 5 or last");
	if (o->nth != NTH_EVERY && o->weekday < 0)
		return sl_fail(err, SL_ERR_INVALID, "nth needs a weekday");
	if (!parse_clock(start, &o->start_min) || o->start_min == MINUTES_PER_DAY)
		return sl_fail(err, SL_ERR_INVALID, "start: no time like \"08:00\"");
	if (!parse_clock(end, &o->end_min))
		return sl_fail(err, SL_ERR_INVALID, "end: no time like \"17:00\"");
	if (o->end_min <= o->start_min)
		o->end_min += MINUTES_PER_DAY;
	return true;
}

static bool parse_blackout(const json_t *v, Blackout *b, GError **err)
{
	const char *from = json_path_str(v, "from", NULL);
	b->name = g_strdup(json_path_str(v, "name", "blackout"));
	if (!sl_date_parse(from, &b->from_day))
		return sl_fail(err, SL_ERR_INVALID, "from: no date like 2027-06-01");
	if (!sl_date_parse(json_path_str(v, "to", from), &b->to_day))
		return sl_fail(err, SL_ERR_INVALID, "to: no date like 2027-06-05");
	if (b->to_day < b->from_day)
		return sl_fail(err, SL_ERR_INVALID, "to is before from");
	return true;
}

static bool parse_lists(WindowRules *r, const json_t *spec, GError **err)
{
	const json_t *open = json_object_get(spec, "open");
	const json_t *blackouts = json_object_get(spec, "blackouts");
	r->openings = g_new0(Opening, json_array_size(open) + 1);
	r->blackouts = g_new0(Blackout, json_array_size(blackouts) + 1);
	for (size_t i = 0; i < json_array_size(open); i++, r->n_openings++)
		if (!parse_opening(json_array_get(open, i), &r->openings[i], err)) {
			g_prefix_error(err, "open[%zu].", i);
			return false;
		}
	while (r->n_blackouts < json_array_size(blackouts)) {
		size_t i = r->n_blackouts++;
		if (!parse_blackout(json_array_get(blackouts, i), &r->blackouts[i], err)) {
			g_prefix_error(err, "blackouts[%zu].", i);
			return false;
		}
	}
	return true;
}

static bool parse_rest(WindowRules *r, const json_t *spec, GError **err)
{
	const char *notice = json_path_str(spec, "notice", "0s");
	const char *last_hop = json_path_str(spec, "lastHopStart", "0s");
	const char *at_close = json_path_str(spec, "atClose", "stopAtNode");
	if (!sl_duration_parse(notice, &r->notice_sec))
		return sl_fail(err, SL_ERR_INVALID, "notice: no duration like 10d");
	if (!sl_duration_parse(last_hop, &r->last_hop_sec))
		return sl_fail(err, SL_ERR_INVALID, "lastHopStart: no duration like 3h");
	if (strcmp(at_close, "finish") == 0)
		r->at_close = AT_CLOSE_FINISH;
	else if (strcmp(at_close, "stopAtNode") != 0)
		return sl_fail(err, SL_ERR_INVALID, "atClose: none of stopAtNode, finish");
	r->rollback_outside = json_path_bool(spec, "rollbackOutside", true);
	return true;
}

WindowRules *window_parse(const json_t *spec, const char *zone, GError **err)
{
	g_autoptr(WindowRules) r = g_new0(WindowRules, 1);
	zone = json_path_str(spec, "timeZone", zone ? zone : "UTC");
	r->zone = g_time_zone_new_identifier(zone);
	if (!r->zone) {
		sl_fail(err, SL_ERR_INVALID, "timeZone: \"%s\" is not known on this machine", zone);
		return NULL;
	}
	if (!parse_lists(r, spec, err) || !parse_rest(r, spec, err))
		return NULL;
	return g_steal_pointer(&r);
}

/* ---- wall time to instants ---- */

static int64_t offset_at(GTimeZone *zone, int64_t utc_sec)
{
	int interval = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, utc_sec);
	return g_time_zone_get_offset(zone, interval);
}

/* The first instant at which the wall clock shows local_sec or later. */
static int64_t first_at_or_after(GTimeZone *zone, int64_t local_sec, int64_t low, int64_t high)
{
	while (low < high) {
		int64_t mid = low + (high - low) / 2;
		if (mid + offset_at(zone, mid) >= local_sec)
			high = mid;
		else
			low = mid + 1;
	}
	return low;
}

/* local_sec: seconds since 1970 as if the wall clock were UTC. The clock may show it once, twice or
 * never around a change; last chooses between two. */
static int64_t instant_of(GTimeZone *zone, int64_t local_sec, bool last)
{
	int64_t low = local_sec - SPAN_SEC, high = local_sec + SPAN_SEC;
	int64_t before = local_sec - offset_at(zone, low),
		after = local_sec - offset_at(zone, high);
	bool before_fits = before + offset_at(zone, before) == local_sec;
	bool after_fits = after + offset_at(zone, after) == local_sec;
	if (before_fits && after_fits)
		return last ? MAX(before, after) : MIN(before, after);
	if (before_fits)
		return before;
	if (after_fits)
		return after;
	/* Skipped. Between the two offsets the clock only jumps forward, so it is monotonic. */
	return first_at_or_after(
		zone, local_sec, MIN(before, after) - 7200, MAX(before, after) + 7200);
}

static int64_t local_day(GTimeZone *zone, int64_t utc_sec)
{
	int64_t local = utc_sec + offset_at(zone, utc_sec);
	return local >= 0 ? local / DAY_SEC : -((-local + DAY_SEC - 1) / DAY_SEC);
}

static bool is_day_of(const Opening *o, int64_t day)
{
	int year, month, dom;
	int weekday = (int)(((day + 4) % 7 + 7) % 7);
	if (o->weekday >= 0 && o->weekday != weekday)
		return false;
	if (o->nth == NTH_EVERY)
		return true;
	sl_date_from_days(day, &year, &month, &dom);
	if (o->nth == NTH_LAST)
		return dom + 7 > sl_date_month_days(year, month);
	return (dom - 1) / 7 + 1 == o->nth;
}

static Span span_of(const WindowRules *r, const Opening *o, int64_t day)
{
	int64_t midnight = day * DAY_SEC;
	return (Span){ instant_of(r->zone, midnight + o->start_min * 60, false),
		instant_of(r->zone, midnight + o->end_min * 60, true) };
}

/* ---- the state ---- */

static const Blackout *blackout_at(const WindowRules *r, int64_t utc_sec)
{
	int64_t day = local_day(r->zone, utc_sec);
	for (size_t i = 0; i < r->n_blackouts; i++)
		if (day >= r->blackouts[i].from_day && day <= r->blackouts[i].to_day)
			return &r->blackouts[i];
	return NULL;
}

static int64_t blackout_end(const WindowRules *r, const Blackout *b)
{
	return instant_of(r->zone, (b->to_day + 1) * DAY_SEC, false);
}

/* Cuts the span at blackouts: moves its begin past one that covers it, and ends it where the next
 * one begins. False when nothing is left. */
static bool cut(const WindowRules *r, Span *s)
{
	for (const Blackout *b; s->from < s->to && (b = blackout_at(r, s->from));)
		s->from = blackout_end(r, b);
	for (size_t i = 0; i < r->n_blackouts; i++) {
		int64_t begin = instant_of(r->zone, r->blackouts[i].from_day * DAY_SEC, false);
		if (begin > s->from && begin < s->to)
			s->to = begin;
	}
	return s->from < s->to;
}

/* The earliest piece of any opening that begins on this day and ends after `after`; a blackout in
 * the middle of an opening makes two pieces of it. */
static bool piece_of_day(const WindowRules *r, int64_t day, int64_t after, Span *ret)
{
	bool found = false;
	for (size_t i = 0; i < r->n_openings; i++) {
		if (!is_day_of(&r->openings[i], day))
			continue;
		Span whole = span_of(r, &r->openings[i], day), piece = whole;
		while (cut(r, &piece) && piece.to <= after)
			piece = (Span){ piece.to, whole.to };
		if (piece.from >= piece.to || piece.to <= after)
			continue;
		if (!found || piece.from < ret->from)
			*ret = piece;
		found = true;
	}
	return found;
}

/* The earliest piece that ends after `after`. One that began on an earlier day may still be it, and
 * one of the next day may begin before it ends: both are looked at. */
static bool next_piece(const WindowRules *r, int64_t after, Span *ret)
{
	int64_t first = local_day(r->zone, after) - 2;
	bool found = false;
	int64_t found_day = 0;
	for (int64_t day = first; day < first + WINDOW_HORIZON_DAYS; day++) {
		Span s;
		if (found && day > found_day + 2)
			break;
		if (!piece_of_day(r, day, after, &s) || (found && s.from >= ret->from))
			continue;
		if (!found)
			found_day = day;
		*ret = s;
		found = true;
	}
	return found;
}

/* Without openings everything is open but blackouts. */
static bool next_span(const WindowRules *r, int64_t now, Span *ret)
{
	if (r->n_openings == 0) {
		*ret = (Span){ now, INT64_MAX / USEC };
		const Blackout *b = blackout_at(r, now);
		for (; b; b = blackout_at(r, ret->from))
			ret->from = blackout_end(r, b);
		return cut(r, ret);
	}
	if (!next_piece(r, now, ret))
		return false;
	/* Openings that touch or overlap are one. */
	for (int i = 0; i < WINDOW_HORIZON_DAYS; i++) {
		Span more;
		if (!next_piece(r, ret->to, &more) || more.from > ret->to)
			return true;
		ret->to = more.to;
	}
	ret->to = INT64_MAX / USEC; /* no end in sight */
	return true;
}

WindowState window_state(const WindowRules *r, int64_t now_usec)
{
	WindowState s = { .open = true,
		.opens_usec = now_usec,
		.closes_usec = INT64_MAX,
		.hop_may_start = true,
		.last_hop_usec = INT64_MAX };
	Span span;
	if (!r)
		return s;
	int64_t now = now_usec / USEC;
	const Blackout *b = blackout_at(r, now);
	s.blackout = b ? b->name : NULL;
	if (!next_span(r, now, &span))
		return (WindowState){ .opens_usec = INT64_MAX,
			.closes_usec = INT64_MAX,
			.last_hop_usec = INT64_MAX,
			.blackout = s.blackout };
	s.open = span.from <= now;
	s.opens_usec = span.from * USEC;
	if (span.to < INT64_MAX / USEC) {
		s.closes_usec = span.to * USEC;
		s.last_hop_usec = (span.to - r->last_hop_sec) * USEC;
	}
	s.hop_may_start = s.open && now_usec <= s.last_hop_usec;
	return s;
}

int64_t window_notice_until(const WindowRules *r, int64_t merged_usec)
{
	return r ? merged_usec + r->notice_sec * USEC : merged_usec;
}

WindowAtClose window_at_close(const WindowRules *r)
{
	return r ? r->at_close : AT_CLOSE_FINISH;
}

bool window_rollback_outside(const WindowRules *r)
{
	return !r || r->rollback_outside;
}

/* What the wall clock of the zone shows. */
typedef struct Shown {
	int64_t day;
	int minute;
	const char *zone; /* "EST" */
	char date[32]; /* "Tue 2026-12-08" */
	char hour[8]; /* "08:00" */
} Shown;

static Shown shown(const WindowRules *r, int64_t usec)
{
	static const char days[][4] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	int64_t utc = usec / USEC;
	int interval = g_time_zone_find_interval(r->zone, G_TIME_TYPE_UNIVERSAL, utc);
	int64_t local = utc + g_time_zone_get_offset(r->zone, interval);
	Shown s = { .day = local / DAY_SEC,
		.minute = (int)(local % DAY_SEC) / 60,
		.zone = g_time_zone_get_abbreviation(r->zone, interval) };
	int y, m, d;
	sl_date_from_days(s.day, &y, &m, &d);
	g_snprintf(s.date, sizeof s.date, "%s %04d-%02d-%02d", days[s.day % 7], y, m, d);
	g_snprintf(s.hour, sizeof s.hour, "%02d:%02d", s.minute / 60, s.minute % 60);
	return s;
}

char *window_clock_text(const WindowRules *r, int64_t usec)
{
	Shown s = shown(r, usec);
	return g_strdup_printf("%s %s %s", s.date, s.hour, s.zone);
}

/* The zone's name stands once where both ends have it. */
static char *span(const WindowRules *r, int64_t from_usec, int64_t to_usec)
{
	Shown a = shown(r, from_usec), b = shown(r, to_usec);
	bool one = strcmp(a.zone, b.zone) == 0;
	if (a.day == b.day)
		return g_strdup_printf("%s %s%s%s-%s %s", a.date, a.hour, one ? "" : " ",
			one ? "" : a.zone, b.hour, b.zone);
	return g_strdup_printf("%s %s%s%s - %s %s %s", a.date, a.hour, one ? "" : " ",
		one ? "" : a.zone, b.date, b.hour, b.zone);
}

char *window_span_text(const WindowRules *r, const WindowState *s)
{
	if (!r || s->opens_usec == INT64_MAX || s->closes_usec == INT64_MAX)
		return window_text(r, s);
	g_autofree char *text = span(r, s->opens_usec, s->closes_usec);
	if (s->last_hop_usec == s->closes_usec)
		return g_steal_pointer(&text);
	Shown begin = shown(r, s->opens_usec), last = shown(r, s->last_hop_usec);
	bool same = begin.day == last.day;
	return g_strdup_printf(
		"%s, no hop after %s%s%s", text, same ? "" : last.date, same ? "" : " ", last.hour);
}

char *window_text(const WindowRules *r, const WindowState *s)
{
	if (!r || (s->open && s->closes_usec == INT64_MAX))
		return g_strdup("open");
	if (!s->open && s->opens_usec == INT64_MAX)
		return g_strdup_printf("closed, does not open within %d days", WINDOW_HORIZON_DAYS);
	g_autofree char *clock = window_clock_text(r, s->open ? s->closes_usec : s->opens_usec);
	if (s->open)
		return g_strdup_printf("open until %s", clock);
	return g_strdup_printf("%s%s%sopens %s", s->blackout ? "blackout " : "",
		s->blackout ? s->blackout : "", s->blackout ? ", " : "", clock);
}
