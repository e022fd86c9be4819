/* Values that are sent ahead, while an application changes them: two threads read the files of a
 * read-only mount in order, again and again, and give up now and then what the kernel has kept.
 * What each finds in a file never goes back, and in the end is what was written last.
 *
 * All values have the same size. KEYTREE_OPS says how many files to read.
 */
#include "support.h"

#include "keytree.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define FILES 300
#define READERS 2
#define DIGITS 8

static unsigned long reads_wanted = 60000;

struct world {
	struct fixture *fixture;
	struct kt_store *store;
	atomic_uint written[FILES]; /* in the file at least */
	atomic_ulong reads;
	atomic_bool failed; /* a reader has ended early */
};

struct reader {
	struct world *world;
	pthread_t thread;
	char error[80]; /* empty: all was well */
};

static void put(struct kt_txn *txn, unsigned file, unsigned value)
{
	char key[16], text[16];

	snprintf(key, sizeof(key), "d/%03u", file);
	snprintf(text, sizeof(text), "%0*u", DIGITS, value);
	assert_int_equal(kt_put(txn, key, strlen(key), text, DIGITS), 0);
}

/* @return what is in the file; -1 it cannot be read, or has another size */
static long read_file(const struct world *w, unsigned file, bool give_up)
{
	char path[100], text[DIGITS + 1] = "";
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "%s/d/%03u", w->fixture->mount_dir, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	got = read(fd, text, DIGITS + 1);
	if (give_up && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) != 0)
		got = -1;
	close(fd);
	text[DIGITS] = '\0';
	return got == DIGITS ? strtol(text, NULL, 10) : -1;
}

/* Only the main thread may fail the test. */
static void *read_files(void *arg)
{
	struct reader *reader = arg;
	struct world *w = reader->world;
	unsigned long reads = 0;
	long seen[FILES] = {0};

	for (unsigned round = 0; reads < reads_wanted; round++) {
		for (unsigned file = 0; file < FILES; file++) {
			long value = read_file(w, file, round % 3 == 2);

			if (value < seen[file]) {
				snprintf(reader->error, sizeof(reader->error),
					"file %u was %ld, and then %ld", file, seen[file], value);
				atomic_store(&w->failed, true);
				return NULL;
			}
			seen[file] = value;
			reads++;
			atomic_fetch_add(&w->reads, 1);
		}
	}
	return NULL;
}

/* Change some files, and then let some be read, as nothing is sent while there is something to be
 * told. */
static void change(struct world *w)
{
	unsigned long until = atomic_load(&w->reads) + support_random(w->fixture, 2 * FILES);
	struct kt_txn *txn;

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (unsigned i = support_random(w->fixture, 8); i <= 8; i++) {
		unsigned file = support_random(w->fixture, FILES);

		put(txn, file, ++w->written[file]);
	}
	assert_int_equal(kt_commit(txn, 0), 0);
	while (!atomic_load(&w->failed) && atomic_load(&w->reads) < until &&
		until < READERS * reads_wanted)
		sched_yield();
}

/* @return a number of the mount's, as "reads ahead" */
static unsigned long count_of(const struct world *w, const char *name)
{
	char text[4096];
	const char *at;
	ssize_t size =
		getxattr(w->fixture->mount_dir, "user.keytree.counts", text, sizeof(text) - 1);

	assert_true(size > 0);
	text[size] = '\0';
	at = strstr(text, name);
	assert_non_null(at);
	return strtoul(at + strlen(name), NULL, 10);
}

static void check_all(struct world *w)
{
	time_t begun = time(NULL);

	for (unsigned file = 0; file < FILES; file++) {
		while (read_file(w, file, false) != w->written[file]) {
			if (time(NULL) > begun + 10)
				fail_msg("file %u is %ld, not %u", file, read_file(w, file, false),
					w->written[file]);
			sched_yield();
		}
	}
}

static void test_never_back(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct reader readers[READERS] = {0};
	unsigned changes = 0;
	struct kt_txn *txn;

	w->fixture = *state;
	assert_int_equal(kt_open(w->fixture->store_path, NULL, &w->store), 0);
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (unsigned file = 0; file < FILES; file++)
		put(txn, file, 0);
	assert_int_equal(kt_commit(txn, 0), 0);
	support_mount_with(w->fixture, "ro");
	for (int i = 0; i < READERS; i++) {
		readers[i].world = w;
		assert_int_equal(
			pthread_create(&readers[i].thread, NULL, read_files, &readers[i]), 0);
	}
	for (; !atomic_load(&w->failed) && atomic_load(&w->reads) < READERS * reads_wanted;
		changes++)
		change(w);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	for (int i = 0; i < READERS; i++)
		assert_string_equal(readers[i].error, "");
	check_all(w);
	print_message("%u changes, %lu of %lu reads asked for a value, %lu were sent ahead\n",
		changes, count_of(w, "requests read "), atomic_load(&w->reads),
		count_of(w, "reads ahead "));
	assert_true(count_of(w, "reads ahead ") > 0);
	support_unmount(w->fixture);
	assert_int_equal(kt_close(w->store), 0);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_never_back, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	reads_wanted = support_operations(reads_wanted);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
