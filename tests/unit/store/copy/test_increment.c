/* Increments: a backup that follows its store, and is never less than whole. */
#include "keytree_fs.h"
#include "store/tree/cell.h"
#include "store/copy/increment.h"
#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

struct fixture {
	struct temp temp;
	char copy_path[128], path[128]; /* of the backup; of an increment */
	struct kt_store *store, *copy;
	struct rng rng;
};

static char bytes[1 << 20];

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 7 + i / 4096 + 1);
	if (temp_make(&f->temp) != 0)
		return -1;
	snprintf(f->copy_path, sizeof(f->copy_path), "%s/copy.kt", f->temp.dir);
	snprintf(f->path, sizeof(f->path), "%s/increment", f->temp.dir);
	return kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_close(f->copy);
	kt_close(f->store);
	temp_remove(&f->temp);
	free(f);
	return 0;
}

/* ---- helpers --------------------------------------------------------------------------------- */

static struct kt_txn *begin_read(struct kt_store *store)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	return txn;
}

static struct kt_txn *begin_write(struct kt_store *store)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	return txn;
}

static struct kt_txn *open_snapshot(struct kt_store *store, const char *name)
{
	struct kt_txn *txn;

	assert_int_equal(kt_snapshot_open(store, name, &txn), 0);
	return txn;
}

static void put_text(struct kt_store *store, const char *key, const char *value)
{
	struct kt_txn *txn = begin_write(store);

	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_message("page %llu: %s\n", (unsigned long long)page, message);
}

static void assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, print_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/* The point in time of a name; NULL: now. */
static struct kt_txn *point(struct kt_store *store, const char *name)
{
	return name != NULL ? open_snapshot(store, name) : begin_read(store);
}

/* Write an increment to a file in memory. @return its descriptor, at the beginning */
static int increment_of(struct kt_store *store, const char *since, const char *to)
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

static uint64_t size_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return (uint64_t)st.st_size;
}

static int apply(struct kt_store *store, int fd, unsigned flags)
{
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return kt_apply(store, fd, flags, NULL, NULL);
}

/* Bring the backup from one point to another. */
static void follow(struct fixture *f, const char *since, const char *to, unsigned flags)
{
	int fd = increment_of(f->store, since, to);
	int err = apply(f->copy, fd, flags);

	if (err != 0)
		print_message("%s\n", kt_strerror(f->copy, err));
	assert_int_equal(err, 0);
	close(fd);
}

/* Make the backup, of what a snapshot keeps; NULL: of all. */
static void back_up(struct fixture *f, const char *name)
{
	struct kt_txn *txn = point(f->store, name);

	assert_int_equal(kt_backup(txn, f->copy_path, 0, NULL, NULL), 0);
	kt_abort(txn);
	assert_int_equal(kt_open(f->copy_path, NULL, &f->copy), 0);
}

static uint64_t commit_of(struct kt_store *store)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(store, &info), 0);
	return info.txn;
}

/* ---- comparing ------------------------------------------------------------------------------- */

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

/* Do two points in time, of different stores, have the same entries and made directories? */
static void assert_same(struct kt_store *a, const char *of_a, struct kt_store *b, const char *of_b)
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

/* ---- random histories ------------------------------------------------------------------------ */

#define KEYS 24

/* Keys that are hard to tell apart, the empty one and the longest among them. */
static size_t pick_key(struct rng *rng, char *key)
{
	static const char *const texts[] = {"", "a", "a/", "a/b", "a-", "a\xff", "/", "//", "a//b",
		"%value", ".", "..", "\n", "\xff\xff", "dir/x", "dir/y"};
	size_t n = rng_below(rng, KEYS), size = strlen(texts[n % 16]);

	memcpy(key, texts[n % 16], size);
	if (n >= 16 && n < 20) { /* NUL, and long ones */
		key[size++] = '\0';
	} else if (n >= 20) {
		size_t length = n == 23 ? KT_KEY_MAX : 200 * (n - 18);

		memset(key + size, 'k', length - size);
		size = length;
	}
	return size;
}

static size_t pick_size(struct rng *rng)
{
	static const size_t limits[] = {1, 40, 1100, 5000, 66000, 70000, 400000};

	return rng_below(rng, limits[rng_below(rng, sizeof(limits) / sizeof(limits[0]))] + 1);
}

