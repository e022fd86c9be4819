/* The extent tree of a value: which pages hold which of its blocks.
 *
 * A record maps a range of blocks to a run of pages, all of one birth, with a checksum for each
 * block. Records never overlap. Blocks without a record are a hole.
 */
#ifndef STORE_VALUE_EXTENT_H
#define STORE_VALUE_EXTENT_H

#include "store/tree/cell.h"
#include "store/tree/page.h"

struct pager;
struct path;

/** A decoded extent record. */
struct extent {
	uint64_t block; /* first block of the value */
	uint64_t page;	/* where it lies */
	uint64_t count; /* blocks */
	uint64_t birth; /* transaction that wrote them */
	uint32_t sums[EXTENT_MAX_BLOCKS];
};

/** Decode a record.
 *  @param data  EXTENT_SIZE(0) bytes at least
 *  @param size  of the record
 *  @return 0; -EUCLEAN malformed, or outside the file */
int extent_parse(struct pager *pager, uint64_t block, const uint8_t *data, size_t size,
	struct extent *ret_extent);

/** Encode a record. @param data  EXTENT_SIZE(extent->count) bytes */
void extent_format(const struct extent *extent, uint8_t *data);

/** Cut an extent to the blocks [from, to), which it contains. */
void extent_slice(struct extent *extent, uint64_t from, uint64_t to);

/** Find the first extent of a value's tree that ends behind a block: the one that contains it, or
 * the next.
 *  @param value  of kind CELL_TREE
 *  @return 0; -ENOENT there is none */
int extent_find(
	struct pager *pager, const struct value *value, uint64_t block, struct extent *ret_extent);

/** The same, with the path to its record.
 *  @param tree  the value's */
int extent_path(struct pager *pager, const struct format_tree *tree, uint64_t block,
	struct path *ret_path, struct extent *ret_extent);

/** Add an extent to a value's tree, where there is a hole, and update value->blocks. */
int extent_add(struct pager *pager, struct value *value, const struct extent *extent);

/** Add a run of pages that this transaction wrote, in as few records as possible.
 *  @param sums  run->count checksums */
int extent_add_run(struct pager *pager, struct value *value, uint64_t block, const struct run *run,
	const uint32_t *sums);

/** Replace the checksums of an extent in a value's tree. */
int extent_update(struct pager *pager, struct value *value, const struct extent *extent);

/** Make the blocks [from, to) of a value's tree a hole and release their pages. */
int extent_remove(struct pager *pager, struct value *value, uint64_t from, uint64_t to);

/** Release all pages and nodes of a value's tree. */
int extent_free(struct pager *pager, const struct value *value);

#endif
