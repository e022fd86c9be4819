#include "hammer_ops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRIES 10

struct names {
	char a[32], b[32]; /* relative to the mount */
};

typedef int op_fn(struct hammer_hand *h, const struct names *names);

void hammer_random_path(struct rng *rng, char path[32])
{
	static const char *const parts[] = {"a", "b", "c", "a", "b", "c", "%value"};
	size_t depth = rng_below(rng, 3);

	strcpy(path, parts[rng_below(rng, 3)]);
	while (depth-- > 0) {
		strcat(path, "/");
		strcat(path, parts[rng_below(rng, 7)]);
	}
}

static int *random_held(struct hammer_hand *h)
{
	return &h->held[rng_below(&h->rng, HAMMER_HELD)];
}

static size_t random_size(struct hammer_hand *h)
{
	return rng_below(&h->rng, rng_below(&h->rng, 4) ? 300 : sizeof(h->bytes));
}

/* Keep an open file, or close it. */
static int hold_or_close(struct hammer_hand *h, int fd)
{
	int *held = random_held(h);
	int close_it = fd;

	if (rng_below(&h->rng, 3) == 0) {
		close_it = *held;
		*held = fd;
	}
	return close_it < 0 ? 0 : close(close_it);
}

static int op_write(struct hammer_hand *h, const struct names *names)
{
	static const int flags[] = {
		O_CREAT, O_CREAT | O_TRUNC, O_CREAT | O_TRUNC, O_CREAT | O_EXCL, O_APPEND, O_TRUNC};
	int fd = open(names->a, O_RDWR | O_CLOEXEC | flags[rng_below(&h->rng, 6)], 0644);
	int err = 0;

	if (fd < 0)
		return -1;
	for (size_t i = rng_below(&h->rng, 3); i > 0; i--)
		if (write(fd, h->bytes, random_size(h)) < 0)
			err = errno;
	if (hold_or_close(h, fd) != 0)
		err = errno;
	errno = err;
	return err ? -1 : 0;
}

static int op_read(struct hammer_hand *h, const struct names *names)
{
	char bytes[5000];
	int fd = open(names->a, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return -1;
	got = read(fd, bytes, sizeof(bytes));
	return hold_or_close(h, fd) != 0 || got < 0 ? -1 : 0;
}

static int op_pwrite(struct hammer_hand *h, const struct names *names)
{
	(void)names;
	return pwrite(*random_held(h), h->bytes, random_size(h), (off_t)random_size(h)) < 0 ? -1
											    : 0;
}

static int op_ftruncate(struct hammer_hand *h, const struct names *names)
{
	(void)names;
	return ftruncate(*random_held(h), (off_t)random_size(h));
}

static int op_punch(struct hammer_hand *h, const struct names *names)
{
	(void)names;
	return fallocate(*random_held(h), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)random_size(h), (off_t)random_size(h) + 1);
}

static int op_close(struct hammer_hand *h, const struct names *names)
{
	int *held = random_held(h), fd = *held;

	(void)names;
	*held = -1;
	return close(fd);
}

static int op_fsync(struct hammer_hand *h, const struct names *names)
{
	(void)names;
	return fsync(*random_held(h));
}

static int op_truncate(struct hammer_hand *h, const struct names *names)
{
	return truncate(names->a, (off_t)random_size(h));
}

static int op_rename(struct hammer_hand *h, const struct names *names)
{
	static const unsigned flags[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};

	return renameat2(AT_FDCWD, names->a, AT_FDCWD, names->b, flags[rng_below(&h->rng, 4)]);
}

static int op_link(struct hammer_hand *h, const struct names *names)
{
	(void)h;
	return link(names->a, names->b);
}

static int op_unlink(struct hammer_hand *h, const struct names *names)
{
	(void)h;
	return unlink(names->a);
}

static int op_mkdir(struct hammer_hand *h, const struct names *names)
{
	(void)h;
	return mkdir(names->a, 0755);
}

static int op_rmdir(struct hammer_hand *h, const struct names *names)
{
	(void)h;
	return rmdir(names->a);
}

static int op_symlink(struct hammer_hand *h, const struct names *names)
{
	(void)h;
	return symlink(names->b, names->a);
}

static int op_chmod(struct hammer_hand *h, const struct names *names)
{
	return chmod(names->a, 0700 | (mode_t)rng_below(&h->rng, 0100));
}

