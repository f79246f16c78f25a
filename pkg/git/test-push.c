/* Wishes that are committed and pushed: to a path, and through git daemon, whose hooks run. The
 * editor is a plain one here: a file of "key: value" lines. */
#include "git/test-inetd.h"
#include "git/test-place.h"

typedef struct Rig {
	Place p;
	char *bare; /* what is pushed to; p.repo is a clone of it */
	Inetd daemon;
	char *url; /* git://... */
	/* what happens between the editor's look and the push */
	void (*meanwhile)(struct Rig *r);
	unsigned n_edits, n_meanwhile;
} Rig;

static void git_out(const char *dir, const char *words, char **ret_out)
{
	g_autofree char *text = g_strconcat("git ", words, NULL);
	g_auto(GStrv) argv = NULL;
	g_assert_true(g_shell_parse_argv(text, NULL, &argv, NULL));
	*ret_out = run_in(dir, (const char *const *)argv);
}

static void git_do(const char *dir, const char *words)
{
	g_autofree char *out = NULL;
	git_out(dir, words, &out);
}

static void assert_git(const char *dir, const char *words, const char *want)
{
	g_autofree char *out = NULL;
	git_out(dir, words, &out);
	g_assert_cmpstr(out, ==, want);
}

static void rig_begin(Rig *r)
{
	*r = (Rig){ 0 };
	place_begin(&r->p);
	r->bare = in(&r->p, "served.git");
	write_text(&r->p, "site/wish.yaml", "# the wish\nversion: 1\nchannel: a\n", -1);
	write_text(&r->p, "site/acks.yaml", "ack: no\n", -1);
	write_text(&r->p, "run.sh", "#!/bin/sh\nversion: 1\n", -1);
	g_autofree char *script = g_build_filename(r->p.repo, "run.sh", NULL);
	g_assert_cmpint(chmod(script, 0755), ==, 0);
	g_free(commit(&r->p, "wishes"));
	RUN(r->p.dir, "git", "clone", "-q", "--bare", r->p.repo, r->bare);
	g_autofree char *origin = g_strconcat("remote add origin ", r->bare, NULL);
	git_do(r->p.repo, origin);
	g_autofree char *base = g_strconcat("--base-path=", r->p.dir, NULL);
	inetd_start(&r->daemon, (const char *const[]){ "git", "daemon", "--inetd", "--export-all",
					"--enable=receive-pack", base, NULL });
	r->url = g_strdup_printf("git://127.0.0.1:%d/served.git", r->daemon.port);
}

static void rig_end(Rig *r)
{
	inetd_stop(&r->daemon);
	place_end(&r->p);
	g_free(r->bare);
	g_free(r->url);
}

/* --- the plain editor --- */

static char *line_value(const char *text, const char *key, const char **ret_at)
{
	g_autofree char *want = g_strconcat("\n", key, ": ", NULL);
	g_autofree char *whole = g_strconcat("\n", text, NULL);
	const char *hit = strstr(whole, want);
	if (!hit)
		return NULL;
	*ret_at = text + (hit - whole) + strlen(want) - 1;
	return g_strndup(*ret_at, strcspn(*ret_at, "\n"));
}

static json_t *edit_text(char **text, const json_t *edit, json_t *answer, bool look)
{
	const char *key = json_string_value(json_array_get(json_object_get(edit, "at"), 0));
	const char *want = str(edit, "value"), *expect = str(edit, "expect"), *at = NULL;
	g_autofree char *is = line_value(*text, key, &at);
	if (!is || *is == '{')
		return json_pack("{s:s, s:i, s:i, s:s}", "message",
			is ? "f:1:1: a template" : "f: no such key", "line", 1, "column", 1, "code",
			is ? "templated" : "notFound");
	json_array_append_new(json_object_get(answer, "places"),
		json_pack("{s:[s], s:s, s:s, s:b}", "at", key, "value", is, "raw", is, "stands",
			g_strcmp0(is, want) == 0));
	if (expect && strcmp(expect, is) != 0 && g_strcmp0(is, want) != 0)
		json_object_set_new(answer, "raced", json_string("it is another now"));
	if (look || !want || strcmp(is, want) == 0)
		return NULL;
	g_autofree char *head = g_strndup(*text, (gsize)(at - *text));
	char *now = g_strconcat(head, want, at + strlen(is), NULL);
	g_free(*text);
	*text = now;
	json_array_append_new(json_object_get(answer, "undo"),
		json_pack("{s:[s], s:s, s:s}", "at", key, "value", is, "expect", want));
	return NULL;
}

