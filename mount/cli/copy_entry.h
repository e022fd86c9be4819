/* Copying an entry to another key, which may be of another store. */
#ifndef MOUNT_CLI_COPY_ENTRY_H
#define MOUNT_CLI_COPY_ENTRY_H

#include "mount/text/line.h"

struct kt_txn;

/** Copy an entry with its value, attributes and mtime; what is at the new key is replaced. A value of
 *  any size takes little memory, and its holes stay holes.
 *  @param from  transaction of the source
 *  @param to    write transaction of the target
 *  @return 0; -ENOENT no such key; or the error of a call on either store */
int copy_entry(struct kt_txn *from, const struct line_key *from_key, struct kt_txn *to,
	const struct line_key *to_key);

#endif
