/* For the tests of this folder: repositories made with the git program, and servers for them. */
#pragma once
#include "base/file.h"
#include "git/git-util.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct Place {
	char *dir, *repo, *mirror;
} Place;

static char *in(const Place *p, const char *name)
{
	return g_build_filename(p->dir, name, NULL);
}

/* Runs a program to its end; it must succeed. */
static char *run_in(const char *dir, const char *const *argv)
{
	char *out = NULL, *said = NULL;
	int status = -1;
	g_autoptr(GError) err = NULL;
	g_spawn_sync(dir, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &said,
		&status, &err);
	g_assert_no_error(err);
	if (status != 0)
		g_error("%s %s: %s", argv[0], argv[1], said);
	g_free(said);
	return g_strchomp(out);
}
#define RUN(dir, ...) g_free(run_in(dir, (const char *const[]){ __VA_ARGS__, NULL }))

static void write_text(const Place *p, const char *name, const char *text, gssize len)
{
	g_autofree char *path = g_build_filename(p->repo, name, NULL);
	g_autofree char *dir = g_path_get_dirname(path);
	g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
	g_assert_true(g_file_set_contents(path, text, len, NULL));
}

/* Commits all there is; the id is the caller's. */
static char *commit(const Place *p, const char *message)
{
	RUN(p->repo, "git", "add", "-A");
	RUN(p->repo, "git", "commit", "-q", "--allow-empty", "-m", message);
	return run_in(p->repo, (const char *const[]){ "git", "rev-parse", "HEAD", NULL });
}

static void place_begin(Place *p)
{
	p->dir = g_dir_make_tmp("sl-git-XXXXXX", NULL);
	p->repo = in(p, "fleet");
	p->mirror = in(p, "mirror");
	g_assert_cmpint(g_mkdir_with_parents(p->repo, 0755), ==, 0);
	RUN(p->repo, "git", "init", "-q", "-b", "main");
	write_text(p, "plans/a.yaml", "kind: UpgradePlan\n", -1);
	g_free(commit(p, "first plan"));
}

static void place_end(Place *p)
{
	RUN("/", "rm", "-rf", p->dir);
	g_free(p->dir);
	g_free(p->repo);
	g_free(p->mirror);
}

static const char *str(const json_t *v, const char *key)
{
	return json_string_value(json_object_get(v, key));
}

/* libgit2 1.5.1 as packaged forgets the match data of each regular expression; the worker lives for
 * one job only. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libpcre2\n";
}

static void set_git_environment(void)
{
	static const char *const vars[][2] = {
		{ "GIT_CONFIG_GLOBAL", "/dev/null" },
		{ "GIT_CONFIG_SYSTEM", "/dev/null" },
		{ "GIT_AUTHOR_NAME", "Åsa" },
		{ "GIT_AUTHOR_EMAIL", "asa@example" },
		{ "GIT_COMMITTER_NAME", "Åsa" },
		{ "GIT_COMMITTER_EMAIL", "asa@example" },
		{ "GIT_AUTHOR_DATE", "1700000000 +0000" },
		{ "GIT_COMMITTER_DATE", "1700000000 +0000" },
		{ "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(vars); i++)
		g_setenv(vars[i][0], vars[i][1], true);
}
