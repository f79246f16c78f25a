/* Large files of a node, brought here in parts over a real sshd: cuts, what is wrong, what goes. */
#include "ssh/test-sshd.h"
#include <sys/file.h>
#include <sys/stat.h>

enum { SIZE = (1 << 20) + 17, PART = 300000, N_PARTS = 4 };

typedef struct Place {
	Sshd s;
	char *from, *to, *sha, *bytes;
} Place;

static void place_begin(Place *p)
{
	sshd_begin(&p->s, "");
	p->from = sshd_in(&p->s, "it's");
	p->to = sshd_in(&p->s, "sets/c/k1/n1.tar");
	p->bytes = g_malloc(SIZE);
	for (int i = 0; i < SIZE; i++)
		p->bytes[i] = (char)(i * 7 + (i >> 13));
	g_assert_true(g_file_set_contents(p->from, p->bytes, SIZE, NULL));
	p->sha = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (void *)p->bytes, SIZE);
}

static void place_end(Place *p)
{
	sshd_end(&p->s);
	g_free(p->from);
	g_free(p->to);
	g_free(p->sha);
	g_free(p->bytes);
}

static json_t *request(const Place *p, const char *to, const char *sha)
{
	json_t *r = sshd_request(&p->s, "fetch");
	json_object_set_new(r, "path", json_string(p->from));
	json_object_set_new(r, "to", json_string(to));
	json_object_set_new(r, "sha256", json_string(sha));
	json_object_set_new(r, "partBytes", json_integer(PART));
	return r;
}

/* How many requests it took. */
static int fetch_all(json_t *r)
{
	g_autoptr(json_t) owned = r;
	for (int n = 1;; n++) {
		g_autoptr(GError) err = NULL;
		g_autoptr(json_t) v = ssh_verb(r, &err);
		g_assert_no_error(err);
		if (json_is_true(json_object_get(v, "done")))
			return n;
		g_assert_cmpint(json_integer_value(json_object_get(v, "have")), ==, n * PART);
	}
}

static void expect_whole(const Place *p, const char *path)
{
	struct stat st;
	g_autofree char *got = NULL;
	gsize n = 0;
	g_assert_true(g_file_get_contents(path, &got, &n, NULL));
	g_assert_cmpmem(got, n, p->bytes, SIZE);
	g_assert_cmpint(stat(path, &st), ==, 0);
	g_assert_cmpint(st.st_mode & 0777, ==, 0600);
}

static void expect_error(json_t *r, int code, const char *text)
{
	g_autoptr(json_t) owned = r;
	g_autoptr(GError) err = NULL;
	g_assert_null(ssh_verb(r, &err));
	g_assert_error(err, SL_ERROR, code);
	g_test_message("%s", err->message);
	g_assert_nonnull(strstr(err->message, text));
}

/* In parts, and nothing is asked of the node any more once it is here. */
static void test_whole(void)
{
	Place p;
	place_begin(&p);
	g_assert_cmpint(fetch_all(request(&p, p.to, p.sha)), ==, N_PARTS);
	expect_whole(&p, p.to);
	g_assert_cmpint(unlink(p.from), ==, 0);
	g_assert_cmpint(fetch_all(request(&p, p.to, p.sha)), ==, 1);
	place_end(&p);
}

