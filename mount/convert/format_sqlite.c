/* SQLite: a table with a column of keys and one of values, as programs keep them that use SQLite as
 * a key/value store.
 *
 * Bytes that are UTF-8 are TEXT, so that a comparison with a text finds them; others are BLOB. What
 * is read may be of any type; a number counts as its text. Attributes and made directories have no
 * place there.
 */
#include "mount/convert/formats.h"
#include "mount/text/utf8.h"

#include <sqlite3.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_TABLE "kv"
#define DEFAULT_KEY "key"
#define DEFAULT_VALUE "value"

static const char *or_default(const char *given, const char *usual)
{
	return given != NULL ? given : usual;
}

/* The error of the last call, as the reason. */
static int sqlite_fail(struct convert *convert, sqlite3 *db)
{
	int code = sqlite3_errcode(db);

	if (code == SQLITE_NOMEM)
		return -ENOMEM;
	if (code == SQLITE_FULL)
		return -ENOSPC;
	return convert_malformed(convert, "%s", sqlite3_errmsg(db));
}

static int open_db(struct convert *convert, int flags, sqlite3 **ret_db)
{
	if (sqlite3_open_v2(convert->file, ret_db, flags, NULL) == SQLITE_OK)
		return 0;
	return *ret_db != NULL ? sqlite_fail(convert, *ret_db) : -ENOMEM;
}

