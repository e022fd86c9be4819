/* The file system of the disk as oracle: random operations are done on a mount and on the disk in
 * step, and give the same. Now and then the whole trees are compared, and the mount is mounted
 * anew. KEYTREE_OPS says how many operations, KEYTREE_SEED where to begin.
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define OPS 20000
#define HANDLES 6
#define DATA_SIZE 20000
#define SIDES 2

/* Times that operations set lie before this; the present does not. */
#define PRESENT 1500000000

struct world {
	char options[32]; /* of the mount */
	struct fixture *fixture;
	int root[SIDES];	/* directories: on the disk, and on the mount */
	int fd[HANDLES][SIDES]; /* -1: not open */
	size_t deepest;		/* path seen since the last sweep */
	bool links;		/* the mount has hard links */
	char data[DATA_SIZE];
	char got[SIDES][DATA_SIZE]; /* what an operation returned besides its result */
	size_t got_size[SIDES];
	char done[4400]; /* what was done last, in words */
};

static unsigned below(struct world *w, unsigned limit)
{
	return support_random(w->fixture, limit);
}

/* ---- one operation --------------------------------------------------------------------------- */

/* What an operation is to do, the same on both sides. */
struct op {
	char path[2048], other[2048];
	unsigned flags;
	mode_t mode;
	off_t offset, size;
	int handle;
	long seconds;
};

typedef long op_fn(struct world *w, int side, const struct op *op);

static void random_path(struct world *w, char *path)
{
	static const char *const names[] = {"a", "b", "c", "a-", "long name with blanks", "\xff"};
	unsigned depth = 1 + below(w, 3);

	path[0] = '\0';
	for (unsigned i = 0; i < depth; i++) {
		strcat(path, i > 0 ? "/" : "");
		strcat(path, names[below(w, below(w, 3) ? 3 : 6)]);
	}
}

static long op_write_file(struct world *w, int side, const struct op *op)
{
	int fd = openat(w->root[side], op->path, O_WRONLY | (int)op->flags, op->mode);
	ssize_t result;

	if (fd < 0)
		return -1;
	result = pwrite(fd, w->data, (size_t)op->size, op->offset);
	return close(fd) == 0 ? result : -1;
}

static long op_read_file(struct world *w, int side, const struct op *op)
{
	int fd = openat(w->root[side], op->path, O_RDONLY | O_NONBLOCK);
	ssize_t result;

	if (fd < 0)
		return -1;
	result = pread(fd, w->got[side], DATA_SIZE, op->offset);
	if (result > 0)
		w->got_size[side] = (size_t)result;
	close(fd);
	return result;
}

static long op_open(struct world *w, int side, const struct op *op)
{
	int *fd = &w->fd[op->handle][side];

	if (*fd >= 0)
		close(*fd);
	*fd = openat(w->root[side], op->path, O_RDWR | (int)op->flags, op->mode);
	return *fd < 0 ? -1 : 0;
}

static long op_close(struct world *w, int side, const struct op *op)
{
	int fd = w->fd[op->handle][side];

	w->fd[op->handle][side] = -1;
	return fd < 0 ? 0 : close(fd);
}

static long op_pwrite(struct world *w, int side, const struct op *op)
{
	return pwrite(w->fd[op->handle][side], w->data, (size_t)op->size, op->offset);
}

static long op_pread(struct world *w, int side, const struct op *op)
{
	ssize_t result = pread(w->fd[op->handle][side], w->got[side], DATA_SIZE, op->offset);

	if (result > 0)
		w->got_size[side] = (size_t)result;
	return result;
}

static long op_ftruncate(struct world *w, int side, const struct op *op)
{
	return ftruncate(w->fd[op->handle][side], op->offset);
}

static long op_fallocate(struct world *w, int side, const struct op *op)
{
	static const int modes[] = {0, FALLOC_FL_KEEP_SIZE,
		FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE};

	return fallocate(w->fd[op->handle][side], modes[op->flags % 4], op->offset, op->size + 1);
}

