/* SQLite as an engine of the benchmarks: write-ahead log, one table without rowid, prepared
 * statements, reads through its memory map, 64 MiB of page cache. A commit that must be flushed
 * runs with synchronous=FULL, another one with OFF. */
#include "bench.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum statement {
	BEGIN,
	BEGIN_WRITE,
	COMMIT,
	GET,
	PUT,
	DELETE,
	SCAN,
	SCAN_ALL,
	STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
	[BEGIN] = "begin",
	[BEGIN_WRITE] = "begin immediate",
	[COMMIT] = "commit",
	[GET] = "select v from kv where k = ?1",
	[PUT] = "insert or replace into kv values (?1, ?2)",
	[DELETE] = "delete from kv where k = ?1",
	[SCAN] = "select k, v from kv where k >= ?1 and k < ?2 order by k",
	[SCAN_ALL] = "select k, v from kv order by k",
};

struct bench_db {
	sqlite3 *sqlite;
	sqlite3_stmt *statements[STATEMENTS];
	bool sync; /* synchronous=FULL is set, else OFF */
};

static void must(const struct bench_db *db, bool ok)
{
	if (!ok)
		bench_fail("SQLite: %s", sqlite3_errmsg(db->sqlite));
}

static void run(struct bench_db *db, enum statement statement)
{
	must(db, sqlite3_step(db->statements[statement]) == SQLITE_DONE);
	sqlite3_reset(db->statements[statement]);
}

static void bind(
	struct bench_db *db, enum statement statement, int place, const void *data, size_t size)
{
	must(db, sqlite3_bind_blob64(db->statements[statement], place, data, size, SQLITE_STATIC) ==
			 SQLITE_OK);
}

static struct bench_db *sqlite_open(const char *directory)
{
	struct bench_db *db = calloc(1, sizeof(*db));
	char path[4096];

	bench_check(db);
	snprintf(path, sizeof(path), "%s/store.sqlite", directory);
	must(db, sqlite3_open(path, &db->sqlite) == SQLITE_OK);
	must(db, sqlite3_exec(db->sqlite,
			 "pragma journal_mode=wal; pragma mmap_size=68719476736;"
			 "pragma cache_size=-65536; pragma synchronous=full;"
			 "create table if not exists kv (k blob primary key, v blob) without rowid",
			 NULL, NULL, NULL) == SQLITE_OK);
	db->sync = true;
	for (int i = 0; i < STATEMENTS; i++)
		must(db, sqlite3_prepare_v3(db->sqlite, statement_sql[i], -1,
				 SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL) == SQLITE_OK);
	return db;
}

static void sqlite_close(struct bench_db *db)
{
	for (int i = 0; i < STATEMENTS; i++)
		sqlite3_finalize(db->statements[i]);
	must(db, sqlite3_close(db->sqlite) == SQLITE_OK);
	free(db);
}

static void sqlite_begin(struct bench_db *db, enum bench_mode mode)
{
	bool sync = mode == BENCH_WRITE_FLUSHED;

	if (mode != BENCH_READ && sync != db->sync) {
		/* Not prepared: a prepared pragma takes effect when it is prepared. */
		must(db, sqlite3_exec(db->sqlite,
				 sync ? "pragma synchronous=full" : "pragma synchronous=off", NULL,
				 NULL, NULL) == SQLITE_OK);
		db->sync = sync;
	}
	run(db, mode == BENCH_READ ? BEGIN : BEGIN_WRITE);
}

static void sqlite_commit(struct bench_db *db)
{
	sqlite3_reset(db->statements[GET]);
	run(db, COMMIT);
}

static const void *sqlite_get(
	struct bench_db *db, const void *key, size_t key_size, size_t *ret_size)
{
	sqlite3_stmt *get = db->statements[GET];

	sqlite3_reset(get);
	bind(db, GET, 1, key, key_size);
	must(db, sqlite3_step(get) == SQLITE_ROW);
	*ret_size = (size_t)sqlite3_column_bytes(get, 0);
	return sqlite3_column_blob(get, 0);
}

static void sqlite_put(
	struct bench_db *db, const void *key, size_t key_size, const void *value, size_t value_size)
{
	bind(db, PUT, 1, key, key_size);
	bind(db, PUT, 2, value, value_size);
	run(db, PUT);
}

static void sqlite_del(struct bench_db *db, const void *key, size_t key_size)
{
	bind(db, DELETE, 1, key, key_size);
	run(db, DELETE);
}

static uint64_t sqlite_scan(
	struct bench_db *db, const void *prefix, size_t prefix_size, size_t *ret_count)
{
	enum statement statement = prefix_size > 0 ? SCAN : SCAN_ALL;
	sqlite3_stmt *scan = db->statements[statement];
	unsigned char end[64];
	uint64_t sum = 0;
	size_t count = 0;
	int got;

	if (prefix_size > 0) {
		bench_check(prefix_size <= sizeof(end));
		memcpy(end, prefix, prefix_size);
		end[prefix_size - 1]++;
		bind(db, SCAN, 1, prefix, prefix_size);
		bind(db, SCAN, 2, end, prefix_size);
	}
	while ((got = sqlite3_step(scan)) == SQLITE_ROW) {
		const void *value = sqlite3_column_blob(scan, 1);

		sum = bench_sum(sum, value, (size_t)sqlite3_column_bytes(scan, 1));
		sum += (uint64_t)sqlite3_column_bytes(scan, 0);
		count++;
	}
	must(db, got == SQLITE_DONE);
	sqlite3_reset(scan);
	*ret_count = count;
	return sum;
}

const struct bench_engine bench_sqlite = {
	.name = "SQLite",
	.open = sqlite_open,
	.close = sqlite_close,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.get = sqlite_get,
	.put = sqlite_put,
	.del = sqlite_del,
	.scan = sqlite_scan,
};
