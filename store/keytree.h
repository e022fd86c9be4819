/* keytree: a sorted key/value store in one file, read through a memory map.
 *
 * The one public header of libkeytree.
 *
 *     struct kt_store *store;
 *     struct kt_txn *txn;
 *     kt_open("app.kt", KT_CREATE, &store);
 *     kt_begin(store, KT_WRITE, &txn);
 *     kt_put(txn, "user/1", 6, "Ada", 3);
 *     kt_commit(txn, KT_FLUSH);
 *     kt_close(store);
 *
 * Keys are 0 to KT_KEY_MAX bytes, any bytes, ordered as unsigned bytes, a prefix before the longer
 * key. Values are 0 bytes to the size of the disk. All sizes and offsets are bytes; all times are
 * nanoseconds since 1970 UTC.
 *
 * Errors. Functions return 0 or a negative errno; kt_strerror() puts it in words with the store's
 * name. Results come through ret_ parameters, which are written only on success. Besides what each
 * function lists, any of them may return
 *     -EUCLEAN  the file is damaged (kt_strerror() names page and reason)
 *     -EBADMSG  a checksum does not match
 *     -EIO      the disk failed
 *     -ENOMEM   out of memory
 * and a function that changes something also
 *     -ENOSPC, -EDQUOT, -EFBIG  no room on the disk; nothing that was committed is lost
 *     -EROFS    the store or the transaction is read-only
 * After such a failure inside a write transaction that transaction can only be aborted: kt_commit()
 * then aborts it and returns the error.
 *
 * Threads. A store handle may be used by any number of threads. Any number of read transactions
 * run beside one write transaction; kt_begin(KT_WRITE) waits for its turn. One transaction, and its
 * cursors, belong to one thread at a time.
 *
 * Memory. A view (the bytes that kt_get() or a cursor returns) points into the map. In a read
 * transaction it stays valid until the transaction ends; in a write transaction until the next
 * call that changes something, or the end. Never write through it: the map is read-only.
 */
#ifndef KEYTREE_H
#define KEYTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KT_API __attribute__((visibility("default")))
#else
#define KT_API
#endif

/** Longest key, in bytes. */
#define KT_KEY_MAX 4096

/** Longest attribute blob of one entry, in bytes. */
#define KT_ATTR_MAX 1048576

/** An open store. */
struct kt_store;

/** A transaction; or, from kt_tree(), one tree of a transaction. */
struct kt_txn;

/** A position in the sorted entries of one tree of one transaction. */
struct kt_cursor;

/** Borrowed bytes: a view into the map, or memory of the transaction. */
struct kt_slice {
	const void *data; /* not NUL-terminated; may be NULL when size is 0 */
	size_t size;
};

/** Longest name of a snapshot, in bytes. */
#define KT_NAME_MAX 255

/** Flags of kt_open(). */
enum kt_open_flag {
	KT_CREATE = 1 << 0,    /* make the store if the file does not exist */
	KT_EXCLUSIVE = 1 << 1, /* with KT_CREATE: fail with -EEXIST if it does */
	KT_READONLY = 1 << 2,  /* open for reading only */
};

/** Flags of kt_begin(). */
enum kt_begin_flag {
	KT_READ = 0,	    /* a point in time, for as long as it is held */
	KT_WRITE = 1 << 0,  /* may change the store; sees its own changes */
	KT_TRY = 1 << 1,    /* with KT_WRITE: fail with -EAGAIN instead of waiting */
	KT_VERIFY = 1 << 2, /* check the checksums of values when they are read: -EBADMSG */
};

/** Flags of kt_commit(). */
enum kt_commit_flag {
	KT_FLUSH = 1 << 0, /* on the disk when kt_commit() returns */
};

/** Flags of kt_delete(). */
enum kt_delete_flag {
	KT_MISSING_OK = 1 << 0, /* no such key is success */
};

/** The trees of a store. Applications use the first; the others belong to the file system layer.
 *  All trees change together in one transaction. */
