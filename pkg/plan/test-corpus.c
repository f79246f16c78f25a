/* Replays the fuzzer's corpus, and a few thousand damaged copies of good documents: every value
 * replaced in turn by values of other types. */
#include "base/file.h"
#include "plan/fuzz-check.c"

static void run_json(const json_t *list)
{
	g_autofree char *text = json_canonical(list);
	LLVMFuzzerTestOneInput((const uint8_t *)text, strlen(text));
}

static const char *const odd[] = { "null", "true", "7", "-1", "1.5", "\"\"", "\"x\"", "[]", "{}",
	"[null]", "[[\"a\"]]", "{\"a\":null}", "{\"a\":{\"a\":[]}}" };

static const char *next_odd(unsigned *turn)
{
	return odd[(*turn)++ % G_N_ELEMENTS(odd)];
}

enum { ODD_AT_ONCE = 3 }; /* all of them at every place take too long for every day */

/* Puts some of the odd values, others each time, in the place of each part of v. */
static unsigned damage(const json_t *root, json_t *v, unsigned *turn)
{
	const char *key;
	json_t *child;
	size_t i;
	unsigned n = 0;
	void *next;
	json_object_foreach_safe (v, next, key, child) {
		g_autoptr(json_t) kept = json_incref(child);
		g_autofree char *name = g_strdup(key);
		for (size_t k = 0; k < ODD_AT_ONCE; k++, n++) {
			json_object_set_new(
				v, name, json_loads(next_odd(turn), JSON_DECODE_ANY, NULL));
			run_json(root);
		}
		json_object_set(v, name, kept);
		n += damage(root, kept, turn);
	}
	for (i = 0; i < json_array_size(v); i++) {
		g_autoptr(json_t) kept = json_incref(json_array_get(v, i));
		for (size_t k = 0; k < ODD_AT_ONCE; k++, n++) {
			json_array_set_new(v, i, json_loads(next_odd(turn), JSON_DECODE_ANY, NULL));
			run_json(root);
		}
		json_array_set(v, i, kept);
		n += damage(root, kept, turn);
	}
	return n;
}

static void each_file(void (*use)(const char *text, size_t len, void *ud), void *ud)
{
	const char *src = g_getenv("SHIPLOCK_SRC");
	g_autofree char *dir = g_build_filename(src ? src : ".", "pkg/plan/corpus-check", NULL);
	g_autoptr(GError) err = NULL;
	g_autoptr(GDir) d = g_dir_open(dir, 0, &err);
	g_assert_no_error(err);
	for (const char *name; (name = g_dir_read_name(d));) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		size_t len;
		g_autofree char *text = sl_read_file(path, 1 << 20, &len, &err);
		g_assert_no_error(err);
		g_test_message("%s", name);
		use(text, len, ud);
	}
}

static void replay(const char *text, size_t len, void *ud)
{
	LLVMFuzzerTestOneInput((const uint8_t *)text, len);
	(*(unsigned *)ud)++;
}

static void damage_file(const char *text, size_t len, void *ud)
{
	g_autoptr(json_t) list = json_loadb(text, len, 0, NULL);
	unsigned turn = 0;
	if (json_is_array(list))
		*(unsigned *)ud += damage(list, list, &turn);
}

static void test_replay(void)
{
	unsigned n = 0;
	each_file(replay, &n);
	g_assert_cmpuint(n, >=, 3);
}

static void test_damage(void)
{
	unsigned n = 0;
	each_file(damage_file, &n);
	g_test_message("%u damaged sets", n);
	g_assert_cmpuint(n, >=, 1000);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/check/corpus", test_replay);
	g_test_add_func("/check/damage", test_damage);
	return g_test_run();
}
