/* The entry below a dirty file: a nameless entry that holds the start of whole content, or the
 * value that is written into. */
#ifndef FS_DIRTY_BACKING_H
#define FS_DIRTY_BACKING_H

#include "fs/tree/inode.h"

#include <stdbool.h>
#include <stdint.h>

struct dirty_file;
struct kt_txn;

struct backing {
	struct kt_txn *tree;
	const unsigned char *key; /* borrowed, or in here: do not copy a struct backing */
	size_t key_size;
	unsigned char nameless[KT_ID_KEY_SIZE];
};

/** A nameless entry. */
void backing_nameless(uint64_t id, struct kt_txn *txn, struct backing *ret_backing);

/** The entry of a key. @param key  borrowed @param txn  its tree */
void backing_entry(const struct key *key, struct kt_txn *txn, struct backing *ret_backing);

/** Is there an entry below whole content? */
bool backing_exists(const struct dirty_file *dirty);

/** The id of the nameless entry below whole content; 0: it has a key (aside.h), or there is none.
 */
uint64_t backing_id(const struct dirty_file *dirty);

/** The entry below whole content that has one.
 *  @param key  room for a key, which ret_backing borrows
 *  @return 0; as place_key() */
int backing_find(const struct dirty_file *dirty, struct kt_txn *txn, struct key *key,
	struct backing *ret_backing);

#endif
