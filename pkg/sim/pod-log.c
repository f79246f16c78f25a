#include "sim/api-private.h"
#include "sim/tree.h"
#include <string.h>

/* A kubelet's answer about the log of a container; it keeps to limitBytes as the real one does. */
char *sim_pod_log(const json_t *pod, const char *query)
{
	const char *text = tree_annotation(pod, "sim/log"),
		   *noise = tree_annotation(pod, "sim/log-bytes"),
		   *rude = tree_annotation(pod, "sim/log-no-limit");
	size_t n = noise ? (size_t)g_ascii_strtoull(noise, NULL, 10) : 0,
	       len = strlen(text ? text : "");
	char *log = g_malloc(n + len + 1);
	memset(log, 'x', n);
	for (size_t i = 79; i < n; i += 80)
		log[i] = '\n';
	memcpy(log + n, text ? text : "", len + 1);
	/* tailLines first, then limitBytes: from the end of the log by lines, cut at its own end.
	 */
	int64_t lines = sim_query_int(query, "tailLines", 0),
		limit = sim_query_int(query, "limitBytes", 0);
	size_t from = n + len;
	while (lines > 0 && from > 0 && (log[from - 1] != '\n' || from == n + len || --lines > 0))
		from--;
	g_autofree char *whole = log;
	if (rude)
		return g_steal_pointer(&whole);
	const char *start = sim_query_int(query, "tailLines", 0) ? log + from : log;
	return limit ? g_strndup(start, (size_t)limit) : g_strdup(start);
}
