/* kt_compact(): the size it reaches, what it leaves alone, and who may go on meanwhile. */
#include "tests/unit/temp.h"
#include "tests/unit/rng.h"
#include "keytree_fs.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#define VALUE_MAX 100000

struct fixture {
	char dir[64];
	char path[128];
	struct kt_store *store;
	struct rng rng;
	uint8_t bytes[VALUE_MAX];
};

static uint64_t seed;

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-compact-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	f->rng.state = seed;
	for (size_t i = 0; i < sizeof(f->bytes); i++)
		f->bytes[i] = (uint8_t)rng_next(&f->rng);
	*state = f;
	return kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

static int setup_memory(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->rng.state = seed;
	for (size_t i = 0; i < sizeof(f->bytes); i++)
		f->bytes[i] = (uint8_t)rng_next(&f->rng);
	*state = f;
	return kt_open_memory("compact", &f->store);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	kt_close(f->store);
	if (f->dir[0] != '\0')
		temp_remove_dir(f->dir);
	free(f);
	return 0;
}

static uint64_t below(struct fixture *f, uint64_t bound)
{
	return rng_next(&f->rng) % bound;
}

/* ---- ageing ---------------------------------------------------------------------------------- */

/* Sizes of values: most small, some inline, some up to 100 KiB. */
static size_t random_size(struct fixture *f, size_t most)
{
	switch (below(f, 4)) {
	case 0:
		return below(f, most < 100 ? most : 100);
	case 1:
		return below(f, most < 1500 ? most : 1500);
	case 2:
		return below(f, most < 20000 ? most : 20000);
	default:
		return below(f, most);
	}
}

static size_t random_key(struct fixture *f, unsigned keys, char *key)
{
	unsigned number = (unsigned)below(f, keys);

	/* Every 50th key is too long for its node. */
	return (size_t)sprintf(key, "%u/%06u%.*s", number % 7, number,
		number % 50 == 0 ? 900 : (int)(number % 20),
		"a long name that goes on and on ..............................................."
		"...............................................................................");
}

static void change(struct fixture *f, struct kt_txn *txn, unsigned keys, size_t most)
{
	char key[1200];
	size_t size = random_key(f, keys, key);
	size_t part = random_size(f, most);
	int err = 0;

	switch (below(f, 10)) {
	case 0:
	case 1:
		err = kt_delete(txn, key, size, KT_MISSING_OK);
		break;
	case 2:
		err = kt_write(txn, key, size, below(f, most), f->bytes, part);
		break;
	case 3:
		err = kt_punch(txn, key, size, below(f, most), part);
		break;
	case 4:
		err = kt_set_attr(txn, key, size, f->bytes, below(f, 20) == 0 ? part : part % 64);
		break;
	default:
		err = kt_put(txn, key, size, f->bytes + below(f, VALUE_MAX - part), part);
	}
	assert_true(!err || err == -ENOENT);
}

static void age(
	struct fixture *f, struct kt_store *store, unsigned commits, unsigned keys, size_t most)
{
	for (unsigned i = 0; i < commits; i++) {
		struct kt_txn *txn;

		assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		for (uint64_t n = below(f, 8); n > 0; n--)
			change(f, txn, keys, most);
		for (uint64_t n = below(f, 3); n > 0; n--)
			change(f, kt_tree(txn, KT_DIRECTORIES), keys / 10, 300);
		assert_int_equal(kt_commit(txn, below(f, 20) == 0 ? KT_FLUSH : 0), 0);
	}
}

/* ---- what a store holds ---------------------------------------------------------------------- */

/* A hash of all entries, with their versions, times and attributes. */
static uint64_t digest(struct kt_txn *txn)
{
	XXH3_state_t *hash = XXH3_createState();
	uint64_t result;

	XXH3_64bits_reset(hash);
	for (unsigned tree = KT_ENTRIES; tree <= KT_NAMELESS; tree++) {
		struct kt_cursor *cursor;
		struct kt_slice key, value;
		struct kt_entry_info stat;

		assert_int_equal(kt_cursor_open(kt_tree(txn, tree), &cursor), 0);
		while (kt_cursor_next(cursor) == 0) {
			key = kt_cursor_key(cursor);
			assert_int_equal(kt_cursor_stat(cursor, &stat), 0);
			assert_int_equal(kt_cursor_value(cursor, &value), 0);
			XXH3_64bits_update(hash, key.data, key.size);
			XXH3_64bits_update(hash, value.data, value.size);
			XXH3_64bits_update(hash, stat.attr.data, stat.attr.size);
			XXH3_64bits_update(hash, &stat.version, sizeof(stat.version));
			XXH3_64bits_update(hash, &stat.mtime_ns, sizeof(stat.mtime_ns));
		}
		kt_cursor_close(cursor);
	}
	result = XXH3_64bits_digest(hash);
	XXH3_freeState(hash);
	return result;
}

