#include "plan/shape.h"
#include <string.h>

const Shape shape_text = { .kind = SHAPE_TEXT };
const Shape shape_label = { .kind = SHAPE_LABEL };
const Shape shape_policy = { .kind = SHAPE_POLICY };
const Shape shape_bool = { .kind = SHAPE_BOOL };
const Shape shape_duration = { .kind = SHAPE_DURATION };
const Shape shape_percent = { .kind = SHAPE_PERCENT };
const Shape shape_version = { .kind = SHAPE_VERSION };
const Shape shape_url = { .kind = SHAPE_URL };
const Shape shape_remote = { .kind = SHAPE_REMOTE };
const Shape shape_zone = { .kind = SHAPE_ZONE };
const Shape shape_map = { .kind = SHAPE_MAP };
const Shape shape_label_map = { .kind = SHAPE_LABELS };
const Shape shape_any = { .kind = SHAPE_ANY };
const Shape shape_number = { .kind = SHAPE_NUMBER };
const Shape shape_count = { .kind = SHAPE_INT, .min = 0, .max = 100000 };
const Shape shape_positive = { .kind = SHAPE_INT, .min = 1, .max = 100000 };
const Shape shape_texts = { .kind = SHAPE_LIST, .item = &shape_text };
const Shape shape_labels = { .kind = SHAPE_LIST, .item = &shape_label };

static const Field secret_fields[] = {
	{ "file", &shape_text, FIELD_ALT, NULL, "path of a file on the controller's host" },
	{ "env", &shape_text, FIELD_ALT, NULL,
		"name of an environment variable of the controller" },
	{ "credential", &shape_text, FIELD_ALT, NULL, "name of a systemd credential" },
	{ 0 },
};
const Shape shape_secret = {
	.kind = SHAPE_OBJECT, .fields = secret_fields, .one_of = "file, env and credential"
};

static const Field job_fields[] = {
	{ "file", &shape_text, FIELD_REQUIRED, NULL,
		"template of a Kubernetes Job: a file below policies/jobs/, or "
		"builtin/etcd-backup, builtin/accelerators" },
	{ "timeout", &shape_duration, 0, "10m", "the job counts as failed after this" },
	{ 0 },
};
const Shape shape_job = { .kind = SHAPE_OBJECT, .fields = job_fields };

static const Field metadata_fields[] = {
	{ "name", &shape_label, FIELD_REQUIRED, NULL, "unique among the documents of its kind" },
	{ "labels", &shape_label_map, 0, NULL, "for people, and for matchLabels of waves" },
	{ "annotations", &shape_map, 0, NULL, "for people and other programs" },
	{ 0 },
};
const Shape shape_metadata = { .kind = SHAPE_OBJECT, .fields = metadata_fields };

const Kind doc_kinds[] = {
	{ "ApprovalPolicy", &shape_approval_policy, "who says yes, and how many" },
	{ "Cluster", &shape_cluster,
		"one cluster of the fleet: how to reach, upgrade and judge it" },
	{ "ControllerConfig", &shape_controller_config,
		"the daemon's own file, on its host, never in the repository" },
	{ "DrainPolicy", &shape_drain_policy, "how nodes are emptied" },
	{ "GatePolicy", &shape_gate_policy, "what is looked at to judge a cluster's health" },
	{ "RollbackPolicy", &shape_rollback_policy,
		"which ways back are required, and which are taken without asking" },
	{ "UpgradePlan", &shape_upgrade_plan,
		"which clusters go to which version, in which order" },
	{ "WindowPolicy", &shape_window_policy, "when work may start and must end" },
	{ 0 },
};

const Kind *kind_find(const char *name)
{
	for (const Kind *k = doc_kinds; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return k;
	return NULL;
}

const Field *field_find(const Shape *object, const char *name)
{
	for (const Field *f = object->fields; f && f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	return NULL;
}
