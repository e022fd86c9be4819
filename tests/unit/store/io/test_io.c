/* The I/O tables: of a file and of a file in memory. */
#include "store/io/io.h"

#include "store/error.h"
#include "store/format.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	char dir[64];
	char path[128];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->dir, "/tmp/keytree-io-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/a.kt", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];
	int r;

	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	r = system(command);
	free(f);
	return r;
}

static int fill_hello(void *arg, struct io *io)
{
	struct iovec part = {.iov_base = arg, .iov_len = 5};

	return io_write(io, 0, &part, 1);
}

static struct io *create(struct fixture *f)
{
	struct io *io = NULL;

	assert_int_equal(io_file_create(f->path, 0600, fill_hello, "hello", &io), 0);
	return io;
}

/* Number of names in the test's directory. */
static int count_names(struct fixture *f)
{
	char command[128];
	int n = -1;
	FILE *p;

	snprintf(command, sizeof(command), "ls -A '%s' | wc -l", f->dir);
	p = popen(command, "r");
	assert_non_null(p);
	assert_int_equal(fscanf(p, "%d", &n), 1);
	pclose(p);
	return n;
}

/* A created file is there with its content and mode, alone in its directory, and opens again. */
static void test_create(void **state)
{
	struct fixture *f = *state;
	struct io *io = create(f);
	struct stat st;
	char buf[5];

	assert_true(io->durable);
	io_close(io);
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	assert_int_equal(count_names(f), 1);
	assert_int_equal(io_file_open(f->path, true, &io), 0);
	assert_int_equal(io_read(io, 0, buf, 5), 0);
	assert_memory_equal(buf, "hello", 5);
	io_close(io);
}

static int fill_fails(void *arg, struct io *io)
{
	(void)arg;
	(void)io;
	return -ENOSPC;
}

/* A creation that fails leaves nothing behind. */
static void test_create_fails(void **state)
{
	struct fixture *f = *state;
	struct io *io = NULL;

	assert_int_equal(io_file_create(f->path, 0600, fill_fails, NULL, &io), -ENOSPC);
	assert_null(io);
	assert_int_equal(count_names(f), 0);
}

/* The other creator, who is faster: it makes the file while ours is being filled. */
static int fill_overtaken(void *arg, struct io *io)
{
	int fd = open(arg, O_WRONLY | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, "first", 5), 5);
	close(fd);
	return fill_hello("later", io);
}

/* Of two creators one fails, and the file of the other is untouched. */
static void test_create_race(void **state)
{
	struct fixture *f = *state;
	struct io *io = NULL;
	char buf[5];

	assert_int_equal(io_file_create(f->path, 0600, fill_overtaken, f->path, &io), -EEXIST);
	assert_int_equal(count_names(f), 1);
	assert_int_equal(io_file_create(f->path, 0600, fill_hello, "again", &io), -EEXIST);
	assert_int_equal(io_file_open(f->path, true, &io), 0);
	assert_int_equal(io_read(io, 0, buf, 5), 0);
	assert_memory_equal(buf, "first", 5);
	io_close(io);
}

/* A lock keeps others out, also in the same process; one on another byte does not. */
static void test_lock(void **state)
{
	const struct io_range low = {UINT64_C(1) << 62, 1}, both = {UINT64_C(1) << 62, 2};
	const struct io_range high = {(UINT64_C(1) << 62) + 1, 1};
	struct fixture *f = *state;
	struct io *one = NULL, *two = NULL;
	struct io_range by;

	assert_int_equal(io_file_create(f->path, 0600, fill_hello, "hello", &one), 0);
	assert_int_equal(io_file_open(f->path, false, &two), 0);
	assert_false(io_locked(two, IO_MARKS, IO_EXCLUSIVE, &both, &by));
	assert_int_equal(io_lock(one, IO_MARKS, IO_EXCLUSIVE, &low, false), 0);
	assert_int_equal(io_lock(two, IO_MARKS, IO_EXCLUSIVE, &low, false), -EAGAIN);
	assert_int_equal(io_lock(two, IO_MARKS, IO_SHARED, &low, false), -EAGAIN);
	assert_int_equal(io_lock(two, IO_MARKS, IO_EXCLUSIVE, &high, false), 0);
	assert_false(io_locked(one, IO_MARKS, IO_EXCLUSIVE, &low, &by));
	assert_true(io_locked(one, IO_MARKS, IO_EXCLUSIVE, &both, &by));
	assert_int_equal(by.start, high.start);
	assert_int_equal(by.count, 1);
	assert_int_equal(io_lock(one, IO_MARKS, IO_SHARED, &low, false), 0);
	assert_int_equal(io_lock(two, IO_MARKS, IO_SHARED, &low, false), 0);
	assert_int_equal(io_lock(two, IO_MARKS, IO_EXCLUSIVE, &low, false), -EAGAIN);
	io_close(one);
	assert_int_equal(io_lock(two, IO_MARKS, IO_EXCLUSIVE, &low, false), 0);
	io_close(two);
}

