/* The phases of the mount benchmark. */
#include "mount_phases.h"

#include <fcntl.h>
#include <fts.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench.h"

#define DIRS 100
#define FILE_SIZE 1024
#define CHUNK ((size_t)1 << 20)
#define BLOCK 4096

/* ---- small files ----------------------------------------------------------------------------- */

struct path {
	char text[PATH_MAX];
};

/* Path of a small file. Its directory and itself are renamed on the way: prefix tells which name.
 */
static struct path file_path(const char *root, const char *prefix, uint32_t index)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%.1s%02u/%s%05u", root, prefix, index % DIRS,
		prefix + 1, index);
	return path;
}

static struct path dir_path(const char *root, const char *prefix, uint32_t index)
{
	struct path path;

	snprintf(path.text, sizeof(path.text), "%s/%s%02u", root, prefix, index);
	return path;
}

/* Files are worked through directory by directory, as tools do. */
static uint32_t nth_file(const struct amount *amount, uint32_t n)
{
	uint32_t per_dir = amount->files / DIRS;

	return n % per_dir * DIRS + n / per_dir;
}

static uint64_t make_dirs(const struct amount *amount, const char *root)
{
	(void)amount;
	bench_check(mkdir(root, 0755) == 0);
	for (uint32_t i = 0; i < DIRS; i++)
		bench_check(mkdir(dir_path(root, "d", i).text, 0755) == 0);
	return 0;
}

/* Open, write and close each file. */
static uint64_t write_files(
	const struct amount *amount, const char *root, int flags, uint32_t generation)
{
	char data[FILE_SIZE];
	uint64_t start = bench_now_ns();

	for (uint32_t n = 0; n < amount->files; n++) {
		uint32_t index = nth_file(amount, n);
		int fd = open(file_path(root, "dfile", index).text, flags, 0644);

		bench_check(fd >= 0);
		bench_value(index, generation, data, sizeof(data));
		bench_check(write(fd, data, sizeof(data)) == sizeof(data));
		bench_check(close(fd) == 0);
	}
	return (bench_now_ns() - start) / amount->files;
}

/* Open, read and close each file, and compare. */
static uint64_t read_files(const struct amount *amount, const char *root, uint32_t generation)
{
	char data[FILE_SIZE + 1], expected[FILE_SIZE];
	uint64_t start = bench_now_ns();

	for (uint32_t n = 0; n < amount->files; n++) {
		uint32_t index = nth_file(amount, n);
		int fd = open(file_path(root, "dfile", index).text, O_RDONLY);

		bench_check(fd >= 0);
		bench_check(read(fd, data, sizeof(data)) == FILE_SIZE);
		bench_check(close(fd) == 0);
		bench_value(index, generation, expected, sizeof(expected));
		bench_check(memcmp(data, expected, sizeof(expected)) == 0);
	}
	return (bench_now_ns() - start) / amount->files;
}

static uint64_t create(const struct amount *amount, const char *root)
{
	return write_files(amount, root, O_WRONLY | O_CREAT | O_EXCL, 0);
}

static uint64_t read_small(const struct amount *amount, const char *root)
{
	return read_files(amount, root, 0);
}

static uint64_t overwrite(const struct amount *amount, const char *root)
{
	return write_files(amount, root, O_WRONLY | O_TRUNC, 1);
}

static uint64_t read_overwritten(const struct amount *amount, const char *root)
{
	return read_files(amount, root, 1);
}

uint64_t phase_walk(const struct amount *amount, const char *root)
{
	char *roots[] = {(char *)root, NULL};
	uint64_t start = bench_now_ns(), bytes = 0;
	FTS *fts = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *entry;
	uint32_t files = 0;

	bench_check(fts);
	while ((entry = fts_read(fts))) {
		if (entry->fts_info != FTS_F)
			continue;
		files++;
		bytes += (uint64_t)entry->fts_statp->st_size;
	}
	fts_close(fts);
	if (files != amount->files || bytes != (uint64_t)files * FILE_SIZE)
		bench_fail("%s: found %u files of %ju bytes in all", root, files, bytes);
	return (bench_now_ns() - start) / amount->files;
}

static uint64_t stat_files(const struct amount *amount, const char *root)
{
	uint64_t start = bench_now_ns();
	struct stat st;

	for (uint32_t n = 0; n < amount->files; n++) {
		bench_check(stat(file_path(root, "dfile", nth_file(amount, n)).text, &st) == 0);
		bench_check(st.st_size == FILE_SIZE);
	}
	return (bench_now_ns() - start) / amount->files;
}

static uint64_t rename_files(const struct amount *amount, const char *root)
{
	uint64_t start = bench_now_ns();

	for (uint32_t n = 0; n < amount->files; n++) {
		uint32_t index = nth_file(amount, n);

		bench_check(rename(file_path(root, "dfile", index).text,
				    file_path(root, "dmoved", index).text) == 0);
	}
	return (bench_now_ns() - start) / amount->files;
}