static int change_value(struct kt_txn *txn, struct rng *rng, const char *key, size_t size)
{
	const char *data = bytes + rng_below(rng, 1000);

	switch (rng_below(rng, 6)) {
	case 0:
		return kt_put(txn, key, size, data, pick_size(rng));
	case 1:
		return kt_put_entry(txn, key, size, data, pick_size(rng), data,
			rng_below(rng, rng_below(rng, 8) == 0 ? 200000 : 80), 12345);
	case 2:
		return kt_write(
			txn, key, size, rng_below(rng, 600000), data, rng_below(rng, 30000) + 1);
	case 3:
		return kt_write(
			txn, key, size, rng_below(rng, 70000), data, rng_below(rng, 5000) + 1);
	case 4:
		return kt_truncate(txn, key, size, pick_size(rng));
	default:
		return kt_punch(txn, key, size, rng_below(rng, 300000), pick_size(rng));
	}
}

static int change_entry(struct kt_txn *txn, struct rng *rng, const char *key, size_t size)
{
	char other[KT_KEY_MAX];
	size_t other_size = pick_key(rng, other);

	switch (rng_below(rng, 6)) {
	case 0:
		return kt_delete(txn, key, size, KT_MISSING_OK);
	case 1:
		return kt_set_attr(txn, key, size, bytes, rng_below(rng, 60));
	case 2:
		return kt_set_mtime(txn, key, size, (int64_t)rng_below(rng, 1000000));
	case 3:
		return kt_move(txn, key, size, txn, other, other_size);
	default:
		return kt_link(txn, key, size, txn, other, other_size);
	}
}

static int change_directory(struct kt_txn *txn, struct rng *rng)
{
	static const char *const names[] = {"a/", "empty/", "a/b/", "//"};
	const char *name = names[rng_below(rng, 4)];
	struct kt_txn *tree = kt_tree(txn, KT_DIRECTORIES);

	if (rng_below(rng, 3) == 0)
		return kt_delete(tree, name, strlen(name), KT_MISSING_OK);
	return kt_put_entry(tree, name, strlen(name), "", 0, bytes, rng_below(rng, 50), 77);
}

