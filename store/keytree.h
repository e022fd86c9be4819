/* keytree: a sorted key/value store in one file, read through a memory map.
 *
 * The one public header of libkeytree.
 *
 *     struct kt_store *store;
 *     struct kt_txn *txn;
 *     kt_open("app.kt", KT_OPTIONS(.flags = KT_CREATE), &store);
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
 * Unknown flags are -EINVAL for every call.
 * After such a failure inside a write transaction that transaction can only be aborted, or go back to
 * a savepoint (kt_rollback_to()): kt_commit() then aborts it and returns the error.
 *
 * Processes. Any number of processes may have a store open, and one process any number of times.
 * What one commits, the others see in the next transaction that they begin. After fork() a handle
 * is the parent's: in the child all that begins, changes, commits or waits fails with -ECHILD; the
 * child may only close it.
 *
 * Threads. A store handle may be used by any number of threads. Any number of read transactions
 * run beside one write transaction; kt_begin(KT_WRITE) waits for its turn. One transaction, and its
 * cursors, belong to one thread at a time.
 *
 * Damage. Values are verified when a handle first reads them: -EBADMSG instead of rotten bytes. A
 * view of a value over 4 MiB is not verified, since that would read all of it; kt_read() always
 * verifies, and so does KT_VERIFY. A page that the disk cannot read is -EIO when a handle first
 * meets it. Later, when the system has dropped the page from memory and cannot read it again, and in
 * a file that another program has cut, touching a view or the pages that lead to a key ends the
 * process with SIGBUS, as in every memory map. kt_catch_faults() makes that -EIO; an application that
 * handles SIGBUS by itself does not call it.
 *
 * Memory. A view (the bytes that kt_get() or a cursor returns) points into the map. In a read
 * transaction it stays valid until the transaction ends; in a write transaction until the next
 * call that changes something, or the end. Never write through it: the map is read-only. An entry
 * that lies in pieces in the file (a value that was written in parts, an attribute blob over 256
 * bytes, a string) is put together in memory of the transaction and stays there as long. A
 * transaction that reads many such entries calls kt_drop_views() now and then, or reads with a
 * cursor after kt_cursor_set_transient(): otherwise it takes as much memory as all of them together.
 *
 * Durability. A commit is visible to all processes when kt_commit() returns. It survives the death
 * of every process from then on, but a power cut only once it is flushed: by KT_FLUSH, kt_flush() or
 * kt_close(). A store that is never flushed can lose all that was committed since it was opened.
 * After a power cut the store is exactly as after some commit, the last flushed one or a later one.
 *
 * Caveats.
 *   - A program that truncates or overwrites the store file while it is open damages it. A view
 *     into a part that was cut off raises SIGBUS, or reads zeros; see "Damage" above.
 *   - A store on a network file system is refused: locks and maps are shared between the processes
 *     of one kernel only. See KT_ANY_FS.
 *   - A store that is open under one name is -EBUSY under another one (a hard link), and after
 *     PATH-lock was removed. A file that takes the name of an open store is -ESTALE until all have
 *     closed the store. Do not replace a store, or remove PATH-lock, while a process has it open.
 *   - A read transaction keeps the pages that it can see. While one is open for hours and others
 *     write, the file grows: kt_info() names the oldest reader.
 *   - Close a store, or call execve(2), in the child of a fork(): an open handle keeps the locks of
 *     a parent that has died without kt_close().
 *   - A thread that holds the write transaction of one handle and begins one of another handle of
 *     the same store waits for ever.
 */
#ifndef KEYTREE_H
#define KEYTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of this header; kt_version() is that of the library. */
#define KT_VERSION_MAJOR 0
#define KT_VERSION_MINOR 2
#define KT_VERSION_PATCH 0
#define KT_VERSION "0.2.0"

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

/** A transaction, or a view of one: the collection that kt_collection_view() returns. All calls
 *  that read or change entries take both. Only the transaction itself can be ended, once: of a view
 *  kt_commit() and kt_abort() return -EINVAL and do nothing. A view ends with its transaction. */
struct kt_txn;

/** A position in the sorted entries of one tree of one transaction. */
struct kt_cursor;

/** Borrowed bytes: a view into the map, or memory of the transaction. */
struct kt_slice {
	const void *data; /* not NUL-terminated; may be NULL when size is 0 */
	size_t size;
};

/** Ends the components of a key: what begins with "a/" lies in the collection, or directory, "a".
 */
#define KT_SEPARATOR '/'

/** Longest name of a snapshot, in bytes. */
#define KT_NAME_MAX 255

/** A string literal as the two arguments key and key_size, or value and value_size:
 *  kt_put(txn, KT_STR("user/1"), KT_STR("Ada")). */
#define KT_STR(literal) ("" literal), (sizeof(literal) - 1)

/** Flags of kt_open(). */
enum kt_open_flag {
	KT_CREATE = 1 << 0,    /* make the store if the file does not exist */
	KT_EXCLUSIVE = 1 << 1, /* with KT_CREATE: fail with -EEXIST if it does */
	KT_READONLY = 1 << 2,  /* open for reading only */
	KT_ALONE = 1 << 3,     /* for as long as it is open, nobody else may write */
	KT_ANY_FS = 1 << 4,    /* on any file system: without it NFS, SMB, 9p, FUSE and others that
				  may differ between their users are -EREMOTE. All who open the
				  store do so on this machine, through the same mount */
};

/** Options of kt_open(). Zero is the default of each.
 *
 *     struct kt_open_options options = {.size = sizeof(options), .flags = KT_CREATE};
 *     kt_open("app.kt", &options, &store);
 *     kt_open("app.kt", KT_OPTIONS(.flags = KT_CREATE), &store); // the same, in C
 */
