#include "objects/intstr.h"
#include <limits.h>
#include <string.h>

enum { PERCENT_MAX = 1000000 };

bool intstr_parse_percent(const char *text, int *ret_percent)
{
	int v = 0;
	if (!text || !g_ascii_isdigit(*text))
		return false;
	for (; g_ascii_isdigit(*text); text++) {
		v = v * 10 + (*text - '0');
		if (v > PERCENT_MAX)
			return false;
	}
	if (strcmp(text, "%") != 0)
		return false;
	*ret_percent = v;
	return true;
}

bool intstr_from_json(const json_t *v, IntStr *ret)
{
	if (json_is_integer(v)) {
		json_int_t n = json_integer_value(v);
		if (n < 0 || n > INT_MAX)
			return false;
		*ret = (IntStr){ .value = (int)n };
		return true;
	}
	int percent;
	if (!json_is_string(v) || !intstr_parse_percent(json_string_value(v), &percent))
		return false;
	*ret = (IntStr){ .percent = true, .value = percent };
	return true;
}

int intstr_scale(IntStr v, int total, bool round_up)
{
	if (!v.percent)
		return v.value;
	int64_t scaled = ((int64_t)v.value * total + (round_up ? 99 : 0)) / 100;
	return (int)MIN(scaled, INT_MAX);
}

int intstr_of_pdb(IntStr v, int expected_pods)
{
	return intstr_scale(v, expected_pods, true);
}

int intstr_of_pool(IntStr v, int machines)
{
	int n = intstr_scale(v, machines, false);
	return MAX(n, 1);
}

char *intstr_format(IntStr v)
{
	return g_strdup_printf("%d%s", v.value, v.percent ? "%" : "");
}
