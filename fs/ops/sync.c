/* flush, which close() calls, and fsync. */
#include "fs/ops/file.h"
#include "fs/ops/ops_internal.h"
#include "fs/access/flusher.h"
#include "fs/core.h"
#include "fs/dirty/dirty_file.h"

/* A shell that runs `command > file` opens the file, copies the descriptor and closes the first
 * one before the command has written anything. Publishing then would show an empty value to
 * others. */
int fs_flush(struct fs *fs, struct fs_file *file)
{
	bool wrote;

	pthread_mutex_lock(&fs->lock);
	wrote = file->wrote || file->stale;
	pthread_mutex_unlock(&fs->lock);
	return wrote ? file_publish(fs, file) : 0;
}

bool fs_is_unwritten(struct fs *fs, const struct fs_file *file)
{
	const struct dirty_file *dirty;
	bool unwritten;

	pthread_mutex_lock(&fs->lock);
	dirty = file->node->dirty;
	unwritten = file->unpublished && !file->wrote && !file->stale && dirty != NULL &&
		    dirty->whole && !dirty->replaces && dirty->plan == DIRTY_PUBLISH;
	pthread_mutex_unlock(&fs->lock);
	return unwritten;
}

int fs_flush_unwritten(struct fs *fs, struct fs_file *file)
{
	return file_publish(fs, file);
}

int fs_fsync(struct fs *fs, struct fs_file *file)
{
	int err = 0;

	if (fs->options.read_only)
		return 0;
	if (file == NULL) {
		err = flusher_publish_dirty(fs, true);
	} else {
		pthread_mutex_lock(&fs->lock);
		if (!file->stale) {
			file->unpublished = file->unpublished || file->node->dirty != NULL;
			if (file->node->dirty != NULL && file->node->dirty->plan == DIRTY_DELAYED)
				file->node->dirty->plan = DIRTY_PUBLISH;
		}
		pthread_mutex_unlock(&fs->lock);
		err = file_publish(fs, file);
	}
	return err ? err : kt_flush(fs->store);
}
