/* What etcd's own answer says of its members: the case table. */
#include "providers/kubeadm.h"
#include <string.h>

#define MEMBER(n, started, learner)                                                                \
	"{\"name\":\"cp" n "\",\"peerUrls\":\"https://10.0.0." n                                   \
	":2380\",\"clientUrls\":\"https://10.0.0." n ":2379\",\"started\":" started                \
	",\"learner\":" learner "}"
#define END(n, healthy, leader)                                                                    \
	"{\"endpoint\":\"https://10.0.0." n ":2379\",\"healthy\":" healthy ",\"leader\":" leader "}"
#define LOOK(members, endpoints, alarms)                                                           \
	"{\"members\":[" members "],\"endpoints\":[" endpoints "],\"alarms\":[" alarms "]}"
#define M(n) MEMBER(n, "true", "false")
#define THREE M("1") "," M("2") "," M("3")
#define OK(n) END(n, "true", "false")
#define LEADS(n) END(n, "true", "true")
#define OFF(n) END(n, "false", "false")

static const struct {
	const char *name, *look, *but_at, *want; /* want NULL: it stands; else a part of the text */
} cases[] = {
	{ "one, well", LOOK(M("1"), LEADS("1"), ""), NULL, NULL },
	{ "three, well", LOOK(THREE, OK("1") "," LEADS("2") "," OK("3"), ""), NULL, NULL },
	{ "no member", LOOK("", "", ""), NULL, "names no member" },
	{ "one is off", LOOK(THREE, LEADS("1") "," OK("2") "," OFF("3"), ""), NULL,
		"member cp3 is not healthy" },
	{ "one gives no status", LOOK(THREE, LEADS("1") "," OK("2"), ""), NULL,
		"member cp3 does not answer" },
	{ "one has not started",
		LOOK(M("1") "," MEMBER("2", "false", "false"), LEADS("1") "," OK("2"), ""), NULL,
		"cp2 was added and has not started" },
	{ "a learner", LOOK(M("1") "," MEMBER("2", "true", "true"), LEADS("1") "," OK("2"), ""),
		NULL, "cp2 is a learner" },
	{ "no leader", LOOK(THREE, OK("1") "," OK("2") "," OK("3"), ""), NULL, "no leader" },
	{ "two leaders", LOOK(THREE, LEADS("1") "," LEADS("2") "," OK("3"), ""), NULL,
		"2 leaders" },
	{ "an alarm", LOOK(M("1"), LEADS("1"), "\"memberID:1 alarm:NOSPACE\""), NULL, "NOSPACE" },
	{ "the broken one is restarted", LOOK(THREE, LEADS("1") "," OK("2") "," OFF("3"), ""),
		"10.0.0.3", NULL },
	{ "another than the broken one", LOOK(THREE, LEADS("1") "," OK("2") "," OFF("3"), ""),
		"10.0.0.2", "member cp3 is not healthy" },
	{ "an address that begins like it",
		LOOK(MEMBER("12", "true", "false") "," M("1"), OFF("12") "," LEADS("1"), ""),
		"10.0.0.1", "member cp12 is not healthy" },
	{ "the only one, broken, is restarted", LOOK(M("1"), OFF("1"), ""), "10.0.0.1", NULL },
};

static void test_cases(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(json_t) look = json_loads(cases[i].look, 0, NULL);
		g_test_message("%s", cases[i].name);
		g_assert_nonnull(look);
		g_autofree char *why = kubeadm_etcd_problem(look, cases[i].but_at);
		if (!cases[i].want)
			g_assert_cmpstr(why, ==, NULL);
		else
			g_assert_nonnull(strstr(why ? why : "", cases[i].want));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/quorum/cases", test_cases);
	return g_test_run();
}