struct kt_open_options {
	size_t size;		/* sizeof(struct kt_open_options) */
	unsigned flags;		/* enum kt_open_flag, combined */
	unsigned mode;		/* permission bits of a file that is created; 0: 0600 */
	const char *name;	/* of the store in messages; NULL: "file:PATH". Copied */
	uint64_t max_size;	/* see kt_set_max_size(); 0: no limit */
	unsigned write_wait_ms; /* how long kt_begin() waits to write at most; 0: without a limit */
	unsigned flush_interval_ms; /* a thread flushes each commit after so long, at the latest; it
				       may wait for another writer first. A flush that fails is told
				       to kt_set_log(). 0: only KT_FLUSH, kt_flush() and kt_close()
				       flush */
};

#ifndef __cplusplus
/** Options for one call of kt_open(): KT_OPTIONS(.flags = KT_CREATE, .mode = 0644). */
#define KT_OPTIONS(...)                                                                            \
	(&(const struct kt_open_options){.size = sizeof(struct kt_open_options), __VA_ARGS__})
#endif

/** Flags of kt_begin(). */
enum kt_begin_flag {
	KT_READ = 0,	    /* a point in time, for as long as it is held */
	KT_WRITE = 1 << 0,  /* may change the store; sees its own changes */
	KT_TRY = 1 << 1,    /* with KT_WRITE: fail with -EAGAIN instead of waiting */
	KT_VERIFY = 1 << 2, /* verify values each time they are read, not only once per handle */
};

/** Flags of kt_commit(). */
enum kt_commit_flag {
	KT_FLUSH = 1 << 0, /* on the disk when kt_commit() returns */
};

/** Flags of kt_delete(). */
enum kt_delete_flag {
	KT_MISSING_OK = 1 << 0, /* no such key is success */
};

/** What is known of one entry. */
struct kt_entry_info {
	uint64_t size;	      /* of the value, bytes */
	uint64_t stored;      /* bytes of disk the value takes; holes take none */
	uint64_t version;     /* number of the transaction that last wrote the entry */
	int64_t mtime_ns;     /* when the value was last written, unless kt_set_mtime() said else */
	struct kt_slice attr; /* attribute blob; a view, lifetime as of kt_get() */
	uint64_t shared;      /* id of the entry that several keys share; 0: it was never shared */
	unsigned keys;	      /* number of keys that share the entry; mostly 1 */
	unsigned flags;	      /* for the file system layer: enum kt_entry_flag of keytree_fs.h */
};

/** What is known of one store. */
struct kt_store_info {
	uint64_t txn;		/* last commit */
	uint64_t durable_txn;	/* last commit known to be on the disk */
	uint64_t entries;	/* in KT_ENTRIES */
	uint64_t key_bytes;	/* sum of their key sizes */
	uint64_t value_bytes;	/* sum of their value sizes; what keys share counts once */
	uint64_t page_size;	/* 4096 */
	uint64_t pages;		/* of the file, up to the last one in use */
	uint64_t free_pages;	/* of these, free as of the last commit */
	uint64_t pending_pages; /* of these, freed, but still seen by a reader or the disk */
	uint64_t disk_free;	/* bytes free on the file system the store lies on */
	uint64_t disk_size;	/* bytes of that file system; both at most what max_size leaves */
	uint64_t max_size;	/* limit of the file, bytes; 0: there is none */
	double fragmentation; /* (free_pages + pending_pages - 32) / pages, at least 0: the share of
				 the file that kt_compact() can give back, when readers and
				 snapshots let it. Space within half-full nodes comes on top.
				 A compact store has 0: it may have 32 pages to spare */
	unsigned depth;	      /* levels of the entries tree */
	unsigned readers;     /* read transactions open now, of all processes */
	uint64_t oldest_reader;	    /* transaction number of the oldest one; txn if none is older */
	uint32_t oldest_reader_pid; /* its process, as that calls itself; 0: not known, or none */
	unsigned char id[16];	    /* unique id of the store; its backups have the same */
	bool persistent;	    /* in a file; else in memory */
};

/* ---- stores ---------------------------------------------------------------------------------- */

/** Version of the library, as KT_VERSION was when it was built. */
KT_API const char *kt_version(void);

/** Open a store file. A new one is created with mode 0600, complete or not at all. Beside it lies a
 *  lock file, PATH-lock, which is made if need be, unless it is opened for reading only.
 *  @param path     path of the file; borrowed
 *  @param options  borrowed during the call; NULL: the defaults
 *  @param ret_store  the store; end with kt_close()
 *  @return 0; -ENOENT no such file; -EEXIST; -EBUSY another one keeps it for itself (KT_ALONE), or
 * it is open under another name; -ESTALE processes still use another file that had this name before;
 * -ENFILE too many have it open; -EIO a flush failed, and all must close it first; -EMEDIUMTYPE not a keytree store; -ENOTSUP a newer format, or a file system
 * without locks or shared maps; -EUCLEAN damaged or truncated; -EISDIR; -EACCES; any errno of
 * open(2) */
KT_API int kt_open(
	const char *path, const struct kt_open_options *options, struct kt_store **ret_store);

/** Open a new, empty store in memory. It ends with kt_close().
 *  @param name       a name for messages; borrowed
 *  @param ret_store  the store
 *  @return 0 or any error of the memory system */
KT_API int kt_open_memory(const char *name, struct kt_store **ret_store);

/** Flush what was committed through this handle, and close it. Every transaction must have ended.
 *  May wait for another writer.
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

/** Receives one message of the library.
 *  @param arg      what was given to kt_set_log()
 *  @param message  one line without newline; valid during the call */
typedef void kt_log_fn(void *arg, const char *message);

/** Have the library say what went wrong when it is found, not only to the caller that meets the
 *  error: damage in a file, as page and reason. The library never prints by itself. Valid for all
 *  stores of the process.
 *  @param log  may be called by any thread, by several at once, and must not use the library;
 *              NULL: no messages, as in the beginning
 *  @param arg  given to log */
KT_API void kt_set_log(kt_log_fn *log, void *arg);

/** Have a handler of SIGBUS, for the whole process, deal with pages of a store that cannot be read
 *  through its map: zeros take their place, the call that meets them returns -EIO, and so does
 *  kt_commit(). Who has read a view meanwhile compares kt_fault_count(). Signals elsewhere go to the
 *  handler that was there before. Without this call such a page ends the process, as in every map.
 *  A handler that the program installs later takes its place, until this is called again.
 *  @return 0; any errno of sigaction(2) */
