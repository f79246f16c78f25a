#include "daemon.h"
#include "loop/listen.h"
#include "store/holder.h"
#include <errno.h>
#include <string.h>

enum {
	EXIT_FAILED = 1,
	EXIT_DOCUMENTS = 2,
	SOCKET_MODE = 0666, /* roles decide, by the peer */
	FACE_MAX_BODY_BYTES = 4 << 20,
	FACE_MAX_CONNECTIONS = 64,
};

bool daemon_writable(const Daemon *d)
{
	return fleet_writable(d->fleet) && store_sqlite_writable(d->store);
}

/* ---- Git to fleet ---- */

static void on_documents(void *ud, const char *repository, const char *commit, DocSet *set)
{
	Daemon *d = ud;
	json_t *clusters = json_object();
	for (size_t i = 0; i < docset_n(set, "Cluster"); i++) {
		const Doc *doc = docset_nth(set, "Cluster", i);
		json_object_set_new(clusters, doc_name(doc), json_deep_copy(doc_json(doc)));
	}
	json_object_set_new(d->inventory, repository, clusters);
	fleet_set_documents(d->fleet, repository, commit, set);
}

static void on_repository(void *ud, const char *repository, const char *url, const char *commit,
	int64_t looked_usec, const char *error)
{
	Daemon *d = ud;
	fleet_set_repository(d->fleet, repository, url, commit, looked_usec, error);
}

/* ---- fleet to Git ---- */

static const json_t *results_wanted(void *ud, const char *repository)
{
	const Daemon *d = ud;
	size_t i;
	json_t *r;
	json_array_foreach (config_repositories(d->config), i, r)
		if (strcmp(json_path_str(r, "name", ""), repository) == 0)
			return json_object_get(r, "results");
	return NULL;
}

static json_t *results_names(void *ud)
{
	const Daemon *d = ud;
	json_t *names = json_array(), *r;
	size_t i;
	json_array_foreach (config_repositories(d->config), i, r)
		if (json_object_get(r, "results"))
			json_array_append_new(names, json_string(json_path_str(r, "name", "")));
	return names;
}

static uint64_t results_write(void *ud, const char *repository, const json_t *request,
	JobDone *done, void *done_ud, GError **err)
{
	const Daemon *d = ud;
	return watch_git_write(d->watch, repository, request, done, done_ud, err);
}

static void results_cancel(void *ud, uint64_t id)
{
	Job job = job_worker_job(((const Daemon *)ud)->jobs);
	job.ops->cancel(job.self, id);
}

/* ---- signals and lateness ---- */

static void on_end(void *ud)
{
	Daemon *d = ud;
	sl_log(d->log, LOG_LEVEL_NOTICE, LOG_NO_FIELDS,
		"stopped by a signal at record %" G_GINT64_FORMAT
		"; what is open goes on at the next start",
		fleet_seq(d->fleet));
	loop_event_exit(d->events, 0);
}

/* The batch that is in flight was queued before this, so it is written first. */
static void on_term(void *ud)
{
	Daemon *d = ud;
	loop_notify_stopping();
	loop_defer(d->loop, on_end, d);
}

static void take_config(Daemon *d, Config *c)
{
	config_free(d->config);
	d->config = c;
	roles_free(d->roles);
	d->roles = roles_new(config_roles(c), d->log);
}

/* What another folder or socket would need is a restart. */
static void warn_of_restart(Daemon *d, const Config *c)
{
	if (strcmp(config_state(c), config_state(d->config)) != 0 ||
		strcmp(config_api(c), config_api(d->config)) != 0 ||
		strcmp(config_web(c), config_web(d->config)) != 0 ||
		strcmp(c->name, d->config->name) != 0)
		sl_log(d->log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"a new name, state or listen counts from the next start");
}

static void on_hup(void *ud)
{
	Daemon *d = ud;
	g_autoptr(GError) err = NULL;
	loop_notify_reloading();
	Config *c = config_load(d->config_path, d->log, &err);
	if (c) {
		warn_of_restart(d, c);
		take_config(d, c);
		fleet_set_notify(d->fleet, config_notify(c));
		watch_git_set(d->watch, config_repositories(c));
		watch_git_reload(d->watch);
		fleet_results_changed(d->fleet);
		sl_log(d->log, LOG_LEVEL_NOTICE, LOG_NO_FIELDS, "the configuration was read again");
	} else {
		sl_log(d->log, LOG_LEVEL_ERROR, LOG_NO_FIELDS,
			"the configuration in force stays, the new one is wrong: %s", err->message);
	}
	loop_notify_ready(
		c ? "reloaded" : "the configuration in force stays: the new one is wrong");
}

