/* Direct writes that end after the call that began them, as libaio submits them, while others read the
 * file through the kernel's cache: what was written is what is read once the write has ended. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE 655360
#define WRITES 150
#define READERS 2

struct direct {
	char path[120];
	atomic_bool stop;
};

static void *read_on(void *arg)
{
	struct direct *d = arg;
	char *bytes = malloc(SIZE);

	while (!atomic_load(&d->stop)) {
		int fd = open(d->path, O_RDONLY | O_CLOEXEC);

		assert_true(pread(fd, bytes, SIZE, 0) >= 0);
		close(fd);
	}
	free(bytes);
	return NULL;
}

static void write_asynchronously(aio_context_t context, int fd, void *bytes)
{
	struct iocb block = {
		.aio_fildes = (uint32_t)fd,
		.aio_lio_opcode = IOCB_CMD_PWRITE,
		.aio_buf = (uintptr_t)bytes,
		.aio_nbytes = SIZE,
	};
	struct iocb *blocks[] = {&block};
	struct io_event event;

	assert_int_equal(syscall(SYS_io_submit, context, 1, blocks), 1);
	assert_int_equal(syscall(SYS_io_getevents, context, 1, 1, &event, NULL), 1);
	assert_int_equal(event.res, SIZE);
}

static void check_content(const struct direct *d, const char *bytes)
{
	char *got = malloc(SIZE);
	int fd = open(d->path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, got, SIZE, 0), SIZE);
	close(fd);
	assert_memory_equal(got, bytes, SIZE);
	free(got);
}

static void test_pages_follow_asynchronous_writes(void **state)
{
	struct fixture *fixture = *state;
	struct direct d = {.stop = false};
	pthread_t readers[READERS];
	aio_context_t context = 0;
	char *bytes;
	int fd;

	support_mount(fixture);
	snprintf(d.path, sizeof(d.path), "%s/file", fixture->mount_dir);
	fd = open(d.path, O_CREAT | O_RDWR | O_DIRECT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	bytes = aligned_alloc(4096, SIZE);
	assert_non_null(bytes);
	assert_int_equal(syscall(SYS_io_setup, 1, &context), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, read_on, &d), 0);
	for (int i = 0; i < WRITES; i++) {
		memset(bytes, i & 1 ? 0xaa : 0x55, SIZE);
		write_asynchronously(context, fd, bytes);
		check_content(&d, bytes);
	}
	atomic_store(&d.stop, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	syscall(SYS_io_destroy, context);
	free(bytes);
	close(fd);
	support_unmount(fixture);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_pages_follow_asynchronous_writes, support_setup, support_teardown),
	};

	return support_has_fuse() ? cmocka_run_group_tests(tests, NULL, NULL) : SUPPORT_SKIPPED;
}