static uint64_t digest_now(struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t result;

	assert_int_equal(kt_begin(store, KT_READ | KT_VERIFY, &txn), 0);
	result = digest(txn);
	kt_abort(txn);
	return result;
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("page %llu: %s\n", (unsigned long long)page, message);
}

static void assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, print_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

static uint64_t pages(struct kt_store *store)
{
	struct kt_store_info info;

	assert_int_equal(kt_info(store, &info), 0);
	return info.pages;
}

/* Copy the value of a key with its holes. */
static void load_value(struct kt_txn *from, struct kt_txn *to, struct kt_slice key, uint64_t size)
{
	uint64_t begin, end = 0;
	struct kt_slice value;

	assert_int_equal(kt_get(from, key.data, key.size, &value), 0);
	assert_int_equal(kt_truncate(to, key.data, key.size, size), 0);
	while (kt_next_data(from, key.data, key.size, end, &begin, &end) == 0)
		assert_int_equal(kt_write(to, key.data, key.size, begin,
					 (const uint8_t *)value.data + begin, end - begin),
			0);
}

static void load_tree(struct kt_txn *from, struct kt_txn *to)
{
	struct kt_cursor *cursor;

	assert_int_equal(kt_cursor_open(from, &cursor), 0);
	while (kt_cursor_next(cursor) == 0) {
		struct kt_slice key = kt_cursor_key(cursor), value;
		struct kt_entry_info stat;
		bool holes;

		assert_int_equal(kt_cursor_stat(cursor, &stat), 0);
		assert_int_equal(kt_cursor_value(cursor, &value), 0);
		holes = stat.stored < stat.size;
		assert_int_equal(
			kt_put_entry(to, key.data, key.size, value.data, holes ? 0 : value.size,
				stat.attr.data, stat.attr.size, stat.mtime_ns),
			0);
		if (holes)
			load_value(from, to, key, stat.size);
	}
	kt_cursor_close(cursor);
}

/* Pages of a store that was loaded with the same content, in the order of the keys, in one
 * transaction. */
static uint64_t fresh_pages(struct kt_store *store)
{
	struct kt_store *fresh;
	struct kt_txn *from, *to;
	uint64_t count;

	assert_int_equal(kt_open_memory("fresh", &fresh), 0);
	assert_int_equal(kt_begin(store, KT_READ, &from), 0);
	assert_int_equal(kt_begin(fresh, KT_WRITE, &to), 0);
	for (unsigned tree = KT_ENTRIES; tree <= KT_NAMELESS; tree++)
		load_tree(kt_tree(from, tree), kt_tree(to, tree));
	assert_int_equal(kt_commit(to, 0), 0);
	kt_abort(from);
	count = pages(fresh);
	kt_close(fresh);
	return count;
}

static uint64_t file_size(const struct fixture *f)
{
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	return (uint64_t)st.st_size;
}

/* ---- tests ----------------------------------------------------------------------------------- */

static void compact_aged(struct fixture *f, unsigned commits, unsigned keys, size_t most)
{
	uint64_t before, aged, fresh, compact;

	age(f, f->store, commits, keys, most);
	before = digest_now(f->store);
	aged = pages(f->store);
	fresh = fresh_pages(f->store);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	compact = pages(f->store);
	print_message("values up to %zu: %llu pages aged, %llu compact, %llu fresh\n", most,
		(unsigned long long)aged, (unsigned long long)compact, (unsigned long long)fresh);
	assert_sound(f->store);
	assert_int_equal(digest_now(f->store), before);
	assert_true(compact * 100 <= fresh * 105);
	if (f->dir[0] != '\0')
		assert_int_equal(file_size(f), compact * 4096);
}

/* A store that was rewritten many times over comes back to within 5 % of the size it has when it is
 * loaded anew; entries keep their versions and times. */
