#include "local.h"
#include "base/file.h"
#include "objects/time.h"
#include "plan/doc.h"
#include "store/holder.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OPEN_FOLDERS = 16, ID_MAX_BYTES = 64, LOGIN_BYTES = 16 << 10, BODY_MAX_BYTES = 16 << 10 };
enum { STEP_USEC = 200000 };

/* Random, made at the first use of the folder. */
static char *folder_id(const Local *l, GError **err)
{
	g_autofree char *path = g_build_filename(l->state, "id", NULL);
	char *id = sl_read_file(path, ID_MAX_BYTES, NULL, NULL);
	if (id && *g_strstrip(id))
		return id;
	g_free(id);
	id = g_strdup_printf("%08" G_GINT64_MODIFIER "x", loop_random(l->loop) & 0xffffffff);
	if (sl_write_file(path, id, strlen(id), 0600, err))
		return id;
	g_free(id);
	return NULL;
}

static bool make_folder(Local *l, const char *state, GError **err)
{
	l->temporary = state == NULL;
	l->state = state ? g_strdup(state) : g_dir_make_tmp("shiplock-plan-XXXXXX", err);
	if (!l->state)
		return false;
	if (g_mkdir_with_parents(l->state, 0700) == 0)
		return true;
	return sl_fail(err, SL_ERR_REFUSED, "%s: cannot be made: %s", l->state, g_strerror(errno));
}

bool local_open(Local *l, const char *state, FleetListener *listener, void *ud, GError **err)
{
	*l = (Local){ 0 };
	l->events = loop_event_new(err);
	if (!l->events || !make_folder(l, state, err))
		return false;
	l->loop = loop_event_loop(l->events);
	g_autofree char *journal = g_build_filename(l->state, "journal.db", NULL);
	l->store = store_sqlite_open(journal, l->loop, err);
	g_autofree char *id = l->store ? folder_id(l, err) : NULL;
	l->holder = id ? holder_of(journal, l->loop, NULL, err) : NULL;
	if (!l->holder)
		return false;
	l->name = g_strdup_printf("run@%s:%s", g_get_host_name(), id);
	sd_event *sd = loop_event_sd(l->events);
	l->http = http_curl_new(sd, l->loop);
	l->jobs = job_worker_new(l->events, NULL);
	g_autofree char *mirrors = g_build_filename(l->state, "git-actuator", NULL);
	g_autofree char *sets = g_build_filename(l->state, "backups", NULL);
	g_autofree char *backups = g_canonicalize_filename(sets, NULL);
	l->connect =
		connect_new(&(ConnectOptions){ .event = sd, .loop = l->loop, .mirrors = mirrors });
	FleetOptions o = { .loop = l->loop,
		.http = http_curl_http(l->http),
		.store = store_sqlite_store(l->store),
		.job = job_worker_job(l->jobs),
		.connect = connect_fleet(l->connect),
		.name = l->name,
		.holder = l->holder,
		.backups = backups,
		.listener = listener,
		.listener_ud = ud };
	l->fleet = fleet_new(&o);
	return fleet_start(l->fleet, err);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	remove(path);
	return 0;
}

void local_close(Local *l)
{
	fleet_free(l->fleet);
	connect_free(l->connect);
	job_worker_free(l->jobs);
	http_curl_free(l->http);
	store_sqlite_free(l->store);
	loop_event_free(l->events);
	if (l->temporary && l->state)
		nftw(l->state, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
	g_free(l->state);
	g_free(l->name);
	g_free(l->holder);
}

typedef struct Ask {
	int64_t run;
	GError *err;
} Ask;

static void on_reply(const char *says, int64_t run, const GError *err, void *ud)
{
	Ask *ask = ud;
	ask->run = run;
	ask->err = err ? g_error_copy(err) : NULL;
}

static bool is_over(const Local *l, int64_t run)
{
	return run && fleet_exit_code(l->fleet, run, false) != -1;
}

bool local_ask(Local *l, const FleetSubmit *s, int deadline_sec, int64_t *ret_run, GError **err)
{
	Ask ask = { 0 };
	fleet_submit(l->fleet, s, on_reply, &ask);
	int64_t end = loop_boot_usec(l->loop) + deadline_sec * SL_USEC_PER_SEC;
	while (!ask.err && !is_over(l, ask.run) && loop_boot_usec(l->loop) < end)
		loop_event_step(l->events, STEP_USEC);
	*ret_run = ask.run;
	if (ask.err)
		g_propagate_error(err, ask.err);
	return !ask.err;
}

json_t *local_event(const FleetEvent *e)
{
	const Record *r = e->record;
	g_autofree char *time = sl_time_format_micro(r->wall_usec);
	json_t *v = json_pack("{s:s,s:s,s:I,s:s,s:s}", "apiVersion", DOC_API_VERSION, "kind",
		"Event", "seq", (json_int_t)r->seq, "time", time, "type", r->kind);
	const struct {
		const char *name, *value;
	} fields[] = { { "run", e->run }, { "cluster", e->cluster }, { "state", e->state },
		{ "text", e->text } };
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		if (fields[i].value && *fields[i].value)
			json_object_set_new(v, fields[i].name, json_string(fields[i].value));
	if (strlen(r->body) <= BODY_MAX_BYTES)
		json_object_set(v, "body", (json_t *)e->body);
	return v;
}

char *local_login(void)
{
	g_autofree char *buf = g_malloc(LOGIN_BYTES);
	struct passwd pw, *found = NULL;
	if (getpwuid_r(getuid(), &pw, buf, LOGIN_BYTES, &found) == 0 && found)
		return g_strdup(found->pw_name);
	return g_strdup_printf("uid %u", (unsigned)getuid());
}
