/* An application that writes the store beside its mount: how soon it shows, and who waits. */
#include "support.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 300
#define LATEST_NS INT64_C(5000000000)

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void put(struct kt_store *store, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void report(const char *what, int64_t *times, size_t count)
{
	qsort(times, count, sizeof(*times), compare);
	fprintf(stderr, "%s: median %lld us, 99 of 100 within %lld us\n", what,
		(long long)(times[count / 2] / 1000), (long long)(times[count * 99 / 100] / 1000));
}

/* What is committed shows through an open file and through a map, both kept by the kernel. */
static void test_open_file(void **state)
{
	struct fixture *fixture = *state;
	int64_t times[ROUNDS];
	struct kt_store *store;
	char path[128], value[16], seen[16];
	const char *map;
	int fd;

	assert_int_equal(kt_open(fixture->store_path, NULL, &store), 0);
	put(store, "value", "00000000");
	support_mount(fixture);
	snprintf(path, sizeof(path), "%s/value", fixture->mount_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		int64_t begin;

		snprintf(value, sizeof(value), "%08u", i);
		put(store, "value", value);
		begin = now_ns();
		do {
			assert_true(now_ns() - begin < LATEST_NS);
			assert_int_equal(pread(fd, seen, 8, 0), 8);
		} while (memcmp(seen, value, 8) != 0);
		times[i - 1] = now_ns() - begin;
		assert_memory_equal(map, value, 8);
	}
	report("an open file shows a commit", times, ROUNDS);
	munmap((void *)map, 4096);
	close(fd);
	support_unmount(fixture);
	assert_int_equal(kt_close(store), 0);
}

/* A name that the kernel knows not to be there appears, and goes again. */
static void test_names(void **state)
{
	struct fixture *fixture = *state;
	int64_t times[ROUNDS];
	struct kt_store *store;

	assert_int_equal(kt_open(fixture->store_path, NULL, &store), 0);
	put(store, "d/first", "1");
	support_mount(fixture);
	for (unsigned i = 0; i < ROUNDS; i++) {
		char path[128], key[32];
		struct kt_txn *txn;
		int64_t begin;

		snprintf(key, sizeof(key), "d/%u", i / 2);
		snprintf(path, sizeof(path), "%s/%s", fixture->mount_dir, key);
		assert_int_equal(access(path, F_OK), i % 2 == 0 ? -1 : 0);
		if (i % 2 == 0) {
			put(store, key, "1");
		} else {
			assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
			assert_int_equal(kt_delete(txn, key, strlen(key), 0), 0);
			assert_int_equal(kt_commit(txn, 0), 0);
		}
		begin = now_ns();
		while (access(path, F_OK) != (i % 2 == 0 ? 0 : -1))
			assert_true(now_ns() - begin < LATEST_NS);
		times[i] = now_ns() - begin;
	}
	report("a name comes or goes", times, ROUNDS);
	support_unmount(fixture);
	assert_int_equal(kt_close(store), 0);
}

/* What is written through the mount is there for the application when the file is closed, and what
 * the application then writes is not overwritten by what the mount knew before. */
static void test_in_turns(void **state)
{
	struct fixture *fixture = *state;
	struct kt_store *store;
	char path[128];

	assert_int_equal(kt_open(fixture->store_path, NULL, &store), 0);
	support_mount(fixture);
	snprintf(path, sizeof(path), "%s/turns", fixture->mount_dir);
	for (unsigned i = 0; i < 100; i++) {
		char value[16], seen[16];
		struct kt_slice slice;
		struct kt_txn *txn;
		int64_t begin;
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

		assert_true(fd >= 0);
		snprintf(value, sizeof(value), "mount %06u", i);
		assert_int_equal(write(fd, value, 12), 12);
		assert_int_equal(close(fd), 0);
		assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
		assert_int_equal(kt_get(txn, "turns", 5, &slice), 0);
		assert_int_equal(slice.size, 12);
		assert_memory_equal(slice.data, value, 12);
		kt_abort(txn);
		snprintf(value, sizeof(value), "store %06u", i);
		put(store, "turns", value);
		begin = now_ns();
		do {
			assert_true(now_ns() - begin < LATEST_NS);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			assert_int_equal(read(fd, seen, sizeof(seen)), 12);
			close(fd);
		} while (memcmp(seen, value, 12) != 0);
	}
	support_unmount(fixture);
	assert_int_equal(kt_close(store), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_file, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_names, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_in_turns, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
