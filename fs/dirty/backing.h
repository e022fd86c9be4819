/* The entry that lies below content: what was stored of it, or what it is written into. */
#ifndef FS_DIRTY_BACKING_H
#define FS_DIRTY_BACKING_H

#include "fs/tree/inode.h"

#include <stdbool.h>
#include <stdint.h>

struct content;
struct kt_txn;

struct below {
	struct kt_txn *tree;
	const unsigned char *key; /* borrowed, or in here: do not copy a struct below */
	size_t key_size;
	unsigned char nameless[KT_ID_KEY_SIZE];
};

/** A nameless entry. */
void below_nameless(uint64_t id, struct kt_txn *txn, struct below *ret_below);

/** The entry of a key. @param key  borrowed @param txn  its tree */
void below_entry(const struct key *key, struct kt_txn *txn, struct below *ret_below);

/** Is there an entry below whole content? */
bool below_is_there(const struct content *content);

/** The id of the nameless entry below whole content; 0: it has a key (aside.h), or there is none.
 */
uint64_t below_id(const struct content *content);

/** The entry below whole content that has one.
 *  @param key  room for a key, which ret_below borrows
 *  @return 0; as place_key() */
int below_find(const struct content *content, struct kt_txn *txn, struct key *key,
	struct below *ret_below);

#endif
