/* The entry that lies below content. See backing.h. */
#include "fs/dirty/backing.h"

#include "fs/dirty/dirty_file.h"

void below_nameless(uint64_t id, struct kt_txn *txn, struct below *ret_below)
{
	kt_id_key(id, ret_below->nameless);
	ret_below->tree = kt_tree(txn, KT_NAMELESS);
	ret_below->key = ret_below->nameless;
	ret_below->key_size = KT_ID_KEY_SIZE;
}

void below_entry(const struct key *key, struct kt_txn *txn, struct below *ret_below)
{
	ret_below->tree = txn;
	ret_below->key = key->bytes;
	ret_below->key_size = key->size;
}

bool below_is_there(const struct content *content)
{
	return content->nameless != 0 || content->aside != NULL;
}

uint64_t below_id(const struct content *content)
{
	return content->aside != NULL ? content->aside->taken : content->nameless;
}

int below_find(
	const struct content *content, struct kt_txn *txn, struct key *key, struct below *ret_below)
{
	uint64_t id = below_id(content);
	int err = id == 0 ? aside_key(content, key) : 0;

	if (id != 0)
		below_nameless(id, txn, ret_below);
	else if (!err)
		below_entry(key, kt_tree(txn, KT_ENTRIES), ret_below);
	return err;
}
