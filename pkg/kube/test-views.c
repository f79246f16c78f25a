#include "codec/json.h"
#include "kube/views.h"
#include <string.h>

static json_t *doc(const char *text)
{
	g_autoptr(GError) err = NULL;
	json_t *v = json_parse(text, strlen(text), &err);
	g_assert_no_error(err);
	return v;
}

static const int64_t t10 = INT64_C(1777888800) * G_USEC_PER_SEC; /* 2026-05-04T10:00:00Z */

static void test_node(void)
{
	g_autoptr(json_t) o = doc(
		"{\"metadata\":{\"name\":\"n1\",\"uid\":\"u1\",\"resourceVersion\":\"9\","
		"\"labels\":{"
		"\"node-role.kubernetes.io/worker\":\"\"},\"annotations\":{\"a.b/c\":\"d\"}},"
		"\"spec\":{\"unschedulable\":true,\"taints\":[{\"key\":"
		"\"node.kubernetes.io/unschedulable\",\"effect\":\"NoSchedule\"},{\"key\":\"k\","
		"\"value\":\"v\",\"effect\":\"NoExecute\"}]},\"status\":{\"allocatable\":{"
		"\"nvidia.com/gpu\":\"2\"},\"conditions\":[{\"type\":\"MemoryPressure\",\"status\":"
		"\"False\"},{\"type\":\"Ready\",\"status\":\"True\",\"lastTransitionTime\":"
		"\"2026-05-04T10:00:00Z\",\"lastHeartbeatTime\":\"2026-05-04T10:00:05Z\"}],"
		"\"nodeInfo\":{\"kubeletVersion\":\"v1.33.1\",\"bootID\":\"b-1\"}}}");
	g_autoptr(NodeView) v = node_view_new(o);
	g_assert_cmpstr(v->meta.name, ==, "n1");
	g_assert_cmpstr(v->meta.uid, ==, "u1");
	g_assert_cmpstr(v->meta.ns, ==, "");
	g_assert_true(v->unschedulable && v->ready);
	g_assert_cmpint(v->ready_since_usec, ==, t10);
	g_assert_cmpint(kube_condition(&v->conditions, "Ready")->heard_usec, ==, t10 + 5000000);
	g_assert_cmpuint(v->n_taints, ==, 2);
	g_assert_cmpstr(node_view_taint(v, "k")->effect, ==, "NoExecute");
	g_assert_null(node_view_taint(v, "x"));
	g_assert_cmpstr(kube_label(&v->meta, "node-role.kubernetes.io/worker"), ==, "");
	g_assert_cmpstr(kube_annotation(&v->meta, "a.b/c"), ==, "d");
	g_assert_null(kube_label(&v->meta, "other"));
	g_assert_cmpstr(
		json_string_value(json_object_get(v->allocatable, "nvidia.com/gpu")), ==, "2");
	g_assert_cmpstr(v->kubelet_version, ==, "v1.33.1");
	g_assert_cmpstr(v->boot_id, ==, "b-1");
}

static void test_pod(void)
{
	g_autoptr(json_t) o = doc(
		"{\"metadata\":{\"namespace\":\"a\",\"name\":\"p\",\"uid\":\"u\","
		"\"deletionTimestamp\":"
		"\"2026-05-04T10:00:00Z\",\"deletionGracePeriodSeconds\":30,\"ownerReferences\":["
		"{\"kind\":\"X\",\"name\":\"x\"},{\"kind\":\"ReplicaSet\",\"apiVersion\":\"apps/"
		"v1\","
		"\"name\":\"rs\",\"uid\":\"r\",\"controller\":true}],\"finalizers\":[\"f\"],"
		"\"annotations\":{\"kubernetes.io/"
		"config.mirror\":\"x\"}},\"spec\":{\"nodeName\":\"n1\","
		"\"priorityClassName\":\"system-node-critical\",\"priority\":2000001000,"
		"\"terminationGracePeriodSeconds\":5,\"restartPolicy\":\"Never\",\"volumes\":[{"
		"\"emptyDir\":{}},{\"hostPath\":{\"path\":\"/\"}},{\"persistentVolumeClaim\":{"
		"\"claimName\":\"data\"}}],\"tolerations\":[{\"operator\":\"Exists\"}]},\"status\":"
		"{"
		"\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\","
		"\"lastTransitionTime\":\"2026-05-04T10:00:00Z\"}],\"containerStatuses\":[{"
		"\"restartCount\":2,\"state\":{\"running\":{}}},{\"restartCount\":3,\"state\":{"
		"\"waiting\":{\"reason\":\"ImagePullBackOff\"}}}]}}");
	g_autoptr(PodView) v = pod_view_new(o);
	g_assert_cmpstr(v->node, ==, "n1");
	g_assert_cmpstr(v->owner_kind, ==, "ReplicaSet");
	g_assert_cmpstr(v->owner_uid, ==, "r");
	g_assert_true(v->mirror && v->empty_dir && v->host_path && v->claims && v->tolerates_all);
	g_assert_cmpstr(v->claim_names[0], ==, "data");
	g_assert_null(v->claim_names[1]);
	g_assert_false(v->ready);
	g_assert_cmpint(v->meta.deleted_usec, ==, t10);
	g_assert_cmpint(v->meta.deletion_grace_sec, ==, 30);
	g_assert_cmpint(v->grace_sec, ==, 5);
	g_assert_cmpint(v->priority, ==, 2000001000);
	g_assert_cmpint(v->restarts, ==, 5);
	g_assert_cmpstr(v->waiting, ==, "ImagePullBackOff");
	g_assert_cmpuint(json_array_size(v->finalizers), ==, 1);
}

