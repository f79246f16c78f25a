#include "codec/json.h"
#include "policy/job.h"
#include <string.h>

static void test_object(void)
{
	g_autoptr(json_t) template = json_loads(
		"{\"apiVersion\": \"batch/v1\", \"kind\": \"Job\", \"metadata\": "
		"{\"generateName\": \"x-\","
		" \"namespace\": \"ns\", \"labels\": {\"a\": \"b\"}}, \"spec\": {\"backoffLimit\": "
		"2,"
		" \"activeDeadlineSeconds\": 9, \"template\": {\"spec\": {\"containers\": [{}]}}}}",
		0, NULL);
	g_autofree char *before = json_canonical(template);
	g_autoptr(json_t) job = job_object(template, "shiplock-1", "run/a/item", 600);
	g_assert_cmpstr(json_path_str(job, "metadata.name", ""), ==, "shiplock-1");
	g_assert_null(json_path(job, "metadata.generateName"));
	g_assert_cmpstr(json_path_str(job, "metadata.labels.a", ""), ==, "b");
	g_assert_cmpint(json_path_int(job, "spec.activeDeadlineSeconds", 0), ==, 600);
	g_assert_cmpint(json_path_int(job, "spec.backoffLimit", 0), ==, 2);
	g_assert_cmpstr(json_path_str(job, "spec.template.spec.restartPolicy", ""), ==, "Never");
	g_autofree char *after = json_canonical(template);
	g_assert_cmpstr(before, ==, after);
}

static void test_name(void)
{
	char a[JOB_NAME_BYTES], b[JOB_NAME_BYTES], c[JOB_NAME_BYTES];
	job_name("hub", "up#1", "a", "backup-4.21.10-1", a);
	job_name("hub", "up#1", "a", "backup-4.21.10-1", b);
	job_name("hub", "up#1", "a", "backup-4.21.10-2", c);
	g_assert_cmpstr(a, ==, b);
	g_assert_cmpstr(a, !=, c);
	g_assert_cmpuint(strlen(a), <, 63);
	g_assert_true(g_str_has_prefix(a, "shiplock-"));
}

static const struct {
	const char *job;
	JobState want;
	const char *text;
} states[] = {
	{ "{}", JOB_RUNNING, NULL },
	{ "{\"status\": {\"active\": 1}}", JOB_RUNNING, NULL },
	{ "{\"status\": {\"conditions\": [{\"type\": \"Suspended\", \"status\": \"True\"}]}}",
		JOB_RUNNING, NULL },
	{ "{\"status\": {\"conditions\": [{\"type\": \"Failed\", \"status\": \"False\"}]}}",
		JOB_RUNNING, NULL },
	{ "{\"status\": {\"conditions\": [{\"type\": \"SuccessCriteriaMet\", \"status\": \"True\"},"
	  " {\"type\": \"Complete\", \"status\": \"True\"}]}}",
		JOB_COMPLETE, "Complete" },
	{ "{\"status\": {\"conditions\": [{\"type\": \"Failed\", \"status\": \"True\","
	  " \"reason\": \"DeadlineExceeded\", \"message\": \"too long\"}]}}",
		JOB_FAILED, "DeadlineExceeded: too long" },
};

static void test_states(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
		g_autoptr(json_t) job = json_loads(states[i].job, 0, NULL);
		g_autofree char *text = NULL;
		g_assert_cmpint(job_state(job, &text), ==, states[i].want);
		g_assert_cmpstr(text, ==, states[i].text);
	}
}

static void test_pods(void)
{
	g_autoptr(json_t) pods =
		json_loads("{\"items\": [{\"metadata\": {\"name\": \"b\", \"creationTimestamp\": "
			   "\"2026-01-02T00:00:00Z\"},"
			   " \"status\": {\"containerStatuses\": [{\"state\": {\"running\": {}}},"
			   " {\"state\": {\"terminated\": {\"exitCode\": 3}}}]}}, {\"metadata\": "
			   "{\"name\": \"a\","
			   " \"creationTimestamp\": \"2026-01-01T00:00:00Z\"}}]}",
			0, NULL);
	const json_t *pod = job_pod(pods);
	g_assert_cmpstr(json_path_str(pod, "metadata.name", ""), ==, "b");
	g_assert_cmpint(job_exit_code(pod), ==, 3);
	g_assert_cmpint(job_exit_code(NULL), ==, -1);
	g_assert_null(job_pod(NULL));
}

static void test_log(void)
{
	g_autofree char *big = g_strnfill(100 << 10, 'x');
	memcpy(big + (100 << 10) - 5, "\nend\n", 5);
	g_autofree char *tail = job_log_tail(big);
	g_assert_cmpstr(tail, ==, "end\n");
	g_autofree char *small = job_log_tail("one\ntwo");
	g_assert_cmpstr(small, ==, "one\ntwo");
	static const char log[] =
		"shiplock-proof sha256=old\nnoise\nshiplock-proof file=/a sha256=ff "
		"time=2026-01-01T00:00:00Z\n";
	g_autofree char *sum = job_proof(log, "sha256"), *none = job_proof(log, "sha");
	g_assert_cmpstr(sum, ==, "ff");
	g_assert_null(none);
	int64_t usec = 0;
	g_assert_true(job_last_time("words\n2026-11-20T08:00:00Z\n\n", &usec));
	g_assert_cmpint(usec, ==, INT64_C(1795161600000000));
	g_assert_false(job_last_time("yesterday\n", &usec));
	g_assert_false(job_last_time("", &usec));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/policy/job/object", test_object);
	g_test_add_func("/policy/job/name", test_name);
	g_test_add_func("/policy/job/states", test_states);
	g_test_add_func("/policy/job/pods", test_pods);
	g_test_add_func("/policy/job/log", test_log);
	return g_test_run();
}
