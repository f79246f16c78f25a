/* Lengths of earlier upgrades, from records alone. */
#include "codec/json.h"
#include "fleet/past.h"
#include <string.h>

typedef struct Line {
	int64_t at_sec;
	const char *kind, *body;
} Line;

#define RUN_AND_CLUSTER                                                                            \
	{ 0, "item", "{\"item\":2,\"parent\":1,\"kind\":\"run\",\"name\":\"up#1\"}" },             \
	{                                                                                          \
		0, "item", "{\"item\":3,\"parent\":2,\"kind\":\"cluster\",\"name\":\"a\"}"         \
	}
#define MOVE(at, from, to)                                                                         \
	{                                                                                          \
		at, "move", "{\"item\":3,\"from\":\"" from "\",\"to\":\"" to "\"}"                 \
	}
#define HOP(at)                                                                                    \
	MOVE(at, "backup", "control-plane"), MOVE(at + 100, "control-plane", "cp-verify"),         \
		MOVE(at + 120, "cp-verify", "cp-soak"), MOVE(at + 1000, "cp-soak", "nodes"),       \
		MOVE(at + 1300, "nodes", "verify")
#define END(at, outcome)                                                                           \
	{ at, "move",                                                                              \
		"{\"item\":3,\"from\":\"soak\",\"to\":\"done\",\"memo\":{\"outcome\":\"" outcome   \
		"\"}}" },                                                                          \
		MOVE(at + 5, "done", "ended")
#define HEAD MOVE(10, "pending", "preflight"), MOVE(40, "preflight", "backup")

static const struct {
	const char *name, *want; /* the lengths, canonical */
	Line lines[24];
} cases[] = {
	{ "one hop",
		"{\"a\":{\"controlPlaneSeconds\":120,\"headSeconds\":40,\"nodesSeconds\":330,"
		"\"run\":"
		"\"up#1\"}}",
		{ RUN_AND_CLUSTER, HEAD, HOP(50), MOVE(1380, "verify", "soak"),
			END(2000, "Succeeded") } },
	{ "two hops: the average",
		"{\"a\":{\"controlPlaneSeconds\":120,\"headSeconds\":45,\"nodesSeconds\":325,"
		"\"run\":"
		"\"up#1\"}}",
		{ RUN_AND_CLUSTER, HEAD, HOP(50), MOVE(1380, "verify", "backup"), HOP(1385),
			MOVE(2705, "verify", "soak"), END(3000, "SucceededWithSkips") } },
	{ "held by two causes at once: that time does not count",
		"{\"a\":{\"controlPlaneSeconds\":120,\"headSeconds\":40,\"nodesSeconds\":330,"
		"\"run\":"
		"\"up#1\"}}",
		{ RUN_AND_CLUSTER, HEAD, MOVE(50, "backup", "control-plane"),
			{ 60, "hold", "{\"item\":3,\"cause\":\"pause\"}" },
			{ 70, "hold", "{\"item\":3,\"cause\":\"gate\"}" },
			{ 80, "unhold", "{\"item\":3,\"cause\":\"pause\"}" },
			{ 560, "unhold", "{\"item\":3,\"cause\":\"gate\"}" },
			{ 600, "hold", "{\"item\":9,\"cause\":\"gate\"}" },
			MOVE(650, "control-plane", "cp-verify"), MOVE(670, "cp-verify", "nodes"),
			MOVE(1000, "nodes", "soak"), END(2000, "Succeeded") } },
	{ "what went wrong says nothing", "{}",
		{ RUN_AND_CLUSTER, HEAD, HOP(50), MOVE(1380, "verify", "soak"),
			END(2000, "RolledBack") } },
	{ "nothing was done", "{}",
		{ RUN_AND_CLUSTER, MOVE(10, "pending", "preflight"),
			{ 20, "move",
				"{\"item\":3,\"from\":\"preflight\",\"to\":\"ended\",\"memo\":{"
				"\"outcome\":\"Succeeded\"}}" } } },
	{ "still going on", "{}", { RUN_AND_CLUSTER, HEAD, HOP(50) } },
};

static void test_lengths(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Past) p = past_new();
		g_test_message("%s", cases[i].name);
		for (const Line *l = cases[i].lines; l->kind; l++) {
			g_autoptr(GError) err = NULL;
			g_autoptr(json_t) body = json_parse(l->body, strlen(l->body), &err);
			g_assert_no_error(err);
			Record r = { .wall_usec = l->at_sec * 1000000, .kind = (char *)l->kind };
			past_note(p, &r, body);
		}
		g_autofree char *got = json_canonical(past_lengths(p));
		g_assert_cmpstr(got, ==, cases[i].want);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/past/lengths", test_lengths);
	return g_test_run();
}
