/* What a program is told of a name holds for all users of the store: one of those who create a file
 * with O_EXCL in two mounts succeeds, and a file is in the store when close(2) returns, written or
 * not. */
#include "support.h"

#include "keytree.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUNDS 200

struct two {
	struct fixture *fixture;
	char other[100]; /* a second mount */
	pthread_barrier_t barrier;
};

/* One of those who compete for a name. */
struct rival {
	struct two *two;
	const char *mount;
	pthread_t thread;
	int won;
};

static void mount_two(struct two *two, struct fixture *fixture)
{
	two->fixture = fixture;
	snprintf(two->other, sizeof(two->other), "%s2", fixture->mount_dir);
	support_mount(fixture);
	assert_int_equal(mkdir(two->other, 0700), 0);
	assert_int_equal(support_keytree("mount", fixture->store_path, two->other), 0);
}

static void unmount_two(struct two *two)
{
	assert_int_equal(support_keytree("umount", two->other, NULL), 0);
	support_unmount(two->fixture);
}

static void path_in(const char *mount, const char *name, char path[140])
{
	snprintf(path, 140, "%s/%s", mount, name);
}

static int create_new(const char *mount, const char *name)
{
	char path[140];
	int fd;

	path_in(mount, name, path);
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return fd >= 0 ? fd : -errno;
}

/* Take the name "lock" again and again, as programs do that keep others away. */
static void *compete(void *arg)
{
	struct rival *rival = arg;
	char path[140];

	path_in(rival->mount, "lock", path);
	for (int i = 0; i < ROUNDS; i++) {
		int fd;

		pthread_barrier_wait(&rival->two->barrier);
		fd = create_new(rival->mount, "lock");
		assert_true(fd >= 0 || fd == -EEXIST);
		rival->won = fd >= 0;
		pthread_barrier_wait(&rival->two->barrier);
		pthread_barrier_wait(&rival->two->barrier);
		if (fd >= 0) {
			if (i % 2)
				assert_int_equal(write(fd, "mine", 4), 4);
			assert_int_equal(close(fd), 0);
			assert_int_equal(unlink(path), 0);
		}
	}
	return NULL;
}

static void test_one_creates(void **state)
{
	struct two two;
	struct rival rivals[2];

	mount_two(&two, *state);
	assert_int_equal(pthread_barrier_init(&two.barrier, NULL, 3), 0);
	for (int i = 0; i < 2; i++) {
		rivals[i] = (struct rival){.two = &two};
		rivals[i].mount = i ? two.other : two.fixture->mount_dir;
		assert_int_equal(pthread_create(&rivals[i].thread, NULL, compete, &rivals[i]), 0);
	}
	for (int i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&two.barrier);
		pthread_barrier_wait(&two.barrier);
		assert_int_equal(rivals[0].won + rivals[1].won, 1);
		pthread_barrier_wait(&two.barrier);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(rivals[i].thread, NULL);
	pthread_barrier_destroy(&two.barrier);
	unmount_two(&two);
}

/* While a file that was created so is open, its name is taken for all that must not replace. */
static void test_name_is_taken(void **state)
{
	struct two two;
	char path[140], from[140];
	int fd;

	mount_two(&two, *state);
	fd = create_new(two.fixture->mount_dir, "name");
	assert_true(fd >= 0);
	path_in(two.other, "name", path);
	path_in(two.other, "from", from);
	assert_int_equal(create_new(two.other, "name"), -EEXIST);
	assert_int_equal(mkdir(path, 0700), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(symlink("x", path), -1);
	assert_int_equal(errno, EEXIST);
	close(create_new(two.other, "from"));
	assert_int_equal(link(from, path), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(renameat2(AT_FDCWD, from, AT_FDCWD, path, RENAME_NOREPLACE), -1);
	assert_int_equal(errno, EEXIST);

	/* removed before it is closed: free again */
	path_in(two.fixture->mount_dir, "name", path);
	assert_int_equal(unlink(path), 0);
	close(fd);
	fd = create_new(two.other, "name");
	assert_true(fd >= 0);
	close(fd);
	unmount_two(&two);
}

static bool is_stored(struct kt_store *store, const char *key)
{
	struct kt_txn *txn;
	bool stored;

	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_contains(txn, key, strlen(key), &stored), 0);
	kt_abort(txn);
	return stored;
}

/* A new file is in the store when close() returns, also if it was never written. */
static void test_unwritten_is_stored(void **state)
{
	struct fixture *fixture = *state;
	struct kt_store *store;
	char name[16], path[140];

	support_mount(fixture);
	assert_int_equal(kt_open(fixture->store_path, NULL, &store), 0);
	for (int i = 0; i < ROUNDS; i++) {
		int fd, copy;

		snprintf(name, sizeof(name), "f%d", i);
		path_in(fixture->mount_dir, name, path);
		fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_true(fd >= 0);
		if (i % 3 == 1)
			assert_int_equal(ftruncate(fd, 1 << 20), 0);
		copy = i % 3 == 2 ? dup(fd) : -1;
		assert_int_equal(close(fd), 0);
		if (copy >= 0) { /* as in "command > file": the command has not written yet */
			assert_false(is_stored(store, name));
			assert_int_equal(close(copy), 0);
		}
		assert_true(is_stored(store, name));
	}
	assert_int_equal(kt_close(store), 0);
	support_unmount(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_creates, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_name_is_taken, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_unwritten_is_stored, support_setup, support_teardown),
	};

	return support_has_fuse() ? cmocka_run_group_tests(tests, NULL, NULL) : SUPPORT_SKIPPED;
}
