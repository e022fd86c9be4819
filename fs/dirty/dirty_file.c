/* What was written to an open file and is not in the store under its key yet. See dirty_file.h. */
#include "fs/dirty/dirty_file.h"

#include "fs/dirty/backing.h"
#include "fs/core.h"
#include "fs/editor_hooks.h"
#include "fs/meta/stat.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- in memory ------------------------------------------------------------------------------- */

int dirty_begin(struct fs *fs, struct inode *node, struct dirty_file **ret_dirty)
{
	struct dirty_file *dirty = calloc(1, sizeof(*dirty));

	assert(node->dirty == NULL);
	if (dirty == NULL)
		return -ENOMEM;
	dirty->fs = fs;
	dirty->node = node;
	dirty->mtime_ns = core_now_ns();
	dirty->next = fs->dirty_files;
	dirty->link = &fs->dirty_files;
	if (dirty->next != NULL)
		dirty->next->link = &dirty->next;
	fs->dirty_files = dirty;
	node->dirty = dirty;
	*ret_dirty = dirty;
	return 0;
}

/* Copy extended attributes. @return 0; -ENOMEM, and *ret_copy is empty */
static int copy_xattrs(const struct attr *attr, struct kt_slice *ret_copy)
{
	void *copy;

	*ret_copy = (struct kt_slice){0};
	if (attr->xattrs.size == 0)
		return 0;
	copy = malloc(attr->xattrs.size);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, attr->xattrs.data, attr->xattrs.size);
	*ret_copy = (struct kt_slice){copy, attr->xattrs.size};
	return 0;
}

/* Take over attributes. @param xattrs  a copy of those that known has; taken */
static void set_whole(struct dirty_file *dirty, const struct known *known, struct kt_slice xattrs)
{
	if (dirty->whole)
		free((void *)dirty->attr.xattrs.data);
	dirty->whole = true;
	dirty->lost = false;
	dirty->attr = known->attr;
	dirty->attr.fields |= ATTR_CTIME;
	attr_set_xattrs(&dirty->attr, xattrs);
}

int dirty_make_whole(struct dirty_file *dirty, const struct known *known)
{
	struct kt_slice xattrs;
	int err = copy_xattrs(&known->attr, &xattrs);

	if (err)
		return err;
	set_whole(dirty, known, xattrs);
	dirty_resize(dirty, 0);
	return 0;
}

void dirty_lose_key(struct dirty_file *dirty, const struct known *known, uint64_t nameless)
{
	struct kt_slice xattrs;

	assert(!dirty->whole && dirty->nameless == 0 && nameless != 0);
	copy_xattrs(&known->attr, &xattrs);
	set_whole(dirty, known, xattrs);
	dirty->nameless = nameless;
	dirty->size = dirty->base_size = known->size;
	dirty->mtime_ns = known->mtime_ns;
}

/* Take content from its node, and all that it has in memory. */
static void dirty_unlink(struct dirty_file *dirty)
{
	struct inode *node = dirty->node;

	assert(*dirty->link == dirty && node->dirty == dirty);
	*dirty->link = dirty->next;
	if (dirty->next != NULL)
		dirty->next->link = dirty->link;
	write_buffer_clear(&dirty->buffer);
	if (dirty->whole)
		free((void *)dirty->attr.xattrs.data);
	editors_drop(dirty);
	node->dirty = NULL;
}

bool dirty_stays(const struct inode *node)
{
	return node->dirty != NULL && node->dirty->plan != DIRTY_PUBLISH && inode_has_place(node);
}

void dirty_drop(struct inode *node)
{
	struct dirty_file *dirty = node->dirty;

	if (dirty == NULL)
		return;
	dirty_unlink(dirty);
	free(dirty);
}

void dirty_abandon(struct fs *fs, struct inode *node)
{
	struct dirty_file *dirty = node->dirty;

	if (dirty == NULL)
		return;
	dirty_unlink(dirty);
	if (dirty->nameless == 0) {
		free(dirty);
		return;
	}
	*dirty = (struct dirty_file){.nameless = dirty->nameless, .next = fs->abandoned};
	fs->abandoned = dirty;
}

