/* Calls on open files, and on what is in files. Zeros show as dots. */
#include "table.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

static long result_of(long result)
{
	return result < 0 ? -errno : result;
}

/* open FILE NAME FLAGS [MODE] */
static long call_open(struct table_world *world, char **words)
{
	static const struct table_word list[] = {{"r", O_RDONLY}, {"w", O_WRONLY}, {"rw", O_RDWR},
		{"creat", O_CREAT}, {"excl", O_EXCL}, {"trunc", O_TRUNC}, {"append", O_APPEND},
		{"nofollow", O_NOFOLLOW}, {"directory", O_DIRECTORY}, {"tmpfile", O_TMPFILE},
		{"direct", O_DIRECT}, {"nonblock", O_NONBLOCK}, {"path", O_PATH}, {"sync", O_SYNC},
		{"noatime", O_NOATIME}, {NULL, 0}};
	mode_t mode = words[3] != NULL ? (mode_t)strtoul(words[3], NULL, 8) : 0;
	int fd = open(words[1], (int)table_flags(list, words[2]), mode);

	table_fd(world, words[0]);
	if (fd < 0)
		return -errno;
	if (world->fd[table_number(words[0])] >= 0)
		close(world->fd[table_number(words[0])]);
	world->fd[table_number(words[0])] = fd;
	return 0;
}

/* setfl FILE FLAGS: of the descriptor, from here on */
static long call_setfl(struct table_world *world, char **words)
{
	static const struct table_word list[] = {{"0", 0}, {"append", O_APPEND}, {NULL, 0}};

	return result_of(
		fcntl(table_fd(world, words[0]), F_SETFL, (int)table_flags(list, words[1])));
}

static long call_close(struct table_world *world, char **words)
{
	int fd = table_fd(world, words[0]);

	world->fd[table_number(words[0])] = -1;
	return result_of(close(fd));
}

