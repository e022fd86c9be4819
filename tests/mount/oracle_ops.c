#include "oracle_ops.h"

#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

/* Times that operations set lie before this; the present does not. */
#define PRESENT 1500000000

unsigned oracle_below(struct oracle *w, unsigned limit)
{
	return support_random(w->fixture, limit);
}

void oracle_random_path(struct oracle *w, char *path)
{
	static const char *const names[] = {"a", "b", "c", "a-", "long name with blanks", "\xff"};
	unsigned depth = 1 + oracle_below(w, 3);

	path[0] = '\0';
	for (unsigned i = 0; i < depth; i++) {
		strcat(path, i > 0 ? "/" : "");
		strcat(path, names[oracle_below(w, oracle_below(w, 3) ? 3 : 6)]);
	}
}

static long op_write_file(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = openat(w->root[side], op->path, O_WRONLY | (int)op->flags, op->mode);
	ssize_t result;

	if (fd < 0)
		return -1;
	result = pwrite(fd, w->data, (size_t)op->size, op->offset);
	return close(fd) == 0 ? result : -1;
}

long oracle_read_file(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = openat(w->root[side], op->path, O_RDONLY | O_NONBLOCK);
	ssize_t result;

	if (fd < 0)
		return -1;
	result = pread(fd, w->got[side], ORACLE_DATA_SIZE, op->offset);
	if (result > 0)
		w->got_size[side] = (size_t)result;
	close(fd);
	return result;
}

static long op_open(struct oracle *w, int side, const struct oracle_op *op)
{
	int *fd = &w->fd[op->handle][side];

	if (*fd >= 0)
		close(*fd);
	*fd = openat(w->root[side], op->path, O_RDWR | (int)op->flags, op->mode);
	return *fd < 0 ? -1 : 0;
}

static long op_close(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = w->fd[op->handle][side];

	w->fd[op->handle][side] = -1;
	return fd < 0 ? 0 : close(fd);
}

static long op_pwrite(struct oracle *w, int side, const struct oracle_op *op)
{
	return pwrite(w->fd[op->handle][side], w->data, (size_t)op->size, op->offset);
}

static long op_pread(struct oracle *w, int side, const struct oracle_op *op)
{
	ssize_t result = pread(w->fd[op->handle][side], w->got[side], ORACLE_DATA_SIZE, op->offset);

	if (result > 0)
		w->got_size[side] = (size_t)result;
	return result;
}

static long op_ftruncate(struct oracle *w, int side, const struct oracle_op *op)
{
	return ftruncate(w->fd[op->handle][side], op->offset);
}

long oracle_fallocate(struct oracle *w, int side, const struct oracle_op *op)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE};

	return fallocate(w->fd[op->handle][side], modes[op->flags % 4], op->offset, op->size + 1);
}

/* To wait for the disk tells nothing of a file, but of a pipe that it cannot be synced. */
static long op_fsync(struct oracle *w, int side, const struct oracle_op *op)
{
	struct stat stat;
	int fd = w->fd[op->handle][side];

	if (side == 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode))
		return 0;
	return fsync(fd);
}

static void keep_stat(struct oracle *w, int side, const struct stat *stat)
{
	bool set = stat->st_mtim.tv_sec < PRESENT;

	w->got_size[side] = (size_t)snprintf(w->got[side], ORACLE_DATA_SIZE,
		"%o %u %u %lld %lld.%09ld %lu", stat->st_mode, stat->st_uid, stat->st_gid,
		(long long)(S_ISDIR(stat->st_mode) ? 0 : stat->st_size),
		(long long)(set ? stat->st_mtim.tv_sec : 0), set ? stat->st_mtim.tv_nsec : 0,
		(unsigned long)(S_ISDIR(stat->st_mode) ? 0 : stat->st_nlink));
}

static long op_fstat(struct oracle *w, int side, const struct oracle_op *op)
{
	struct stat stat;

	if (fstat(w->fd[op->handle][side], &stat) != 0)
		return -1;
	keep_stat(w, side, &stat);
	return 0;
}

