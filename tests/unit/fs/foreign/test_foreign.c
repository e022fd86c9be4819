/* What others change in a store is told to whoever keeps what the file system said before. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct world world;
	struct held { /* what a kernel would hold, so that it is told of */
		struct fs_entry entry;
		char path[64];
	} held[64];
	size_t held_count;
	char told[4096];
	unsigned stays; /* names told that mean a directory, as before */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	world_open(&f->world, false);
	assert_int_equal(fs_watch(f->world.fs, NULL), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->held_count; i++)
		world_forget(&f->world, &f->held[i].entry);
	world_close(&f->world);
	free(f);
	return 0;
}

/* Keep what a path means, as a kernel does. */
static void hold(struct fixture *f, const char *path)
{
	struct held *held = &f->held[f->held_count++];

	assert_int_equal(world_lookup(&f->world, path, &held->entry), 0);
	snprintf(held->path, sizeof(held->path), "%s", path);
}

/* Ask for what is not there. */
static void miss(struct fixture *f, const char *path)
{
	struct stat stat;

	assert_int_equal(world_stat(&f->world, path, &stat), -ENOENT);
}

static const char *path_of(const struct fixture *f, uint64_t node)
{
	for (size_t i = 0; i < f->held_count; i++)
		if (f->held[i].entry.node == node)
			return f->held[i].path;
	return node == FS_ROOT ? "." : "?";
}

static void note(void *arg, const struct fs_invalidation *notice)
{
	static const char *const kinds[] = {"name", "listing", "attr", "data", "all names"};
	struct fixture *f = arg;
	size_t used = strlen(f->told);
	char where[512] = "";

	if (notice->kind == FS_INVALIDATE_NAME)
		snprintf(where, sizeof(where), "/%s", notice->name);
	else if (notice->node != FS_ROOT)
		assert_true((notice->parent != 0) == (notice->name[0] != '\0'));
	assert_true(notice->kind == FS_INVALIDATE_NAME || !notice->stays);
	assert_true(notice->kind == FS_INVALIDATE_NAME || !notice->by_all);
	f->stays += notice->stays;
	snprintf(f->told + used, sizeof(f->told) - used, "%s%s %s%s", used > 0 ? ", " : "",
		kinds[notice->kind], path_of(f, notice->node), where);
}

/* What is told, as text: "listing ., data a/b" */
static const char *told(struct fixture *f)
{
	f->told[0] = '\0';
	f->stays = 0;
	assert_int_equal(fs_invalidate(f->world.fs, note, f), 0);
	return f->told;
}

/* A value that changed is told with the directories above it, whose times may be taken from it; of
 * what nobody holds nothing is told, and of new names only those that somebody has asked for. */
static void test_value(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	miss(f, "e");
	world_put(w, "a/b/c", "1");
	world_put(w, "a/b/d", "1");
	world_put(w, "e", "1");
	assert_string_equal(told(f), "attr ., listing ., name ./e");
	assert_string_equal(told(f), "");
	world_put(w, "a/b/c", "2");
	world_put(w, "e", "2");
	assert_string_equal(told(f), "attr .");
	hold(f, "a");
	hold(f, "a/b");
	hold(f, "a/b/c");
	hold(f, "e");
	world_put(w, "a/b/c", "3");
	world_put(w, "a/b/d", "3");
	world_put(w, "e", "3");
	assert_string_equal(told(f), "attr ., attr a, attr a/b, data a/b/c, data e");
}

/* Keys that come and go: names in the deepest directory that is there before and after. */
static void test_names(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	world_put(w, "a/b/c", "1");
	hold(f, "a");
	hold(f, "a/b");
	hold(f, "a/b/c");
	told(f);
	world_put(w, "a/b/nobody asked", "1");
	assert_string_equal(told(f), "attr ., attr a, attr a/b, listing a/b");
	world_delete(w, "a/b/nobody asked");
	assert_string_equal(told(f), "attr ., attr a, attr a/b, listing a/b");
	miss(f, "a/b/d");
	world_put(w, "a/b/d", "1");
	assert_string_equal(told(f), "attr ., attr a, attr a/b, name a/b/d, listing a/b");
	miss(f, "a/x");
	world_put(w, "a/x/y/z", "1");
	assert_string_equal(told(f), "attr ., attr a, name a/x, listing a");
	world_delete(w, "a/b/d");
	world_delete(w, "a/b/c");
	assert_string_equal(told(f),
		"attr ., attr a, name a/b, listing a, name a/b/%value, listing a/b, "
		"name a/b/c, data a/b/c, name a/b/d");
	world_delete(w, "a/x/y/z");
	assert_string_equal(
		told(f), "attr ., name ./a, listing ., name a/%value, listing a, name a/x");
}

