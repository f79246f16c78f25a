#include "providers/wanted.h"
#include "codec/json.h"
#include "objects/version.h"

const json_t *wanted_target(const Item *it)
{
	return json_path(item_data(item_parent(it)), "plan.spec.target");
}

const char *wanted_next(const Item *it, const char *now, int *ret_index, bool *ret_last)
{
	const json_t *target = wanted_target(it), *hops = json_object_get(target, "hops");
	size_t i, n = json_array_size(hops);
	json_t *h;
	json_array_foreach (hops, i, h)
		if (version_compare_text(json_string_value(h), now) > 0) {
			*ret_index = (int)i;
			*ret_last = i + 1 == n;
			return json_string_value(h);
		}
	const char *version = json_path_str(target, "version", "");
	if (n > 0 || version_compare_text(version, now) <= 0)
		return NULL;
	*ret_index = 0;
	*ret_last = true;
	return version;
}
