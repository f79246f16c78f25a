/* One node under the machine-config operator: its daemon (asks for the drain, stages the image,
 * reboots, comes back) and the drain controller (cordons, evicts in windows of 90 s, tries again
 * after 1 min, after 10 min of failing every 5 min; never passes a budget). */
#include "base/num.h"
#include "codec/json.h"
#include "sim/actor-private.h"
#include "sim/tree.h"
#include <string.h>

#define DAEMON "machine-config-daemon"
#define CONTROLLER "machine-config-controller"

/* Phases of the daemon's memory; the objects decide, this only times them. */
enum { DAEMON_IDLE, DAEMON_DRAINED, DAEMON_STAGING, DAEMON_DOWN };
enum { DRAIN_IDLE, DRAIN_WAITS, DRAIN_WINDOW, DRAIN_PAUSE };

static bool text_is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

static void annotate(SimActors *a, const SimObj *n, const char *who, const char *key,
	const char *value, const char *key2, const char *value2)
{
	json_t *map = json_object();
	g_autofree char *k = g_strconcat(MC, key, NULL);
	json_object_set_new(map, k, json_string(value));
	if (key2) {
		g_autofree char *k2 = g_strconcat(MC, key2, NULL);
		json_object_set_new(map, k2, json_string(value2));
	}
	out_merge(a, n, SIM_SUB_NONE, who, json_pack("{s:{s:o}}", "metadata", "annotations", map));
}

static void set_ready(SimActors *a, const SimObj *n, bool ready)
{
	const json_t *st = json_object_get(n->json, "status");
	json_t *next = json_pack("{s:[o]}", "conditions",
		condition_new(a, st, "Ready", ready ? "True" : "Unknown",
			ready ? "KubeletReady" : "NodeStatusUnknown",
			ready ? "kubelet is posting ready status"
			      : "Kubelet stopped posting node status."));
	if (ready) {
		g_autofree char *boot = sim_store_uid(a->store);
		g_autofree char *kube = sim_kube_version(mco_version(a));
		json_object_set_new(next, "nodeInfo",
			json_pack("{s:s, s:s}", "bootID", boot, "kubeletVersion", kube));
	}
	out_merge(a, n, SIM_SUB_STATUS, "kubelet", json_pack("{s:o}", "status", next));
}

/* Enters a phase once; true when it lasted its time. */
static bool lasted(SimActors *a, SimObj *n, int phase, int64_t usec)
{
	if (n->memo.phase != phase) {
		n->memo.phase = phase;
		n->memo.due_usec = a->now.boot_usec + usec;
	}
	return n->memo.due_usec <= a->now.boot_usec;
}

static bool is_lost(SimActors *a, const SimObj *n)
{
	const SimObj *pool = pool_of(a, n);
	if (!has_fault(a, SIM_FAULT_NODE_NEVER_RETURNS) || !pool || text_is(pool->name, "master"))
		return false;
	if (!a->lost_node)
		a->lost_node = g_strdup(n->name);
	return text_is(a->lost_node, n->name);
}

/* Down for the reboot. */
static int64_t daemon_down(SimActors *a, SimObj *n)
{
	if (is_lost(a, n))
		return INT64_MAX;
	if (!lasted(a, n, DAEMON_DOWN, a->t.reboot_usec))
		return n->memo.due_usec;
	set_ready(a, n, true);
	return INT64_MAX;
}

/* Empty and told so: polls, stages the image, goes down. */
static int64_t daemon_drained(SimActors *a, SimObj *n)
{
	if (n->memo.phase != DAEMON_STAGING) {
		if (!lasted(a, n, DAEMON_DRAINED, a->t.drain_poll_usec / 2))
			return n->memo.due_usec;
	}
	if (!lasted(a, n, DAEMON_STAGING, a->t.os_usec))
		return n->memo.due_usec;
	if (n->node.ready)
		set_ready(a, n, false);
	else
		annotate(a, n, DAEMON, "state", "Rebooting", NULL, NULL);
	return INT64_MAX;
}