KT_API int kt_catch_faults(void);

/** How often a page could not be read, in all stores of the process, since kt_catch_faults(). If it
 *  has grown, bytes of a view that were read meanwhile may be zeros in place of the value. */
KT_API uint64_t kt_fault_count(void);

/** Bring every commit so far, by anyone, to the disk.
 *  @return 0; -EROFS the handle is for reading only; -EIO and others: the disk failed, and the store takes no more writes, from nobody,
 *          until all have closed it */
KT_API int kt_flush(struct kt_store *store);

/** kt_info() into a struct of info_size bytes. @return 0 or an error */
KT_API int kt_info_sized(struct kt_store *store, struct kt_store_info *ret_info, size_t info_size);

/** Facts about the store now. Later versions may append members to the struct: a program gets those
 *  that it was compiled with. @return 0 or an error */
static inline int kt_info(struct kt_store *store, struct kt_store_info *ret_info)
{
	return kt_info_sized(store, ret_info, sizeof(*ret_info));
}

/** Limit the size of the file: what would make it larger fails with -ENOSPC. Nothing is lost then,
 * and entries can still be deleted: 16 pages of the limit are set aside for that; a file that is
 * larger already when the limit is set may grow by as many. The limit lasts until the store is
 * closed.
 *  @param bytes  the size; rounded down to whole pages; 0: no limit
 *  @return 0; -ENOMEM */
KT_API int kt_set_max_size(struct kt_store *store, uint64_t bytes);

/** Receives one finding of kt_check().
 *  @param arg      what was given to kt_check()
 *  @param page     number of the page concerned; 0 the store as a whole
 *  @param message  one line without newline; valid during the call */
typedef void kt_check_fn(void *arg, uint64_t page, const char *message);

/** Read and verify everything: each page and each value block, order, counts, and that each page is
 *  reachable exactly once or free. Runs beside readers and writers.
 *  @param found         called for each finding; may be NULL
 *  @param arg           given to found
 *  @param ret_findings  how many findings there were; 0: the store is sound
 *  @return 0 the check ran to its end; else why it could not */
KT_API int kt_check(struct kt_store *store, kt_check_fn *found, void *arg, uint64_t *ret_findings);

/** Told how far kt_check_steps() has come, at every MiB or so.
 *  @param arg   what was given to kt_check_steps()
 *  @param done  bytes verified; what snapshots share is verified once
 *  @return 0 to go on; else the check ends and returns it */
typedef int kt_check_step_fn(void *arg, uint64_t done);

/** kt_check() that tells how far it is.
 *  @param step  may be NULL
 *  @param arg   given to found and step
 *  @return as kt_check(); what step returned */
KT_API int kt_check_steps(struct kt_store *store, kt_check_fn *found, kt_check_step_fn *step,
	void *arg, uint64_t *ret_findings);

/** How far kt_compact() has come. */
struct kt_compaction {
	uint64_t done;	/* of total, about */
	uint64_t total; /* grows if others write meanwhile */
	uint64_t pages; /* of the file now */
};

/** Receives word between two steps of kt_compact().
 *  @param arg  what was given to kt_compact()
 *  @return 0 to go on; else kt_compact() ends and returns it */
typedef int kt_compact_fn(void *arg, const struct kt_compaction *compaction);

/** Make the file about as short as that of a store freshly loaded with the same content, and bring
 * values together that lie in pieces. Works in steps of a few MiB, each a flushed transaction by
 * itself that changes no entry; readers and other writers go on between and beside them. Whatever
 * ends it, what was done stays, and the store is sound. On a compact store it writes next to
 * nothing.
 *
 * What a snapshot shares is not moved, since that would be to store it twice; what a reader sees is
 * free only when it has ended. The file is cut at the end, unless a reader is older than the
 * cut: then by kt_close() or the next call.
 *  @param progress  called between steps, without any lock; may be NULL
 *  @param arg       given to progress
 *  @return 0; what progress returned; -EDEADLK this thread holds the write transaction; -EROFS;
 *          -EBADMSG a block that was to be moved is damaged */
KT_API int kt_compact(struct kt_store *store, kt_compact_fn *progress, void *arg);

/* ---- processes ------------------------------------------------------------------------------- */

/** A handle that has the store open: one of another process, or of this one. */
struct kt_process {
	uint32_t pid;	  /* in its own pid namespace */
	char command[16]; /* name of the process of this number here; "": it cannot be found */
	bool writing;	  /* it has the write transaction, or flushes */
	unsigned readers; /* its read transactions */
	uint64_t oldest;  /* oldest commit that they see; 0: there are none */
	int64_t age_ns;	  /* how long the oldest of them is open; 0: there are none */
};

/** Receives a handle. @param process  borrowed during the call
 *  @return 0; another value ends the list */
typedef int kt_process_fn(void *arg, const struct kt_process *process);

/** List the handles that have the store open, this one too. Users who may only read the store are
 *  not listed, and cannot list others; kt_info() counts their read transactions.
 *  @return 0; what each has returned; -EACCES this handle may only read the store */
KT_API int kt_processes(struct kt_store *store, kt_process_fn *each, void *arg);

/** Wait for a commit, by anyone.
 *  @param txn         number of a commit that is known
 *  @param timeout_ms  milliseconds to wait at most; negative: for ever
 *  @param ret_txn     the last commit, newer than txn
 *  @return 0; -ETIMEDOUT; -EIO an earlier flush failed, there will be none */
KT_API int kt_wait(struct kt_store *store, uint64_t txn, int timeout_ms, uint64_t *ret_txn);

/** Tells a poll loop of commits. */
struct kt_waiter;

/** Flags of kt_waiter_open(). */
enum kt_waiter_flag {
	KT_OTHERS = 1 << 0, /* commits through this handle need not be told, and then cost nothing
			     */
};

