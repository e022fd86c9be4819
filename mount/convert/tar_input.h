/* Reading a tar archive, byte for byte: libarchive takes the compression away, and the headers are
 * read here. libarchive's own reader composes the letters of names and hands out names of extended
 * attributes that may be encoded or not, so that two files of an archive could become one. Private
 * to the reading of tar.
 *
 *     file ──> libarchive (gzip, xz, zstd) ──> tar_input.c: bytes, and where a body ends
 *         ──> tar_header.c: blocks of 512 bytes, long names   ┐
 *             tar_pax.c: records KEY=VALUE of pax headers     ├─> struct tar_entry
 *             tar_sparse.c: where a file with holes has data  ┘
 *         ──> tar_read.c: records of the store
 *
 * Known are the formats v7, ustar, pax, GNU's and star's, with GNU's four ways to keep holes.
 */
#ifndef MOUNT_CONVERT_TAR_INPUT_H
#define MOUNT_CONVERT_TAR_INPUT_H

#include "mount/convert/convert.h"

#include "fs/meta/attr.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAR_BLOCK_SIZE ((size_t)512)

struct archive;

/** Bytes that grow, with a NUL behind them that does not count. */
struct tar_bytes {
	char *data; /* NULL: there are none */
	size_t size;
};

/** Where a file with holes has data. */
struct tar_data {
	uint64_t offset, size;
};

struct tar_input {
	struct convert *convert;
	struct archive *archive;
	bool is_empty;		  /* the file has no bytes at all */
	uint64_t body;		  /* bytes of the entry's body that were not read yet */
	size_t padding;		  /* bytes after them, up to a whole block */
	struct tar_bytes globals; /* pax records for all entries that follow */
};

/** One entry of the archive. */
struct tar_entry {
	bool is_link;	  /* a further name of the file at target */
	bool is_sparse;	  /* only the ranges of data have bytes in the body */
	struct attr attr; /* type, mode, owner, ...; its xattrs are owned */
	int64_t mtime_ns;
	struct tar_bytes path, target;
	uint64_t size;	       /* of the file */
	struct tar_data *data; /* ascending; data_count of them */
	size_t data_count, data_room;
	uint64_t next_offset;	 /* pax: of the range whose size comes next */
	unsigned sparse_version; /* pax: 1 if the body begins with the ranges */
	bool has_name;		 /* pax: a sparse file's path was given by GNU.sparse.name */
};

/* ---- tar_input.c ---- */

/** Open. @param convert  borrowed @return 0; -errno */
int tar_input_open(struct convert *convert, struct tar_input *input);

/** Close, also after tar_input_open() failed. */
void tar_input_close(struct tar_input *input);

/** Bytes of the file that were read so far. */
uint64_t tar_input_done(const struct tar_input *input);

/** Read as many bytes as the file has left, but no more than asked for.
 *  @return 0; -errno */
int tar_input_read(struct tar_input *input, void *buffer, size_t size, size_t *ret_size);

/** Read the next bytes of the body.
 *  @param size  at most input->body
 *  @return 0; -EILSEQ the archive is cut off; -errno */
int tar_input_body(struct tar_input *input, void *buffer, size_t size);

/** Skip what is left of the body and its padding. */
int tar_input_skip(struct tar_input *input);

/** Append what is left of the body to bytes.
 *  @return 0; -EILSEQ it is larger than any header; -errno */
int tar_input_take(struct tar_input *input, struct tar_bytes *bytes);

/** Is something wrong with the archive? @return -EILSEQ, with the number of the entry in words */
int tar_input_malformed(struct tar_input *input, const char *why);

/** Copy bytes, replacing what is there. @return 0; -ENOMEM */
int tar_bytes_set(struct tar_bytes *bytes, const void *data, size_t size);

/** Append a copy of bytes. @return 0; -ENOMEM */
int tar_bytes_add(struct tar_bytes *bytes, const void *data, size_t size);

/* ---- tar_header.c ---- */

/** Read up to the next entry's body.
 *  @param entry  zeroed before the first; free with tar_entry_fini()
 *  @return 0; -ENODATA the archive ends here; -EILSEQ; -errno */
int tar_next_entry(struct tar_input *input, struct tar_entry *entry);

/** Free what an entry owns, and make it empty. */
void tar_entry_fini(struct tar_entry *entry);

/** A number of a header: octal digits, or binary with the highest bit set.
 *  @return false: it is neither */
bool tar_number(const char *field, size_t size, int64_t *ret_number);

/* ---- tar_pax.c ---- */

/** Apply pax records to an entry, in their order.
 *  @return 0; -EILSEQ they are malformed; -ENOMEM */
int tar_pax_apply(
	struct tar_input *input, const struct tar_bytes *records, struct tar_entry *entry);

/* ---- tar_sparse.c ---- */

/** A range of data comes next. @return 0; -EILSEQ it is not behind those before; -ENOMEM */
int tar_sparse_add(
	struct tar_input *input, struct tar_entry *entry, uint64_t offset, uint64_t size);

/** Read the ranges of GNU's old format: of the header, and of the blocks that follow it. */
int tar_sparse_header(struct tar_input *input, const char *block, struct tar_entry *entry);

/** The ranges as one pax record has them: "offset,size,offset,size". */
int tar_sparse_list(
	struct tar_input *input, const char *list, size_t size, struct tar_entry *entry);

/** Read the ranges with which the body begins. */
int tar_sparse_body(struct tar_input *input, struct tar_entry *entry);

/** Digits at the begin of bytes. @return how many; 0: there is none, or the number is too large */
size_t tar_digits(const char *bytes, size_t size, uint64_t *ret_number);

/** Is the body as long as the ranges together, and the file long enough? @return 0; -EILSEQ */
int tar_sparse_check(struct tar_input *input, const struct tar_entry *entry);

#endif
