/* Chains of overflow pages: keys and attribute blobs that are too long for a node. */
#ifndef STORE_TREE_OVERFLOW_H
#define STORE_TREE_OVERFLOW_H

#include <stddef.h>
#include <stdint.h>

struct pager;

/** Reference of the page behind an overflow page, or 0. @param page  its bytes */
uint64_t overflow_next(const uint8_t *page);

/** Write bytes to a new chain.
 *  @param ret_ref  reference of its first page */
int overflow_write(struct pager *pager, const void *data, size_t size, uint64_t *ret_ref);

/** Read a chain.
 *  @param buf   size bytes
 *  @param size  what the chain must hold
 *  @return 0; -EUCLEAN */
int overflow_read(struct pager *pager, uint64_t ref, void *buf, size_t size);

/** Free a chain. @param size  what it holds */
int overflow_free(struct pager *pager, uint64_t ref, size_t size);

#endif
