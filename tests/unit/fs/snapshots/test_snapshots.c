/* Snapshots beside the present: file systems that are opened and closed, and subtrees of
 * stores. */
#include "fs/snapshots/snapdir.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct kt_store *store;
	struct snapdir *snapdir;
};

static const struct fs_options defaults = {
	.uid = 500, .gid = 501, .file_mode = 0644, .dir_mode = 0755, .commit_seconds = 5};

static int setup(void **state)
{
	struct fixture *f = malloc(sizeof(*f));

	assert_non_null(f);
	assert_int_equal(kt_open_memory("views", &f->store), 0);
	assert_int_equal(snapdir_open(f->store, &defaults, &f->snapdir), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	uint64_t findings;

	assert_int_equal(snapdir_close(f->snapdir), 0);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(kt_close(f->store), 0);
	free(f);
	return 0;
}

static void put(struct fixture *f, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* Look a path up; what is looked up on the way is forgotten. The node is one of outside. */
static int lookup(struct fixture *f, const char *path, uint64_t *ret_node)
{
	char copy[256], *rest = NULL;
	uint64_t node = FS_ROOT, next;
	struct snapdir_node in;
	struct fs_entry entry;
	int err = 0;

	snprintf(copy, sizeof(copy), "%s", path);
	for (char *name = strtok_r(copy, "/", &rest); name && !err;
		name = strtok_r(NULL, "/", &rest)) {
		err = snapdir_lookup(f->snapdir, node, name, &in, &entry);
		next = err ? 0 : in.node_bits | entry.node;
		if (node != FS_ROOT)
			snapdir_forget(f->snapdir, node, 1);
		node = next;
	}
	*ret_node = node;
	return err;
}

/* What a file holds, or the name of an error. */
static const char *read_node(struct fixture *f, uint64_t node)
{
	static _Thread_local char text[256];
	struct snapdir_node at;
	struct fs_file *file;
	size_t size;
	int err = snapdir_resolve(f->snapdir, node, &at);

	if (!err)
		err = fs_open_file(at.fs, at.node, O_RDONLY, &file);
	if (err)
		return strerrorname_np(-err);
	err = fs_read(at.fs, file, 0, text, sizeof(text) - 1, &size);
	fs_release(at.fs, file);
	if (err)
		return strerrorname_np(-err);
	text[size] = '\0';
	return text;
}

static const char *read_path(struct fixture *f, const char *path)
{
	const char *text;
	uint64_t node;
	int err = lookup(f, path, &node);

	if (err)
		return strerrorname_np(-err);
	text = read_node(f, node);
	snapdir_forget(f->snapdir, node, 1);
	return text;
}

static bool add_name(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	(void)entry;
	(void)offset;
	if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
		strcat(strcat(arg, *(char *)arg ? " " : ""), name);
	return true;
}

static const char *list(struct fixture *f, const char *path)
{
	static char text[4096];
	struct snapdir_node at;
	struct fs_dir *dir;
	uint64_t node;

	text[0] = '\0';
	assert_int_equal(lookup(f, path, &node), 0);
	assert_int_equal(snapdir_resolve(f->snapdir, node, &at), 0);
	if (at.is_list)
		assert_int_equal(snapdir_refresh(f->snapdir), 0);
	assert_int_equal(fs_opendir(at.fs, at.node, &dir), 0);
	assert_int_equal(fs_readdir(at.fs, dir, 0, false, add_name, text), 0);
	fs_releasedir(at.fs, dir);
	snapdir_forget(f->snapdir, node, node != FS_ROOT);
	return text;
}

/* Snapshots are found by name behind .snapshots, which is not listed; the names in it are. */
static void test_found(void **state)
{
	struct fixture *f = *state;

	put(f, "a/b", "old");
	assert_string_equal(list(f, ".snapshots"), "");
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	put(f, "a/b", "new");
	assert_int_equal(kt_snapshot_create(f->store, "%value"), 0);
	assert_string_equal(list(f, ""), "a");
	assert_string_equal(list(f, ".snapshots"), "%25value one");
	assert_string_equal(list(f, ".snapshots/one"), "a");
	assert_string_equal(read_path(f, "a/b"), "new");
	assert_string_equal(read_path(f, ".snapshots/one/a/b"), "old");
	assert_string_equal(read_path(f, ".snapshots/%25value/a/b"), "new");
	assert_string_equal(read_path(f, ".snapshots/two/a/b"), "ENOENT");
	assert_string_equal(read_path(f, ".snapshots/one/.snapshots/one/a/b"), "ENOENT");
	assert_string_equal(read_path(f, "a/.snapshots/one/a/b"), "ENOENT");
}

/* When a snapshot is deleted while nodes of it are held, every use of them fails. A new
 * snapshot of the same name is another file system. */
static void test_deleted(void **state)
{
	struct fixture *f = *state;
	uint64_t held, again;
	struct snapdir_node at;
	struct fs_file *file;
	struct stat stat;
	char byte;
	size_t size;

	put(f, "a", "old");
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	assert_int_equal(lookup(f, ".snapshots/s/a", &held), 0);
	assert_int_equal(snapdir_resolve(f->snapdir, held, &at), 0);
	assert_int_equal(fs_open_file(at.fs, at.node, O_RDONLY, &file), 0);
	assert_int_equal(kt_snapshot_delete(f->store, "s"), 0);
	assert_string_equal(read_node(f, held), "ESTALE");
	assert_int_equal(fs_getattr(at.fs, at.node, &stat), -ESTALE);
	assert_int_equal(fs_read(at.fs, file, 0, &byte, 1, &size), -ESTALE);
	assert_string_equal(read_path(f, ".snapshots/s/a"), "ENOENT");

	put(f, "a", "new");
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	assert_string_equal(read_node(f, held), "ESTALE");
	assert_string_equal(read_path(f, ".snapshots/s/a"), "new");
	assert_int_equal(lookup(f, ".snapshots/s/a", &again), 0);
	assert_int_not_equal(held, again);
	fs_release(at.fs, file);
	snapdir_forget(f->snapdir, held, 1);
	snapdir_forget(f->snapdir, again, 1);
}

/* Nodes that no kernel would name are refused. */
static void test_no_such_view(void **state)
{
	struct fixture *f = *state;
	struct snapdir_node at;

	for (unsigned bit = 53; bit < 64; bit++)
		assert_int_equal(snapdir_resolve(f->snapdir, UINT64_C(1) << bit, &at), -ESTALE);
	snapdir_forget(f->snapdir, UINT64_MAX, 1);
}

/* More snapshots can be used one after the other than at once, because idle ones are closed. */
static void test_many(void **state)
{
	struct fixture *f = *state;
	uint64_t held[1024], node;
	char path[64], text[16];
	int err = 0, count = 0;

	for (int i = 0; i < 1100; i++) {
		snprintf(text, sizeof(text), "%d", i);
		put(f, "n", text);
		assert_int_equal(kt_snapshot_create(f->store, text), 0);
		snprintf(path, sizeof(path), ".snapshots/%d/n", i);
		assert_string_equal(read_path(f, path), text);
	}
	while (!err && count < 1024) {
		snprintf(path, sizeof(path), ".snapshots/%d/n", count);
		err = lookup(f, path, &held[count]);
		count += !err;
	}
	assert_int_equal(err, -ENFILE);
	assert_string_equal(read_node(f, held[7]), "7");
	snapdir_forget(f->snapdir, held[3], 1);
	assert_int_equal(lookup(f, path, &node), 0);
	snapdir_forget(f->snapdir, node, 1);
	for (int i = 0; i < count; i++)
		snapdir_forget(f->snapdir, held[i], i != 3);
}

/* A subtree is the root, in the present and in snapshots. Snapshots without the subtree are not
 * found. */
static void test_subtree(void **state)
{
	struct fixture *f = *state;
	struct fs_options options = defaults;
	struct fixture part = {.store = f->store};

	put(f, "x", "");
	assert_int_equal(kt_snapshot_create(f->store, "before"), 0);
	options.subtree = "a/b";
	assert_int_equal(snapdir_open(f->store, &options, &part.snapdir), -ENOTDIR);
	put(f, "a/b", "itself");
	assert_int_equal(snapdir_open(f->store, &options, &part.snapdir), -ENOTDIR);
	put(f, "a/b/c/d", "then");
	put(f, "a/b-", "outside");
	assert_int_equal(kt_snapshot_create(f->store, "after"), 0);
	put(f, "a/b/c/d", "now");
	assert_int_equal(snapdir_open(f->store, &options, &part.snapdir), 0);
	assert_string_equal(list(&part, ""), "c");
	assert_string_equal(read_path(&part, "c/d"), "now");
	assert_string_equal(read_path(&part, ".snapshots/after/c/d"), "then");
	assert_string_equal(read_path(&part, ".snapshots/before/c/d"), "ENOENT");
	assert_int_equal(snapdir_close(part.snapdir), 0);
}

/* ---- threads --------------------------------------------------------------------------------- */

#define THREADS 4
#define NAMES 8

struct race {
	struct fixture *f;
	atomic_bool end;
	atomic_int reads;
};

static void *look_back(void *arg)
{
	struct race *race = arg;
	unsigned i = 0;

	while (!atomic_load(&race->end)) {
		char path[64], name[16];
		const char *text;

		snprintf(name, sizeof(name), "%u", i++ % NAMES);
		snprintf(path, sizeof(path), ".snapshots/%s/n", name);
		text = read_path(race->f, path);
		if (strcmp(text, "ENOENT") != 0 && strcmp(text, "ESTALE") != 0) {
			assert_string_equal(text, name);
			atomic_fetch_add(&race->reads, 1);
		}
	}
	return NULL;
}

/* Snapshots are taken, looked at and deleted by several threads at once; each shows its own. */
static void test_threads(void **state)
{
	struct race race = {.f = *state};
	pthread_t threads[THREADS];
	char name[16];

	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, look_back, &race), 0);
	for (unsigned i = 0; i < 400 || atomic_load(&race.reads) < 400; i++) {
		snprintf(name, sizeof(name), "%u", i % NAMES);
		kt_snapshot_delete(race.f->store, name);
		put(race.f, "n", name);
		assert_int_equal(kt_snapshot_create(race.f->store, name), 0);
	}
	atomic_store(&race.end, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_found, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_such_view, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_subtree, setup, teardown),
		cmocka_unit_test_setup_teardown(test_threads, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
