/* The tables of the documents: one row a field. The checker, the defaults, the JSON Schema and the
 * man page all come from these rows. */
#pragma once
#include "base/error.h"

typedef enum ShapeKind {
	SHAPE_TEXT,
	SHAPE_LABEL, /* RFC 1123 label */
	SHAPE_POLICY, /* name of a document: a label, or builtin/ and a label */
	SHAPE_ENUM,
	SHAPE_NTH, /* 1-5 or last: the one field with two types, as people say it */
	SHAPE_INT,
	SHAPE_NUMBER,
	SHAPE_BOOL,
	SHAPE_DURATION, /* 90s 15m 3h 7d */
	SHAPE_PERCENT, /* "10%" */
	SHAPE_VERSION, /* X.Y.Z */
	SHAPE_DATE, /* 2027-06-01 */
	SHAPE_CLOCK, /* "08:00" */
	SHAPE_ZONE, /* America/New_York */
	SHAPE_URL, /* http or https */
	SHAPE_REMOTE, /* where a Git repository is: local path, http, https or ssh */
	SHAPE_LIST,
	SHAPE_MAP, /* text to text */
	SHAPE_LABELS, /* the same, by the rules of Kubernetes for labels */
	SHAPE_OBJECT,
	SHAPE_ANY,
} ShapeKind;

typedef enum ChoiceStatus {
	CHOICE_OK,
	CHOICE_LATER, /* valid, but its effect comes in a later version */
	CHOICE_NEVER, /* people write it, and it is wrong: doc says why */
} ChoiceStatus;

typedef struct Choice {
	const char *name, *doc;
	ChoiceStatus status;
} Choice;

struct Field;
typedef struct Shape {
	ShapeKind kind;
	const struct Field *fields; /* OBJECT; ends with a row without name */
	const Choice *choices; /* ENUM; ends with a row without name */
	const struct Shape *item; /* LIST */
	int64_t min, max; /* INT: bounds; LIST: fewest entries; max 0 = no bound */
	const char *one_of; /* OBJECT: exactly one of the fields with FIELD_ALT is given; this names
			       them */
} Shape;

enum {
	FIELD_REQUIRED = 1 << 0,
	FIELD_LATER = 1 << 1, /* valid, but its effect comes in a later version */
	FIELD_ALT = 1 << 2, /* one of the alternatives of its object */
	FIELD_UNIQUE = 1 << 3, /* no two entries of the list share it */
};

typedef struct Field {
	const char *name;
	const Shape *shape;
	unsigned flags;
	/* Text as people would write it; lists and objects as JSON. NULL: absent when not given. */
	const char *def;
	const char *doc;
} Field;

typedef struct Kind {
	const char *name;
	const Shape *spec;
	const char *doc;
} Kind;

/* Sorted by name; ends with a row without name. */
extern const Kind doc_kinds[];
const Kind *kind_find(const char *name); /* NULL when there is none */
const Field *field_find(const Shape *object, const char *name);

/* The parts that every kind shares: apiVersion, kind, metadata. */
extern const Shape shape_metadata;

extern const Shape shape_cluster, shape_upgrade_plan, shape_gate_policy, shape_drain_policy,
	shape_window_policy, shape_rollback_policy, shape_approval_policy, shape_controller_config;

/* Shapes that several tables use. */
extern const Shape shape_text, shape_label, shape_policy, shape_bool, shape_duration, shape_percent,
	shape_version, shape_url, shape_remote, shape_zone, shape_secret, shape_map,
	shape_label_map, shape_texts, shape_labels, shape_count, shape_positive, shape_number,
	shape_any, shape_job;
