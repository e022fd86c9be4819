#include "store/tree/overflow.h"

#include "store/tree/cell.h"
#include "store/error.h"
#include "store/tree/pager.h"

#include <string.h>

uint64_t overflow_next(const uint8_t *page)
{
	return load64(page + sizeof(struct page_header));
}

/* One page of a chain of which left bytes remain. */
static int overflow_chain_page(
	struct pager *pager, uint64_t ref, size_t left, const uint8_t **ret_page, size_t *ret_size)
{
	const uint8_t *page;
	const struct page_header *header;
	size_t size = left < OVERFLOW_PAYLOAD ? left : OVERFLOW_PAYLOAD;
	int err = pager_page(pager, ref, &page);

	if (err != 0)
		return err;
	header = (const struct page_header *)(const void *)page;
	if (header->kind != PAGE_OVERFLOW || header->count != size)
		return error_damaged(ref_page(ref), "not the overflow page that is referred to");
	*ret_page = page;
	*ret_size = size;
	return 0;
}

int overflow_read(struct pager *pager, uint64_t ref, void *buf, size_t size)
{
	uint8_t *to = buf;

	while (size > 0) {
		const uint8_t *page;
		size_t part;
		int err = overflow_chain_page(pager, ref, size, &page, &part);

		if (err != 0)
			return err;
		memcpy(to, page + PAGE_SIZE - OVERFLOW_PAYLOAD, part);
		to += part;
		size -= part;
		ref = overflow_next(page);
	}
	return 0;
}

int overflow_free(struct pager *pager, uint64_t ref, size_t size)
{
	while (size > 0) {
		const uint8_t *page;
		uint64_t next;
		size_t part;
		int err = overflow_chain_page(pager, ref, size, &page, &part);

		if (err != 0)
			return err;
		next = overflow_next(page);
		err = pager_free(pager, ref);
		if (err != 0)
			return err;
		size -= part;
		ref = next;
	}
	return 0;
}

/* From the last page to the first, because each refers to the next. */
int overflow_write(struct pager *pager, const void *data, size_t size, uint64_t *ret_ref)
{
	size_t pages = (size + OVERFLOW_PAYLOAD - 1) / OVERFLOW_PAYLOAD;
	uint64_t next = 0;

	for (size_t i = pages; i-- > 0;) {
		size_t at = i * OVERFLOW_PAYLOAD;
		size_t part = size - at < OVERFLOW_PAYLOAD ? size - at : OVERFLOW_PAYLOAD;
		struct page_header *header;
		uint64_t ref;
		uint8_t *page;
		int err = pager_new(pager, &ref, &page);

		if (err != 0)
			return err;
		header = (struct page_header *)(void *)page;
		header->kind = PAGE_OVERFLOW;
		header->count = (uint16_t)part;
		store64(page + sizeof(*header), next);
		memcpy(page + PAGE_SIZE - OVERFLOW_PAYLOAD, (const uint8_t *)data + at, part);
		next = ref;
	}
	*ret_ref = next;
	return 0;
}
