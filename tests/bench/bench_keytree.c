/* keytree as an engine of the benchmarks. */
#include "bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "keytree.h"

struct bench_db {
	struct kt_store *store;
	struct kt_txn *txn;
	struct kt_cursor *cursor;
	enum bench_mode mode;
};

static void must(const struct bench_db *db, int err)
{
	if (err < 0)
		bench_fail("keytree: %s", kt_strerror(db->store, err));
}

static struct bench_db *keytree_open(const char *directory)
{
	struct bench_db *db = calloc(1, sizeof(*db));
	char path[4096];

	bench_check(db);
	snprintf(path, sizeof(path), "%s/store.kt", directory);
	must(db, kt_open(path, KT_OPTIONS(.flags = KT_CREATE), &db->store));
	return db;
}

static void keytree_close(struct bench_db *db)
{
	must(db, kt_close(db->store));
	free(db);
}

static void keytree_begin(struct bench_db *db, enum bench_mode mode)
{
	db->mode = mode;
	must(db, kt_begin(db->store, mode == BENCH_READ ? KT_READ : KT_WRITE, &db->txn));
}

static void keytree_commit(struct bench_db *db)
{
	kt_cursor_close(db->cursor);
	db->cursor = NULL;
	must(db, kt_commit(db->txn, db->mode == BENCH_WRITE_FLUSHED ? KT_FLUSH : 0));
}

static const void *keytree_get(
	struct bench_db *db, const void *key, size_t key_size, size_t *ret_size)
{
	struct kt_slice value;

	must(db, kt_get(db->txn, key, key_size, &value));
	*ret_size = value.size;
	return value.data;
}

static void keytree_put(
	struct bench_db *db, const void *key, size_t key_size, const void *value, size_t value_size)
{
	must(db, kt_put(db->txn, key, key_size, value, value_size));
}

static void keytree_del(struct bench_db *db, const void *key, size_t key_size)
{
	must(db, kt_delete(db->txn, key, key_size, 0));
}

static uint64_t keytree_scan(
	struct bench_db *db, const void *prefix, size_t prefix_size, size_t *ret_count)
{
	struct kt_slice value;
	uint64_t sum = 0;
	size_t count = 0;
	int err;

	if (!db->cursor)
		must(db, kt_cursor_open(db->txn, &db->cursor));
	must(db, kt_cursor_set_prefix(db->cursor, prefix, prefix_size));
	for (err = kt_cursor_first(db->cursor); !err; err = kt_cursor_next(db->cursor)) {
		must(db, kt_cursor_value(db->cursor, &value));
		sum = bench_sum(sum, value.data, value.size) + kt_cursor_key(db->cursor).size;
		count++;
	}
	if (err != -ENOENT)
		must(db, err);
	*ret_count = count;
	return sum;
}

static void keytree_patch(struct bench_db *db, const void *key, size_t key_size, uint64_t offset,
	const void *data, size_t size)
{
	must(db, kt_write(db->txn, key, key_size, offset, data, size));
}

const struct bench_engine bench_keytree = {
	.name = "keytree",
	.open = keytree_open,
	.close = keytree_close,
	.begin = keytree_begin,
	.commit = keytree_commit,
	.get = keytree_get,
	.put = keytree_put,
	.del = keytree_del,
	.scan = keytree_scan,
	.patch = keytree_patch,
};