/** Begin to be told of commits by anyone, through a file descriptor.
 *  @param flags       enum kt_waiter_flag, combined
 *  @param ret_waiter  end with kt_waiter_close(), before the store is closed
 *  @return 0; -EMFILE and others: no descriptor or no thread to be had */
KT_API int kt_waiter_open(struct kt_store *store, unsigned flags, struct kt_waiter **ret_waiter);

/** The descriptor: readable (POLLIN) after a commit, until kt_waiter_clear(). Do not read from it,
 *  nor close it. */
KT_API int kt_waiter_fd(const struct kt_waiter *waiter);

/** Make the descriptor unreadable until the next commit.
 *  @param ret_txn  the last commit; of one after it the descriptor will tell. May be NULL */
KT_API int kt_waiter_clear(struct kt_waiter *waiter, uint64_t *ret_txn);

/** End being told. @param waiter  taken; NULL is allowed */
KT_API void kt_waiter_close(struct kt_waiter *waiter);

/** Watches the keys that begin with a prefix.
 *
 *     kt_watch_open(store, KT_STR("settings/"), &watch);
 *     while (kt_watch_next(watch, -1, reload, NULL) == 0)
 *             ;
 *
 *  It is used by one thread at a time, and has a read transaction: between two calls, and while the
 *  callback runs, pages of the commit that was told last stay in the file. */
struct kt_watch;

/** Begin to watch the keys that begin with a prefix, in KT_ENTRIES. What is committed from now on is
 *  told.
 *  @param prefix     size bytes; copied. Of a collection: its name and '/'
 *  @param ret_watch  end with kt_watch_close(), before the store is closed
 *  @return 0; -ENAMETOOLONG; as kt_begin() */
KT_API int kt_watch_open(
	struct kt_store *store, const void *prefix, size_t size, struct kt_watch **ret_watch);

/** Receives one key that has changed.
 *  @param arg      what was given to kt_watch_next()
 *  @param key      the whole key; valid during the call
 *  @param version  of the entry there was when kt_watch_next() looked; 0: it was deleted
 *  @return 0 to go on; else kt_watch_next() ends and returns it, and the next call goes on */
typedef int kt_watch_fn(void *arg, const struct kt_slice *key, uint64_t version);

/** Wait until commits, by anyone, have changed keys, and tell them in the order of the keys. Several
 *  commits may be told as one: a key that changed twice is told once, and one that is as before, not
 *  at all.
 *  @param timeout_ms  milliseconds to wait at most; negative: for ever
 *  @param each        called for each key, without a lock: it may begin transactions, and change
 *                     the store. After an error a key may be told again
 *  @param arg         given to each
 *  @return 0; -ETIMEDOUT; what each returned; as kt_wait() and kt_diff() */
KT_API int kt_watch_next(struct kt_watch *watch, int timeout_ms, kt_watch_fn *each, void *arg);

/** End watching. @param watch  taken; NULL is allowed */
KT_API void kt_watch_close(struct kt_watch *watch);

/* ---- transactions ---------------------------------------------------------------------------- */

/** Begin a transaction. Readers never wait; a writer waits for its turn among all processes.
 *  @param flags    enum kt_begin_flag, combined
 *  @param ret_txn  end with kt_commit() or kt_abort()
 *  @return 0; -EAGAIN with KT_TRY; -ETIMEDOUT with write_wait_ms of kt_open(); -EDEADLK this thread
 *          holds the write transaction already; -EROFS; -EIO an earlier flush failed */
KT_API int kt_begin(struct kt_store *store, unsigned flags, struct kt_txn **ret_txn);

/** Begin a transaction as kt_begin() does, but wait to write for a limited time only.
 *  @param timeout_ms  milliseconds; 0: as with KT_TRY; negative: without a limit
 *  @return as kt_begin(); -ETIMEDOUT, and kt_strerror() names the process that is writing */
KT_API int kt_begin_wait(
	struct kt_store *store, unsigned flags, int timeout_ms, struct kt_txn **ret_txn);

/** End a transaction and make its changes visible to all at once. One that changed nothing
 *  leaves no trace.
 *  @param txn    taken in every case but one, a view; a read transaction is just ended
 *  @param flags  enum kt_commit_flag, combined
 *  @return 0; -EINVAL it is a view of a transaction, which goes on; else the transaction has ended
 *          without any change. After a failed flush the store takes
 *          no more writes (see kt_flush()) */
KT_API int kt_commit(struct kt_txn *txn, unsigned flags);

/** End a transaction and drop its changes.
 *  @param txn  taken; NULL is allowed
 *  @return 0; -EINVAL it is a view of a transaction, and nothing has ended */
KT_API int kt_abort(struct kt_txn *txn);

/** The store of a transaction: kt_strerror(kt_txn_store(txn), err). */
KT_API struct kt_store *kt_txn_store(const struct kt_txn *txn);

/** Most attempts of one kt_transact(). */
#define KT_TRANSACT_TRIES 10

/** Changes the store in a transaction of kt_transact(). It may be called again after -EAGAIN.
 *  @param arg  what was given to kt_transact()
 *  @param txn  a write transaction; kt_transact() ends it
 *  @return 0 to commit; else the transaction is aborted and kt_transact() returns it. -EAGAIN is
 *          returned only after KT_TRANSACT_TRIES attempts */
typedef int kt_transact_fn(void *arg, struct kt_txn *txn);

/** Begin a write transaction, call a function, and commit.
 *  @param change  called once for each attempt
 *  @param arg     given to change
 *  @param flags   enum kt_commit_flag, combined
 *  @return 0; what change returned; as kt_begin() and kt_commit(); -EINVAL unknown flags */
KT_API int kt_transact(struct kt_store *store, kt_transact_fn *change, void *arg, unsigned flags);

/** Mark the state of a write transaction, so that a part of it can fail, or be given up, without
 *  ending it. Costs the same whatever the transaction has done. What is changed afterwards takes
 *  memory and disk of its own until the savepoint is released.
 *  @param txn  a write transaction; the savepoint is one of all its trees and collections
 *  @param ret_savepoint  a number; savepoints may be opened within one another, and all end with the
 *                        transaction: a commit has what was changed in them
 *  @return 0; -EROFS; what the transaction has failed with */
