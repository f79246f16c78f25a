/* The actuator git: acknowledgements, and a request that is taken back before it was taken up. */
#include "fleet/test-gitops.h"

#define ACKS_FILE "overlays/a/kustomization.yaml"
#define ACK "ack-4.21-made-up"
#define WITH_ACKS                                                                                  \
	FAST CLUSTER_WITH("a", GITOPS_ACTUATOR("    acksFile: " ACKS_FILE "\n")) HEAD(             \
		"UpgradePlan", "up") "spec:\n  target: {version: " NEW ", acks: [" ACK             \
				     "]}\n  waves: " WAVE("[a]") "\n"                              \
								 "  policies: {gates: fast}\n"
#define BY_GIT FAST CLUSTER_WITH("a", GITOPS_ACTUATOR("")) UP(WAVE("[a]"), "")

static const char *outside_ack(Rig *r)
{
	const SimObj *o = sim_store_find(sim_cluster_store(sim_fleet_find(r->world, "a")),
		SIM_CONFIGMAPS, "openshift-config", "admin-acks");
	return json_string_value(json_object_get(json_object_get(o->json, "data"), ACK));
}

static GitWorld *with_acks_file(void)
{
	GitWorld *g = gitops_begin(false);
	json_object_set_new(
		json_object_get(sim_repo_tip(g->repo), "files"), ACKS_FILE, json_object());
	g->argo->acks = ACKS_FILE;
	return g;
}

static void expect_hold(Rig *r, const char *cause, const char *words)
{
	const char *why = story_held(r, "a", cause);
	if (!why || !strstr(why, words))
		g_error("no \"%s\" in hold %s: %s\n%s", words, cause, why ? why : "(none)",
			r->story->str);
}

/* Committed by itself, applied, and only then comes the order. */
static void test_ack(void)
{
	GitWorld *g = with_acks_file();
	Rig *r = g->r;
	story_submit(r, WITH_ACKS);
	faults_ends(r, "a", "Succeeded");
	g_assert_cmpstr(outside_ack(r), ==, "true");
	gitops_expect(g, ACK "-1 version-" NEW "-2");
	const json_t *c = json_array_get(g->repo->commits, 1);
	g_assert_true(
		g_str_has_prefix(json_path_str(c, "message", ""), "a: acknowledge " ACK "\n"));
	g_autofree char *files = json_canonical(json_object_get(c, "files"));
	g_assert_nonnull(strstr(files, "\"ack " ACK "\":\"true\""));
	g_assert_null(strstr(files, NEW));
	gitops_end(g);
}

/* It stands already, by whoever: nothing is committed. */
static void test_ack_stands(void)
{
	GitWorld *g = with_acks_file();
	sim_repo_person(g->repo, ACKS_FILE, "ack " ACK, json_string("true"));
	faults_pass(g->r, 400); /* the next poll of Argo CD */
	g_assert_cmpstr(outside_ack(g->r), ==, "true");
	story_submit(g->r, WITH_ACKS);
	faults_ends(g->r, "a", "Succeeded");
	gitops_expect(g, "version-" NEW "-1");
	gitops_end(g);
}

/* Not applied: no order before it is; and taken out again by a person, it is not fought for. */
static void test_ack_waits(void)
{
	GitWorld *g = with_acks_file();
	Rig *r = g->r;
	story_submit(r, WITH_ACKS);
	story_reach(r, "a", "baseline", NULL);
	g->argo->down = true;
	story_reach(r, "a", "control-plane", "sync");
	gitops_expect(g, ACK "-1");
	g_assert_null(outside_ack(r));
	sim_repo_person(g->repo, ACKS_FILE, "ack " ACK, json_null());
	story_reach(r, "a", "control-plane", "foreign-update");
	expect_hold(r, "foreign-update", "no longer says what we committed");
	gitops_expect(g, ACK "-1");
	gitops_end(g);
}