/* Run a statement made of a format of sqlite3_mprintf(): %w is a quoted name. */
static int sqlite_run(struct convert *convert, sqlite3 *db, char *sql)
{
	int err = sql == NULL ? -ENOMEM : 0;

	if (!err && sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		err = sqlite_fail(convert, db);
	sqlite3_free(sql);
	return err;
}

static int sqlite_prepare(
	struct convert *convert, sqlite3 *db, char *sql, sqlite3_stmt **ret_statement)
{
	int err = sql == NULL ? -ENOMEM : 0;

	*ret_statement = NULL;
	if (!err && sqlite3_prepare_v2(db, sql, -1, ret_statement, NULL) != SQLITE_OK)
		err = sqlite_fail(convert, db);
	sqlite3_free(sql);
	return err;
}

/* ---- write ---- */

struct writer {
	sqlite3 *db;
	sqlite3_stmt *insert;
	const char *table, *value_column;
	sqlite3_blob *blob; /* of a large value */
};

static int sqlite_bind(sqlite3_stmt *statement, int column, struct kt_slice bytes)
{
	const char *data = bytes.size > 0 ? bytes.data : "";

	if (utf8_is_valid(data, bytes.size) && memchr(data, '\0', bytes.size) == NULL)
		return sqlite3_bind_text64(
			statement, column, data, bytes.size, SQLITE_STATIC, SQLITE_UTF8);
	return sqlite3_bind_blob64(statement, column, data, bytes.size, SQLITE_STATIC);
}

static int sqlite_write_piece(void *arg, uint64_t offset, const void *data, size_t size)
{
	struct writer *writer = arg;

	return sqlite3_blob_write(writer->blob, data, (int)size, (int)offset) == SQLITE_OK ? 0
											   : -EIO;
}

/* Write the pieces of a value whose row has zeros so far. */
static int write_large(struct writer *writer, struct convert *convert, const struct record *record)
{
	int err;

	if (sqlite3_blob_open(writer->db, "main", writer->table, writer->value_column,
		    sqlite3_last_insert_rowid(writer->db), 1, &writer->blob) != SQLITE_OK)
		return sqlite_fail(convert, writer->db);
	err = convert_each_piece(convert, record, sqlite_write_piece, writer);
	if (sqlite3_blob_close(writer->blob) != SQLITE_OK && !err)
		err = sqlite_fail(convert, writer->db);
	return err;
}

static int sqlite_write_record(void *arg, struct convert *convert, const struct record *record)
{
	struct writer *writer = arg;
	bool large = record->stat.size > CONVERT_PIECE_SIZE;
	struct kt_slice value = {NULL, 0};
	int code, err = 0;

	if (record->is_directory)
		return 0;
	if (record->stat.size > INT32_MAX)
		return convert_malformed(convert, "a value is too large for SQLite");
	if (!large)
		err = kt_cursor_value(record->cursor, &value);
	if (err != 0)
		return err;
	code = sqlite_bind(writer->insert, 1, record->key);
	if (code == SQLITE_OK)
		code = large ? sqlite3_bind_zeroblob64(writer->insert, 2, record->stat.size)
			     : sqlite_bind(writer->insert, 2, value);
	if (code != SQLITE_OK || sqlite3_step(writer->insert) != SQLITE_DONE)
		err = sqlite_fail(convert, writer->db);
	sqlite3_reset(writer->insert);
	return !err && large ? write_large(writer, convert, record) : err;
}

/* A new file needs no journal: it is thrown away unless it becomes complete. */
static int write_table(struct convert *convert, struct writer *writer)
{
	const char *key = or_default(convert->key_column, DEFAULT_KEY);
	int err = sqlite_run(convert, writer->db,
		sqlite3_mprintf("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;"
				"CREATE TABLE \"%w\" (\"%w\" TEXT NOT NULL PRIMARY KEY, \"%w\" "
				"BLOB NOT NULL)",
			writer->table, key, writer->value_column));

	if (!err)
		err = sqlite_prepare(convert, writer->db,
			sqlite3_mprintf("INSERT INTO \"%w\" (\"%w\", \"%w\") VALUES (?, ?)",
				writer->table, key, writer->value_column),
			&writer->insert);
	if (!err)
		err = convert_each_record(convert, sqlite_write_record, writer);
	sqlite3_finalize(writer->insert);
	return err != 0 ? err : sqlite_run(convert, writer->db, sqlite3_mprintf("COMMIT"));
}

static int write_sqlite(struct convert *convert)
{
	struct writer writer = {
		.table = or_default(convert->table, DEFAULT_TABLE),
		.value_column = or_default(convert->value_column, DEFAULT_VALUE),
	};
	int err = open_db(convert, SQLITE_OPEN_READWRITE, &writer.db);

	if (!err)
		err = write_table(convert, &writer);
	if (sqlite3_close(writer.db) != SQLITE_OK && !err)
		err = -EIO;
	return err;
}

/* ---- which table and columns ---- */

/* What was named, or else is found: the only table, and columns with usual names. */
struct names {
	char *table, *key, *value; /* of sqlite3_malloc() */
};

/* Run a query for names and take the first column of its only row. @param sql  taken */
static int query_name(
	struct convert *convert, sqlite3 *db, char *sql, const char *what, char **ret_name)
{
	sqlite3_stmt *statement;
	int err = sqlite_prepare(convert, db, sql, &statement), code;

	if (err != 0)
		return err;
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW)
		*ret_name = sqlite3_mprintf("%s", sqlite3_column_text(statement, 0));
	if (code == SQLITE_DONE)
		err = convert_malformed(convert, "%s", what);
	else if (code != SQLITE_ROW)
		err = sqlite_fail(convert, db);
	else if (*ret_name == NULL)
		err = -ENOMEM;
	if (!err && sqlite3_step(statement) == SQLITE_ROW)
		err = convert_malformed(convert, "%s", what);
	sqlite3_finalize(statement);
	return err;
}

static int find_table(struct convert *convert, sqlite3 *db, char **ret_name)
{
	if (convert->table == NULL)
		return query_name(convert, db,
			sqlite3_mprintf("SELECT name FROM sqlite_schema WHERE type = 'table' "
					"AND name NOT LIKE 'sqlite_%%'"),
			"there is no table, or more than one; name the table with --table",
			ret_name);
	*ret_name = sqlite3_mprintf("%s", convert->table);
	return *ret_name != NULL ? 0 : -ENOMEM;
}

