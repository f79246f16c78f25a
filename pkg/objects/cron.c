#include "objects/cron.h"
#include "objects/time.h"
#include <glib.h>
#include <string.h>

enum { MINUTE = 60, DAY = 86400, FIELDS = 5 };

typedef struct Field {
	uint64_t bits;
	bool any; /* * or ? */
} Field;

static const struct {
	const char *what;
	int low, high;
	const char *names; /* three letters each, from low on; NULL: none */
} bounds[FIELDS] = {
	{ "minute", 0, 59, NULL },
	{ "hour", 0, 23, NULL },
	{ "day of the month", 1, 31, NULL },
	{ "month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC" },
	{ "day of the week", 0, 6, "SUNMONTUEWEDTHUFRISAT" },
};

static bool number(const char *text, size_t which, int *ret)
{
	const char *names = bounds[which].names;
	for (size_t i = 0; names && strlen(text) == 3 && i < strlen(names) / 3; i++)
		if (g_ascii_strncasecmp(names + 3 * i, text, 3) == 0) {
			*ret = bounds[which].low + (int)i;
			return true;
		}
	uint64_t n = 0;
	if (!g_ascii_string_to_unsigned(text, 10, 0, 99, &n, NULL))
		return false;
	*ret = (int)n;
	return true;
}

/* "*", "4", "MON-FRI". stepped: "4" means from there to the end. */
static bool range_of(const char *text, size_t which, bool stepped, int *ret_low, int *ret_high)
{
	g_auto(GStrv) end = g_strsplit(text, "-", 0);
	unsigned n = g_strv_length(end);
	*ret_low = bounds[which].low;
	*ret_high = bounds[which].high;
	if (strcmp(text, "*") == 0 || strcmp(text, "?") == 0)
		return true;
	if (n < 1 || n > 2 || !number(end[0], which, ret_low))
		return false;
	if (n == 1 && !stepped)
		*ret_high = *ret_low;
	return n == 1 || number(end[1], which, ret_high);
}

/* One part of a list. */
static bool parse_part(const char *text, size_t which, Field *f)
{
	g_auto(GStrv) step = g_strsplit(text, "/", 0);
	int low, high, by = 1;
	unsigned n = g_strv_length(step);
	if (n < 1 || n > 2 || !range_of(step[0], which, n == 2, &low, &high))
		return false;
	if (n == 2 && (!number(step[1], which, &by) || by < 1))
		return false;
	if (low < bounds[which].low || high > bounds[which].high || low > high)
		return false;
	f->any = f->any || (n == 1 && (*text == '*' || *text == '?'));
	for (int i = low; i <= high; i += by)
		f->bits |= UINT64_C(1) << i;
	return true;
}

static bool parse(const char *schedule, Field *fields, GError **err)
{
	g_auto(GStrv) word = g_strsplit_set(schedule, " \t", 0);
	size_t n = 0;
	for (char **w = word; *w; w++) {
		if (!**w)
			continue;
		if (n == FIELDS)
			return sl_fail(
				err, SL_ERR_INVALID, "\"%s\" has more than five fields", schedule);
		g_auto(GStrv) part = g_strsplit(*w, ",", 0);
		for (char **p = part; *p; p++)
			if (!parse_part(*p, n, &fields[n]))
				return sl_fail(err, SL_ERR_INVALID, "\"%s\": \"%s\" is no %s",
					schedule, *p, bounds[n].what);
		n++;
	}
	return n == FIELDS ||
	       sl_fail(err, SL_ERR_INVALID, "\"%s\" has fewer than five fields", schedule);
}

static bool has(const Field *f, int value)
{
	return f->bits & (UINT64_C(1) << value);
}

static bool day_matches(const Field *f, int64_t days)
{
	int year, month, day, weekday = (int)((days % 7 + 7 + 4) % 7); /* day 0 was a Thursday */
	sl_date_from_days(days, &year, &month, &day);
	bool dom = has(&f[2], day), dow = has(&f[4], weekday);
	bool either = f[2].any || f[4].any ? dom && dow : dom || dow;
	return has(&f[3], month) && either;
}

static bool minute_matches(const Field *f, int64_t local_sec)
{
	int64_t days = local_sec / DAY;
	int in_day = (int)(local_sec % DAY);
	return has(&f[0], in_day / MINUTE % 60) && has(&f[1], in_day / 3600) &&
	       day_matches(f, days);
}

/* An opening later than now - duration and earlier than now. */
static bool opened_lately(const Field *f, GTimeZone *zone, int64_t duration_sec, int64_t now_sec)
{
	int64_t at = (now_sec - 1) / MINUTE * MINUTE;
	for (; at > now_sec - duration_sec; at -= MINUTE) {
		int interval = g_time_zone_find_interval(zone, G_TIME_TYPE_UNIVERSAL, at);
		if (minute_matches(f, at + g_time_zone_get_offset(zone, interval)))
			return true;
	}
	return false;
}

bool cron_window_open(const char *schedule, const char *zone, int64_t duration_sec,
	int64_t now_usec, bool *ret_open, GError **err)
{
	Field fields[FIELDS] = { 0 };
	if (!parse(schedule, fields, err))
		return false;
	if (duration_sec < 0 || duration_sec > CRON_MAX_DURATION_SEC)
		return sl_fail(err, SL_ERR_INVALID, "a window of %" G_GINT64_FORMAT " seconds",
			duration_sec);
	g_autoptr(GTimeZone) tz = g_time_zone_new_identifier(zone && *zone ? zone : "UTC");
	if (!tz)
		return sl_fail(err, SL_ERR_INVALID, "time zone \"%s\" is not known", zone);
	*ret_open = opened_lately(fields, tz, duration_sec, now_usec / 1000000);
	return true;
}
