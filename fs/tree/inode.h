/* Inodes: the files and directories that the caller refers to, in memory.
 *
 * The folder, in reading order: inode.h, open_file.h (a handle), children.h (the children of a
 * directory in the store), position.h (a place between two children), dir_cookies.h (offsets of
 * listings).
 *
 * An inode knows its place, which is the directory it is in and the bytes of the key that its name
 * stands for; its key is found by walking up. So a directory is renamed by moving one node, and all
 * that is known below it follows.
 *
 *     root ── DIR "etc" ─┬─ FILE "hosts"     key etc/hosts
 *                        ├─ DIR  "ssh"       keys from etc/ssh/
 *                        └─ FILE "ssh"       key etc/ssh, the value of that directory
 *
 * The value of a directory has the place of a file beside it, whatever name it is shown under: it
 * stays the same node when the key becomes a directory and when it turns back.
 *
 * A file with several names is an entry that keys share. Its node has no place: it is known by the
 * number of the entry, which stays as long as there is a name, so no name is more than another.
 *
 * Nothing here is locked; the caller holds fs->lock.
 */
#ifndef FS_TREE_INODE_H
#define FS_TREE_INODE_H

#include "keytree_fs.h"
#include "fs/names/key.h"
#include "fs/table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct dir_cookies;
struct dirty_file;
struct attr;
struct known;

/** Where a node is. */
struct place {
	struct inode *parent; /* a directory; NULL: of the root */
	enum inode_kind kind;
	const void *bytes; /* that its name stands for, at most NAMES_MAX; of the root, with which
			      all keys begin */
	size_t size;
};

struct inode {
	uint64_t number;      /* by which it is known outside */
	uint64_t lookups;     /* references given out */
	struct inode *parent; /* NULL: it is the root, or has no place any more */
	unsigned children;    /* nodes that have it as parent */
	unsigned opens;	      /* open files on it */
	enum inode_kind kind;
	mode_t type; /* S_IFMT, as it was given out; 0: it was not */

	uint64_t shared; /* of a file that has or had several names: number of the entry; else 0 */
	unsigned links;	 /* and how many names there were when it was last looked up */

	uint64_t sent; /* of a file: version of its value that was sent ahead, or, in a read-only
			  file system, read; 0 */
	bool plain; /* of a file: its last change found no privileges in it (fs_drop_privileges) */
	struct known *last; /* what it was when it lost its place, if it has no content; or NULL */
	struct dirty_file *dirty;  /* of a file: what is not in the store under its key; or NULL */
	uint64_t version;	   /* of its entry, while it is written (conflict.h) */
	unsigned char doubt;	   /* enum doubt, to be told (foreign/doubts.h) */
	unsigned char doubt_taken; /* likewise, being told */

	/* of a directory */
	uint64_t given;		     /* the commit at which it was last given out */
	bool gone;		     /* others have taken it away, which was told */
	uint64_t ino;		     /* shown while it has no record; 0: not shown yet */
	struct dir_cookies *cookies; /* offsets of its listings (dir_cookies.h); or NULL */
	int64_t touched_ns;	     /* when names in it last changed; 0: its record says that */
	bool touched;		     /* that is still to be recorded, and it is in this list: */
	struct inode *touched_next;

	unsigned char *id; /* key of the table: number of the parent, kind, bytes */
	UT_hash_handle hh;
	UT_hash_handle hh_shared;
};

struct inode_slot {
	struct inode *node; /* NULL: free */
	uint32_t generation;
	uint32_t next_free; /* 0: none */
};

struct inodes {
	struct inode *root;
	struct inode *table;   /* by id: the root, and all that have a place */
	struct inode *sharing; /* by number of the entry: the root, and all that share one */
	struct inode_slot *slots;
	uint32_t slot_count, slot_capacity;
	uint32_t first_free; /* 0: none */
	uint32_t most;	     /* nodes with a place, since memory was given back */
};

/** Begin with the root alone.
 *  @param prefix  the key of its record, with which the keys of all that is in it begin; borrowed
 *  @return 0; -ENOMEM */
int inodes_init(struct inodes *nodes, const struct key *prefix);

/** Free all nodes. */
void inodes_fini(struct inodes *nodes);

/** The node that has a number, or NULL. */
struct inode *inodes_by_number(const struct inodes *nodes, uint64_t number);

/** The node at a place, or NULL. */
struct inode *inodes_find(const struct inodes *nodes, const struct place *place);