static int find_column(struct convert *convert, sqlite3 *db, const char *table, const char *given,
	const char *usual, const char *what, char **ret_name)
{
	if (given == NULL)
		return query_name(convert, db,
			sqlite3_mprintf("SELECT name FROM pragma_table_info(%Q) "
					"WHERE instr(%Q, ' ' || lower(name) || ' ') "
					"ORDER BY instr(%Q, ' ' || lower(name) || ' ') LIMIT 1",
				table, usual, usual),
			what, ret_name);
	*ret_name = sqlite3_mprintf("%s", given);
	return *ret_name != NULL ? 0 : -ENOMEM;
}

static int find_names(struct convert *convert, sqlite3 *db, struct names *names)
{
	int err = find_table(convert, db, &names->table);

	if (!err)
		err = find_column(convert, db, names->table, convert->key_column,
			" key k name path id ",
			"cannot tell the column of keys; name it with --key", &names->key);
	if (!err)
		err = find_column(convert, db, names->table, convert->value_column,
			" value val v data content ",
			"cannot tell the column of values; name it with --value", &names->value);
	return err;
}

/* ---- read ---- */

/* Bytes of a column, whatever its type. sqlite3_column_blob() gives those of a number's text only
 * after it was asked for as text. */
static int read_column(sqlite3_stmt *statement, int column, struct kt_slice *ret_bytes)
{
	int type = sqlite3_column_type(statement, column);

	if (type == SQLITE_NULL)
		return -ENOENT;
	ret_bytes->data = type == SQLITE_BLOB
				  ? sqlite3_column_blob(statement, column)
				  : (const void *)sqlite3_column_text(statement, column);
	ret_bytes->size = (size_t)sqlite3_column_bytes(statement, column);
	return ret_bytes->data == NULL && ret_bytes->size > 0 ? -ENOMEM : 0;
}

static int read_row(struct convert *convert, sqlite3_stmt *select)
{
	struct kt_slice key, value;
	int err = read_column(select, 0, &key);

	if (err == -ENOENT)
		return convert_malformed(
			convert, "row %" PRIu64 ": the key is NULL", convert->records + 1);
	if (!err && key.size > KT_KEY_MAX)
		return convert_malformed(convert,
			"row %" PRIu64 ": the key is longer than %d bytes", convert->records + 1,
			KT_KEY_MAX);
	if (!err)
		err = read_column(select, 1, &value);
	if (err == -ENOENT)
		return convert_malformed(
			convert, "row %" PRIu64 ": the value is NULL", convert->records + 1);
	return err != 0 ? err : convert_put_value(convert, &key, &value);
}

static int read_rows(struct convert *convert, sqlite3 *db, const struct names *names)
{
	sqlite3_stmt *select;
	uint64_t done = 0;
	int code = SQLITE_DONE;
	int err = sqlite_prepare(convert, db,
		sqlite3_mprintf("SELECT t.\"%w\", t.\"%w\" FROM \"%w\" AS t", names->key,
			names->value, names->table),
		&select);

	while (!err && (code = sqlite3_step(select)) == SQLITE_ROW) {
		err = read_row(convert, select);
		done += (uint64_t)sqlite3_column_bytes(select, 0);
		done += (uint64_t)sqlite3_column_bytes(select, 1);
		if (!err)
			err = convert_record_done(convert, done);
	}
	if (!err && code != SQLITE_DONE)
		err = sqlite_fail(convert, db);
	sqlite3_finalize(select);
	return err;
}

static int read_sqlite(struct convert *convert)
{
	struct names names = {0};
	sqlite3 *db = NULL;
	int err = open_db(convert, SQLITE_OPEN_READONLY, &db);

	if (!err)
		err = find_names(convert, db, &names);
	if (!err)
		err = read_rows(convert, db, &names);
	sqlite3_free(names.table);
	sqlite3_free(names.key);
	sqlite3_free(names.value);
	sqlite3_close(db);
	return err;
}

const struct format format_sqlite = {
	.name = "sqlite",
	.endings = " .sqlite .sqlite3 .db",
	.write = write_sqlite,
	.read = read_sqlite,
};