enum kt_tree_id {
	KT_ENTRIES = 0,	    /* the entries everybody sees */
	KT_DIRECTORIES = 1, /* made directories: key = path prefix */
	KT_NAMELESS = 2,    /* values without a key: key = 8-byte id from kt_new_id() */
};

/** What is known of one entry. */
struct kt_stat {
	uint64_t size;	      /* of the value, bytes */
	uint64_t stored;      /* bytes of disk the value takes; holes take none */
	uint64_t version;     /* number of the transaction that last wrote the entry */
	int64_t mtime_ns;     /* when the value was last written, unless kt_set_mtime() said else */
	struct kt_slice attr; /* attribute blob; a view, lifetime as of kt_get() */
};

/** What is known of one store. */
struct kt_info {
	uint64_t txn;		/* last commit */
	uint64_t durable_txn;	/* last commit known to be on the disk */
	uint64_t entries;	/* in KT_ENTRIES */
	uint64_t key_bytes;	/* sum of their key sizes */
	uint64_t value_bytes;	/* sum of their value sizes */
	uint64_t page_size;	/* 4096 */
	uint64_t pages;		/* of the file, up to the last one in use */
	uint64_t free_pages;	/* of these, free now (0 until the first write transaction) */
	uint64_t pending_pages; /* of these, freed, but still seen by a reader or the disk */
	uint64_t disk_free;	/* bytes free on the file system the store lies on */
	uint64_t disk_size;	/* bytes of that file system */
	unsigned depth;		/* levels of the entries tree */
	unsigned readers;	/* read transactions open now in this process */
	uint64_t oldest_reader; /* transaction number of the oldest one; txn if none */
	unsigned char id[16];	/* unique id of the store */
};

/* ---- stores ---------------------------------------------------------------------------------- */

/** Open a store file. A new one is created with mode 0600, complete or not at all.
 *  @param path   path of the file; borrowed
 *  @param flags  enum kt_open_flag, combined
 *  @param ret_store  the store; end with kt_close()
 *  @return 0; -ENOENT no such file; -EEXIST; -EBUSY another process has it open; -EMEDIUMTYPE not a
 *          keytree store; -ENOTSUP a newer format, or a file system without locks or shared maps;
 *          -EUCLEAN damaged or truncated; -EISDIR; -EACCES; any errno of open(2) */
KT_API int kt_open(const char *path, unsigned flags, struct kt_store **ret_store);

/** Open a new, empty store in memory. It ends with kt_close().
 *  @param name       a name for messages; borrowed
 *  @param ret_store  the store
 *  @return 0 or any error of the memory system */
KT_API int kt_open_memory(const char *name, struct kt_store **ret_store);

/** Flush and close a store. Every transaction must have ended.
 *  @param store  taken in every case; NULL is allowed
 *  @return 0; -EBUSY a transaction is open (then nothing is closed); else the error of the flush,
 *          after which the store is closed all the same */
KT_API int kt_close(struct kt_store *store);

/** Name of a store: "file:PATH" or "memory:NAME". Valid until kt_close(). */
KT_API const char *kt_name(const struct kt_store *store);

/** An error in words, with the store's name and what was found damaged, if anything.
 *  @param store  the store; NULL after a failed kt_open(), whose error is then described
 *  @param err    the negative errno that a call of this thread returned last
 *  @return a string of this thread, valid until its next call of kt_strerror() */
KT_API const char *kt_strerror(const struct kt_store *store, int err);

/** Bring every commit so far to the disk.
 *  @return 0; -EIO and others: the disk failed, and the store takes no more writes until it is
 *          opened again */
KT_API int kt_flush(struct kt_store *store);

/** Facts about the store now. @return 0 or an error */
KT_API int kt_info(struct kt_store *store, struct kt_info *ret_info);

/** Receives one finding of kt_check().
 *  @param arg      what was given to kt_check()
 *  @param page     number of the page concerned; 0 the store as a whole
 *  @param message  one line without newline; valid during the call */
typedef void kt_check_fn(void *arg, uint64_t page, const char *message);

