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
	struct dirty_file *dirty;
	int err = -ENOMEM;

	if (aside == NULL)
		return err;
	aside->taken = 0;
	aside->gone = false;
	aside->size = place.size;
	memcpy(aside->bytes, place.bytes, place.size);
	err = dirty_begin(fs, node, &dirty);
	if (!err)
		err = dirty_make_whole(dirty, known);
	if (err) {
		dirty_drop(node);
		free(aside);
		return err;
	}
	dirty->aside = aside;
	dirty->size = dirty->base_size = known->size;
	dirty->mtime_ns = known->mtime_ns;
	fs->aside_count++;
	flusher_expect_delayed(fs, dirty);
	return 0;
}

static struct place aside_old_place(const struct dirty_file *dirty)
{
	return (struct place){.parent = dirty->node->parent,
		.kind = INODE_FILE,
		.bytes = dirty->aside->bytes,
		.size = dirty->aside->size};
}

uint64_t aside_nameless(const struct dirty_file *dirty)
{
	return dirty->aside->taken;
}

int aside_key(const struct dirty_file *dirty, struct key *ret_key)
{
	struct place place = aside_old_place(dirty);

	return place_key(dirty->fs->separator, &place, ret_key);
}

bool aside_waits(const struct dirty_file *dirty)
{
	struct place place = aside_old_place(dirty);
	const struct inode *node = inodes_find(&dirty->fs->nodes, &place);

	return node != NULL && node->dirty != NULL && node->dirty->whole && node->opens > 0;
}

/* Is it content that was put aside and is what a key has? */
static bool aside_is_at(const struct dirty_file *dirty, const struct key *key)
{
	struct key own;

	return dirty->aside != NULL && aside_key(dirty, &own) == 0 && own.size == key->size &&
	       memcmp(own.bytes, key->bytes, key->size) == 0;
}

bool aside_hides(const struct fs *fs, const struct key *key)
{
	if (fs->aside_count == 0)
		return false;
	for (const struct dirty_file *c = fs->dirty_files; c != NULL; c = c->next) {
		if (aside_is_at(c, key))
			return true;
	}
	return false;
}

int aside_take(struct dirty_file *dirty, struct kt_txn *txn)
{
	struct key key;
	int err;

	if (dirty->aside->taken != 0)
		return 0;
	err = aside_key(dirty, &key);
	if (!err)
		err = kt_nameless_take(
			kt_tree(txn, KT_ENTRIES), key.bytes, key.size, &dirty->aside->taken);
	dirty->aside->gone = err == -ENOENT;
	return dirty->aside->gone ? kt_nameless_new(txn, &dirty->aside->taken) : err;
}

int aside_yield(struct fs *fs, struct kt_txn *txn, const struct key *key)
{
	int err = 0;

	if (fs->aside_count == 0)
		return 0;
	for (struct dirty_file *c = fs->dirty_files; c != NULL && !err; c = c->next) {
		if (aside_is_at(c, key))
			err = aside_take(c, txn);
	}
	return err;
}

void aside_end(struct fs *fs, bool committed)
{
	if (fs->aside_count == 0)
		return;
	for (struct dirty_file *c = fs->dirty_files; c != NULL; c = c->next) {
		if (c->aside == NULL || c->aside->taken == 0)
			continue;
		if (!committed) {
			c->aside->taken = 0;
			continue;
		}
		c->nameless = c->aside->taken;
		if (c->aside->gone)
			dirty_resize(c, 0);
		if (c->plan == DIRTY_DELAYED)
			c->plan = DIRTY_SCRATCH;
		aside_drop(c);
	}
}

void aside_drop(struct dirty_file *dirty)
{
	assert(dirty->fs->aside_count > 0);
	dirty->fs->aside_count--;
	free(dirty->aside);
	dirty->aside = NULL;
}
