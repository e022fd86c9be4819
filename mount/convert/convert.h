/* Exchange with other programs: all of a store as a sequence of records, in the formats of
 * format_*.c.
 *
 *     keytree export   one read transaction ── each record ──> format ──> file
 *     keytree import   file ──> format ── each record ──> one write transaction, or batches
 *
 * A record is an entry (key, value, attributes, time) or a made directory. A format writes the
 * records it is given one by one, and reads a file by putting what it finds into the store; both in
 * pieces, so that no value has to fit into memory.
 *
 * The folder, in reading order:
 *
 *     convert        records, and putting them into a store
 *     formats        the table of formats
 *     format_jsonl, format_sqlite, format_tar   one file each
 *     tar            tar_write and tar_read; tar_input, tar_header, tar_pax and tar_sparse read
 *     archives
 */
#ifndef MOUNT_CONVERT_CONVERT_H
#define MOUNT_CONVERT_CONVERT_H

#include "mount/text/progress.h"

#include "keytree_fs.h"

/** Values up to this size are handled at once, larger ones in pieces of it. A multiple of 3, so
 * that pieces of base64 need no padding. */
#define CONVERT_PIECE_SIZE ((size_t)3 * 256 * 1024)

/** One run of a command. */
struct convert {
	const char *path; /* of the file as the user named it, or "-" */
	int fd;		  /* the file; of a format that streams */
	const char *file; /* path to open; of a format that does not */
	const char *table, *key_column, *value_column; /* of SQLite; NULL: the usual */
	struct kt_store *store;
	struct kt_txn *txn;
	uint64_t batch;	  /* import: records in a transaction; 0: all */
	uint64_t records; /* so far */
	uint64_t done;	  /* export: bytes of these */
	struct progress progress;
	struct convert_shared_entry *shared; /* export: entries seen that have several keys */
	uint64_t left_out;		     /* export: sockets, which tar cannot hold */
	char left_out_path[256];	     /* of the first of these, cut if need be */
	char why[512];			     /* what is wrong with the file, if not empty */
};

/** A record to be written. */
struct record {
	bool is_directory;	   /* made; the key is that of its record */
	struct kt_slice key;	   /* valid during the call */
	struct kt_cursor *cursor;  /* export: stands on it */
	struct kt_entry_info stat; /* likewise; its attr names no numbers of this store alone */
	bool is_link;		   /* it shares the entry of an earlier record: */
	struct kt_slice link;	   /* the key of that */
};

/** A key by the entry that others share. */
struct convert_shared_entry;

struct format {
	const char *name;
	const char *endings; /* of file names, each behind a blank: " .jsonl .ndjson" */
	bool streams;	     /* it can be read from a pipe and written to one */

	/** Write all records. @return 0 or -errno */
	int (*write)(struct convert *convert);

	/** Read all records. @return 0 or -errno */
	int (*read)(struct convert *convert);
};

/** Find a format.
 *  @param name  of the format; NULL: find it by the ending of path
 *  @return NULL there is none */
const struct format *convert_find_format(const char *name, const char *path);

/** Remember what is wrong with the file. @return -EILSEQ */
int convert_malformed(struct convert *convert, const char *text, ...)
	__attribute__((format(printf, 2, 3)));

/* ---- export: what a format calls ---- */

/** Receives one record. @return 0 to go on */
typedef int convert_record_fn(void *arg, struct convert *convert, const struct record *record);

/** Visit all made directories and all entries, in the order of their keys: a directory comes right
 *  before what is in it. */
int convert_each_record(struct convert *convert, convert_record_fn *each, void *arg);

/** Receives a piece of a value that is stored, not a hole. @return 0 to go on */
typedef int convert_piece_fn(void *arg, uint64_t offset, const void *data, size_t size);

/** Visit the pieces of an entry's value. Holes are left out. */
int convert_each_piece(
	struct convert *convert, const struct record *record, convert_piece_fn *each, void *arg);

/* ---- import: what a format calls ---- */

/** Put an entry or a made directory, replacing what is there.
 *  @param record  its stat has size 0, attr and mtime
 *  @param value   of an entry; borrowed */
int convert_put(struct convert *convert, const struct record *record, const struct kt_slice *value);

/** Put a value alone: attributes stay, the time is now. */
int convert_put_value(
	struct convert *convert, const struct kt_slice *key, const struct kt_slice *value);

/** Write a piece into the value of an entry that was put; the time is set to what it is to be. */
int convert_put_piece(struct convert *convert, const struct kt_slice *key, uint64_t offset,
	const struct kt_slice *piece, int64_t mtime_ns);

/** Make another key for an entry that was put, replacing what is there.
 *  @return 0; -ENOENT there is no entry at from */
int convert_put_link(
	struct convert *convert, const struct kt_slice *from, const struct kt_slice *to);

/** A record has been dealt with; commits a batch when it is full.
 *  @param done  bytes of the file so far */
int convert_record_done(struct convert *convert, uint64_t done);

#endif