void dirty_known(const struct dirty_file *dirty, struct known *known)
{
	if (!dirty->whole) {
		uint64_t end = write_buffer_end(&dirty->buffer);

		if (end > known->size)
			known->size = end;
		known->mtime_ns = dirty->mtime_ns;
		return;
	}
	known->attr = dirty->attr;
	known->size = dirty->size;
	known->stored = backing_exists(dirty) ? dirty->size : dirty->buffer.bytes;
	known->mtime_ns = dirty->mtime_ns;
}

void dirty_stamp(struct dirty_file *dirty)
{
	dirty->mtime_ns = core_now_ns();
	dirty->attr.ctime_ns = dirty->attr.mtime_ns = dirty->mtime_ns;
}

void dirty_touch(struct dirty_file *dirty)
{
	assert(dirty->whole);
	dirty->attr.ctime_ns = core_now_ns();
	dirty->attr.mtime_ns = dirty->mtime_ns;
}

int dirty_write(struct dirty_file *dirty, uint64_t offset, const void *data, size_t size)
{
	int err = write_buffer_write(&dirty->buffer, offset, data, size);

	if (err)
		return err;
	if (offset + size > dirty->size)
		dirty->size = offset + size;
	if (dirty->plan == DIRTY_DELAYED)
		dirty->plan = DIRTY_PUBLISH;
	dirty_stamp(dirty);
	return 0;
}

void dirty_resize(struct dirty_file *dirty, uint64_t size)
{
	assert(dirty->whole);
	assert(dirty->base_size == 0 || backing_exists(dirty));
	write_buffer_truncate(&dirty->buffer, size);
	dirty->size = size;
	if (dirty->base_size > size) {
		dirty->base_size = size;
		dirty->cut = true;
	}
	dirty_stamp(dirty);
}