static json_t *plain_edit(const json_t *request, void *ud, GError **err)
{
	Rig *r = ud;
	bool look = json_is_true(json_object_get(request, "look"));
	char *text = g_strdup(str(request, "text"));
	json_t *answer = json_pack("{s:[], s:[]}", "places", "undo"), *edit;
	size_t i;
	json_array_foreach (json_object_get(request, "edits"), i, edit) {
		json_t *refused = edit_text(&text, edit, answer, look);
		if (refused)
			json_object_set_new(answer, "refused", refused);
	}
	json_object_set_new(answer, "text", json_string(text));
	g_free(text);
	r->n_edits++;
	if (r->meanwhile && !look)
		r->meanwhile(r);
	return answer;
}

/* --- requests --- */

static json_t *base_request(const Rig *r, const char *op, const char *url, const char *key)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[[s,s]], s:{s:s,s:s}, s:i}", "op", op,
		"mirror", r->p.mirror, "url", url, "branch", "main", "key", key, "message",
		"order 2 for site\n\nbecause", "trailers", "Shiplock-Run", "run-1", "author",
		"name", "Shiplock", "email", "shiplock@example", "time", 1700000100);
}

static json_t *wish(const Rig *r, const char *url, const char *key, const char *value)
{
	json_t *v = base_request(r, "edit", url, key);
	json_object_set_new(v, "files",
		json_pack("[{s:s, s:[{s:[s], s:s}]}]", "path", "site/wish.yaml", "edits", "at",
			"version", "value", value));
	return v;
}

static json_t *ask_git(Rig *r, json_t *request, GError **err)
{
	const GitEditor editor = { plain_edit, r };
	json_t *answer = git_verb(request, &editor, err);
	char *shown = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
	g_test_message("%s", shown ? shown : err && *err ? (*err)->message : "?");
	free(shown);
	json_decref(request);
	return answer;
}

static json_t *send_ok(Rig *r, json_t *request)
{
	g_autoptr(GError) err = NULL;
	json_t *answer = ask_git(r, request, &err);
	g_assert_no_error(err);
	return answer;
}

static void send_error(Rig *r, json_t *request, int code, const char *text)
{
	g_autoptr(GError) err = NULL;
	g_assert_null(ask_git(r, request, &err));
	g_assert_error(err, SL_ERROR, code);
	if (!strstr(err->message, text))
		g_error("\"%s\" lacks \"%s\"", err->message, text);
}

static void assert_how(const json_t *v, const char *how)
{
	g_assert_cmpstr(str(v, "outcome"), ==, "done");
	g_assert_cmpstr(str(v, "how"), ==, how);
}

static void assert_outcome(json_t *v, const char *outcome, const char *text)
{
	g_assert_cmpstr(str(v, "outcome"), ==, outcome);
	g_assert_nonnull(strstr(str(v, "message"), text));
	json_decref(v);
}

/* --- one wish --- */

static void check_commit(const Rig *r)
{
	assert_git(r->bare, "log -1 --format=%an/%ae/%at/%cn/%ct main",
		"Shiplock/shiplock@example/1700000100/Shiplock/1700000100");
	assert_git(r->bare, "log -1 --format=%B main",
		"order 2 for site\n\nbecause\n\nShiplock-Run: run-1\nShiplock-Key: k1");
	assert_git(r->bare, "diff --numstat main~1 main", "1\t1\tsite/wish.yaml");
	assert_git(r->bare, "show main:site/wish.yaml", "# the wish\nversion: 2\nchannel: a");
	assert_git(r->bare, "fsck --strict --no-dangling", "");
	assert_git(r->bare, "for-each-ref --format=%(refname)", "refs/heads/main");
}