static int64_t daemon_tick(SimActors *a, SimObj *n)
{
	const char *current = n->node.current, *desired = n->node.desired, *state = n->node.state;
	if (!desired[0] || (text_is(current, desired) && text_is(state, "Done"))) {
		n->memo.phase = DAEMON_IDLE;
		return INT64_MAX;
	}
	g_autofree char *drain = g_strconcat("drain-", desired, NULL);
	g_autofree char *uncordon = g_strconcat("uncordon-", desired, NULL);
	const char *asked = n->node.asked, *applied = n->node.applied;
	bool rebooting = text_is(state, "Rebooting");
	if (!rebooting && !text_is(asked, drain)) {
		annotate(a, n, DAEMON, "state", "Working", "desiredDrain", drain);
		return INT64_MAX;
	}
	if (!rebooting)
		return text_is(applied, drain) ? daemon_drained(a, n) : INT64_MAX;
	if (!n->node.ready)
		return daemon_down(a, n);
	if (!text_is(asked, uncordon))
		annotate(a, n, DAEMON, "desiredDrain", uncordon, NULL, NULL);
	else if (text_is(applied, uncordon))
		annotate(a, n, DAEMON, "currentConfig", desired, "state", "Done");
	return INT64_MAX;
}

static bool must_leave(const SimObj *p, const SimObj *n)
{
	return p->pod.node && text_is(p->pod.node, n->name) && !p->pod.mirror &&
	       g_strcmp0(p->pod.owner_kind, "DaemonSet") != 0;
}

/* Asks for every pod that is still there; returns how many there are. */
static size_t evict_all(SimActors *a, const SimObj *n, bool ask)
{
	size_t left = 0;
	for (size_t i = 0; i < sim_store_n(a->store, SIM_PODS); i++) {
		SimObj *p = sim_store_at(a->store, SIM_PODS, i);
		if (!must_leave(p, n))
			continue;
		left++;
		if (ask && !p->pod.deleting)
			out_sub(a, p, SIM_SUB_EVICTION, CONTROLLER,
				json_pack("{s:s, s:s, s:{s:s, s:s}}", "apiVersion", "policy/v1",
					"kind", "Eviction", "metadata", "name", p->name,
					"namespace", p->ns));
	}
	return left;
}

static void start_window(SimActors *a, SimMemo *m)
{
	m->drain = DRAIN_WINDOW;
	m->window_usec = a->now.boot_usec + a->t.drain_window_usec;
	m->retry_usec = a->now.boot_usec;
}

/* In a window: empty is done; else every 5 s again, until the window closes. */
static int64_t drain_window(SimActors *a, SimObj *n)
{
	SimMemo *m = &n->memo;
	bool ask = m->retry_usec <= a->now.boot_usec;
	size_t left = evict_all(a, n, ask && m->window_usec > a->now.boot_usec);
	if (left == 0) {
		annotate(a, n, CONTROLLER, "lastAppliedDrain", n->node.asked, NULL, NULL);
		return INT64_MAX;
	}
	if (m->window_usec <= a->now.boot_usec) {
		bool slow = a->now.boot_usec - m->drain_usec > a->t.drain_slow_after_usec;
		m->drain = DRAIN_PAUSE;
		m->window_usec = a->now.boot_usec +
				 (slow ? a->t.drain_slow_pause_usec : a->t.drain_pause_usec);
		return m->window_usec;
	}
	if (ask)
		m->retry_usec = a->now.boot_usec + a->t.evict_retry_usec;
	return MIN(m->retry_usec, m->window_usec);
}

static int64_t drain_tick(SimActors *a, SimObj *n)
{
	SimMemo *m = &n->memo;
	const char *asked = n->node.asked;
	if (text_is(asked, n->node.applied)) {
		m->drain = DRAIN_IDLE;
		return INT64_MAX;
	}
	if (g_str_has_prefix(asked, "uncordon-")) {
		if (n->node.cordoned)
			out_merge(a, n, SIM_SUB_NONE, CONTROLLER,
				json_pack("{s:{s:n}}", "spec", "unschedulable"));
		else
			annotate(a, n, CONTROLLER, "lastAppliedDrain", asked, NULL, NULL);
		return INT64_MAX;
	}
	if (!n->node.cordoned) {
		out_merge(a, n, SIM_SUB_NONE, CONTROLLER,
			json_pack("{s:{s:b}}", "spec", "unschedulable", 1));
		return INT64_MAX;
	}
	if (m->drain == DRAIN_IDLE) {
		m->drain = DRAIN_WAITS;
		m->drain_usec = a->now.boot_usec;
		m->window_usec = a->now.boot_usec + a->t.drain_start_usec;
	}
	if (m->drain != DRAIN_WINDOW && m->window_usec > a->now.boot_usec)
		return m->window_usec;
	if (m->drain != DRAIN_WINDOW)
		start_window(a, m);
	return drain_window(a, n);
}

int64_t node_tick(SimActors *a, SimObj *n)
{
	if (n->memo.busy || !n->node.current[0])
		return INT64_MAX;
	int64_t due = daemon_tick(a, n);
	return sl_min(due, drain_tick(a, n));
}