/** Read and verify everything: each page and each value block, order, counts, and that each page is
 *  reachable exactly once or free. Runs beside readers; writers wait meanwhile.
 *  @param found         called for each finding; may be NULL
 *  @param arg           given to found
 *  @param ret_findings  how many findings there were; 0: the store is sound
 *  @return 0 the check ran to its end; else why it could not */
KT_API int kt_check(struct kt_store *store, kt_check_fn *found, void *arg, uint64_t *ret_findings);

/* ---- transactions ---------------------------------------------------------------------------- */

/** Begin a transaction. Readers never wait; a writer waits for the writer before it.
 *  @param flags    enum kt_begin_flag, combined
 *  @param ret_txn  end with kt_commit() or kt_abort()
 *  @return 0; -EAGAIN with KT_TRY; -EDEADLK this thread holds the write transaction already;
 * -EROFS; -EIO an earlier flush failed */
KT_API int kt_begin(struct kt_store *store, unsigned flags, struct kt_txn **ret_txn);

/** End a transaction and make its changes visible to all at once. One that changed nothing
 *  leaves no trace.
 *  @param txn    taken in every case; a read transaction is just ended
 *  @param flags  enum kt_commit_flag, combined
 *  @return 0; else nothing of the transaction has happened. After a failed flush the store takes
 *          no more writes (see kt_flush()) */
KT_API int kt_commit(struct kt_txn *txn, unsigned flags);

/** End a transaction and drop its changes.
 *  @param txn  taken; NULL is allowed */
KT_API void kt_abort(struct kt_txn *txn);

/** Number of the transaction: for a read transaction that of the last commit it sees, for a write
 *  transaction its own. Numbers grow by one with each commit. */
KT_API uint64_t kt_txn_id(const struct kt_txn *txn);

/** Another tree of the same transaction. All calls below work on the tree of the handle they get;
 *  kt_begin() returns that of KT_ENTRIES.
 *  @return a handle that ends with the transaction; never commit or abort it by itself */
KT_API struct kt_txn *kt_tree(struct kt_txn *txn, enum kt_tree_id tree);

/** A number that this store has never given before and never will again, from 1.
 *  It counts only if the transaction commits.
 *  @param txn  a write transaction */
KT_API int kt_new_id(struct kt_txn *txn, uint64_t *ret_id);

/* ---- snapshots ------------------------------------------------------------------------------- */

/** What is known of one snapshot. */
struct kt_snapshot {
	const char *name;    /* NUL-terminated; valid during the call that gives it */
	uint64_t txn;	     /* the commit it keeps */
	int64_t time_ns;     /* when that was committed */
	uint64_t entries;    /* in KT_ENTRIES */
	uint64_t kept_bytes; /* disk that is not free because of this snapshot, or of it and older
				ones */
};

/** Keep the last commit under a name. Costs the same whatever the store holds. Waits for the
 * writer's turn; a transaction by itself, not flushed.
 *  @param name  1 to KT_NAME_MAX bytes without NUL and '/', not "." or ".."; borrowed
 *  @return 0; -EEXIST; -EINVAL, -ENAMETOOLONG the name; -EDEADLK; -EROFS */
KT_API int kt_snapshot_create(struct kt_store *store, const char *name);

/** Forget a snapshot. What only it kept is free afterwards; the cost is that of what it kept.
 * Whoever reads it may go on. A transaction by itself, not flushed.
 *  @return 0; -ENOENT; -EDEADLK; -EROFS */
KT_API int kt_snapshot_delete(struct kt_store *store, const char *name);

/** Begin a read transaction that sees what a snapshot kept.
 *  @param ret_txn  end with kt_abort()
 *  @return 0; -ENOENT no such snapshot */
KT_API int kt_snapshot_open(struct kt_store *store, const char *name, struct kt_txn **ret_txn);

/** Receives one snapshot. @return 0 to go on; else kt_snapshot_list() ends and returns it */
typedef int kt_snapshot_fn(void *arg, const struct kt_snapshot *snapshot);

