/* The files of editors, as the rest of fs/ sees them. See editor_hooks.h. */
#include "fs/editor_hooks.h"

#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

unsigned editors_plan(const struct fs *fs, const char *name)
{
	return fs->editors != NULL ? fs->editors->plan(fs, name) : DIRTY_PUBLISH;
}

int editors_put_aside(struct fs *fs, struct inode *node, const struct known *known)
{
	return fs->editors->put_aside(fs, node, known);
}

uint64_t editors_nameless(const struct dirty_file *dirty)
{
	return dirty->fs->editors->nameless(dirty);
}

int editors_key(const struct dirty_file *dirty, struct key *ret_key)
{
	return dirty->fs->editors->key(dirty, ret_key);
}

bool editors_hide(const struct fs *fs, const struct key *key)
{
	return fs->editors != NULL && fs->editors->hide(fs, key);
}

bool editors_wait(const struct dirty_file *dirty)
{
	return dirty->aside != NULL && dirty->fs->editors->wait(dirty);
}

int editors_take(struct dirty_file *dirty, struct kt_txn *txn)
{
	return dirty->aside != NULL ? dirty->fs->editors->take(dirty, txn) : 0;
}

int editors_yield(struct fs *fs, struct kt_txn *txn, const struct key *key)
{
	return fs->editors != NULL ? fs->editors->yield(fs, txn, key) : 0;
}

int editors_clear(const struct fs *fs, struct kt_txn *txn, const struct key *key)
{
	return editors_hide(fs, key) ? 0 : kt_delete(txn, key->bytes, key->size, KT_MISSING_OK);
}

void editors_ended(struct fs *fs, bool committed)
{
	if (fs->editors != NULL)
		fs->editors->ended(fs, committed);
}

void editors_drop(struct dirty_file *dirty)
{
	if (dirty->aside != NULL)
		dirty->fs->editors->drop(dirty);
}
