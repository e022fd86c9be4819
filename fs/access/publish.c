/* From content in memory to the store. See publish.h. */
#include "fs/access/publish.h"

#include "fs/core.h"
#include "fs/dirty/backing.h"
#include "fs/dirty/dirty_file.h"
#include "fs/editor_hooks.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* Write what was gathered to an entry. */
static int write_ranges(const struct write_buffer *buffer, const struct backing *backing)
{
	int err = 0;

	for (size_t i = 0; i < buffer->count && !err; i++) {
		const struct write_range *range = &buffer->ranges[i];

		err = kt_write(backing->tree, backing->key, backing->key_size, range->offset,
			range->data, range->size);
	}
	return err;
}

/* Is the file still there, and no other thing? */
static int check_backing(const struct backing *backing, const struct inode *node)
{
	struct known known;
	struct kt_entry_info stat;
	int err = kt_stat(backing->tree, backing->key, backing->key_size, &stat);

	if (!err)
		err = stat_known(&stat, &known);
	if (!err && inode_is_other(node, &known.attr))
		err = -ESTALE;
	return err == -ENOENT ? -ESTALE : err;
}

/* Write into the value under the key. The blob stays: another mtime than the blob's own says that
 * the file was written since, so ctime is right as well. */
static int publish_ranges(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, const void *data, size_t size)
{
	struct backing backing;
	int err;

	backing_entry(key, txn, &backing);
	err = check_backing(&backing, dirty->node);
	if (!err)
		err = write_ranges(&dirty->buffer, &backing);
	if (!err && size > 0)
		err = kt_write(txn, key->bytes, key->size, offset, data, size);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, dirty->mtime_ns);
	return err;
}

/* Make what is below whole content all of it. */
static int complete_backing(const struct dirty_file *dirty, const struct backing *backing)
{
	uint64_t end = write_buffer_end(&dirty->buffer);
	int err = 0;

	if (dirty->cut)
		err = kt_truncate(backing->tree, backing->key, backing->key_size, dirty->base_size);
	if (!err)
		err = write_ranges(&dirty->buffer, backing);
	if (!err && dirty->size > (end > dirty->base_size ? end : dirty->base_size))
		err = kt_truncate(backing->tree, backing->key, backing->key_size, dirty->size);
	return err;
}

static int publish_from_memory(const struct dirty_file *dirty, struct kt_txn *txn,
	const struct key *key, const struct attr_blob *blob)
{
	const struct write_buffer *buffer = &dirty->buffer;
	const struct write_range *range = buffer->ranges;
	bool plain = buffer->count == 1 && range->offset == 0 && range->size == dirty->size;
	struct backing backing;
	int err;

	if (plain || dirty->size == 0)
		return kt_put_entry(txn, key->bytes, key->size, plain ? range->data : NULL,
			plain ? range->size : 0, blob->bytes, blob->size, dirty->mtime_ns);
	err = kt_put_entry(
		txn, key->bytes, key->size, NULL, 0, blob->bytes, blob->size, dirty->mtime_ns);
	backing_entry(key, txn, &backing);
	if (!err)
		err = complete_backing(dirty, &backing);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, dirty->mtime_ns);
	return err;
}

/* What is below whole content gets the key. */
static int publish_backing(const struct dirty_file *dirty, struct kt_txn *txn,
	const struct key *key, const struct attr_blob *blob)
{
	uint64_t id = backing_id(dirty);
	struct backing backing;
	struct key from;
	int err = backing_find(dirty, txn, &from, &backing);

	if (!err)
		err = complete_backing(dirty, &backing);
	if (!err)
		err = id != 0 ? kt_nameless_link(txn, id, key->bytes, key->size)
			      : kt_move(backing.tree, from.bytes, from.size, txn, key->bytes,
					key->size);
	if (!err)
		err = kt_set_attr(txn, key->bytes, key->size, blob->bytes, blob->size);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, dirty->mtime_ns);
	return err;
}

