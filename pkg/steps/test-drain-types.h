/* For tests only: a simulated cluster behind the real client, and a small controller above the
 * drain: it claims, drains the nodes it is told to (or lets the operator do it), puts them back,
 * gives the claim back. It can crash at any point. */
#pragma once
#include "policy/bound.h"
#include "providers/openshift.h"
#include "sim/cluster.h"
#include "sim/tree.h"
#include "steps/drain-internal.h"
#include "store/store-mem.h"
#include <string.h>

#define SEC SL_USEC_PER_SEC
#define FIRST "c1-worker-0"
#define SECOND "c1-worker-1"

enum { C_CLAIM = 1, C_OWN, C_ASSIST, C_IDLE, C_UNDO, C_ENDED, C_MAX };
enum { R_OPEN = 1, R_MAX };

typedef struct World World;

typedef struct Ctl {
	World *w;
	LoopSimProc *proc;
	Loop loop;
	Saga *saga;
	Creds *creds;
	Target *target;
	TargetWatches *watches;
} Ctl;

/* What a test asks for. */
typedef struct Ask {
	unsigned mode; /* C_OWN, C_ASSIST or C_IDLE */
	const char *nodes[4]; /* of C_OWN */
	bool at_once; /* all nodes together */
	bool taint;
	bool polled; /* without watches */
	bool observe; /* the actuator of the document */
	const char *policy; /* spec of the DrainPolicy; NULL: none */
	int64_t hold_sec; /* how long a drained node is kept */
} Ask;

struct World {
	LoopSim *sim;
	Loop loop;
	HttpSim *http;
	SimCluster *c;
	StoreMem *disk;
	Ctl *ctl;
	Ask ask;
	unsigned n_starts;
	json_t *posts; /* UID -> evictions sent */
	unsigned n_wrong; /* evictions whose UID was not the live one when they were sent */
	unsigned n_refused; /* answers other than 2xx, by the acts of the journal */
	bool broken; /* a budget was passed */
	/* An answer instead of the cluster's own; status 0: the cluster answers. */
	HttpSimAnswer (*script)(World *w, const HttpRequest *r);
	const void *script_ud;
	unsigned n_scripted;
	/* the plan of faults */
	int64_t batch_at, request_at;
	StoreFault batch_fault;
	HttpFault request_fault;
	int64_t first_request; /* requests before the controller began do not count */
};