/** The node at a place, made if need be. It goes with the next inodes_tidy() unless something
 * refers to it by then.
 *  @return 0; -ENOMEM */
int inodes_get(struct inodes *nodes, const struct place *place, struct inode **ret_node);

/** A new node of a file without a place. It goes as others do.
 *  @return 0; -ENOMEM */
int inodes_new(struct inodes *nodes, struct inode **ret_node);

/** The node of a file at a place.
 *  @param shared  number of its entry, if that is shared; else 0
 *  @return the node or NULL */
struct inode *inodes_find_file(
	const struct inodes *nodes, const struct place *place, uint64_t shared);

/** The same, made if need be. A node that has been at the place takes up the entry, if no other has
 *  it; else it loses the place, unless it has content to be stored there. Else as inodes_get(). */
int inodes_get_file(
	struct inodes *nodes, const struct place *place, uint64_t shared, struct inode **ret_node);

/** Is there any node whose entry is shared? */
bool inodes_any_shared(const struct inodes *nodes);

/** The entry of a node is shared from now on: it gives up its place. Cannot fail. */
void inodes_share(struct inodes *nodes, struct inode *node, uint64_t shared);

/** It is not any more; the node has no place. */
void inodes_unshare(struct inodes *nodes, struct inode *node);

/** Give a node without a place one that is free.
 *  @param id  from inodes_prepare_move() for this place; taken
 *  @return 0; -ENOMEM, and the id is not taken */
int inodes_attach(
	struct inodes *nodes, struct inode *node, const struct place *place, unsigned char *id);

/** Free a node that nothing refers to, and then its parents likewise. NULL is allowed. */
void inodes_tidy(struct inodes *nodes, struct inode *node);

/** Is most of what nodes had taken free by now? Then it is worth giving back. */
bool inodes_are_few(struct inodes *nodes);

/** Take a node's place away: it was removed, or replaced. NULL is allowed. */
void inodes_detach(struct inodes *nodes, struct inode *node);

/** A place is free, and something new is to take it. A node that has it still is of something that
 *  others have deleted: it loses its place. */
void inodes_vacate(struct inodes *nodes, const struct place *place);

/** What inodes_move() needs for a place: memory.
 *  @param ret_id  given to inodes_move(), else free with free() */
int inodes_prepare_move(const struct place *place, unsigned char **ret_id);

/** Give a node another place. A node that was there is detached. Cannot fail.
 *  @param place  of the node's own kind
 *  @param id     from inodes_prepare_move() for this place; taken */
void inodes_move(
	struct inodes *nodes, struct inode *node, const struct place *place, unsigned char *id);

/** Exchange the places of two nodes of one kind. Cannot fail.
 *  @param a_id  from inodes_prepare_move() for the place of b, where a goes; taken
 *  @param b_id  likewise for the place of a; taken */
void inodes_swap(struct inodes *nodes, struct inode *a, struct inode *b, unsigned char *a_id,
	unsigned char *b_id);

/** Has the node a place, and each directory above it? */
bool inode_has_place(const struct inode *node);

/** Is what lies at a node of another type than the node was given out as? Then others have replaced
 *  what the node stands for. @param attr  of what lies there */
bool inode_is_other(const struct inode *node, const struct attr *attr);

/** The place of a node that has one. */
struct place inode_place(const struct inode *node);

/** The key of a place: of a file that of its entry, of a directory that of its record, which is how
 *  the keys of all that is in it begin.
 *  @return 0; -ENOENT a directory above was removed; -ENAMETOOLONG */
int place_key(char separator, const struct place *place, struct key *ret_key);

/** The key of a node's place. @return as place_key() */
int inode_key(char separator, const struct inode *node, struct key *ret_key);

/** Has a file an entry in the store, or is it to have one: has it a name? */
bool inode_has_name(const struct inode *node);

/** Where the entry of a file is in the store, under any of its names.
 *  @param txn       any tree of a transaction
 *  @param ret_tree  the tree it is in, to be used with ret_key
 *  @return as place_key(), of the file's place */
int inode_entry(char separator, const struct inode *node, struct kt_txn *txn,
	struct kt_txn **ret_tree, struct key *ret_key);

/** Are the names in a directory the first of keys: is it the root, or a piece in there? */
bool inode_begins_keys(const struct inode *directory);

/** Is the directory above the node, or the node itself? */
bool inode_is_below(const struct inode *node, const struct inode *directory);

#endif