KT_API int kt_savepoint(struct kt_txn *txn, uint64_t *ret_savepoint);

/** Undo all changes since a savepoint, also when one of them has failed, with -ENOSPC say: the
 *  transaction goes on as if they had not been tried. Cursors go on from their keys; views end. Numbers
 *  that kt_new_id() gave since are given again.
 *  @param savepoint  stays open; those within it end
 *  @return 0; -EINVAL no such savepoint is open; -EUCLEAN */
KT_API int kt_rollback_to(struct kt_txn *txn, uint64_t savepoint);

/** End a savepoint and those within it. The changes since are part of what is around it.
 *  @return 0; -EINVAL no such savepoint is open; what the transaction has failed with: then only
 *          kt_rollback_to() and kt_abort() are of use */
KT_API int kt_release(struct kt_txn *txn, uint64_t savepoint);

/** Number of the transaction: for a read transaction that of the last commit it sees, for a write
 *  transaction its own. Numbers grow by one with each commit. */
KT_API uint64_t kt_txn_id(const struct kt_txn *txn);

/** A number that this store has never given before and never will again, from 1.
 *  It counts only if the transaction commits, and does not go back to before.
 *  @param txn  a write transaction */
KT_API int kt_new_id(struct kt_txn *txn, uint64_t *ret_id);

/* ---- collections ----------------------------------------------------------------------------- */

/** A collection: the entries whose keys begin with its name and a '/'. Any thread may use it. */
struct kt_collection;

/** Open a collection: one that was made, or that has keys. Made ones stay when they are empty; a
 *  mount shows them as directories.
 *  @param name       name_size bytes, 1 to KT_KEY_MAX - 1, any but '/'; copied
 *  @param flags      KT_CREATE: make it, in a transaction by itself, not flushed; with
 *                    KT_EXCLUSIVE: unless there is one
 *  @param ret_collection  end with kt_collection_close(), before the store is closed
 *  @return 0; -ENOENT there is none; -EEXIST; -EINVAL, -ENAMETOOLONG the name; -EDEADLK this
 *          thread holds the write transaction; -EROFS */
KT_API int kt_collection_open(struct kt_store *store, const void *name, size_t name_size,
	unsigned flags, struct kt_collection **ret_collection);

/** Transactions on it may go on. @param collection  taken; NULL is allowed */
KT_API void kt_collection_close(struct kt_collection *collection);

/** Begin a transaction that sees a collection as if it were the store: no key has the name in
 *  front, in any call on entries or cursors, or of kt_diff(), kt_clear() and kt_count(). kt_tree()
 *  leads out of it.
 *  @param collection  borrowed during the call
 *  @param flags    enum kt_begin_flag, combined
 *  @param ret_txn  end with kt_commit() or kt_abort()
 *  @return as kt_begin() */
KT_API int kt_collection_begin(
	struct kt_collection *collection, unsigned flags, struct kt_txn **ret_txn);

/** See a collection in a transaction that is open: of several in one, or of a snapshot.
 *  @param collection  borrowed during the call
 *  @param txn       a transaction of the same store; of its tree
 *  @param ret_view  a handle that ends with the transaction
 *  @return 0; -EINVAL another store */
KT_API int kt_collection_view(
	struct kt_collection *collection, struct kt_txn *txn, struct kt_txn **ret_view);

/** Receives the name of one collection, valid during the call.
 *  @return 0 to go on; else kt_collection_list() ends and returns it */
typedef int kt_collection_fn(void *arg, const struct kt_slice *name);

/** List the collections, those that were made and those that have keys, sorted by their name with
 *  its '/'. Costs a search for each, and one for each key without '/'.
 *  @param txn   which point in time
 *  @param each  called for each; may not change the store
 *  @param arg   given to each
 *  @return 0; what each returned */
KT_API int kt_collection_list(struct kt_txn *txn, kt_collection_fn *each, void *arg);

/** Delete a collection with all that lies in it. Costs what it holds.
 *  @param txn   a write transaction
 *  @param name  name_size bytes; borrowed
 *  @return 0; -ENOENT there is none; -EINVAL, -ENAMETOOLONG the name; -EROFS */
KT_API int kt_collection_delete(struct kt_txn *txn, const void *name, size_t name_size);

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

/** Delete a snapshot. What only it kept is free afterwards; the cost is that of what it kept.
 *  Transactions that read it may go on. A transaction by itself, not flushed.
 *  @return 0; -ENOENT no such snapshot; -EDEADLK; -EROFS */
KT_API int kt_snapshot_delete(struct kt_store *store, const char *name);

/** Told how far kt_snapshot_delete_steps() has come, now and then, and at the end.
 *  @param arg    what was given to kt_snapshot_delete_steps()
 *  @param done   bytes of disk gone through
 *  @param total  bytes that the snapshot kept
 *  @return 0 to go on; else the snapshot stays and kt_snapshot_delete_steps() returns it */
typedef int kt_snapshot_delete_fn(void *arg, uint64_t done, uint64_t total);

/** kt_snapshot_delete() that tells how far it is.
 *  @param progress  called within the write transaction: it must not change the store. May be NULL
 *  @param arg       given to progress
 *  @return as kt_snapshot_delete(); what progress returned */
KT_API int kt_snapshot_delete_steps(
	struct kt_store *store, const char *name, kt_snapshot_delete_fn *progress, void *arg);

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
typedef int kt_diff_fn(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to);

/** Tell what differs between two points in time, in the order of the keys. The cost follows the
 *  difference, not what is stored.
 *  @param from  a transaction; the tree of this handle is compared
 *  @param to    another one of the same store; the same tree
 *  @param each  called for each key; it may change neither of the two
 *  @param arg   given to each
 *  @return 0; what each returned; -EINVAL other stores or trees */