static void on_late(int64_t lost_usec, int64_t step_usec, void *ud)
{
	Daemon *d = ud;
	sl_log(d->log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
		"%" G_GINT64_FORMAT
		" ms were not observed, the wall clock moved by %" G_GINT64_FORMAT
		" ms: everything is proven again",
		lost_usec / 1000, step_usec / 1000);
	fleet_time_lost(d->fleet, lost_usec);
}

/* ---- what is going on, for systemctl status ---- */

static size_t n_live(const json_t *runs)
{
	size_t n = 0, i;
	json_t *run;
	json_array_foreach (runs, i, run)
		n += strcmp(json_path_str(run, "state", ""), "active") == 0;
	return n;
}

static void tell_status(void *ud)
{
	Daemon *d = ud;
	d->status_timer = 0;
	g_autoptr(json_t) s = fleet_status(d->fleet);
	size_t live = n_live(json_object_get(s, "runs"));
	size_t needs = json_array_size(json_object_get(s, "needsYou"));
	g_autofree char *text = g_strdup_printf("%s%zu run%s going on, %zu need%s a person",
		daemon_writable(d) ? "" : "THE JOURNAL CANNOT BE WRITTEN; ", live,
		live == 1 ? "" : "s", needs, needs == 1 ? "s" : "");
	loop_notify_status(text);
}

static void on_event(const FleetEvent *e, void *ud)
{
	Daemon *d = ud;
	/* Told when the batch is applied: a plan comes before its run. */
	static const char *const kinds[] = { "plan", "hold", "unhold", "end" };
	feed_listener(e, d->feed);
	for (size_t i = 0; !e->replay && i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(e->record->kind, kinds[i]) == 0 && !d->status_timer)
			d->status_timer = loop_defer(d->loop, tell_status, d);
}

/* ---- start and end ---- */

static bool listen_one(Daemon *d, const char *name, Web **ret, GError **err)
{
	bool api = strcmp(name, "api") == 0;
	const char *at = api ? config_api(d->config) : config_web(d->config);
	g_autoptr(GError) e = NULL;
	int fd = listen_activated(name, &e);
	if (fd < 0 && e) {
		g_propagate_error(err, g_steal_pointer(&e));
		return false;
	}
	if (fd < 0)
		fd = api ? listen_unix(at, SOCKET_MODE, err) : listen_tcp(at, err);
	if (fd < 0)
		return false;
	g_autofree char *where = listen_name(fd);
	WebOptions o = { .max_connections = api ? 0 : FACE_MAX_CONNECTIONS,
		.max_body_bytes = api ? 0 : FACE_MAX_BODY_BYTES };
	*ret = web_new(d->events, fd, &o, api ? api_handle : face_handle, d, err);
	if (*ret)
		sl_log(d->log, LOG_LEVEL_INFO, LOG_NO_FIELDS, "%s listens on %s", name, where);
	return *ret != NULL;
}

static bool make_state(const char *dir, GError **err)
{
	if (g_mkdir_with_parents(dir, 0700) == 0)
		return true;
	return sl_fail(err, SL_ERR_REFUSED, "%s: cannot be made: %s", dir, g_strerror(errno));
}

/* A journal that was copied or restored is told apart from the one it was copied from. */
static bool know_holder(Daemon *d, const char *journal, GError **err)
{
	bool moved = false;
	d->holder = holder_of(journal, d->loop, &moved, err);
	if (moved)
		sl_log(d->log, LOG_LEVEL_WARNING, LOG_NO_FIELDS,
			"%s was restored or copied: it holds no claim any more until a person says "
			"shiplock takeover CLUSTER",
			journal);
	return d->holder != NULL;
}