long oracle_stat(struct oracle *w, int side, const struct oracle_op *op)
{
	struct stat stat;

	if (fstatat(w->root[side], op->path, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	keep_stat(w, side, &stat);
	return 0;
}

static long op_mkdir(struct oracle *w, int side, const struct oracle_op *op)
{
	return mkdirat(w->root[side], op->path, op->mode);
}

static long op_rmdir(struct oracle *w, int side, const struct oracle_op *op)
{
	return unlinkat(w->root[side], op->path, AT_REMOVEDIR);
}

static long op_unlink(struct oracle *w, int side, const struct oracle_op *op)
{
	return unlinkat(w->root[side], op->path, 0);
}

long oracle_rename(struct oracle *w, int side, const struct oracle_op *op)
{
	static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	return renameat2(w->root[side], op->path, w->root[side], op->other, flags[op->flags % 5]);
}

static long op_link(struct oracle *w, int side, const struct oracle_op *op)
{
	if (!w->links)
		return 0;
	return linkat(w->root[side], op->path, w->root[side], op->other, 0);
}

static long op_symlink(struct oracle *w, int side, const struct oracle_op *op)
{
	return symlinkat(op->other, w->root[side], op->path);
}

long oracle_readlink(struct oracle *w, int side, const struct oracle_op *op)
{
	ssize_t size = readlinkat(w->root[side], op->path, w->got[side], ORACLE_DATA_SIZE);

	if (size > 0)
		w->got_size[side] = (size_t)size;
	return size;
}

long oracle_mknod(struct oracle *w, int side, const struct oracle_op *op)
{
	return mknodat(w->root[side], op->path, op->mode | (op->flags % 2 ? S_IFIFO : S_IFREG), 0);
}

static long op_chmod(struct oracle *w, int side, const struct oracle_op *op)
{
	return fchmodat(w->root[side], op->path, op->mode, 0);
}

long oracle_chown(struct oracle *w, int side, const struct oracle_op *op)
{
	if (geteuid() != 0)
		return 0;
	return fchownat(w->root[side], op->path, op->flags % 3, op->flags % 5, AT_SYMLINK_NOFOLLOW);
}

static long op_truncate(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = openat(w->root[side], op->path, O_WRONLY | O_NONBLOCK);
	int result;

	if (fd < 0)
		return -1;
	result = ftruncate(fd, op->offset);
	close(fd);
	return result;
}

static long op_utimens(struct oracle *w, int side, const struct oracle_op *op)
{
	struct timespec times[2] = {{op->seconds, 1}, {op->seconds, op->offset}};

	return utimensat(w->root[side], op->path, times, AT_SYMLINK_NOFOLLOW);
}

/* Names of attributes have no calls relative to a directory; and only files have user.* here. */
static int open_quietly(struct oracle *w, int side, const char *path)
{
	return openat(w->root[side], path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

static const char *attribute_name(const struct oracle_op *op)
{
	static const char *const names[] = {"user.a", "user.b", "user.longer.name"};

	return names[op->flags % 3];
}

long oracle_setxattr(struct oracle *w, int side, const struct oracle_op *op)
{
	static const int flags[] = {0, 0, XATTR_CREATE, XATTR_REPLACE};
	int fd = open_quietly(w, side, op->path), result, err;

	if (fd < 0)
		return -1;
	result = fsetxattr(
		fd, attribute_name(op), w->data, (size_t)op->size % 300, flags[op->flags / 3 % 4]);
	err = errno;
	close(fd);
	errno = err;
	return result;
}

long oracle_getxattr(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = open_quietly(w, side, op->path), err;
	ssize_t size;

	if (fd < 0)
		return -1;
	size = fgetxattr(
		fd, attribute_name(op), w->got[side], op->flags % 7 ? ORACLE_DATA_SIZE : 20);
	err = errno;
	close(fd);
	errno = err;
	if (size > 0)
		w->got_size[side] = (size_t)size;
	return size;
}

long oracle_removexattr(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = open_quietly(w, side, op->path), result, err;

	if (fd < 0)
		return -1;
	result = fremovexattr(fd, attribute_name(op));
	err = errno;
	close(fd);
	errno = err;
	return result;
}

static long op_tmpfile(struct oracle *w, int side, const struct oracle_op *op)
{
	int *fd = &w->fd[op->handle][side];

	if (*fd >= 0)
		close(*fd);
	*fd = openat(w->root[side], ".", O_RDWR | O_TMPFILE, op->mode);
	return *fd < 0 ? -1 : 0;
}

static long op_copy(struct oracle *w, int side, const struct oracle_op *op)
{
	off_t from = op->offset, to = op->seconds % ORACLE_DATA_SIZE;
	int other = (op->handle + 1) % ORACLE_HANDLES;

	return copy_file_range(
		w->fd[op->handle][side], &from, w->fd[other][side], &to, (size_t)op->size, 0);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

long oracle_list(struct oracle *w, int side, const struct oracle_op *op)
{
	int fd = openat(w->root[side], op->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	char *names[100];
	size_t count = 0;

	if (dir == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL && count < 100)
		names[count++] = strdup(entry->d_name);
	closedir(dir);
	qsort(names, count, sizeof(names[0]), compare_names);
	for (size_t i = 0; i < count; i++) {
		w->got_size[side] += (size_t)snprintf(w->got[side] + w->got_size[side],
			ORACLE_DATA_SIZE - w->got_size[side], "%s\n", names[i]);
		free(names[i]);
	}
	return (long)count;
}

const struct oracle_call oracle_ops[ORACLE_OPS] = {
	{"write_file", op_write_file, 12},
	{"read_file", oracle_read_file, 8},
	{"open", op_open, 8},
	{"close", op_close, 3},
	{"pwrite", op_pwrite, 10},
	{"pread", op_pread, 8},
	{"ftruncate", op_ftruncate, 3},
	{"fallocate", oracle_fallocate, 3},
	{"fsync", op_fsync, 1},
	{"fstat", op_fstat, 4},
	{"stat", oracle_stat, 5},
	{"mkdir", op_mkdir, 8},
	{"rmdir", op_rmdir, 4},
	{"unlink", op_unlink, 5},
	{"rename", oracle_rename, 10},
	{"link", op_link, 4},
	{"symlink", op_symlink, 2},
	{"readlink", oracle_readlink, 1},
	{"mknod", oracle_mknod, 1},
	{"chmod", op_chmod, 3},
	{"chown", oracle_chown, 2},
	{"truncate", op_truncate, 3},
	{"utimens", op_utimens, 3},
	{"setxattr", oracle_setxattr, 4},
	{"getxattr", oracle_getxattr, 3},
	{"removexattr", oracle_removexattr, 1},
	{"tmpfile", op_tmpfile, 1},
	{"copy", op_copy, 2},
	{"list", oracle_list, 3},
};
