#include "codec/json.h"
#include "creds/kubeconfig.h"
#include <string.h>

/* base64 of "-----BEGIN CERTIFICATE-----\nX\n" */
#define PEM64 "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClgK"
#define PEM "-----BEGIN CERTIFICATE-----\nX\n"

static json_t *doc(const char *text)
{
	g_autoptr(GError) err = NULL;
	json_t *v = json_parse(text, strlen(text), &err);
	g_assert_no_error(err);
	return v;
}

static const char full[] =
	"{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\","
	"\"user\":\"u\",\"namespace\":\"ns\"}}],\"clusters\":[{\"name\":\"k\",\"cluster\":{"
	"\"server\":\"https://api.example:6443/\",\"tls-server-name\":\"inside\","
	"\"certificate-authority\":\"pki/ca.crt\",\"proxy-url\":\"socks5://p:1080\"}}],"
	"\"users\":[{\"name\":\"u\",\"user\":{\"client-certificate-data\":\"" PEM64 "\","
	"\"client-certificate\":\"ignored\",\"client-key\":\"/abs/key\",\"tokenFile\":\"tok\","
	"\"token\":\"inline\",\"as\":\"boss\",\"as-uid\":\"7\",\"as-groups\":[\"g1\",\"g2\"],"
	"\"as-user-extra\":{\"Scopes/x\":[\"a\"]}}}]}";

static void test_every_field(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) d = doc(full);
	CredsFile f = { d, "/etc/kube", "/etc/kube/config" };
	g_autoptr(CredsSpec) s = creds_spec_from_kubeconfig(&f, 1, NULL, &err);
	g_assert_no_error(err);
	g_assert_cmpstr(s->origin, ==, "context c of /etc/kube/config");
	g_assert_cmpstr(s->namespace_, ==, "ns");
	g_assert_cmpstr(s->endpoint.base_url, ==, "https://api.example:6443");
	g_assert_cmpstr(s->endpoint.tls_server_name, ==, "inside");
	g_assert_cmpstr(s->endpoint.proxy_url, ==, "socks5://p:1080");
	g_assert_cmpstr(s->ca_file, ==, "/etc/kube/pki/ca.crt");
	g_assert_cmpstr(s->endpoint.cert_pem, ==, PEM);
	g_assert_null(s->cert_file);
	g_assert_cmpstr(s->key_file, ==, "/abs/key");
	g_assert_cmpstr(s->token_file, ==, "/etc/kube/tok");
	static const HttpHeader want[] = {
		{ "Impersonate-User", "boss" },
		{ "Impersonate-Uid", "7" },
		{ "Impersonate-Group", "g1" },
		{ "Impersonate-Group", "g2" },
		{ "Impersonate-Extra-scopes%2Fx", "a" },
	};
	g_assert_cmpuint(s->n_headers, ==, G_N_ELEMENTS(want));
	for (size_t i = 0; i < s->n_headers; i++) {
		g_assert_cmpstr(s->headers[i].name, ==, want[i].name);
		g_assert_cmpstr(s->headers[i].value, ==, want[i].value);
	}
}

static void test_merge(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) first =
		doc("{\"contexts\":null,\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":"
		    "\"https://first\"}}]}");
	g_autoptr(json_t) second = doc(full);
	CredsFile files[] = { { first, "/a", "/a/config" }, { second, "/b", "/b/config" } };
	g_autoptr(CredsSpec) s = creds_spec_from_kubeconfig(files, 2, NULL, &err);
	g_assert_no_error(err);
	/* The whole entry of the first file wins: nothing of the second's cluster is left. */
	g_assert_cmpstr(s->endpoint.base_url, ==, "https://first");
	g_assert_null(s->endpoint.tls_server_name);
	g_assert_null(s->ca_file);
	/* The user comes from the second, and its paths are relative to that file. */
	g_assert_cmpstr(s->token_file, ==, "/b/tok");
}

static void test_exec(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) d = doc(
		"{\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\",\"user\":\"u\"}}],"
		"\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://x\","
		"\"certificate-authority-data\":\"" PEM64 "\",\"extensions\":[{\"name\":"
		"\"client.authentication.k8s.io/exec\",\"extension\":{\"audience\":\"z\"}}]}}],"
		"\"users\":[{\"name\":\"u\",\"user\":{\"exec\":{\"apiVersion\":"
		"\"client.authentication.k8s.io/v1\",\"command\":\"bin/plug\",\"args\":[\"a b\","
		"\"$(id)\"],\"env\":[{\"name\":\"E\",\"value\":\"1\"}],\"interactiveMode\":"
		"\"IfAvailable\",\"provideClusterInfo\":true,\"installHint\":\"apt install plug\"}}"
		"}]}");
	CredsFile f = { d, "/k", "/k/config" };
	g_autoptr(CredsSpec) s = creds_spec_from_kubeconfig(&f, 1, "c", &err);
	g_assert_no_error(err);
	g_assert_cmpstr(s->exec->command, ==, "/k/bin/plug");
	g_assert_cmpstr(s->exec->args[1], ==, "$(id)");
	g_assert_cmpstr(s->exec->env[0], ==, "E=1");
	g_assert_cmpstr(s->exec->install_hint, ==, "apt install plug");
	g_assert_cmpstr(json_path_str(s->exec->cluster, "server", ""), ==, "https://x");
	g_assert_cmpstr(json_path_str(s->exec->cluster, "config.audience", ""), ==, "z");
	g_assert_cmpstr(
		json_path_str(s->exec->cluster, "certificate-authority-data", ""), ==, PEM64);
}