/** List the snapshots from the oldest to the newest.
 *  @param each  called for each
 *  @param arg   given to each
 *  @return 0; what each returned */
KT_API int kt_snapshot_list(struct kt_store *store, kt_snapshot_fn *each, void *arg);

/* ---- differences ----------------------------------------------------------------------------- */

/** Receives one key whose entries differ.
 *  @param arg   what was given to kt_diff()
 *  @param key   valid during the call
 *  @param from  the entry there was; NULL: none. Its attr is valid during the call
 *  @param to    the entry there is; NULL: none. Likewise
 *  @return 0 to go on; else kt_diff() ends and returns it */
typedef int kt_diff_fn(void *arg, const struct kt_slice *key, const struct kt_stat *from,
	const struct kt_stat *to);

/** Tell what differs between two points in time, in the order of the keys. The cost follows the
 *  difference, not what is stored.
 *  @param from  a transaction; the tree of this handle is compared
 *  @param to    another one of the same store; the same tree
 *  @param each  called for each key; it may change neither of the two
 *  @param arg   given to each
 *  @return 0; what each returned; -EINVAL other stores or trees */
KT_API int kt_diff(struct kt_txn *from, struct kt_txn *to, kt_diff_fn *each, void *arg);

/** Bring all entries and made directories back to what they were at a point in time, in one
 *  transaction, not flushed, at the cost of the difference. What was there before stays in the
 * snapshots that keep it, newer ones too: taking one first makes it possible to undo this.
 *  @param point  a read transaction of the store, from kt_snapshot_open() or held since then;
 * borrowed
 *  @return 0; -EINVAL not such a transaction; -EDEADLK; -EROFS */
KT_API int kt_restore(struct kt_store *store, struct kt_txn *point);

/* ---- entries --------------------------------------------------------------------------------- */

/** Find the value of a key. A value whose extents are contiguous, as after one kt_put(), is
 *  returned without a copy; another one is first gathered in memory of the transaction.
 *  @param ret_value  on success a view
 *  @return 0; -ENOENT no such key */
KT_API int kt_get(struct kt_txn *txn, const void *key, size_t key_size, struct kt_slice *ret_value);

/** Is there such a key? @return 0 or an error */
KT_API int kt_contains(struct kt_txn *txn, const void *key, size_t key_size, bool *ret_contains);

/** What is known of a key's entry. @return 0; -ENOENT no such key */
KT_API int kt_stat(struct kt_txn *txn, const void *key, size_t key_size, struct kt_stat *ret_stat);

/** Write a key's value. An existing entry keeps its attribute blob; its version and mtime are
 *  those of this transaction.
 *  @param key    borrowed
 *  @param value  borrowed
 *  @return 0; -ENAMETOOLONG the key is longer than KT_KEY_MAX */
KT_API int kt_put(
	struct kt_txn *txn, const void *key, size_t key_size, const void *value, size_t value_size);

/** Delete an entry.
 *  @param flags  enum kt_delete_flag, combined
 *  @return 0; -ENOENT no such key (not with KT_MISSING_OK) */
KT_API int kt_delete(struct kt_txn *txn, const void *key, size_t key_size, unsigned flags);

/** Delete all entries of a tree. Costs the same whatever it holds, unless this transaction changed
 * the tree before; the space is freed in steps by the commits that follow.
 *  @return 0; -EROFS */
KT_API int kt_clear(struct kt_txn *txn);

/** Move an entry, with value, attributes and mtime, to another key, perhaps of another tree; no
 *  data is copied. An entry that was there is replaced. The version is this transaction's.
 *  @param from  tree of the source
 *  @param to    tree of the target, of the same transaction
 *  @return 0; -ENOENT no such source; -ENAMETOOLONG */
KT_API int kt_move(struct kt_txn *from, const void *from_key, size_t from_size, struct kt_txn *to,
	const void *to_key, size_t to_size);

