/* Opening and closing stores, above all other modules.
 *
 * The folders, from the lowest to the highest. Each uses those before it, and its main header lists
 * its files:
 *
 *     io/        files, locks and memory that hold a store         io.h
 *     tree/      pages, and B+trees of them                        tree.h
 *     slot/      header and slots: the newest valid commit         slot.h
 *     space/     which pages are free                              space.h
 *     share/     many processes: lock area, pins, writer lock      lockarea.h
 *     commit/    transactions and commits                          commit.h
 *     value/     the bytes of values, in cells or blocks           value.h
 *     entry/     entries, collections, shared and nameless ones    entry.h
 *     history/   snapshots, differences, restoring, reclaiming     snapshot.h
 *     copy/      backups and increments                           increment.h
 *     compact/   moving pages to the front of the file             compact.h
 *     check/     verifying a whole store                           check_tree.h
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "keytree_fs.h"

struct io;

/** Write the first content of a store. */
int store_format(struct io *io);

/** Open the store in a file that is open already, perhaps a simulated one.
 *  @param io     taken, even on error
 *  @param kind      "file" or "memory": how kt_name() begins; "" its name has no kind
 *  @param name      how it goes on
 *  @param flags  KT_READONLY, KT_ALONE
 *  @return as kt_open() */
int store_open(struct io *io, const char *kind, const char *name, unsigned flags,
	struct kt_store **ret_store);

#endif