static void story_of_a_wish(Rig *r, const char *url)
{
	json_t *v = send_ok(r, wish(r, url, "k1", "2"));
	assert_how(v, "new");
	g_autofree char *head = NULL;
	git_out(r->bare, "rev-parse main", &head);
	g_assert_cmpstr(str(v, "commit"), ==, head);
	g_assert_cmpstr(str(v, "on"), ==, "main");
	g_assert_true(json_is_true(json_object_get(v, "merged")));
	json_t *undo = json_incref(json_object_get(v, "undo"));
	json_decref(v);
	check_commit(r);

	v = send_ok(r, wish(r, url, "k1", "2"));
	assert_how(v, "found");
	g_assert_cmpstr(str(v, "commit"), ==, head);
	g_assert_true(json_is_true(json_object_get(v, "stands")));
	json_decref(v);
	v = send_ok(r, wish(r, url, "k2", "2"));
	assert_how(v, "standing");
	g_assert_cmpstr(str(v, "commit"), ==, head);
	json_decref(v);

	json_t *back = base_request(r, "edit", url, "k3");
	json_object_set_new(back, "files", undo);
	v = send_ok(r, back);
	assert_how(v, "new");
	json_decref(v);
	assert_git(r->bare, "diff --numstat main~2 main", "");
	v = send_ok(r, wish(r, url, "k1", "2")); /* ours, but not what stands there now */
	assert_how(v, "found");
	g_assert_true(json_is_false(json_object_get(v, "stands")));
	json_decref(v);
	assert_git(r->bare, "rev-list --count main", "4");
}

static void test_wish_local(void)
{
	Rig r;
	rig_begin(&r);
	story_of_a_wish(&r, r.bare);
	rig_end(&r);
}

static void test_wish_daemon(void)
{
	Rig r;
	rig_begin(&r);
	story_of_a_wish(&r, r.url);
	rig_end(&r);
}

static void test_dry_run(void)
{
	Rig r;
	rig_begin(&r);
	json_t *q = wish(&r, r.url, "k1", "2");
	json_object_set_new(q, "dryRun", json_true());
	json_object_del(q, "key");
	json_object_del(q, "message");
	json_t *v = send_ok(&r, q);
	assert_how(v, "dryRun");
	g_assert_true(json_is_null(json_object_get(v, "commit")));
	g_assert_cmpuint(json_array_size(json_object_get(v, "undo")), ==, 1);
	json_decref(v);
	assert_git(r.bare, "rev-list --count main", "2");
	rig_end(&r);
}

/* Two files in one commit; the mode of a file stays. */
static void test_two_files(void)
{
	Rig r;
	rig_begin(&r);
	json_t *q = wish(&r, r.url, "k1", "2");
	json_array_append_new(
		json_object_get(q, "files"), json_pack("{s:s, s:[{s:[s], s:s}]}", "path", "run.sh",
						     "edits", "at", "version", "value", "3"));
	json_t *v = send_ok(&r, q);
	assert_how(v, "new");
	json_decref(v);
	assert_git(r.bare, "diff --numstat main~1 main", "1\t1\trun.sh\n1\t1\tsite/wish.yaml");
	assert_git(r.bare, "ls-tree --format=%(objectmode) main run.sh", "100755");
	rig_end(&r);
}

/* --- what it was decided on --- */

