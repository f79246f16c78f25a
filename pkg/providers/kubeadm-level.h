/* Feature levels: a server of 1.36 started with --emulated-version=1.35 serves what 1.35 served.
 *
 * With spec.target.emulatedStep an upgrade to the next minor version is two hops. The first brings
 * the new binaries at the old level to the control plane and moves no kubelet; the second raises
 * the level, then moves the kubelets, which are never above it. Down again is the level alone (T1).
 */
#pragma once
#include "providers/kubeadm.h"

enum { KUBEADM_LEVEL_BYTES = 24 };

/* "1.35" of "v1.35.4"; "" where it is no version. Returns buf. */
const char *kubeadm_minor(const char *version, char buf[KUBEADM_LEVEL_BYTES]);
/* Is the minor version of this one, or this level, above the level? */
bool kubeadm_above(const char *version, const char *level);

/* The API servers, as their pods tell it: versions and levels from the lowest to the highest; ""
 * and 0 where no API server runs as a pod. */
typedef struct Servers {
	const char *low, *high; /* borrowed from the pods */
	char level[KUBEADM_LEVEL_BYTES]; /* the lowest that is below its binary; "": none is */
	size_t n, n_below;
} Servers;
void kubeadm_servers(const json_t *pods, Servers *ret);

/* Does this pod, or this manifest of a look, stand at the level? NULL: at that of its binary. */
bool kubeadm_look_at_level(const json_t *discovered, const char *level);
/* NULL: the three pods of this node do; else what does not. Caller frees. */
char *kubeadm_pods_level(const json_t *pods, const char *node, const char *level);

/* ---- hops: members "emulated" (the first of two), "raise" (the second): "1.35" ---- */

/* The level at which the binaries of this hop are brought; NULL: their own. Borrowed. */
const char *kubeadm_emulated(const json_t *hop);
bool kubeadm_raises(const json_t *hop);
/* The level to which this hop could be taken back: that of its two, else the minor version that it
 * left. In buf. */
const char *kubeadm_level_before(const json_t *hop, char buf[KUBEADM_LEVEL_BYTES]);

bool kubeadm_is_stepped(const Item *it); /* the plan says emulatedStep */
/* Is this step of the plan taken as two hops? */
bool kubeadm_splits(const Item *it, const char *from, const char *to);
/* {"from","fromImage","to","image","index","last"}; kubeadm-hop.c. New references. */
json_t *kubeadm_hop_json(const char *from, const char *to, int index, bool last);
json_t *kubeadm_first_hop(const char *from, const char *to, int index);
/* NULL: no level need be raised here. saved: what the control plane ran before, as its backup sets
 * say; NULL: what the kubelets run that it would move. */
json_t *kubeadm_raise_hop(
	const Item *it, const json_t *nodes, const Servers *s, const char *saved, bool last);

/* What a takeover goes on with; NULL: no hop of two. Changes *class where that is another one. */
json_t *kubeadm_found_step(const Item *it, const json_t *nodes, const Servers *s, const char *saved,
	bool last, FoundClass *class);
/* Levels that bar the hop or that people should know of. hop NULL: none is due. */
void kubeadm_check_level(const Item *it, const json_t *pods, const json_t *nodes, const json_t *hop,
	json_t *findings);

/* kubeadm-emulated.c: how long the steps have waited for this on the machine, in observed time;
 * where no command of ours tells it. The first time it is noted. */
int64_t kubeadm_waited_usec(Item *it, Batch *b, const Machine *m, const char *kind);