KT_API int kt_diff(struct kt_txn *from, struct kt_txn *to, kt_diff_fn *each, void *arg);

/** Tell what differs below a prefix. Keys are told whole.
 *  @param prefix  size bytes; borrowed
 *  @return as kt_diff() */
KT_API int kt_diff_prefix(struct kt_txn *from, struct kt_txn *to, const void *prefix, size_t size,
	kt_diff_fn *each, void *arg);

/** Bring all entries and made directories back to what they were at a point in time, in one
 *  transaction, not flushed, at the cost of the difference. What was there before stays in the
 * snapshots that keep it, newer ones too: taking one first makes it possible to undo this.
 *  @param point  a read transaction of the store, from kt_snapshot_open() or held since then;
 * borrowed
 *  @return 0; -EINVAL not such a transaction; -EDEADLK; -EROFS */
KT_API int kt_restore(struct kt_store *store, struct kt_txn *point);

/* ---- backups --------------------------------------------------------------------------------- */

/** Flags of kt_backup(). */
enum kt_backup_flag {
	KT_BACKUP_REPLACE =
		1 << 0, /* replace a store of that name, at once, when the copy is whole */
};

/** Told how far a backup is.
 *  @param arg    what was given to kt_backup()
 *  @param done   bytes copied
 *  @param total  bytes there are; 0 while that is being found out
 *  @return 0 to go on; else kt_backup() ends without a copy and returns it */
typedef int kt_backup_fn(void *arg, uint64_t done, uint64_t total);

/** Copy the store to a new file, as it is at one point in time, while others read and write. The
 *  file appears under its name complete and on the disk, or not at all; its mode is 0600. It has
 * all that the transaction can see, snapshots too, and is a store like the other, with the same id.
 *  All of it is verified meanwhile. A copy of a snapshot has what that kept, and no snapshots.
 *  @param txn       a read transaction; it sees what is copied, whatever its tree
 *  @param path      of the copy; borrowed
 *  @param flags     enum kt_backup_flag, combined
 *  @param progress  called now and then; may be NULL
 *  @param arg       given to progress
 *  @return 0; -EEXIST there is something of that name, or, with KT_BACKUP_REPLACE, -EMEDIUMTYPE no
 *          store, -EBUSY one that is open; -EUCLEAN, -EBADMSG the store is damaged;
 *          -ENOSPC and any errno of open(2) and fsync(2), for the copy; what progress returned;
 *          -EINVAL a write transaction; -ENOTSUP the store has features this version cannot copy */
KT_API int kt_backup(
	struct kt_txn *txn, const char *path, unsigned flags, kt_backup_fn *progress, void *arg);

/** The same through a descriptor, from the beginning to the end of the copy: to a pipe, say. What
 *  is not in use is written as zeros. After a failure part of it is written.
 *  @param fd  borrowed; it is not synced
 *  @return as kt_backup(); any errno of write(2) */
KT_API int kt_backup_fd(struct kt_txn *txn, int fd, kt_backup_fn *progress, void *arg);

/** What an increment begins with. */
#define KT_INCREMENT_MAGIC "\x89keytree+\r\n\x1a\n\0\0"
#define KT_INCREMENT_MAGIC_SIZE 16

/** Write what differs between two points in time into a new file: an increment, with which
 * kt_apply() brings a backup that has the first to the second. It has the entries with all that is
 * known of them but their versions, and made directories; of a large value only the blocks that
 * changed. The cost follows what differs.
 *  @param txn       a read transaction: what the backup is to become; as a rule of a snapshot
 *  @param since     a read transaction of the same store, as old or older: what the backup has; of
 * a snapshot, or held since the backup was made
 *  @param path      of the increment; borrowed
 *  @param flags     KT_BACKUP_REPLACE: replace an increment of that name
 *  @param progress  called now and then, with total 0; may be NULL
 *  @param arg       given to progress
 *  @return as kt_backup(); -EINVAL since is newer, or of another store; -EILSEQ with
 *          KT_BACKUP_REPLACE: what is there is no increment */
KT_API int kt_backup_since(struct kt_txn *txn, struct kt_txn *since, const char *path,
	unsigned flags, kt_backup_fn *progress, void *arg);

/** The same through a descriptor. @param fd  borrowed; it is not synced
 *  @return as kt_backup_since(); any errno of write(2) */
KT_API int kt_backup_since_fd(
	struct kt_txn *txn, struct kt_txn *since, int fd, kt_backup_fn *progress, void *arg);

/** Flags of kt_apply(). */
enum kt_apply_flag {
	KT_APPLY_REPLACE = 1 << 0, /* drop what the store has changed since the base */
};

/** Bring a backup to a later point in time, in one transaction, flushed. The store must be a copy
 * of the one the increment is of, and have its base: as its last commit, or in a snapshot, to which
 * it goes back if it has changed since and KT_APPLY_REPLACE allows that. If a snapshot keeps the
 * end in the original, one of that name does so here: the next increment can begin there. If the
 * store is at the end already, it stays as it is. Everything that comes is verified.
 *  @param fd        where the increment comes from; borrowed, read to its end. From a pipe it goes to
 *                   a temporary file first, and the transaction begins when all of it is there
 *  @param flags     enum kt_apply_flag, combined
 *  @param progress  called now and then, with total 0; may be NULL
 *  @param arg       given to progress
 *  @return 0; else nothing has changed: -EILSEQ it is no increment, cut off, or malformed; -EBADMSG
 *          damaged; -ENOTSUP of a newer format; -EXDEV of another store; -ESTALE the store does not
 *          have the base; -ENOTEMPTY it has changed since the base; -EEXIST another snapshot has
 * the name of the end; what progress returned; any errno of read(2); -EDEADLK; -EROFS. -EAGAIN: all
 * is done, but no snapshot was made, for another one wrote at the same time */
KT_API int kt_apply(
	struct kt_store *store, int fd, unsigned flags, kt_backup_fn *progress, void *arg);

/* ---- entries --------------------------------------------------------------------------------- */

