#include "base/file.h"
#include "loop/loop-event.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Story {
	LoopEvent *l;
	GString *text;
	uint64_t victim;
} Story;

typedef struct Word {
	Story *s;
	const char *word;
} Word;

static void say(void *ud)
{
	Word *w = ud;
	g_string_append(w->s->text, w->word);
}

static void stop(void *ud)
{
	Story *s = ud;
	loop_event_exit(s->l, 7);
}

static void test_order(void)
{
	g_autoptr(GError) err = NULL;
	Story s = { .l = loop_event_new(&err), .text = g_string_new("") };
	g_assert_no_error(err);
	Loop loop = loop_event_loop(s.l);
	int64_t at = loop_boot_usec(loop) + 20000;
	Word a = { &s, "a" }, b = { &s, "b" }, c = { &s, "c" }, d = { &s, "d" }, e = { &s, "e" };
	loop_timer(loop, at, say, &c);
	loop_timer(loop, at, say, &d);
	uint64_t gone = loop_timer(loop, at, say, &a), id = gone;
	loop_timer(loop, at + 1, say, &e);
	loop_timer(loop, at + 2, stop, &s);
	loop_timer(loop, 5, say, &a); /* long past */
	loop_defer(loop, say, &b);
	loop_cancel(loop, &id);
	g_assert_cmpuint(id, ==, 0);
	loop.ops->cancel(loop.self, gone); /* again: fine */
	loop.ops->cancel(loop.self, 0);
	g_assert_cmpstr(s.text->str, ==, ""); /* never from inside the call */
	g_assert_cmpint(loop_event_run(s.l), ==, 7);
	g_assert_cmpstr(s.text->str, ==, "abcde");
	g_assert_cmpint(loop_boot_usec(loop), >=, at + 2);
	loop_event_free(s.l);
	g_string_free(s.text, TRUE);
}

static void cancel_victim(void *ud)
{
	Story *s = ud;
	Loop loop = loop_event_loop(s->l);
	loop_cancel(loop, &s->victim);
}

/* A timer that is due in the same round can still be cancelled by an earlier one. */
static void test_cancel_in_round(void)
{
	g_autoptr(GError) err = NULL;
	Story s = { .l = loop_event_new(&err), .text = g_string_new("") };
	Loop loop = loop_event_loop(s.l);
	Word a = { &s, "a" };
	loop_defer(loop, cancel_victim, &s);
	s.victim = loop_defer(loop, say, &a);
	loop_defer(loop, stop, &s);
	g_assert_cmpint(loop_event_run(s.l), ==, 7);
	g_assert_cmpstr(s.text->str, ==, "");
	loop_event_free(s.l);
	g_string_free(s.text, TRUE);
}

enum { PRECISE_ROUNDS = 20 };

typedef struct Precise {
	LoopEvent *l;
	int64_t at, worst, sum;
	int n;
} Precise;

static void precise_tick(void *ud)
{
	Precise *p = ud;
	Loop loop = loop_event_loop(p->l);
	int64_t late = loop_boot_usec(loop) - p->at;
	g_assert_cmpint(late, >=, 0); /* never too early */
	p->sum += late;
	if (++p->n == PRECISE_ROUNDS) {
		loop_event_exit(p->l, 0);
		return;
	}
	p->at = loop_boot_usec(loop) + 1000;
	loop_timer(loop, p->at, precise_tick, p);
}

/* With sd-event's default accuracy each of these would take 250 ms. */
static void test_precise(void)
{
	g_autoptr(GError) err = NULL;
	Precise p = { .l = loop_event_new(&err) };
	p.at = loop_boot_usec(loop_event_loop(p.l));
	loop_defer(loop_event_loop(p.l), precise_tick, &p);
	loop_event_run(p.l);
	g_assert_cmpint(p.sum / PRECISE_ROUNDS, <, 100000);
	loop_event_free(p.l);
}

typedef struct Busy {
	LoopEvent *l;
	int rounds;
	bool read;
} Busy;

static void busy_tick(void *ud)
{
	Busy *b = ud;
	g_assert_cmpint(b->rounds++, <, 1000);
	if (!b->read)
		loop_defer(loop_event_loop(b->l), busy_tick, b);
}

