/* The entry below a dirty file. See backing.h. */
#include "fs/editor_hooks.h"
#include "fs/dirty/backing.h"

#include "fs/dirty/dirty_file.h"

void backing_nameless(uint64_t id, struct kt_txn *txn, struct backing *ret_backing)
{
	kt_id_key(id, ret_backing->nameless);
	ret_backing->tree = kt_tree(txn, KT_NAMELESS);
	ret_backing->key = ret_backing->nameless;
	ret_backing->key_size = KT_ID_KEY_SIZE;
}

void backing_entry(const struct key *key, struct kt_txn *txn, struct backing *ret_backing)
{
	ret_backing->tree = txn;
	ret_backing->key = key->bytes;
	ret_backing->key_size = key->size;
}

bool backing_exists(const struct dirty_file *dirty)
{
	return dirty->nameless != 0 || dirty->aside != NULL;
}

uint64_t backing_id(const struct dirty_file *dirty)
{
	return dirty->aside != NULL ? editors_nameless(dirty) : dirty->nameless;
}

int backing_find(const struct dirty_file *dirty, struct kt_txn *txn, struct key *key,
	struct backing *ret_backing)
{
	uint64_t id = backing_id(dirty);
	int err = id == 0 ? editors_key(dirty, key) : 0;

	if (id != 0)
		backing_nameless(id, txn, ret_backing);
	else if (!err)
		backing_entry(key, kt_tree(txn, KT_ENTRIES), ret_backing);
	return err;
}
