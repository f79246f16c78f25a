/* "Integer or percentage" fields. Sources: k8s.io/apimachinery intstr (a percentage is a string
 * with "%", a plain number in a string is an error), the disruption controller (percentages round
 * up), the machine-config operator (rounds down, but never to less than 1). */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef struct IntStr {
	bool percent;
	int value; /* 0 or more */
} IntStr;

/* A JSON integer, or a string like "10%". */
bool intstr_from_json(const json_t *v, IntStr *ret);
bool intstr_parse_percent(const char *text, int *ret_percent);
int intstr_scale(IntStr v, int total, bool round_up);
/* How a PodDisruptionBudget scales either of its two fields over the expected pods. */
int intstr_of_pdb(IntStr v, int expected_pods);
/* How many machines of a MachineConfigPool may be away at once. */
int intstr_of_pool(IntStr v, int machines);
/* "1" or "10%". Caller frees. */
char *intstr_format(IntStr v);
