/* libFuzzer entry: any bytes end in documents or located errors, and positions fit the tree.
 * clang -fsanitize=fuzzer,address ... ; the corpus is pkg/yaml/corpus-yaml, replayed by
 * test-corpus.c. */
#include "yaml/yaml.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_nodes(const json_t *v)
{
	size_t n = 1, i;
	const char *key;
	json_t *child;
	json_object_foreach ((json_t *)v, key, child) {
		n += 1 + count_nodes(child);
	}
	json_array_foreach (v, i, child) {
		n += count_nodes(child);
	}
	return n;
}

static void check_positions(const char *positions, size_t n_nodes, size_t size)
{
	const char *p = positions;
	int64_t line = 0, column = 0, start = 0;
	for (size_t i = 0; i < n_nodes; i++) {
		char *end;
		int64_t v[4];
		for (int k = 0; k < 4; k++) {
			v[k] = g_ascii_strtoll(p, &end, 10);
			g_assert(end != p);
			p = end;
		}
		column = v[0] == 0 ? column + v[1] : v[1];
		line += v[0];
		start += v[2];
		g_assert(line >= 1 && column >= 1 && start >= 0 && v[3] >= 0);
		g_assert(start + v[3] <= (int64_t)size);
	}
	g_assert(*p == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *out = yaml_to_json((const char *)data, size, true);
	json_t *docs = json_object_get(out, "documents"), *errors = json_object_get(out, "errors");
	g_assert(json_array_size(docs) == 0 || json_array_size(errors) == 0);
	char *text = json_dumps(out, 0);
	g_assert(text);
	free(text);
	size_t i;
	json_t *doc;
	json_array_foreach (docs, i, doc) {
		check_positions(json_string_value(json_object_get(doc, "positions")),
			count_nodes(json_object_get(doc, "json")), size);
	}
	json_array_foreach (errors, i, doc) {
		g_assert(json_integer_value(json_object_get(doc, "line")) >= 1 &&
			 json_integer_value(json_object_get(doc, "column")) >= 1);
	}
	json_decref(out);
	return 0;
}