/** Read part of a value. Holes read as zeros.
 *  @param offset    where to begin
 *  @param buf       size bytes; borrowed
 *  @param ret_read  bytes read: less than size only at the end of the value, 0 from there on
 *  @return 0; -ENOENT no such key */
KT_API int kt_read(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset, void *buf,
	size_t size, size_t *ret_read);

/** Write part of a value. The entry is made if it does not exist; a gap before offset becomes a
 *  hole. The cost is that of the part written.
 *  @return 0; -EFBIG offset + size is over 2^63-1; -ENAMETOOLONG */
KT_API int kt_write(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset,
	const void *data, size_t size);

/** Set a value's size. What is cut is gone, what is added is a hole.
 *  @return 0; -ENOENT no such key; -EFBIG size is over 2^63-1 */
KT_API int kt_truncate(struct kt_txn *txn, const void *key, size_t key_size, uint64_t size);

/** Make a range of a value a hole: it reads as zeros and whole blocks of it are freed. The size
 *  stays. @return 0; -ENOENT no such key */
KT_API int kt_punch(
	struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset, uint64_t size);

/** Find the next range of a value that is stored, not a hole, at or after an offset.
 *  @param ret_begin  where it begins, at offset or later
 *  @param ret_end    where it ends, at most the value's size
 *  @return 0; -ENXIO there is none; -ENOENT no such key */
KT_API int kt_next_data(struct kt_txn *txn, const void *key, size_t key_size, uint64_t offset,
	uint64_t *ret_begin, uint64_t *ret_end);

/** Replace the attribute blob of an entry; value and mtime stay, the version is this
 *  transaction's.
 *  @param attr  attr_size bytes, at most KT_ATTR_MAX; borrowed
 *  @return 0; -ENOENT no such key; -E2BIG */
KT_API int kt_set_attr(
	struct kt_txn *txn, const void *key, size_t key_size, const void *attr, size_t attr_size);

/** Set the mtime of an entry. @return 0; -ENOENT no such key */
KT_API int kt_set_mtime(struct kt_txn *txn, const void *key, size_t key_size, int64_t mtime_ns);

/** Put value, attribute blob and mtime at once: one search instead of three.
 *  @param attr  attr_size bytes, at most KT_ATTR_MAX; borrowed
 *  @return as kt_put() and kt_set_attr() */
KT_API int kt_put_entry(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, const void *attr, size_t attr_size, int64_t mtime_ns);

/* ---- convenience ----------------------------------------------------------------------------- */

/** Find the value of a key, and put one if there is none.
 *  @param value      the default, value_size bytes; borrowed
 *  @param ret_value  as by kt_get(): what was there, or the default
 *  @return as kt_get() without -ENOENT, and kt_put() */
KT_API int kt_get_or_insert(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, struct kt_slice *ret_value);

/** What is to become of an entry; see kt_update_fn. */
enum kt_update_result {
	KT_REPLACE = 0, /* the new value takes its place */
	KT_REMOVE = 1,	/* it is deleted, if it is there */
	KT_KEEP = 2,	/* it stays as it is */
};

/** Decides on the new value of an entry.
 *  @param arg      what was given to kt_update()
 *  @param old      the value there is, valid during the call; NULL: there is no such key
 *  @param ret_new  with KT_REPLACE the new value, valid until kt_update() returns; may lie in old
 *  @return enum kt_update_result, or a negative errno that kt_update() returns */
typedef int kt_update_fn(void *arg, const struct kt_slice *old, struct kt_slice *ret_new);

/** Change the value of a key by what it is.
 *  @param update  called once; must not use the transaction
 *  @param arg     given to update
 *  @return 0; what update returned; as kt_put() */
KT_API int kt_update(
	struct kt_txn *txn, const void *key, size_t key_size, kt_update_fn *update, void *arg);

/** Read an unsigned number of a fixed width, little-endian.
 *  @param width  1, 2, 4 or 8 bytes
 *  @return 0; -ENOENT; -EMSGSIZE the value has another size; -EINVAL another width */
