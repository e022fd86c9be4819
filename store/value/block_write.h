/* Bytes that are written as blocks of a value.
 *
 *     bytes             [--------------------------]
 *     blocks     |  first  |        |        |    last  |
 *
 * The first and the last block are completed with the bytes that the value holds there now, in
 * buffers of their own. The blocks between are written directly from the caller's memory.
 */
#ifndef STORE_VALUE_BLOCK_WRITE_H
#define STORE_VALUE_BLOCK_WRITE_H

#include "store/tree/cell.h"
#include "store/tree/page.h"

struct pager;

struct blocks {
	const uint8_t *data; /* byte at offset of the value */
	uint64_t offset;
	uint64_t first, end; /* blocks */
	bool own_first, own_last;
	uint8_t first_block[PAGE_SIZE];
	uint8_t last_block[PAGE_SIZE];
};

/** Describe bytes as blocks.
 *  @param value   the value before the change
 *  @param offset  of the bytes in the value
 *  @param data    size > 0 bytes; borrowed as long as the blocks are used
 *  @return 0; -EBADMSG, -EUCLEAN the value is damaged */
int blocks_init(struct pager *pager, const struct value *value, uint64_t offset, const void *data,
	uint64_t size, struct blocks *blocks);

/** Write the blocks from first on to the pages of a run.
 *  @param sums  run->count of them: the checksums */
int blocks_write_run(struct pager *pager, const struct blocks *blocks, uint64_t first,
	const struct run *run, uint32_t *sums);

/** Write the blocks from first on to new pages: to free ones if the file cannot grow.
 *  @param want     blocks that are left
 *  @param ret_run  1 to want pages, which the blocks are in
 *  @param sums     want of them: the checksums */
int blocks_place(struct pager *pager, const struct blocks *blocks, uint64_t first, uint64_t want,
	struct run *ret_run, uint32_t *sums);

/** Put the blocks from first to end into new pages. @param value  of kind CELL_TREE */
int blocks_write_new(struct pager *pager, struct value *value, const struct blocks *blocks,
	uint64_t first, uint64_t end);

/** Write all blocks: in place where this transaction wrote them before, else into new pages.
 *  @param value  of kind CELL_TREE */
int blocks_write(struct pager *pager, struct value *value, const struct blocks *blocks);

#endif
