/* From content in memory to the store: content is published under the key of its file, or spilled,
 * which means that what lies in memory is written out while the file is still being written. */
#ifndef FS_ACCESS_PUBLISH_H
#define FS_ACCESS_PUBLISH_H

#include <stddef.h>
#include <stdint.h>

struct dirty_file;
struct key;
struct kt_txn;

/** Bring content to its key, with attributes and mtime. When the transaction has committed, the
 *  caller drops the content (dirty_drop()).
 *  @return 0; -ESTALE there is no such entry any more to write into */
int publish_file(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key);

/** Write what lies in memory, and then data, to the entry below: the nameless one of whole content,
 *  else that of the key. When the transaction has committed, the caller says so (dirty_spilled(), or
 *  dirty_drop() if the content is not whole).
 *  @param key           of the file; not used if the content is whole
 *  @param ret_nameless  id of the nameless entry
 *  @return 0; -ESTALE there is no such entry any more */
int publish_spill(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, const void *data, size_t size, uint64_t *ret_nameless);

#endif
