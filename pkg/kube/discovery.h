/* Which kinds a server knows, in two requests. Source: aggregated discovery (KEP-3352,
 * apidiscovery.k8s.io/v2 since 1.30, v2beta1 since 1.26); older servers list only their groups. A
 * version that is marked Stale has a server behind it that is down: nothing may be concluded from
 * what is missing there. */
#pragma once
#include "kube/client.h"

typedef enum {
	KUBE_SERVED,
	KUBE_NOT_SERVED, /* surely not */
	KUBE_SERVED_UNSURE, /* stale, or the server does not list its resources */
} KubeServed;

typedef struct KubeDiscovery KubeDiscovery;
/* From the bodies of /api and /apis; INVALID when either is no discovery document. */
KubeDiscovery *kube_discovery_parse(
	const json_t *core, const json_t *groups, GError **err) SL_MUST_USE;
void kube_discovery_free(KubeDiscovery *d); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KubeDiscovery, kube_discovery_free)

/* plural may name a subresource ("pods/eviction"). */
KubeServed kube_discovery_served(
	const KubeDiscovery *d, const char *group_version, const char *plural);
/* How many versions of groups are stale; their names joined by ", " (caller frees). */
size_t kube_discovery_stale(const KubeDiscovery *d, char **ret_names);

/* d is NULL with err set, else borrowed for the call. */
typedef void KubeDiscovered(const KubeDiscovery *d, const GError *err, void *ud);
typedef struct KubeDiscoverer KubeDiscoverer;
/* The completion comes once, unless freed before; the result is the caller's to free, also from
 * inside it. */
KubeDiscoverer *kube_discover(KubeClient *k, KubeDiscovered *done, void *ud);
void kube_discoverer_free(KubeDiscoverer *d); /* NULL is fine */