KT_API int kt_get_uint(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, uint64_t *ret_number);

/** Write such a number. @return 0; -ERANGE it does not fit the width; -EINVAL; as kt_put() */
KT_API int kt_put_uint(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, uint64_t number);

/** Read a signed number, in two's complement. @return as kt_get_uint() */
KT_API int kt_get_int(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, int64_t *ret_number);

/** Write such a number. @return as kt_put_uint() */
KT_API int kt_put_int(
	struct kt_txn *txn, const void *key, size_t key_size, unsigned width, int64_t number);

/** Read a double (IEEE 754 binary64, little-endian). @return 0; -ENOENT; -EMSGSIZE */
KT_API int kt_get_double(struct kt_txn *txn, const void *key, size_t key_size, double *ret_number);

/** Write a double. @return as kt_put() */
KT_API int kt_put_double(struct kt_txn *txn, const void *key, size_t key_size, double number);

/** Read a string.
 *  @param ret_string  NUL-terminated; memory of the transaction, valid until it ends
 *  @return 0; -ENOENT; -EILSEQ the value has a NUL byte in it */
KT_API int kt_get_string(
	struct kt_txn *txn, const void *key, size_t key_size, const char **ret_string);

/** Write a string, without its NUL. @return as kt_put() */
KT_API int kt_put_string(struct kt_txn *txn, const void *key, size_t key_size, const char *string);

/* ---- cursors --------------------------------------------------------------------------------- */

/** Open a cursor over the tree of txn. It stands nowhere yet. Changes through the same
 *  transaction are allowed while it is open: it then goes on from its key, whether that still
 *  exists or not.
 *  @param ret_cursor  end with kt_cursor_close(), before the transaction ends */
KT_API int kt_cursor_open(struct kt_txn *txn, struct kt_cursor **ret_cursor);

/** @param cursor  taken; NULL is allowed */
KT_API void kt_cursor_close(struct kt_cursor *cursor);

/** Confine a cursor to the keys that begin with prefix. The bytes are copied. */
KT_API int kt_cursor_set_prefix(struct kt_cursor *cursor, const void *prefix, size_t size);

/** Confine a cursor to from <= key < to. The bytes are copied.
 *  @param from  NULL: from the first key
 *  @param to    NULL: to the last key */
KT_API int kt_cursor_set_range(struct kt_cursor *cursor, const void *from, size_t from_size,
	const void *to, size_t to_size);

/** Go to the first entry of the range. @return 0; -ENOENT there is none */
KT_API int kt_cursor_first(struct kt_cursor *cursor);

/** Go to the last entry of the range. @return 0; -ENOENT there is none */
KT_API int kt_cursor_last(struct kt_cursor *cursor);

/** Go to the first entry of the range whose key is >= key. @return 0; -ENOENT there is none */
KT_API int kt_cursor_seek(struct kt_cursor *cursor, const void *key, size_t key_size);

/** Go to the next entry; from nowhere, to the first. @return 0; -ENOENT there is none (the cursor
 *  then stands after the last) */
KT_API int kt_cursor_next(struct kt_cursor *cursor);

/** Go to the previous entry; from nowhere, to the last. @return 0; -ENOENT there is none (the
 *  cursor then stands before the first) */
KT_API int kt_cursor_prev(struct kt_cursor *cursor);

/** Key of the entry the cursor stands on. Valid until the cursor moves or closes.
 *  The cursor must stand on an entry. */
KT_API struct kt_slice kt_cursor_key(const struct kt_cursor *cursor);

/** Value of the entry the cursor stands on, as by kt_get(). @return 0 or an error; -ENOENT it was
 *  deleted meanwhile, or the cursor stands on none */
KT_API int kt_cursor_value(struct kt_cursor *cursor, struct kt_slice *ret_value);

/** What is known of the entry the cursor stands on. @return as kt_cursor_value() */
KT_API int kt_cursor_stat(struct kt_cursor *cursor, struct kt_stat *ret_stat);

#ifdef __cplusplus
}
#endif

#endif
