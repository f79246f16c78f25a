#include "ssh/guarded.h"
#include <string.h>

enum {
	HEAD_BYTES = 64 << 10, /* room for the lines before the output */
	DEFAULT_LOOK_BYTES = 64 << 10,
	MAX_LIMIT_SEC = 7 * 86400,
	KEEP_JOBS = 50, /* on a node, of runs that are not this one */
};

static bool is_key(const char *key)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";
	return strlen(key) <= SSH_MAX_JOB_KEY && strspn(key, allowed) == strlen(key) &&
	       g_ascii_isalnum(*key);
}

static const char *job_key(const json_t *request, GError **err)
{
	const char *key = request_text(request, "job", err);
	if (!key || is_key(key))
		return key;
	sl_fail(err, SL_ERR_INVALID,
		"request: \"job\" must be at most %d letters, digits, '.', '_' and '-' and begin "
		"with a letter or digit",
		SSH_MAX_JOB_KEY);
	return NULL;
}

typedef struct Part {
	int64_t from, max;
	bool last;
} Part;

/* As the guard's argument. Caller frees. */
static char *part_from(const Part *p)
{
	return p->last ? g_strdup("last") : g_strdup_printf("%" G_GINT64_FORMAT, p->from);
}

/* "": nothing is pruned. NULL: no such name. */
static const char *run_of(const json_t *request, GError **err)
{
	const json_t *run = json_object_get(request, "run");
	const char *name = run ? json_string_value(run) : "";
	if (name && (!*name || is_key(name)))
		return name;
	sl_fail(err, SL_ERR_INVALID, "request: \"run\" must be what keys of its jobs begin with");
	return NULL;
}

static bool read_part(const json_t *request, Part *ret, GError **err)
{
	ret->last = json_is_true(json_object_get(request, "last"));
	return request_number(request, "from", 0, 0, INT64_MAX - 1, &ret->from, err) &&
	       request_number(request, "maxBytes", DEFAULT_LOOK_BYTES, 0, SSH_MAX_ANSWER_BYTES,
		       &ret->max, err);
}

static void add_end(json_t *v, const GuardAnswer *a)
{
	int64_t code = guard_answer_number(a, "code", -1);
	bool late = guard_answer_number(a, "late", 0) != 0;
	json_object_set_new(v, "ok", json_boolean(code == 0 && !late));
	json_object_set_new(v, "exitCode", json_integer(code));
	json_object_set_new(v, "late", json_boolean(late));
}

/* The node's uptime, so that no clock of the day plays a part; it says nothing across a reboot. */
static void add_times(json_t *v, const GuardAnswer *a, bool running, bool rebooted)
{
	int64_t began = guard_answer_number(a, "began", 0);
	int64_t now = guard_answer_number(a, "up", 0);
	int64_t ended = guard_answer_number(a, "ended", now);
	int64_t limit = guard_answer_number(a, "limit-sec", 0);
	bool known = !rebooted || ended != now;
	json_object_set_new(v, "seconds", known ? json_integer(ended - began) : json_null());
	json_object_set_new(
		v, "overdue", json_boolean(running && limit > 0 && now - began > limit));
}

static json_t *job_answer(const GuardAnswer *a, GError **err)
{
	g_autofree char *state = guard_answer_word(a, "state");
	g_autofree char *boot = guard_answer_word(a, "boot");
	g_autofree char *now = guard_answer_word(a, "boot-now");
	if (!state) {
		sl_fail(err, SL_ERR_UNKNOWN_OUTCOME, "the guard's answer is cut off");
		return NULL;
	}
	bool rebooted = boot && now && strcmp(boot, now) != 0;
	json_t *v = json_object();
	json_object_set_new(v, "state", json_string(state));
	json_object_set_new(v, "rebooted", json_boolean(rebooted));
	if (!boot)
		return v;
	add_times(v, a, strcmp(state, "running") == 0, rebooted);
	if (strcmp(state, "done") == 0)
		add_end(v, a);
	json_object_set_new(v, "boot", json_string(boot));
	json_object_set_new(v, "out", answer_text(a->bytes, a->n_bytes));
	json_object_set_new(v, "outBytes", json_integer(guard_answer_number(a, "size", 0)));
	json_object_set_new(v, "outDropped", json_integer(guard_answer_number(a, "dropped", 0)));
	return v;
}

static json_t *call_job(const json_t *request, const Guarded *g, GError **err)
{
	g_auto(SshResult) r = { 0 };
	g_auto(GuardAnswer) a = { 0 };
	json_t *v = guarded_call(request, g, &r, &a, err) ? job_answer(&a, err) : NULL;
	if (v && *r.err)
		json_object_set_new(v, "said", json_string(r.err));
	return v;
}

json_t *ssh_op_start(const json_t *request, GError **err)
{
	Part part;
	int64_t limit, keep;
	const char *key = job_key(request, err), *command, *run;
	if (!key || !(run = run_of(request, err)) ||
		!(command = request_text(request, "command", err)) ||
		!read_part(request, &part, err) ||
		!request_number(request, "limitSec", 0, 0, MAX_LIMIT_SEC, &limit, err) ||
		!request_number(request, "keepBytes", 1 << 20, 0, SSH_MAX_ANSWER_BYTES, &keep, err))
		return NULL;
	size_t len = strlen(command);
	if (len > SSH_MAX_COMMAND_BYTES) {
		sl_fail(err, SL_ERR_INVALID, "request: \"command\" is longer than %d bytes",
			SSH_MAX_COMMAND_BYTES);
		return NULL;
	}
	bool never = json_is_true(json_object_get(request, "unkillable"));
	g_autofree char *sha = sha256_hex(command, len);
	g_autofree char *from = part_from(&part);
	g_autofree char *args = g_strdup_printf("%" G_GINT64_FORMAT " %s %s %" G_GINT64_FORMAT
						" %s %" G_GINT64_FORMAT " %d %s",
		limit, never ? "never" : "kill", sha, keep, from, part.max, KEEP_JOBS, run);
	Guarded g = { .op = "start",
		.needs_epoch = true,
		.key = key,
		.args = args,
		.call = { .input = command,
			.n_input = len,
			.input_fd = -1,
			.max_out_bytes = HEAD_BYTES + (size_t)part.max,
			.effects = true } };
	return call_job(request, &g, err);
}

json_t *ssh_op_look(const json_t *request, GError **err)
{
	Part part;
	const char *key = job_key(request, err);
	if (!key || !read_part(request, &part, err))
		return NULL;
	g_autofree char *from = part_from(&part);
	g_autofree char *args = g_strdup_printf("%s %" G_GINT64_FORMAT, from, part.max);
	Guarded g = { .op = "look",
		.key = key,
		.args = args,
		.call = { .input_fd = -1, .max_out_bytes = HEAD_BYTES + (size_t)part.max } };
	return call_job(request, &g, err);
}
