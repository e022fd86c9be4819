/* Dirty files: what was written to a file and is not in the store under its key yet.
 *
 * The folder, in reading order: write_buffer.h holds the written ranges in memory, dirty_file.h is
 * a file with such ranges, backing.h finds the entry below them, flusher_due.h says when they are
 * published, conflict.h drops them when other processes change the entry. access/publish.h writes
 * them to the store.
 *
 * A dirty file is *whole* if its content is that of a new file, of a file that was truncated when
 * it was opened, or of a file that was removed while open. Whole content replaces the value under
 * the key in one transaction, or is dropped if the file was removed. That is when its handle is
 * flushed; but a log that a program keeps open is published by its age, when what was written to it
 * is old and not more than a program writes that has something to tell. It lies in memory; past some
 * size it lies in a nameless entry, with the write buffer on top:
 *
 *     buffer        [written]      [written]
 *     nameless  |---------------|                 size -->|
 *
 * A file that was put aside (editors/aside.h) has the entry of another key as its backing, in place
 * of the nameless entry.
 *
 * A dirty file that is not whole holds writes into an existing value for at most a second. The
 * value under the key is its backing.
 *
 * Only open files and scratch files are dirty: other dirty content ends with the last handle.
 */
#ifndef FS_DIRTY_DIRTY_FILE_H
#define FS_DIRTY_DIRTY_FILE_H

#include "fs/meta/attr.h"
#include "fs/dirty/write_buffer.h"
#include "fs/tree/inode.h"
#include "fs/meta/stat.h"

struct aside;
struct fs;

/** What happens to whole content when its file is closed. */
enum dirty_plan {
	DIRTY_PUBLISH, /* it is published under the key */
	DIRTY_SCRATCH, /* it stays in memory until the file system ends (scratch.h) */
	DIRTY_DELAYED, /* it is saved a moment later, unless it has gone by then */
};

struct dirty_file {
	struct fs *fs;
	struct dirty_file *next, **link; /* in fs->contents; or, link NULL, in fs->abandoned */
	struct inode *node;
	bool whole;
	enum dirty_plan plan; /* if whole */
	bool failed;	      /* it could not be published in the background, which was told */
	uint64_t tried;	      /* the round in which it was tried to publish it alone (flusher.c) */
	bool lost;	      /* not whole, and the value it was written into is gone */
	struct write_buffer buffer;
	int64_t mtime_ns; /* of the file */

	/* if whole */
	int64_t since_ms;    /* when it was first written; 0: it was not */
	int64_t due_ms;	     /* of fate DIRTY_DELAYED: when it is to be saved (flusher.h) */
	struct aside *aside; /* NULL: it was not put aside */
	uint64_t nameless;   /* id of the nameless entry below; 0: none */
	uint64_t base_size;  /* bytes of it that count */
	bool cut;	     /* it has more */
	uint64_t size;	     /* of the file */
	struct attr attr;    /* all of them; its xattrs are malloc'd */
	uint64_t claim;	     /* on the key of a new file, as kt_claim_of() has it; 0: none */
	bool replaces;	     /* the value of an entry that was there, with its attributes */
};

/** Make the file of a node dirty that is not yet. @return 0; -ENOMEM */
int dirty_begin(struct fs *fs, struct inode *node, struct dirty_file **ret_dirty);

/** Make content whole and empty.
 *  @param known  of the file; its attributes are copied
 *  @return 0; -ENOMEM */
int dirty_make_whole(struct dirty_file *dirty, const struct known *known);

/** The file is in the store, or has lost its name: the key is claimed no longer. A node without
 *  content, and NULL, are allowed. */
void dirty_unclaim(struct inode *node);

/** The value below content that is not whole has moved to a nameless entry: it is whole now.
 *  @param known  of the file; its attributes are copied, but extended ones are lost if memory is */
void dirty_lose_key(struct dirty_file *dirty, const struct known *known, uint64_t nameless);

/** Does the content of a node stay in memory when its last handle ends: as long as it has a name, or
 *  for a moment? */
bool dirty_stays(const struct inode *node);

/** Drop a node's content, if it has any, from memory. */
void dirty_drop(struct inode *node);

/** The same; if there is a nameless entry below, what knows of it goes to fs->abandoned. */
void dirty_abandon(struct fs *fs, struct inode *node);

/** What is known of a file with this content.
 *  @param known  what the store knows; all replaced if the content is whole */
void dirty_known(const struct dirty_file *dirty, struct known *known);

/** Read, from what is below and what was gathered.
 *  @param txn  to read what is below; NULL: nothing is, in the store
 *  @param key  of the file; not used if the content is whole */
int dirty_read(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, void *buf, size_t size, size_t *ret_read);

/** Find the next range that is stored or gathered, not a hole, at or behind an offset.
 *  @param key  of the file; not used if the content is whole
 *  @return 0; -ENXIO there is none */
int dirty_next_data(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end);

/** Make a range of whole content a hole, also of what is below. What was gathered is gone then even
 *  if the transaction does not commit: the caller has failed before, or tells of it.
 *  @return 0; -ENOMEM */
int dirty_punch(struct dirty_file *dirty, struct kt_txn *txn, uint64_t offset, uint64_t size);

/** Gather a write. @return 0; -ENOMEM */
int dirty_write(struct dirty_file *dirty, uint64_t offset, const void *data, size_t size);

/** The file was changed now. */
void dirty_stamp(struct dirty_file *dirty);

/** The file has lost its name, or got another one: its ctime is now. @param dirty  whole */
void dirty_touch(struct dirty_file *dirty);

/** Set the size of whole content. */
void dirty_resize(struct dirty_file *dirty, uint64_t size);

/** Change attributes, times and size of whole content.
 *  @param known  what they become; copied
 *  @return 0; -ENOMEM */
int dirty_set_attr(struct dirty_file *dirty, const struct known *known);

/** The nameless entry has got what was written, and then a range more (publish_spill()).
 *  @param nameless  its id */
void dirty_spilled(struct dirty_file *dirty, uint64_t nameless, uint64_t offset, size_t size);

/** Delete what is below whole content, if it is in the store. */
int dirty_delete_nameless(const struct dirty_file *dirty, struct kt_txn *txn);

#endif
