#include "objects/quantity.h"
#include <string.h>

enum { DIGITS_MAX = 15, EXPONENT_MAX = 18 };

typedef unsigned __int128 Wide;

/* value = digits * num / den */
typedef struct Scaled {
	Wide digits, num, den;
} Scaled;

static bool take_mantissa(const char **at, Scaled *s)
{
	int n = 0, n_seen = 0;
	bool dot = false;
	for (;; (*at)++) {
		if (**at == '.' && !dot) {
			dot = true;
			continue;
		}
		if (!g_ascii_isdigit(**at))
			return n_seen > 0;
		n_seen++;
		n += n > 0 || **at != '0' || dot;
		if (n > DIGITS_MAX)
			return false;
		s->digits = s->digits * 10 + (Wide)(**at - '0');
		if (dot)
			s->den *= 10;
	}
}

static bool take_exponent(const char *at, Scaled *s)
{
	bool negative = *at == '-';
	int e = 0;
	at += *at == '-' || *at == '+';
	if (!g_ascii_isdigit(*at))
		return false;
	for (; g_ascii_isdigit(*at); at++) {
		e = e * 10 + (*at - '0');
		if (e > EXPONENT_MAX)
			return false;
	}
	for (int i = 0; i < e; i++)
		*(negative ? &s->den : &s->num) *= 10;
	return *at == '\0';
}

static bool take_suffix(const char *at, Scaled *s)
{
	static const struct {
		char name[3];
		int base, power; /* power of base; negative: divides */
	} units[] = {
		{ "", 1000, 0 },
		{ "n", 1000, -3 },
		{ "u", 1000, -2 },
		{ "m", 1000, -1 },
		{ "k", 1000, 1 },
		{ "M", 1000, 2 },
		{ "G", 1000, 3 },
		{ "T", 1000, 4 },
		{ "P", 1000, 5 },
		{ "E", 1000, 6 },
		{ "Ki", 1024, 1 },
		{ "Mi", 1024, 2 },
		{ "Gi", 1024, 3 },
		{ "Ti", 1024, 4 },
		{ "Pi", 1024, 5 },
		{ "Ei", 1024, 6 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		if (strcmp(at, units[i].name) != 0)
			continue;
		for (int p = 0; p < ABS(units[i].power); p++)
			*(units[i].power < 0 ? &s->den : &s->num) *= (Wide)units[i].base;
		return true;
	}
	return (*at == 'e' || *at == 'E') && take_exponent(at + 1, s);
}

static bool parse(const char *text, Wide per_unit, int64_t *ret)
{
	Scaled s = { .digits = 0, .num = 1, .den = 1 };
	if (!text)
		return false;
	bool negative = *text == '-';
	text += *text == '-' || *text == '+';
	if (!take_mantissa(&text, &s) || !take_suffix(text, &s))
		return false;
	Wide v = (s.digits * s.num * per_unit + s.den - 1) / s.den;
	int64_t n = v > (Wide)INT64_MAX ? INT64_MAX : (int64_t)v;
	*ret = negative ? -n : n;
	return true;
}

bool quantity_parse_milli(const char *text, int64_t *ret_milli)
{
	return parse(text, 1000, ret_milli);
}

bool quantity_parse(const char *text, int64_t *ret)
{
	return parse(text, 1, ret);
}
