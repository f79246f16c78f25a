#include "follow.h"
#include <signal.h>
#include <string.h>

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = 1;
}

void follow_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
}

bool follow_interrupted(void)
{
	return interrupted;
}

/* The server ends a stream that would be too much at once; the next one goes on behind it. */
static bool reopen(const Follow *f, Client **c, int64_t after, GError **err)
{
	client_free(*c);
	*c = client_open(f->socket, err);
	return *c && client_follow(*c, after, err);
}

/* The server ends a connection on which nothing was asked for long, as while quiet events come. */
static bool is_over(const Follow *f, Client **calls, GError **err)
{
	g_autoptr(GError) e = NULL;
	bool over = f->over(*calls, f->ud, &e);
	if (!e)
		return over;
	client_free(*calls);
	*calls = client_open(f->socket, err);
	return !*calls || f->over(*calls, f->ud, err);
}

/* One event, or none within the time. False: it is over, or err. */
static bool turn(const Follow *f, Client **events, Client **calls, int64_t *after, GError **err)
{
	g_autoptr(GError) e = NULL;
	g_autoptr(json_t) event = client_event(*events, FOLLOW_LOOK_MSEC, &e);
	if (event) {
		*after = json_path_int(event, "seq", *after);
		f->each(event, f->ud);
	} else if (e) {
		return reopen(f, events, *after, err);
	}
	static const char *const quiet[] = { "intent", "result", "note", "item", "look" };
	for (size_t i = 0; event && i < G_N_ELEMENTS(quiet); i++)
		if (strcmp(json_path_str(event, "type", ""), quiet[i]) == 0)
			return true;
	return !is_over(f, calls, err);
}

bool follow(const Follow *f, GError **err)
{
	Client *calls = client_open(f->socket, err);
	Client *events = NULL;
	GError *e = NULL;
	int64_t after = f->after;
	bool going = calls && reopen(f, &events, after, &e);
	while (going && !interrupted)
		going = turn(f, &events, &calls, &after, &e);
	bool opened = calls || e;
	client_free(events);
	client_free(calls);
	if (e)
		g_propagate_error(err, e);
	return opened && !e;
}
