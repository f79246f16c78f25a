/* For tests: documents, commands and looks from outside on the simulated fleet of test-rig.h. */
#pragma once
#include "fleet/test-rig.h"

#define HEAD(kind, name)                                                                           \
	"---\napiVersion: shiplock.dev/v1alpha1\nkind: " kind "\nmetadata: {name: " name "}\n"
#define CLUSTER_WITH(name, more)                                                                   \
	HEAD("Cluster", name)                                                                      \
	"spec:\n  provider: openshift\n  access: {kubeconfig: {file: /nowhere}}\n"                 \
	"  telemetry: [{name: local, url: 'https://thanos." name ".sim'}]\n" more
#define CLUSTER(name) CLUSTER_WITH(name, "")
#define PLAN_WITH(name, waves, more)                                                               \
	HEAD("UpgradePlan", name)                                                                  \
	"spec:\n  target: {version: 4.21.10}\n  waves: " waves "\n" more
#define PLAN(waves) PLAN_WITH("up", waves, "")
/* One cluster `a` in one wave with short soaks. */
#define ONE CLUSTER("a") PLAN("[{name: one, clusters: {names: [a]}, cpSoak: 30m, soak: 30m}]")

static inline void story_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	Rig *r = ud;
	g_free(r->says);
	r->says = g_strdup(says ? says : "");
	g_clear_error(&r->err);
	r->err = err ? g_error_copy(err) : NULL;
	if (run)
		r->run = run;
}

/* The worker reads each text once. */
static inline DocSet *story_documents(const char *yaml)
{
	static GHashTable *answers;
	if (!answers)
		answers = g_hash_table_new_full(
			g_str_hash, g_str_equal, g_free, (GDestroyNotify)json_decref);
	g_autoptr(GError) err = NULL;
	json_t *known = g_hash_table_lookup(answers, yaml);
	if (!known) {
		g_autoptr(json_t) request =
			json_pack("{s:[{s:s, s:s}]}", "files", "name", "test.yaml", "text", yaml);
		g_autofree char *text = json_canonical(request);
		size_t len = 0;
		g_autofree char *out = test_ask_worker(text, &len);
		json_t *answer = json_parse(out, len, &err);
		g_assert_no_error(err);
		known = json_pack("{s:O, s:o}", "request", request, "answer", answer);
		g_hash_table_insert(answers, g_strdup(yaml), known);
	}
	DocSet *set = docset_new();
	g_assert_true(docset_add_files(
		set, json_object_get(known, "request"), json_object_get(known, "answer"), &err));
	docset_check(set);
	if (!docset_ok(set)) {
		g_autofree char *text = test_findings(set);
		g_error("%s\n%s", text, yaml);
	}
	return set;
}

static inline void story_submit(Rig *r, const char *yaml)
{
	FleetSubmit s = { .set = story_documents(yaml), .who = "tester", .commit = "c0ffee" };
	fleet_submit(r->fleet, &s, story_reply, r);
}

static inline void story_git(Rig *r, const char *repository, const char *commit, const char *yaml)
{
	fleet_set_documents(r->fleet, repository, commit, story_documents(yaml));
}

/* Runs the world for so many seconds. */
static inline bool story_never(void *ud)
{
	return false;
}
static inline void story_pass(Rig *r, int64_t sec)
{
	loop_sim_run(
		r->loop, story_never, NULL, loop_boot_usec(loop_sim_loop(r->loop)) + sec * RIG_SEC);
}

/* Gives the command and waits for the reply; false: it was refused, r->err says why. */
static inline bool story_answered(void *ud)
{
	return ((Rig *)ud)->says != NULL;
}
static inline bool story_give(Rig *r, const FleetCommand *c)
{
	g_clear_pointer(&r->says, g_free);
	fleet_command(r->fleet, c, story_reply, r);
	g_assert_true(loop_sim_run(
		r->loop, story_answered, r, loop_boot_usec(loop_sim_loop(r->loop)) + 60 * RIG_SEC));
	return r->err == NULL;
}
static inline bool story_command(Rig *r, const char *verb, const char *cluster)
{
	FleetCommand c = {
		.verb = verb, .cluster = cluster, .who = "ann", .reason = "test", .confirm = cluster
	};
	return story_give(r, &c);
}

static inline bool story_at_rest(void *ud)
{
	Rig *r = ud;
	return r->fleet && r->run && fleet_exit_code(r->fleet, r->run, false) != -1;
}
/* Until nothing moves any more by itself; the exit code. */
static inline int story_rest(Rig *r)
{
	int64_t until = loop_boot_usec(loop_sim_loop(r->loop)) + 48 * 3600 * RIG_SEC;
	if (!loop_sim_run(r->loop, story_at_rest, r, until))
		g_error("not at rest:\n%s", r->story->str);
	return fleet_exit_code(r->fleet, r->run, false);
}