int dirty_set_attr(struct dirty_file *dirty, const struct known *known)
{
	struct kt_slice xattrs;
	int err = copy_xattrs(&known->attr, &xattrs);

	if (err)
		return err;
	set_whole(dirty, known, xattrs);
	if (known->size != dirty->size)
		dirty_resize(dirty, known->size);
	dirty->attr.ctime_ns = known->attr.ctime_ns;
	dirty->attr.mtime_ns = known->attr.mtime_ns;
	dirty->mtime_ns = known->mtime_ns;
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Read what is below whole content; behind its end, zeros. */
static int read_backing(const struct dirty_file *dirty, struct kt_txn *txn, uint64_t offset,
	unsigned char *buf, size_t size)
{
	uint64_t left = dirty->base_size > offset ? dirty->base_size - offset : 0;
	size_t got = 0;
	int err = 0;

	if (left > 0) {
		struct backing backing;
		struct key key;

		err = backing_find(dirty, txn, &key, &backing);
		if (err)
			return err;
		err = kt_read(backing.tree, backing.key, backing.key_size, offset, buf,
			left < size ? (size_t)left : size, &got);
	}
	memset(buf + got, 0, size - got);
	return err;
}

int dirty_read(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, void *buf, size_t size, size_t *ret_read)
{
	uint64_t end = dirty->size;
	size_t got = size;
	int err;

	if (dirty->whole) {
		size = offset >= end ? 0 : end - offset < size ? (size_t)(end - offset) : size;
		err = read_backing(dirty, txn, offset, buf, size);
	} else {
		err = kt_read(txn, key->bytes, key->size, offset, buf, size, &got);
		if (!err && got < size) {
			end = write_buffer_end(&dirty->buffer);
			end = end > offset ? end - offset : 0;
			end = end < size ? end : size;
			memset((unsigned char *)buf + got, 0, size - got);
			size = got > end ? got : (size_t)end;
		}
	}
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	write_buffer_read(&dirty->buffer, offset, buf, size);
	*ret_read = size;
	return 0;
}

/* The next stored range below content. @return 0; -ENXIO */
static int next_backing(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	struct backing backing;
	struct key aside;
	int err = 0;

	if (dirty->whole && offset >= dirty->base_size)
		return -ENXIO;
	if (dirty->whole)
		err = backing_find(dirty, txn, &aside, &backing);
	else
		backing_entry(key, txn, &backing);
	if (err)
		return err;
	err = kt_next_data(backing.tree, backing.key, backing.key_size, offset, ret_begin, ret_end);
	if (err || !dirty->whole)
		return err;
	if (*ret_begin >= dirty->base_size)
		return -ENXIO;
	if (*ret_end > dirty->base_size)
		*ret_end = dirty->base_size;
	return 0;
}

int dirty_next_data(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
	uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	uint64_t begin, end;
	int err = next_backing(dirty, txn, key, offset, ret_begin, ret_end);
	bool gathered = write_buffer_next(&dirty->buffer, offset, &begin, &end);

	if (err && (err != -ENXIO || !gathered))
		return err;
	if (gathered && (err || begin < *ret_begin)) {
		*ret_begin = begin;
		*ret_end = end;
	}
	return 0;
}

/* ---- to the store ---------------------------------------------------------------------------- */

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
	struct kt_stat stat;
	int err = kt_stat(backing->tree, backing->key, backing->key_size, &stat);

	if (!err)
		err = stat_known(&stat, &known);
	if (!err && stat_is_other(node, &known.attr))
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
static int dirty_is_shared_now(const struct dirty_file *dirty, struct kt_txn *txn,
	const struct key *key, struct key *ret_key)
{
	struct kt_stat stat;
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
static int dirty_find_attr(const struct dirty_file *dirty, struct kt_txn *txn,
	const struct key *key, struct attr *attr)
{
	struct known known = {0};
	struct kt_stat stat;
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
	int err = dirty_find_attr(dirty, txn, key, &attr);

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

int dirty_publish(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key)
{
	struct key entry;
	int err = 0;

	if (!dirty->whole)
		return publish_ranges(dirty, txn, key, 0, NULL, 0);
	if (dirty->node->shared == 0)
		err = editors_yield(dirty->fs, txn, key);
	if (!err)
		err = foreign_reviving(dirty->fs, dirty->node->parent);
	if (!err)
		err = dirty_is_shared_now(dirty, txn, key, &entry);
	if (err < 0)
		return err;
	return err > 0 ? publish_whole(dirty, kt_tree(txn, KT_SHARED), &entry)
		       : publish_whole(dirty, txn, key);
}

int dirty_spill(const struct dirty_file *dirty, struct kt_txn *txn, const struct key *key,
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

void dirty_spilled(struct dirty_file *dirty, uint64_t nameless, uint64_t offset, size_t size)
{
	uint64_t end = write_buffer_end(&dirty->buffer);

	assert(dirty->whole && nameless != 0);
	assert(dirty->nameless == 0 || dirty->nameless == nameless);
	if (end < offset + size)
		end = offset + size;
	write_buffer_clear(&dirty->buffer);
	if (dirty->plan == DIRTY_DELAYED)
		dirty->plan = DIRTY_PUBLISH;
	dirty->nameless = nameless;
	dirty->cut = false;
	if (dirty->base_size < end)
		dirty->base_size = end;
	if (dirty->size < end)
		dirty->size = end;
}

int dirty_punch(struct dirty_file *dirty, struct kt_txn *txn, uint64_t offset, uint64_t size)
{
	struct backing backing;
	int err = 0;

	assert(dirty->aside == NULL);
	if (offset < dirty->base_size) {
		backing_nameless(dirty->nameless, txn, &backing);
		err = kt_punch(backing.tree, backing.key, backing.key_size, offset, size);
	}
	return err ? err : write_buffer_punch(&dirty->buffer, offset, size);
}

int dirty_delete_nameless(const struct dirty_file *dirty, struct kt_txn *txn)
{
	uint64_t id = dirty != NULL ? backing_id(dirty) : 0;
	int err = id != 0 ? kt_nameless_drop(txn, id) : 0;

	return err == -ENOENT ? 0 : err;
}
