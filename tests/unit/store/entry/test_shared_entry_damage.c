/* Shared entries that are damaged, and checking them while a process writes. */
#include "tests/unit/store/entry/sharing_world.h"

#include "keytree_fs.h"

#include "store/commit/txn.h"
#include "store/entry/shared_entry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- damage ---------------------------------------------------------------------------------- */

static void count_finding(void *arg, uint64_t page, const char *message)
{
	(void)page;
	(void)message;
	++*(unsigned *)arg;
}

/* Damage the cell of a shared entry, or of the record of one of its keys, or of a link. */
static void damage(struct sharing_world *f, unsigned what)
{
	struct kt_txn shared;
	unsigned char key[KT_ID_KEY_SIZE];
	struct kt_txn *txn;
	struct entry entry;
	struct cell cell;

	assert_int_equal(kt_begin(f->store, KT_WRITE, &txn), 0);
	kt_id_key(sharing_stat(txn, "a").shared, key);
	shared = (struct kt_txn){.txn = txn->txn, .tree = TREE_SHARED};
	if (what < 3) {
		assert_int_equal(entry_open(&shared, key, sizeof(key), &entry), 0);
		if (what == 0)
			entry.cell.keys = 7;
		else if (what == 1)
			entry.cell.keys = 0;
		else
			entry.cell.flags &= (uint8_t)~CELL_SHARED;
	} else {
		assert_int_equal(entry_open(txn, "a", 1, &entry), 0);
		cell = entry.cell;
		if (what == 3) /* to an entry that is not there */
			cell.value.root += 100;
		else if (what == 4) /* by a number of no record */
			cell.value.blocks += 100;
		else /* a link for a record's value */
			assert_int_equal(entry_open(&shared, key, sizeof(key), &entry), 0);
		entry.cell.value = cell.value;
	}
	assert_int_equal(entry_store(&entry, entry.cell.value.size), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* Links that lead nowhere and counts that are wrong are found by a check, and are errors when they
 * are met; nothing crashes, and other keys are there. */
static void damaged(void **state)
{
	struct sharing_world *f = *state;

	for (unsigned what = 0; what < 6; what++) {
		struct kt_slice value;
		uint64_t findings;
		unsigned told = 0;
		int err;

		sharing_begin(f, KT_WRITE);
		assert_int_equal(kt_clear(f->txn), 0);
		assert_int_equal(sharing_put(f->txn, "a", "value"), 0);
		assert_int_equal(sharing_put(f->txn, "z", "other"), 0);
		assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
		sharing_commit(f);
		sharing_assert_sound(f);
		damage(f, what);
		assert_int_equal(kt_check(f->store, count_finding, &told, &findings), 0);
		assert_true(findings > 0 && told == findings);
		sharing_begin(f, KT_WRITE);
		err = kt_get(f->txn, "a", 1, &value);
		assert_true(err == -EUCLEAN || (!err && (what == 0 || what == 4)));
		err = sharing_drop_key(f->txn, "a");
		assert_true(err == -EUCLEAN || (!err && what == 0));
		sharing_assert_value(f->txn, "z", "other");
		assert_int_equal(kt_commit(f->txn, 0), err);
		f->txn = NULL;
		sharing_begin(f, KT_WRITE);
		sharing_assert_value(f->txn, "z", "other");
		assert_int_equal(kt_clear(f->txn), 0);
		sharing_commit(f);
	}
}

/* ---- beside a writer ------------------------------------------------------------------------- */

/* Link and delete, for ever, in a process of its own. */
static void write_links(const char *path)
{
	struct kt_store *store;
	struct kt_txn *txn;

	if (kt_open(path, NULL, &store) != 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%u", i % 100);
		if (kt_begin(store, KT_WRITE, &txn) != 0)
			_exit(1);
		if (sharing_link(txn, "a", key) != 0)
			sharing_drop_key(txn, key);
		if (kt_commit(txn, 0) != 0)
			_exit(1);
	}
}

/* A check compares keys and entries of one commit, while others commit. */
static void checked_meanwhile(void **state)
{
	struct sharing_world *f = *state;
	uint64_t first, last;

	sharing_begin(f, KT_WRITE);
	assert_int_equal(sharing_put(f->txn, "a", "value"), 0);
	assert_int_equal(sharing_link(f->txn, "a", "b"), 0);
	sharing_commit(f);
	sharing_begin(f, KT_READ);
	first = last = kt_txn_id(f->txn);
	sharing_end(f);
	f->child = fork();
	assert_true(f->child >= 0);
	if (f->child == 0)
		write_links(f->temp.path);
	while (last < first + 400) {
		sharing_assert_sound(f);
		assert_int_equal(waitpid(f->child, NULL, WNOHANG), 0);
		sharing_begin(f, KT_READ);
		last = kt_txn_id(f->txn);
		sharing_end(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARING_TEST(damaged),
		cmocka_unit_test_setup_teardown(
			checked_meanwhile, sharing_setup_file, sharing_teardown),
	};

	return cmocka_run_group_tests_name("shared_entry_damage", tests, NULL, NULL);
}
