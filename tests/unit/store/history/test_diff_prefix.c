/* The difference below a prefix, on a file and in memory. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put(struct kt_txn *txn, const char *key, const char *value)
{
	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
}

static int tell(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	char *text = arg;

	sprintf(text + strlen(text), "%c%.*s ",
		from == NULL ? '+'
		: to == NULL ? '-'
			     : '=',
		(int)key->size, (const char *)key->data);
	return 0;
}

static int stop(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	(void)tell(arg, key, from, to);
	return 7;
}

static void assert_diff(
	struct kt_txn *from, struct kt_txn *to, const char *prefix, const char *expected)
{
	char text[1000] = "";

	assert_int_equal(kt_diff_prefix(from, to, prefix, strlen(prefix), tell, text), 0);
	assert_string_equal(text, expected);
}

/* Keys that begin with the prefix are told whole, others not at all; a shared entry too. */
static void below_a_prefix(void **state)
{
	static char long_prefix[KT_KEY_MAX + 1];
	struct fixture *f = *state;
	struct kt_txn *from, *to;
	char text[100] = "";

	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	put(f->txn, "a", "1");
	put(f->txn, "p/a", "1");
	put(f->txn, "p/b", "1");
	put(f->txn, "p/same", "1");
	assert_int_equal(kt_link(f->txn, KT_STR("a"), f->txn, KT_STR("p/link")), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	assert_int_equal(kt_begin(f->store, KT_READ, &from), 0);
	assert_int_equal(kt_begin(f->store, KT_WRITE, &f->txn), 0);
	put(f->txn, "o", "1");
	put(f->txn, "p", "1");
	put(f->txn, "p/a", "2");
	put(f->txn, "p/new", "2");
	put(f->txn, "p0", "1");
	assert_int_equal(kt_delete(f->txn, KT_STR("p/b"), 0), 0);
	assert_int_equal(kt_write(f->txn, KT_STR("a"), 0, "2", 1), 0);
	assert_int_equal(kt_commit(f->txn, 0), 0);
	f->txn = NULL;
	assert_int_equal(kt_begin(f->store, KT_READ, &to), 0);
	assert_diff(from, to, "p/", "=p/a -p/b =p/link +p/new ");
	assert_diff(from, to, "", "=a +o +p =p/a -p/b =p/link +p/new +p0 ");
	assert_diff(from, to, "p/n", "+p/new ");
	assert_diff(from, to, "q", "");
	assert_int_equal(kt_diff_prefix(from, to, KT_STR("p/"), stop, text), 7);
	assert_string_equal(text, "=p/a ");
	assert_int_equal(kt_diff_prefix(from, to, long_prefix, sizeof(long_prefix), tell, text), 0);
	kt_abort(from);
	kt_abort(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(below_a_prefix),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
