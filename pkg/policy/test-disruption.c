#include "codec/json.h"
#include "objects/time.h"
#include "policy/disruption.h"
#include <string.h>

#define SEC INT64_C(1000000)

/* One word an event: SECOND:UID=STATE. The owner is the UID's first letter, the namespace shop.
 * STATE: ready, starting, done (ran to its end), leaving (deleted, containers ended), gone, removed
 * (gone while nobody counts). "|" ends the beginning, "!" is a restart that lists anew. */
static const struct {
	const char *name, *events, *sums;
	unsigned n_open;
} cases[] = {
	{ "nothing", "0:a1=ready | 5:a1=ready", "{}", 0 },
	{ "gone, and another one", "0:a1=ready | 10:a1=gone 12:a2=starting 40:a2=ready",
		"{\"shop\":{\"pods\":1,\"usec\":30000000}}", 0 },
	{ "the other one was sooner",
		"0:a1=ready | 5:a1=leaving 6:a2=starting 8:a2=ready 10:a1=gone",
		"{\"shop\":{\"pods\":1,\"usec\":0}}", 0 },
	{ "no other one: scaled down", "0:a1=ready | 10:a1=gone 50:b1=ready", "{}", 1 },
	{ "another owner's", "0:a1=ready 0:b1=ready | 10:a1=gone 20:b2=ready", "{}", 1 },
	{ "two of one owner, two gaps",
		"0:a1=ready 0:a2=ready | 10:a1=gone 15:a2=gone 20:a3=ready 40:a4=ready",
		"{\"shop\":{\"pods\":2,\"usec\":35000000}}", 0 },
	{ "moved twice", "0:a1=ready | 10:a1=gone 20:a2=ready 30:a2=gone 35:a3=ready",
		"{\"shop\":{\"pods\":2,\"usec\":15000000}}", 0 },
	{ "was never ready", "0:a1=starting | 10:a1=gone 20:a2=ready", "{}", 0 },
	{ "its stand-in goes before it was ready",
		"0:a1=ready | 10:a1=gone 11:a2=starting 12:a2=gone 30:a3=ready",
		"{\"shop\":{\"pods\":1,\"usec\":20000000}}", 0 },
	{ "a spare one goes", "0:a1=ready | 5:a2=ready 6:a2=gone 10:a1=gone 12:a3=ready",
		"{\"shop\":{\"pods\":1,\"usec\":2000000}}", 0 },
	{ "ran to its end", "0:a1=ready | 5:a1=done 10:a1=gone 20:a2=ready", "{}", 0 },
	{ "not ready for a while, and still there", "0:a1=ready | 5:a1=starting 20:a1=ready", "{}",
		0 },
	{ "was starting at the beginning",
		"0:a1=ready 0:a2=starting | 5:a2=ready 10:a1=gone 30:a3=ready",
		"{\"shop\":{\"pods\":1,\"usec\":20000000}}", 0 },
	{ "nobody counts", "0:a1=ready | 10:a1=removed 20:a2=ready", "{}", 0 },
	{ "a restart in the gap", "0:a1=ready | 10:a1=gone ! 20:a2=starting | 40:a2=ready",
		"{\"shop\":{\"pods\":1,\"usec\":30000000}}", 0 },
	{ "ready while it was down",
		"0:a1=ready 0:a3=ready | 10:a1=gone ! 25:a2=ready 0:a3=ready |",
		"{\"shop\":{\"pods\":1,\"usec\":15000000}}", 0 },
};

static json_t *pod_of(const char *uid, const char *state, int64_t at)
{
	bool ready = strcmp(state, "ready") == 0, done = strcmp(state, "done") == 0,
	     leaving = strcmp(state, "leaving") == 0;
	g_autofree char *time = sl_time_format(at);
	char owner[] = { uid[0], 0 };
	return json_pack("{s:{s:s, s:s, s:[{s:s, s:s, s:b}], s:s*}, s:{s:s, s:[{s:s, s:s, s:s}]}}",
		"metadata", "namespace", "shop", "uid", uid, "ownerReferences", "kind",
		"ReplicaSet", "uid", owner, "controller", 1, "deletionTimestamp",
		leaving ? time : NULL, "status", "phase", done || leaving ? "Succeeded" : "Running",
		"conditions", "type", "Ready", "status", ready ? "True" : "False",
		"lastTransitionTime", time);
}

static void play(Disruption *d, const char *word)
{
	g_auto(GStrv) parts = g_strsplit_set(word, ":=", 3);
	int64_t at = (1790000000 + g_ascii_strtoll(parts[0], NULL, 10)) * SEC;
	bool gone = strcmp(parts[2], "gone") == 0;
	if (gone || strcmp(parts[2], "removed") == 0) {
		disruption_gone(d, parts[1], at, gone);
		return;
	}
	g_autoptr(json_t) pod = pod_of(parts[1], parts[2], at);
	disruption_see(d, pod, at);
}

static Disruption *again(Disruption *d)
{
	g_autoptr(json_t) known = disruption_json(d);
	disruption_free(d);
	return disruption_new(known);
}

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		Disruption *d = disruption_new(NULL);
		g_auto(GStrv) words = g_strsplit(cases[i].events, " ", -1);
		for (char **w = words; *w; w++) {
			if (strcmp(*w, "|") == 0)
				disruption_begun(d);
			else if (strcmp(*w, "!") == 0)
				d = again(d);
			else
				play(d, *w);
		}
		g_autoptr(json_t) got = disruption_json(d);
		g_autofree char *sums = json_canonical(json_object_get(got, "namespaces"));
		g_assert_cmpstr(sums, ==, cases[i].sums);
		g_assert_cmpuint(disruption_n_open(d), ==, cases[i].n_open);
		disruption_free(d);
	}
}

/* Nobody makes another one of these: they are no disruption that could end. */
static void test_without_owner(void)
{
	g_autoptr(Disruption) d = disruption_new(NULL);
	g_autoptr(json_t) alone = pod_of("a1", "ready", SEC), mirror = pod_of("b1", "ready", SEC);
	json_object_del(json_object_get(alone, "metadata"), "ownerReferences");
	json_object_set_new(
		json_path(mirror, "metadata.ownerReferences.0"), "kind", json_string("Node"));
	disruption_see(d, alone, SEC);
	disruption_see(d, mirror, SEC);
	disruption_begun(d);
	disruption_gone(d, "a1", 2 * SEC, true);
	disruption_gone(d, "b1", 2 * SEC, true);
	g_assert_cmpuint(disruption_n_open(d), ==, 0);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/disruption/cases", test_cases);
	g_test_add_func("/disruption/without-owner", test_without_owner);
	return g_test_run();
}
