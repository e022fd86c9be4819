/* Entries: finding, reading and changing them. The public calls on keys are made of these
 * functions.
 *
 * The folder, in reading order:
 *
 *     entry         finding, changing and storing one entry; entry_view what callers get of it,
 *                   entry_bytes what callers give
 *     shared_entry  entries of several keys; nameless entries without a key; move_entry another key
 *     cursor        bounds, and what a cursor stands on; cursor_walk steps; cursor_calls what else
 *                   cursors can do; range all entries of a range
 *     collection    a part of the store below a name
 *     typed, text, key_number, versioned   convenient calls, made of the others
 */
#ifndef STORE_ENTRY_ENTRY_H
#define STORE_ENTRY_ENTRY_H

#include "keytree_fs.h"
#include "store/tree/tree_edit.h"
#include "store/value/value_edit.h"

struct txn;

/** An entry: its place in a tree, its cell, and memory for what the cell points to. */
struct entry {
	struct txn *txn;
	struct format_tree *tree;
	const void *key;
	size_t key_size;
	struct path path;
	bool exists;
	struct cell cell;
	struct value_buffer buffer;
	uint8_t attr[ATTR_INLINE_MAX]; /* for a blob that is kept */
	uint8_t whole[KT_KEY_MAX];     /* the key, if it had to be put together */
};

/** Bytes of a caller that a change uses. They may be a view of the same transaction: the change
 *  then moves, frees or writes over the page that they are in. */
struct entry_bytes {
	const void *data; /* the caller's bytes, or the copy */
	void *copy;	  /* of a value in the file; NULL: none was made */
	uint8_t small[INLINE_MAX];
};

/** Keep bytes that a change must not lose. To be called before the change begins.
 *  @param data       borrowed, until the change has ended if they are no view
 *  @param ret_bytes  end with entry_bytes_fini()
 *  @return 0; -ENOMEM */
int entry_bytes_init(
	const struct kt_txn *txn, const void *data, size_t size, struct entry_bytes *ret_bytes);

void entry_bytes_fini(struct entry_bytes *bytes);

/** Is a key too long for a tree, or collection? */
bool entry_is_too_long(const struct kt_txn *handle, size_t key_size);

/** Find an entry. One with a key that is too long is not there. @param key  borrowed by ret_entry
 */
int entry_find(struct kt_txn *handle, const void *key, size_t key_size, struct entry *ret_entry);

/** Find an entry to read a part of it: where keys share one, that.
 *  @param key  borrowed by ret_entry
 *  @return 0; -ENOENT */
int entry_read_part(
	struct kt_txn *handle, const void *key, size_t key_size, struct entry *ret_entry);

/** Find an entry to change it, in a transaction that may be changed. A missing one is fresh and
 *  empty. A failure fails the transaction.
 *  @param key  borrowed by ret_entry */
int entry_open(struct kt_txn *handle, const void *key, size_t key_size, struct entry *ret_entry);

/** Begin a change that a caller asks for. Errors before entry_open() leave the transaction usable.
 *  @param key  borrowed by ret_entry
 *  @return as entry_open(); -EROFS; -ENAMETOOLONG; -ENOENT in TREE_SHARED, where all is made
 *          elsewhere; what has failed the transaction before */
int entry_edit(struct kt_txn *handle, const void *key, size_t key_size, struct entry *ret_entry);

/** Remember that a change failed half-way: the transaction cannot be committed any more.
 *  @return err */
int entry_fail(struct txn *txn, int err);

/** Put the changed cell into its tree. The path is used up.
 *  @param old_size  of the value there was */
int entry_store(struct entry *entry, uint64_t old_size);

/** Take an entry that exists from its tree, and leave what its cell refers to. The path is used up.
 */
int entry_remove(struct entry *entry);

/** Free what a cell refers to, but for its key. Of a link that is the link: the entry it leads to
 * has one key less. */
int entry_free(struct txn *txn, const struct cell *cell);

/** Both: delete an entry that exists. */
int entry_delete(struct entry *entry);

/** Give the cell an attribute blob. The bytes are borrowed until the entry is stored. */
int entry_set_attr(struct entry *entry, const void *attr, size_t size);

/** Mark the blob of a key's entry as a copy; see kt_put(). */
int entry_mark_copied(struct kt_txn *handle, const void *key, size_t key_size);

/** Move a value out that was inline and has no room any more. */
int entry_fit(struct entry *entry);

/** Memory for what is put together of an entry that lies in pieces. It is used again: what is put
 *  there next takes the place of what was there. Zeroed, it is empty. */
struct entry_memory {
	void *bytes;
	size_t room;
};

/** Free the memory. It is empty then. */
void entry_memory_fini(struct entry_memory *memory);

/** The attribute blob of a cell, as kt_stat() returns it.
 *  @param memory  for a blob that lies in pieces; NULL: memory of the transaction's views */
int entry_attr(struct txn *txn, struct entry_memory *memory, const struct cell *cell,
	struct kt_slice *ret_attr);

/** The value of a cell, as kt_get() returns it. @param memory  as for entry_attr() */
int entry_value(struct txn *txn, struct entry_memory *memory, const struct cell *cell,
	struct kt_slice *ret_value);

/** What is known of a cell, as kt_stat() returns it. @param memory  as for entry_attr() */
int entry_stat(struct txn *txn, struct entry_memory *memory, const struct cell *cell,
	struct kt_entry_info *ret_stat);

/** What a cell points to, out of the node it leaves. */
struct move_entry_buffer {
	uint8_t attr[ATTR_INLINE_MAX];
	uint8_t value[INLINE_MAX];
};

/** Have a cell point into the buffer. @return 0; -EUCLEAN it does not fit */
int move_entry_pack(struct move_entry_buffer *buffer, struct cell *cell);

/** The entry that a cursor stands on.
 *  @param ret_txn  the handle that the cursor was opened with
 *  @param ret_key  its key there; valid until the cursor moves or closes
 *  @return 0; -ENOENT it stands on none */
int cursor_entry(const struct kt_cursor *cursor, struct kt_txn *ret_txn, struct kt_slice *ret_key);

/** Why a call on an entry returns -ENOENT. */
#define ENTRY_MISSING "no such key"

/** Copy what a caller whose struct has a certain size knows of it. @return 0 */
int entry_give_info(const struct kt_entry_info *info, struct kt_entry_info *ret_info, size_t size);

#endif
