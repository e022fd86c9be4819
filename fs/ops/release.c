/* Closing the last descriptor of a handle. */
#include "fs/ops/file.h"
#include "fs/ops/ops_internal.h"
#include "fs/access/publish.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

/** Content of a file that is not open stays in memory up to so many bytes. More goes to the file of
 *  the store, in a nameless entry. */
#define RELEASE_MEMORY_MAX (64 * 1024)

/* Take content that is too large out of memory. If that fails, it stays there. */
static void release_spill(struct fs *fs, struct inode *node)
{
	uint64_t nameless = 0;
	struct kt_txn *txn;
	bool still;
	int err = 0;

	if (update_begin(fs, &txn) != 0)
		return;
	still = dirty_stays(node) &&
		node->dirty->aside == NULL; /* else it was published meanwhile */
	if (still)
		err = publish_spill(node->dirty, txn, NULL, 0, NULL, 0, &nameless);
	err = update_commit(fs, txn, err);
	if (still && !err)
		dirty_spilled(node->dirty, nameless, 0, 0);
	update_end(fs, err);
}

/* Free a handle. With the last one, content goes that nothing can reach any more: of a file
 * that was removed, or that could not be published, which the last flush has reported. */
static void drop_file(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;

	file_free(file);
	if (node->opens == 0 && !dirty_stays(node))
		dirty_drop(node);
	inodes_tidy(&fs->nodes, node);
}

/* As drop_file(), and delete the nameless entry that the last handle leaves. If that fails, the
 * entry is deleted when the store is closed. */
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

/* Release a handle of a file that stays in memory. @return whether it is one */
static bool release_staying(struct fs *fs, struct fs_file *file)
{
	struct inode *node = file->node;
	bool stays, large = false;

	pthread_mutex_lock(&fs->lock);
	stays = dirty_stays(node);
	if (stays) {
		large = node->dirty->buffer.bytes > RELEASE_MEMORY_MAX &&
			node->dirty->aside == NULL;
		if (node->dirty->plan == DIRTY_DELAYED)
			flusher_expect_delayed(fs, node->dirty);
		if (!large)
			drop_file(fs, file);
	}
	pthread_mutex_unlock(&fs->lock);
	if (large) {
		release_spill(fs, node);
		pthread_mutex_lock(&fs->lock);
		drop_file(fs, file);
		pthread_mutex_unlock(&fs->lock);
	}
	return stays;
}

void fs_release(struct fs *fs, struct fs_file *file)
{
	const struct dirty_file *dirty;

	file_publish(fs, file);
	if (release_staying(fs, file))
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
