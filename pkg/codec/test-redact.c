#include "codec/redact.h"
#include <string.h>

#define JWT                                                                                        \
	"eyJhbGciOiJSUzI1NiIsImtpZCI6IjEyMyJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJlLXBsYW50ZWQ"
#define R REDACTED

static const struct {
	const char *name, *in, *want;
} cases[] = {
	{ "plain words", "the operator refuses 4.21.10: not now", NULL },
	{ "bearer", "sent Authorization: Bearer planted-one, got 401",
		"sent Authorization: Bearer " R ", got 401" },
	{ "bearer alone", "the header Bearer planted-two was refused",
		"the header Bearer " R " was refused" },
	{ "basic in lower case", "basic cGxhbnRlZDpvbmU= it said", "basic " R " it said" },
	{ "the word basic", "a basic fault of the disk", NULL },
	{ "url", "GET https://ann:planted@git.example/x.git failed",
		"GET https://" R "@git.example/x.git failed" },
	{ "url without a user", "GET https://git.example/a@b failed", NULL },
	{ "mail address", "ask ann@example.org", NULL },
	{ "password", "login with password=planted&user=ann",
		"login with password=" R "&user=ann" },
	{ "quoted", "{\"token\": \"planted\", \"a\": 1}", "{\"token\": \"" R "\", \"a\": 1}" },
	{ "escaped", "{\\\"client_secret\\\":\\\"planted\\\"}",
		"{\\\"client_secret\\\":\\\"" R "\"}" },
	{ "said by a person", "the password: hunter2 is known", "the password: " R " is known" },
	{ "name without a value", "the token is expired; renew the token", NULL },
	{ "jwt", "got " JWT " from it", "got " R " from it" },
	{ "openshift", "oc login --token=sha256~Qx7PLANTEDplanted0123456789abcdefghij",
		"oc login --token=" R },
	{ "openshift alone", "used sha256~Qx7PLANTEDplanted0123456789abcdefghij twice",
		"used " R " twice" },
	{ "code host", "ghp_plantedplantedplantedplanted1234", R },
	{ "looks like one", "key AbCdEf0123456789ghIJkl was used", "key " R " was used" },
	{ "digest",
		"release@sha256:aa19b8b2e6af48cc8dab7dc9321b8a5491e9dc8305e1fbc0a5a80cd90eedc3f7",
		NULL },
	{ "uid", "pod 7d1c3c3e-5b1b-4b0f-9d3f-0c7c0b2f7a11 is gone", NULL },
	{ "query", "sum(rate(haproxy_backend_http_responses_total{code=\"5xx\"}[15m])) / 2", NULL },
	{ "condition", "ClusterOperatorDegraded: MachineConfigPoolNotUpdatedYet in 12 s", NULL },
	{ "pem", "-----BEGIN PRIVATE KEY-----\nplanted\n-----END PRIVATE KEY-----\nand more",
		R "\nand more" },
	{ "pem without an end", "x -----BEGIN RSA PRIVATE KEY-----\nplanted", "x " R },
	{ "pem without its beginning",
		"starts\nas: it was\nUExBTlRFRA==\nplanted+/1=\n-----END PRIVATE KEY-----\nand "
		"more",
		"starts\nas: it was\n" R "\nand more" },
	{ "pem from its middle on", "TlRFRA==\n-----END PRIVATE KEY-----", R },
	{ "reference", "credential: {file: /etc/shiplock/git.key}", NULL },
	{ "empty", "", NULL },
};

static void test_text(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_test_message("%s", cases[i].name);
		g_autofree char *out = redact_text(cases[i].in);
		g_assert_cmpstr(out, ==, cases[i].want ? cases[i].want : cases[i].in);
		g_autofree char *again = redact_text(out);
		g_assert_cmpstr(again, ==, out);
	}
}

static void test_json(void)
{
	g_autoptr(json_t) in = json_loads(
		"{\"spec\": {\"token\": {\"file\": \"/etc/a.token\"}, \"clientSecret\": "
		"\"planted\","
		" \"list\": [\"Bearer planted-three\", 7, null, true], \"reason\": \"it is so\"},"
		" \"Bearer planted-four\": 1}",
		0, NULL);
	g_autoptr(json_t) out = redact_json(in);
	g_autofree char *text = json_canonical(out);
	g_assert_null(strstr(text, "planted"));
	g_assert_cmpstr(json_path_str(out, "spec.token.file", ""), ==, "/etc/a.token");
	g_assert_cmpstr(json_path_str(out, "spec.reason", ""), ==, "it is so");
	g_assert_cmpint(json_path_int(out, "spec.list.1", 0), ==, 7);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/codec/redact/text", test_text);
	g_test_add_func("/codec/redact/json", test_json);
	return g_test_run();
}