static bool open_seams(Daemon *d, GError **err)
{
	const char *state = config_state(d->config);
	g_autofree char *journal = g_build_filename(state, "journal.db", NULL);
	d->events = loop_event_new(err);
	if (!d->events || !make_state(state, err))
		return false;
	d->loop = loop_event_loop(d->events);
	d->started_usec = loop_boot_usec(d->loop);
	loop_event_on_late(d->events, 0, on_late, d);
	d->store = store_sqlite_open(journal, d->loop, err);
	if (!d->store || !know_holder(d, journal, err))
		return false;
	d->http = http_curl_new(loop_event_sd(d->events), d->loop);
	d->meter = meter_new(http_curl_http(d->http), d->loop);
	d->jobs = job_worker_new(d->events, NULL);
	g_autofree char *mirrors = g_build_filename(state, "git-actuator", NULL);
	d->connect = connect_new(&(ConnectOptions){
		.event = loop_event_sd(d->events), .loop = d->loop, .mirrors = mirrors });
	return true;
}

static bool start_fleet(Daemon *d, GError **err)
{
	Store store = store_sqlite_store(d->store);
	d->feed = feed_new(store, store_sqlite_last_seq(d->store));
	d->orders = orders_new();
	d->inventory = json_object();
	g_autofree char *sets = g_build_filename(config_state(d->config), "backups", NULL);
	g_autofree char *backups = g_canonicalize_filename(sets, NULL);
	FleetOptions o = { .loop = d->loop,
		.http = meter_http(d->meter),
		.store = store,
		.job = job_worker_job(d->jobs),
		.log = d->log,
		.connect = connect_fleet(d->connect),
		.idle_interval_sec = config_idle_sec(d->config),
		.name = d->config->name,
		.holder = d->holder,
		.backups = backups,
		.notify = config_notify(d->config),
		.results = { results_names, results_wanted, results_write, results_cancel, d },
		.listener = on_event,
		.listener_ud = d };
	d->fleet = fleet_new(&o);
	if (!fleet_start(d->fleet, err))
		return false;
	d->submissions = submissions_new(d->fleet, job_worker_job(d->jobs), &d->inventory);
	g_autofree char *mirrors = g_build_filename(config_state(d->config), "git", NULL);
	WatchGitOptions w = { .loop = d->loop,
		.job = job_worker_job(d->jobs),
		.log = d->log,
		.folder = mirrors,
		.sink = { on_documents, on_repository, d } };
	d->watch = watch_git_new(&w);
	watch_git_set(d->watch, config_repositories(d->config));
	return true;
}

static bool start(Daemon *d, GError **err)
{
	if (!open_seams(d, err) || !start_fleet(d, err) || !listen_one(d, "api", &d->api, err) ||
		!listen_one(d, "web", &d->face, err) ||
		!loop_event_on_service_signals(d->events, on_term, on_hup, d, err))
		return false;
	g_autoptr(GError) e = NULL;
	if (!loop_event_watchdog(d->events, &e) && e) {
		g_propagate_error(err, g_steal_pointer(&e));
		return false;
	}
	loop_notify_ready("started");
	tell_status(d);
	return true;
}

static void daemon_clear(Daemon *d)
{
	web_free(d->api);
	web_free(d->face);
	submissions_free(d->submissions);
	watch_git_free(d->watch);
	fleet_free(d->fleet);
	connect_free(d->connect);
	job_worker_free(d->jobs);
	http_curl_free(d->http);
	meter_free(d->meter);
	store_sqlite_free(d->store);
	feed_free(d->feed);
	orders_free(d->orders);
	json_decref(d->inventory);
	g_free(d->holder);
	roles_free(d->roles);
	config_free(d->config);
	loop_event_free(d->events);
}

int daemon_run(Daemon *d)
{
	g_autoptr(GError) err = NULL;
	Config *c = config_load(d->config_path, d->log, &err);
	if (!c) {
		sl_log(d->log, LOG_LEVEL_ERROR, LOG_NO_FIELDS, "%s", err->message);
		return err->code == SL_ERR_RETRY ? EXIT_FAILED : EXIT_DOCUMENTS;
	}
	take_config(d, c);
	int code = EXIT_FAILED;
	if (start(d, &err))
		code = loop_event_run(d->events);
	else
		sl_log(d->log, LOG_LEVEL_ERROR, LOG_NO_FIELDS, "cannot start: %s", err->message);
	daemon_clear(d);
	return code;
}
