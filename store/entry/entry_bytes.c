/* Bytes of a caller that may lie in the store which is being changed. See entry.h. */
#include "store/entry/entry.h"

#include "store/commit/txn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Views of small values and attributes may lie in a page in memory; a copy costs less than to find out.
 * Views of large values lie in the map; what was put together for the caller stays until the end of
 * the transaction. */
int entry_bytes_init(
	const struct kt_txn *txn, const void *data, size_t size, struct entry_bytes *bytes)
{
	const struct pager *pager = &txn->txn->pager;
	const uint8_t *at = data;

	bytes->data = data;
	bytes->copy = NULL;
	if (size == 0)
		return 0;
	if (size <= sizeof(bytes->small)) {
		bytes->data = memcpy(bytes->small, data, size);
		return 0;
	}
	if (at < pager->map || at >= pager->map + (pager->page_count << PAGE_SHIFT))
		return 0;
	bytes->copy = malloc(size);
	if (bytes->copy == NULL)
		return -ENOMEM;
	bytes->data = memcpy(bytes->copy, data, size);
	return 0;
}

void entry_bytes_fini(struct entry_bytes *bytes)
{
	free(bytes->copy);
}
