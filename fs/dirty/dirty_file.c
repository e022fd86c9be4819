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

void dirty_unclaim(struct inode *node)
{
	if (node == NULL || node->dirty == NULL || node->dirty->claim == 0)
		return;
	kt_unclaim(node->dirty->fs->store, node->dirty->claim);
	node->dirty->claim = 0;
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
	dirty_unclaim(node);
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

/* ---- the nameless entry ----------------------------------------------------------------------- */

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