/* A key that becomes a directory, and turns back. */
static void test_turns(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	world_put(w, "a", "1");
	hold(f, "a");
	told(f);
	world_put(w, "a/b", "1");
	assert_string_equal(told(f), "attr ., name ./a, listing .");
	assert_string_equal(world_read(w, "a/%value"), "1");
	f->held[0].path[0] = 'A'; /* the file; the directory is another node */
	hold(f, "a");
	hold(f, "a/b");
	world_put(w, "a", "2");
	assert_string_equal(told(f), "attr ., data A");
	world_delete(w, "a");
	assert_string_equal(told(f), "attr ., name a/%value, listing a, data A");
	world_put(w, "a", "3");
	world_delete(w, "a/b");
	assert_string_equal(told(f),
		"attr ., name ./a, listing ., name a/%value, listing a, data A, "
		"name ./a, name a/%value, name a/b, data a/b");
	assert_string_equal(world_read(w, "a"), "3");
}

/* Made directories come and go by their records, which also tell of attributes. */
static void test_records(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;
	struct kt_txn *txn;

	assert_int_equal(world_mkdir(w, "a"), 0);
	hold(f, "a");
	assert_string_equal(told(f), "");
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(kt_tree(txn, KT_DIRECTORIES), "a/b/", 4, "", 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_string_equal(told(f), "attr ., attr a, listing a");
	hold(f, "a/b");
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_set_mtime(kt_tree(txn, KT_DIRECTORIES), "a/b/", 4, 77), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_string_equal(told(f), "attr ., attr a, attr a/b");
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(kt_tree(txn, KT_DIRECTORIES)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_string_equal(told(f), "attr ., name ./a, listing ., name a/%value, listing a, "
				     "name a/b, name a/b/%value, listing a/b");
}

/* What the file system itself does is not told, unless others have committed before and after. */
static void test_own(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	assert_int_equal(world_write(w, "mine", "1"), 0);
	assert_int_equal(world_mkdir(w, "dir"), 0);
	assert_string_equal(told(f), "");
	hold(f, "mine");
	world_put(w, "theirs", "1");
	assert_string_equal(told(f), "attr ., listing .");
	assert_int_equal(world_write(w, "mine", "2"), 0);
	assert_int_equal(world_rename(w, "mine", "dir/mine"), 0);
	world_put(w, "theirs/too", "1");
	assert_string_equal(told(f), "attr ., listing .");
	world_put(w, "theirs", "2");
	assert_int_equal(world_write(w, "dir/mine", "3"), 0);
	assert_non_null(strstr(told(f), "data mine"));
	assert_int_equal(world_unlink(w, "dir/mine"), 0);
	assert_string_equal(told(f), "");
	hold(f, "dir");
	world_put(w, "dir/mine", "4");
	assert_string_equal(told(f), "attr ., attr dir, listing dir");
}

/* A file that another mount replaced by a symbolic link is another file. */
static void test_type(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;
	struct fs *other;
	struct fs_caller caller = {.uid = 0};
	struct fs_entry entry;

	world_put(w, "a", "1");
	hold(f, "a");
	told(f);
	assert_int_equal(fs_open(w->store, &w->options, &other), 0);
	assert_int_equal(fs_unlink(other, FS_ROOT, "a"), 0);
	assert_int_equal(fs_symlink(other, &caller, "x", FS_ROOT, "a", &entry), 0);
	fs_forget(other, entry.node, 1);
	assert_int_equal(fs_close(other), 0);
	assert_string_equal(told(f), "attr ., name ./a, listing ., data a");
}

/* What somebody has asked for in between is told, also if all is as before since. */
static void test_between(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	world_put(w, "a", "1");
	told(f);
	world_put(w, "d/x", "1");
	world_delete(w, "a");
	hold(f, "d");
	hold(f, "d/x");
	miss(f, "a");
	world_delete(w, "d/x");
	world_put(w, "a", "1");
	assert_string_equal(told(f), "attr ., name ./a, name ./d, listing d, name d/x, data d/x");
	assert_string_equal(told(f), "");
}

/* What is told may be past: a file that we have renamed since onto a key that others had written,
 * while that led to a shared entry, keeps its place. */
static void test_past(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;
	struct stat stat;
	struct kt_txn *txn;

	world_put(w, "a", "own");
	assert_int_equal(world_write(w, "b", "shared"), 0);
	assert_int_equal(world_link(w, "b", "c"), 0);
	hold(f, "a");
	hold(f, "b");
	told(f);
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_write(txn, "b", 1, 0, "SHARED", 6), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(world_rename(w, "a", "c"), 0);
	told(f);
	assert_int_equal(fs_getattr(w->fs, f->held[0].entry.node, &stat), 0);
	assert_string_equal(world_read(w, "c"), "own");
	assert_string_equal(world_read(w, "b"), "SHARED");
}

/* What others have changed is told where we have moved it since. */
static void test_moved(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	world_put(w, "d/x", "1");
	world_put(w, "a", "1");
	world_put(w, "b", "1");
	hold(f, "d");
	hold(f, "d/x");
	hold(f, "a");
	hold(f, "b");
	told(f);
	world_put(w, "d/x", "2");
	world_put(w, "d/new", "2");
	world_put(w, "a", "2");
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_int_equal(world_rename(w, "a", "c"), 0);
	assert_int_equal(fs_rename(w->fs, FS_ROOT, "b", FS_ROOT, "c", RENAME_EXCHANGE), 0);
	assert_non_null(strstr(told(f), "data a"));
	assert_non_null(strstr(f->told, "data d/x"));
	assert_non_null(strstr(f->told, "listing d"));
	assert_non_null(strstr(f->told, "data b"));
	assert_non_null(strstr(f->told, "all names"));
	assert_string_equal(told(f), "");
}

/* What has moved since is what was there at that time: not what lay there before, and went away,
 * and not what could not be moved. */
static void test_moved_since(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	world_put(w, "a", "1");
	world_put(w, "full/x", "1");
	world_put(w, "d/x", "1");
	hold(f, "d");
	told(f);
	world_put(w, "pending", "1");
	assert_int_equal(world_rename(w, "a", "b"), 0);
	world_put(w, "a", "1");
	hold(f, "a");
	hold(f, "d/x");
	world_put(w, "a", "2");
	world_put(w, "d/x", "2");
	assert_int_equal(world_rename(w, "d", "full"), -ENOTEMPTY);
	assert_int_equal(world_rename(w, "a", "c"), 0);
	assert_int_equal(world_rename(w, "d", "e"), 0);
	assert_non_null(strstr(told(f), "data a"));
	assert_non_null(strstr(f->told, "data d/x"));
}

/* A directory that stays one keeps its name for who works in there; a name that was that of a file,
 * or is now, is dropped, unless it was asked for since. */
static void test_stays(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;

	world_put(w, "d/x", "1");
	hold(f, "d");
	told(f);
	world_put(w, "d", "value");
	assert_string_equal(told(f), "attr ., name d/%value, listing d");
	assert_int_equal(f->stays, 0);
	world_delete(w, "d");
	told(f);
	world_delete(w, "d/x");
	assert_non_null(strstr(told(f), "name ./d"));
	assert_int_equal(f->stays, 0);
	world_put(w, "d/x", "1");
	assert_non_null(strstr(told(f), "name ./d"));
	assert_int_equal(f->stays, 0);
	world_delete(w, "d/x");
	told(f);
	world_put(w, "d/x", "1");
	hold(f, "d");
	assert_non_null(strstr(told(f), "name ./d"));
	assert_true(f->stays > 0);
}

static bool is_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	return poll(&poll_fd, 1, 0) == 1;
}

/* A directory that others took away, and that is back when a file is saved in there, or made. */
static void test_revived(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;
	struct fs_caller caller = {.uid = 0};
	struct fs_file *file;
	struct fs_entry made;
	int fd;

	assert_int_equal(fs_watch(w->fs, &fd), 0);
	world_put(w, "d/e/x", "1");
	hold(f, "d");
	hold(f, "d/e");
	told(f);
	assert_int_equal(world_create(w, "d/e/new", &file), 0);
	assert_int_equal(fs_write(w->fs, file, 0, "1", 1), 0);
	world_delete(w, "d/e/x");
	assert_non_null(strstr(told(f), "name ./d, listing ."));
	assert_false(is_readable(fd));
	assert_int_equal(world_close_file(w, file), 0);
	assert_true(is_readable(fd));
	assert_string_equal(told(f),
		"name ./d, listing ., name d/%value, listing d, name d/e, listing d, "
		"name d/e/%value, listing d/e");
	assert_false(is_readable(fd));
	world_delete(w, "d/e/new");
	told(f);
	assert_int_equal(fs_mkdir(w->fs, &caller, f->held[1].entry.node, "made", 0755, &made), 0);
	assert_true(is_readable(fd));
	assert_non_null(strstr(told(f), "name ./d, listing ."));
	hold(f, "d");
	hold(f, "d/e");
	assert_int_equal(world_mkdir(w, "d/e/too"), 0);
	assert_string_equal(told(f), "");
	assert_false(is_readable(fd));
	world_forget(w, &made);
}

/* A file that others changed, and that has lost its key through us or got a second one before that
 * was told, is told for itself: once, and not if nothing was to be told. */
static void test_left(void **state)
{
	struct fixture *f = *state;
	struct world *w = &f->world;
	struct fs_file *handle;

	world_put(w, "a", "1");
	world_put(w, "b", "1");
	hold(f, "a");
	hold(f, "b");
	told(f);
	assert_int_equal(world_open_file(w, "a", O_RDONLY, &handle), 0);
	world_put(w, "a", "2");
	world_put(w, "b", "2");
	assert_int_equal(world_unlink(w, "a"), 0);
	assert_int_equal(world_link(w, "b", "c"), 0);
	assert_string_equal(world_read_file(w, handle), "2");
	assert_non_null(strstr(told(f), "data a"));
	assert_non_null(strstr(f->told, "data b"));
	assert_string_equal(told(f), "");
	assert_int_equal(world_link(w, "b", "d"), 0);
	assert_string_equal(told(f), "");
	assert_int_equal(world_close_file(w, handle), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_value, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_turns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_records, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_type, setup, teardown),
		cmocka_unit_test_setup_teardown(test_between, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved_since, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_revived, setup, teardown),
		cmocka_unit_test_setup_teardown(test_past, setup, teardown),
		cmocka_unit_test_setup_teardown(test_left, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