static int busy_read(sd_event_source *s, int fd, uint32_t events, void *ud)
{
	Busy *b = ud;
	b->read = true;
	return sd_event_source_set_enabled(s, SD_EVENT_OFF);
}

/* A chain of deferred calls does not keep descriptors waiting. */
static void test_no_starvation(void)
{
	g_autoptr(GError) err = NULL;
	Busy b = { .l = loop_event_new(&err) };
	int fds[2];
	g_assert_cmpint(pipe(fds), ==, 0);
	g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
	sd_event_source *src = NULL;
	g_assert_cmpint(
		sd_event_add_io(loop_event_sd(b.l), &src, fds[0], POLLIN, busy_read, &b), >=, 0);
	loop_defer(loop_event_loop(b.l), busy_tick, &b);
	while (!b.read)
		loop_event_step(b.l, 0);
	sd_event_source_disable_unref(src);
	loop_event_free(b.l);
	close(fds[0]);
	close(fds[1]);
}

static void test_many(void)
{
	g_autoptr(GError) err = NULL;
	Story s = { .l = loop_event_new(&err), .text = g_string_new("") };
	Loop loop = loop_event_loop(s.l);
	Word w = { &s, "." };
	int64_t at = loop_boot_usec(loop);
	for (int i = 0; i < 10000; i++) {
		uint64_t id = loop_timer(loop, at + (i * 7919) % 5000, say, &w);
		if (i % 2)
			loop_cancel(loop, &id);
	}
	loop_timer(loop, at + 10000, stop, &s);
	loop_event_run(s.l);
	g_assert_cmpuint(s.text->len, ==, 5000);
	loop_timer(loop, at + 100000000, say, &w); /* dropped, not called */
	loop_event_free(s.l);
	g_string_free(s.text, TRUE);
}

static void test_entropy(void)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(LoopEvent) l = loop_event_new(&err);
	Loop loop = loop_event_loop(l);
	g_assert_cmpuint(loop_random(loop), !=, loop_random(loop));
	g_assert_cmpint(loop_wall_usec(loop), >, 1700000000 * SL_USEC_PER_SEC);
}

typedef struct Signals {
	LoopEvent *l;
	int term, hup;
} Signals;

static void on_term(void *ud)
{
	Signals *s = ud;
	if (++s->term == 2)
		loop_event_exit(s->l, 0);
}

static void on_hup(void *ud)
{
	Signals *s = ud;
	s->hup++;
	kill(getpid(), SIGTERM);
}

/* In a process of its own: the blocked signals would stay blocked in the others. */
static void test_signals(void)
{
	if (!g_test_subprocess()) {
		g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
		g_test_trap_assert_passed();
		return;
	}
	g_autoptr(GError) err = NULL;
	Signals s = { .l = loop_event_new(&err) };
	g_assert_true(loop_event_on_service_signals(s.l, on_term, on_hup, &s, &err));
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGINT);
	g_assert_cmpint(loop_event_run(s.l), ==, 0);
	g_assert_cmpint(s.hup, ==, 1);
	g_assert_cmpint(s.term, ==, 2);
	loop_event_free(s.l);
}

typedef struct Late {
	LoopEvent *l;
	int64_t lost;
	GString *order;
} Late;

static void on_late(int64_t lost_usec, int64_t wall_step_usec, void *ud)
{
	Late *t = ud;
	t->lost = lost_usec;
	g_string_append(t->order, "late,");
}

static void late_tick(void *ud)
{
	Late *t = ud;
	g_string_append(t->order, "timer,");
	loop_event_exit(t->l, 0);
}

static void block_a_while(void *ud)
{
	poll(NULL, 0, 400);
}

static void test_late_callback(void)
{
	g_autoptr(GError) err = NULL;
	Late t = { .l = loop_event_new(&err), .order = g_string_new("") };
	Loop loop = loop_event_loop(t.l);
	loop_event_on_late(t.l, 200000, on_late, &t);
	int64_t now = loop_boot_usec(loop);
	loop_timer(loop, now, block_a_while, &t);
	loop_timer(loop, now + 100000, late_tick, &t);
	loop_event_run(t.l);
	g_assert_cmpstr(t.order->str, ==, "late,timer,"); /* told before the next timer runs */
	g_assert_cmpint(t.lost, >, 100000);
	loop_event_free(t.l);
	g_string_free(t.order, TRUE);
}