static int op_setxattr(struct hammer_hand *h, const struct names *names)
{
	return setxattr(names->a, "user.x", h->bytes, rng_below(&h->rng, 50), 0);
}

static int op_tmpfile(struct hammer_hand *h, const struct names *names)
{
	int fd = open(".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644), result;
	char path[40];

	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = write(fd, h->bytes, random_size(h)) < 0 ? -1 : 0;
	if (result == 0)
		result = linkat(AT_FDCWD, path, AT_FDCWD, names->a, AT_SYMLINK_FOLLOW);
	return hold_or_close(h, fd) != 0 ? -1 : result;
}

static int op_list(struct hammer_hand *h, const struct names *names)
{
	const char *path = rng_below(&h->rng, 2) ? "." : names->a;
	DIR *dir = opendir(path);
	int err;

	if (dir == NULL)
		return -1;
	errno = 0;
	while (readdir(dir) != NULL)
		;
	err = errno;
	closedir(dir);
	errno = err;
	return err ? -1 : 0;
}

static int op_stat(struct hammer_hand *h, const struct names *names)
{
	struct stat stat;

	(void)h;
	return lstat(names->a, &stat);
}

static const struct {
	const char *name;
	op_fn *run;
	unsigned weight;
} ops[] = {
	{"write", op_write, 20},
	{"read", op_read, 8},
	{"pwrite", op_pwrite, 10},
	{"ftruncate", op_ftruncate, 4},
	{"punch", op_punch, 2},
	{"close", op_close, 4},
	{"fsync", op_fsync, 1},
	{"truncate", op_truncate, 4},
	{"rename", op_rename, 16},
	{"link", op_link, 6},
	{"unlink", op_unlink, 8},
	{"mkdir", op_mkdir, 8},
	{"rmdir", op_rmdir, 5},
	{"symlink", op_symlink, 1},
	{"chmod", op_chmod, 2},
	{"setxattr", op_setxattr, 2},
	{"tmpfile", op_tmpfile, 2},
	{"list", op_list, 3},
	{"stat", op_stat, 6},
};

/* What may become of an operation when others are at work. */
static bool is_expected(const struct hammer_hand *h, int err)
{
	static const int expected[] = {ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, ELOOP,
		ENAMETOOLONG, /* of a key: directories get deep */
		EINVAL,	      /* into itself; "%value" where there is none */
		EPERM,	      /* a link to a directory; an attribute of a symbolic link */
		EBADF};	      /* none is held, or one that is not open for that */

	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		if (err == expected[i])
			return true;
	return err == ESTALE && h->application; /* which deleted the key */
}

static size_t random_op(struct hammer_hand *h)
{
	unsigned total = 0, at;
	size_t i = 0;

	for (size_t n = 0; n < sizeof(ops) / sizeof(ops[0]); n++)
		total += ops[n].weight;
	at = (unsigned)rng_below(&h->rng, total);
	while (at >= ops[i].weight)
		at -= ops[i++].weight;
	return i;
}

/* Do it, and again if the file had lost its name by the time it was opened: the kernel tries once
 * more by itself, but then that may be so again. */
static int run_op(struct hammer_hand *h, size_t op, const struct names *names)
{
	int result = ops[op].run(h, names);

	for (int i = 0; i < TRIES && result != 0 && errno == ESTALE && !h->application; i++)
		result = ops[op].run(h, names);
	return result;
}

void *hammer_work(void *arg)
{
	struct hammer_hand *h = arg;

	memset(h->held, -1, sizeof(h->held));
	memset(h->bytes, 'a' + (int)rng_below(&h->rng, 26), sizeof(h->bytes));
	for (unsigned long i = 0; i < h->ops; i++) {
		struct names names;
		size_t op = random_op(h);

		hammer_random_path(&h->rng, names.a);
		hammer_random_path(&h->rng, names.b);
		if (run_op(h, op, &names) != 0 && !is_expected(h, errno)) {
			fprintf(stderr, "%s '%s' '%s': %s\n", ops[op].name, names.a, names.b,
				strerror(errno));
			_exit(1);
		}
	}
	for (int i = 0; i < HAMMER_HELD; i++)
		close(h->held[i]);
	return NULL;
}
