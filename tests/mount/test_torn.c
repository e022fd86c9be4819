/* An application replaces values, and is replaced by another mount with rename(2), while others
 * read them through a mount. A value is one letter, as often as its version says, so a read shows
 * whether it mixed two versions, came short or has zeros that no version has.
 *
 * KEYTREE_OPS says how many changes to make.
 */
#include "support.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_ 400000
#define READERS 2

static unsigned changes_wanted = 400;

struct torn {
	struct fixture *fixture;
	struct kt_store *store;
	atomic_bool stop;
	atomic_ulong reads, torn, versions;
};

/* Versions differ in size, both ways, and among them are some that end in one page. */
static size_t size_of(unsigned version)
{
	static const size_t sizes[] = {SIZE_MAX_, 5000, 7000, 130000, 300, 390001};

	return sizes[version % (sizeof(sizes) / sizeof(sizes[0]))];
}

static char letter_of(unsigned version)
{
	return (char)('A' + version % 26);
}

/* @return the commit */
static uint64_t put_version(struct kt_store *store, unsigned version)
{
	static char value[SIZE_MAX_];
	struct kt_txn *txn;
	uint64_t commit;

	memset(value, letter_of(version), size_of(version));
	assert_int_equal(kt_begin(store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, "value", 5, value, size_of(version)), 0);
	commit = kt_txn_id(txn);
	assert_int_equal(kt_commit(txn, 0), 0);
	return commit;
}

/* ---- readers --------------------------------------------------------------------------------- */

/* Is it one version, from its begin to its end? */
static bool is_whole(const char *bytes, ssize_t size)
{
	if (size <= 0)
		return false;
	for (ssize_t i = 1; i < size; i++)
		if (bytes[i] != bytes[0])
			return false;
	for (unsigned version = 0; version < 78; version++)
		if (letter_of(version) == bytes[0] && size_of(version) == (size_t)size)
			return true;
	return false;
}

static void *read_values(void *arg)
{
	struct torn *t = arg;
	char *bytes = malloc(SIZE_MAX_ + 1), path[120];
	char before = 0;

	snprintf(path, sizeof(path), "%s/value", t->fixture->mount_dir);
	while (!atomic_load(&t->stop)) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t size;

		assert_true(fd >= 0);
		size = read(fd, bytes, SIZE_MAX_ + 1);
		close(fd);
		atomic_fetch_add(&t->reads, 1);
		if (!is_whole(bytes, size))
			atomic_fetch_add(&t->torn, 1);
		else if (bytes[0] != before)
			atomic_fetch_add(&t->versions, 1);
		if (size > 0)
			before = bytes[0];
	}
	free(bytes);
	return NULL;
}

static void *stat_value(void *arg)
{
	struct torn *t = arg;
	char path[120];
	struct stat stat_;

	snprintf(path, sizeof(path), "%s/value", t->fixture->mount_dir);
	while (!atomic_load(&t->stop))
		assert_int_equal(stat(path, &stat_), 0);
	return NULL;
}

static void start(pthread_t *thread, void *(*run)(void *), struct torn *t)
{
	assert_int_equal(pthread_create(thread, NULL, run, t), 0);
}

/* ---- what changes the value ------------------------------------------------------------------- */

static unsigned long wait_for_reads(struct torn *t, unsigned long from, unsigned long count)
{
	while (atomic_load(&t->reads) < from + count)
		sched_yield();
	return atomic_load(&t->reads);
}

/* Through another mount: a new file takes the name of the old one. */
static void replace_by_rename(const char *mount, unsigned version)
{
	static char value[SIZE_MAX_];
	char path[140], new_path[140];
	int fd;

	snprintf(path, sizeof(path), "%s/value", mount);
	snprintf(new_path, sizeof(new_path), "%s/new", mount);
	memset(value, letter_of(version), size_of(version));
	fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, size_of(version)), size_of(version));
	assert_int_equal(close(fd), 0);
	assert_int_equal(rename(new_path, path), 0);
}

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Wait until the mount shows a version: it was told then. */
static void wait_until_shown(const struct torn *t, unsigned version)
{
	static char bytes[SIZE_MAX_ + 1];
	int64_t since_ms = now_ms();
	bool shown = false;
	char path[120];

	snprintf(path, sizeof(path), "%s/value", t->fixture->mount_dir);
	while (!shown) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t size = read(fd, bytes, sizeof(bytes));

		close(fd);
		shown = is_whole(bytes, size) && bytes[0] == letter_of(version);
		if (!shown && now_ms() - since_ms > 30000)
			fail_msg("version %u is not shown: %zd bytes, %c first", version, size,
				size > 0 ? bytes[0] : '?');
		sched_yield();
	}
}

/* ---- the tests -------------------------------------------------------------------------------- */

static void begin(struct torn *t, struct fixture *fixture)
{
	t->fixture = fixture;
	assert_int_equal(kt_open(fixture->store_path, NULL, &t->store), 0);
	put_version(t->store, 0);
}

static void end(struct torn *t)
{
	support_unmount(t->fixture);
	assert_int_equal(kt_close(t->store), 0);
	print_message("%lu reads of %lu versions, %lu torn\n", atomic_load(&t->reads),
		atomic_load(&t->versions), atomic_load(&t->torn));
}

/* Each read(2) of a file that others replace again and again gives bytes of one version. */
static void read_while_replaced(struct fixture *fixture, const char *other_mount)
{
	struct torn t = {0};
	pthread_t readers[READERS];
	unsigned long reads = 0;

	begin(&t, fixture);
	support_mount(fixture);
	wait_until_shown(&t, 0);
	/* from then on the mount knows that others change the file */
	support_wait_told(fixture->mount_dir, put_version(t.store, 1), 30);
	wait_until_shown(&t, 1);
	for (int i = 0; i < READERS; i++)
		start(&readers[i], read_values, &t);
	for (unsigned version = 2; version < changes_wanted; version++) {
		if (other_mount != NULL)
			replace_by_rename(other_mount, version);
		else
			put_version(t.store, version);
		reads = wait_for_reads(&t, reads, 2);
	}
	atomic_store(&t.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	end(&t);
	assert_int_equal(atomic_load(&t.torn), 0);
}

static void test_replaced_by_put(void **state)
{
	read_while_replaced(*state, NULL);
}

static void test_replaced_by_rename(void **state)
{
	struct fixture *fixture = *state;
	char other[100];

	snprintf(other, sizeof(other), "%s2", fixture->mount_dir);
	assert_int_equal(mkdir(other, 0700), 0);
	assert_int_equal(support_keytree("mount", fixture->store_path, other), 0);
	read_while_replaced(fixture, other);
	assert_int_equal(support_keytree("umount", other, NULL), 0);
}

/* Once a mount was told of a value, it shows it, whatever size others were being told meanwhile.
 * A read-only mount keeps all pages. */
static void test_told_is_whole(void **state)
{
	struct torn t = {0};
	pthread_t threads[READERS + 1];

	begin(&t, *state);
	support_mount_with(t.fixture, "ro");
	start(&threads[0], read_values, &t);
	for (int i = 1; i <= READERS; i++)
		start(&threads[i], stat_value, &t);
	for (unsigned version = 0; version < 2 * changes_wanted; version++) {
		put_version(t.store, version);
		if (version % 6 == 2 || version % 6 == 4)
			wait_until_shown(&t, version);
	}
	atomic_store(&t.stop, true);
	for (int i = 0; i <= READERS; i++)
		pthread_join(threads[i], NULL);
	end(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_replaced_by_put, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_replaced_by_rename, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_told_is_whole, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	changes_wanted = (unsigned)support_operations(changes_wanted);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
