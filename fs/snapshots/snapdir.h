/* The present and the snapshots of a store, shown as one tree.
 *
 *     root ─┬─ ...                       the present
 *           └─ .snapshots ─┬─ monday     a snapshot: a file system of its own, read-only
 *                          └─ ...
 *
 * .snapshots can be looked up but is not listed, so find, rsync and grep -r do not descend into
 * it. Its entries are listed: one for each snapshot, named as parts of keys are (names.h).
 *
 * Outside, a node has the number of its file system in the bits above FS_NODE_BITS: 0 the present,
 * 1 the directory .snapshots, from 2 on the snapshots that are open. The directory is a file
 * system, too, over a store in memory that has nothing but records of directories. A snapshot is
 * opened when its name is looked up. It is closed when nothing refers to it any more and another
 * one is opened. When a snapshot is deleted meanwhile, every use of it is -ESTALE.
 */
#ifndef FS_SNAPSHOTS_SNAPDIR_H
#define FS_SNAPSHOTS_SNAPDIR_H

#include "fs/fs.h"

struct snapdir;

/** A node, and the file system that it belongs to. */
struct snapdir_node {
	struct fs *fs;
	uint64_t node;
	uint64_t node_bits; /* bits to add to the nodes that fs gives out */
	bool is_list; /* the directory .snapshots: the client cache is not told when its content changes */
};

/** Show a store.
 *  @param store    borrowed until snapdir_close()
 *  @param options  as for fs_open(). With a snapshot there is no .snapshots
 *  @param ret_snapdir  end with snapdir_close()
 *  @return as fs_open() */
int snapdir_open(
	struct kt_store *store, const struct fs_options *options, struct snapdir **ret_snapdir);

/** End. @param snapdir  taken; NULL is allowed @return as fs_close() of the present */
int snapdir_close(struct snapdir *snapdir);

/** Find the file system of a node.
 *  @param number  a node that the caller holds
 *  @return 0; -ESTALE there is no such file system */
int snapdir_resolve(struct snapdir *snapdir, uint64_t number, struct snapdir_node *ret_node);

/** Find a name in a directory, as fs_lookup().
 *  @param ret_in     the file system of the entry
 *  @param ret_entry  its node is a number of that file system */
int snapdir_lookup(struct snapdir *snapdir, uint64_t parent, const char *name,
	struct snapdir_node *ret_in, struct fs_entry *ret_entry);

/** As fs_forget(). */
void snapdir_forget(struct snapdir *snapdir, uint64_t number, uint64_t count);

/** Refresh .snapshots before it is listed: it has the snapshots of this moment then. */
int snapdir_refresh(struct snapdir *snapdir);

#endif