static void large_values(void **state)
{
	compact_aged(*state, 3000, 3000, VALUE_MAX);
}

static void small_values(void **state)
{
	compact_aged(*state, 16000, 60000, 300);
}

/* A compact store is only looked at: a second compaction writes next to nothing. */
static void twice(void **state)
{
	struct fixture *f = *state;
	struct kt_store_info first, second;

	age(f, f->store, 2000, 3000, VALUE_MAX);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_int_equal(kt_info(f->store, &first), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_int_equal(kt_info(f->store, &second), 0);
	print_message("%llu transactions, %llu pages, then %llu\n",
		(unsigned long long)(second.txn - first.txn), (unsigned long long)first.pages,
		(unsigned long long)second.pages);
	assert_true(second.txn - first.txn <= 4);
	assert_true(second.pages <= first.pages);
}

/* What a snapshot shows stays, and is not stored twice; without it the rest of the space comes
 * back. */
static void with_snapshots(void **state)
{
	struct fixture *f = *state;
	uint64_t kept[3], now, before, fresh;
	char name[2] = "a";

	for (unsigned i = 0; i < 3; i++) {
		age(f, f->store, 700, 2000, 50000);
		kept[i] = digest_now(f->store);
		name[0] = (char)('a' + i);
		assert_int_equal(kt_snapshot_create(f->store, name), 0);
	}
	age(f, f->store, 700, 2000, 50000);
	now = digest_now(f->store);
	before = pages(f->store);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_true(pages(f->store) <= before);
	assert_sound(f->store);
	for (unsigned i = 0; i < 3; i++) {
		struct kt_txn *txn;

		name[0] = (char)('a' + i);
		assert_int_equal(kt_snapshot_open(f->store, name, &txn), 0);
		assert_int_equal(digest(txn), kept[i]);
		kt_abort(txn);
		assert_int_equal(kt_snapshot_delete(f->store, name), 0);
	}
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_sound(f->store);
	assert_int_equal(digest_now(f->store), now);
	fresh = fresh_pages(f->store);
	assert_true(pages(f->store) * 100 <= fresh * 105);
}

/* What a reader sees stays, and the file is not cut under it; afterwards it is. */
static void beside_a_reader(void **state)
{
	struct fixture *f = *state;
	uint64_t seen, size;
	struct kt_txn *reader;

	age(f, f->store, 1500, 3000, 50000);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	seen = digest(reader);
	age(f, f->store, 500, 3000, 50000);
	size = file_size(f);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_true(file_size(f) >= size);
	assert_true(file_size(f) <= size + (8 << 20));
	assert_int_equal(digest(reader), seen);
	kt_abort(reader);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_sound(f->store);
	assert_int_equal(file_size(f), pages(f->store) * 4096);
	assert_true(pages(f->store) * 100 <= fresh_pages(f->store) * 105);
}

static int stop(void *arg, const struct kt_compaction *compaction)
{
	unsigned *left = arg;

	assert_true(compaction->done <= compaction->total);
	return (*left)-- == 0 ? 77 : 0;
}

/* It can be interrupted after any step; what is there is sound, and nothing has changed. */
static void interrupted(void **state)
{
	struct fixture *f = *state;
	uint64_t before;
	int err = 77;

	age(f, f->store, 1000, 3000, 30000);
	before = digest_now(f->store);
	for (unsigned steps = 0; err == 77; steps += steps / 4 + 1) {
		unsigned left = steps;

		err = kt_compact(f->store, stop, &left);
		assert_true(!err || err == 77);
		assert_sound(f->store);
		assert_int_equal(digest_now(f->store), before);
		assert_true(steps < 100000);
	}
	assert_true(pages(f->store) * 100 <= fresh_pages(f->store) * 106);
}

/* A cleared store becomes as small as an empty one. */
static void cleared(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;

	age(f, f->store, 1500, 3000, 30000);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_clear(kt_tree(txn, KT_DIRECTORIES)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	assert_sound(f->store);
	assert_true(pages(f->store) < 64);
	assert_int_equal(file_size(f), pages(f->store) * 4096);
}

/* It fails where it must, at once. */
static void refused(void **state)
{
	struct fixture *f = *state;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), -EDEADLK);
	kt_abort(txn);
	assert_int_equal(kt_close(f->store), 0);
	assert_int_equal(kt_open(f->path, KT_OPTIONS(.flags = KT_READONLY), &f->store), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), -EROFS);
}