/* To wait for the disk tells nothing of a file, but of a pipe that it cannot be synced. */
static long op_fsync(struct world *w, int side, const struct op *op)
{
	struct stat stat;
	int fd = w->fd[op->handle][side];

	if (side == 0 && fstat(fd, &stat) == 0 && S_ISREG(stat.st_mode))
		return 0;
	return fsync(fd);
}

static void keep_stat(struct world *w, int side, const struct stat *stat)
{
	bool set = stat->st_mtim.tv_sec < PRESENT;

	w->got_size[side] = (size_t)snprintf(w->got[side], DATA_SIZE,
		"%o %u %u %lld %lld.%09ld %lu", stat->st_mode, stat->st_uid, stat->st_gid,
		(long long)(S_ISDIR(stat->st_mode) ? 0 : stat->st_size),
		(long long)(set ? stat->st_mtim.tv_sec : 0), set ? stat->st_mtim.tv_nsec : 0,
		(unsigned long)(S_ISDIR(stat->st_mode) ? 0 : stat->st_nlink));
}

static long op_fstat(struct world *w, int side, const struct op *op)
{
	struct stat stat;

	if (fstat(w->fd[op->handle][side], &stat) != 0)
		return -1;
	keep_stat(w, side, &stat);
	return 0;
}

static long op_stat(struct world *w, int side, const struct op *op)
{
	struct stat stat;

	if (fstatat(w->root[side], op->path, &stat, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	keep_stat(w, side, &stat);
	return 0;
}

static long op_mkdir(struct world *w, int side, const struct op *op)
{
	return mkdirat(w->root[side], op->path, op->mode);
}

static long op_rmdir(struct world *w, int side, const struct op *op)
{
	return unlinkat(w->root[side], op->path, AT_REMOVEDIR);
}

static long op_unlink(struct world *w, int side, const struct op *op)
{
	return unlinkat(w->root[side], op->path, 0);
}

static long op_rename(struct world *w, int side, const struct op *op)
{
	static const unsigned flags[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	return renameat2(w->root[side], op->path, w->root[side], op->other, flags[op->flags % 5]);
}

static long op_link(struct world *w, int side, const struct op *op)
{
	if (!w->links)
		return 0;
	return linkat(w->root[side], op->path, w->root[side], op->other, 0);
}

static long op_symlink(struct world *w, int side, const struct op *op)
{
	return symlinkat(op->other, w->root[side], op->path);
}

static long op_readlink(struct world *w, int side, const struct op *op)
{
	ssize_t size = readlinkat(w->root[side], op->path, w->got[side], DATA_SIZE);

	if (size > 0)
		w->got_size[side] = (size_t)size;
	return size;
}

static long op_mknod(struct world *w, int side, const struct op *op)
{
	return mknodat(w->root[side], op->path, op->mode | (op->flags % 2 ? S_IFIFO : S_IFREG), 0);
}

static long op_chmod(struct world *w, int side, const struct op *op)
{
	return fchmodat(w->root[side], op->path, op->mode, 0);
}

static long op_chown(struct world *w, int side, const struct op *op)
{
	if (geteuid() != 0)
		return 0;
	return fchownat(w->root[side], op->path, op->flags % 3, op->flags % 5, AT_SYMLINK_NOFOLLOW);
}

static long op_truncate(struct world *w, int side, const struct op *op)
{
	int fd = openat(w->root[side], op->path, O_WRONLY | O_NONBLOCK);
	int result;

	if (fd < 0)
		return -1;
	result = ftruncate(fd, op->offset);
	close(fd);
	return result;
}

static long op_utimens(struct world *w, int side, const struct op *op)
{
	struct timespec times[2] = {{op->seconds, 1}, {op->seconds, op->offset}};

	return utimensat(w->root[side], op->path, times, AT_SYMLINK_NOFOLLOW);
}

/* Names of attributes have no calls relative to a directory; and only files have user.* here. */
static int open_quietly(struct world *w, int side, const char *path)
{
	return openat(w->root[side], path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
}

static const char *attribute_name(const struct op *op)
{
	static const char *const names[] = {"user.a", "user.b", "user.longer.name"};

	return names[op->flags % 3];
}

static long op_setxattr(struct world *w, int side, const struct op *op)
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

static long op_getxattr(struct world *w, int side, const struct op *op)
{
	int fd = open_quietly(w, side, op->path), err;
	ssize_t size;

	if (fd < 0)
		return -1;
	size = fgetxattr(fd, attribute_name(op), w->got[side], op->flags % 7 ? DATA_SIZE : 20);
	err = errno;
	close(fd);
	errno = err;
	if (size > 0)
		w->got_size[side] = (size_t)size;
	return size;
}

static long op_removexattr(struct world *w, int side, const struct op *op)
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

static long op_tmpfile(struct world *w, int side, const struct op *op)
{
	int *fd = &w->fd[op->handle][side];

	if (*fd >= 0)
		close(*fd);
	*fd = openat(w->root[side], ".", O_RDWR | O_TMPFILE, op->mode);
	return *fd < 0 ? -1 : 0;
}

static long op_copy(struct world *w, int side, const struct op *op)
{
	off_t from = op->offset, to = op->seconds % DATA_SIZE;
	int other = (op->handle + 1) % HANDLES;

	return copy_file_range(
		w->fd[op->handle][side], &from, w->fd[other][side], &to, (size_t)op->size, 0);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static long op_list(struct world *w, int side, const struct op *op)
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
			DATA_SIZE - w->got_size[side], "%s\n", names[i]);
		free(names[i]);
	}
	return (long)count;
}

static const struct {
	const char *name;
	op_fn *run;
	unsigned weight;
} ops[] = {
	{"write_file", op_write_file, 12},
	{"read_file", op_read_file, 8},
	{"open", op_open, 8},
	{"close", op_close, 3},
	{"pwrite", op_pwrite, 10},
	{"pread", op_pread, 8},
	{"ftruncate", op_ftruncate, 3},
	{"fallocate", op_fallocate, 3},
	{"fsync", op_fsync, 1},
	{"fstat", op_fstat, 4},
	{"stat", op_stat, 5},
	{"mkdir", op_mkdir, 8},
	{"rmdir", op_rmdir, 4},
	{"unlink", op_unlink, 5},
	{"rename", op_rename, 10},
	{"link", op_link, 4},
	{"symlink", op_symlink, 2},
	{"readlink", op_readlink, 1},
	{"mknod", op_mknod, 1},
	{"chmod", op_chmod, 3},
	{"chown", op_chown, 2},
	{"truncate", op_truncate, 3},
	{"utimens", op_utimens, 3},
	{"setxattr", op_setxattr, 4},
	{"getxattr", op_getxattr, 3},
	{"removexattr", op_removexattr, 1},
	{"tmpfile", op_tmpfile, 1},
	{"copy", op_copy, 2},
	{"list", op_list, 3},
};

static size_t random_op(struct world *w)
{
	unsigned total = 0, at;
	size_t i = 0;

	for (size_t n = 0; n < sizeof(ops) / sizeof(ops[0]); n++)
		total += ops[n].weight;
	at = below(w, total);
	while (at >= ops[i].weight)
		at -= ops[i++].weight;
	return i;
}

static struct op random_arguments(struct world *w)
{
	static const unsigned flags[] = {0, O_CREAT, O_CREAT, O_CREAT | O_TRUNC, O_CREAT | O_EXCL,
		O_TRUNC, O_APPEND, O_CREAT | O_APPEND};
	struct op op = {
		.flags = flags[below(w, 8)],
		.mode = 0600 | below(w, 0200),
		.offset = below(w, below(w, 4) ? 3000 : DATA_SIZE),
		.size = below(w, below(w, 4) ? 200 : DATA_SIZE),
		.handle = (int)below(w, HANDLES),
		.seconds = (long)below(w, 1000000000),
	};

	random_path(w, op.path);
	random_path(w, op.other);
	return op;
}

/* Do an operation on both sides. Pipes are not opened: nobody is at their other end. */
static void step(struct world *w)
{
	size_t which = random_op(w);
	struct op op = random_arguments(w);
	long result[SIDES];
	int err[SIDES];

	if (ops[which].run == op_rename || ops[which].run == op_fallocate ||
		ops[which].run == op_mknod || ops[which].run == op_chown ||
		ops[which].run == op_setxattr || ops[which].run == op_getxattr ||
		ops[which].run == op_removexattr)
		op.flags = below(w, 420);
	else
		op.flags |= O_NONBLOCK;
	snprintf(w->done, sizeof(w->done), "%s '%s' '%s' flags %u offset %ld size %ld handle %d",
		ops[which].name, op.path, op.other, op.flags, (long)op.offset, (long)op.size,
		op.handle);
	for (int side = 0; side < SIDES; side++) {
		w->got_size[side] = 0;
		errno = 0;
		result[side] = ops[which].run(w, side, &op);
		err[side] = result[side] < 0 ? errno : 0;
	}
	if (getenv("KEYTREE_VERBOSE") != NULL)
		fprintf(stderr, "%s: %ld %s\n", w->done, result[0], strerrorname_np(err[0]));
	if (result[0] != result[1] || err[0] != err[1])
		fail_msg("%s: the disk gives %ld %s, the mount %ld %s", w->done, result[0],
			strerrorname_np(err[0]), result[1], strerrorname_np(err[1]));
	if (w->got_size[0] != w->got_size[1] || memcmp(w->got[0], w->got[1], w->got_size[0]) != 0)
		fail_msg("%s: the disk gives '%.*s', the mount '%.*s'", w->done,
			(int)w->got_size[0] % 200, w->got[0], (int)w->got_size[1] % 200, w->got[1]);
}

/* ---- whole trees ----------------------------------------------------------------------------- */

static void run_on_both(struct world *w, op_fn *run, const char *name, const struct op *op)
{
	long result[SIDES];

	for (int side = 0; side < SIDES; side++) {
		w->got_size[side] = 0;
		result[side] = run(w, side, op);
	}
	if (result[0] != result[1] || w->got_size[0] != w->got_size[1] ||
		memcmp(w->got[0], w->got[1], w->got_size[0]) != 0)
		fail_msg("after %s: %s of '%s' differs: '%.*s', '%.*s'", w->done, name, op->path,
			(int)w->got_size[0] % 300, w->got[0], (int)w->got_size[1] % 300, w->got[1]);
}

static void compare_tree(struct world *w, const char *path, int depth)
{
	struct op op = {.flags = 1};
	char names[DATA_SIZE], *at = names, *name;

	if (strlen(path) > w->deepest)
		w->deepest = strlen(path);
	snprintf(op.path, sizeof(op.path), "%s", path);
	run_on_both(w, op_list, "the list", &op);
	snprintf(names, sizeof(names), "%.*s", (int)w->got_size[0], w->got[0]);
	while ((name = strsep(&at, "\n")) != NULL) {
		struct stat stat;

		if (*name == '\0' || !strcmp(name, ".") || !strcmp(name, ".."))
			continue;
		snprintf(op.path, sizeof(op.path), "%.1500s/%.300s", path, name);
		run_on_both(w, op_stat, "stat", &op);
		assert_int_equal(fstatat(w->root[0], op.path, &stat, AT_SYMLINK_NOFOLLOW), 0);
		if (S_ISREG(stat.st_mode) && (stat.st_mode & 0400))
			run_on_both(w, op_read_file, "the content", &op);
		else if (S_ISLNK(stat.st_mode))
			run_on_both(w, op_readlink, "the target", &op);
		else if (S_ISDIR(stat.st_mode) && depth < 1000)
			compare_tree(w, op.path, depth + 1);
		for (op.flags = 1; op.flags < 4 && !S_ISLNK(stat.st_mode); op.flags++)
			run_on_both(w, op_getxattr, "an attribute", &op);
	}
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	return ftw->level > 0 ? remove(path) : 0;
}

/* Renaming directories into directories makes trees deep, and there is an end to that: a key has
 * 4096 bytes. Begin anew before. */
static void sweep(struct world *w)
{
	for (int side = 0; side < SIDES; side++) {
		assert_int_equal(fchdir(w->root[side]), 0);
		assert_int_equal(nftw(".", remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
	}
	assert_int_equal(chdir("/"), 0);
	w->deepest = 0;
}

static void compare_all(struct world *w)
{
	compare_tree(w, ".", 0);
	if (w->deepest > 700)
		sweep(w);
}

/* ---- the test -------------------------------------------------------------------------------- */

static void open_roots(struct world *w)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/disk", w->fixture->dir);
	mkdir(path, 0755);
	w->root[0] = open(path, O_RDONLY | O_DIRECTORY);
	support_mount_with(w->fixture, w->options);
	w->root[1] = open(w->fixture->mount_dir, O_RDONLY | O_DIRECTORY);
	assert_true(w->root[0] >= 0 && w->root[1] >= 0);
}

static void close_all(struct world *w)
{
	for (int i = 0; i < HANDLES; i++) {
		for (int side = 0; side < SIDES; side++) {
			if (w->fd[i][side] >= 0)
				assert_int_equal(close(w->fd[i][side]), 0);
			w->fd[i][side] = -1;
		}
	}
	close(w->root[0]);
	close(w->root[1]);
	support_unmount(w->fixture);
}

static bool has_links(struct world *w)
{
	int fd = openat(w->root[1], "l", O_CREAT | O_WRONLY, 0644);
	bool has;

	close(fd);
	has = linkat(w->root[1], "l", w->root[1], "m", 0) == 0;
	unlinkat(w->root[1], "l", 0);
	unlinkat(w->root[1], "m", 0);
	return has;
}

/* @param scratch  names of scratch files, which do not outlive the mount */
static void run_operations(void **state, const char *scratch)
{
	const char *count = getenv("KEYTREE_OPS");
	unsigned long limit = count != NULL ? strtoul(count, NULL, 10) : OPS;
	unsigned often = (unsigned)(limit / 70 + 1);
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->fixture = *state;
	snprintf(w->options, sizeof(w->options), "scratch=%s", scratch);
	memset(w->fd, -1, sizeof(w->fd));
	for (size_t i = 0; i < DATA_SIZE; i++)
		w->data[i] = (char)('!' + i % 90);
	umask(0);
	open_roots(w);
	w->links = has_links(w);
	for (unsigned long i = 0; i < limit; i++) {
		step(w);
		if (below(w, often) == 0)
			compare_all(w);
		if (below(w, 10 * often) == 0) {
			if (*scratch != '\0')
				sweep(w);
			close_all(w);
			assert_int_equal(support_keytree("check", w->fixture->store_path, NULL), 0);
			open_roots(w);
			compare_all(w);
		}
	}
	close_all(w);
	free(w);
}

/* Random operations give what they give on the disk, and so do the trees, before and after a
 * remount. */
static void test_operations(void **state)
{
	run_operations(state, "");
}

/* So do they if some names are those of scratch files: whatever the store knows of these, and when,
 * the mount is like a disk. */
static void test_scratch(void **state)
{
	run_operations(state, "c:a-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_operations, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_scratch, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