static void child_of_stop_test(void)
{
	g_autoptr(GError) err = NULL;
	Late t = { .l = loop_event_new(&err), .order = g_string_new("") };
	loop_event_on_late(t.l, 300000, on_late, &t);
	g_assert_cmpint(write(STDOUT_FILENO, "r", 1), ==, 1);
	while (!t.lost)
		loop_event_step(t.l, -1);
	g_assert_cmpint(t.lost, >=, 300000);
	loop_event_free(t.l);
	g_string_free(t.order, TRUE);
	_exit(42);
}

/* A true SIGSTOP: the parent stops the child for longer than its bound and lets it go on. */
static void test_stopped_process(void)
{
	int fds[2];
	g_assert_cmpint(pipe(fds), ==, 0);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid == 0) {
		alarm(30);
		dup2(fds[1], STDOUT_FILENO);
		child_of_stop_test();
	}
	char c;
	int status;
	g_assert_cmpint(read(fds[0], &c, 1), ==, 1);
	kill(pid, SIGSTOP);
	g_assert_cmpint(waitpid(pid, &status, WUNTRACED), ==, pid);
	g_assert_true(WIFSTOPPED(status));
	poll(NULL, 0, 900);
	kill(pid, SIGCONT);
	g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
	g_assert_true(WIFEXITED(status));
	g_assert_cmpint(WEXITSTATUS(status), ==, 42);
	close(fds[0]);
	close(fds[1]);
}

static int notify_socket(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	memcpy(at.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&at, sizeof at), ==, 0);
	return fd;
}

static void expect(int fd, const char *want)
{
	char buf[256] = "";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	g_assert_cmpint(poll(&p, 1, 10000), ==, 1);
	g_assert_cmpint(recv(fd, buf, sizeof buf - 1, 0), >, 0);
	g_assert_cmpstr(buf, ==, want);
}

static void notify_story(const char *path)
{
	g_autoptr(GError) err = NULL;
	g_autoptr(LoopEvent) l = loop_event_new(&err);
	g_assert_false(loop_event_watchdog(l, &err)); /* none wanted */
	g_assert_no_error(err);
	SL_AUTO_FD fd = notify_socket(path);
	g_autofree char *pid = g_strdup_printf("%d", getpid());
	g_setenv("NOTIFY_SOCKET", path, true);
	g_setenv("WATCHDOG_USEC", "200000", true);
	g_setenv("WATCHDOG_PID", pid, true);
	loop_notify_ready("waiting");
	expect(fd, "READY=1\nSTATUS=waiting");
	loop_notify_stopping();
	expect(fd, "STOPPING=1");
	g_assert_true(loop_event_watchdog(l, &err));
	for (int i = 0; i < 3; i++)
		loop_event_step(l, 150000);
	expect(fd, "WATCHDOG=1");
}

static void test_notify(void)
{
	if (g_test_subprocess()) {
		notify_story(g_getenv("SL_TEST_NOTIFY"));
		return;
	}
	g_autofree char *dir = g_dir_make_tmp("sl-notify-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "n", NULL);
	g_setenv("SL_TEST_NOTIFY", path, true);
	g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
	unlink(path);
	rmdir(dir);
	g_test_trap_assert_passed();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/loop-event/order", test_order);
	g_test_add_func("/loop-event/cancel-in-round", test_cancel_in_round);
	g_test_add_func("/loop-event/precise", test_precise);
	g_test_add_func("/loop-event/no-starvation", test_no_starvation);
	g_test_add_func("/loop-event/many", test_many);
	g_test_add_func("/loop-event/entropy", test_entropy);
	g_test_add_func("/loop-event/signals", test_signals);
	g_test_add_func("/loop-event/late-callback", test_late_callback);
	g_test_add_func("/loop-event/stopped-process", test_stopped_process);
	g_test_add_func("/loop-event/notify", test_notify);
	return g_test_run();
}