/* Others may have given the file's entry a second name, while the node is not known by the entry:
 * that has not been told yet, or another node is. Then the content is that of all its names.
 * @param ret_key  of the entry, if it is so
 * @return 1 it is so; 0 */
static int publish_is_shared(const struct dirty_file *dirty, struct kt_txn *txn,
	const struct key *key, struct key *ret_key)
{
	struct kt_entry_info stat;
	int err;

	if (dirty->node->shared != 0 ||
		(!foreign_is_pending(dirty->fs) && !inodes_any_shared(&dirty->fs->nodes)))
		return 0;
	err = kt_stat(txn, key->bytes, key->size, &stat);
	if (err || stat.shared == 0)
		return err == -ENOENT ? 0 : err;
	kt_id_key(stat.shared, ret_key->bytes);
	ret_key->size = KT_ID_KEY_SIZE;
	return 1;
}

/* Others may have moved away the entry whose value this was to replace, or put another in its
 * place. That one has its number: this is another file then. But we may be moving it ourselves.
 * @return 0 and the attributes to be stored */
static int publish_attr(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	struct attr *attr)
{
	struct known known = {0};
	struct kt_entry_info stat;
	struct key own;
	int err;

	*attr = dirty->attr;
	if (!dirty->replaces || dirty->node->shared != 0 || !(attr->fields & ATTR_INO))
		return 0;
	err = inode_key(dirty->fs->separator, dirty->node, &own);
	if (err || own.size != key->size || memcmp(own.bytes, key->bytes, key->size) != 0)
		return err == -ENOENT ? 0 : err;
	err = kt_stat(txn, key->bytes, key->size, &stat);
	if (!err)
		err = stat_known(&stat, &known);
	if (err && err != -ENOENT)
		return err;
	if (!(known.attr.fields & ATTR_INO) || known.attr.ino != attr->ino)
		attr->fields &= ~(unsigned)ATTR_INO;
	return 0;
}

static int publish_whole(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key)
{
	struct attr_blob blob;
	struct attr attr;
	int err = publish_attr(dirty, txn, key, &attr);

	if (!err)
		err = attr_blob_init(&attr, &blob);
	if (err)
		return err;
	if (backing_exists(dirty))
		err = publish_backing(dirty, txn, key, &blob);
	else
		err = publish_from_memory(dirty, txn, key, &blob);
	attr_blob_fini(&blob);
	return err;
}

int publish_file(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key)
{
	struct key entry;
	int err = 0;

	foreign_shown(dirty->fs, dirty->node);
	if (!dirty->whole)
		return publish_ranges(dirty, txn, key, 0, NULL, 0);
	if (dirty->node->shared == 0)
		err = editors_yield(dirty->fs, txn, key);
	if (!err)
		err = foreign_reviving(dirty->fs, dirty->node->parent);
	if (!err)
		err = publish_is_shared(dirty, txn, key, &entry);
	if (err < 0)
		return err;
	return err > 0 ? publish_whole(dirty, kt_tree(txn, KT_SHARED), &entry)
		       : publish_whole(dirty, txn, key);
}

int publish_spill(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, const void *data, size_t size, uint64_t *ret_nameless)
{
	struct backing backing;
	int err = 0;

	assert(dirty->aside == NULL);
	*ret_nameless = dirty->nameless;
	if (!dirty->whole)
		return publish_ranges(dirty, txn, key, offset, data, size);
	if (*ret_nameless == 0)
		err = kt_nameless_new(txn, ret_nameless);
	backing_nameless(*ret_nameless, txn, &backing);
	if (!err && dirty->cut)
		err = kt_truncate(backing.tree, backing.key, backing.key_size, dirty->base_size);
	if (!err)
		err = write_ranges(&dirty->buffer, &backing);
	if (!err && size > 0)
		err = kt_write(backing.tree, backing.key, backing.key_size, offset, data, size);
	return err;
}
