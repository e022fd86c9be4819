/* LMDB as an engine of the benchmarks, used as its manual advises: default environment (no writable
 * map), a read transaction reset and renewed rather than begun anew, a cursor kept for the
 * transaction. A commit that need not be flushed runs with MDB_NOSYNC. */
#include "bench.h"

#include <lmdb.h>
#include <stdlib.h>
#include <string.h>

#define MAP_SIZE_BYTES ((size_t)64 << 30)

struct bench_db {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *txn;	 /* open now */
	MDB_txn *reader; /* kept between read transactions */
	MDB_cursor *cursor;
	bool nosync;
};

static void must(int err)
{
	if (err != 0)
		bench_fail("LMDB: %s", mdb_strerror(err));
}

static void begin(struct bench_db *db, enum bench_mode mode)
{
	bool nosync = mode == BENCH_WRITE;

	if (mode == BENCH_READ) {
		if (db->reader)
			must(mdb_txn_renew(db->reader));
		else
			must(mdb_txn_begin(db->env, NULL, MDB_RDONLY, &db->reader));
		db->txn = db->reader;
		return;
	}
	if (nosync != db->nosync) {
		must(mdb_env_set_flags(db->env, MDB_NOSYNC, nosync));
		db->nosync = nosync;
	}
	must(mdb_txn_begin(db->env, NULL, 0, &db->txn));
}

static void commit(struct bench_db *db)
{
	if (db->cursor)
		mdb_cursor_close(db->cursor);
	db->cursor = NULL;
	if (db->txn == db->reader)
		mdb_txn_reset(db->reader);
	else
		must(mdb_txn_commit(db->txn));
	db->txn = NULL;
}

static struct bench_db *lmdb_open(const char *directory)
{
	struct bench_db *db = calloc(1, sizeof(*db));

	bench_check(db);
	must(mdb_env_create(&db->env));
	must(mdb_env_set_mapsize(db->env, MAP_SIZE_BYTES));
	must(mdb_env_open(db->env, directory, 0, 0600));
	begin(db, BENCH_WRITE_FLUSHED);
	must(mdb_dbi_open(db->txn, NULL, MDB_CREATE, &db->dbi));
	commit(db);
	return db;
}

static void lmdb_close(struct bench_db *db)
{
	mdb_txn_abort(db->reader);
	must(mdb_env_sync(db->env, 1));
	mdb_env_close(db->env);
	free(db);
}

static const void *lmdb_get(struct bench_db *db, const void *key, size_t key_size, size_t *ret_size)
{
	MDB_val k = {key_size, (void *)key}, v;

	must(mdb_get(db->txn, db->dbi, &k, &v));
	*ret_size = v.mv_size;
	return v.mv_data;
}

static void lmdb_put(
	struct bench_db *db, const void *key, size_t key_size, const void *value, size_t value_size)
{
	MDB_val k = {key_size, (void *)key}, v = {value_size, (void *)value};

	must(mdb_put(db->txn, db->dbi, &k, &v, 0));
}

static void lmdb_del(struct bench_db *db, const void *key, size_t key_size)
{
	MDB_val k = {key_size, (void *)key};

	must(mdb_del(db->txn, db->dbi, &k, NULL));
}

static uint64_t lmdb_scan(
	struct bench_db *db, const void *prefix, size_t prefix_size, size_t *ret_count)
{
	MDB_val k = {prefix_size, (void *)prefix}, v;
	uint64_t sum = 0;
	size_t count = 0;
	int err;

	if (!db->cursor)
		must(mdb_cursor_open(db->txn, db->dbi, &db->cursor));
	err = mdb_cursor_get(db->cursor, &k, &v, prefix_size > 0 ? MDB_SET_RANGE : MDB_FIRST);
	while (!err && k.mv_size >= prefix_size && memcmp(k.mv_data, prefix, prefix_size) == 0) {
		sum = bench_sum(sum, v.mv_data, v.mv_size) + k.mv_size;
		count++;
		err = mdb_cursor_get(db->cursor, &k, &v, MDB_NEXT);
	}
	if (err != MDB_NOTFOUND)
		must(err);
	*ret_count = count;
	return sum;
}

const struct bench_engine bench_lmdb = {
	.name = "LMDB",
	.open = lmdb_open,
	.close = lmdb_close,
	.begin = begin,
	.commit = commit,
	.get = lmdb_get,
	.put = lmdb_put,
	.del = lmdb_del,
	.scan = lmdb_scan,
};
