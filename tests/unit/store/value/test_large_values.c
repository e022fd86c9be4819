/* Large values: holes, views, verification of blocks. */
#include "tests/unit/fixture.h"

#include "keytree_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* A value of a GiB that is mostly hole costs a few pages; its data are found, its holes are zeros.
 */
static void sparse_values(void **state)
{
	struct fixture *f = *state;
	const uint64_t gib = UINT64_C(1) << 30;
	struct kt_store_info info;
	struct kt_entry_info stat;
	uint64_t from, to;
	char bytes[8192];
	size_t got;

	fixture_begin(f, KT_WRITE);
	assert_int_equal(fixture_put(f->txn, "a", "begin"), 0);
	assert_int_equal(kt_truncate(f->txn, "a", 1, gib), 0);
	assert_int_equal(kt_write(f->txn, "a", 1, gib / 2, "middle", 6), 0);
	fixture_commit(f);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.size, gib);
	assert_true(stat.stored <= 3 * 4096);
	assert_int_equal(kt_info(f->store, &info), 0);
	assert_true(info.pages < 100);
	assert_int_equal(kt_next_data(f->txn, "a", 1, 0, &from, &to), 0);
	assert_int_equal(from, 0);
	assert_int_equal(to, 4096);
	assert_int_equal(kt_next_data(f->txn, "a", 1, to, &from, &to), 0);
	assert_int_equal(from, gib / 2);
	assert_int_equal(to, gib / 2 + 4096);
	assert_int_equal(kt_next_data(f->txn, "a", 1, to, &from, &to), -ENXIO);
	assert_int_equal(kt_read(f->txn, "a", 1, gib / 2 - 4096, bytes, 8192, &got), 0);
	assert_int_equal(got, 8192);
	assert_int_equal(bytes[0], 0);
	assert_memory_equal(bytes + 4096, "middle", 6);
	assert_int_equal(kt_read(f->txn, "a", 1, gib - 3, bytes, 8192, &got), 0);
	assert_int_equal(got, 3);
	assert_int_equal(kt_punch(f->txn, "a", 1, 0, gib), 0);
	assert_int_equal(kt_next_data(f->txn, "a", 1, 0, &from, &to), -ENXIO);
	assert_int_equal(kt_stat(f->txn, "a", 1, &stat), 0);
	assert_int_equal(stat.size, gib);
	assert_int_equal(stat.stored, 0);
	fixture_commit(f);
}

/* A view of a reader stays what it was while others write, to the end of the transaction. */
static void views_last(void **state)
{
	struct fixture *f = *state;
	static char old[40000], new[40000];
	struct kt_slice value;
	struct kt_txn *reader;

	memset(old, 'o', sizeof(old));
	memset(new, 'n', sizeof(new));
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, old, sizeof(old)), 0);
	fixture_commit(f);
	assert_int_equal(kt_begin(f->store, KT_READ, &reader), 0);
	assert_int_equal(kt_get(reader, "a", 1, &value), 0);
	for (int i = 0; i < 50; i++) {
		fixture_begin(f, KT_WRITE);
		assert_int_equal(kt_put(f->txn, "a", 1, new, sizeof(new)), 0);
		assert_int_equal(kt_commit(f->txn, KT_FLUSH), 0);
		f->txn = NULL;
	}
	assert_int_equal(value.size, sizeof(old));
	assert_memory_equal(value.data, old, sizeof(old));
	kt_abort(reader);
}

/* Writing to the part of a block that is right would hide, under a new checksum, the part that is
 * not. A large value takes another way than a small one. */
static void assert_rot_stays(struct fixture *f, size_t size)
{
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_write(f->txn, "a", 1, 8192, "x", 1), -EBADMSG);
	assert_int_equal(kt_commit(f->txn, 0), -EBADMSG);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_write(f->txn, "a", 1, size + 200000, "x", 1), 0);
	assert_int_equal(kt_write(f->txn, "a", 1, 8192, "x", 1), -EBADMSG);
	fixture_abort(f);
}

