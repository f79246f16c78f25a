/* For tests: the documents and small worlds of the faults that were found once, and looks at what
 * the controller records. */
#pragma once
#include "fleet/test-outside.h"

#define OLD "4.21.8"
#define MID "4.21.9"
#define NEW "4.21.10"
#define ERRORS                                                                                     \
	"onFail: rollback, query: "                                                                \
	"'sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / "                   \
	"sum(rate(haproxy_backend_http_responses_total[15m]))', pass: {atMost: 0.01}, fail: "      \
	"{above: 0.05}, count: 3"
#define FAST                                                                                       \
	HEAD("GatePolicy", "fast")                                                                 \
	"spec:\n  gates:\n"                                                                        \
	"    - {name: operators, when: [cp-verify, cp-soak, verify, soak], invariant: "            \
	"clusterOperators, onFail: rollback, maySkip: true}\n"                                     \
	"    - {name: errors, when: [cp-soak, verify, soak], " ERRORS "}\n"
#define SOAKS "cpSoak: 30m, soak: 30m"
#define WAVE(clusters) "[{name: one, clusters: {names: " clusters "}, " SOAKS "}]"
#define UP(waves, more) PLAN_WITH("up", waves, "  policies: {gates: fast}\n" more)
#define DOCS(waves, more) FAST CLUSTER("a") CLUSTER("b") UP(waves, more)
#define ONLY_A DOCS(WAVE("[a]"), "")
#define BOTH DOCS(WAVE("[a, b]"), "")
#define HOPS(more)                                                                                 \
	FAST more CLUSTER("a") HEAD("UpgradePlan", "up") "spec:\n  target: {version: " NEW         \
							 ", hops: [" MID ", " NEW                  \
							 "]}\n  waves: " WAVE("[a]") "\n"

/* The world goes on for so many seconds, and the clock with it where nothing happens. */
static inline void faults_nothing(void *ud)
{
}
static inline void faults_pass(Rig *r, int64_t sec)
{
	Loop l = loop_sim_loop(r->loop);
	int64_t until = loop_boot_usec(l) + sec * RIG_SEC;
	loop_timer(l, until, faults_nothing, NULL);
	loop_sim_run(r->loop, story_never, NULL, until);
}

/* Clusters a, b, c (as many as there are letters), the controller, and the documents by hand. */
static inline Rig *faults_begin(const char *clusters, const char *yaml)
{
	Rig *r = rig_new(7);
	for (; *clusters; clusters++) {
		char name[] = { *clusters, 0 };
		rig_cluster(r, name, 0);
	}
	rig_start(r);
	if (yaml) {
		story_submit(r, yaml);
		faults_pass(r, 0);
	}
	return r;
}

static inline void faults_set(Rig *r, const char *cluster, unsigned bits)
{
	sim_cluster_set_faults(sim_fleet_find(r->world, cluster), bits);
}

static inline void faults_command(Rig *r, const char *verb, const char *cluster)
{
	if (!story_command(r, verb, cluster))
		g_error("%s %s is refused: %s\n%s", verb, cluster ? cluster : "--fleet",
			r->err->message, r->story->str);
}

/* The command is refused, with these words. */
static inline void faults_refused(Rig *r, const char *verb, const char *cluster, const char *words)
{
	g_assert_false(story_command(r, verb, cluster));
	if (!strstr(r->err->message, words))
		g_error("%s %s: no \"%s\" in: %s", verb, cluster, words, r->err->message);
}

static inline char *faults_findings(Rig *r, const char *cluster)
{
	return json_canonical(json_object_get(item_memo(story_item(r, cluster)), "findings"));
}

static inline void faults_ends(Rig *r, const char *cluster, const char *outcome)
{
	story_reach(r, cluster, "ended", NULL);
	g_autofree char *findings = faults_findings(r, cluster);
	if (strcmp(story_outcome(r, cluster), outcome) != 0)
		g_error("%s ended %s, not %s: %s\n%s", cluster, story_outcome(r, cluster), outcome,
			findings, r->story->str);
}

/* Until the condition holds, at most so many hours. */
static inline void faults_until(Rig *r, bool (*done)(void *ud), void *ud, int hours)
{
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + (int64_t)hours * 3600 * RIG_SEC;
	if (!loop_sim_run(r->loop, done, ud, until))
		g_error("not within %d h:\n%s", hours, r->story->str);
}

/* Clusters of this name that are in work, over all runs. */
static inline unsigned faults_in_work(Rig *r, const char *cluster)
{
	unsigned n = 0;
	for (size_t k = 0; k < fleet_n_runs(r->fleet); k++) {
		const Item *run = fleet_nth_run(r->fleet, k);
		for (size_t i = 0; i < item_n_children(run); i++) {
			const Item *c = item_child(run, i);
			n += !item_ended(c) && item_state(c) != CL_PENDING &&
			     (!cluster || strcmp(item_name(c), cluster) == 0);
		}
	}
	return n;
}

/* The ingress operator says this of itself; the simulated operator may say otherwise later. */
static inline void faults_ingress(
	Rig *r, const char *available, const char *progressing, const char *words)
{
	sim_cluster_patch(sim_fleet_find(r->world, "a"), SIM_CLUSTEROPERATORS, NULL, "ingress",
		SIM_SUB_STATUS, "test",
		json_pack("{s:{s:[{s:s,s:s,s:s,s:s},{s:s,s:s},{s:s,s:s,s:s,s:s}]}}", "status",
			"conditions", "type", "Available", "status", available, "message", words,
			"lastTransitionTime", "2026-01-01T00:00:00Z", "type", "Degraded", "status",
			"False", "type", "Progressing", "status", progressing, "message", words,
			"lastTransitionTime", "2026-01-01T00:00:00Z"));
}

static inline size_t faults_needs(Rig *r)
{
	g_autoptr(json_t) status = fleet_status(r->fleet);
	return json_array_size(json_object_get(status, "needsYou"));
}