static uint64_t rename_dirs(const struct amount *amount, const char *root)
{
	uint64_t start = bench_now_ns();

	(void)amount;
	for (uint32_t i = 0; i < DIRS; i++)
		bench_check(rename(dir_path(root, "d", i).text, dir_path(root, "e", i).text) == 0);
	return (bench_now_ns() - start) / DIRS;
}

static uint64_t unlink_files(const struct amount *amount, const char *root)
{
	uint64_t start = bench_now_ns();

	for (uint32_t n = 0; n < amount->files; n++)
		bench_check(unlink(file_path(root, "emoved", nth_file(amount, n)).text) == 0);
	return (bench_now_ns() - start) / amount->files;
}

static uint64_t append(const struct amount *amount, const char *root)
{
	struct path path = dir_path(root, "log", 0);
	int fd = open(path.text, O_WRONLY | O_CREAT | O_EXCL | O_APPEND, 0644);
	uint64_t start;
	char record[100];
	struct stat st;

	bench_check(fd >= 0);
	start = bench_now_ns();
	for (uint32_t i = 0; i < amount->appends; i++) {
		bench_value(i, 0, record, sizeof(record));
		bench_check(write(fd, record, sizeof(record)) == sizeof(record));
	}
	bench_check(close(fd) == 0);
	start = bench_now_ns() - start;
	bench_check(stat(path.text, &st) == 0);
	bench_check(st.st_size == (off_t)(amount->appends * sizeof(record)));
	bench_check(unlink(path.text) == 0);
	return start / amount->appends;
}

static uint64_t create_fsync(const struct amount *amount, const char *root)
{
	char data[FILE_SIZE];
	uint64_t start = bench_now_ns();

	for (uint32_t i = 0; i < amount->few; i++) {
		int fd = open(file_path(root, "dsync", i).text, O_WRONLY | O_CREAT | O_EXCL, 0644);

		bench_check(fd >= 0);
		bench_value(i, 0, data, sizeof(data));
		bench_check(write(fd, data, sizeof(data)) == sizeof(data));
		bench_check(fsync(fd) == 0 && close(fd) == 0);
	}
	start = bench_now_ns() - start;
	for (uint32_t i = 0; i < amount->few; i++)
		bench_check(unlink(file_path(root, "dsync", i).text) == 0);
	return start / amount->few;
}

/* ---- the large file -------------------------------------------------------------------------- */

/* Word by word, the content is a function of the place, so that any part can be checked. */
static void large_content(uint64_t offset, char *ret_data, size_t size)
{
	for (size_t i = 0; i < size; i += BLOCK)
		bench_value((uint32_t)((offset + i) / BLOCK), 0, ret_data + i, BLOCK);
}

/* Every 16th MiB is compared in full, of the others the first block. */
static void check_large(uint64_t offset, const char *data)
{
	static char expected[CHUNK];
	size_t size = offset / CHUNK % 16 == 0 ? CHUNK : BLOCK;

	large_content(offset, expected, size);
	bench_check(memcmp(data, expected, size) == 0);
}

static int large_open(const char *root, int flags)
{
	int fd = open(dir_path(root, "large", 0).text, flags, 0644);

	bench_check(fd >= 0);
	return fd;
}

static uint64_t large_write(const struct amount *amount, const char *root)
{
	static char data[CHUNK];
	uint64_t start = 0, taken = 0;
	int fd = large_open(root, O_WRONLY | O_CREAT | O_EXCL);

	for (uint64_t at = 0; at < amount->large_size; at += CHUNK) {
		large_content(at, data, CHUNK);
		start = bench_now_ns();
		bench_check(write(fd, data, CHUNK) == (ssize_t)CHUNK);
		taken += bench_now_ns() - start;
	}
	start = bench_now_ns();
	bench_check(fsync(fd) == 0);
	bench_check(close(fd) == 0);
	taken += bench_now_ns() - start;
	return taken / (amount->large_size / CHUNK);
}

static uint64_t large_read(const struct amount *amount, const char *root)
{
	static char data[CHUNK];
	uint64_t start, taken = 0;
	int fd = large_open(root, O_RDONLY);

	for (uint64_t at = 0; at < amount->large_size; at += CHUNK) {
		start = bench_now_ns();
		bench_check(read(fd, data, CHUNK) == (ssize_t)CHUNK);
		taken += bench_now_ns() - start;
		check_large(at, data);
	}
	bench_check(close(fd) == 0);
	return taken / (amount->large_size / CHUNK);
}

static uint64_t random_block(const struct amount *amount, uint32_t i)
{
	return bench_mix(i) % (amount->large_size / BLOCK);
}

