/* Files mapped into memory: what programs write through a shared map reaches the store. */
#include "support.h"

#include "keytree.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* More writes than the kernel sends at once. */
#define FILE_SIZE ((size_t)40 * 1024 * 1024 + 100)

/* Make a file in the mount, full of 'a', and map it. */
static char *map_file(const struct fixture *fixture, int *ret_fd)
{
	char path[128];
	char *map;
	int fd;

	snprintf(path, sizeof(path), "%s/mapped", fixture->mount_dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, FILE_SIZE), 0);
	map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	memset(map, 'a', FILE_SIZE);
	*ret_fd = fd;
	return map;
}

/* The value in the store is the byte given, all over, but for one byte. */
static void check_value(const struct fixture *fixture, char byte, size_t odd, char odd_byte)
{
	struct kt_store *store;
	struct kt_txn *txn;
	struct kt_slice value;
	const char *bytes;

	assert_int_equal(kt_open(fixture->store_path, KT_OPTIONS(.flags = KT_READONLY), &store), 0);
	assert_int_equal(kt_begin(store, KT_READ, &txn), 0);
	assert_int_equal(kt_get(txn, "mapped", 6, &value), 0);
	assert_int_equal(value.size, FILE_SIZE);
	bytes = value.data;
	for (size_t i = 0; i < value.size; i++) {
		if (bytes[i] != (i == odd ? odd_byte : byte))
			fail_msg("byte %zu is %d", i, bytes[i]);
	}
	kt_abort(txn);
	assert_int_equal(kt_close(store), 0);
}

/* What is written through a map is in the store after msync and after munmap. */
static void test_unmapped(void **state)
{
	struct fixture *fixture = *state;
	char *map, seen;
	int fd;

	support_mount(fixture);
	map = map_file(fixture, &fd);
	assert_int_equal(msync(map, FILE_SIZE, MS_SYNC), 0);
	map[70000] = 'b';
	assert_int_equal(pread(fd, &seen, 1, 70000), 1);
	assert_int_equal(seen, 'b');
	assert_int_equal(munmap(map, FILE_SIZE), 0);
	close(fd);
	support_unmount(fixture);
	check_value(fixture, 'a', 70000, 'b');
}

/* A write shows in a map of the same file, and a map in a read. */
static void test_coherent(void **state)
{
	struct fixture *fixture = *state;
	char *map;
	int fd;

	support_mount(fixture);
	map = map_file(fixture, &fd);
	assert_int_equal(pwrite(fd, "c", 1, 5), 1);
	assert_int_equal(map[5], 'c');
	assert_int_equal(map[6], 'a');
	assert_int_equal(munmap(map, FILE_SIZE), 0);
	close(fd);
	support_unmount(fixture);
	check_value(fixture, 'a', 5, 'c');
}

/* Begin to serve in the foreground. @return the process, once the mount is there */
static pid_t serve(const struct fixture *fixture)
{
	char command[160];
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		execl(getenv("KEYTREE"), "keytree", "mount", "-f", fixture->store_path,
			fixture->mount_dir, NULL);
		_exit(127);
	}
	snprintf(command, sizeof(command), "until mountpoint -q %s; do kill -0 %d || exit 1; done",
		fixture->mount_dir, pid);
	assert_int_equal(system(command), 0);
	return pid;
}

/* A signal ends a mount while a file is mapped and changed: the changes are kept. */
static void test_signal_keeps_map(void **state)
{
	struct fixture *fixture = *state;
	char *map;
	int fd, status;
	pid_t pid = serve(fixture);

	map = map_file(fixture, &fd);
	map[FILE_SIZE - 1] = 'z';
	assert_int_equal(kill(pid, SIGTERM), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	munmap(map, FILE_SIZE);
	close(fd);
	check_value(fixture, 'a', FILE_SIZE - 1, 'z');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_unmapped, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_coherent, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_signal_keeps_map, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