/* Cut in mid-part: what came is kept, the rest follows. */
static void test_resumed(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *part = g_strconcat(p.to, ".part", NULL);
	g_autofree char *folder = g_path_get_dirname(p.to);
	g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents_full(
		part, p.bytes, 2 * PART + 5, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
	g_autoptr(json_t) r = request(&p, p.to, p.sha);
	g_autoptr(json_t) v = ssh_verb(r, NULL);
	g_assert_cmpint(json_integer_value(json_object_get(v, "have")), ==, 3 * PART + 5);
	g_assert_cmpint(access(p.to, F_OK), <, 0);
	g_autoptr(json_t) last = ssh_verb(r, NULL);
	g_assert_true(json_is_true(json_object_get(last, "done")));
	expect_whole(&p, p.to);
	place_end(&p);
}

/* What lies there came from elsewhere: found by its digest, and fetched anew. */
static void test_damaged(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *part = g_strconcat(p.to, ".part", NULL);
	g_autofree char *folder = g_path_get_dirname(p.to);
	g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents(p.to, "half", -1, NULL));
	g_assert_true(g_file_set_contents_full(
		part, "somebody else's", -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
	for (int i = 1; i < N_PARTS; i++) {
		g_autoptr(json_t) r = request(&p, p.to, p.sha);
		g_autoptr(json_t) v = ssh_verb(r, NULL);
		g_assert_true(json_is_false(json_object_get(v, "done")));
	}
	expect_error(request(&p, p.to, p.sha), SL_ERR_RETRY, "it is fetched anew");
	g_assert_cmpint(fetch_all(request(&p, p.to, p.sha)), ==, N_PARTS);
	expect_whole(&p, p.to);
	place_end(&p);
}

static void test_refused(void)
{
	Place p;
	place_begin(&p);
	g_autofree char *gone = sshd_in(&p.s, "gone");
	json_t *r = request(&p, p.to, p.sha);
	json_object_set_new(r, "path", json_string(gone));
	expect_error(r, SL_ERR_NOT_FOUND, "there is no such file");
	expect_error(request(&p, "sets/x", p.sha), SL_ERR_INVALID, "absolute");
	expect_error(request(&p, p.to, "abc"), SL_ERR_INVALID, "64");
	expect_error(request(&p, "/proc/nowhere/x", p.sha), SL_ERR_REFUSED, "/proc/nowhere");
	g_autofree char *part = g_strconcat(p.to, ".part", NULL);
	int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	g_assert_cmpint(flock(fd, LOCK_EX), ==, 0);
	expect_error(request(&p, p.to, p.sha), SL_ERR_RETRY, "another one is fetching it");
	close(fd);
	place_end(&p);
}

static void lay(const Place *p, const char *key, int age)
{
	g_autofree char *name = g_strdup_printf("sets/c/%s/n1.tar", key);
	g_autofree char *path = sshd_in(&p->s, name), *folder = g_path_get_dirname(path);
	struct timespec at[2] = { { .tv_sec = 1790000000 - age }, { .tv_sec = 1790000000 - age } };
	g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
	g_assert_true(g_file_set_contents(path, key, -1, NULL));
	g_assert_cmpint(utimensat(AT_FDCWD, path, at, 0), ==, 0);
}

static bool lies(const Place *p, const char *key)
{
	g_autofree char *name = g_strdup_printf("sets/c/%s", key);
	g_autofree char *path = sshd_in(&p->s, name);
	return access(path, F_OK) == 0;
}

/* The newest stay, and what is named; not before the new one is here. */
static void test_pruned(void)
{
	Place p;
	place_begin(&p);
	lay(&p, "old4", 40);
	lay(&p, "old3", 30);
	lay(&p, "old2", 20);
	lay(&p, "old1", 10);
	json_t *r = request(&p, p.to, p.sha);
	json_object_set_new(r, "keep", json_integer(2));
	json_object_set_new(r, "keepKeys", json_pack("[s]", "old3"));
	g_autoptr(json_t) first = ssh_verb(r, NULL);
	g_assert_true(lies(&p, "old4"));
	for (int i = 1; i < N_PARTS; i++) {
		g_autoptr(json_t) v = ssh_verb(r, NULL);
		g_assert_nonnull(v);
	}
	json_decref(r);
	g_assert_true(lies(&p, "k1") && lies(&p, "old1") && lies(&p, "old3"));
	g_assert_false(lies(&p, "old2") || lies(&p, "old4"));
	place_end(&p);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	alarm(300);
	g_test_add_func("/fetch/whole", test_whole);
	g_test_add_func("/fetch/resumed", test_resumed);
	g_test_add_func("/fetch/damaged", test_damaged);
	g_test_add_func("/fetch/refused", test_refused);
	g_test_add_func("/fetch/pruned", test_pruned);
	return g_test_run();
}
