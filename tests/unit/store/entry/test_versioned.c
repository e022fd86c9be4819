/* Changes on a condition, whole transactions as one call, and errors after which a transaction goes
 * on; on a file and in memory. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"
#include "store/format.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kt_txn *begin(struct fixture *f, unsigned flags)
{
	assert_int_equal(kt_begin(f->store, flags, &f->txn), 0);
	return f->txn;
}

static void commit(struct fixture *f)
{
	struct kt_txn *txn = f->txn;

	f->txn = NULL;
	assert_int_equal(kt_commit(txn, 0), 0);
}

static uint64_t version_of(struct kt_txn *txn, const char *key)
{
	struct kt_entry_info stat;

	assert_int_equal(kt_stat(txn, key, strlen(key), &stat), 0);
	return stat.version;
}

static void assert_value(struct kt_txn *txn, const char *key, const char *expected)
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

/* An entry is written if it has the version that was read, or if it shall not exist and does not. */
static void put_if(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	begin(f, KT_WRITE);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("1"), 5), -ESTALE);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("1"), 0), 0);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("2"), 0), -ESTALE);
	version = kt_txn_id(f->txn);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("2"), version), 0);
	commit(f);
	assert_value(begin(f, KT_WRITE), "k", "2");
	assert_true(version_of(f->txn, "k") == version);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("3"), version + 1), -ESTALE);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("3"), version), 0);
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("4"), version), -ESTALE);
	commit(f); /* failed conditions do not end it */
	assert_value(begin(f, KT_READ), "k", "3");
	assert_int_equal(kt_put_if(f->txn, KT_STR("k"), KT_STR("4"), version + 1), -EROFS);
}

static void delete_if(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	assert_int_equal(kt_put(begin(f, KT_WRITE), KT_STR("k"), KT_STR("1")), 0);
	commit(f);
	version = version_of(begin(f, KT_WRITE), "k");
	assert_int_equal(kt_delete_if(f->txn, KT_STR("k"), version + 1), -ESTALE);
	assert_int_equal(kt_delete_if(f->txn, KT_STR("k"), 0), -ESTALE);
	assert_int_equal(kt_delete_if(f->txn, KT_STR("k"), version), 0);
	assert_int_equal(kt_delete_if(f->txn, KT_STR("k"), version), -ESTALE);
	assert_int_equal(kt_delete_if(f->txn, KT_STR("k"), 0), 0);
	commit(f);
	assert_value(begin(f, KT_READ), "k", NULL);
	assert_int_equal(kt_delete_if(f->txn, KT_STR("k"), 0), -EROFS);
}

/* A shared entry has one version under all of its keys. */
static void put_if_shared(void **state)
{
	struct fixture *f = *state;
	uint64_t version;

	assert_int_equal(kt_put(begin(f, KT_WRITE), KT_STR("a"), KT_STR("1")), 0);
	assert_int_equal(kt_link(f->txn, KT_STR("a"), f->txn, KT_STR("b")), 0);
	commit(f);
	begin(f, KT_WRITE);
	version = version_of(f->txn, "a");
	assert_true(version_of(f->txn, "b") == version);
	assert_int_equal(kt_put_if(f->txn, KT_STR("a"), KT_STR("2"), version), 0);
	commit(f);
	assert_value(begin(f, KT_READ), "b", "1");
}

/* A value is copied where it fits; where it does not, its size is told. */
static void get_copy(void **state)
{
	static char large[100000], buf[sizeof(large) + 1];
	struct fixture *f = *state;
	size_t size = 99;

	memset(large, 'x', sizeof(large));
	begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, KT_STR("small"), KT_STR("Ada")), 0);
	assert_int_equal(kt_put(f->txn, KT_STR("large"), large, sizeof(large)), 0);
	assert_int_equal(kt_put(f->txn, KT_STR("empty"), KT_STR("")), 0);
	assert_int_equal(kt_get_copy(f->txn, KT_STR("none"), buf, sizeof(buf), &size), -ENOENT);
	assert_int_equal(size, 99);
	assert_int_equal(kt_get_copy(f->txn, KT_STR("small"), buf, sizeof(buf), &size), 0);
	assert_int_equal(size, 3);
	assert_memory_equal(buf, "Ada", 3);
	assert_int_equal(kt_get_copy(f->txn, KT_STR("small"), buf, 3, NULL), 0);
	assert_int_equal(kt_get_copy(f->txn, KT_STR("small"), buf, 2, &size), -ERANGE);
	assert_int_equal(size, 3);
	assert_int_equal(kt_get_copy(f->txn, KT_STR("small"), NULL, 0, &size), -ERANGE);
	assert_int_equal(kt_get_copy(f->txn, KT_STR("empty"), NULL, 0, &size), 0);
	assert_int_equal(size, 0);
	assert_int_equal(
		kt_get_copy(f->txn, KT_STR("large"), buf, sizeof(large) - 1, &size), -ERANGE);
	assert_int_equal(size, sizeof(large));
	assert_int_equal(kt_get_copy(f->txn, KT_STR("large"), buf, sizeof(large), &size), 0);
	assert_memory_equal(buf, large, sizeof(large));
}