/* What is not a regular file is refused with its reason, and does not block. */
static void test_kinds(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct io *io = NULL;
	int fd;

	assert_int_equal(io_file_open(f->path, false, &io), -ENOENT);
	assert_int_equal(io_file_open(f->dir, true, &io), -EISDIR);
	assert_int_equal(io_file_open(f->dir, false, &io), -EISDIR);
	assert_int_equal(io_file_open("/dev/null", false, &io), -EMEDIUMTYPE);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(io_file_open(f->path, true, &io), -EMEDIUMTYPE);
	assert_int_equal(io_file_open(f->path, false, &io), -EMEDIUMTYPE);
	assert_string_equal(error_detail(-EMEDIUMTYPE), "it is not a regular file");
	assert_int_equal(unlink(f->path), 0);

	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(address.sun_path, f->path, strlen(f->path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(io_file_open(f->path, false, &io), -EMEDIUMTYPE);
	close(fd);
}

/* Names that cannot become a file are errors of open(2), not accidents. */
static void test_create_names(void **state)
{
	struct fixture *f = *state;
	struct io *io = NULL;
	char path[PATH_MAX];

	assert_int_equal(io_file_create("", 0600, fill_hello, "hello", &io), -ENOENT);
	assert_int_equal(io_file_create("/", 0600, fill_hello, "hello", &io), -EISDIR);
	snprintf(path, sizeof(path), "%s/none/a.kt", f->dir);
	assert_int_equal(io_file_create(path, 0600, fill_hello, "hello", &io), -ENOENT);
	snprintf(path, sizeof(path), "%s/", f->dir);
	assert_int_equal(io_file_create(path, 0600, fill_hello, "hello", &io), -EISDIR);
	snprintf(path, sizeof(path), "%s/%0300d", f->dir, 1);
	assert_int_equal(io_file_create(path, 0600, fill_hello, "hello", &io), -ENAMETOOLONG);
	assert_int_equal(symlink("nowhere", f->path), 0);
	assert_int_equal(io_file_create(f->path, 0600, fill_hello, "hello", &io), -EEXIST);
	assert_int_equal(count_names(f), 1);
}

/* Thousands of parts of odd sizes, some empty, arrive in order, more than one call can take. */
static void check_many_parts(struct io *io)
{
	enum { PARTS = 3 * IOV_MAX + 7 };
	struct iovec *parts = calloc(PARTS, sizeof(*parts));
	unsigned char *data = malloc(PARTS * 64);
	unsigned char *back = malloc(PARTS * 64);
	size_t size = 0;

	for (size_t i = 0; i < PARTS; i++) {
		parts[i].iov_base = data + size;
		parts[i].iov_len = i * 7 % 64;
		size += parts[i].iov_len;
	}
	for (size_t i = 0; i < size; i++)
		data[i] = (unsigned char)(i * 31 >> 3);
	assert_int_equal(io_write(io, 12345, parts, PARTS), 0);
	assert_int_equal(io_read(io, 12345, back, size), 0);
	assert_memory_equal(back, data, size);
	assert_int_equal(io_read(io, 12346, back, size), -EUCLEAN);
	free(parts);
	free(data);
	free(back);
}

/* A write of many parts, on both tables. */
static void test_many_parts(void **state)
{
	struct io *io = create(*state);

	check_many_parts(io);
	io_close(io);
	assert_int_equal(io_memory_open("parts", &io), 0);
	check_many_parts(io);
	io_close(io);
}

/* Is the map at an address left out of a dump of the process? */
static bool is_left_out(const void *base)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	bool here = false, found = false;
	char line[512], start[32];

	assert_non_null(maps);
	snprintf(start, sizeof(start), "%lx-", (unsigned long)base);
	while (!found && fgets(line, sizeof(line), maps) != NULL) {
		here = here || strncmp(line, start, strlen(start)) == 0;
		found = here && strncmp(line, "VmFlags:", 8) == 0;
	}
	fclose(maps);
	return found && strstr(line, " dd") != NULL;
}

/* What is written shows in the map, also where the file was shorter when it was mapped. */
static void check_map(struct io *io)
{
	struct iovec part = {.iov_base = "grown", .iov_len = 5};
	const char *base = NULL;
	uint64_t size = 0;

	assert_int_equal(io_map(io, 1 << 20, UINT64_C(16) << 40, (const void **)&base, &size), 0);
	assert_true(is_left_out(base));
	assert_true(size >= 1 << 20);
	assert_memory_equal(base, "hello", 5);
	assert_int_equal(io_write(io, 40960, &part, 1), 0);
	assert_memory_equal(base + 40960, "grown", 5);
	assert_int_equal(io_truncate(io, 8192), 0);
	assert_int_equal(io_size(io, &size), 0);
	assert_int_equal(size, 8192);
	assert_int_equal(io_sync(io), 0);
}

/* The map grows with the file, on both tables. */
static void test_map(void **state)
{
	struct io *io = create(*state);

	check_map(io);
	io_close(io);
	assert_int_equal(io_memory_open("map", &io), 0);
	assert_false(io->durable);
	assert_int_equal(fill_hello("hello", io), 0);
	check_map(io);
	io_close(io);
}

/* Address space in use: far from nothing under a sanitizer. */
static uint64_t address_space(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	uint64_t pages = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%" SCNu64, &pages), 1);
	fclose(file);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Where address space is limited a smaller map is had, and too small a one is an error. */
static void test_map_limited(void **state)
{
	struct io *io = create(*state);
	const void *base;
	uint64_t size, room = UINT64_C(64) << 30, all = address_space() + room;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = {all, all};

		if (setrlimit(RLIMIT_AS, &limit) < 0)
			_exit(1);
		if (io_map(io, UINT64_C(1) << 40, UINT64_C(16) << 40, &base, &size) != -ENOMEM)
			_exit(2);
		if (io_map(io, 1 << 20, UINT64_C(1) << 44, &base, &size) != 0)
			_exit(3);
		_exit(size <= room && size >= 1 << 20 ? 0 : 4);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	io_close(io);
}

/* A file opened for reading only is never changed. */
static void test_readonly(void **state)
{
	struct fixture *f = *state;
	struct iovec part = {.iov_base = "x", .iov_len = 1};
	struct io *io = create(f);

	io_close(io);
	assert_int_equal(io_file_open(f->path, true, &io), 0);
	assert_int_equal(io_write(io, 0, &part, 1), -EROFS);
	assert_int_equal(io_truncate(io, 0), -EROFS);
	assert_int_equal(io_sync(io), 0);
	io_close(io);
}

/* The room on the disk is what the file system says. */
static void test_statfs(void **state)
{
	struct io *io = create(*state);
	uint64_t free_bytes = 0, total = 0;

	assert_int_equal(io_statfs(io, &free_bytes, &total), 0);
	assert_true(total > 0 && free_bytes <= total);
	io_close(io);
	assert_int_equal(io_memory_open("room", &io), 0);
	assert_int_equal(io_statfs(io, &free_bytes, &total), 0);
	assert_true(total > 0 && free_bytes <= total);
	io_close(io);
}

/* A disk that is full is an error of the write, and what was there stays. */
static void test_full(void **state)
{
	struct io *io = create(*state);
	static char block[1 << 16];
	struct iovec part = {.iov_base = block, .iov_len = sizeof(block)};
	struct rlimit limit, old;
	char buf[5];

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	limit = old;
	limit.rlim_cur = 100000;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	/* The kernel writes the part that fits, then refuses. */
	assert_int_equal(io_write(io, 65536, &part, 1), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(io_read(io, 0, buf, 5), 0);
	assert_memory_equal(buf, "hello", 5);
	io_close(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_create, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_race, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lock, setup, teardown),
		cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_parts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map, setup, teardown),
		cmocka_unit_test_setup_teardown(test_map_limited, setup, teardown),
		cmocka_unit_test_setup_teardown(test_readonly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_statfs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