/* A disk that is full does not keep it from making room. */
static void full_disk(void **state)
{
	struct fixture *f = *state;
	struct rlimit limit, old;
	uint64_t before, size;

	age(f, f->store, 2000, 3000, 30000);
	assert_int_equal(kt_flush(f->store), 0);
	before = digest_now(f->store);
	size = file_size(f);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	limit = old;
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(kt_compact(f->store, NULL, NULL), 0);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_true(file_size(f) < size);
	assert_sound(f->store);
	assert_int_equal(digest_now(f->store), before);
}

/* ---- beside others --------------------------------------------------------------------------- */

struct beside {
	struct kt_store *store;
	_Atomic bool end;
	_Atomic uint64_t commits, reads;
	_Atomic uint64_t failures;
};

static void *write_on(void *arg)
{
	struct beside *beside = arg;

	for (uint32_t n = 0; !atomic_load(&beside->end); n++) {
		uint32_t key = n % 1000;
		struct kt_txn *txn;

		if (kt_begin(beside->store, KT_WRITE, &txn) != 0 ||
			kt_put(txn, &key, sizeof(key), &n, sizeof(n)) != 0 ||
			kt_commit(txn, 0) != 0)
			atomic_fetch_add(&beside->failures, 1);
		atomic_fetch_add(&beside->commits, 1);
	}
	return NULL;
}

static void *read_on(void *arg)
{
	struct beside *beside = arg;

	while (!atomic_load(&beside->end)) {
		struct kt_txn *txn;
		uint64_t once;

		if (kt_begin(beside->store, KT_READ, &txn) != 0)
			continue;
		once = digest(txn);
		if (digest(txn) != once)
			atomic_fetch_add(&beside->failures, 1);
		kt_abort(txn);
		atomic_fetch_add(&beside->reads, 1);
	}
	return NULL;
}

struct steps {
	struct beside *beside;
	uint64_t count, others, waited;
};

/* A writer that waits gets its turn between two steps. */
static int count_step(void *arg, const struct kt_compaction *compaction)
{
	struct steps *steps = arg;
	uint64_t commits = atomic_load(&steps->beside->commits);

	(void)compaction;
	steps->count++;
	steps->waited += commits > steps->others;
	steps->others = commits;
	return 0;
}

/* Readers see a point in time while pages move beneath them, and writers go on between the steps.
 */
static void beside_others(void **state)
{
	struct fixture *f = *state;
	struct beside beside = {.store = f->store};
	struct steps steps = {.beside = &beside};
	pthread_t writer, reader;

	age(f, f->store, 1500, 3000, 30000);
	pthread_create(&writer, NULL, write_on, &beside);
	pthread_create(&reader, NULL, read_on, &beside);
	while (atomic_load(&beside.commits) == 0)
		sched_yield();
	assert_int_equal(kt_compact(f->store, count_step, &steps), 0);
	atomic_store(&beside.end, true);
	pthread_join(writer, NULL);
	pthread_join(reader, NULL);
	print_message("%llu steps, writers came in after %llu\n", (unsigned long long)steps.count,
		(unsigned long long)steps.waited);
	assert_int_equal(atomic_load(&beside.failures), 0);
	assert_true(steps.waited * 4 >= steps.count);
	assert_sound(f->store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(large_values, setup, teardown),
		cmocka_unit_test_setup_teardown(twice, setup, teardown),
		cmocka_unit_test_setup_teardown(with_snapshots, setup, teardown),
		cmocka_unit_test_setup_teardown(beside_a_reader, setup, teardown),
		cmocka_unit_test_setup_teardown(interrupted, setup, teardown),
		cmocka_unit_test_setup_teardown(cleared, setup, teardown),
		cmocka_unit_test_setup_teardown(refused, setup, teardown),
		cmocka_unit_test_setup_teardown(full_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(beside_others, setup, teardown),
		cmocka_unit_test_setup_teardown(small_values, setup, teardown),
		cmocka_unit_test_setup_teardown(large_values, setup_memory, teardown),
		cmocka_unit_test_setup_teardown(small_values, setup_memory, teardown),
	};

	seed = rng_seed("test_compact").state;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