/* ---- kt_transact() --------------------------------------------------------------------------- */

struct change {
	int calls;
	int fail_until; /* calls that return err */
	int err;
};

static int make_change(void *arg, struct kt_txn *txn)
{
	struct change *change = arg;
	char value[20];

	change->calls++;
	sprintf(value, "%d", change->calls);
	assert_int_equal(kt_put(txn, KT_STR("k"), value, strlen(value)), 0);
	return change->calls <= change->fail_until ? change->err : 0;
}

/* What the function did is committed, or, if it fails, has not happened. */
static void transact(void **state)
{
	struct fixture *f = *state;
	struct change good = {0}, bad = {.fail_until = 99, .err = -EPROTO};
	struct change positive = {.fail_until = 99, .err = 3};
	struct kt_store_info info;

	assert_int_equal(kt_transact(f->store, make_change, &bad, 0), -EPROTO);
	assert_int_equal(kt_transact(f->store, make_change, &positive, 0), 3);
	assert_value(begin(f, KT_READ), "k", NULL);
	kt_abort(f->txn);
	f->txn = NULL;
	assert_int_equal(kt_transact(f->store, make_change, &good, KT_FLUSH), 0);
	assert_int_equal(good.calls + bad.calls + positive.calls, 3);
	assert_value(begin(f, KT_READ), "k", "1");
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_true(info.durable_txn == info.txn);
	assert_int_equal(kt_transact(f->store, make_change, &good, 1 << 7), -EINVAL);
}

/* It is tried again after -EAGAIN, a bounded number of times. */
static void transact_again(void **state)
{
	struct fixture *f = *state;
	struct change twice = {.fail_until = 2, .err = -EAGAIN};
	struct change always = {.fail_until = 1000, .err = -EAGAIN};

	assert_int_equal(kt_transact(f->store, make_change, &twice, 0), 0);
	assert_int_equal(twice.calls, 3);
	assert_value(begin(f, KT_READ), "k", "3");
	assert_int_equal(kt_transact(f->store, make_change, &always, 0), -EAGAIN);
	assert_int_equal(always.calls, KT_TRANSACT_TRIES);
}

/* Within a write transaction of the same thread there is no other one. */
static void transact_nested(void **state)
{
	struct fixture *f = *state;
	struct change change = {0};

	begin(f, KT_WRITE);
	assert_int_equal(kt_transact(f->store, make_change, &change, 0), -EDEADLK);
	assert_int_equal(change.calls, 0);
}

/* ---- errors that end nothing ----------------------------------------------------------------- */

static char long_key[5000];

static int attr_long(struct kt_txn *txn)
{
	return kt_set_attr(txn, long_key, sizeof(long_key), KT_STR("a"));
}

static int attr_missing(struct kt_txn *txn)
{
	return kt_set_attr(txn, KT_STR("none"), KT_STR("a"));
}

static int attr_missing_shared(struct kt_txn *txn)
{
	return kt_set_attr(kt_tree(txn, KT_SHARED), KT_STR("12345678"), KT_STR("a"));
}

static int link_to_long(struct kt_txn *txn)
{
	return kt_link(txn, KT_STR("k"), txn, long_key, sizeof(long_key));
}

static int link_from_long(struct kt_txn *txn)
{
	return kt_link(txn, long_key, sizeof(long_key), txn, KT_STR("z"));
}

static int link_missing(struct kt_txn *txn)
{
	return kt_link(txn, KT_STR("none"), txn, KT_STR("z"));
}

