/* Nodes are freed when the kernel forgets them. */
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 200000

struct walked {
	uint64_t nodes[MANY + 100];
	size_t count;
};

/* Anonymous memory of this process. */
static size_t resident_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[128];

	assert_non_null(status);
	while (kib == 0 && fgets(line, sizeof(line), status) != NULL)
		(void)sscanf(line, "RssAnon: %lu", &kib);
	fclose(status);
	return kib;
}

static void put_files(struct world *w, int count)
{
	struct kt_txn *txn;
	char key[32];

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (int i = 0; i < count; i++) {
		int size = snprintf(key, sizeof(key), "d%d/e%d/f%d", i % 3, i % 7, i);

		assert_int_equal(kt_put(txn, key, (size_t)size, NULL, 0), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

static bool take_node(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	struct walked *walked = arg;

	(void)name;
	(void)offset;
	if (entry->node != 0)
		walked->nodes[walked->count++] = entry->node;
	return true;
}

/* List everything below the root, with attributes. The listing refers to each node. */
static struct walked *walk(struct world *w)
{
	struct walked *walked = calloc(1, sizeof(*walked));

	assert_non_null(walked);
	walked->nodes[walked->count++] = FS_ROOT;
	for (size_t i = 0; i < walked->count; i++) {
		struct fs_dir *dir;

		if (fs_opendir(w->fs, walked->nodes[i], &dir) != 0)
			continue; /* a file */
		assert_int_equal(fs_readdir(w->fs, dir, 0, true, take_node, walked), 0);
		fs_releasedir(w->fs, dir);
	}
	return walked;
}

static void forget(struct world *w, struct walked *walked)
{
	for (size_t i = 1; i < walked->count; i++)
		fs_forget(w->fs, walked->nodes[i], 1);
	free(walked);
}

/* After a walk through everything, no node is left when all are forgotten, even if directories
 * are forgotten before what is in them. */
static void test_walk_and_forget(void **state)
{
	struct world *w = *state;
	struct walked *walked;

	put_files(w, 3000);
	assert_int_equal(world_link(w, "d0/e0/f0", "d1/link"), 0);
	assert_int_equal(fs_fsync(w->fs, NULL), 0); /* of a directory that has changed, too */
	assert_true(fs_is_idle(w->fs));
	walked = walk(w);
	assert_true(walked->count > 3000 && !fs_is_idle(w->fs));
	forget(w, walked);
	assert_true(fs_is_idle(w->fs));
}

/* The memory of many nodes goes back to the system, even if one node stays. */
static void test_memory(void **state)
{
	struct world *w = *state;
	struct walked *walked;
	size_t before, most;

	if (getenv("KEYTREE_BRIEF") != NULL)
		skip(); /* a sanitizer's allocator keeps what is free */
	put_files(w, MANY);
	before = resident_kib();
	walked = walk(w);
	most = resident_kib();
	assert_true(most > before + MANY * 200 / 1024);
	walked->count--;
	forget(w, walked);
	assert_true(resident_kib() < before + (most - before) / 2);
}

/* An entry says whether its file was referred to before: the client cache may have been told of
 * the file since the entry was returned. */
static void test_known(void **state)
{
	const struct fs_caller caller = {.uid = 1};
	struct fs_entry made, opened, linked;
	struct world *w = *state;
	struct fs_file *file;

	assert_int_equal(fs_create(w->fs, &caller, FS_ROOT, "a", 0644, O_RDWR, &made, &file), 0);
	assert_false(made.known);
	fs_release(w->fs, file);
	assert_int_equal(fs_create(w->fs, &caller, FS_ROOT, "a", 0644, O_RDWR, &opened, &file), 0);
	assert_true(opened.known);
	fs_release(w->fs, file);
	assert_int_equal(fs_link(w->fs, made.node, FS_ROOT, "b", &linked), 0);
	assert_true(linked.known);
	fs_forget(w->fs, made.node, 3);
	assert_int_equal(fs_create(w->fs, &caller, FS_ROOT, "a", 0644, O_RDWR, &opened, &file), 0);
	assert_false(opened.known);
	fs_release(w->fs, file);
	fs_forget(w->fs, opened.node, 1);
}

/* All lookups of a file give the same node. It is freed when all of them are forgotten, and its
 * number is not used for another file then. */
static void test_nodes(void **state)
{
	struct world *w = *state;
	struct fs_entry a, b;

	world_put(w, "a", "");
	assert_int_equal(world_lookup(w, "a", &a), 0);
	assert_int_equal(world_lookup(w, "a", &b), 0);
	assert_int_equal(a.node, b.node);
	fs_forget(w->fs, a.node, 1);
	assert_int_equal(fs_getattr(w->fs, a.node, &a.stat), 0);
	fs_forget(w->fs, a.node, 1);
	assert_int_equal(fs_getattr(w->fs, a.node, &a.stat), -ESTALE);
	assert_int_equal(world_lookup(w, "a", &b), 0);
	assert_int_not_equal(a.node, b.node);
	assert_int_equal(fs_getattr(w->fs, a.node, &a.stat), -ESTALE);
	world_forget(w, &b);
	assert_int_equal(fs_getattr(w->fs, UINT64_MAX, &a.stat), -ESTALE);
	assert_int_equal(fs_getattr(w->fs, 0, &a.stat), -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_walk_and_forget, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_memory, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_known, world_setup_memory, world_teardown),
		cmocka_unit_test_setup_teardown(test_nodes, world_setup_memory, world_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
