#include "providers/observe.h"
#include "codec/json.h"
#include <string.h>

#define MEMO "observed"

static json_t *find(const json_t *list, const char *what)
{
	size_t i;
	json_t *o;
	json_array_foreach (list, i, o)
		if (strcmp(json_path_str(o, "what", ""), what) == 0)
			return o;
	return NULL;
}

/* field: "wouldUsec" or "doneUsec" of this wish becomes now, unless it is known. */
static bool note(Item *it, Batch *b, const char *what, const char *field)
{
	const json_t *known = find(json_object_get(item_memo(it), MEMO), what);
	bool would = strcmp(field, "wouldUsec") == 0;
	if (json_path_int(known, field, 0) || (would && known))
		return false;
	json_t *list = json_deep_copy(json_object_get(item_memo(it), MEMO));
	if (!list)
		list = json_array();
	if (!known)
		json_array_append_new(list,
			json_pack("{s:s, s:i, s:i}", "what", what, "wouldUsec", 0, "doneUsec", 0));
	json_object_set_new(find(list, what), field, json_integer((json_int_t)batch_wall_usec(b)));
	batch_memo(b, it, MEMO, list);
	return true;
}

bool observe_would(Item *it, Batch *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return note(it, b, what, "wouldUsec");
}

bool observe_done(Item *it, Batch *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	g_autofree char *what = g_strdup_vprintf(fmt, ap);
	va_end(ap);
	return note(it, b, what, "doneUsec");
}
