/* An application changes a store that is mounted twice, and once read-only; nobody who looks
 * through the mounts sees anything old, once the mounts were told.
 *
 * Each change is one transaction on some random keys. The time until a mount says that it was told
 * of that commit is measured. All that was asked for
 * before, and is kept by the kernel for that, is then asked for again: sizes, contents, pages that
 * are mapped, names that do not exist, listings.
 *
 * KEYTREE_OPS says how many checks to make.
 */
#include "support.h"

#include "keytree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MOUNTS 3
#define DIRS 4
#define FILES 8	 /* in each, by turns there and not */
#define MAPPED 4 /* files that stay and keep their size, mapped by us */
#define MAPPED_SIZE 6000
#define TOLD_MAX 20000

static unsigned long checks_wanted = 20000;

struct world {
	struct fixture *fixture;
	struct kt_store *store;
	char mounts[MOUNTS][100];
	int sizes[DIRS][FILES]; /* of the values; -1: no such key */
	char letters[DIRS][FILES];
	bool implied[DIRS]; /* the directory is there */
	char mapped_letters[MAPPED];
	const char *maps[MOUNTS][MAPPED];
	unsigned count;	 /* of changes */
	uint64_t commit; /* the last of them */
	unsigned long checks;
	double told_us[TOLD_MAX];
	size_t told_count;
};

static void path_of(const struct world *w, int mount, const char *key, char path[160])
{
	snprintf(path, 160, "%s/%s", w->mounts[mount], key);
}

static void key_of(int dir, int file, char key[32])
{
	snprintf(key, 32, "d%d/f%d", dir, file);
}

/* ---- the application ------------------------------------------------------------------------- */

static void put_filled(struct kt_txn *txn, const char *key, char letter, size_t size)
{
	char *value = malloc(size + 1);

	memset(value, letter, size);
	assert_int_equal(kt_put(txn, key, strlen(key), value, size), 0);
	free(value);
}

static void change_file(struct world *w, struct kt_txn *txn, int dir, int file)
{
	char key[32];

	key_of(dir, file, key);
	if (support_random(w->fixture, 3) == 0) {
		assert_int_equal(kt_delete(txn, key, strlen(key), KT_MISSING_OK), 0);
		w->sizes[dir][file] = -1;
		return;
	}
	w->letters[dir][file] = (char)('a' + support_random(w->fixture, 26));
	w->sizes[dir][file] =
		(int)support_random(w->fixture, support_random(w->fixture, 4) ? 100 : 10000);
	put_filled(txn, key, w->letters[dir][file], (size_t)w->sizes[dir][file]);
}

static void clear_dir(struct world *w, struct kt_txn *txn, int dir)
{
	for (int file = 0; file < FILES; file++) {
		char key[32];

		key_of(dir, file, key);
		assert_int_equal(kt_delete(txn, key, strlen(key), KT_MISSING_OK), 0);
		w->sizes[dir][file] = -1;
	}
}

static void change_mapped(struct world *w, struct kt_txn *txn, int i)
{
	char key[32];

	snprintf(key, sizeof(key), "mapped%d", i);
	w->mapped_letters[i] = (char)('a' + support_random(w->fixture, 26));
	put_filled(txn, key, w->mapped_letters[i], MAPPED_SIZE);
}

static void change(struct world *w)
{
	unsigned changes = 1 + support_random(w->fixture, 4);
	struct kt_txn *txn;

	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (unsigned i = 0; i < changes; i++)
		change_file(w, txn, (int)support_random(w->fixture, DIRS),
			(int)support_random(w->fixture, FILES));
	if (support_random(w->fixture, 8) == 0)
		clear_dir(w, txn, (int)support_random(w->fixture, DIRS));
	change_mapped(w, txn, (int)support_random(w->fixture, MAPPED));
	w->commit = kt_txn_id(txn);
	w->count++;
	assert_int_equal(kt_commit(txn, 0), 0);
	for (int dir = 0; dir < DIRS; dir++) {
		w->implied[dir] = false;
		for (int file = 0; file < FILES; file++)
			w->implied[dir] |= w->sizes[dir][file] >= 0;
	}
}

/* ---- the readers ----------------------------------------------------------------------------- */

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static ssize_t read_all(const char *path, char *buf, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -errno;
	got = read(fd, buf, room);
	close(fd);
	return got;
}

/* Wait until a mount was told of the last change. */
static void wait_until_told(struct world *w, int mount, double since_us)
{
	support_wait_told(w->mounts[mount], w->commit, 10);
	if (w->told_count < TOLD_MAX)
		w->told_us[w->told_count++] = now_us() - since_us;
}

static bool is_filled(const char *bytes, char letter, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != letter)
			return false;
	return true;
}