/** Sums over the entries of a tree. */
struct kt_counts {
	uint64_t entries;
	uint64_t key_bytes;   /* sum of the sizes of the keys */
	uint64_t value_bytes; /* sum of the sizes of the values; of a tree what keys share is one */
};

/** Count the entries of a tree, or of a collection. Of a tree it costs the same whatever it holds;
 *  a collection is walked. @return 0 or an error */
KT_API int kt_count(struct kt_txn *txn, struct kt_counts *ret_count);

/** Find the value of a key. A value whose extents are contiguous, as after one kt_put(), is
 *  returned without a copy; another one is first gathered in memory of the transaction.
 *  @param ret_value  on success a view
 *  @return 0; -ENOENT no such key */
KT_API int kt_get(struct kt_txn *txn, const void *key, size_t key_size, struct kt_slice *ret_value);

/** Free the memory that a transaction has for its views. All views that it has returned end: values,
 *  attribute blobs, strings. The transaction goes on, with its cursors, and so do the views that a
 *  cursor has returned after kt_cursor_set_transient().
 *  @param txn  borrowed; of a tree or a collection: that of the whole transaction */
KT_API void kt_drop_views(struct kt_txn *txn);

/** Copy the value of a key into memory of the caller.
 *  @param buf       size bytes; borrowed. After a failure its content is undefined
 *  @param ret_size  size of the value; written with -ERANGE too. May be NULL
 *  @return 0; -ENOENT no such key; -ERANGE the value is larger than buf */
KT_API int kt_get_copy(struct kt_txn *txn, const void *key, size_t key_size, void *buf, size_t size,
	size_t *ret_size);

/** Is there such a key? @return 0 or an error */
KT_API int kt_contains(struct kt_txn *txn, const void *key, size_t key_size, bool *ret_contains);

/** What is known of a key's entry, as much as fits a struct of info_size bytes. Programs call
 *  kt_stat(). @return 0; -ENOENT no such key */
KT_API int kt_stat_sized(struct kt_txn *txn, const void *key, size_t key_size,
	struct kt_entry_info *ret_info, size_t info_size);

/** What is known of a key's entry. @return 0; -ENOENT no such key */
static inline int kt_stat(
	struct kt_txn *txn, const void *key, size_t key_size, struct kt_entry_info *ret_info)
{
	return kt_stat_sized(txn, key, key_size, ret_info, sizeof(*ret_info));
}

/** Write a key's value. An existing entry keeps its attribute blob; its version and mtime are
 *  those of this transaction. A key that shares its entry gets one of its own, with a copy of the
 *  blob: kt_stat() then says so, for what the blob tells of that entry may not be true of this one.
 *  That ends with the next blob.
 *  @param key    borrowed
 *  @param value  borrowed
 *  @return 0; -ENAMETOOLONG the key is longer than KT_KEY_MAX */
KT_API int kt_put(
	struct kt_txn *txn, const void *key, size_t key_size, const void *value, size_t value_size);

/** Delete an entry.
 *  @param flags  enum kt_delete_flag, combined
 *  @return 0; -ENOENT no such key (not with KT_MISSING_OK) */
KT_API int kt_delete(struct kt_txn *txn, const void *key, size_t key_size, unsigned flags);

/** Write a key's value, as kt_put(), if the entry has a certain version. An entry that this
 *  transaction has written has the version kt_txn_id().
 *  @param version  kt_stat() told it; 0: write only if the key does not exist
 *  @return as kt_put(); -ESTALE the entry has another version, is gone, or exists with version 0:
 *          nothing has changed, and the transaction goes on */
KT_API int kt_put_if(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, uint64_t version);

/** Delete an entry if it has a certain version.
 *  @param version  as for kt_put_if(); 0: succeed only if the key does not exist
 *  @return 0; -ESTALE as for kt_put_if() */
KT_API int kt_delete_if(struct kt_txn *txn, const void *key, size_t key_size, uint64_t version);

/** Delete all entries with from <= key < to. The cost is that of the entries.
 *  @param from       NULL: from the first key
 *  @param to         NULL: to the last key
 *  @param ret_count  how many there were; may be NULL
 *  @return 0; after an error the transaction can only be aborted, if entries were deleted */
KT_API int kt_delete_range(struct kt_txn *txn, const void *from, size_t from_size, const void *to,
	size_t to_size, uint64_t *ret_count);

/** Delete all entries whose keys begin with prefix. @return as kt_delete_range() */
KT_API int kt_delete_prefix(
	struct kt_txn *txn, const void *prefix, size_t size, uint64_t *ret_count);

/** Delete all entries of a tree. Costs the same whatever it holds, unless this transaction changed
 * the tree before; the space is freed in steps by the commits that follow. Of a collection: delete
 * its entries, at the cost of what it holds.
 *  @return 0; -EROFS */
KT_API int kt_clear(struct kt_txn *txn);

/** Move an entry, with value, attributes and mtime, to another key, perhaps of another tree; no
 *  data is copied. An entry that was there is replaced. The version is this transaction's.
 *  @param from  tree of the source
 *  @param to    tree of the target, of the same transaction
 *  @return 0; -ENOENT no such source; -ENAMETOOLONG; -EMLINK the entry has other keys, and cannot
 * go to another tree; -EINVAL out of KT_SHARED */
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

/** Receives one entry of kt_each().
 *  @param arg    what was given to kt_each()
 *  @param key    valid during the call
 *  @param value  a view, as of kt_get()
 *  @return 0 to go on; else kt_each() ends and returns it */
typedef int kt_each_fn(void *arg, const struct kt_slice *key, const struct kt_slice *value);

/** Visit the entries whose keys begin with prefix, in order.
 *  @param prefix  size bytes; borrowed; size 0: all entries
 *  @param each    called for each; may change the tree through txn
 *  @param arg     given to each
 *  @return 0; what each returned */
KT_API int kt_each(
	struct kt_txn *txn, const void *prefix, size_t size, kt_each_fn *each, void *arg);

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

