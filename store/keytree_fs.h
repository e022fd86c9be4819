/* keytree_fs.h: what libkeytree offers to the file system layer beyond keytree.h.
 *
 * The keytree program mounts a store with these calls. They may change in any version, without a
 * new soname: applications use keytree.h alone.
 */
#ifndef KEYTREE_FS_H
#define KEYTREE_FS_H

#include "keytree.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- trees ----------------------------------------------------------------------------------- */

/** The trees of a store. Applications use the first; the others belong to the file system layer.
 *  All trees change together in one transaction. */
enum kt_tree_id {
	KT_ENTRIES = 0,	    /* the entries everybody sees */
	KT_DIRECTORIES = 1, /* made directories: key = what all keys below begin with, "a/b/" */
	KT_NAMELESS = 2,    /* entries without a key: the key is kt_id_key() of their id */
	KT_SHARED = 3,	    /* entries of several keys: likewise of kt_stat.shared (kt_link()) */
};

/** Another tree of the same transaction. All calls below work on the tree of the handle they get;
 *  kt_begin() returns that of KT_ENTRIES.
 *  @return a handle that ends with the transaction; never commit or abort it by itself */
KT_API struct kt_txn *kt_tree(struct kt_txn *txn, enum kt_tree_id tree);

/** Bits of kt_entry_info.flags. */
enum kt_entry_flag {
	KT_ATTR_COPIED =
		1 << 0, /* the blob was that of an entry the key shared before: see kt_put() */
};

/* ---- transactions ---------------------------------------------------------------------------- */

/** End a write transaction as kt_commit() does, and move a read transaction to the commit that it
 *  made, and to no later one, however many others commit; if it changed nothing, to the last.
 *  @param txn     taken in every case
 *  @param reader  a read transaction of the store, not of a snapshot, without cursors; its views
 *                 end. Unchanged on failure; NULL is allowed
 *  @return as kt_commit() */
KT_API int kt_commit_to(struct kt_txn *txn, unsigned flags, struct kt_txn *reader);

/* ---- processes ------------------------------------------------------------------------------- */

/** Number of this opening of the store. No other one, of whatever process and time, has the same.
 */
KT_API uint64_t kt_opener_id(const struct kt_store *store);

/** Is the store still open as it was when kt_opener_id() gave a number, there or in another
 * process? One that died, or that only reads and may not write the lock file, is not. */
KT_API bool kt_opener_is_alive(struct kt_store *store, uint64_t id);

/* ---- claims on keys -------------------------------------------------------------------------- */

/* A claim keeps others from claiming the same key. It is no entry, and keeps nobody from putting
 * one: it is for those who ask. It ends with kt_unclaim(), when the store is closed, or when the
 * process dies. */

/** The number of a key, by which it is claimed; not 0. Two keys have the same about as often as two
 *  of 2^60 random numbers are equal. */
KT_API uint64_t kt_claim_of(const void *key, size_t size);

/** Claim a key. Once more by the same handle is the same claim.
 *  @param claim  kt_claim_of() the key
 *  @return 0; -EBUSY another handle has claimed it; -ENOTSUP there are no locks */
KT_API int kt_claim(struct kt_store *store, uint64_t claim);

/** Has another handle claimed a key? */
KT_API bool kt_is_claimed(struct kt_store *store, uint64_t claim);

/** End a claim. */
KT_API void kt_unclaim(struct kt_store *store, uint64_t claim);

/* ---- keys that share an entry ---------------------------------------------------------------- */

/* Several keys can lead to one entry, as several names do to one file: all calls show its value,
 * attributes, mtime and version under each. What changes a part of it changes it for all of them:
 * kt_write(), kt_truncate(), kt_punch(), kt_set_attr(), kt_set_mtime(). What replaces it concerns
 * one key, and that key has an entry of its own from then on: kt_put(), kt_put_entry(), what is
 * built on these, and kt_move() onto it. kt_delete() takes away one key, and the last one takes the
 * entry along. To replace it for all keys, put to, or move onto, its id in the tree KT_SHARED,
 * where nothing is made or deleted. */

/** Most keys that can share one entry. */
#define KT_LINK_MAX 65000

/** Make another key for an entry. Its version is this transaction's.
 *  @param from  tree of the key there is: KT_ENTRIES, or KT_SHARED with the key of an id
 *  @param to    tree of the new one, of the same transaction: KT_ENTRIES
 *  @return 0; -ENOENT no such entry; -EEXIST there is an entry at the new key; -EMLINK KT_LINK_MAX
 *          keys share it already; -ENAMETOOLONG; -EINVAL another tree */
KT_API int kt_link(struct kt_txn *from, const void *from_key, size_t from_size, struct kt_txn *to,
	const void *to_key, size_t to_size);

/* ---- nameless entries ------------------------------------------------------------------------ */

/* An entry can have no key, while it is worked on. It belongs to the open store that made it so:
 * it ends when that is closed, or, if its process dies before, when the store is opened next by
 * somebody who can write. What another process has made stays as long as that lives. Until then it
 * is read and changed as any entry, in the tree KT_NAMELESS under the key that belongs to its id.
 */

/** Bytes of the key of a nameless entry. */
#define KT_ID_KEY_SIZE 8

/** Key of a nameless entry in the tree KT_NAMELESS. */
KT_API void kt_id_key(uint64_t id, unsigned char ret_key[KT_ID_KEY_SIZE]);

/** Make an empty nameless entry.
 *  @param txn     a write transaction; any tree of it
 *  @param ret_id  its id, from kt_new_id()
 *  @return 0 or an error */
KT_API int kt_nameless_new(struct kt_txn *txn, uint64_t *ret_id);

/** Take the key away from an entry, which goes on as a nameless one. No data is copied.
 *  @return 0; -ENOENT no such key */
KT_API int kt_nameless_take(struct kt_txn *txn, const void *key, size_t key_size, uint64_t *ret_id);

/** Give a nameless entry of this open store a key, for good. An entry that was there is replaced;
 *  no data is copied.
 *  @return 0; -ENOENT no such nameless entry; -ENAMETOOLONG */
KT_API int kt_nameless_link(struct kt_txn *txn, uint64_t id, const void *key, size_t key_size);

/** Drop a nameless entry of this open store. @return 0; -ENOENT no such nameless entry */
KT_API int kt_nameless_drop(struct kt_txn *txn, uint64_t id);

#ifdef __cplusplus
}
#endif

#endif
