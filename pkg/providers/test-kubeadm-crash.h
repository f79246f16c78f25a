/* Kills a text for a node at each command that changes something, and runs it again. */
#pragma once
#include "providers/test-kubeadm-root.h"
#include <signal.h>

typedef struct CrashCase {
	void (*prepare)(Root *r); /* makes the tree */
	char *(*text)(void);
	/* finished: after the second, whole run; else right after the kill. */
	void (*check)(const Root *r, bool finished);
} CrashCase;

/* What changes a tree, each counted; a kill takes the whole group, as a power cut would. */
static inline void crash_programs(const Root *r)
{
	static const char *const names[] = { "mv", "cp", "rm", "chmod", "mkdir", "tar", "chown" };
	for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
		g_autofree char *file = g_strconcat("../crash/", names[i], NULL);
		g_autofree char *body = g_strconcat(
			"n=0; read -r n <\"$ROOT/count\"; n=$((n + 1)); echo $n >\"$ROOT/count\"\n"
			"[ \"$n\" != \"$KILL_AT\" ] || kill -9 \"-$GROUP\"\n",
			"PATH=/usr/bin:/bin\nexec ${0##*/} \"$@\"", NULL);
		root_program(r, file, body);
	}
}

/* true: it was killed there; false: it came to its end, with exit 0. */
static inline bool crash_run(const Root *r, const char *text, int at)
{
	g_autofree char *kill_at = g_strdup_printf("%d", at);
	g_autofree char *whole =
		g_strconcat("PATH=$ROOT/crash:$PATH; export GROUP=$$\n", text, NULL);
	const char *argv[] = { "/usr/bin/setsid", "--wait", "/bin/sh", "-c", whole, NULL };
	g_auto(GStrv) env = g_environ_setenv(root_environment(r), "KILL_AT", kill_at, true);
	g_auto(Said) s = { 0 };
	int status = 0;
	root_write(r, "count", "0\n");
	g_assert_true(g_spawn_sync(
		"/", (char **)argv, env, 0, NULL, NULL, &s.out, &s.err, &status, NULL));
	g_test_message("killed at %d: %d\n%s%s", at, status, s.out, s.err);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		return true;
	g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	return false;
}

static inline void crash_copy(const Root *from, Root *to)
{
	root_begin(to);
	g_autofree char *all = root_path(from, ".");
	const char *cp[] = { "/bin/cp", "-a", all, to->dir, NULL };
	g_assert_true(g_spawn_sync("/", (char **)cp, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL));
}

/* What a cut left half done is gone once the text has come to its end. */
static inline void expect_nothing_left(const Root *r)
{
	g_auto(Said) s = root_run(r, "cd \"$ROOT\" && find . -name '.shiplock-new*' -o -name "
				     "'.from-set' -o -name '.emulated' "
				     "-o -name '*.new' -o -name '.*.gone'");
	g_assert_cmpstr(s.out, ==, "");
}

/* Kills it at its first, second, ... command until it gets through. */
static inline void crash_matrix(const CrashCase *c)
{
	g_autofree char *text = c->text();
	Root first;
	int at = 1;
	root_begin(&first);
	c->prepare(&first);
	crash_programs(&first);
	root_program(&first, "sync", "exit 0"); /* a power cut is not tried here */
	for (bool killed = true; killed; at++) {
		g_assert_cmpint(at, <, 200);
		Root r;
		crash_copy(&first, &r);
		killed = crash_run(&r, text, at);
		c->check(&r, !killed);
		if (killed) {
			g_auto(Said) s = root_run(&r, text);
			g_assert_cmpint(s.code, ==, 0);
			c->check(&r, true);
		}
		expect_nothing_left(&r);
		root_end(&r);
	}
	root_end(&first);
	g_test_message("%d places", at - 2);
	g_assert_cmpint(at, >, 2);
}