/** Read text that people edit: the value without its last newline, if it ends with one.
 *  @param ret_text  NUL-terminated; memory of the transaction, valid until it ends
 *  @return 0; -ENOENT; -EILSEQ the value has a NUL byte in it */
KT_API int kt_get_text(struct kt_txn *txn, const void *key, size_t key_size, const char **ret_text);

/** Write text, without its NUL and without adding a newline. @return as kt_put() */
KT_API int kt_put_text(struct kt_txn *txn, const void *key, size_t key_size, const char *text);

/** Read a whole number that is written as text: decimal digits, perhaps with a sign in front, and
 *  with white space or newlines around them.
 *  @return 0; -ENOENT; -EILSEQ the value is something else, or 256 bytes and more; -ERANGE the
 *          number does not fit */
KT_API int kt_get_long(struct kt_txn *txn, const void *key, size_t key_size, int64_t *ret_number);

/** Write a whole number as text. @return as kt_put() */
KT_API int kt_put_long(struct kt_txn *txn, const void *key, size_t key_size, int64_t number);

/* ---- numbers in keys ------------------------------------------------------------------------- */

/** Bytes of a number that is part of a key. */
#define KT_KEY_NUMBER_SIZE 8

/** Write a number in bytes that sort as the numbers do. */
KT_API void kt_key_put_u64(unsigned char ret_key[KT_KEY_NUMBER_SIZE], uint64_t number);

/** The number that kt_key_put_u64() wrote. */
KT_API uint64_t kt_key_get_u64(const unsigned char key[KT_KEY_NUMBER_SIZE]);

/** The same for signed numbers: negative ones sort first. */
KT_API void kt_key_put_i64(unsigned char ret_key[KT_KEY_NUMBER_SIZE], int64_t number);

/** The number that kt_key_put_i64() wrote. */
KT_API int64_t kt_key_get_i64(const unsigned char key[KT_KEY_NUMBER_SIZE]);

/** The same for doubles, from -infinity to infinity; -0.0 sorts before 0.0. */
KT_API void kt_key_put_double(unsigned char ret_key[KT_KEY_NUMBER_SIZE], double number);

/** The number that kt_key_put_double() wrote. */
KT_API double kt_key_get_double(const unsigned char key[KT_KEY_NUMBER_SIZE]);

/* ---- cursors --------------------------------------------------------------------------------- */

/** Open a cursor over the tree of txn. It stands nowhere yet. Changes through the same
 *  transaction are allowed while it is open: it then goes on from its key, whether that still
 *  exists or not.
 *  @param ret_cursor  end with kt_cursor_close(), before the transaction ends */
KT_API int kt_cursor_open(struct kt_txn *txn, struct kt_cursor **ret_cursor);

/** @param cursor  taken; NULL is allowed */
KT_API void kt_cursor_close(struct kt_cursor *cursor);

/** Have a cursor use memory again. From now on a value, or an attribute blob, that it returns is valid
 *  until the cursor is asked for that of another entry, or closes, if that is earlier than the end of
 *  other views. A walk over all entries then takes as much memory as the largest of them. */
KT_API void kt_cursor_set_transient(struct kt_cursor *cursor);

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

/** Go to the last entry of the range whose key is <= key. @return 0; -ENOENT there is none */
KT_API int kt_cursor_seek_le(struct kt_cursor *cursor, const void *key, size_t key_size);

/** Go to the next entry; from nowhere, to the first. @return 0; -ENOENT there is none (the cursor
 *  then stands after the last) */
KT_API int kt_cursor_next(struct kt_cursor *cursor);

/** Go to the previous entry; from nowhere, to the last. @return 0; -ENOENT there is none (the
 *  cursor then stands before the first) */
KT_API int kt_cursor_prev(struct kt_cursor *cursor);

/** Go to the next name: to the first key whose bytes behind skip, up to and with the next '/', differ
 *  from those of the key the cursor stands on; from nowhere, to the first. Keys below a name are
 *  passed over with one search. All keys of the range must have the same first skip bytes, as after
 *  kt_cursor_set_prefix().
 *  @param skip      bytes of the key in front of the name
 *  @param ret_name  valid as kt_cursor_key(). A name that ends with '/' has keys below; if an entry
 *                   has that name as well, it comes before, without '/'
 *  @return 0; -ENOENT there is none; -EINVAL the key has less than skip bytes */
KT_API int kt_cursor_next_name(struct kt_cursor *cursor, size_t skip, struct kt_slice *ret_name);

/** Key of the entry the cursor stands on; without one, an empty slice whose data is NULL. Valid
 *  until the cursor moves or closes. */
KT_API struct kt_slice kt_cursor_key(const struct kt_cursor *cursor);

/** Value of the entry the cursor stands on, as by kt_get(), but see kt_cursor_set_transient().
 *  @return 0 or an error; -ENOENT it was deleted meanwhile, or the cursor stands on none */
KT_API int kt_cursor_value(struct kt_cursor *cursor, struct kt_slice *ret_value);

/** kt_cursor_stat() into a struct of info_size bytes. @return as kt_cursor_value() */
KT_API int kt_cursor_stat_sized(
	struct kt_cursor *cursor, struct kt_entry_info *ret_info, size_t info_size);

/** What is known of the entry the cursor stands on. @return as kt_cursor_value() */
static inline int kt_cursor_stat(struct kt_cursor *cursor, struct kt_entry_info *ret_info)
{
	return kt_cursor_stat_sized(cursor, ret_info, sizeof(*ret_info));
}

/** Write the value of the entry the cursor stands on, as kt_put(). The cursor stays on it.
 *  @return as kt_put(); -ENOENT as kt_cursor_value() */
KT_API int kt_cursor_put(struct kt_cursor *cursor, const void *value, size_t value_size);

/** Delete the entry the cursor stands on. kt_cursor_next() and kt_cursor_prev() go on from there.
 *  @return as kt_delete(); -ENOENT as kt_cursor_value() */
KT_API int kt_cursor_delete(struct kt_cursor *cursor);

#ifdef __cplusplus
}
#endif

#endif