#define CONTEXT                                                                                    \
	"\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":"        \
	"\"k\",\"user\":\"u\"}}],"
#define CLUSTER "\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://x\"}}],"
#define USER(u) "{" CONTEXT CLUSTER "\"users\":[{\"name\":\"u\",\"user\":{" u "}}]}"
#define ONLY_CLUSTER(c)                                                                            \
	"{" CONTEXT "\"clusters\":[{\"name\":\"k\",\"cluster\":{" c                                \
	"}}],\"users\":[{\"name\":\"u\","                                                          \
	"\"user\":{}}]}"
#define EXEC(e) USER("\"exec\":{" e "}")
#define V1 "\"apiVersion\":\"client.authentication.k8s.io/v1\",\"command\":\"p\""

static void test_refused(void)
{
	static const struct {
		const char *text;
		SlErr code;
		const char *word;
	} cases[] = {
		{ "{}", SL_ERR_INVALID, "current-context" },
		{ "{\"current-context\":\"c\"}", SL_ERR_NOT_FOUND, "no context named c" },
		{ "{" CONTEXT "\"clusters\":[]}", SL_ERR_NOT_FOUND, "no cluster named k" },
		{ "{" CONTEXT "\"clusters\":{}}", SL_ERR_INVALID, "clusters must be a list" },
		{ "{" CONTEXT CLUSTER "\"users\":[]}", SL_ERR_NOT_FOUND, "no user named u" },
		{ ONLY_CLUSTER("\"server\":\"api:6443\""), SL_ERR_INVALID, "server of cluster k" },
		{ ONLY_CLUSTER("\"server\":5"), SL_ERR_INVALID, "server of cluster k" },
		{ ONLY_CLUSTER("\"server\":\"https://x\",\"insecure-skip-tls-verify\":\"yes\""),
			SL_ERR_INVALID, "true or false" },
		{ ONLY_CLUSTER("\"server\":\"https://x\",\"insecure-skip-tls-verify\":true,"
			       "\"certificate-authority\":\"a\""),
			SL_ERR_INVALID, "insecure" },
		{ ONLY_CLUSTER("\"server\":\"https://x\",\"proxy-url\":\"gopher://x\""),
			SL_ERR_INVALID, "proxy-url" },
		{ ONLY_CLUSTER("\"server\":\"https://x\",\"certificate-authority-data\":\"QUJD\""),
			SL_ERR_INVALID, "PEM" },
		{ USER("\"client-key\":\"a\""), SL_ERR_INVALID, "both" },
		{ USER("\"client-key-data\":\"c2VjcmV0\""), SL_ERR_INVALID, "client-key-data" },
		{ USER("\"token\":\"secret\",\"username\":\"a\""), SL_ERR_INVALID, "password" },
		{ USER("\"token\":[\"secret\"]"), SL_ERR_INVALID, "token of user u" },
		{ USER("\"token\":\"sec\\u0000ret\""), SL_ERR_INVALID, "NUL" },
		{ USER("\"as-groups\":[\"g\"]"), SL_ERR_INVALID, "without `as`" },
		{ USER("\"auth-provider\":{}"), SL_ERR_INVALID, "auth-provider" },
		{ EXEC("\"command\":\"p\""), SL_ERR_INVALID, "apiVersion" },
		{ EXEC(V1), SL_ERR_INVALID, "interactiveMode" },
		{ EXEC(V1 ",\"interactiveMode\":\"Always\""), SL_ERR_INVALID, "terminal" },
		{ EXEC(V1 ",\"interactiveMode\":\"Never\",\"args\":[1]"), SL_ERR_INVALID, "args" },
		{ EXEC(V1 ",\"interactiveMode\":\"Never\",\"env\":[{\"name\":\"a=b\"}]"),
			SL_ERR_INVALID, "env" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(GError) err = NULL;
		g_autoptr(json_t) d = json_loads(cases[i].text, JSON_ALLOW_NUL, NULL);
		g_assert_nonnull(d);
		CredsFile f = { d, "/k", "/k/config" };
		g_assert_null(creds_spec_from_kubeconfig(&f, 1, NULL, &err));
		g_test_message("%s", err->message);
		g_assert_error(err, SL_ERROR, (int)cases[i].code);
		g_assert_nonnull(strstr(err->message, cases[i].word));
		g_assert_nonnull(strstr(err->message, "/k/config"));
		g_assert_null(strstr(err->message, "secret"));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/kubeconfig/every-field", test_every_field);
	g_test_add_func("/kubeconfig/merge", test_merge);
	g_test_add_func("/kubeconfig/exec", test_exec);
	g_test_add_func("/kubeconfig/refused", test_refused);
	return g_test_run();
}