static void test_raced(void)
{
	Rig r;
	rig_begin(&r);
	json_t *q = wish(&r, r.url, "k1", "3");
	json_t *edit = json_array_get(
		json_object_get(json_array_get(json_object_get(q, "files"), 0), "edits"), 0);
	json_object_set_new(edit, "expect", json_string("2"));
	assert_outcome(send_ok(&r, q), "raced", "another now");
	q = wish(&r, r.url, "k1", "3");
	json_object_set_new(q, "op", json_string("read"));
	json_t *v = send_ok(&r, q);
	g_assert_cmpstr(str(v, "outcome"), ==, "read");
	g_assert_cmpuint(json_array_size(json_object_get(v, "commits")), ==, 0);
	g_autofree char *hash = g_strdup(str(v, "hash"));
	json_decref(v);
	q = wish(&r, r.url, "k1", "3");
	json_object_set_new(q, "hash", json_string("00"));
	assert_outcome(send_ok(&r, q), "raced", "not those that it was decided on");
	assert_git(r.bare, "rev-list --count main", "2");
	q = wish(&r, r.url, "k1", "3");
	json_object_set_new(q, "hash", json_string(hash));
	v = send_ok(&r, q);
	assert_how(v, "new");
	json_decref(v);
	rig_end(&r);
}

static void test_refused(void)
{
	static const struct {
		const char *path, *code, *message;
	} cases[] = {
		{ "site/none.yaml", "missingFile", "site/none.yaml: is not in the repository" },
		{ "none/wish.yaml", "missingFile", "none/wish.yaml: is not in the repository" },
		{ "site", "notRegular", "site: is no regular file" },
		{ "link.yaml", "notRegular", "link.yaml: is no regular file" },
		{ "template.yaml", "templated", "a template" },
		{ "latin1.yaml", "notUtf8", "latin1.yaml:2:4: not UTF-8" },
		{ "nul.yaml", "unsafe", "nul.yaml:1:2: NUL byte" },
		{ "large.yaml", "tooLarge", "large.yaml: is larger than 16777216 bytes" },
		{ "site/acks.yaml", "notFound", "no such key" },
	};
	Rig r;
	rig_begin(&r);
	g_autofree char *link = g_build_filename(r.p.repo, "link.yaml", NULL);
	g_autofree char *large = g_strnfill(GIT_MAX_FILE_BYTES + 1, '#');
	g_assert_cmpint(symlink("site/wish.yaml", link), ==, 0);
	write_text(&r.p, "template.yaml", "version: {{ .Values.version }}\n", -1);
	write_text(&r.p, "latin1.yaml", "a\nb: \xe4\n", -1);
	write_text(&r.p, "nul.yaml", "a\0b", 3);
	write_text(&r.p, "large.yaml", large, -1);
	g_free(commit(&r.p, "more files"));
	git_do(r.p.repo, "push -q origin main");
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		json_t *q = wish(&r, r.bare, "k1", "3");
		json_object_set_new(json_array_get(json_object_get(q, "files"), 0), "path",
			json_string(cases[i].path));
		json_t *v = send_ok(&r, q);
		g_assert_cmpstr(str(v, "code"), ==, cases[i].code);
		g_assert_cmpstr(str(v, "file"), ==, cases[i].path);
		assert_outcome(v, "refused", cases[i].message);
	}
	assert_git(r.bare, "rev-list --count main", "3");
	rig_end(&r);
}

/* A file that ends its reader is refused like one that cannot be edited; a reader that cannot be
 * started is no fault of the file. */
static json_t *failing_edit(const json_t *request, void *ud, GError **err)
{
	sl_fail(err, *(SlErr *)ud, "worker edit: killed");
	return NULL;
}

static void test_editor_fails(void)
{
	SlErr code = SL_ERR_UNKNOWN_OUTCOME;
	const GitEditor editor = { failing_edit, &code };
	Rig r;
	rig_begin(&r);
	g_autoptr(GError) err = NULL;
	g_autoptr(json_t) q = wish(&r, r.bare, "k1", "2");
	json_t *v = git_verb(q, &editor, &err);
	g_assert_no_error(err);
	g_assert_cmpstr(str(v, "code"), ==, "unsafe");
	assert_outcome(v, "refused", "site/wish.yaml: worker edit: killed");
	code = SL_ERR_RETRY;
	g_assert_null(git_verb(q, &editor, &err));
	g_assert_error(err, SL_ERROR, SL_ERR_RETRY);
	rig_end(&r);
}

