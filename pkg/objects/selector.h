/* Kubernetes label selectors. Sources: k8s.io/apimachinery LabelSelectorAsSelector (nil matches
 * nothing, empty matches everything; an absent key satisfies NotIn) and labels.Parse (the query
 * form). Immutable after creation; requirements are kept sorted, so equal selectors format
 * equally. */
#pragma once
#include "base/error.h"
#include <jansson.h>

typedef struct Selector Selector;

enum { SELECTOR_REQUIREMENTS_MAX = 64, SELECTOR_VALUES_MAX = 256 };

/* A LabelSelector object: matchLabels and matchExpressions. A missing or null one gives *ret =
 * NULL: the nil selector. INVALID for unknown fields, unknown operators, values missing (In, NotIn)
 * or present (Exists, DoesNotExist). */
bool selector_from_json(const json_t *v, Selector **ret, GError **err) SL_MUST_USE;
/* "app=web,tier in (a,b),!old,x!=y,z": the labelSelector parameter of a list; also =, ==, notin.
 * Empty text matches everything. */
Selector *selector_from_query(const char *text, GError **err) SL_MUST_USE;
void selector_free(Selector *s); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Selector, selector_free)

/* labels: a JSON object of strings, or NULL for none. NULL as selector matches nothing. */
bool selector_matches(const Selector *s, const json_t *labels);
bool selector_is_everything(const Selector *s);
/* The query form; NULL for the nil selector. Caller frees. */
char *selector_format(const Selector *s);
