/* The one place that runs libfyaml: a checked text in, its events out. */
#pragma once
#include "base/error.h"
#include <libfyaml.h>

enum {
	YAML_PAD =
		64, /* bytes of zeros that must follow the text: the library looks past its end */
};

/* False ends the parse. The event lives until the return. */
typedef bool YamlOnEvent(struct fy_event *e, void *ud);

/* The text has passed yaml_text_ok() and is padded. False when it is not readable as YAML: line and
 * column (from 1) and the library's words, one bounded line without what it quotes; caller frees.
 */
bool yaml_events(const char *text, size_t len, YamlOnEvent *on_event, void *ud, int *ret_line,
	int *ret_column, char **ret_why);
