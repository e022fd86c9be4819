/* What was written to an open file and is not in the store under its key yet. See dirty_file.h. */
#include "fs/dirty/dirty_file.h"

#include "fs/dirty/backing.h"
#include "fs/core.h"
#include "fs/meta/stat.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- in memory ------------------------------------------------------------------------------- */

int content_begin(struct fs *fs, struct inode *node, struct content **ret_content)
{
	struct content *content = calloc(1, sizeof(*content));

	assert(node->content == NULL);
	if (content == NULL)
		return -ENOMEM;
	content->fs = fs;
	content->node = node;
	content->mtime_ns = core_now_ns();
	content->next = fs->contents;
	content->link = &fs->contents;
	if (content->next != NULL)
		content->next->link = &content->next;
	fs->contents = content;
	node->content = content;
	*ret_content = content;
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
static void set_whole(struct content *content, const struct known *known, struct kt_slice xattrs)
{
	if (content->whole)
		free((void *)content->attr.xattrs.data);
	content->whole = true;
	content->lost = false;
	content->attr = known->attr;
	content->attr.fields |= ATTR_CTIME;
	attr_set_xattrs(&content->attr, xattrs);
}

int content_make_whole(struct content *content, const struct known *known)
{
	struct kt_slice xattrs;
	int err = copy_xattrs(&known->attr, &xattrs);

	if (err)
		return err;
	set_whole(content, known, xattrs);
	content_resize(content, 0);
	return 0;
}

void content_lose_key(struct content *content, const struct known *known, uint64_t nameless)
{
	struct kt_slice xattrs;

	assert(!content->whole && content->nameless == 0 && nameless != 0);
	copy_xattrs(&known->attr, &xattrs);
	set_whole(content, known, xattrs);
	content->nameless = nameless;
	content->size = content->base_size = known->size;
	content->mtime_ns = known->mtime_ns;
}

/* Take content from its node, and all that it has in memory. */
static void take_off(struct content *content)
{
	struct inode *node = content->node;

	assert(*content->link == content && node->content == content);
	*content->link = content->next;
	if (content->next != NULL)
		content->next->link = content->link;
	gather_clear(&content->gather);
	if (content->whole)
		free((void *)content->attr.xattrs.data);
	aside_drop(content);
	node->content = NULL;
}

void content_drop(struct inode *node)
{
	struct content *content = node->content;

	if (content == NULL)
		return;
	take_off(content);
	free(content);
}

void content_abandon(struct fs *fs, struct inode *node)
{
	struct content *content = node->content;

	if (content == NULL)
		return;
	take_off(content);
	if (content->nameless == 0) {
		free(content);
		return;
	}
	*content = (struct content){.nameless = content->nameless, .next = fs->abandoned};
	fs->abandoned = content;
}

void content_know(const struct content *content, struct known *known)
{
	if (!content->whole) {
		uint64_t end = gather_end(&content->gather);

		if (end > known->size)
			known->size = end;
		known->mtime_ns = content->mtime_ns;
		return;
	}
	known->attr = content->attr;
	known->size = content->size;
	known->stored = below_is_there(content) ? content->size : content->gather.bytes;
	known->mtime_ns = content->mtime_ns;
}

void content_stamp(struct content *content)
{
	content->mtime_ns = core_now_ns();
	content->attr.ctime_ns = content->attr.mtime_ns = content->mtime_ns;
}

void content_touch(struct content *content)
{
	assert(content->whole);
	content->attr.ctime_ns = core_now_ns();
	content->attr.mtime_ns = content->mtime_ns;
}

int content_write(struct content *content, uint64_t offset, const void *data, size_t size)
{
	int err = gather_write(&content->gather, offset, data, size);

	if (err)
		return err;
	if (offset + size > content->size)
		content->size = offset + size;
	if (content->fate == CONTENT_LATE)
		content->fate = CONTENT_SAVED;
	content_stamp(content);
	return 0;
}

void content_resize(struct content *content, uint64_t size)
{
	assert(content->whole);
	assert(content->base_size == 0 || below_is_there(content));
	gather_truncate(&content->gather, size);
	content->size = size;
	if (content->base_size > size) {
		content->base_size = size;
		content->cut = true;
	}
	content_stamp(content);
}

int content_amend(struct content *content, const struct known *known)
{
	struct kt_slice xattrs;
	int err = copy_xattrs(&known->attr, &xattrs);

	if (err)
		return err;
	set_whole(content, known, xattrs);
	if (known->size != content->size)
		content_resize(content, known->size);
	content->attr.ctime_ns = known->attr.ctime_ns;
	content->attr.mtime_ns = known->attr.mtime_ns;
	content->mtime_ns = known->mtime_ns;
	return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* Read what is below whole content; behind its end, zeros. */
static int read_below_whole(const struct content *content, struct kt_txn *txn, uint64_t offset,
	unsigned char *buf, size_t size)
{
	uint64_t left = content->base_size > offset ? content->base_size - offset : 0;
	size_t got = 0;
	int err = 0;

	if (left > 0) {
		struct below below;
		struct key key;

		err = below_find(content, txn, &key, &below);
		if (err)
			return err;
		err = kt_read(below.tree, below.key, below.key_size, offset, buf,
			left < size ? (size_t)left : size, &got);
	}
	memset(buf + got, 0, size - got);
	return err;
}

int content_read(const struct content *content, struct kt_txn *txn, const struct key *key,
	uint64_t offset, void *buf, size_t size, size_t *ret_read)
{
	uint64_t end = content->size;
	size_t got = size;
	int err;

	if (content->whole) {
		size = offset >= end ? 0 : end - offset < size ? (size_t)(end - offset) : size;
		err = read_below_whole(content, txn, offset, buf, size);
	} else {
		err = kt_read(txn, key->bytes, key->size, offset, buf, size, &got);
		if (!err && got < size) {
			end = gather_end(&content->gather);
			end = end > offset ? end - offset : 0;
			end = end < size ? end : size;
			memset((unsigned char *)buf + got, 0, size - got);
			size = got > end ? got : (size_t)end;
		}
	}
	if (err)
		return err == -ENOENT ? -ESTALE : err;
	gather_read(&content->gather, offset, buf, size);
	*ret_read = size;
	return 0;
}

/* The next stored range below content. @return 0; -ENXIO */
static int next_below(const struct content *content, struct kt_txn *txn, const struct key *key,
	uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	struct below below;
	struct key aside;
	int err = 0;

	if (content->whole && offset >= content->base_size)
		return -ENXIO;
	if (content->whole)
		err = below_find(content, txn, &aside, &below);
	else
		below_entry(key, txn, &below);
	if (err)
		return err;
	err = kt_next_data(below.tree, below.key, below.key_size, offset, ret_begin, ret_end);
	if (err || !content->whole)
		return err;
	if (*ret_begin >= content->base_size)
		return -ENXIO;
	if (*ret_end > content->base_size)
		*ret_end = content->base_size;
	return 0;
}

int content_next_data(const struct content *content, struct kt_txn *txn, const struct key *key,
	uint64_t offset, uint64_t *ret_begin, uint64_t *ret_end)
{
	uint64_t begin, end;
	int err = next_below(content, txn, key, offset, ret_begin, ret_end);
	bool gathered = gather_next(&content->gather, offset, &begin, &end);

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
static int write_ranges(const struct gather *gather, const struct below *below)
{
	int err = 0;

	for (size_t i = 0; i < gather->count && !err; i++) {
		const struct gather_range *range = &gather->ranges[i];

		err = kt_write(below->tree, below->key, below->key_size, range->offset, range->data,
			range->size);
	}
	return err;
}

/* Is the file still there, and no other thing? */
static int check_below(const struct below *below, const struct inode *node)
{
	struct known known;
	struct kt_stat stat;
	int err = kt_stat(below->tree, below->key, below->key_size, &stat);

	if (!err)
		err = stat_known(&stat, &known);
	if (!err && stat_is_other(node, &known.attr))
		err = -ESTALE;
	return err == -ENOENT ? -ESTALE : err;
}

/* Write into the value under the key. The blob stays: another mtime than the blob's own says that
 * the file was written since, so ctime is right as well. */
static int store_ranges(const struct content *content, struct kt_txn *txn, const struct key *key,
	uint64_t offset, const void *data, size_t size)
{
	struct below below;
	int err;

	below_entry(key, txn, &below);
	err = check_below(&below, content->node);
	if (!err)
		err = write_ranges(&content->gather, &below);
	if (!err && size > 0)
		err = kt_write(txn, key->bytes, key->size, offset, data, size);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, content->mtime_ns);
	return err;
}

/* Make what is below whole content all of it. */
static int write_whole(const struct content *content, const struct below *below)
{
	uint64_t end = gather_end(&content->gather);
	int err = 0;

	if (content->cut)
		err = kt_truncate(below->tree, below->key, below->key_size, content->base_size);
	if (!err)
		err = write_ranges(&content->gather, below);
	if (!err && content->size > (end > content->base_size ? end : content->base_size))
		err = kt_truncate(below->tree, below->key, below->key_size, content->size);
	return err;
}

static int put_from_memory(const struct content *content, struct kt_txn *txn, const struct key *key,
	const struct attr_blob *blob)
{
	const struct gather *gather = &content->gather;
	const struct gather_range *range = gather->ranges;
	bool plain = gather->count == 1 && range->offset == 0 && range->size == content->size;
	struct below below;
	int err;

	if (plain || content->size == 0)
		return kt_put_entry(txn, key->bytes, key->size, plain ? range->data : NULL,
			plain ? range->size : 0, blob->bytes, blob->size, content->mtime_ns);
	err = kt_put_entry(
		txn, key->bytes, key->size, NULL, 0, blob->bytes, blob->size, content->mtime_ns);
	below_entry(key, txn, &below);
	if (!err)
		err = write_whole(content, &below);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, content->mtime_ns);
	return err;
}

/* What is below whole content gets the key. */
static int move_below(const struct content *content, struct kt_txn *txn, const struct key *key,
	const struct attr_blob *blob)
{
	uint64_t id = below_id(content);
	struct below below;
	struct key from;
	int err = below_find(content, txn, &from, &below);

	if (!err)
		err = write_whole(content, &below);
	if (!err)
		err = id != 0 ? kt_nameless_link(txn, id, key->bytes, key->size)
			      : kt_move(below.tree, from.bytes, from.size, txn, key->bytes,
					key->size);
	if (!err)
		err = kt_set_attr(txn, key->bytes, key->size, blob->bytes, blob->size);
	if (!err)
		err = kt_set_mtime(txn, key->bytes, key->size, content->mtime_ns);
	return err;
}

/* Others may have given the file's entry a second name, while the node is not known by the entry:
 * that has not been told yet, or another node is. Then the content is that of all its names.
 * @param ret_key  of the entry, if it is so
 * @return 1 it is so; 0 */
static int has_got_names(const struct content *content, struct kt_txn *txn, const struct key *key,
	struct key *ret_key)
{
	struct kt_stat stat;
	int err;

	if (content->node->shared != 0 ||
		(!changes_pending(content->fs) && !inodes_any_shared(&content->fs->nodes)))
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
static int find_attr(
	const struct content *content, struct kt_txn *txn, const struct key *key, struct attr *attr)
{
	struct known known = {0};
	struct kt_stat stat;
	struct key own;
	int err;

	*attr = content->attr;
	if (!content->replaces || content->node->shared != 0 || !(attr->fields & ATTR_INO))
		return 0;
	err = inode_key(content->fs->separator, content->node, &own);
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

static int store_whole(const struct content *content, struct kt_txn *txn, const struct key *key)
{
	struct attr_blob blob;
	struct attr attr;
	int err = find_attr(content, txn, key, &attr);

	if (!err)
		err = attr_blob_init(&attr, &blob);
	if (err)
		return err;
	if (below_is_there(content))
		err = move_below(content, txn, key, &blob);
	else
		err = put_from_memory(content, txn, key, &blob);
	attr_blob_fini(&blob);
	return err;
}

int content_store(const struct content *content, struct kt_txn *txn, const struct key *key)
{
	struct key entry;
	int err = 0;

	if (!content->whole)
		return store_ranges(content, txn, key, 0, NULL, 0);
	if (content->node->shared == 0)
		err = aside_yield(content->fs, txn, key);
	if (!err)
		err = changes_reviving(content->fs, content->node->parent);
	if (!err)
		err = has_got_names(content, txn, key, &entry);
	if (err < 0)
		return err;
	return err > 0 ? store_whole(content, kt_tree(txn, KT_SHARED), &entry)
		       : store_whole(content, txn, key);
}

int content_spill(const struct content *content, struct kt_txn *txn, const struct key *key,
	uint64_t offset, const void *data, size_t size, uint64_t *ret_nameless)
{
	struct below below;
	int err = 0;

	assert(content->aside == NULL);
	*ret_nameless = content->nameless;
	if (!content->whole)
		return store_ranges(content, txn, key, offset, data, size);
	if (*ret_nameless == 0)
		err = kt_nameless_new(txn, ret_nameless);
	below_nameless(*ret_nameless, txn, &below);
	if (!err && content->cut)
		err = kt_truncate(below.tree, below.key, below.key_size, content->base_size);
	if (!err)
		err = write_ranges(&content->gather, &below);
	if (!err && size > 0)
		err = kt_write(below.tree, below.key, below.key_size, offset, data, size);
	return err;
}

void content_spilled(struct content *content, uint64_t nameless, uint64_t offset, size_t size)
{
	uint64_t end = gather_end(&content->gather);

	assert(content->whole && nameless != 0);
	assert(content->nameless == 0 || content->nameless == nameless);
	if (end < offset + size)
		end = offset + size;
	gather_clear(&content->gather);
	if (content->fate == CONTENT_LATE)
		content->fate = CONTENT_SAVED;
	content->nameless = nameless;
	content->cut = false;
	if (content->base_size < end)
		content->base_size = end;
	if (content->size < end)
		content->size = end;
}

int content_punch(struct content *content, struct kt_txn *txn, uint64_t offset, uint64_t size)
{
	struct below below;
	int err = 0;

	assert(content->aside == NULL);
	if (offset < content->base_size) {
		below_nameless(content->nameless, txn, &below);
		err = kt_punch(below.tree, below.key, below.key_size, offset, size);
	}
	return err ? err : gather_punch(&content->gather, offset, size);
}

int content_delete_nameless(const struct content *content, struct kt_txn *txn)
{
	uint64_t id = content != NULL ? below_id(content) : 0;
	int err = id != 0 ? kt_nameless_drop(txn, id) : 0;

	return err == -ENOENT ? 0 : err;
}