/* One commit for it, whatever becomes of the job. */
static bool crash_or_end(void *ud)
{
	GitWorld *g = ud;
	return g->repo->crash_wanted || item_ended(story_item(g->r, "a"));
}

static void test_ack_crash(void)
{
	for (SimRepoFault f = SIM_REPO_FINE + 1; f < SIM_REPO_FAULTS; f++) {
		g_test_message("fault %d", (int)f);
		GitWorld *g = with_acks_file();
		g->repo->fault = f;
		g->repo->fault_at = 1;
		story_submit(g->r, WITH_ACKS);
		faults_pass(g->r, 1);
		faults_until(g->r, crash_or_end, g, 12);
		if (g->repo->crash_wanted)
			gitops_restart(g, 30);
		faults_ends(g->r, "a", "Succeeded");
		gitops_expect(g, ACK "-1 version-" NEW "-2");
		gitops_end(g);
	}
}

/* ---- a request that the operator never took up ---- */

static GitWorld *refused(void)
{
	GitWorld *g = gitops_begin(false);
	faults_set(g->r, "a", SIM_FAULT_BIT(SIM_FAULT_UPGRADE_REFUSED));
	story_submit(g->r, BY_GIT);
	story_reach(g->r, "a", "control-plane", "refused");
	g_assert_cmpstr(outside_wanted(g->r, "a"), ==, NEW);
	return g;
}

static void expect_cleared(GitWorld *g)
{
	Rig *r = g->r;
	faults_ends(r, "a", "Aborted");
	g_assert_cmpstr(outside_wanted(r, "a"), ==, OLD);
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	g_assert_null(outside_claim(r, "a"));
	faults_set(r, "a", 0); /* the operator would take it up now */
	faults_pass(r, 4 * 3600);
	g_assert_cmpstr(outside_version(r, "a"), ==, OLD);
	gitops_expect(g, "version-" NEW "-1 clear-2");
	const json_t *c = json_array_get(g->repo->commits, 2);
	g_assert_true(
		g_str_has_prefix(json_path_str(c, "message", ""), "a: the order is taken back\n"));
	gitops_end(g);
}

/* What stood before stands again, in the file and on the cluster, before the run ends. */
static void test_clear(void)
{
	GitWorld *g = refused();
	faults_command(g->r, "abort", "a");
	expect_cleared(g);
}

/* Nobody applies it: the run does not end while the operator could still take the order up. */
static void test_clear_waits(void)
{
	GitWorld *g = refused();
	Rig *r = g->r;
	g->argo->down = true;
	faults_command(r, "abort", "a");
	story_reach(r, "a", "undo", "sync");
	expect_hold(r, "sync", "is its controller running?");
	faults_pass(r, 6 * 3600);
	g_assert_cmpstr(story_state(r, "a"), ==, "undo");
	g_assert_nonnull(outside_claim(r, "a"));
	g->argo->down = false;
	expect_cleared(g);
}

static void test_clear_crash(void)
{
	for (SimRepoFault f = SIM_REPO_FINE + 1; f < SIM_REPO_FAULTS; f++) {
		g_test_message("fault %d", (int)f);
		GitWorld *g = refused();
		g->repo->fault = f;
		g->repo->fault_at = 2;
		faults_command(g->r, "abort", "a");
		faults_until(g->r, crash_or_end, g, 12);
		if (g->repo->crash_wanted)
			gitops_restart(g, 30);
		g_assert_cmpuint(g->repo->n_edits, >=, 2);
		expect_cleared(g);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/gitops/ack", test_ack);
	g_test_add_func("/gitops/ack-stands", test_ack_stands);
	g_test_add_func("/gitops/ack-waits", test_ack_waits);
	g_test_add_func("/gitops/ack-crash", test_ack_crash);
	g_test_add_func("/gitops/clear", test_clear);
	g_test_add_func("/gitops/clear-waits", test_clear_waits);
	g_test_add_func("/gitops/clear-crash", test_clear_crash);
	return g_test_run();
}