/* --- somebody else pushes --- */

static void others_push(Rig *r, const char *path, const char *text)
{
	git_do(r->p.repo, "fetch -q origin");
	git_do(r->p.repo, "reset -q --hard origin/main");
	write_text(&r->p, path, text, -1);
	g_free(commit(&r->p, "somebody else"));
	git_do(r->p.repo, "push -q origin main");
	r->n_meanwhile++;
}

static void push_beside(Rig *r)
{
	if (r->n_meanwhile == 0)
		others_push(r, "site/wish.yaml", "# the wish\nversion: 1\nchannel: b\n");
}

static void push_same(Rig *r)
{
	if (r->n_meanwhile == 0)
		others_push(r, "site/wish.yaml", "# the wish\nversion: 7\nchannel: a\n");
}

static void push_always(Rig *r)
{
	g_autofree char *text = g_strdup_printf("%u\n", r->n_meanwhile);
	others_push(r, "other.txt", text);
}

static void story_of_races(Rig *r, const char *url)
{
	r->meanwhile = push_beside;
	json_t *v = send_ok(r, wish(r, url, "k1", "2"));
	assert_how(v, "new");
	g_assert_cmpint(json_integer_value(json_object_get(v, "attempts")), ==, 2);
	json_decref(v);
	assert_git(r->bare, "show main:site/wish.yaml", "# the wish\nversion: 2\nchannel: b");
	assert_git(r->bare, "log --format=%s main",
		"order 2 for site\nsomebody else\nwishes\nfirst plan");

	r->meanwhile = push_same;
	r->n_meanwhile = 0;
	assert_outcome(send_ok(r, wish(r, url, "k2", "3")), "raced", "not those");
	assert_git(r->bare, "show main:site/wish.yaml", "# the wish\nversion: 7\nchannel: a");

	r->meanwhile = push_always;
	r->n_edits = 0;
	send_error(r, wish(r, url, "k3", "3"), SL_ERR_RETRY, "moved during each of 8 pushes");
	g_assert_cmpuint(r->n_edits, ==, 8);
	assert_git(r->bare, "log --format=%s -1 main", "somebody else");
}

static void test_races_local(void)
{
	Rig r;
	rig_begin(&r);
	story_of_races(&r, r.bare);
	rig_end(&r);
}

static void test_races_daemon(void)
{
	Rig r;
	rig_begin(&r);
	story_of_races(&r, r.url);
	rig_end(&r);
}

/* --- the server's word --- */

static void set_hook(const Rig *r, const char *name, const char *script)
{
	g_autofree char *path = g_build_filename(r->bare, "hooks", name, NULL);
	g_autofree char *text = g_strconcat("#!/bin/sh\n", script, "\n", NULL);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
	g_assert_cmpint(chmod(path, 0755), ==, 0);
}

static void unset_hook(const Rig *r, const char *name)
{
	g_autofree char *path = g_build_filename(r->bare, "hooks", name, NULL);
	g_assert_cmpint(unlink(path), ==, 0);
}

