#include "loop/loop-sim.h"
#include "store/audit.h"
#include "store/holder.h"
#include "store/store-sqlite.h"
#include <glib/gstdio.h>
#include <string.h>

typedef struct Place {
	char *dir, *journal;
	LoopSim *loop;
} Place;

static void begin(Place *p, LoopSim *loop)
{
	g_autoptr(GError) err = NULL;
	p->loop = loop;
	p->dir = g_dir_make_tmp("holder-XXXXXX", NULL);
	p->journal = g_build_filename(p->dir, "journal.db", NULL);
	g_autoptr(StoreSqlite) s = store_sqlite_open(p->journal, loop_sim_loop(loop), &err);
	g_assert_no_error(err);
}

static char *name_of(Place *p, bool want_moved)
{
	g_autoptr(GError) err = NULL;
	bool moved = !want_moved;
	char *name = holder_of(p->journal, loop_sim_loop(p->loop), &moved, &err);
	g_assert_no_error(err);
	g_assert_cmpint(moved, ==, want_moved);
	g_assert_nonnull(name);
	return name;
}

static void end(Place *p)
{
	g_autoptr(GDir) d = g_dir_open(p->dir, 0, NULL);
	for (const char *name; d && (name = g_dir_read_name(d));) {
		g_autofree char *path = g_build_filename(p->dir, name, NULL);
		g_unlink(path);
	}
	g_rmdir(p->dir);
	g_free(p->dir);
	g_free(p->journal);
}

/* A plain restart keeps the name, and another folder has another one. */
static void test_keeps(void)
{
	LoopSim *loop = loop_sim_new(3, 0);
	Place a, b;
	begin(&a, loop);
	begin(&b, loop);
	g_autofree char *first = name_of(&a, false), *again = name_of(&a, false),
			*other = name_of(&b, false);
	g_assert_cmpstr(first, ==, again);
	g_assert_cmpstr(first, !=, other);
	g_assert_null(strchr(first, ' '));
	end(&a);
	end(&b);
	loop_sim_free(loop);
}

/* Moves every file of one folder into another, as a restore of the whole folder would. */
static void copy_file(const char *from, const char *to)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(g_file_get_contents(from, &text, &len, NULL));
	g_unlink(to);
	g_assert_true(g_file_set_contents(to, text, (gssize)len, NULL));
}

/* The whole folder copied to another host: the copy is somebody else. */
static void test_copied_folder(void)
{
	LoopSim *loop = loop_sim_new(4, 0);
	Place a, b;
	begin(&a, loop);
	begin(&b, loop);
	g_autofree char *first = name_of(&a, false);
	g_autofree char *from = g_strconcat(a.journal, ".holder", NULL);
	g_autofree char *to = g_strconcat(b.journal, ".holder", NULL);
	copy_file(from, to);
	copy_file(a.journal, b.journal);
	g_autofree char *second = name_of(&b, true);
	g_assert_cmpstr(first, !=, second);
	g_autofree char *kept = name_of(&b, false), *mine = name_of(&a, false);
	g_assert_cmpstr(kept, ==, second);
	g_assert_cmpstr(mine, ==, first);
	end(&a);
	end(&b);
	loop_sim_free(loop);
}

/* An older backup put in the place of the journal on the same host. */
static void test_restored_in_place(void)
{
	g_autoptr(GError) err = NULL;
	LoopSim *loop = loop_sim_new(5, 0);
	Place a;
	AuditProof proof;
	begin(&a, loop);
	g_autofree char *first = name_of(&a, false);
	g_autofree char *backup = g_build_filename(a.dir, "backup.db", NULL);
	g_assert_true(audit_backup(a.journal, backup, &proof, &err));
	g_assert_no_error(err);
	g_unlink(a.journal);
	g_assert_cmpint(g_rename(backup, a.journal), ==, 0);
	g_autofree char *second = name_of(&a, true);
	g_assert_cmpstr(first, !=, second);
	end(&a);
	loop_sim_free(loop);
}

static void test_unreadable(void)
{
	LoopSim *loop = loop_sim_new(6, 0);
	g_autoptr(GError) err = NULL;
	g_autofree char *name = holder_of("/nowhere/journal.db", loop_sim_loop(loop), NULL, &err);
	g_assert_null(name);
	g_assert_error(err, SL_ERROR, SL_ERR_REFUSED);
	loop_sim_free(loop);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/store/holder/keeps", test_keeps);
	g_test_add_func("/store/holder/copied-folder", test_copied_folder);
	g_test_add_func("/store/holder/restored-in-place", test_restored_in_place);
	g_test_add_func("/store/holder/unreadable", test_unreadable);
	return g_test_run();
}
