/* Changes that happen only if nobody else has changed the entry: a program reads an entry and its
 * version, works without a transaction, and writes if the version is still that one. */
#include "store/entry/entry.h"
#include "store/error.h"
#include "store/commit/txn.h"

#include <errno.h>

/* @return 0; -ESTALE the entry has another version. ret_exists: there is an entry */
static int versioned_check(
	struct kt_txn *txn, const void *key, size_t key_size, uint64_t version, bool *ret_exists)
{
	struct entry entry;
	uint64_t there = 0;
	int err = txn->txn->writing ? entry_read_part(txn, key, key_size, &entry) : -EROFS;

	if (err != 0 && err != -ENOENT)
		return err;
	*ret_exists = !err;
	if (*ret_exists)
		there = entry.cell.version;
	if (*ret_exists ? version != 0 && there == version : version == 0)
		return 0;
	if (!*ret_exists)
		return error_set(-ESTALE, "the entry does not exist any more");
	return error_set(-ESTALE, "the entry has version %llu, not %llu", (unsigned long long)there,
		(unsigned long long)version);
}

int kt_put_if(struct kt_txn *txn, const void *key, size_t key_size, const void *value,
	size_t value_size, uint64_t version)
{
	bool exists;
	int err = versioned_check(txn, key, key_size, version, &exists);

	return err != 0 ? err : kt_put(txn, key, key_size, value, value_size);
}

int kt_delete_if(struct kt_txn *txn, const void *key, size_t key_size, uint64_t version)
{
	bool exists;
	int err = versioned_check(txn, key, key_size, version, &exists);

	return err != 0 || !exists ? err : kt_delete(txn, key, key_size, 0);
}
