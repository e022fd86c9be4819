/* Pages and references to them: checksum, tag, and the one place where both are compared. */
#ifndef STORE_TREE_PAGE_H
#define STORE_TREE_PAGE_H

#include "store/format.h"

#include <stdbool.h>
#include <stdint.h>

/** Pages in a row. */
struct run {
	uint64_t start; /* page number */
	uint64_t count; /* pages */
};

/** Page number of a reference. */
static inline uint64_t ref_page(uint64_t ref)
{
	return ref & ((UINT64_C(1) << PAGE_BITS) - 1);
}

/** Tag of a reference. */
static inline uint32_t ref_tag(uint64_t ref)
{
	return (uint32_t)(ref >> PAGE_BITS);
}

/** Reference to a page with a given checksum. */
static inline uint64_t ref_make(uint64_t page, uint64_t checksum)
{
	return page | checksum << PAGE_BITS;
}

/** Can a reference be one in the file? One to a page in memory (pager.h) or to the first pages
 *  cannot. The size of the file is not considered. */
static inline bool ref_is_placed(uint64_t ref)
{
	return ref_page(ref) >= PAGE_FIRST && ref_page(ref) <= PAGE_MAX;
}

/** Seed of all checksums of a store. @param id  its 16 bytes */
uint64_t page_seed(const uint8_t *id);

/** Checksum of a page with a header, from its bytes. @param page  PAGE_SIZE bytes */
uint64_t page_checksum(const void *page, uint64_t seed);

/** Checksum of a block of a value. @param block  PAGE_SIZE bytes */
uint64_t block_checksum(const void *block, uint64_t seed);

/** Fill in number, birth and checksum of a page that is otherwise complete.
 *  @param page    PAGE_SIZE bytes beginning with a struct page_header
 *  @param number  where it will be written
 *  @param txn     the transaction that writes it
 *  @return the reference to it */
uint64_t page_seal(void *page, uint64_t number, uint64_t txn, uint64_t seed);

/** Is this the page that the reference means, and is its checksum right?
 *  @param page  PAGE_SIZE bytes
 *  @return 0; -EUCLEAN with its note */
int page_verify(const void *page, uint64_t ref, uint64_t seed);

#endif
