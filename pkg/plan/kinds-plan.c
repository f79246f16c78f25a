/* UpgradePlan, and the policies about when, who and back. */
#include "plan/shape.h"

#define OBJECT(rows) (&(const Shape){ .kind = SHAPE_OBJECT, .fields = rows })
#define LIST(rows, least) (&(const Shape){ .kind = SHAPE_LIST, .item = OBJECT(rows), .min = least })
#define ENUM(rows) (&(const Shape){ .kind = SHAPE_ENUM, .choices = rows })
#define ENUMS(rows) (&(const Shape){ .kind = SHAPE_LIST, .item = ENUM(rows) })

static const Choice states[] = {
	{ "active", "clusters are upgraded" },
	{ "suspended", "no new cluster starts" },
	{ "rolledBack", "no new cluster starts, the one in work steps down, finished ones are only "
			"offered" },
	{ 0 },
};
static const Shape shape_versions = { .kind = SHAPE_LIST, .item = &shape_version };
static const Field target_fields[] = {
	{ "version", &shape_version, FIELD_REQUIRED, NULL, "full version, X.Y.Z" },
	{ "channel", &shape_text, 0, NULL, "openshift: channel to set" },
	{ "image", &shape_text, 0, NULL,
		"openshift: release image by digest; default: what the channel says" },
	{ "hops", &shape_versions, 0, "[]",
		"versions on the way, the target last; those at or below a cluster's version are "
		"skipped; default: the shortest recommended path" },
	{ "acks", &shape_texts, 0, "[]",
		"openshift: administrator acknowledgements that this plan gives" },
	{ "acceptRisks", &shape_texts, 0, "[]",
		"openshift: conditional update risks accepted by name; others refuse" },
	{ "emulatedStep", &shape_bool, 0, "false",
		"kubeadm: first the new binaries at the old feature level, soak, then the rest" },
	{ 0 },
};

static const Shape shape_some_labels = { .kind = SHAPE_LIST, .item = &shape_label, .min = 1 };
static const Field selector_fields[] = {
	{ "names", &shape_some_labels, FIELD_ALT, NULL, "clusters by name, in this order" },
	{ "matchLabels", &shape_label_map, FIELD_ALT, NULL, "clusters by labels, sorted by name" },
	{ 0 },
};
static const Shape shape_selector = {
	.kind = SHAPE_OBJECT, .fields = selector_fields, .one_of = "names and matchLabels"
};
static const Field names_fields[] = {
	{ "gates", &shape_policy, 0, NULL, "GatePolicy; default: the shipped one of the provider" },
	{ "drain", &shape_policy, 0, NULL, "DrainPolicy; default: builtin/default" },
	{ "window", &shape_policy, 0, NULL, "WindowPolicy; default: always open" },
	{ "rollback", &shape_policy, 0, NULL, "RollbackPolicy; default: builtin/default" },
	{ 0 },
};
static const Field wave_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "clusters", &shape_selector, FIELD_REQUIRED, NULL, "who is in it" },
	{ "cpSoak", &shape_duration, 0, "30m", "after the control plane, before the first worker" },
	{ "soak", &shape_duration, 0, "30m", "after each cluster, in its slot" },
	{ "bake", &shape_duration, 0, "0s", "after the wave, holding nothing" },
	{ "approval", &shape_label, 0, NULL, "ApprovalPolicy asked before the wave starts" },
	{ "failureBudget", &shape_count, 0, "0",
		"clusters that may end other than Succeeded or SucceededWithSkips before it "
		"stops" },
	{ "maxConcurrent", &shape_positive, 0, "1", "clusters in work at the same time" },
	{ "policies", OBJECT(names_fields), 0, NULL, "instead of the plan's, for this wave" },
	{ 0 },
};
static const Choice actions[] = {
	{ "rollback", "step down where it is automatic, else hold and ask" },
	{ "hold", "stop where it is and ask" },
	{ 0 },
};
static const Choice scopes[] = {
	{ "cluster", "the failed cluster; finished ones of its wave are offered" },
	{ "wave", "as cluster" },
	{ "all", "the failed one; finished ones of the plan are offered" },
	{ 0 },
};
static const Field failure_fields[] = {
	{ "action", ENUM(actions), 0, "rollback",
		"what a failed gate does; the milder of this and the gate's onFail counts" },
	{ "scope", ENUM(scopes), 0, "cluster", "who is rolled back" },
	{ "holdFor", &shape_duration, 0, "1h",
		"a hold that nobody clears ends the run after this" },
	{ 0 },
};
static const Field plan_fields[] = {
	{ "state", ENUM(states), 0, "active", "what is wanted of the plan" },
	{ "target", OBJECT(target_fields), FIELD_REQUIRED, NULL, "where its clusters go" },
	{ "waves", LIST(wave_fields, 1), FIELD_REQUIRED, NULL, "one after the other" },
	{ "policies", OBJECT(names_fields), 0, "{}", "by name; the shipped ones where left out" },
	{ "onFailure", OBJECT(failure_fields), 0, "{}", "when a gate or a step fails" },
	{ 0 },
};
const Shape shape_upgrade_plan = { .kind = SHAPE_OBJECT, .fields = plan_fields };

