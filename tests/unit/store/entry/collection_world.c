#include "tests/unit/store/entry/collection_world.h"

#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct kt_collection *collection_test_open(struct fixture *f, const char *name, unsigned flags)
{
	struct kt_collection *collection;

	assert_int_equal(kt_collection_open(f->store, name, strlen(name), flags, &collection), 0);
	return collection;
}

struct kt_txn *collection_test_begin(struct kt_collection *collection, unsigned flags)
{
	struct kt_txn *txn;

	assert_int_equal(kt_collection_begin(collection, flags, &txn), 0);
	return txn;
}

int collection_test_put(struct kt_txn *txn, const char *key, const char *value)
{
	return kt_put(txn, key, strlen(key), value, strlen(value));
}

void collection_test_put_keys(struct fixture *f, const char *const *keys)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	for (; *keys != NULL; keys++)
		assert_int_equal(collection_test_put(txn, *keys, *keys), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

void collection_assert_value(struct kt_txn *txn, const char *key, const char *expected)
{
	struct kt_slice value;
	int err = kt_get(txn, key, strlen(key), &value);

	if (expected == NULL) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
}

const char *collection_scan(struct kt_cursor *cursor, int (*step)(struct kt_cursor *))
{
	static char text[1024];
	size_t size = 0;
	int err;

	while ((err = step(cursor)) == 0) {
		struct kt_slice key = kt_cursor_key(cursor);

		assert_true(size + key.size + 2 < sizeof(text));
		memcpy(text + size, key.data, key.size);
		size += key.size;
		text[size++] = ' ';
	}
	assert_int_equal(err, -ENOENT);
	text[size] = '\0';
	return text;
}

int collection_add_name(void *arg, const struct kt_slice *name)
{
	char *text = arg;
	size_t size = strlen(text);

	memcpy(text + size, name->data, name->size);
	strcpy(text + size + name->size, " ");
	return 0;
}

const char *collection_test_list(struct fixture *f)
{
	static char text[1024];
	struct kt_txn *txn;

	text[0] = '\0';
	assert_int_equal(kt_begin(f->store, KT_READ, &txn), 0);
	assert_int_equal(kt_collection_list(txn, collection_add_name, text), 0);
	kt_abort(txn);
	return text;
}

uint64_t collection_test_count(struct kt_txn *txn)
{
	struct kt_counts collection_test_count;

	assert_int_equal(kt_count(txn, &collection_test_count), 0);
	return collection_test_count.entries;
}
