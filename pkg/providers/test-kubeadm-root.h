/* A prepared tree in which the texts for a node run, by the real /bin/sh. Programs that need a
 * cluster are stand-ins under DIR/bin, first on PATH; what they did stands in DIR/log. */
#pragma once
#include "codec/json.h"
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Root {
	char *dir;
} Root;

typedef struct Said {
	int code; /* 128 + n: signal n */
	char *out, *err;
} Said;

static inline void said_clear(Said *s)
{
	g_free(s->out);
	g_free(s->err);
	*s = (Said){ 0 };
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Said, said_clear)

static inline char *root_path(const Root *r, const char *name)
{
	return g_build_filename(r->dir, name, NULL);
}

static inline void root_write(const Root *r, const char *name, const char *text)
{
	g_autofree char *path = root_path(r, name);
	g_autofree char *dir = g_path_get_dirname(path);
	g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* NULL: there is no such file. Caller frees. */
static inline char *root_read(const Root *r, const char *name)
{
	g_autofree char *path = root_path(r, name);
	char *text = NULL;
	return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static inline bool root_has(const Root *r, const char *name)
{
	g_autofree char *path = root_path(r, name);
	return access(path, F_OK) == 0;
}

static inline void root_remove(const Root *r, const char *name)
{
	g_autofree char *path = root_path(r, name);
	const char *rm[] = { "/bin/rm", "-rf", path, NULL };
	g_assert_true(g_spawn_sync("/", (char **)rm, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL));
}

static inline void expect_file(const Root *r, const char *name, const char *want)
{
	g_autofree char *text = root_read(r, name);
	g_test_message("%s", name);
	g_assert_cmpstr(text, ==, want);
}

/* A program of the test, in front of those of the machine. */
static inline void root_program(const Root *r, const char *name, const char *body)
{
	g_autofree char *file = g_strconcat("bin/", name, NULL);
	g_autofree char *text = g_strconcat("#!/bin/sh\n", body, "\n", NULL);
	g_autofree char *path = root_path(r, file);
	root_write(r, file, text);
	g_assert_cmpint(chmod(path, 0755), ==, 0);
}

/* A program that says its version as the real one does, and logs what else it is told. */
static inline void root_versioned(const Root *r, const char *name, const char *version)
{
	g_autofree char *body =
		g_strdup_printf("case \"$*\" in *version*) echo 'Kubernetes v%s' ;;\n"
				"*) echo \"%s $*\" >>\"$ROOT/log\" ;; esac",
			version, name);
	root_program(r, name, body);
}

static inline void root_begin(Root *r)
{
	g_autofree char *path = NULL;
	r->dir = g_dir_make_tmp("sl-node-XXXXXX", NULL);
	g_assert_nonnull(r->dir);
	root_write(r, "bin/.keep", "");
}

static inline void root_end(Root *r)
{
	root_remove(r, "");
	g_free(r->dir);
}

static inline char **root_environment(const Root *r)
{
	g_autofree char *path = g_strconcat(r->dir, "/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL);
	char **env = g_get_environ();
	env = g_environ_setenv(env, "ROOT", r->dir, true);
	env = g_environ_setenv(env, "PATH", path, true);
	return g_environ_setenv(env, "SHIPLOCK_POLL", "0", true);
}

static inline Said root_run(const Root *r, const char *text)
{
	Said s = { 0 };
	int status = 0;
	const char *argv[] = { "/bin/sh", "-c", text, NULL };
	g_auto(GStrv) env = root_environment(r);
	g_assert_true(g_spawn_sync(
		"/", (char **)argv, env, 0, NULL, NULL, &s.out, &s.err, &status, NULL));
	s.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	g_test_message("exit %d\n%s%s", s.code, s.out, s.err);
	return s;
}

/* Runs it; what it says must hold the words. ok: exit 0. Frees the text. */
static inline void root_expect(const Root *r, char *text, bool ok, const char *words)
{
	g_auto(Said) s = root_run(r, text);
	g_free(text);
	g_assert_cmpint(s.code == 0, ==, ok);
	g_autofree char *all = g_strconcat(s.out, s.err, NULL);
	if (words)
		g_assert_nonnull(strstr(all, words));
}

/* A static pod's manifest as kubeadm lays it out. more: further lines of the command, or "". */
static inline void root_manifest(
	const Root *r, const char *component, const char *version, const char *more)
{
	g_autofree char *name = g_strdup_printf("etc/kubernetes/manifests/%s.yaml", component);
	g_autofree char *text = g_strdup_printf(
		"apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\nspec:\n  containers:\n"
		"  - command:\n    - %s\n    - --first=1\n%s    image: range.local/%s:v%s\n"
		"    imagePullPolicy: Never\n    name: %s\n  hostNetwork: true\n",
		component, component, more, component, version, component);
	root_write(r, name, text);
}
