/* A file system over a store: opening and closing, and the application's side. See world.h. */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- the world ------------------------------------------------------------------------------- */

static void open_store(struct world *world)
{
	char path[128];

	if (world->dir[0] == '\0') {
		assert_int_equal(kt_open_memory("world", &world->store), 0);
		return;
	}
	snprintf(path, sizeof(path), "%s/store.kt", world->dir);
	assert_int_equal(kt_open(path, KT_OPTIONS(.flags = KT_CREATE), &world->store), 0);
}

void world_open(struct world *world, bool in_file)
{
	memset(world, 0, sizeof(*world));
	world->options = (struct fs_options){
		.uid = 500, .gid = 501, .file_mode = 0644, .dir_mode = 0755, .commit_seconds = 5};
	if (in_file) {
		strcpy(world->dir, "/tmp/keytree-world-XXXXXX");
		assert_non_null(mkdtemp(world->dir));
	}
	open_store(world);
	assert_int_equal(fs_open(world->store, &world->options, &world->fs), 0);
}

static void report_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("page %llu: %s\n", (unsigned long long)page, message);
}

static void check_store(struct world *world)
{
	uint64_t findings;

	assert_int_equal(kt_check(world->store, report_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

void world_close(struct world *world)
{
	char path[128];

	assert_int_equal(fs_close(world->fs), 0);
	check_store(world);
	assert_int_equal(kt_close(world->store), 0);
	if (world->dir[0] == '\0')
		return;
	snprintf(path, sizeof(path), "%s/store.kt", world->dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/store.kt-lock", world->dir);
	unlink(path);
	rmdir(world->dir);
}

static int setup(void **state, bool in_file)
{
	*state = malloc(sizeof(struct world));
	assert_non_null(*state);
	world_open(*state, in_file);
	return 0;
}

int world_setup_memory(void **state)
{
	return setup(state, false);
}

int world_setup_file(void **state)
{
	return setup(state, true);
}

int world_teardown(void **state)
{
	world_close(*state);
	free(*state);
	return 0;
}

void world_remount(struct world *world)
{
	assert_int_equal(fs_close(world->fs), 0);
	if (world->dir[0] != '\0') {
		assert_int_equal(kt_close(world->store), 0);
		open_store(world);
	}
	assert_int_equal(fs_open(world->store, &world->options, &world->fs), 0);
}

/* ---- the application's side ------------------------------------------------------------------ */

void world_put(struct world *world, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(world->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

void world_put_all(struct world *world, const char *const *keys)
{
	for (; *keys != NULL; keys++)
		world_put(world, *keys, "");
}

void world_delete(struct world *world, const char *key)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(world->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_delete(txn, key, strlen(key), 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

const char *world_keys(struct world *world)
{
	struct kt_cursor *cursor;
	struct kt_txn *txn;
	size_t used = 0;

	assert_int_equal(kt_begin(world->store, KT_READ, &txn), 0);
	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	world->text[0] = '\0';
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor), value;

		assert_int_equal(kt_cursor_value(cursor, &value), 0);
		used += (size_t)snprintf(world->text + used, sizeof(world->text) - used,
			"%s%.*s=%.*s", used ? " " : "", (int)key.size, (const char *)key.data,
			(int)value.size, value.size ? (const char *)value.data : "");
	}
	kt_cursor_close(cursor);
	kt_abort(txn);
	return world->text;
}

uint64_t world_txn(struct world *world)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(world->store, &info), 0);
	return info.txn;
}

size_t world_count(struct world *world, enum kt_tree_id tree)
{
	struct kt_cursor *cursor;
	struct kt_txn *txn;
	size_t count = 0;

	assert_int_equal(kt_begin(world->store, KT_READ, &txn), 0);
	assert_int_equal(kt_cursor_open(kt_tree(txn, tree), &cursor), 0);
	while (kt_cursor_next(cursor) == 0)
		count++;
	kt_cursor_close(cursor);
	kt_abort(txn);
	return count;
}
