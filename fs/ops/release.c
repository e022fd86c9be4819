/* Closing the last descriptor of a handle. */
#include "fs/ops/file.h"
#include "fs/ops/ops_internal.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"
#include "fs/editors/scratch.h"

/* One handle less. The last one takes along what nobody can reach any more: the file was removed,
 * or it could not be stored, which its last flush has reported. */
static void drop_file(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;

	file_free(file);
	if (node->opens == 0 && !scratch_is(node))
		dirty_drop(node);
	inodes_tidy(&fs->nodes, node);
}

/* As drop_file(), and delete what the last handle leaves in a nameless entry. If that fails, it is
 * done when the store is closed. */
static void drop_nameless(struct fs *fs, struct fs_file *file)
{
	struct kt_txn *txn;
	int err = update_begin(fs, &txn);

	if (err) {
		pthread_mutex_lock(&fs->lock);
	} else {
		if (file->node->opens == 1)
			err = dirty_delete_nameless(file->node->dirty, txn);
		err = update_commit(fs, txn, err);
	}
	drop_file(fs, file);
	update_end(fs, err);
}

/* A scratch file stays. @return whether it is one */
static bool release_scratch(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;
	bool scratch, large = false;

	pthread_mutex_lock(&fs->lock);
	scratch = scratch_is(node);
	if (scratch) {
		large = node->dirty->buffer.bytes > SCRATCH_BYTES_MAX && node->dirty->aside == NULL;
		if (node->dirty->plan == DIRTY_DELAYED)
			flusher_expect_delayed(fs, node->dirty);
		if (!large)
			drop_file(fs, file);
	}
	pthread_mutex_unlock(&fs->lock);
	if (large) {
		scratch_spill(fs, node);
		pthread_mutex_lock(&fs->lock);
		drop_file(fs, file);
		pthread_mutex_unlock(&fs->lock);
	}
	return scratch;
}

void fs_release(struct fs *fs, struct fs_file *file)
{
	const struct dirty_file *dirty;

	file_publish(fs, file);
	if (release_scratch(fs, file))
		return;
	pthread_mutex_lock(&fs->lock);
	dirty = file->node->dirty;
	if (file->node->opens == 1 && dirty != NULL && dirty->nameless != 0) {
		pthread_mutex_unlock(&fs->lock);
		drop_nameless(fs, file);
		return;
	}
	drop_file(fs, file);
	pthread_mutex_unlock(&fs->lock);
}
