/* The operations that the oracle does on the disk and on a mount in step. */
#ifndef TESTS_MOUNT_ORACLE_OPS_H
#define TESTS_MOUNT_ORACLE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ORACLE_HANDLES 6
#define ORACLE_DATA_SIZE 20000
#define ORACLE_SIDES 2

struct oracle {
	char options[32]; /* of the mount */
	struct fixture *fixture;
	int root[ORACLE_SIDES];		      /* directories: on the disk, and on the mount */
	int fd[ORACLE_HANDLES][ORACLE_SIDES]; /* -1: not open */
	size_t deepest;			      /* path seen since the last sweep */
	bool links;			      /* the mount has hard links */
	char data[ORACLE_DATA_SIZE];
	char got[ORACLE_SIDES]
		[ORACLE_DATA_SIZE]; /* what an operation returned besides its result */
	size_t got_size[ORACLE_SIDES];
	char done[4400]; /* what was done last, in words */
};

/* What an operation is to do, the same on both sides. */
struct oracle_op {
	char path[2048], other[2048];
	unsigned flags;
	mode_t mode;
	off_t offset, size;
	int handle;
	long seconds;
};

typedef long oracle_fn(struct oracle *w, int side, const struct oracle_op *op);

struct oracle_call {
	const char *name;
	oracle_fn *run;
	unsigned weight;
};

/** All operations, and how often each is chosen. */
#define ORACLE_OPS 29
extern const struct oracle_call oracle_ops[ORACLE_OPS];

/** A random number below a limit. */
unsigned oracle_below(struct oracle *w, unsigned limit);

/** Choose a path. */
void oracle_random_path(struct oracle *w, char *path);

/* Operations that whole trees are compared with, or whose flags mean something else. */
long oracle_rename(struct oracle *w, int side, const struct oracle_op *op);
long oracle_fallocate(struct oracle *w, int side, const struct oracle_op *op);
long oracle_mknod(struct oracle *w, int side, const struct oracle_op *op);
long oracle_chown(struct oracle *w, int side, const struct oracle_op *op);
long oracle_setxattr(struct oracle *w, int side, const struct oracle_op *op);
long oracle_getxattr(struct oracle *w, int side, const struct oracle_op *op);
long oracle_removexattr(struct oracle *w, int side, const struct oracle_op *op);
long oracle_list(struct oracle *w, int side, const struct oracle_op *op);
long oracle_stat(struct oracle *w, int side, const struct oracle_op *op);
long oracle_read_file(struct oracle *w, int side, const struct oracle_op *op);
long oracle_readlink(struct oracle *w, int side, const struct oracle_op *op);

#endif
