#include "objects/time.h"
#include <inttypes.h>
#include <string.h>

enum { DAY_SEC = 86400, FRACTION_DIGITS = 9, MICRO_DIGITS = 6 };
static const int64_t USEC = 1000000;
static const int64_t DURATION_MAX_SEC = (int64_t)100 * 366 * DAY_SEC;

int64_t sl_date_to_days(int year, int month, int day)
{
	/* Years begin in March, so that the leap day is a year's last. */
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

void sl_date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (int)(yoe + era * 400 + (*ret_month <= 2 ? 1 : 0));
}

int sl_date_month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap ? 1 : 0);
}

/* Exactly n digits; moves *at past them. */
static bool take_digits(const char **at, int n, int *ret)
{
	int v = 0;
	for (int i = 0; i < n; i++) {
		if (!g_ascii_isdigit((*at)[i]))
			return false;
		v = v * 10 + ((*at)[i] - '0');
	}
	*at += n;
	*ret = v;
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

static bool take_date(const char **at, int64_t *ret_days)
{
	int y, m, d;
	if (!take_digits(at, 4, &y) || !take_char(at, '-') || !take_digits(at, 2, &m) ||
		!take_char(at, '-') || !take_digits(at, 2, &d))
		return false;
	if (y < 1 || m < 1 || m > 12 || d < 1 || d > sl_date_month_days(y, m))
		return false;
	*ret_days = sl_date_to_days(y, m, d);
	return true;
}

bool sl_date_parse(const char *text, int64_t *ret_days)
{
	int64_t days;
	if (!text || !take_date(&text, &days) || *text)
		return false;
	*ret_days = days;
	return true;
}

static bool take_clock(const char **at, int64_t *ret_sec)
{
	int h, m, s;
	if (!take_digits(at, 2, &h) || !take_char(at, ':') || !take_digits(at, 2, &m) ||
		!take_char(at, ':') || !take_digits(at, 2, &s))
		return false;
	if (h > 23 || m > 59 || s > 59)
		return false;
	*ret_sec = h * 3600 + m * 60 + s;
	return true;
}

/* An absent fraction is 0; a dot without digits is an error. */
static bool take_fraction(const char **at, int64_t *ret_usec)
{
	*ret_usec = 0;
	if (!take_char(at, '.'))
		return true;
	int n = 0;
	for (; g_ascii_isdigit(**at); (*at)++, n++)
		if (n < MICRO_DIGITS)
			*ret_usec = *ret_usec * 10 + (**at - '0');
	for (int i = n; i < MICRO_DIGITS; i++)
		*ret_usec *= 10;
	return n >= 1 && n <= FRACTION_DIGITS;
}

static bool take_offset(const char **at, int64_t *ret_sec)
{
	*ret_sec = 0;
	if (take_char(at, 'Z'))
		return true;
	int sign = **at == '-' ? -1 : 1, h, m;
	if (**at != '+' && **at != '-')
		return false;
	(*at)++;
	if (!take_digits(at, 2, &h) || !take_char(at, ':') || !take_digits(at, 2, &m) || h > 23 ||
		m > 59)
		return false;
	*ret_sec = sign * (h * 3600 + m * 60);
	return true;
}

bool sl_time_parse(const char *text, int64_t *ret_usec)
{
	int64_t days, sec, usec, offset;
	if (!text || !take_date(&text, &days) || !take_char(&text, 'T') ||
		!take_clock(&text, &sec) || !take_fraction(&text, &usec) ||
		!take_offset(&text, &offset) || *text)
		return false;
	*ret_usec = (days * DAY_SEC + sec - offset) * USEC + usec;
	return true;
}

/* n digits of v at p, filled with zeros; what follows them. */
static char *put_digits(char *p, int n, int v)
{
	for (int i = n; i-- > 0; v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + n;
}

static char *put_char(char *p, char c)
{
	*p = c;
	return p + 1;
}

static char *put_clock(char *p, int of_day)
{
	p = put_char(put_digits(p, 2, of_day / 3600), ':');
	p = put_char(put_digits(p, 2, of_day / 60 % 60), ':');
	return put_digits(p, 2, of_day % 60);
}

static char *format(int64_t usec, bool micro)
{
	int64_t min = sl_date_to_days(1, 1, 1) * DAY_SEC * USEC;
	int64_t max = sl_date_to_days(10000, 1, 1) * DAY_SEC * USEC - 1;
	usec = CLAMP(usec, min, max);
	int64_t sec = usec / USEC, part = usec % USEC;
	if (part < 0) {
		part += USEC;
		sec--;
	}
	int64_t days = sec / DAY_SEC, of_day = sec % DAY_SEC;
	if (of_day < 0) {
		of_day += DAY_SEC;
		days--;
	}
	int y, m, d;
	sl_date_from_days(days, &y, &m, &d);
	char *text = g_malloc(sizeof "2006-01-02T15:04:05.000000Z"), *p = text;
	p = put_char(put_digits(p, 4, y), '-');
	p = put_char(put_digits(p, 2, m), '-');
	p = put_char(put_digits(p, 2, d), 'T');
	p = put_clock(p, (int)of_day);
	if (micro)
		p = put_digits(put_char(p, '.'), MICRO_DIGITS, (int)part);
	*put_char(p, 'Z') = '\0';
	return text;
}

char *sl_time_format(int64_t usec)
{
	return format(usec, false);
}

char *sl_time_format_micro(int64_t usec)
{
	return format(usec, true);
}

static int64_t unit_sec(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return DAY_SEC;
	default:
		return 0;
	}
}

bool sl_duration_parse(const char *text, int64_t *ret_sec)
{
	if (!text || !g_ascii_isdigit(*text))
		return false;
	int64_t n = 0;
	for (; g_ascii_isdigit(*text); text++) {
		n = n * 10 + (*text - '0');
		if (n > DURATION_MAX_SEC)
			return false;
	}
	int64_t unit = unit_sec(*text);
	if (!unit || text[1] || n > DURATION_MAX_SEC / unit)
		return false;
	*ret_sec = n * unit;
	return true;
}

char *sl_duration_human(int64_t sec)
{
	static const struct {
		int64_t sec;
		const char *name, *next;
		int64_t next_sec;
	} units[] = {
		{ DAY_SEC, "d", "h", 3600 },
		{ 3600, "h", "m", 60 },
		{ 60, "m", "s", 1 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		if (sec < units[i].sec)
			continue;
		int64_t whole = sec / units[i].sec, rest = sec % units[i].sec / units[i].next_sec;
		/* Past some size the second unit is noise. */
		if (!rest || whole >= 10)
			return g_strdup_printf("%" PRId64 "%s", whole, units[i].name);
		return g_strdup_printf(
			"%" PRId64 "%s%02d%s", whole, units[i].name, (int)rest, units[i].next);
	}
	return g_strdup_printf("%ds", (int)MAX(sec, 0));
}

char *sl_duration_format(int64_t sec)
{
	static const char units[] = "dhm";
	for (const char *u = units; *u && sec; u++)
		if (sec % unit_sec(*u) == 0)
			return g_strdup_printf("%" PRId64 "%c", sec / unit_sec(*u), *u);
	return g_strdup_printf("%" PRId64 "s", sec);
}
