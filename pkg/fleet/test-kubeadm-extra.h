/* For tests: what the API server of a simulated cluster answers besides what pkg/sim knows. */
#pragma once
#include "sim/cluster.h"
#include <string.h>

enum { EXTRAS_MAX = 8 };

static const char missing[] = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":"
			      "\"NotFound\",\"code\":404,\"message\":\"not found\"}";

/* What the API server answers besides; body NULL: it does not know the path. */
typedef struct Extra {
	const char *path, *body;
} Extra;

typedef struct Extras {
	const Extra *list;
	size_t n;
} Extras;

static inline bool extra(const HttpRequest *r, HttpSimAnswer *ret, void *ud)
{
	const Extras *e = ud;
	size_t len = strcspn(r->path, "?");
	for (size_t i = 0; i < e->n && e->list[i].path; i++) {
		if (strlen(e->list[i].path) != len || strncmp(r->path, e->list[i].path, len) != 0)
			continue;
		const char *body = e->list[i].body;
		*ret = (HttpSimAnswer){ .status = body && body != missing ? 200 : 404,
			.body = g_strdup(body ? body : "404 page not found\n"),
			.content_type = body && *body == '{' ? "application/json" : "text/plain" };
		return true;
	}
	return false;
}

#define CONFIG "/api/v1/namespaces/kube-system/configmaps/"
#define ADMISSION "/apis/admissionregistration.k8s.io/v1/"
#define LIST(items) "{\"metadata\":{\"resourceVersion\":\"7\"},\"items\":[" items "]}"
#define HOOK(more)                                                                                 \
	LIST("{\"metadata\":{\"name\":\"guard\"},\"webhooks\":[{\"name\":\"g.example.io\","        \
	     "\"clientConfig\":{\"service\":{\"namespace\":\"guard\",\"name\":\"guard\"}}" more    \
	     "}]}")
#define RULES(group, resource, op)                                                                 \
	",\"rules\":[{\"apiGroups\":[\"" group "\"],\"apiVersions\":[\"*\"],\"operations\":[\"" op \
	"\"],\"resources\":[\"" resource "\"]}]"
#define SLICES "/apis/discovery.k8s.io/v1/namespaces/guard/endpointslices"
#define NOT_READY "{\"items\":[{\"endpoints\":[{\"conditions\":{\"ready\":false}}]}]}"
#define READY "{\"items\":[{\"endpoints\":[{\"conditions\":{\"ready\":true}}]}]}"
#define NAME_IN(op, v)                                                                             \
	",\"namespaceSelector\":{\"matchExpressions\":[{\"key\":\"kubernetes.io/metadata.name\","  \
	"\"operator\":\"" op "\",\"values\":[\"" v "\"]}]}"
#define REQUESTED(group, version, resource, removed)                                               \
	"# TYPE apiserver_requested_deprecated_apis gauge\n"                                       \
	"apiserver_requested_deprecated_apis{group=\"" group "\",removed_release=\"" removed       \
	"\",resource=\"" resource "\",subresource=\"\",version=\"" version "\"} 1\n"               \
	"apiserver_requested_deprecated_apisx{group=\"x\"} 1\n"
#define GROUP(name, version, resource)                                                             \
	"{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"" name           \
	"\"},\"versions\":[{\"version\":\"" version "\",\"resources\":[{\"resource\":\"" resource  \
	"\"}]}]}]}"
#define COUNT(items, rest) "{\"metadata\":{\"remainingItemCount\":" rest "},\"items\":[" items "]}"
#define CRD(more)                                                                                  \
	LIST("{\"metadata\":{\"name\":\"widgets.example.io\"},\"spec\":{\"conversion\":{"          \
	     "\"strategy\":\"Webhook\",\"webhook\":{\"clientConfig\":{\"service\":{"               \
	     "\"namespace\":\"guard\",\"name\":\"guard\"}}}},\"versions\":[]}" more "}")
#define KUBEADM_CRDS_PATH "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