static const Choice weekdays[] = {
	{ "monday", NULL },
	{ "tuesday", NULL },
	{ "wednesday", NULL },
	{ "thursday", NULL },
	{ "friday", NULL },
	{ "saturday", NULL },
	{ "sunday", NULL },
	{ 0 },
};
static const Shape shape_nth = { .kind = SHAPE_NTH };
static const Shape shape_clock = { .kind = SHAPE_CLOCK };
static const Shape shape_date = { .kind = SHAPE_DATE };
static const Field open_fields[] = {
	{ "weekday", ENUM(weekdays), FIELD_REQUIRED, NULL, "day on which it opens" },
	{ "nth", &shape_nth, 0, NULL, "which one of the month: 1-5 or last; default: every week" },
	{ "start", &shape_clock, FIELD_REQUIRED, NULL, "wall time in the zone" },
	{ "end", &shape_clock, FIELD_REQUIRED, NULL,
		"wall time in the zone; at or before start: on the next day" },
	{ 0 },
};
static const Field blackout_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "from", &shape_date, FIELD_REQUIRED, NULL, "first day" },
	{ "to", &shape_date, FIELD_REQUIRED, NULL, "last day" },
	{ 0 },
};
static const Choice closes[] = {
	{ "stopAtNode", "the node in work is finished, then it waits for the next opening" },
	{ "finish", "the cluster in work is finished" },
	{ 0 },
};
static const Field window_fields[] = {
	{ "timeZone", &shape_zone, 0, NULL, "zone of all its times; default: each cluster's own" },
	{ "open", LIST(open_fields, 1), FIELD_REQUIRED, NULL, "when it is open" },
	{ "blackouts", LIST(blackout_fields, 0), 0, "[]", "whole days on which it is not" },
	{ "notice", &shape_duration, 0, "0s", "a run starts no sooner after its plan was merged" },
	{ "lastHopStart", &shape_duration, 0, "0s", "no new hop later than this before the end" },
	{ "atClose", ENUM(closes), 0, "stopAtNode", "what happens to work that is not done" },
	{ "rollbackOutside", &shape_bool, 0, "true", "a rollback does not wait for the window" },
	{ 0 },
};
const Shape shape_window_policy = { .kind = SHAPE_OBJECT, .fields = window_fields };

static const Choice tiers[] = {
	{ "none", "never refuse" },
	{ "T0", "stop and hold" },
	{ "T1", "feature level back" },
	{ "T2", "version back in place" },
	{ "T3", "data back" },
	{ "T4", "leave the cluster" },
	{ 0 },
};
static const Choice automatic_tiers[] = {
	{ "T0", "stop and hold" },
	{ "T1", "feature level back" },
	{ "T2BeforeWorkers", "version back, before the first worker moved" },
	{ "T2AfterWorkers", "version back, also after workers moved" },
	{ "T3", "is never automatic: it loses writes", CHOICE_NEVER },
	{ "T4", "is never automatic: it leaves the cluster", CHOICE_NEVER },
	{ "T2", "does not say when; write T2BeforeWorkers or T2AfterWorkers", CHOICE_NEVER },
	{ 0 },
};
static const Field lossy_fields[] = {
	{ "T2", &shape_label, 0, NULL, "ApprovalPolicy for T2 where it asks" },
	{ "T3", &shape_label, 0, NULL, "ApprovalPolicy for T3" },
	{ "T4", &shape_label, 0, NULL, "ApprovalPolicy for T4" },
	{ 0 },
};
static const Field external_fields[] = {
	{ "maxAge", &shape_duration, FIELD_REQUIRED, NULL, "older than this does not count" },
	{ "job", &shape_job, FIELD_REQUIRED, NULL,
		"its last line is the time of the last backup, as 2026-11-20T08:00:00Z" },
	{ 0 },
};
static const Field backup_fields[] = {
	{ "job", &shape_job, FIELD_ALT, NULL, "a Job that makes the backup before each hop" },
	{ "external", OBJECT(external_fields), FIELD_ALT, NULL, "a backup made by others" },
	{ 0 },
};
static const Shape shape_backup = {
	.kind = SHAPE_OBJECT, .fields = backup_fields, .one_of = "job and external"
};
static const Field rollback_fields[] = {
	{ "require", ENUM(tiers), 0, "none",
		"per hop; a plan is refused where the probe offers less" },
	{ "automatic", ENUMS(automatic_tiers), 0, "[\"T0\",\"T1\",\"T2BeforeWorkers\"]",
		"taken without asking; T3 and T4 never are" },
	{ "approval", OBJECT(lossy_fields), 0, NULL, "who must say yes, by tier" },
	{ "backup", &shape_backup, 0, NULL, "before each hop" },
	{ "stopFleetAfter", &shape_positive, 0, "1",
		"rollbacks after which no cluster of any plan starts until a person says so" },
	{ 0 },
};
const Shape shape_rollback_policy = { .kind = SHAPE_OBJECT, .fields = rollback_fields };

static const Shape shape_users = { .kind = SHAPE_LIST, .item = &shape_text, .min = 1 };
static const Field group_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED | FIELD_UNIQUE, NULL, "name in reports" },
	{ "users", &shape_users, FIELD_REQUIRED, NULL, "logins as the socket's peer shows them" },
	{ "need", &shape_positive, 0, "1", "how many of them" },
	{ 0 },
};
static const Field break_glass_fields[] = {
	{ "groups", &shape_labels, FIELD_REQUIRED, NULL, "one of these is enough, with a reason" },
	{ 0 },
};
static const Field approval_fields[] = {
	{ "quorum", &shape_positive, 0, "1", "how many people" },
	{ "groups", LIST(group_fields, 0), 0, "[]", "who counts; default: role approve" },
	{ "expires", &shape_duration, 0, "72h", "a yes counts this long" },
	{ "breakGlass", OBJECT(break_glass_fields), 0, NULL, "the way out at night" },
	{ 0 },
};
const Shape shape_approval_policy = { .kind = SHAPE_OBJECT, .fields = approval_fields };