static int link_missing_shared(struct kt_txn *txn)
{
	return kt_link(kt_tree(txn, KT_SHARED), KT_STR("12345678"), txn, KT_STR("z"));
}

static int link_existing(struct kt_txn *txn)
{
	return kt_link(txn, KT_STR("k"), txn, KT_STR("k2"));
}

static int put_long(struct kt_txn *txn)
{
	return kt_put(txn, long_key, sizeof(long_key), KT_STR("a"));
}

static int mtime_missing(struct kt_txn *txn)
{
	return kt_set_mtime(txn, KT_STR("none"), 1);
}

static int move_missing(struct kt_txn *txn)
{
	return kt_move(txn, KT_STR("none"), txn, KT_STR("z"));
}

static int delete_missing(struct kt_txn *txn)
{
	return kt_delete(txn, KT_STR("none"), 0);
}

/* Arguments are checked before anything is changed: a call that is refused leaves the transaction as
 * it was, and what comes before and after it is committed. */
static void refusals(void **state)
{
	static const struct {
		int (*call)(struct kt_txn *txn);
		int err;
	} cases[] = {
		{attr_long, -ENAMETOOLONG},
		{attr_missing, -ENOENT},
		{attr_missing_shared, -ENOENT},
		{link_to_long, -ENAMETOOLONG},
		{link_from_long, -ENAMETOOLONG},
		{link_missing, -ENOENT},
		{link_missing_shared, -ENOENT},
		{link_existing, -EEXIST},
		{put_long, -ENAMETOOLONG},
		{mtime_missing, -ENOENT},
		{move_missing, -ENOENT},
		{delete_missing, -ENOENT},
	};
	struct fixture *f = *state;
	char value[20];

	memset(long_key, 'x', sizeof(long_key));
	assert_int_equal(kt_put(begin(f, KT_WRITE), KT_STR("k"), KT_STR("v")), 0);
	assert_int_equal(kt_put(f->txn, KT_STR("k2"), KT_STR("v")), 0);
	commit(f);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		sprintf(value, "%zu", i);
		begin(f, KT_WRITE);
		assert_int_equal(kt_put(f->txn, KT_STR("before"), value, strlen(value)), 0);
		assert_int_equal(cases[i].call(f->txn), cases[i].err);
		assert_int_equal(kt_put(f->txn, KT_STR("after"), value, strlen(value)), 0);
		commit(f);
		assert_value(begin(f, KT_READ), "before", value);
		assert_value(f->txn, "after", value);
		assert_value(f->txn, "z", NULL);
		kt_abort(f->txn);
		f->txn = NULL;
	}
	fixture_assert_sound(f->store);
}

static void note_message(void *arg, const char *message)
{
	snprintf(arg, 200, "%s", message);
}

/* Damage is told to the log when it is met; without a log nothing is. */
static void log_of_damage(void **state)
{
	struct fixture *f = *state;
	char message[200] = "";
	struct kt_slice value;
	struct stat st;
	int fd;

	assert_int_equal(kt_put(begin(f, KT_WRITE), KT_STR("k"), KT_STR("v")), 0);
	commit(f);
	assert_int_equal(kt_close(f->store), 0);
	f->store = NULL;
	fd = open(f->temp.path, O_RDWR);
	assert_true(fd >= 0 && fstat(fd, &st) == 0);
	for (off_t at = PAGE_FIRST * 4096; at < st.st_size; at += 4096)
		assert_int_equal(pwrite(fd, "damage", 6, at + 100), 6);
	close(fd);
	kt_set_log(note_message, message);
	assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
	assert_int_equal(kt_get(begin(f, KT_READ), KT_STR("k"), &value), -EUCLEAN);
	assert_memory_equal(message, "page ", 5);
	kt_set_log(NULL, NULL);
	message[0] = '\0';
	assert_int_equal(kt_get(f->txn, KT_STR("k"), &value), -EUCLEAN);
	assert_string_equal(message, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_BOTH(put_if),
		FIXTURE_BOTH(delete_if),
		FIXTURE_BOTH(put_if_shared),
		FIXTURE_BOTH(get_copy),
		FIXTURE_BOTH(transact),
		FIXTURE_BOTH(transact_again),
		FIXTURE_BOTH(transact_nested),
		FIXTURE_BOTH(refusals),
		FIXTURE_FILE(log_of_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
