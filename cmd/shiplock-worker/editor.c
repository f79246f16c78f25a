#include "editor.h"
#include "codec/json.h"
#include "job/job-worker.h"
#include <stdlib.h>
#include <string.h>

enum { EDIT_TIMEOUT_MSEC = 90 * 1000 };

static json_t *edit(const json_t *request, void *ud, GError **err)
{
	g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
	char *input = json_dumps(request, JSON_COMPACT);
	size_t len = 0;
	g_autofree char *text =
		job_run_sync(self, "edit", input, strlen(input), EDIT_TIMEOUT_MSEC, &len, err);
	free(input);
	return text ? json_parse(text, len, err) : NULL;
}

const GitEditor worker_editor = { .edit = edit };
