#include "providers/openshift-git.h"
#include "providers/sync.h"

static const StepOps *const up[] = { &step_acks, &step_channel, &step_brake, &step_order, NULL };
static const StepOps *const nodes[] = { &step_release_pools, NULL };
static const StepOps *const down[] = { &step_brake_again, &step_order_back, &step_settle_pools,
	NULL };
static const ActRow *const rows[] = { &act_claim, &act_release, &act_raise_epoch, &act_take_over,
	&act_set_version, &act_clear_version, &act_set_channel, &act_give_ack, &act_pause_pool,
	&act_release_pool, &act_commit_version, &act_commit_clear, &act_commit_ack,
	&act_commit_pause, &act_commit_release, &act_refresh, NULL };

const Provider provider_openshift = {
	.name = "openshift",
	.claim_path = CV_PATH,
	.version_path = CV_PATH,
	.version_of = cv_current_version,
	.claim = &act_claim,
	.release = &act_release,
	.take_over = &act_take_over,
	.rights = openshift_rights,
	.wakes = openshift_wakes,
	.up = up,
	.nodes = nodes,
	.down = down,
	.abandon = openshift_abandon,
	.rows = rows,
	.preflight = openshift_preflight,
	.inspect = openshift_inspect,
	.next_hop = openshift_next_hop,
	.path = openshift_path,
	.probe = openshift_probe,
	.probe_return = openshift_probe_return,
	.bound = openshift_bound,
	.baseline = openshift_baseline,
	.invariant = openshift_invariant,
	.found = openshift_found,
	.foreign = openshift_foreign,
	.brakes = openshift_brakes,
};