static void test_rejected(void)
{
	Rig r;
	rig_begin(&r);
	set_hook(&r, "pre-receive", "echo 'GL-HOOK-ERR: main is frozen until Monday' >&2; exit 1");
	json_t *v = send_ok(&r, wish(&r, r.url, "k1", "2"));
	g_assert_cmpstr(str(v, "message"), ==,
		"GL-HOOK-ERR: main is frozen until Monday\npre-receive hook declined");
	assert_outcome(v, "rejected", "frozen");
	assert_git(r.bare, "rev-list --count main", "2");
	send_error(&r, wish(&r, r.bare, "k1", "2"), SL_ERR_REFUSED,
		"has a hook (pre-receive), which only a server runs");
	unset_hook(&r, "pre-receive");
	git_do(r.bare, "config core.hooksPath other");
	g_autofree char *other = g_build_filename(r.bare, "other", NULL);
	g_assert_cmpint(g_mkdir_with_parents(other, 0755), ==, 0);
	set_hook(&r, "../other/update", "exit 1");
	send_error(&r, wish(&r, r.bare, "k1", "2"), SL_ERR_REFUSED, "has a hook (update)");
	assert_outcome(send_ok(&r, wish(&r, r.url, "k1", "2")), "rejected", "hook declined");
	git_do(r.bare, "config --unset core.hooksPath");
	send_error(&r, wish(&r, r.p.repo, "k1", "2"), SL_ERR_REFUSED, "is a checkout");
	v = send_ok(&r, wish(&r, r.url, "k1", "2"));
	assert_how(v, "new");
	json_decref(v);
	rig_end(&r);
}

/* The server dies before or after it moved the branch: either way nobody can tell, and the same
 * request settles it. */
