#include "tests/unit/store/compact/compact_world.h"

#include "tests/unit/rng.h"
#include "tests/unit/temp.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <cmocka.h>

uint64_t compact_seed;

int compact_setup(void **state)
{
	struct compact_world *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-compact-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	f->rng.state = compact_seed;
	for (size_t i = 0; i < sizeof(f->bytes); i++)
		f->bytes[i] = (uint8_t)rng_next(&f->rng);
	*state = f;
	return kt_open(f->path, KT_OPTIONS(.flags = KT_CREATE), &f->store);
}

int compact_setup_memory(void **state)
{
	struct compact_world *f = calloc(1, sizeof(*f));

	f->rng.state = compact_seed;
	for (size_t i = 0; i < sizeof(f->bytes); i++)
		f->bytes[i] = (uint8_t)rng_next(&f->rng);
	*state = f;
	return kt_open_memory("compact", &f->store);
}

int compact_teardown(void **state)
{
	struct compact_world *f = *state;

	kt_close(f->store);
	if (f->dir[0] != '\0')
		temp_remove_dir(f->dir);
	free(f);
	return 0;
}

uint64_t compact_below(struct compact_world *f, uint64_t bound)
{
	return rng_next(&f->rng) % bound;
}

/* Sizes of values: most small, some inline, some up to 100 KiB. */
static size_t compact_random_size(struct compact_world *f, size_t most)
{
	switch (compact_below(f, 4)) {
	case 0:
		return compact_below(f, most < 100 ? most : 100);
	case 1:
		return compact_below(f, most < 1500 ? most : 1500);
	case 2:
		return compact_below(f, most < 20000 ? most : 20000);
	default:
		return compact_below(f, most);
	}
}

size_t compact_random_key(struct compact_world *f, unsigned keys, char *key)
{
	unsigned number = (unsigned)compact_below(f, keys);

	/* Every 50th key is too long for its node. */
	return (size_t)sprintf(key, "%u/%06u%.*s", number % 7, number,
		number % 50 == 0 ? 900 : (int)(number % 20),
		"a long name that goes on and on ..............................................."
		"...............................................................................");
}

void compact_change(struct compact_world *f, struct kt_txn *txn, unsigned keys, size_t most)
{
	char key[1200];
	size_t size = compact_random_key(f, keys, key);
	size_t part = compact_random_size(f, most);
	int err = 0;

	switch (compact_below(f, 10)) {
	case 0:
	case 1:
		err = kt_delete(txn, key, size, KT_MISSING_OK);
		break;
	case 2:
		err = kt_write(txn, key, size, compact_below(f, most), f->bytes, part);
		break;
	case 3:
		err = kt_punch(txn, key, size, compact_below(f, most), part);
		break;
	case 4:
		err = kt_set_attr(
			txn, key, size, f->bytes, compact_below(f, 20) == 0 ? part : part % 64);
		break;
	default:
		err = kt_put(txn, key, size, f->bytes + compact_below(f, VALUE_MAX - part), part);
	}
	assert_true(!err || err == -ENOENT);
}

void compact_age(struct compact_world *f, struct kt_store *store, unsigned commits, unsigned keys,
	size_t most)
{
	for (unsigned i = 0; i < commits; i++) {
		struct kt_txn *txn;

		assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
		for (uint64_t n = compact_below(f, 8); n > 0; n--)
			compact_change(f, txn, keys, most);
		for (uint64_t n = compact_below(f, 3); n > 0; n--)
			compact_change(f, kt_tree(txn, KT_DIRECTORIES), keys / 10, 300);
		assert_int_equal(kt_commit(txn, compact_below(f, 20) == 0 ? KT_FLUSH : 0), 0);
	}
}

uint64_t compact_digest(struct kt_txn *txn)
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

uint64_t compact_digest_now(struct kt_store *store)
{
	struct kt_txn *txn;
	uint64_t result;

	assert_int_equal(kt_begin(store, KT_READ | KT_VERIFY, &txn), 0);
	result = compact_digest(txn);
	kt_abort(txn);
	return result;
}

static void print_finding(void *arg, uint64_t page, const char *message)
{
	(void)arg;
	print_error("page %llu: %s\n", (unsigned long long)page, message);
}

void compact_assert_sound(struct kt_store *store)
{
	uint64_t findings;

	assert_int_equal(kt_check(store, print_finding, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

uint64_t compact_pages(struct kt_store *store)
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

uint64_t compact_fresh_pages(struct kt_store *store)
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
	count = compact_pages(fresh);
	kt_close(fresh);
	return count;
}

uint64_t compact_file_size(const struct compact_world *f)
{
	struct stat st;

	assert_int_equal(stat(f->path, &st), 0);
	return (uint64_t)st.st_size;
}
