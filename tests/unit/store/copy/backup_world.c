#include "tests/unit/store/copy/backup_world.h"

#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

char backup_bytes[1 << 20];

int backup_put_text(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

void backup_fill(struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t id;
	char key[KT_KEY_MAX];

	for (size_t i = 0; i < sizeof(backup_bytes); i++)
		backup_bytes[i] = (char)(i * 7 + i / 4096);
	memset(key, 'k', sizeof(key));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (size_t i = 0; i < 2000; i++) {
		char name[16];

		snprintf(name, sizeof(name), "small/%zu", i);
		assert_int_equal(kt_put(txn, name, strlen(name), backup_bytes, i % 1500), 0);
	}
	assert_int_equal(kt_put(txn, "", 0, "of the empty key", 16), 0);
	assert_int_equal(kt_put(txn, key, sizeof(key), "of the longest", 14), 0);
	assert_int_equal(kt_put(txn, key, 1000, backup_bytes, 5000), 0);
	assert_int_equal(kt_put(txn, "large", 5, backup_bytes, sizeof(backup_bytes)), 0);
	assert_int_equal(kt_set_attr(txn, "large", 5, backup_bytes, 100000), 0);
	assert_int_equal(kt_set_mtime(txn, "large", 5, 12345), 0);
	for (uint64_t i = 0; i < 500; i++) /* a tree of extents, with holes */
		assert_int_equal(
			kt_write(txn, "sparse", 6, i * 20000, backup_bytes + i, 100 + i % 9000), 0);
	assert_int_equal(kt_truncate(txn, "hole", 4, 0), -ENOENT);
	assert_int_equal(kt_write(txn, "hole", 4, 1 << 30, "x", 1), 0);
	assert_int_equal(kt_new_id(txn, &id), 0);
	assert_int_equal(backup_put_text(kt_tree(txn, KT_DIRECTORIES), "made/", ""), 0);
	assert_int_equal(
		kt_put(kt_tree(txn, KT_NAMELESS), &id, sizeof(id), backup_bytes, 300000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

void backup_put_keys(struct kt_store *store, unsigned from, unsigned to, const char *value)
{
	struct kt_txn *txn;
	char key[16];

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	for (unsigned i = from; i < to; i++) {
		snprintf(key, sizeof(key), "n/%u", i);
		assert_int_equal(backup_put_text(txn, key, value), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void assert_same_stat(const struct kt_entry_info *a, const struct kt_entry_info *b)
{
	assert_int_equal(a->size, b->size);
	assert_int_equal(a->stored, b->stored);
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->mtime_ns, b->mtime_ns);
	assert_int_equal(a->attr.size, b->attr.size);
	if (a->attr.size > 0)
		assert_memory_equal(a->attr.data, b->attr.data, a->attr.size);
}

static void assert_same_value(struct kt_cursor *a, struct kt_cursor *b, uint64_t size)
{
	struct kt_slice of_a, of_b;

	if (size > 1 << 24) /* the hole */
		return;
	assert_int_equal(kt_cursor_value(a, &of_a), 0);
	assert_int_equal(kt_cursor_value(b, &of_b), 0);
	assert_int_equal(of_a.size, of_b.size);
	if (of_a.size > 0)
		assert_memory_equal(of_a.data, of_b.data, of_a.size);
}

static void assert_same_tree(struct kt_txn *a, struct kt_txn *b)
{
	struct kt_cursor *in_a, *in_b;
	struct kt_entry_info of_a, of_b;

	assert_int_equal(kt_cursor_open(a, &in_a), 0);
	assert_int_equal(kt_cursor_open(b, &in_b), 0);
	while (kt_cursor_next(in_a) == 0) {
		struct kt_slice key = kt_cursor_key(in_a);

		assert_int_equal(kt_cursor_next(in_b), 0);
		assert_int_equal(kt_cursor_key(in_b).size, key.size);
		assert_memory_equal(kt_cursor_key(in_b).data, key.data, key.size);
		assert_int_equal(kt_cursor_stat(in_a, &of_a), 0);
		assert_int_equal(kt_cursor_stat(in_b, &of_b), 0);
		assert_same_stat(&of_a, &of_b);
		assert_same_value(in_a, in_b, of_a.size);
	}
	assert_int_equal(kt_cursor_next(in_b), -ENOENT);
	kt_cursor_close(in_a);
	kt_cursor_close(in_b);
}

void backup_assert_same(struct kt_txn *a, struct kt_txn *b)
{
	for (unsigned tree = KT_ENTRIES; tree <= KT_NAMELESS; tree++)
		assert_same_tree(kt_tree(a, tree), kt_tree(b, tree));
}

struct kt_txn *backup_begin_read(struct kt_store *store)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	return txn;
}

void backup_make(struct kt_store *store, const char *path)
{
	struct kt_txn *txn = backup_begin_read(store);

	assert_int_equal(kt_backup(txn, path, 0, NULL, NULL), 0);
	kt_abort(txn);
}

struct kt_store *backup_open_copy(const char *path)
{
	struct kt_store *copy;
	struct kt_txn *txn;

	assert_int_equal(kt_open(path, NULL, &copy), 0);
	fixture_assert_sound(copy);
	assert_int_equal(kt_begin(copy, KT_WRITE, &txn), 0);
	assert_int_equal(backup_put_text(txn, "written to the copy", "x"), 0);
	assert_int_equal(kt_delete(txn, "written to the copy", 19, 0), 0);
	assert_int_equal(kt_commit(txn, KT_FLUSH), 0);
	fixture_assert_sound(copy);
	return copy;
}

void backup_assert_copy_is(struct fixture *f, struct kt_txn *expected)
{
	struct kt_store *copy = backup_open_copy(f->temp.copy);
	struct kt_txn *txn = backup_begin_read(copy);

	backup_assert_same(expected, txn);
	kt_abort(txn);
	assert_int_equal(kt_close(copy), 0);
}

static unsigned count_names(const struct fixture *f)
{
	DIR *dir = opendir(f->temp.dir);
	unsigned names = 0;

	while (readdir(dir) != NULL)
		names++;
	closedir(dir);
	return names - 2;
}

void backup_assert_none(const struct fixture *f)
{
	assert_int_equal(count_names(f), f->memory ? 0 : 2);
}

int backup_note_progress(void *arg, uint64_t done, uint64_t total)
{
	struct backup_progress *progress = arg;

	assert_true(done >= progress->done);
	assert_true(total == progress->total || progress->total == 0);
	progress->done = done;
	progress->total = total;
	return ++progress->calls == progress->stop_at ? -ECANCELED : 0;
}
