/* Files that are saved through a mount with -o conflict=fail, while the application or another
 * mount changes them: the saver hears ESTALE, from write, fsync, msync or close, and the other's
 * value stays, for everybody. */
#include "support.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct scene {
	struct fixture *fixture;
	struct kt_store *store;
	char path[128]; /* of the file in the mount */
};

static int setup_with(void **state, const char *options)
{
	struct scene *s = calloc(1, sizeof(*s));

	support_setup(state);
	s->fixture = *state;
	assert_int_equal(kt_open(s->fixture->store_path, NULL, &s->store), 0);
	snprintf(s->path, sizeof(s->path), "%s/a", s->fixture->mount_dir);
	support_mount_with(s->fixture, options);
	*state = s;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, "conflict=fail");
}

static int setup_last(void **state)
{
	return setup_with(state, "conflict=fail,conflict=last");
}

static int teardown(void **state)
{
	struct scene *s = *state;
	void *fixture = s->fixture;

	kt_close(s->store);
	free(s);
	return support_teardown(&fixture);
}

/* ---- both sides ------------------------------------------------------------------------------ */

static void put(struct scene *s, const char *key, const char *value)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(s->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_put(txn, key, strlen(key), value, strlen(value)), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

static void delete_key(struct scene *s, const char *key)
{
	struct kt_txn *txn;

	assert_int_equal(kt_begin(s->store, KT_WRITE, &txn), 0);
	assert_int_equal(kt_delete(txn, key, strlen(key), 0), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* The value of "a" in the store. */
static void assert_value(struct scene *s, const char *expected)
{
	struct kt_slice value;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(s->store, KT_READ, &txn), 0);
	assert_int_equal(kt_get(txn, "a", 1, &value), 0);
	assert_int_equal(value.size, strlen(expected));
	assert_memory_equal(value.data, expected, value.size);
	kt_abort(txn);
}

/* Wait until a file in a mount has a content; NULL: until it is not there. */
static void wait_for(const char *path, const char *expected)
{
	char text[64] = "";
	time_t begin = time(NULL);

	for (;;) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t got = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
		struct stat stat_;

		if (fd >= 0)
			close(fd);
		else if (expected == NULL && errno == ENOENT)
			return;
		text[got > 0 ? got : 0] = '\0';
		if (got >= 0 && expected != NULL && strcmp(text, expected) == 0) {
			assert_int_equal(stat(path, &stat_), 0);
			assert_int_equal(stat_.st_size, strlen(expected));
			return;
		}
		assert_true(time(NULL) - begin < 10);
	}
}

static int open_file(struct scene *s, int flags)
{
	int fd = open(s->path, flags | O_CLOEXEC, 0666);

	assert_true(fd >= 0);
	return fd;
}

static void write_text(int fd, const char *text)
{
	assert_int_equal(pwrite(fd, text, strlen(text), 0), strlen(text));
}

static void assert_estale(int result)
{
	assert_int_equal(result, -1);
	assert_int_equal(errno, ESTALE);
}

/* ---- tests ----------------------------------------------------------------------------------- */

/* In place, emptied first, and new: close tells. A new descriptor can write. */
static void test_close(void **state)
{
	static const int flags[] = {O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_CREAT | O_EXCL};
	struct scene *s = *state;

	for (size_t i = 0; i < 3; i++) {
		int fd;

		if (i < 2)
			put(s, "a", "first, and longer");
		wait_for(s->path, i < 2 ? "first, and longer" : NULL);
		fd = open_file(s, flags[i]);
		write_text(fd, "mine");
		put(s, "a", "theirs");
		assert_estale(close(fd));
		assert_value(s, "theirs");
		wait_for(s->path, "theirs");
		fd = open_file(s, O_RDWR | O_TRUNC);
		write_text(fd, "mine");
		assert_int_equal(close(fd), 0);
		assert_value(s, "mine");
		delete_key(s, "a");
	}
}

/* As soon as the mount was told it shows the other's value to everybody, also through the
 * descriptor; and what was written in place is not stored in the background. */
static void test_told(void **state)
{
	struct scene *s = *state;
	char text[16] = "";
	int fd;

	put(s, "a", "first");
	wait_for(s->path, "first");
	fd = open_file(s, O_RDWR);
	write_text(fd, "mine, and longer");
	put(s, "a", "theirs");
	wait_for(s->path, "theirs");
	assert_int_equal(pread(fd, text, sizeof(text), 0), 6);
	assert_string_equal(text, "theirs");
	assert_estale((int)pwrite(fd, "mine", 4, 0));
	assert_estale(ftruncate(fd, 1));
	assert_estale(fsync(fd));
	wait_for(s->path, "theirs");
	assert_estale(close(fd));
	assert_value(s, "theirs");
}

/* The key goes: the file is not made again. */
static void test_deleted(void **state)
{
	struct scene *s = *state;
	int fd;

	put(s, "a", "first");
	wait_for(s->path, "first");
	fd = open_file(s, O_RDWR | O_TRUNC);
	write_text(fd, "mine");
	delete_key(s, "a");
	assert_estale(fsync(fd));
	wait_for(s->path, NULL);
	assert_estale(close(fd));
}

/* Through a map. */
static void test_map(void **state)
{
	struct scene *s = *state;
	char *map;
	int fd;

	put(s, "a", "first");
	wait_for(s->path, "first");
	fd = open_file(s, O_RDWR);
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	memcpy(map, "mine", 4);
	put(s, "a", "theirs");
	assert_int_equal(msync(map, 4096, MS_SYNC), -1);
	assert_value(s, "theirs");
	wait_for(s->path, "theirs");
	assert_memory_equal(map, "theirs", 6);
	munmap(map, 4096);
	close(fd);
	assert_value(s, "theirs");
}

/* What is done through the same mount is no conflict, nor what happens to other keys. */
static void test_own(void **state)
{
	struct scene *s = *state;
	char other[160];
	int fd;

	put(s, "a", "first");
	wait_for(s->path, "first");
	fd = open_file(s, O_RDWR);
	write_text(fd, "mi");
	assert_int_equal(chmod(s->path, 0600), 0);
	snprintf(other, sizeof(other), "%s/b", s->fixture->mount_dir);
	put(s, "c", "theirs");
	assert_int_equal(link(s->path, other), 0);
	assert_int_equal(unlink(s->path), 0);
	write_text(fd, "min");
	put(s, "c", "theirs, too");
	assert_int_equal(rename(other, s->path), 0);
	assert_int_equal(fsync(fd), 0);
	write_text(fd, "mine,");
	assert_int_equal(close(fd), 0);
	assert_value(s, "mine,");
}

/* Another mount is another writer. */
static void test_two_mounts(void **state)
{
	struct scene *s = *state;
	char dir[120], path[128];
	int fd, other;

	snprintf(dir, sizeof(dir), "%s2", s->fixture->mount_dir);
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(support_keytree("mount", s->fixture->store_path, dir), 0);
	put(s, "a", "first");
	wait_for(s->path, "first");
	wait_for(path, "first");
	fd = open_file(s, O_RDWR);
	write_text(fd, "mine");
	other = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(other >= 0);
	write_text(other, "theirs");
	assert_int_equal(close(other), 0);
	assert_estale(close(fd));
	assert_value(s, "theirs");
	wait_for(s->path, "theirs");
	assert_int_equal(support_keytree("umount", dir, NULL), 0);
}

/* Without the option the last one wins, and hears of nothing. */
static void test_last(void **state)
{
	struct scene *s = *state;
	int fd;

	put(s, "a", "first");
	wait_for(s->path, "first");
	fd = open_file(s, O_RDWR | O_TRUNC);
	write_text(fd, "mine");
	put(s, "a", "theirs");
	assert_int_equal(close(fd), 0);
	assert_value(s, "mine");
	wait_for(s->path, "mine");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_close, setup, teardown),
		cmocka_unit_test_setup_teardown(test_told, setup, teardown),
		cmocka_unit_test_setup_teardown(test_deleted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test_setup_teardown(test_two_mounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last, setup_last, teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
