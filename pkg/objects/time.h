/* Times and durations as documents and API servers write them. Sources: RFC 3339; Kubernetes
 * metav1.Time (whole seconds) and MicroTime (six digits). All instants are wall-clock microseconds
 * since 1970-01-01T00:00:00Z; nothing here reads a clock. */
#pragma once
#include "base/error.h"

/* "2026-11-20T08:16:07Z", a fraction of 1-9 digits (cut to microseconds), an offset "+05:30"
 * instead of Z. Upper-case T and Z only, years 0001-9999, no leap second: as the servers do. */
bool sl_time_parse(const char *text, int64_t *ret_usec);

/* UTC with whole seconds (a fraction is cut), or with six digits. Caller frees. Instants outside
 * the years 0001-9999 are clamped to them. */
char *sl_time_format(int64_t usec);
char *sl_time_format_micro(int64_t usec);

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. month 1-12, day 1-31; the caller
 * has checked them (see sl_date_parse). */
int64_t sl_date_to_days(int year, int month, int day);
void sl_date_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day);
int sl_date_month_days(int year, int month);
/* "2027-06-01", a date that exists. */
bool sl_date_parse(const char *text, int64_t *ret_days);

/* A document's duration: digits and one unit of s, m, h, d ("90s", "7d"); "0s" is fine, a sign,
 * a fraction, two units or more than 100 years are not. */
bool sl_duration_parse(const char *text, int64_t *ret_sec);
/* For people: at most two units, cut, not rounded: "45s", "18m", "1h50m", "2h05m", "12d", "3d04h".
 * A negative one is shown as "0s". Caller frees. */
char *sl_duration_human(int64_t sec);
/* The document's form with the largest unit that divides it: 5400 is "90m". Caller frees. */
char *sl_duration_format(int64_t sec);
