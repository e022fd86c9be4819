/* Looking back: the present and the snapshots of a store, as one tree.
 *
 *     root ─┬─ ...                       the present
 *           └─ .snapshots ─┬─ monday     a view: a file system of its own, read-only
 *                          └─ ...
 *
 * .snapshots is found by name and not listed, so that nothing that walks the tree falls in; the
 * names in it are listed. They are those of the snapshots, as parts of keys are named (names.h).
 *
 * Outside, a node has the number of its file system in the bits above FS_NODE_BITS: 0 the present,
 * 1 the directory .snapshots, from 2 on the snapshots. The directory is a file system, too: one of a
 * store in memory with nothing but made directories. A view is opened when its name is looked up,
 * and closed when nothing refers to it any more and another one is opened. Of a snapshot that is
 * deleted meanwhile every use is -ESTALE.
 */
#ifndef FS_SNAPSHOTS_SNAPDIR_H
#define FS_SNAPSHOTS_SNAPDIR_H

#include "fs/fs.h"

struct snapdir;

/** A node, as the file system that it is of knows it. */
struct snapdir_node {
	struct fs *fs;
	uint64_t node;
	uint64_t node_bits; /* to be added to the nodes that fs gives */
	bool is_list;	    /* it is of .snapshots, and what is in it changes unseen */
};

/** Show a store.
 *  @param store    borrowed until snapdir_close()
 *  @param options  as for fs_open(). With a snapshot there is no looking back
 *  @param ret_snapdir  end with snapdir_close()
 *  @return as fs_open() */
int snapdir_open(
	struct kt_store *store, const struct fs_options *options, struct snapdir **ret_snapdir);

/** End. @param snapdir  taken; NULL is allowed @return as fs_close() of the present */
int snapdir_close(struct snapdir *snapdir);

/** Take a node apart.
 *  @param number  a node that the caller holds
 *  @return 0; -ESTALE there is no such view */
int snapdir_resolve(struct snapdir *snapdir, uint64_t number, struct snapdir_node *ret_node);

/** Find a name in a directory, as fs_lookup().
 *  @param ret_in     the file system that the entry is of
 *  @param ret_entry  its node is one of that, too */
int snapdir_lookup(struct snapdir *snapdir, uint64_t parent, const char *name,
	struct snapdir_node *ret_in, struct fs_entry *ret_entry);

/** As fs_forget(). */
void snapdir_forget(struct snapdir *snapdir, uint64_t number, uint64_t count);

/** Get .snapshots ready to be listed: it shows the snapshots that there are now. */
int snapdir_refresh(struct snapdir *snapdir);

#endif