static void check_file(struct world *w, int mount, int dir, int file)
{
	char key[32], path[160], bytes[10001];
	int size = w->sizes[dir][file];
	struct stat stat_;

	key_of(dir, file, key);
	path_of(w, mount, key, path);
	w->checks += 2;
	if (size < 0) {
		assert_int_equal(stat(path, &stat_), -1);
		assert_int_equal(errno, ENOENT);
		assert_int_equal(read_all(path, bytes, 1), -ENOENT);
		return;
	}
	assert_int_equal(stat(path, &stat_), 0);
	assert_int_equal(stat_.st_size, size);
	assert_int_equal(read_all(path, bytes, sizeof(bytes)), size);
	assert_true(is_filled(bytes, w->letters[dir][file], (size_t)size));
}

static void check_listing(struct world *w, int mount, int dir)
{
	char key[32], path[160];
	const struct dirent *entry;
	int seen = 0, expected = 0;
	DIR *stream;

	snprintf(key, sizeof(key), "d%d", dir);
	path_of(w, mount, key, path);
	stream = opendir(path);
	w->checks++;
	assert_int_equal(stream != NULL, w->implied[dir]);
	if (stream == NULL)
		return;
	while ((entry = readdir(stream)) != NULL)
		if (entry->d_name[0] == 'f') {
			assert_true(w->sizes[dir][entry->d_name[1] - '0'] >= 0);
			seen++;
		}
	closedir(stream);
	for (int file = 0; file < FILES; file++)
		expected += w->sizes[dir][file] >= 0;
	assert_int_equal(seen, expected);
}

static void check_mount(struct world *w, int mount)
{
	for (int dir = 0; dir < DIRS; dir++) {
		for (int file = 0; file < FILES; file++)
			check_file(w, mount, dir, file);
		check_listing(w, mount, dir);
	}
	for (int i = 0; i < MAPPED; i++) {
		w->checks++;
		assert_true(is_filled(w->maps[mount][i], w->mapped_letters[i], MAPPED_SIZE));
	}
}

/* ---- the test -------------------------------------------------------------------------------- */

static void map_files(struct world *w)
{
	for (int mount = 0; mount < MOUNTS; mount++)
		for (int i = 0; i < MAPPED; i++) {
			char key[32], path[160];
			void *map;
			int fd;

			snprintf(key, sizeof(key), "mapped%d", i);
			path_of(w, mount, key, path);
			fd = open(path, O_RDONLY | O_CLOEXEC);
			assert_true(fd >= 0);
			map = mmap(NULL, MAPPED_SIZE, PROT_READ, MAP_SHARED, fd, 0);
			assert_ptr_not_equal(map, MAP_FAILED);
			close(fd);
			w->maps[mount][i] = map;
		}
}

static void unmap_files(struct world *w)
{
	for (int mount = 0; mount < MOUNTS; mount++)
		for (int i = 0; i < MAPPED; i++)
			munmap((void *)w->maps[mount][i], MAPPED_SIZE);
}

static void begin(struct world *w, struct fixture *fixture)
{
	struct kt_txn *txn;

	w->fixture = fixture;
	memset(w->sizes, -1, sizeof(w->sizes));
	assert_int_equal(kt_open(fixture->store_path, NULL, &w->store), 0);
	assert_int_equal(kt_begin(w->store, KT_WRITE, &txn), 0);
	for (int i = 0; i < MAPPED; i++)
		change_mapped(w, txn, i);
	assert_int_equal(kt_commit(txn, 0), 0);
	change(w);
	snprintf(w->mounts[0], sizeof(w->mounts[0]), "%s", fixture->mount_dir);
	support_mount_with(fixture, "ro");
	for (int mount = 1; mount < MOUNTS; mount++) {
		snprintf(w->mounts[mount], sizeof(w->mounts[mount]), "%s%d", fixture->mount_dir,
			mount);
		assert_int_equal(mkdir(w->mounts[mount], 0700), 0);
		assert_int_equal(
			support_keytree("mount", fixture->store_path, w->mounts[mount]), 0);
	}
	map_files(w);
}

static int compare_times(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void end(struct world *w)
{
	unmap_files(w);
	for (int mount = 0; mount < MOUNTS; mount++)
		assert_int_equal(support_keytree("umount", w->mounts[mount], NULL), 0);
	assert_int_equal(kt_close(w->store), 0);
	qsort(w->told_us, w->told_count, sizeof(w->told_us[0]), compare_times);
	print_message("%lu checks after %u changes; told after %.0f us (median), %.0f us (99 of "
		      "100), %.0f us (worst)\n",
		w->checks, w->count, w->told_us[w->told_count / 2],
		w->told_us[w->told_count * 99 / 100], w->told_us[w->told_count - 1]);
}

static void test_no_stale_reads(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	begin(w, *state);
	for (int mount = 0; mount < MOUNTS; mount++) {
		wait_until_told(w, mount, now_us());
		check_mount(w, mount);
	}
	while (w->checks < checks_wanted) {
		double since_us;

		change(w);
		since_us = now_us();
		for (int mount = 0; mount < MOUNTS; mount++)
			wait_until_told(w, mount, since_us);
		for (int mount = 0; mount < MOUNTS; mount++)
			check_mount(w, mount);
	}
	end(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_no_stale_reads, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	checks_wanted = support_operations(checks_wanted);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
