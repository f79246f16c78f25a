/* The drain of plain nodes on a real API server. Run by e2e/test_drain.py, which judges from the
 * server's audit log; alone it is skipped. What it needs:
 *
 *   SHIPLOCK_RANGE_KUBECONFIG  a kubeconfig written as JSON
 *   SHIPLOCK_RANGE_NODES       names, separated by commas
 *   SHIPLOCK_RANGE_STATE       a folder; what a killed run left there is taken up again
 *   SHIPLOCK_RANGE_ISOLATION   "cordon" or "taint"
 *   SHIPLOCK_RANGE_POLICY      spec of a DrainPolicy, as JSON; may be missing
 *
 * Says "# state: STATE" on stdout whenever the first node's changes, and "# why: ..." with it. */
#include "http/http-curl.h"
#include "loop/loop-event.h"
#include "steps/test-drain-ctl.h"
#include "store/store-sqlite.h"

enum { RANGE_LIMIT_SEC = 150 };

typedef struct Real {
	LoopEvent *event;
	HttpCurl *http;
	StoreSqlite *store;
	json_t *kubeconfig;
	World w;
	Ctl ctl;
} Real;

static Creds *real_creds(Real *r)
{
	const char *path = g_getenv("SHIPLOCK_RANGE_KUBECONFIG");
	g_autoptr(GError) err = NULL;
	r->kubeconfig = json_load_file(path, 0, NULL);
	g_assert_nonnull(r->kubeconfig);
	g_autofree char *dir = g_path_get_dirname(path);
	CredsFile file = { r->kubeconfig, dir, path };
	CredsOptions o = { .event = loop_event_sd(r->event), .loop = r->ctl.loop };
	Creds *creds = creds_from_kubeconfig(&o, &file, 1, &err);
	g_assert_no_error(err);
	return creds;
}

static void real_open(Real *r)
{
	g_autoptr(GError) err = NULL;
	g_autofree char *journal =
		g_build_filename(g_getenv("SHIPLOCK_RANGE_STATE"), "journal.db", NULL);
	Ctl *ctl = &r->ctl;
	r->event = loop_event_new(&err);
	g_assert_no_error(err);
	ctl->loop = r->w.loop = loop_event_loop(r->event);
	ctl->w = &r->w;
	r->w.ctl = ctl;
	r->http = http_curl_new(loop_event_sd(r->event), ctl->loop);
	r->store = store_sqlite_open(journal, ctl->loop, &err);
	g_assert_no_error(err);
	ctl->saga = saga_new(ctl->loop, store_sqlite_store(r->store), &rig_hooks, ctl);
	ctl->creds = real_creds(r);
	KubeClientOptions o = {
		.http = http_curl_http(r->http), .loop = ctl->loop, .creds = ctl->creds
	};
	g_autoptr(json_t) doc = json_pack("{s:{s:s}, s:{}}", "metadata", "name", "c1", "spec");
	ctl->target = target_new(
		ctl->saga, ctl->loop, doc, &provider_openshift, kube_client_new(&o), NULL, "range");
	ctl->watches = target_watches_new(ctl->target);
	g_assert_true(saga_start(ctl->saga, &err));
	saga_submit(ctl->saga, rig_begin, NULL, ctl);
}

static void real_close(Real *r)
{
	Ctl *ctl = &r->ctl;
	target_watches_free(ctl->watches);
	target_free(ctl->target);
	creds_free(ctl->creds);
	saga_free(ctl->saga);
	store_sqlite_free(r->store);
	http_curl_free(r->http);
	loop_event_free(r->event);
	json_decref(r->kubeconfig);
}

static void tell(const World *w, char **last)
{
	Item *n = node_item(w, w->ask.nodes[0]);
	g_autofree char *now =
		n ? g_strdup_printf("%s %s", item_state_name(n), item_reason(n)) : g_strdup("none");
	if (g_strcmp0(*last, now) == 0)
		return;
	g_autoptr(json_t) why = n ? drain_why(n) : json_object();
	g_autofree char *text = json_canonical(why);
	g_print("# state: %s\n# why: %s\n", now, text);
	g_free(*last);
	*last = g_steal_pointer(&now);
}

static void test_range(void)
{
	if (!g_getenv("SHIPLOCK_RANGE_KUBECONFIG")) {
		g_test_skip("SHIPLOCK_RANGE_KUBECONFIG is not set: e2e/test_drain.py runs this");
		return;
	}
	g_auto(GStrv) nodes = g_strsplit(g_getenv("SHIPLOCK_RANGE_NODES"), ",", 3);
	Real r = { .w.ask = { .mode = C_OWN,
			   .at_once = true,
			   .hold_sec = 1,
			   .policy = g_getenv("SHIPLOCK_RANGE_POLICY"),
			   .taint = g_strcmp0(g_getenv("SHIPLOCK_RANGE_ISOLATION"), "taint") ==
				    0 } };
	for (size_t i = 0; nodes[i]; i++)
		r.w.ask.nodes[i] = nodes[i];
	g_autofree char *last = NULL;
	real_open(&r);
	int64_t limit = loop_boot_usec(r.w.loop) + RANGE_LIMIT_SEC * SEC;
	const Item *c = NULL;
	while ((!(c = cluster_item(&r.w)) || !item_ended(c)) && loop_boot_usec(r.w.loop) < limit) {
		loop_event_step(r.event, SEC / 10);
		tell(&r.w, &last);
	}
	g_assert_true(c && item_ended(c));
	real_close(&r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/drain-range/nodes", test_range);
	return g_test_run();
}
