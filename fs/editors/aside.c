/* Saved files that got the name of a scratch file. See aside.h. */
#include "fs/editors/aside.h"

#include "fs/dirty/dirty_file.h"
#include "fs/core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int aside_begin(struct fs *fs, struct inode *node, const struct known *known)
{
	struct place place = inode_place(node);
	struct aside *aside = malloc(sizeof(*aside) + place.size);
	struct content *content;
	int err = -ENOMEM;

	if (aside == NULL)
		return err;
	aside->taken = 0;
	aside->gone = false;
	aside->size = place.size;
	memcpy(aside->bytes, place.bytes, place.size);
	err = content_begin(fs, node, &content);
	if (!err)
		err = content_make_whole(content, known);
	if (err) {
		content_drop(node);
		free(aside);
		return err;
	}
	content->aside = aside;
	content->size = content->base_size = known->size;
	content->mtime_ns = known->mtime_ns;
	fs->aside_count++;
	flusher_expect_late(fs, content);
	return 0;
}

static struct place aside_old_place(const struct content *content)
{
	return (struct place){.parent = content->node->parent,
		.kind = INODE_FILE,
		.bytes = content->aside->bytes,
		.size = content->aside->size};
}

int aside_key(const struct content *content, struct key *ret_key)
{
	struct place place = aside_old_place(content);

	return place_key(content->fs->separator, &place, ret_key);
}

bool aside_waits(const struct content *content)
{
	struct place place = aside_old_place(content);
	const struct inode *node = inodes_find(&content->fs->nodes, &place);

	return node != NULL && node->content != NULL && node->content->whole && node->opens > 0;
}

/* Is it content that was put aside and is what a key has? */
static bool aside_is_at(const struct content *content, const struct key *key)
{
	struct key own;

	return content->aside != NULL && aside_key(content, &own) == 0 && own.size == key->size &&
	       memcmp(own.bytes, key->bytes, key->size) == 0;
}

bool aside_hides(const struct fs *fs, const struct key *key)
{
	if (fs->aside_count == 0)
		return false;
	for (const struct content *c = fs->contents; c != NULL; c = c->next) {
		if (aside_is_at(c, key))
			return true;
	}
	return false;
}

int aside_take(struct content *content, struct kt_txn *txn)
{
	struct key key;
	int err;

	if (content->aside->taken != 0)
		return 0;
	err = aside_key(content, &key);
	if (!err)
		err = kt_nameless_take(
			kt_tree(txn, KT_ENTRIES), key.bytes, key.size, &content->aside->taken);
	content->aside->gone = err == -ENOENT;
	return content->aside->gone ? kt_nameless_new(txn, &content->aside->taken) : err;
}

int aside_yield(struct fs *fs, struct kt_txn *txn, const struct key *key)
{
	int err = 0;

	if (fs->aside_count == 0)
		return 0;
	for (struct content *c = fs->contents; c != NULL && !err; c = c->next) {
		if (aside_is_at(c, key))
			err = aside_take(c, txn);
	}
	return err;
}

int aside_clear(const struct fs *fs, struct kt_txn *txn, const struct key *key)
{
	return aside_hides(fs, key) ? 0 : kt_delete(txn, key->bytes, key->size, KT_MISSING_OK);
}

void aside_end(struct fs *fs, bool committed)
{
	if (fs->aside_count == 0)
		return;
	for (struct content *c = fs->contents; c != NULL; c = c->next) {
		if (c->aside == NULL || c->aside->taken == 0)
			continue;
		if (!committed) {
			c->aside->taken = 0;
			continue;
		}
		c->nameless = c->aside->taken;
		if (c->aside->gone)
			content_resize(c, 0);
		if (c->fate == CONTENT_LATE)
			c->fate = CONTENT_SCRATCH;
		aside_drop(c);
	}
}

void aside_drop(struct content *content)
{
	if (content->aside == NULL)
		return;
	assert(content->fs->aside_count > 0);
	content->fs->aside_count--;
	free(content->aside);
	content->aside = NULL;
}