static void test_broken_push(void)
{
	static const struct {
		const char *hook, *how, *count;
	} cases[] = {
		{ "pre-receive", "new", "2" },
		{ "post-receive", "found", "3" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		Rig r;
		rig_begin(&r);
		set_hook(&r, cases[i].hook, "kill -9 $PPID; sleep 0.1");
		send_error(&r, wish(&r, r.url, "k1", "2"), SL_ERR_UNKNOWN_OUTCOME, "broke");
		unset_hook(&r, cases[i].hook);
		assert_git(r.bare, "rev-list --count main", cases[i].count);
		json_t *v = send_ok(&r, wish(&r, r.url, "k1", "2"));
		assert_how(v, cases[i].how);
		json_decref(v);
		assert_git(r.bare, "rev-list --count main", "3");
		rig_end(&r);
	}
}

/* A killed worker leaves lock files in the mirror. */
static void test_stale_locks(void)
{
	static const char *const locks[] = { "packed-refs.lock", "HEAD.lock",
		"refs/shiplock-act/heads/main.lock", "refs/shiplock-out/commit.lock" };
	Rig r;
	rig_begin(&r);
	json_decref(send_ok(&r, wish(&r, r.url, "k1", "2")));
	for (size_t i = 0; i < G_N_ELEMENTS(locks); i++) {
		g_autofree char *path = g_build_filename(r.p.mirror, locks[i], NULL);
		g_autofree char *dir = g_path_get_dirname(path);
		g_assert_cmpint(g_mkdir_with_parents(dir, 0755), ==, 0);
		g_assert_true(g_file_set_contents(path, "", 0, NULL));
	}
	json_t *v = send_ok(&r, wish(&r, r.url, "k2", "3"));
	assert_how(v, "new");
	json_decref(v);
	rig_end(&r);
}

/* --- a merge request --- */

static json_t *ask_merge(const Rig *r, const char *key, const char *value)
{
	json_t *q = wish(r, r->url, key, value);
	json_object_set_new(q, "to", json_string("shiplock/run-1/a/1"));
	return q;
}

static void assert_merged(json_t *v, const char *how, const char *on, bool merged)
{
	assert_how(v, how);
	g_assert_cmpstr(str(v, "on"), ==, on);
	g_assert_true(json_is_true(json_object_get(v, "merged")) == merged);
	json_decref(v);
}

static void test_merge_request(void)
{
	const char *to = "shiplock/run-1/a/1";
	Rig r;
	rig_begin(&r);
	assert_merged(send_ok(&r, ask_merge(&r, "k1", "2")), "new", to, false);
	assert_git(r.bare, "rev-list --count main", "2");
	assert_git(r.bare, "log -1 --format=%s shiplock/run-1/a/1", "order 2 for site");
	assert_merged(send_ok(&r, ask_merge(&r, "k1", "2")), "found", to, false);
	assert_outcome(send_ok(&r, ask_merge(&r, "k2", "3")), "rejected", "without our commit");
	git_do(r.p.repo, "fetch -q origin");
	git_do(r.p.repo, "merge -q --no-ff -m 'merge it' origin/shiplock/run-1/a/1");
	git_do(r.p.repo, "push -q origin main :shiplock/run-1/a/1");
	assert_merged(send_ok(&r, ask_merge(&r, "k1", "2")), "found", "main", true);
	rig_end(&r);
}

/* Squashed with another message: the key is gone, the values tell. */
static void test_squashed(void)
{
	Rig r;
	rig_begin(&r);
	json_decref(send_ok(&r, ask_merge(&r, "k1", "2")));
	others_push(&r, "site/wish.yaml", "# the wish\nversion: 2\nchannel: a\n");
	assert_merged(send_ok(&r, ask_merge(&r, "k1", "2")), "found", "shiplock/run-1/a/1", true);
	git_do(r.p.repo, "push -q origin :shiplock/run-1/a/1");
	assert_merged(send_ok(&r, ask_merge(&r, "k1", "2")), "standing", "main", true);
	rig_end(&r);
}

/* --- the search --- */

static void test_base(void)
{
	Rig r;
	rig_begin(&r);
	json_decref(send_ok(&r, wish(&r, r.url, "k1", "2")));
	g_autofree char *after = NULL;
	git_out(r.bare, "rev-parse main", &after);
	json_t *q = wish(&r, r.url, "k1", "3");
	json_object_set_new(q, "base", json_string(after)); /* ours would be younger */
	json_t *v = send_ok(&r, q);
	assert_how(v, "new");
	json_decref(v);
	q = wish(&r, r.url, "k1", "3");
	json_object_set_new(q, "op", json_string("read"));
	v = send_ok(&r, q);
	const json_t *commits = json_object_get(v, "commits");
	g_assert_cmpuint(json_array_size(commits), ==, 2);
	g_assert_cmpstr(str(json_array_get(commits, 1), "commit"), ==, after);
	g_assert_cmpstr(str(json_array_get(commits, 0), "on"), ==, "main");
	json_decref(v);
	q = wish(&r, r.url, "k", "3"); /* a key that another one begins with */
	v = send_ok(&r, q);
	assert_how(v, "standing");
	json_decref(v);
	rig_end(&r);
}

/* --- files onto a results branch --- */

static json_t *result(const Rig *r, const char *key, const char *path, const char *text)
{
	json_t *q = base_request(r, "write", r->url, key);
	json_object_set_new(q, "branch", json_string("shiplock/results"));
	json_object_set_new(q, "files", json_pack("[{s:s, s:s}]", "path", path, "text", text));
	return q;
}

static void assert_write(Rig *r, json_t *q, const char *how)
{
	json_t *v = send_ok(r, q);
	assert_how(v, how);
	json_decref(v);
}

static void test_write(void)
{
	Rig r;
	g_autofree char *before = NULL;
	rig_begin(&r);
	git_out(r.bare, "rev-parse main", &before);
	assert_write(&r, result(&r, "r1", "runs/1/report.md", "# one\n"), "new");
	assert_git(r.bare, "rev-list --count shiplock/results", "1"); /* an orphan */
	assert_write(&r, result(&r, "r1", "runs/1/report.md", "# one\n"), "found");
	assert_write(&r, result(&r, "r2", "runs/1/report.md", "# one\n"), "standing");
	assert_write(&r, result(&r, "r3", "runs/2/report.md", "# two\n"), "new");
	assert_git(r.bare, "ls-tree -r --name-only shiplock/results",
		"runs/1/report.md\nruns/2/report.md");
	json_t *q = result(&r, "r4", "runs/2/x.bin", "");
	json_t *file = json_array_get(json_object_get(q, "files"), 0);
	json_object_del(file, "text");
	json_object_set_new(file, "base64", json_string("AP8="));
	assert_write(&r, q, "new");
	assert_git(r.bare, "cat-file -s shiplock/results:runs/2/x.bin", "2");
	q = result(&r, "r5", before, "a note\n");
	json_object_del(q, "branch");
	json_object_set_new(q, "notes", json_string("shiplock"));
	assert_write(&r, q, "new");
	assert_git(r.bare, "notes --ref=shiplock show main", "a note");
	assert_git(r.bare, "rev-parse main", before);
	set_hook(&r, "update", "echo no results here; exit 1");
	assert_outcome(send_ok(&r, result(&r, "r6", "a", "b")), "rejected", "no results here");
	rig_end(&r);
}

/* --- requests that are wrong --- */

static void test_bad_requests(void)
{
	static const struct {
		const char *member, *value /* JSON, ' for "; NULL: left out */, *text;
	} cases[] = {
		{ "key", NULL, "a key is 1 to 200" },
		{ "key", "'a b'", "a key is 1 to 200" },
		{ "message", NULL, "\"message\" is needed" },
		{ "message", "'a\\nShiplock-Key: other'", "a trailer Shiplock-Key of its own" },
		{ "trailers", "[['a','b\\nc']]", "a trailer is a pair" },
		{ "trailers", "[['Shiplock-Key','b']]", "a trailer is a pair" },
		{ "author", NULL, "\"author\" needs a name" },
		{ "author", "{'name':'a<b','email':'c'}", "\"author\" needs a name" },
		{ "time", "'now'", "\"time\" is needed" },
		{ "branch", NULL, "lacks \"branch\"" },
		{ "branch", "'a..b'", "no name for a branch" },
		{ "to", "'main'", "is the branch itself" },
		{ "base", "'main'", "no commit id" },
		{ "files", "[]", "1 to 32 files" },
		{ "files", "[{'path':'../x','edits':[]}]", "has no path" },
		{ "files", "[{'path':'a/.git/config','edits':[]}]", "has no path" },
		{ "files", "[{'path':'a'},{'path':'a'}]", "given twice" },
	};
	Rig r;
	rig_begin(&r);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		json_t *q = wish(&r, r.bare, "k1", "2");
		json_object_del(q, cases[i].member);
		if (cases[i].value) {
			g_autofree char *json = g_strdelimit(g_strdup(cases[i].value), "'", '"');
			json_object_set_new(
				q, cases[i].member, json_loads(json, JSON_DECODE_ANY, NULL));
		}
		send_error(&r, q, SL_ERR_INVALID, cases[i].text);
	}
	json_t *q = wish(&r, r.bare, "k1", "2");
	json_object_set_new(q, "branch", json_string("gone"));
	send_error(&r, q, SL_ERR_NOT_FOUND, "has no branch \"gone\"");
	assert_git(r.bare, "rev-list --count main", "2");
	rig_end(&r);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	set_git_environment();
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alarm(180); /* libgit2 has no timeouts */
	g_test_add_func("/push/wish-local", test_wish_local);
	g_test_add_func("/push/wish-daemon", test_wish_daemon);
	g_test_add_func("/push/dry-run", test_dry_run);
	g_test_add_func("/push/two-files", test_two_files);
	g_test_add_func("/push/raced", test_raced);
	g_test_add_func("/push/refused", test_refused);
	g_test_add_func("/push/editor-fails", test_editor_fails);
	g_test_add_func("/push/races-local", test_races_local);
	g_test_add_func("/push/races-daemon", test_races_daemon);
	g_test_add_func("/push/rejected", test_rejected);
	g_test_add_func("/push/broken-push", test_broken_push);
	g_test_add_func("/push/stale-locks", test_stale_locks);
	g_test_add_func("/push/merge-request", test_merge_request);
	g_test_add_func("/push/squashed", test_squashed);
	g_test_add_func("/push/base", test_base);
	g_test_add_func("/push/write", test_write);
	g_test_add_func("/push/bad-requests", test_bad_requests);
	return g_test_run();
}
