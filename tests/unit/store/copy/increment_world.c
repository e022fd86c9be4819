#include "tests/unit/store/copy/increment_world.h"

#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include "store/copy/increment.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

char increment_bytes[1 << 20];

int increment_setup(void **state)
{
	struct increment_world *f = calloc(1, sizeof(*f));

	*state = f;
	for (size_t i = 0; i < sizeof(increment_bytes); i++)
		increment_bytes[i] = (char)(i * 7 + i / 4096 + 1);
	if (temp_make(&f->temp) != 0)
		return -1;
	snprintf(f->copy_path, sizeof(f->copy_path), "%s/copy.kt", f->temp.dir);
	snprintf(f->path, sizeof(f->path), "%s/increment", f->temp.dir);
	return kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

int increment_teardown(void **state)
{
	struct increment_world *f = *state;

	kt_close(f->copy);
	kt_close(f->store);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

struct kt_txn *increment_begin_read(struct kt_store *store)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	return txn;
}

struct kt_txn *increment_begin_write(struct kt_store *store)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	return txn;
}

struct kt_txn *increment_open_snapshot(struct kt_store *store, const char *name)
{
	struct kt_txn *txn;

	assert_int_equal(kt_snapshot_open(store, name, &txn), 0);
	return txn;
}

void increment_put_text(struct kt_store *store, const char *key, const char *value)
{
	struct kt_txn *txn = increment_begin_write(store);

	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_message("page %llu: %s\n", (unsigned long long)page, message);
}

void increment_assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, print_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/* The point in time of a name; NULL: now. */
static struct kt_txn *point(struct kt_store *store, const char *name)
{
	return name != NULL ? increment_open_snapshot(store, name) : increment_begin_read(store);
}

int increment_make(struct kt_store *store, const char *since, const char *to)
{
	struct kt_txn *base = point(store, since), *end = point(store, to);
	int fd = memfd_create("increment", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(kt_backup_since_fd(end, base, fd, NULL, NULL), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	kt_abort(base);
	kt_abort(end);
	return fd;
}

uint64_t increment_size(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

int increment_apply(struct kt_store *store, int fd, unsigned flags)
{
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return kt_apply(store, fd, flags, NULL, NULL);
}

void increment_follow(struct increment_world *f, const char *since, const char *to, unsigned flags)
{
	int fd = increment_make(f->store, since, to);
	int err = increment_apply(f->copy, fd, flags);

	if (err != 0)
		print_message("%s\n", kt_strerror(f->copy, err));
	assert_int_equal(err, 0);
	close(fd);
}

void increment_back_up(struct increment_world *f, const char *name)
{
	struct kt_txn *txn = point(f->store, name);

	assert_int_equal(kt_backup(txn, f->copy_path, 0, NULL, NULL), 0);
	kt_abort(txn);
	assert_int_equal(kt_open(f->copy_path, NULL, &f->copy), 0);
}

uint64_t increment_commit_of(struct kt_store *store)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(store, &info), 0);
	return info.txn;
}

static void assert_same_ranges(struct kt_txn *a, struct kt_txn *b, const struct kt_slice *key)
{
	uint64_t begin[2], end[2] = {0, 0};
	int err;

	do {
		err = kt_next_data(a, key->data, key->size, end[0], &begin[0], &end[0]);
		assert_int_equal(
			kt_next_data(b, key->data, key->size, end[1], &begin[1], &end[1]), err);
		assert_true(err != 0 || (begin[0] == begin[1] && end[0] == end[1]));
	} while (!err);
	assert_int_equal(err, -ENXIO);
}

static void assert_same_value(
	struct kt_txn *a, struct kt_txn *b, const struct kt_slice *key, uint64_t size)
{
	static char parts[2][1 << 18];
	size_t read[2];

	for (uint64_t at = 0; at < size; at += sizeof(parts[0])) {
		assert_int_equal(
			kt_read(a, key->data, key->size, at, parts[0], sizeof(parts[0]), &read[0]),
			0);
		assert_int_equal(
			kt_read(b, key->data, key->size, at, parts[1], sizeof(parts[1]), &read[1]),
			0);
		assert_int_equal(read[0], read[1]);
		assert_memory_equal(parts[0], parts[1], read[0]);
	}
	if (size > INCREMENT_WHOLE_MAX)
		assert_same_ranges(a, b, key);
}

/* The entry of a key is that of another one in both, or in neither. */
static void assert_same_sharing(struct kt_txn *a, struct kt_txn *b, uint64_t of_a, uint64_t of_b)
{
	struct kt_cursor *cursor;
	struct kt_entry_info in_a, in_b;

	assert_int_equal(kt_cursor_open(a, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(kt_cursor_stat(cursor, &in_a), 0);
		assert_int_equal(kt_stat(b, key.data, key.size, &in_b), 0);
		assert_int_equal(in_a.shared == of_a, in_b.shared == of_b);
	}
	kt_cursor_close(cursor);
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
		assert_int_equal(of_a.size, of_b.size);
		assert_int_equal(of_a.mtime_ns, of_b.mtime_ns);
		assert_int_equal(of_a.keys, of_b.keys);
		assert_int_equal(of_a.flags, of_b.flags);
		assert_int_equal(of_a.attr.size, of_b.attr.size);
		if (of_a.attr.size > 0)
			assert_memory_equal(of_a.attr.data, of_b.attr.data, of_a.attr.size);
		assert_same_value(a, b, &key, of_a.size);
		if (of_a.keys > 1)
			assert_same_sharing(a, b, of_a.shared, of_b.shared);
	}
	assert_int_equal(kt_cursor_next(in_b), -ENOENT);
	kt_cursor_close(in_a);
	kt_cursor_close(in_b);
}

void increment_assert_same(
	struct kt_store *a, const char *of_a, struct kt_store *b, const char *of_b)
{
	struct kt_txn *in_a = point(a, of_a), *in_b = point(b, of_b);
	struct kt_counts count_a, count_b;

	for (unsigned tree = KT_ENTRIES; tree <= KT_DIRECTORIES; tree++) {
		assert_same_tree(kt_tree(in_a, tree), kt_tree(in_b, tree));
		assert_int_equal(kt_count(kt_tree(in_a, tree), &count_a), 0);
		assert_int_equal(kt_count(kt_tree(in_b, tree), &count_b), 0);
		assert_memory_equal(&count_a, &count_b, sizeof(count_a));
	}
	kt_abort(in_a);
	kt_abort(in_b);
}

void increment_prepare(struct increment_world *f)
{
	struct kt_txn *txn;

	increment_put_text(f->store, "a", "1");
	increment_put_text(f->store, "b", "1");
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	increment_back_up(f, "one");
	txn = increment_begin_write(f->store);
	assert_int_equal(kt_put(txn, "a", 1, "2", 1), 0);
	assert_int_equal(kt_delete(txn, "b", 1, 0), 0);
	assert_int_equal(kt_put(txn, "l", 1, "linked", 6), 0);
	assert_int_equal(kt_link(txn, "l", 1, txn, "m", 1), 0);
	assert_int_equal(kt_write(txn, "large", 5, 300000, increment_bytes, 5000), 0);
	assert_int_equal(kt_put(kt_tree(txn, KT_DIRECTORIES), "d/", 2, "", 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "two"), 0);
}