static void change_something(struct fixture *f)
{
	unsigned count = 1 + (unsigned)rng_below(&f->rng, 12);
	struct kt_txn *txn = begin_write(f->store);

	for (unsigned i = 0; i < count; i++) {
		char key[KT_KEY_MAX];
		size_t size = pick_key(&f->rng, key), way = rng_below(&f->rng, 100);
		int err;

		if (way == 0)
			err = kt_clear(txn);
		else if (way < 10)
			err = change_directory(txn, &f->rng);
		else if (way < 60)
			err = change_value(txn, &f->rng, key, size);
		else
			err = change_entry(txn, &f->rng, key, size);
		assert_true(!err || err == -ENOENT || err == -EEXIST);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* What may happen to a store and its backup between two increments. */
static void interfere(struct fixture *f)
{
	switch (rng_below(&f->rng, 8)) {
	case 0:
		assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
		break;
	case 1:
		assert_int_equal(kt_compact(f->copy, NULL, NULL), 0);
		break;
	case 2:
		assert_int_equal(kt_close(f->copy), 0);
		assert_int_equal(kt_open(f->copy_path, NULL, &f->copy), 0);
		break;
	case 3:
		put_text(f->copy, "written to the backup", "lost");
		break;
	default:
		break;
	}
}

static void run_history(struct fixture *f)
{
	unsigned rounds = 2 + (unsigned)rng_below(&f->rng, 6);
	char since[16], name[16];

	for (size_t i = rng_below(&f->rng, 3); i > 0; i--)
		change_something(f);
	assert_int_equal(kt_snapshot_create(f->store, "s0"), 0);
	if (rng_below(&f->rng, 2))
		change_something(f);
	back_up(f, rng_below(&f->rng, 2) ? "s0" : NULL);
	for (unsigned round = 1; round <= rounds; round++) {
		snprintf(since, sizeof(since), "s%u", round - 1);
		snprintf(name, sizeof(name), "s%u", round);
		for (size_t i = rng_below(&f->rng, 8); i > 0; i--)
			change_something(f);
		assert_int_equal(kt_snapshot_create(f->store, name), 0);
		if (rng_below(&f->rng, 2))
			change_something(f);
		if (rng_below(&f->rng, 4) == 0 && round > 1)
			follow(f, since, NULL, KT_APPLY_REPLACE); /* to now, and back */
		follow(f, since, name, KT_APPLY_REPLACE);
		assert_same(f->store, name, f->copy, NULL);
		assert_same(f->store, name, f->copy, name);
		assert_sound(f->copy);
		if (rng_below(&f->rng, 3) == 0)
			assert_int_equal(kt_snapshot_delete(f->store, since), 0);
		interfere(f);
	}
	follow(f, name, NULL, KT_APPLY_REPLACE);
	assert_same(f->store, NULL, f->copy, NULL);
	if (kt_snapshot_delete(f->copy, name) == 0)
		assert_sound(f->copy);
}

/* A full backup and increments from snapshot to snapshot are the store at each of them, whatever
 * was done to it: entries, attributes, times, holes, made directories, and who shares an entry. */
static void histories(void **state)
{
	struct fixture *f = *state;

	f->rng = rng_seed("increment");
	for (unsigned i = rng_cases(60); i > 0; i--) {
		run_history(f);
		assert_int_equal(kt_close(f->copy), 0);
		f->copy = NULL;
		assert_int_equal(kt_close(f->store), 0);
		assert_int_equal(unlink(f->temp.path), 0);
		assert_int_equal(unlink(f->copy_path), 0);
		assert_int_equal(
			kt_open(f->temp.path, KT_OPTIONS(.flags = KT_CREATE), &f->store), 0);
	}
}

/* ---- what it fits ---------------------------------------------------------------------------- */

/* A store with a snapshot "one", a backup of that, and changes up to a snapshot "two". */
static void prepare(struct fixture *f)
{
	struct kt_txn *txn;

	put_text(f->store, "a", "1");
	put_text(f->store, "b", "1");
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	back_up(f, "one");
	txn = begin_write(f->store);
	assert_int_equal(kt_put(txn, "a", 1, "2", 1), 0);
	assert_int_equal(kt_delete(txn, "b", 1, 0), 0);
	assert_int_equal(kt_put(txn, "l", 1, "linked", 6), 0);
	assert_int_equal(kt_link(txn, "l", 1, txn, "m", 1), 0);
	assert_int_equal(kt_write(txn, "large", 5, 300000, bytes, 5000), 0);
	assert_int_equal(kt_put(kt_tree(txn, KT_DIRECTORIES), "d/", 2, "", 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "two"), 0);
}

/* An increment fits the base, and nothing else; nothing is lost unasked; once more is no harm. */
static void wrong_base(void **state)
{
	struct fixture *f = *state;
	struct kt_store *other;
	uint64_t commit;
	int first, second;

	prepare(f);
	put_text(f->store, "a", "3");
	first = increment_of(f->store, "one", "two");
	second = increment_of(f->store, "two", NULL);
	commit = commit_of(f->copy);
	assert_int_equal(apply(f->copy, second, 0), -ESTALE);
	assert_non_null(strstr(kt_strerror(f->copy, -ESTALE), "'two'"));
	assert_int_equal(apply(f->copy, second, KT_APPLY_REPLACE), -ESTALE);
	assert_int_equal(commit_of(f->copy), commit);
	assert_int_equal(apply(f->copy, first, 0), 0);
	assert_same(f->store, "two", f->copy, "two");
	commit = commit_of(f->copy);
	assert_int_equal(apply(f->copy, first, 0), 0);
	assert_int_equal(commit_of(f->copy), commit);
	assert_int_equal(apply(f->copy, second, 0), 0);
	assert_same(f->store, NULL, f->copy, NULL);
	put_text(f->copy, "mine", "x");
	assert_int_equal(apply(f->copy, second, 0), -ENOTEMPTY);
	assert_int_equal(apply(f->copy, second, KT_APPLY_REPLACE), 0);
	assert_same(f->store, NULL, f->copy, NULL);
	assert_int_equal(kt_open_memory("other", &other), 0);
	assert_int_equal(apply(other, first, KT_APPLY_REPLACE), -EXDEV);
	assert_int_equal(kt_close(other), 0);
	close(first);
	close(second);
}

/* The live store has the base too, and goes to the end only when what would be lost may be. */
static void to_the_store_itself(void **state)
{
	struct fixture *f = *state;
	int fd;

	prepare(f);
	fd = increment_of(f->store, "one", "two");
	assert_int_equal(apply(f->store, fd, 0), 0); /* it is there */
	put_text(f->store, "a", "precious");
	assert_int_equal(apply(f->store, fd, 0), -ENOTEMPTY);
	assert_int_equal(apply(f->store, fd, KT_APPLY_REPLACE), 0);
	assert_same(f->store, NULL, f->store, "two");
	close(fd);
}

/* A copy that was written to and has a snapshot of the same number is not the base. */
static void another_history(void **state)
{
	struct fixture *f = *state;
	int fd;

	put_text(f->store, "a", "1");
	back_up(f, NULL);
	usleep(20000); /* the clock of commits is a coarse one */
	put_text(f->store, "a", "2");
	usleep(20000);
	put_text(f->copy, "a", "other");
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	assert_int_equal(kt_snapshot_create(f->copy, "s"), 0);
	assert_int_equal(commit_of(f->store), commit_of(f->copy));
	put_text(f->store, "a", "3");
	fd = increment_of(f->store, "s", NULL);
	assert_int_equal(apply(f->copy, fd, KT_APPLY_REPLACE), -ESTALE);
	close(fd);
}

/* A snapshot of the backup is not taken for another one of that name. */
static void name_is_taken(void **state)
{
	struct fixture *f = *state;
	int fd;

	prepare(f);
	fd = increment_of(f->store, "one", NULL);
	assert_int_equal(apply(f->copy, fd, 0), 0);
	close(fd);
	assert_int_equal(kt_snapshot_create(f->copy, "two"), 0);
	fd = increment_of(f->store, "one", "two");
	assert_int_equal(apply(f->copy, fd, KT_APPLY_REPLACE), -EEXIST);
	assert_int_equal(kt_snapshot_delete(f->copy, "two"), 0);
	assert_int_equal(apply(f->copy, fd, KT_APPLY_REPLACE), 0);
	assert_same(f->store, "one", f->copy, "one");
	assert_same(f->store, "two", f->copy, "two");
	close(fd);
}

/* Ids are not given again; entries without a name are nobody's business. */
static void ids_and_nameless(void **state)
{
	struct fixture *f = *state;
	uint64_t here, there, id;
	struct kt_txn *txn;

	txn = begin_write(f->store);
	assert_int_equal(kt_nameless_new(txn, &id), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	prepare(f);
	txn = begin_write(f->store);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(kt_new_id(txn, &here), 0);
	assert_int_equal(kt_nameless_drop(txn, id), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	follow(f, "one", NULL, 0);
	assert_same(f->store, NULL, f->copy, NULL);
	txn = begin_write(f->copy);
	assert_int_equal(kt_new_id(txn, &there), 0);
	kt_abort(txn);
	assert_true(there > here);
}

/* ---- damage ---------------------------------------------------------------------------------- */

/* Apply what is in memory. */
static int apply_bytes(struct kt_store *store, const uint8_t *data, size_t size)
{
	int fd = memfd_create("damaged", MFD_CLOEXEC), err;

	assert_int_equal(write(fd, data, size), size);
	err = apply(store, fd, 0);
	close(fd);
	return err;
}

static uint8_t *read_all(int fd, size_t *ret_size)
{
	uint8_t *data;

	*ret_size = size_of(fd);
	data = malloc(*ret_size + 1);
	assert_int_equal(pread(fd, data, *ret_size, 0), *ret_size);
	return data;
}

/* Cut anywhere, with any bit wrong, a byte too long, or with a frame missing or twice, it is
 * refused, and nothing has changed. */
static void damaged(void **state)
{
	struct fixture *f = *state;
	uint64_t commit;
	uint8_t *data;
	size_t size;
	int fd;

	prepare(f);
	fd = increment_of(f->store, "one", "two");
	data = read_all(fd, &size);
	commit = commit_of(f->copy);
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(apply_bytes(f->copy, data, cut), -EILSEQ);
	for (size_t bit = 0; bit < 8 * size; bit += getenv("KEYTREE_BRIEF") != NULL ? 13 : 3) {
		int err;

		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		err = apply_bytes(f->copy, data, size);
		assert_true(err == -EBADMSG || err == -EILSEQ);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	data[size] = 0;
	assert_int_equal(apply_bytes(f->copy, data, size + 1), -EILSEQ);
	assert_int_equal(commit_of(f->copy), commit);
	assert_same(f->store, "one", f->copy, NULL);
	assert_sound(f->copy);
	assert_int_equal(apply_bytes(f->copy, data, size), 0);
	free(data);
	close(fd);
}

/* Give each frame the checksum it should have. @return false: sizes are wrong */
static bool seal(uint8_t *data, size_t size)
{
	size_t at = KT_INCREMENT_MAGIC_SIZE;
	uint64_t seed = 0;

	while (at < size) {
		size_t payload;

		if (size - at < 16)
			return false;
		payload = load32(data + at + 12);
		if (payload > size - at - 16)
			return false;
		seed = XXH3_64bits_withSeed(data + at + 8, payload + 8, seed);
		store64(data + at, seed);
		at += 16 + payload;
	}
	return true;
}

/* Wrong content with right checksums does no harm: it is refused, or the store is sound and has
 * what the increment counts. */
static void hostile(void **state)
{
	struct fixture *f = *state;
	struct rng rng = rng_seed("hostile increment");
	uint8_t *data, *changed;
	unsigned refused = 0;
	size_t size;
	int fd;

	prepare(f);
	fd = increment_of(f->store, "one", "two");
	data = read_all(fd, &size);
	changed = malloc(size);
	for (unsigned i = rng_cases(800); i > 0; i--) {
		uint64_t commit = commit_of(f->copy);

		memcpy(changed, data, size);
		for (size_t n = 1 + rng_below(&rng, 3); n > 0; n--)
			changed[rng_below(&rng, rng_below(&rng, 2) ? 400 : size)] =
				(uint8_t)rng_next(&rng);
		if (!seal(changed, size))
			continue;
		if (apply_bytes(f->copy, changed, size) != 0) {
			assert_int_equal(commit_of(f->copy), commit);
			refused++;
			continue;
		}
		assert_sound(f->copy);
		assert_int_equal(kt_close(f->copy), 0);
		assert_int_equal(unlink(f->copy_path), 0);
		back_up(f, "one");
	}
	assert_true(refused > rng_cases(800) / 8);
	assert_sound(f->copy);
	free(data);
	free(changed);
	close(fd);
}

/* A store that is damaged is not backed up. */
static void rotten_store(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *base, *end;
	char block[4096];
	int fd;

	put_text(f->store, "a", "1");
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	end = begin_write(f->store);
	assert_int_equal(kt_put(end, "large", 5, bytes, 500000), 0);
	assert_int_equal(kt_commit(end, KT_FLUSH), 0);
	fd = open(f->temp.path, O_RDWR | O_CLOEXEC);
	for (off_t at = 8 * 4096; pread(fd, block, 4096, at) == 4096; at += 4096)
		if (memcmp(block, bytes + 40960, 4096) == 0)
			assert_int_equal(pwrite(fd, "rot", 3, at), 3);
	close(fd);
	base = open_snapshot(f->store, "one");
	end = begin_read(f->store);
	assert_int_equal(kt_backup_since(end, base, f->path, 0, NULL, NULL), -EBADMSG);
	assert_int_equal(access(f->path, F_OK), -1);
	kt_abort(base);
	kt_abort(end);
}

/* ---- size and cost --------------------------------------------------------------------------- */

/* Of a large value only the blocks that changed are written; it is cut, holed and extended. */
static void large_values(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn = begin_write(f->store);
	int fd;

	for (uint64_t at = 0; at < 64 << 20; at += sizeof(bytes))
		assert_int_equal(kt_write(txn, "large", 5, at, bytes, sizeof(bytes)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s0"), 0);
	back_up(f, "s0");
	txn = begin_write(f->store);
	assert_int_equal(kt_write(txn, "large", 5, 12345678, "changed", 7), 0);
	assert_int_equal(kt_punch(txn, "large", 5, 30 << 20, 5 << 20), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s1"), 0);
	fd = increment_of(f->store, "s0", "s1");
	assert_true(size_of(fd) < 10000);
	assert_int_equal(apply(f->copy, fd, 0), 0);
	assert_same(f->store, NULL, f->copy, NULL);
	close(fd);
	txn = begin_write(f->store);
	assert_int_equal(kt_truncate(txn, "large", 5, (50 << 20) + 100), 0);
	assert_int_equal(kt_truncate(txn, "large", 5, 60 << 20), 0);
	assert_int_equal(kt_write(txn, "large", 5, 80 << 20, bytes, 5000), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	fd = increment_of(f->store, "s1", NULL);
	assert_true(size_of(fd) < 30000);
	assert_int_equal(apply(f->copy, fd, 0), 0);
	assert_same(f->store, NULL, f->copy, NULL);
	assert_sound(f->copy);
	close(fd);
}

/* The increment of one key among a hundred thousand is small; of nothing, it is empty, and says so.
 */
static void small_change(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn = begin_write(f->store);
	char key[16];
	int fd;

	for (unsigned i = 0; i < 100000; i++) {
		snprintf(key, sizeof(key), "key %06u", i);
		assert_int_equal(kt_put(txn, key, strlen(key), bytes, 50), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
	back_up(f, NULL);
	follow(f, "s", NULL, 0);
	put_text(f->store, "key 050000", "changed");
	fd = increment_of(f->store, "s", NULL);
	assert_true(size_of(fd) < 400);
	assert_int_equal(apply(f->copy, fd, 0), 0);
	assert_same(f->store, NULL, f->copy, NULL);
	close(fd);
}

/* ---- while others write ---------------------------------------------------------------------- */

#define ACCOUNTS 200

struct writer {
	struct kt_store *store;
	struct rng rng;
	_Atomic bool stop;
	int err;
};

/* Move 1 from one account to another. */
static int transfer(struct kt_txn *txn, struct rng *rng)
{
	char keys[2][16];
	uint64_t balance;
	int err = 0;

	for (int i = 0; i < 2 && !err; i++) {
		size_t size = (size_t)snprintf(
			keys[i], sizeof(keys[i]), "%u", (unsigned)rng_below(rng, ACCOUNTS));

		err = kt_get_uint(txn, keys[i], size, 8, &balance);
		if (!err)
			err = kt_put_uint(txn, keys[i], size, 8, balance + (i == 0 ? 1 : -1));
	}
	return err;
}

static void *keep_writing(void *arg)
{
	struct writer *writer = arg;

	while (!writer->stop && !writer->err) {
		struct kt_txn *txn;

		writer->err = kt_begin(writer->store, KT_WRITE, &txn);
		if (!writer->err)
			writer->err = transfer(txn, &writer->rng);
		if (!writer->err)
			writer->err = kt_commit(txn, 0);
	}
	return NULL;
}

static uint64_t total(struct kt_store *store)
{
	struct kt_txn *txn = begin_read(store);
	struct kt_cursor *cursor;
	uint64_t sum = 0, number;

	assert_int_equal(kt_cursor_open(txn, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_int_equal(kt_get_uint(txn, key.data, key.size, 8, &number), 0);
		sum += number;
	}
	kt_cursor_close(cursor);
	kt_abort(txn);
	return sum;
}

/* Each increment of a store that is written to is one point in time: no amount is lost or there
 * twice in the backup. */
static void while_others_write(void **state)
{
	struct fixture *f = *state;
	struct writer writer = {.rng = rng_seed("increment while others write")};
	struct kt_txn *txn = begin_write(f->store);
	char names[2][16], key[16];
	pthread_t thread;

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		snprintf(key, sizeof(key), "%u", i);
		assert_int_equal(kt_put_uint(txn, key, strlen(key), 8, 1000000), 0);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_snapshot_create(f->store, "s0"), 0);
	back_up(f, "s0");
	writer.store = f->store;
	assert_int_equal(pthread_create(&thread, NULL, keep_writing, &writer), 0);
	for (unsigned i = 1; i <= 60; i++) {
		snprintf(names[0], sizeof(names[0]), "s%u", i - 1);
		snprintf(names[1], sizeof(names[1]), "s%u", i);
		assert_int_equal(kt_snapshot_create(f->store, names[1]), 0);
		follow(f, names[0], NULL, KT_APPLY_REPLACE);
		assert_int_equal(total(f->copy), ACCOUNTS * UINT64_C(1000000));
		follow(f, names[0], names[1], KT_APPLY_REPLACE);
		assert_int_equal(total(f->copy), ACCOUNTS * UINT64_C(1000000));
		assert_int_equal(kt_snapshot_delete(f->store, names[0]), 0);
	}
	writer.stop = true;
	pthread_join(thread, NULL);
	assert_int_equal(writer.err, 0);
	assert_sound(f->copy);
	assert_sound(f->store);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static int stop_at(void *arg, uint64_t done, uint64_t whole)
{
	unsigned *left = arg;

	(void)done;
	assert_int_equal(whole, 0);
	return (*left)-- == 0 ? -ECANCELED : 0;
}

/* Files appear whole or not at all, and only increments are replaced; progress can stop both ways
 * at any time. */
static void files(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *base, *end;
	uint64_t commit;
	struct stat st;
	int fd, err;

	prepare(f);
	base = open_snapshot(f->store, "one");
	end = open_snapshot(f->store, "two");
	assert_int_equal(kt_backup_since(base, end, f->path, 0, NULL, NULL), -EINVAL);
	for (unsigned i = 0; i < 100; i++) {
		unsigned left = i;

		err = kt_backup_since(end, base, f->path, 0, stop_at, &left);
		if (!err)
			break;
		assert_int_equal(err, -ECANCELED);
		assert_int_equal(stat(f->path, &st), -1);
	}
	assert_int_equal(err, 0);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(kt_backup_since(end, base, f->path, 0, NULL, NULL), -EEXIST);
	assert_int_equal(kt_backup_since(end, base, f->path, KT_BACKUP_REPLACE, NULL, NULL), 0);
	assert_int_equal(
		kt_backup_since(end, base, f->copy_path, KT_BACKUP_REPLACE, NULL, NULL), -EILSEQ);
	fd = open(f->path, O_RDONLY | O_CLOEXEC);
	commit = commit_of(f->copy);
	for (unsigned i = 0; i < 5; i++) {
		unsigned left = i;

		lseek(fd, 0, SEEK_SET);
		assert_int_equal(kt_apply(f->copy, fd, 0, stop_at, &left), -ECANCELED);
		assert_int_equal(commit_of(f->copy), commit);
	}
	assert_int_equal(apply(f->copy, fd, 0), 0);
	assert_same(f->store, "two", f->copy, NULL);
	close(fd);
	fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_int_equal(kt_backup_since_fd(end, base, fd, NULL, NULL), -ENOSPC);
	close(fd);
	kt_abort(base);
	kt_abort(end);
}

/* What is no increment, and calls that make no sense, are refused. */
static void refused(void **state)
{
	struct fixture *f = *state;
	struct kt_store *other;
	struct kt_txn *base, *txn;
	int fd;

	prepare(f);
	fd = open(f->temp.path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(kt_apply(f->copy, fd, 0, NULL, NULL), -EILSEQ);
	close(fd);
	assert_int_equal(kt_apply(f->copy, -1, 0, NULL, NULL), -EBADF);
	fd = increment_of(f->store, "one", "two");
	assert_int_equal(kt_open(f->copy_path, KT_OPTIONS(.flags = KT_READONLY), &other), 0);
	assert_int_equal(apply(other, fd, 0), -EROFS);
	base = begin_read(other);
	txn = begin_read(f->store);
	assert_int_equal(kt_backup_since_fd(txn, base, fd, NULL, NULL), -EINVAL);
	kt_abort(base);
	kt_abort(txn);
	assert_int_equal(kt_close(other), 0);
	txn = begin_write(f->copy);
	assert_int_equal(apply(f->copy, fd, 0), -EDEADLK);
	assert_int_equal(kt_backup_since_fd(txn, txn, fd, NULL, NULL), -EINVAL);
	kt_abort(txn);
	close(fd);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(histories),
		TEST(wrong_base),
		TEST(to_the_store_itself),
		TEST(another_history),
		TEST(name_is_taken),
		TEST(ids_and_nameless),
		TEST(damaged),
		TEST(hostile),
		TEST(rotten_store),
		TEST(large_values),
		TEST(small_change),
		TEST(while_others_write),
		TEST(files),
		TEST(refused),
	};

	return cmocka_run_group_tests_name("increment", tests, NULL, NULL);
}