/* Hardly anything given, or of the wrong type: defaults, and no crash. */
static void test_poor_objects(void)
{
	static const char *const texts[] = {
		"{}",
		"{\"metadata\":null,\"spec\":null,\"status\":null}",
		"{\"metadata\":[],\"spec\":\"x\",\"status\":7}",
		"{\"metadata\":{\"name\":1,\"labels\":[],\"ownerReferences\":{},\"finalizers\":"
		"\"f\"},"
		"\"spec\":{\"taints\":{},\"volumes\":[1,null],\"tolerations\":[[]],\"selector\":[]}"
		","
		"\"status\":{\"conditions\":[1,{}],\"disruptedPods\":{\"p\":1},"
		"\"containerStatuses\":"
		"[null]}}",
	};
	for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
		g_autoptr(json_t) o = doc(texts[i]);
		g_autoptr(NodeView) n = node_view_new(o);
		g_autoptr(PodView) p = pod_view_new(o);
		g_autoptr(PdbView) b = pdb_view_new(o);
		g_assert_cmpstr(n->meta.name, ==, "");
		g_assert_false(n->ready || n->unschedulable);
		g_assert_cmpint(p->grace_sec, ==, 30);
		g_assert_cmpstr(p->restart_policy, ==, "Always");
		g_assert_cmpstr(p->owner_kind, ==, "");
		g_assert_cmpint(p->meta.deletion_grace_sec, ==, -1);
		g_assert_false(b->has_status);
		g_assert_null(b->selector);
		g_assert_cmpstr(b->unhealthy_policy, ==, "IfHealthyBudget");
	}
}

static void test_pdb(void)
{
	g_autoptr(json_t) o = doc(
		"{\"metadata\":{\"namespace\":\"a\",\"name\":\"b\",\"generation\":4},\"spec\":{"
		"\"selector\":{},\"maxUnavailable\":\"10%\",\"unhealthyPodEvictionPolicy\":"
		"\"AlwaysAllow\"},\"status\":{\"observedGeneration\":3,\"disruptionsAllowed\":1,"
		"\"currentHealthy\":5,\"desiredHealthy\":4,\"expectedPods\":5,\"disruptedPods\":{"
		"\"z\":\"2026-05-04T10:00:00Z\",\"y\":\"2026-05-04T10:00:01Z\"},\"conditions\":[{"
		"\"type\":\"DisruptionAllowed\",\"status\":\"True\",\"observedGeneration\":3}]}}");
	g_autoptr(PdbView) v = pdb_view_new(o);
	g_assert_cmpint(v->meta.generation, ==, 4);
	g_assert_cmpint(v->observed_generation, ==, 3);
	g_assert_true(v->has_status);
	g_assert_cmpint(v->disruptions_allowed, ==, 1);
	g_assert_cmpint(v->current_healthy, ==, 5);
	g_assert_cmpint(v->desired_healthy, ==, 4);
	g_assert_cmpint(v->expected_pods, ==, 5);
	g_assert_cmpuint(v->n_disrupted, ==, 2);
	g_assert_cmpstr(v->disrupted[0].pod, ==, "y");
	g_assert_cmpint(v->disrupted[1].at_usec, ==, t10);
	g_assert_true(json_is_object(v->selector));
	g_assert_null(v->min_available);
	g_assert_cmpstr(json_string_value(v->max_unavailable), ==, "10%");
	g_assert_cmpstr(v->unhealthy_policy, ==, "AlwaysAllow");
	g_assert_cmpint(
		kube_condition(&v->conditions, "DisruptionAllowed")->observed_generation, ==, 3);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/views/node", test_node);
	g_test_add_func("/views/pod", test_pod);
	g_test_add_func("/views/poor-objects", test_poor_objects);
	g_test_add_func("/views/pdb", test_pdb);
	return g_test_run();
}
