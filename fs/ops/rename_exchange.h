/* Exchanging two names: renameat2() with RENAME_EXCHANGE. */
#ifndef FS_OPS_RENAME_EXCHANGE_H
#define FS_OPS_RENAME_EXCHANGE_H

#include <stdint.h>

struct fs;

/** Exchange what is at two names, in one transaction.
 *  @return as fs_rename(); -ENOENT one of them is not there */
int rename_exchange(struct fs *fs, uint64_t parent, const char *name, uint64_t new_parent,
	const char *new_name);

#endif