/* put NAME [TEXT]: make or overwrite a file */
static long call_put(struct table_world *world, char **words)
{
	const char *text = words[1] != NULL ? words[1] : "";
	int fd = open(words[0], O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ssize_t written;

	(void)world;
	if (fd < 0)
		return -errno;
	written = result_of(write(fd, text, strlen(text)));
	return close(fd) != 0 ? -errno : written;
}

static void show(struct table_world *world, ssize_t size)
{
	for (ssize_t i = 0; i < size; i++) {
		if (world->text[i] == '\0')
			world->text[i] = '.';
	}
	world->text[size > 0 ? size : 0] = '\0';
}

/* get NAME: all that is in it */
static long call_get(struct table_world *world, char **words)
{
	int fd = open(words[0], O_RDONLY);
	long size;

	if (fd < 0)
		return -errno;
	size = result_of(read(fd, world->text, sizeof(world->text) - 1));
	show(world, size);
	close(fd);
	return size;
}

/* write FILE TEXT [OFFSET]: shows how much was written. "-" is no text */
static long call_write(struct table_world *world, char **words)
{
	int fd = table_fd(world, words[0]);
	size_t size = strcmp(words[1], "-") != 0 ? strlen(words[1]) : 0;
	long result;

	memcpy(world->text, words[1], size); /* which is where O_DIRECT wants it */
	result = words[2] != NULL ? result_of(pwrite(fd, world->text, size, table_number(words[2])))
				  : result_of(write(fd, world->text, size));

	sprintf(world->text, "%ld", result);
	return result;
}

/* read FILE SIZE [OFFSET] */
static long call_read(struct table_world *world, char **words)
{
	int fd = table_fd(world, words[0]);
	size_t size = (size_t)table_number(words[1]);
	long result = words[2] != NULL
			      ? result_of(pread(fd, world->text, size, table_number(words[2])))
			      : result_of(read(fd, world->text, size));

	show(world, result);
	return result;
}

/* A number is an open file; else it is a name. */
static long call_truncate(struct table_world *world, char **words)
{
	if (words[0][0] >= '0' && words[0][0] <= '9')
		return result_of(ftruncate(table_fd(world, words[0]), table_number(words[1])));
	return result_of(truncate(words[0], table_number(words[1])));
}

static long call_fsync(struct table_world *world, char **words)
{
	return result_of(fsync(table_fd(world, words[0])));
}

/* limit SIZE|none: of what this process writes, from here on */
static long call_limit(struct table_world *world, char **words)
{
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

	(void)world;
	signal(SIGXFSZ, SIG_IGN);
	if (strcmp(words[0], "none") != 0)
		limit.rlim_cur = (rlim_t)table_number(words[0]);
	return result_of(setrlimit(RLIMIT_FSIZE, &limit));
}

/* lseek FILE OFFSET FROM */
static long call_lseek(struct table_world *world, char **words)
{
	static const struct table_word list[] = {{"set", SEEK_SET}, {"cur", SEEK_CUR},
		{"end", SEEK_END}, {"data", SEEK_DATA}, {"hole", SEEK_HOLE}, {NULL, 0}};
	long at = result_of(lseek(table_fd(world, words[0]), table_number(words[1]),
		(int)table_flags(list, words[2])));

	sprintf(world->text, "%ld", at);
	return at;
}

/* fallocate FILE MODE OFFSET SIZE */
static long call_fallocate(struct table_world *world, char **words)
{
	static const struct table_word list[] = {{"0", 0}, {"keep", FALLOC_FL_KEEP_SIZE},
		{"punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE},
		{"zero", FALLOC_FL_ZERO_RANGE}, {"collapse", FALLOC_FL_COLLAPSE_RANGE},
		{"insert", FALLOC_FL_INSERT_RANGE}, {NULL, 0}};

	return result_of(fallocate(table_fd(world, words[0]), (int)table_flags(list, words[1]),
		table_number(words[2]), table_number(words[3])));
}

/* copy FILE OFFSET FILE OFFSET SIZE: shows how much was copied */
static long call_copy(struct table_world *world, char **words)
{
	off_t from = table_number(words[1]), to = table_number(words[3]);
	long size = result_of(copy_file_range(table_fd(world, words[0]), &from,
		table_fd(world, words[2]), &to, (size_t)table_number(words[4]), 0));

	sprintf(world->text, "%ld", size);
	return size;
}

/* flock FILE MODE */
static long call_flock(struct table_world *world, char **words)
{
	static const struct table_word list[] = {
		{"sh", LOCK_SH}, {"ex", LOCK_EX}, {"un", LOCK_UN}, {"nb", LOCK_NB}, {NULL, 0}};

	return result_of(flock(table_fd(world, words[0]), (int)table_flags(list, words[1])));
}

/* flockname NAME MODE: open, and take the lock of that open file */
static long call_flockname(struct table_world *world, char **words)
{
	int fd = open(words[0], O_RDWR);
	char number[] = "9";
	char *inner[] = {number, words[1], NULL};

	if (fd < 0)
		return -errno;
	world->fd[9] = fd;
	return call_flock(world, inner);
}

static struct flock lock_of(char **words)
{
	static const struct table_word list[] = {
		{"read", F_RDLCK}, {"write", F_WRLCK}, {"un", F_UNLCK}, {NULL, 0}};

	return (struct flock){.l_type = (short)table_flags(list, words[1]),
		.l_whence = SEEK_SET,
		.l_start = table_number(words[2]),
		.l_len = table_number(words[3])};
}

/* lock FILE TYPE START SIZE: of the process */
static long call_lock(struct table_world *world, char **words)
{
	struct flock lock = lock_of(words);

	return result_of(fcntl(table_fd(world, words[0]), F_SETLK, &lock));
}

/* getlock FILE TYPE START SIZE: what is in the way of a lock of the process */
static long call_getlock(struct table_world *world, char **words)
{
	struct flock lock = lock_of(words);

	if (fcntl(table_fd(world, words[0]), F_GETLK, &lock) != 0)
		return -errno;
	if (lock.l_type == F_UNLCK)
		strcpy(world->text, "nothing");
	else
		sprintf(world->text, "%s %ld %ld", lock.l_type == F_RDLCK ? "read" : "write",
			(long)lock.l_start, (long)lock.l_len);
	return 0;
}

/* ofdlock FILE TYPE START SIZE: of the open file */
static long call_ofdlock(struct table_world *world, char **words)
{
	struct flock lock = lock_of(words);

	return result_of(fcntl(table_fd(world, words[0]), F_OFD_SETLK, &lock));
}

/* map FILE SIZE [private]: shared, for reading and writing */
static long call_map(struct table_world *world, char **words)
{
	static const struct table_word list[] = {{"private", MAP_PRIVATE}, {NULL, 0}};
	int how = words[2] != NULL ? (int)table_flags(list, words[2]) : MAP_SHARED;
	void *map = mmap(NULL, (size_t)table_number(words[1]), PROT_READ | PROT_WRITE, how,
		table_fd(world, words[0]), 0);

	if (map == MAP_FAILED)
		return -errno;
	world->map[table_number(words[0])] = map;
	return 0;
}

/* store FILE TEXT OFFSET: into the map */
static long call_store(struct table_world *world, char **words)
{
	table_fd(world, words[0]);
	memcpy(world->map[table_number(words[0])] + table_number(words[2]), words[1],
		strlen(words[1]));
	return 0;
}

/* load FILE SIZE OFFSET: from the map */
static long call_load(struct table_world *world, char **words)
{
	long size = table_number(words[1]);

	table_fd(world, words[0]);
	memcpy(world->text, world->map[table_number(words[0])] + table_number(words[2]),
		(size_t)size);
	show(world, size);
	return size;
}

/* sync FILE SIZE: what was stored into the map */
static long call_sync(struct table_world *world, char **words)
{
	table_fd(world, words[0]);
	return result_of(
		msync(world->map[table_number(words[0])], (size_t)table_number(words[1]), MS_SYNC));
}

/* unmap FILE SIZE */
static long call_unmap(struct table_world *world, char **words)
{
	table_fd(world, words[0]);
	return result_of(
		munmap(world->map[table_number(words[0])], (size_t)table_number(words[1])));
}

const struct table_call table_files[] = {
	{"close", 1, call_close},
	{"copy", 5, call_copy},
	{"fallocate", 4, call_fallocate},
	{"flock", 2, call_flock},
	{"flockname", 2, call_flockname},
	{"fsync", 1, call_fsync},
	{"getlock", 4, call_getlock},
	{"get", 1, call_get},
	{"limit", 1, call_limit},
	{"load", 3, call_load},
	{"lock", 4, call_lock},
	{"lseek", 3, call_lseek},
	{"map", 2, call_map},
	{"ofdlock", 4, call_ofdlock},
	{"open", 3, call_open},
	{"put", 1, call_put},
	{"read", 2, call_read},
	{"setfl", 2, call_setfl},
	{"store", 3, call_store},
	{"sync", 2, call_sync},
	{"truncate", 2, call_truncate},
	{"unmap", 2, call_unmap},
	{"write", 2, call_write},
	{NULL, 0, NULL},
};