/* A handle that has not met the rotten block of the value at 9000 yet does not give it out. */
static void assert_met_anew(struct fixture *f)
{
	static char buf[20000];
	struct kt_store *other;
	struct kt_slice value;
	struct kt_txn *txn;
	size_t got;

	assert_int_equal(kt_open(f->temp.path, NULL, &other), 0);
	assert_int_equal(kt_begin(other, KT_READ, &txn), 0);
	assert_int_equal(kt_read(txn, "a", 1, 0, buf, 8192, &got), 0);
	assert_int_equal(kt_read(txn, "a", 1, 8192, buf, 4096, &got), -EBADMSG);
	assert_int_equal(kt_read(txn, "a", 1, 9500, buf, 10, &got), -EBADMSG);
	assert_int_equal(kt_read(txn, "a", 1, 100, buf, 10000, &got), -EBADMSG);
	assert_int_equal(kt_read(txn, "a", 1, 12288, buf, 7712, &got), 0);
	assert_int_equal(kt_get(txn, "a", 1, &value), -EBADMSG);
	kt_abort(txn);
	assert_int_equal(kt_close(other), 0);
}

/* A flipped byte of a value's block is -EBADMSG for all that read it: when a handle first meets the
 * block, and each time with KT_VERIFY; and a finding of kt_check(). */
static void verified_values(void **state)
{
	struct fixture *f = *state;
	static char data[20000];
	char byte[8] = "evidence";
	struct kt_slice value;
	uint64_t findings;
	off_t at;
	int fd;

	memset(data, 'd', sizeof(data));
	memcpy(data + 9000, byte, sizeof(byte));
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, data, sizeof(data)), 0);
	fixture_commit(f);
	assert_int_equal(kt_flush(f->store), 0);
	fd = open(f->temp.path, O_RDWR);
	for (at = 0; pread(fd, byte, 8, at) == 8 && memcmp(byte, "evidence", 8) != 0;)
		at++;
	assert_int_equal(pwrite(fd, "E", 1, at), 1);
	fixture_begin(f, KT_READ | KT_VERIFY);
	assert_int_equal(kt_get(f->txn, "a", 1, &value), -EBADMSG);
	assert_non_null(strstr(kt_strerror(f->store, -EBADMSG), "checksum mismatch: page "));
	fixture_abort(f);
	fixture_begin(f, KT_READ); /* this handle has written the block itself */
	assert_int_equal(kt_get(f->txn, "a", 1, &value), 0);
	fixture_abort(f);
	assert_met_anew(f);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 1);
	assert_rot_stays(f, sizeof(data));
	assert_int_equal(pwrite(fd, "e", 1, at), 1);
	close(fd);
	assert_int_equal(kt_check(f->store, NULL, NULL, &findings), 0);
	assert_int_equal(findings, 0);
}

/* How far a check is, until it is to stop. */
struct steps {
	unsigned count, stop_at; /* 0: never */
	uint64_t done;
};

static int step(void *arg, uint64_t done)
{
	struct steps *steps = arg;

	assert_true(done > steps->done);
	steps->done = done;
	return ++steps->count == steps->stop_at ? -ECANCELED : 0;
}

/* A check tells how far it is, at each MiB of a value, once for all snapshots that share it; and
 * ends when it is told to, without a word on what it has not seen. */
static void checked_in_steps(void **state)
{
	struct fixture *f = *state;
	const size_t size = 5 << 20;
	char *data = calloc(1, size);
	struct steps all = {0}, some = {.stop_at = 2};
	uint64_t findings = 7;

	assert_non_null(data);
	fixture_begin(f, KT_WRITE);
	assert_int_equal(kt_put(f->txn, "a", 1, data, size), 0);
	fixture_commit(f);
	free(data);
	assert_int_equal(kt_check_steps(f->store, NULL, step, &some, &findings), -ECANCELED);
	assert_int_equal(some.count, 2);
	assert_int_equal(findings, 7);
	assert_int_equal(kt_check_steps(f->store, NULL, step, &all, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(all.done, size);
	assert_int_equal(kt_snapshot_create(f->store, "one"), 0);
	all = (struct steps){0};
	assert_int_equal(kt_check_steps(f->store, NULL, step, &all, &findings), 0);
	assert_int_equal(findings, 0);
	assert_int_equal(all.done, size);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		FIXTURE_FILE(verified_values),
		FIXTURE_FILE(checked_in_steps),
		FIXTURE_BOTH(sparse_values),
		FIXTURE_BOTH(views_last),
	};

	return cmocka_run_group_tests_name("large_values", tests, NULL, NULL);
}
