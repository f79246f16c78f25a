#include "base/file.h"
#include "kube/test-kube.h"
#include <glib/gstdio.h>

typedef struct Got {
	int n;
	bool ok;
	SlErr code;
	KubeEffect effect;
	int status;
	char message[256];
	json_t *json;
} Got;

static void got_clear(Got *g)
{
	json_decref(g->json);
	*g = (Got){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Got, got_clear)

static void on_done(const KubeAnswer *a, void *ud)
{
	Got *g = ud;
	g->n++;
	g->ok = a->ok;
	g->code = a->code;
	g->effect = a->effect;
	g->status = a->status;
	g_strlcpy(g->message, a->message, sizeof g->message);
	json_decref(g->json);
	g->json = json_incref(a->json);
}

static void test_requests(void)
{
	g_autoptr(Sim) s = sim_new("writer");
	g_autoptr(json_t) patch = json_pack("{s:{s:b}}", "spec", "unschedulable", 1);
	g_autoptr(json_t) options = kube_delete_body("u", NULL, NULL, -1);
	g_autoptr(json_t) review = kube_access_review_body("get", NULL, "nodes", NULL, NULL, NULL);
	static const Script rows[] = { { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 } };
	g_auto(Got) g = { 0 };
	sim_expect(s, rows);
	/* Fixed latency keeps the order. */
	http_sim_set_latency(s->http, 1000, 1000);
	kube_get(s->k, "/a", on_done, &g);
	kube_patch_merge(s->k, "/b", patch, "5", false, on_done, &g);
	kube_patch_merge(s->k, "/b", patch, NULL, true, on_done, &g);
	kube_apply(s->k, "/c", patch, "shiplock", true, false, on_done, &g);
	kube_create(s->k, "/d", patch, true, on_done, &g);
	kube_delete(s->k, "/e", options, false, on_done, &g);
	kube_evict(s->k, "a", "p", "u", 0, true, on_done, &g);
	kube_access_review(s->k, review, KUBE_AS_WRITER, on_done, &g);
	g_assert_cmpint(g.n, ==, 0);
	while (g.n < 8)
		g_assert_true(loop_sim_step(s->ls));
	g_assert_cmpstr(s->log->str, ==,
		"GET /a\n"
		"PATCH /b [writer] [g1] "
		"{\"metadata\":{\"resourceVersion\":\"5\"},\"spec\":{\"unschedulable\":true}}\n"
		"PATCH /b?dryRun=All [writer] [g1] {\"spec\":{\"unschedulable\":true}}\n"
		"PATCH /c?fieldManager=shiplock&force=true [writer] [g1] "
		"{\"spec\":{\"unschedulable\":true}}\n"
		"POST /d?dryRun=All [writer] [g1] {\"spec\":{\"unschedulable\":true}}\n"
		"DELETE /e [writer] [g1] {\"apiVersion\":\"v1\",\"kind\":\"DeleteOptions\","
		"\"preconditions\":{\"uid\":\"u\"}}\n"
		"POST /api/v1/namespaces/a/pods/p/eviction?dryRun=All [writer] [g1] "
		"{\"apiVersion\":\"policy/v1\",\"deleteOptions\":{\"gracePeriodSeconds\":0,"
		"\"preconditions\":{\"uid\":\"u\"}},\"kind\":\"Eviction\",\"metadata\":{\"name\":"
		"\"p\",\"namespace\":\"a\"}}\n"
		"POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews [writer] [g1] "
		"{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SelfSubjectAccessReview\","
		"\"spec\":{\"resourceAttributes\":{\"resource\":\"nodes\",\"verb\":\"get\"}}}\n");
}

static void test_outcomes(void)
{
	static const struct {
		HttpFault fault;
		SlErr read, write;
		KubeEffect effect;
	} cases[] = {
		{ HTTP_FAULT_NOT_SENT, SL_ERR_RETRY, SL_ERR_RETRY, KUBE_NOT_APPLIED },
		{ HTTP_FAULT_LOST, SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
		{ HTTP_FAULT_ANSWER_LOST, SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
		{ HTTP_FAULT_500_APPLIED, SL_ERR_RETRY, SL_ERR_UNKNOWN_OUTCOME, KUBE_UNKNOWN },
	};
	static const Script rows[] = { { 0 }, { 0 } };
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		g_autoptr(Sim) s = sim_new(NULL);
		g_auto(Got) r = { 0 };
		g_auto(Got) w = { 0 };
		sim_expect(s, rows);
		s->fault = cases[i].fault;
		kube_get(s->k, "/a", on_done, &r);
		sim_until(s, &r.n);
		s->fault = cases[i].fault;
		kube_create(s->k, "/a", NULL, false, on_done, &w);
		sim_until(s, &w.n);
		g_assert_cmpint((int)r.code, ==, (int)cases[i].read);
		g_assert_cmpint((int)w.code, ==, (int)cases[i].write);
		g_assert_cmpint(w.effect, ==, cases[i].effect);
	}
}

/* Unknown fields of what was read survive a patch that does not speak of them. */
static void test_unknown_fields_survive(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	static const Script rows[] = {
		{ "GET", "/n", 200,
			"{\"metadata\":{\"resourceVersion\":\"5\"},\"spec\":{\"new\":1}}" },
		{ "PATCH", "/n", 200, "{}" },
	};
	g_auto(Got) g = { 0 };
	sim_expect(s, rows);
	kube_get(s->k, "/n", on_done, &g);
	sim_until(s, &g.n);
	g_assert_cmpint(json_path_int(g.json, "spec.new", 0), ==, 1);
	g_autoptr(json_t) patch = json_pack("{s:{s:b}}", "spec", "unschedulable", 1);
	g.n = 0;
	kube_patch_merge(s->k, "/n", patch, json_path_str(g.json, "metadata.resourceVersion", NULL),
		false, on_done, &g);
	sim_until(s, &g.n);
	g_assert_null(strstr(strstr(s->log->str, "PATCH"), "new"));
}

/* --- credentials --- */

typedef struct Auth {
	char *dir, *path;
	LoopSim *ls;
	Sim *s;
} Auth;

static Auth auth_new(const char *token)
{
	Auth a = { .dir = g_dir_make_tmp("sl-kube-XXXXXX", NULL) };
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) doc = json_pack("{s:s, s:[{s:s, s:{s:s, s:s}}], s:[{s:s, s:{s:s}}], "
					  "s:[{s:s, s:{s:s}}]}",
		"current-context", "c", "contexts", "name", "c", "context", "cluster", "k", "user",
		"u", "clusters", "name", "k", "cluster", "server", "https://x", "users", "name",
		"u", "user", "tokenFile", "tok");
	CredsFile f = { doc, a.dir, "config" };
	a.path = g_build_filename(a.dir, "tok", NULL);
	a.ls = loop_sim_new(7, INT64_C(1777888800) * G_USEC_PER_SEC);
	if (token)
		g_assert_true(sl_write_file(a.path, token, strlen(token), 0600, NULL));
	CredsOptions o = { .loop = loop_sim_loop(a.ls) };
	Creds *c = creds_from_kubeconfig(&o, &f, 1, &err);
	g_assert_no_error(err);
	a.s = sim_new_on(a.ls, c, NULL);
	return a;
}

static void auth_free(Auth *a)
{
	sim_free(a->s);
	g_unlink(a->path);
	g_rmdir(a->dir);
	g_free(a->dir);
	g_free(a->path);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Auth, auth_free)

static const char unauthorized[] = "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":401,"
				   "\"message\":\"Unauthorized\"}";

static void test_renewed_once(void)
{
	g_auto(Auth) a = auth_new("old");
	const Script rows[] = {
		{ "GET", "/a", 200, "{\"n\":1}" },
		{ "POST", "/b", 401, unauthorized },
		{ "POST", "/b", 201, "{\"n\":2}" },
		{ "GET", "/c", 401, unauthorized },
	};
	g_auto(Got) g = { 0 };
	sim_expect(a.s, rows);
	kube_get(a.s->k, "/a", on_done, &g);
	sim_until(a.s, &g.n);
	g_assert_true(g.ok);
	g_assert_true(sl_write_file(a.path, "new", 3, 0600, NULL));
	g.n = 0;
	kube_create(a.s->k, "/b", NULL, false, on_done, &g);
	sim_until(a.s, &g.n);
	g_assert_true(g.ok);
	g_assert_cmpint(json_path_int(g.json, "n", 0), ==, 2);
	g_assert_cmpstr(creds_endpoint(a.s->creds)->bearer, ==, "new");
	/* Nothing newer there: no second attempt, and the reason names the context. */
	g.n = 0;
	kube_get(a.s->k, "/c", on_done, &g);
	sim_until(a.s, &g.n);
	g_assert_false(g.ok);
	g_assert_cmpint((int)g.code, ==, SL_ERR_REFUSED);
	g_assert_cmpint(g.status, ==, 401);
	g_assert_nonnull(strstr(g.message, "context c of config"));
	g_assert_cmpuint(a.s->n_asked, ==, 4);
}

static void test_renewed_token_rejected_too(void)
{
	g_auto(Auth) a = auth_new("old");
	const Script rows[] = {
		{ "GET", "/a", 200, "{}" },
		{ "POST", "/b", 401, unauthorized },
		{ "POST", "/b", 401, unauthorized },
	};
	g_auto(Got) g = { 0 };
	sim_expect(a.s, rows);
	kube_get(a.s->k, "/a", on_done, &g);
	sim_until(a.s, &g.n);
	g_assert_true(sl_write_file(a.path, "new", 3, 0600, NULL));
	g.n = 0;
	kube_create(a.s->k, "/b", NULL, false, on_done, &g);
	sim_until(a.s, &g.n);
	g_assert_cmpint((int)g.code, ==, SL_ERR_REFUSED);
	g_assert_cmpint(g.effect, ==, KUBE_NOT_APPLIED);
}

static void test_no_credentials(void)
{
	g_auto(Auth) a = auth_new(NULL);
	g_auto(Got) g = { 0 };
	kube_create(a.s->k, "/b", NULL, false, on_done, &g);
	sim_until(a.s, &g.n);
	g_assert_false(g.ok);
	g_assert_cmpint(g.effect, ==, KUBE_NOT_APPLIED);
	g_assert_cmpint(g.status, ==, 0);
	g_assert_cmpuint(a.s->n_asked, ==, 0);
	/* Forgotten while the credentials are being read. */
	g.n = 0;
	uint64_t id = kube_get(a.s->k, "/a", on_done, &g);
	kube_forget(a.s->k, &id);
	sim_pass(a.s, SL_USEC_PER_SEC);
	g_assert_cmpint(g.n, ==, 0);
}

/* --- lists --- */

typedef struct Listed {
	int done, firsts;
	GString *names;
	bool ok;
	SlErr code;
	char version[32];
	size_t n;
	int64_t sent_usec;
	KubeLister *lister;
	bool free_in_page;
	json_t *items; /* of all pages, where the test wants them */
} Listed;

static void on_page(json_t *items, bool first, void *ud)
{
	Listed *l = ud;
	size_t i;
	json_t *item;
	if (first) {
		l->firsts++;
		g_string_truncate(l->names, 0);
	}
	json_array_foreach (items, i, item)
		g_string_append(l->names, json_path_str(item, "metadata.name", "?"));
	json_array_extend(l->items, items);
	if (l->free_in_page)
		g_clear_pointer(&l->lister, kube_lister_free);
}

static void on_listed(const KubeList *list, void *ud)
{
	Listed *l = ud;
	l->done++;
	l->ok = list->answer->ok;
	l->code = list->answer->code;
	g_strlcpy(l->version, list->resource_version, sizeof l->version);
	l->n = list->n_items;
	l->sent_usec = list->sent_usec;
	g_clear_pointer(&l->lister, kube_lister_free);
}

#define ITEM(name) "{\"metadata\":{\"name\":\"" name "\"}}"
#define PAGE(version, next, items)                                                                 \
	"{\"metadata\":{\"resourceVersion\":\"" version "\",\"continue\":\"" next                  \
	"\"},\"items\":[" items "]}"
static const char expired[] = "{\"kind\":\"Status\",\"status\":\"Failure\",\"code\":410,"
			      "\"reason\":\"Expired\",\"message\":\"too old\","
			      "\"metadata\":{\"continue\":\"inconsistent\"}}";

static void run_list(Sim *s, Listed *l, const KubeListOptions *o)
{
	l->names = g_string_new(NULL);
	l->lister = kube_list(s->k, "/api/v1/pods", o, on_page, on_listed, l);
	sim_until(s, &l->done);
}

static void test_list_pages(void)
{
	g_autoptr(Sim) s = sim_new("writer");
	static const Script rows[] = {
		{ "GET", "/api/v1/pods?limit=2&fieldSelector=spec.nodeName%3Dn1", 200,
			PAGE("9", "t o", ITEM("a") "," ITEM("b")) },
		{ "GET", "/api/v1/pods?limit=2&fieldSelector=spec.nodeName%3Dn1&continue=t%20o",
			200, PAGE("9", "", ITEM("c")) },
	};
	Listed l = { 0 };
	sim_expect(s, rows);
	int64_t before = sim_now(s);
	run_list(
		s, &l, &(KubeListOptions){ .page_items = 2, .field_selector = "spec.nodeName=n1" });
	g_assert_true(l.ok);
	g_assert_cmpstr(l.names->str, ==, "abc");
	g_assert_cmpstr(l.version, ==, "9");
	g_assert_cmpuint(l.n, ==, 3);
	g_assert_cmpint(l.sent_usec, ==, before);
	g_assert_null(strstr(s->log->str, "writer"));
	g_string_free(l.names, TRUE);
}

static void test_list_expired(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	static const Script rows[] = {
		{ "GET", NULL, 200, PAGE("9", "x", ITEM("a")) },
		{ "GET", NULL, 410, expired },
		{ "GET", NULL, 200, PAGE("12", "", ITEM("b")) },
	};
	Listed l = { 0 };
	sim_expect(s, rows);
	run_list(s, &l, &(KubeListOptions){ 0 });
	g_assert_true(l.ok);
	g_assert_cmpint(l.firsts, ==, 2);
	g_assert_cmpstr(l.names->str, ==, "b");
	g_assert_cmpstr(l.version, ==, "12");
	g_assert_cmpuint(l.n, ==, 1);
	g_string_free(l.names, TRUE);
	/* For ever expired: it ends. */
	static const Script always[] = { { "GET", NULL, 410, expired },
		{ "GET", NULL, 410, expired }, { "GET", NULL, 410, expired } };
	Listed bad = { 0 };
	sim_expect(s, always);
	run_list(s, &bad, &(KubeListOptions){ 0 });
	g_assert_false(bad.ok);
	g_string_free(bad.names, TRUE);
}

static void test_list_is_no_list(void)
{
	static const Script rows[][1] = {
		{ { "GET", NULL, 200, "{}" } },
		{ { "GET", NULL, 200, "{\"items\":[]}" } },
		{ { "GET", NULL, 200, "{\"metadata\":{\"resourceVersion\":\"1\"}}" } },
		{ { "GET", NULL, 200, "<html>", "text/html" } },
		{ { "GET", NULL, 503, "", "text/plain" } },
		{ { "GET", NULL, 404, "<html>", "text/html" } },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(Sim) s = sim_new(NULL);
		Listed l = { 0 };
		sim_expect(s, rows[i]);
		run_list(s, &l, &(KubeListOptions){ 0 });
		g_assert_false(l.ok);
		g_assert_cmpint((int)l.code, ==, SL_ERR_RETRY);
		g_assert_cmpstr(l.version, ==, "");
		g_string_free(l.names, TRUE);
	}
}

static void test_list_null_items(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	static const Script rows[] = { { "GET", NULL, 200,
		"{\"metadata\":{\"resourceVersion\":\"3\"},\"items\":null}" } };
	Listed l = { 0 };
	sim_expect(s, rows);
	run_list(s, &l, &(KubeListOptions){ 0 });
	g_assert_true(l.ok);
	g_assert_cmpuint(l.n, ==, 0);
	g_string_free(l.names, TRUE);
}

static void test_list_freed_in_page(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	static const Script rows[] = { { "GET", NULL, 200, PAGE("9", "x", ITEM("a")) } };
	Listed l = { .free_in_page = true, .names = g_string_new(NULL) };
	sim_expect(s, rows);
	l.lister = kube_list(s->k, "/api/v1/pods", &(KubeListOptions){ 0 }, on_page, on_listed, &l);
	sim_pass(s, SL_USEC_PER_SEC);
	g_assert_cmpint(l.done, ==, 0);
	g_assert_cmpuint(s->n_asked, ==, 1);
	g_string_free(l.names, TRUE);
}

static json_t *listed_once(Sim *s, const char *path)
{
	Listed l = { .items = json_array(), .names = g_string_new(NULL) };
	l.lister = kube_list(s->k, path, &(KubeListOptions){ 0 }, on_page, on_listed, &l);
	sim_until(s, &l.done);
	g_assert_true(l.ok);
	g_string_free(l.names, TRUE);
	return l.items;
}

/* What did not change is the same tree, path by path, until nobody lists for a while; and the
 * memory is bounded. */
static void test_list_again(void)
{
	g_autoptr(Sim) s = sim_new(NULL);
	static const Script ab = { "GET", NULL, 200, PAGE("9", "", ITEM("a") "," ITEM("b")) };
	static const Script ac = { "GET", NULL, 200, PAGE("10", "", ITEM("a") "," ITEM("c")) };
	Script rows[24] = { ab, ac, ab, ab };
	for (size_t i = 4; i < G_N_ELEMENTS(rows); i++)
		rows[i] = ab;
	sim_expect(s, rows);
	g_autoptr(json_t) first = listed_once(s, "/api/v1/pods");
	g_autoptr(json_t) second = listed_once(s, "/api/v1/pods");
	g_assert_true(json_array_get(first, 0) == json_array_get(second, 0));
	g_assert_true(json_array_get(first, 1) != json_array_get(second, 1));
	g_autoptr(json_t) other = listed_once(s, "/api/v1/nodes");
	g_assert_true(json_array_get(other, 0) != json_array_get(second, 0));
	kube_client_forget_lists(s->k);
	g_autoptr(json_t) anew = listed_once(s, "/api/v1/pods");
	g_assert_true(json_array_get(anew, 0) != json_array_get(second, 0));
	for (int i = 0; i < 18; i++) {
		g_autofree char *path = g_strdup_printf("/api/v1/p%d", i);
		json_decref(listed_once(s, path));
	}
	g_autoptr(json_t) pushed_out = listed_once(s, "/api/v1/pods");
	g_assert_true(json_array_get(pushed_out, 0) != json_array_get(anew, 0));
	g_autoptr(json_t) known = listed_once(s, "/api/v1/pods");
	g_assert_true(json_array_get(known, 0) == json_array_get(pushed_out, 0));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/client/requests", test_requests);
	g_test_add_func("/client/outcomes", test_outcomes);
	g_test_add_func("/client/unknown-fields-survive", test_unknown_fields_survive);
	g_test_add_func("/client/renewed-once", test_renewed_once);
	g_test_add_func("/client/renewed-token-rejected-too", test_renewed_token_rejected_too);
	g_test_add_func("/client/no-credentials", test_no_credentials);
	g_test_add_func("/list/pages", test_list_pages);
	g_test_add_func("/list/expired", test_list_expired);
	g_test_add_func("/list/is-no-list", test_list_is_no_list);
	g_test_add_func("/list/null-items", test_list_null_items);
	g_test_add_func("/list/freed-in-page", test_list_freed_in_page);
	g_test_add_func("/list/again", test_list_again);
	return g_test_run();
}
