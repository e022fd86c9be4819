/* The point in time that a file system shows: the present, or a snapshot.
 *
 * A snapshot is opened anew for each request, so nothing of the store is held between them. One
 * that was deleted meanwhile, or replaced by another one of its name, is -ESTALE.
 */
#ifndef FS_ACCESS_TIMEPOINT_H
#define FS_ACCESS_TIMEPOINT_H

#include <stdint.h>

struct fs;
struct kt_txn;

struct timepoint {
	char *snapshot; /* its name; NULL: the present */
	uint64_t txn;	/* the commit that the snapshot keeps */
};

/** Show a snapshot from now on.
 *  @param snapshot  name; copied; NULL: the present
 *  @return 0; -ENOENT no such snapshot */
int timepoint_init(struct fs *fs, const char *snapshot);
void timepoint_fini(struct fs *fs);

/** Begin to read. The lock is held. Commits of others may be noticed, and content of files that are
 *  being written dropped for that (conflict.h).
 *  @param ret_txn  a read transaction; end with kt_abort()
 *  @return 0; -ESTALE the snapshot is gone */
int timepoint_begin(struct fs *fs, struct kt_txn **ret_txn);

#endif