static uint64_t large_random_read(const struct amount *amount, const char *root)
{
	char data[BLOCK], expected[BLOCK];
	int fd = large_open(root, O_RDONLY);
	uint64_t start = bench_now_ns();

	for (uint32_t i = 0; i < amount->few; i++) {
		uint64_t block = random_block(amount, i);

		bench_check(pread(fd, data, BLOCK, (off_t)(block * BLOCK)) == BLOCK);
		bench_value((uint32_t)block, 0, expected, BLOCK);
		bench_check(memcmp(data, expected, BLOCK) == 0);
	}
	bench_check(close(fd) == 0);
	return (bench_now_ns() - start) / amount->few;
}

static uint64_t large_random_write(const struct amount *amount, const char *root)
{
	char data[BLOCK];
	int fd = large_open(root, O_WRONLY);
	uint64_t start = bench_now_ns();

	for (uint32_t i = 0; i < amount->few; i++) {
		uint64_t block = random_block(amount, i);

		bench_value((uint32_t)block, 1, data, BLOCK);
		bench_check(pwrite(fd, data, BLOCK, (off_t)(block * BLOCK)) == BLOCK);
	}
	bench_check(close(fd) == 0);
	return (bench_now_ns() - start) / amount->few;
}

static uint64_t remove_all(const struct amount *amount, const char *root)
{
	(void)amount;
	bench_check(unlink(dir_path(root, "large", 0).text) == 0);
	for (uint32_t i = 0; i < DIRS; i++)
		bench_check(rmdir(dir_path(root, "e", i).text) == 0);
	bench_check(rmdir(root) == 0);
	return 0;
}

/* ---- real tools ------------------------------------------------------------------------------ */

/* Run a shell command in a directory. @return nanoseconds */
static uint64_t run_tool(const char *root, const char *text)
{
	char command[2 * PATH_MAX];
	uint64_t start;

	snprintf(command, sizeof(command), "cd '%s' && %s", root, text);
	start = bench_now_ns();
	if (system(command) != 0)
		bench_fail("%s failed", command);
	return bench_now_ns() - start;
}

static uint64_t tool_untar(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root, "tar -xf ../../tree.tar");
}

static uint64_t tool_cp(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root, "cp -r linux copy");
}

static uint64_t tool_grep(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root, "grep -rq 'no such words' copy; [ $? = 1 ]");
}

static uint64_t tool_git_add(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root, "git init -q copy && git -C copy add -A");
}

static uint64_t tool_git_status(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root, "git -C copy status >/dev/null");
}

static uint64_t tool_compare(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root,
		"diff -r --exclude=.git linux copy && diff -r /usr/include/linux copy "
		"--exclude=.git && rm -rf copy/.git linux");
}

static uint64_t tool_rm(const struct amount *amount, const char *root)
{
	(void)amount;
	return run_tool(root, "rm -rf copy");
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* A file system mounted anew has cold caches, but so have then all others: a warm phase comes after
 * one that warms. */
const struct phase phases[PHASES_MAX + 1] = {
	{NULL, PHASE_AS_IS, make_dirs},
	{"create", PHASE_AS_IS, create},
	{"walk-cold", PHASE_FRESH, phase_walk},
	{"read-cold", PHASE_WALKED, read_small},
	{NULL, PHASE_AS_IS, read_small},
	{"read-warm", PHASE_AS_IS, read_small},
	{"stat-warm", PHASE_AS_IS, stat_files},
	{"read-cold-ro", PHASE_READ_ONLY, read_small},
	{NULL, PHASE_STILL_READ_ONLY, read_small},
	{"read-warm-ro", PHASE_STILL_READ_ONLY, read_small},
	{NULL, PHASE_FRESH, phase_walk},
	{NULL, PHASE_AS_IS, read_small},
	{"overwrite", PHASE_AS_IS, overwrite},
	{NULL, PHASE_AS_IS, read_overwritten},
	{"append", PHASE_AS_IS, append},
	{"create-fsync", PHASE_AS_IS, create_fsync},
	{"rename", PHASE_AS_IS, rename_files},
	{"rename-dir", PHASE_AS_IS, rename_dirs},
	{"unlink", PHASE_AS_IS, unlink_files},
	{"large-write", PHASE_AS_IS, large_write},
	{"large-read-cold", PHASE_FRESH, large_read},
	{"large-random-read", PHASE_FRESH, large_random_read},
	{NULL, PHASE_AS_IS, large_read},
	{"large-random-write", PHASE_AS_IS, large_random_write},
	{"tool-untar", PHASE_AS_IS, tool_untar},
	{"tool-cp", PHASE_AS_IS, tool_cp},
	{"tool-grep", PHASE_AS_IS, tool_grep},
	{"tool-git-add", PHASE_AS_IS, tool_git_add},
	{"tool-git-status", PHASE_AS_IS, tool_git_status},
	{NULL, PHASE_AS_IS, tool_compare},
	{"tool-rm", PHASE_AS_IS, tool_rm},
	{NULL, PHASE_AS_IS, remove_all},
};
