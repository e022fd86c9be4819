/* What is sent ahead behind files that were read. See prefetch.h. */
#include "fs/ops/prefetch.h"

#include "fs/core.h"
#include "fs/ops/file.h"
#include "fs/access/lookup.h"
#include "fs/tree/children.h"

#include <errno.h>
#include <string.h>

/* Files looked at behind the first two that are read in a directory, and most at a time. */
#define COUNT_FIRST 16
#define COUNT_MAX 256

/* It grows by this factor if it was of use, and shrinks if not. */
#define COUNT_FACTOR 4

/* Who skips no more than so many files goes on where the last time ended. */
#define SKIP_MAX 32

/* Once it is 0, whether somebody reads on is found out at one in so many files. */
#define MISSED_MAX 16

/* Most bytes sent at a time: what others change is told after that. */
#define BYTES_MAX (1024 * 1024)

bool prefetch_is_small(const struct inode *node, const struct known *known)
{
	return node->dirty == NULL && known->size > 0 && known->size <= PREFETCH_VALUE_MAX &&
	       S_ISREG(stat_type(node->kind, &known->attr));
}

/* ---- watching -------------------------------------------------------------------------------- */

static struct prefetch_dir *prefetch_find_dir(struct prefetch *prefetch, uint64_t directory)
{
	for (int i = 0; i < PREFETCH_DIRS; i++) {
		if (prefetch->dirs[i].directory == directory)
			return &prefetch->dirs[i];
	}
	return NULL;
}

bool prefetch_note_read(struct fs *fs, struct inode *node, const struct known *known)
{
	struct prefetch *prefetch = &fs->prefetch;
	bool again = node->sent == known->version;
	struct prefetch_dir *place;

	node->sent = known->version;
	if (node->parent == NULL)
		return false;
	place = prefetch_find_dir(prefetch, node->parent->number);
	if (place == NULL) {
		place = &prefetch->dirs[prefetch->next];
		prefetch->next = (prefetch->next + 1) % PREFETCH_DIRS;
		*place = (struct prefetch_dir){
			.directory = node->parent->number,
			.count = prefetch->count > COUNT_FIRST ? prefetch->count : COUNT_FIRST,
		};
		if (place->count == COUNT_FIRST)
			return false;
	}
	if (place->busy || place->asked != 0)
		return false;
	if (place->count == 0 && ++place->missed % MISSED_MAX != 0)
		return false;
	place->asked = node->number;
	place->again = again;
	return true;
}

/* ---- sending --------------------------------------------------------------------------------- */

/* The files behind one in a directory, on their way. */
struct run {
	struct fs *fs;
	fs_prefetch_fn *send;
	void *arg;
	struct prefetch_dir place; /* as it was taken */
	struct kt_txn *txn;
	struct key prefix; /* of the directory */
	struct children children;
	struct child child; /* the file that was asked for, and then where the walk is */
	size_t bytes;	    /* sent */
};

/* Take a place where something is due. @return false there is none */
static bool prefetch_take_dir(struct fs *fs, struct prefetch_dir *ret_place)
{
	bool found = false;

	pthread_mutex_lock(&fs->lock);
	for (int i = 0; i < PREFETCH_DIRS && !found; i++) {
		struct prefetch_dir *place = &fs->prefetch.dirs[i];

		found = place->directory != 0 && place->asked != 0;
		if (!found)
			continue;
		*ret_place = *place;
		place->asked = 0;
		place->busy = true;
	}
	pthread_mutex_unlock(&fs->lock);
	return found;
}

/* Put it back, if its directory is still watched. Others begin as this one goes on. */
static void prefetch_return_dir(struct fs *fs, const struct prefetch_dir *place)
{
	struct prefetch_dir *kept;

	pthread_mutex_lock(&fs->lock);
	fs->prefetch.count = place->count;
	kept = prefetch_find_dir(&fs->prefetch, place->directory);
	if (kept != NULL) {
		kept->last = place->last;
		kept->count = place->count;
		kept->busy = false;
	}
	pthread_mutex_unlock(&fs->lock);
}

/* A file's node, if it is in the directory of the run. The lock is held. */
static struct inode *prefetch_file(const struct run *run, uint64_t number)
{
	struct inode *node = inodes_by_number(&run->fs->nodes, number);

	return node != NULL && node->kind == INODE_FILE && node->parent != NULL &&
			       node->parent->number == run->place.directory
		       ? node
		       : NULL;
}

/* Begin to walk: where the last run ended, or else behind the file that was asked for. The lock is
 * held. @return 0; -ENOENT one of them is gone */
static int prefetch_begin(struct run *run)
{
	struct fs *fs = run->fs;
	const struct inode *asked = prefetch_file(run, run->place.asked), *last;
	struct place directory, place;
	struct position position;
	int err;

	if (asked == NULL || !inode_has_place(asked->parent))
		return -ENOENT;
	place = inode_place(asked);
	memcpy(run->child.bytes, place.bytes, place.size);
	run->child.size = place.size;
	last = prefetch_file(run, run->place.last);
	if (last != NULL)
		place = inode_place(last);
	else
		run->place.last = 0;
	position.piece_count = 0;
	position_set_behind(&position, place.bytes, place.size);
	directory = inode_place(asked->parent);
	err = place_key(fs->separator, &directory, &run->prefix);
	if (!err)
		err = timepoint_begin(fs, &run->txn);
	if (err)
		return err;
	err = children_open(run->txn, fs->separator, &directory, &run->prefix, &run->children);
	if (!err)
		err = children_seek(&run->children, &position);
	if (err) {
		children_close(&run->children);
		kt_abort(run->txn);
	}
	return err;
}

/* Was the file that is asked for now the next one, or nearly? Then the walk is behind it. */
static bool prefetch_was_used(struct run *run)
{
	struct child child;

	for (int i = 0; i < SKIP_MAX && children_next(&run->children, &child) == 0; i++) {
		if (child.kind == INODE_FILE && child.size == run->child.size &&
			!memcmp(child.bytes, run->child.bytes, child.size))
			return true;
	}
	return false;
}

/* Set the number of files to look at. @return whether to go on with the walk */
static bool prefetch_adapt(struct run *run)
{
	struct prefetch_dir *place = &run->place;

	if (place->last == 0) {
		place->last = place->asked;
		return true;
	}
	if (!prefetch_was_used(run)) {
		place->count /= COUNT_FACTOR;
		place->last = place->asked;
		return false;
	}
	place->count = place->count == 0 ? COUNT_FIRST : place->count * COUNT_FACTOR;
	if (place->count > COUNT_MAX)
		place->count = COUNT_MAX;
	return true;
}

/* Nothing is being sent any more. Find out what a child that the walk has found is, if it is to be
 * sent. The lock is held.
 * @return 0; -ENOENT it is not; -ECANCELED nothing more is to be sent */
static int prefetch_child(struct run *run, const struct child *child, uint64_t *ret_number,
	struct kt_txn **ret_tree, struct key *ret_key)
{
	struct fs *fs = run->fs;
	struct place place = {.kind = child->kind, .bytes = child->bytes, .size = child->size};
	struct inode *node;
	struct known known;

	fs->prefetch.sending = 0;
	place.parent = inodes_by_number(&fs->nodes, run->place.directory);
	if (place.parent == NULL || !foreign_is_told(fs, run->txn))
		return -ECANCELED;
	node = inodes_find_file(&fs->nodes, &place, child->stat.shared);
	if (node == NULL)
		return -ENOENT;
	run->place.last = node->number;
	if (node->lookups == 0 || stat_known(&child->stat, &known) != 0 ||
		!prefetch_is_small(node, &known) || inode_is_other(node, &known.attr))
		return -ENOENT;
	if (node->sent == known.version && !run->place.again)
		return -ENOENT;
	*ret_number = node->number;
	return inode_entry(fs->separator, node, run->txn, ret_tree, ret_key);
}

/* Say that a value is being sent, if it still can be. @return as find_child() */
static int prefetch_begin_send(
	struct run *run, uint64_t number, uint64_t version, const struct kt_slice *value)
{
	struct fs *fs = run->fs;
	struct inode *node;
	int err = -ECANCELED;

	pthread_mutex_lock(&fs->lock);
	node = inodes_by_number(&fs->nodes, number);
	if (foreign_is_told(fs, run->txn))
		err = node != NULL ? 0 : -ENOENT;
	if (!err) {
		node->sent = version;
		fs->prefetch.sending = number;
		fs->prefetch.value = *value;
	}
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* @return 0; or an error: nothing more is to be sent. Who asks for a value that cannot be read is
 *         told so */
static int prefetch_send(struct run *run, const struct child *child)
{
	struct kt_slice value;
	struct kt_txn *tree;
	struct key key;
	uint64_t number;
	int err;

	if (child->kind != INODE_FILE)
		return 0;
	pthread_mutex_lock(&run->fs->lock);
	err = prefetch_child(run, child, &number, &tree, &key);
	pthread_mutex_unlock(&run->fs->lock);
	if (!err)
		err = kt_get(tree, key.bytes, key.size, &value);
	if (!err)
		err = prefetch_begin_send(run, number, child->stat.version, &value);
	if (err)
		return err == -ENOENT ? 0 : err;
	run->send(run->arg, number, value.data, value.size);
	run->bytes += value.size;
	return 0;
}

static void prefetch_end_send(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
	fs->prefetch.sending = 0;
	pthread_mutex_unlock(&fs->lock);
}

static void prefetch_run(struct run *run)
{
	int err;

	pthread_mutex_lock(&run->fs->lock);
	err = prefetch_begin(run);
	pthread_mutex_unlock(&run->fs->lock);
	if (err)
		return;
	if (prefetch_adapt(run)) {
		for (unsigned i = 0; i < run->place.count && run->bytes < BYTES_MAX && !err; i++) {
			err = children_next(&run->children, &run->child);
			if (!err)
				err = prefetch_send(run, &run->child);
		}
	}
	prefetch_end_send(run->fs);
	children_close(&run->children);
	kt_abort(run->txn);
}

bool fs_prefetch(struct fs *fs, fs_prefetch_fn *send, void *arg)
{
	struct run run = {.fs = fs, .send = send, .arg = arg};

	if (!prefetch_take_dir(fs, &run.place))
		return false;
	prefetch_run(&run);
	prefetch_return_dir(fs, &run.place);
	return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The value that is being sent, as kt_read() reads. The lock is held. */
static size_t read_prefetched(
	const struct prefetch *prefetch, uint64_t offset, void *buf, size_t size)
{
	if (offset >= prefetch->value.size)
		return 0;
	if (size > prefetch->value.size - offset)
		size = prefetch->value.size - offset;
	memcpy(buf, (const char *)prefetch->value.data + offset, size);
	return size;
}

/* Where the value of a node is that is asked for. The lock is held.
 * @param room     bytes that are read from its begin on; 0: it is read from elsewhere on
 * @param ret_due  as fs_read_node() */
static int node_value(struct fs *fs, struct kt_txn *txn, struct inode *node, size_t room,
	struct kt_txn **ret_tree, struct key *ret_key, bool *ret_due)
{
	struct found found;
	int err = file_find(fs, txn, node, &found);

	foreign_shown(fs, node);
	if (err)
		return err;
	*ret_due = room >= found.known.size && prefetch_is_small(node, &found.known) &&
		   prefetch_note_read(fs, node, &found.known);
	return inode_entry(fs->separator, node, txn, ret_tree, ret_key);
}

int fs_read_node(struct fs *fs, uint64_t number, off_t offset, void *buf, size_t size,
	size_t *ret_read, bool *ret_due)
{
	struct kt_txn *txn, *tree = NULL;
	struct inode *node;
	struct key key;
	int err;

	if (offset < 0)
		return -EINVAL;
	pthread_mutex_lock(&fs->lock);
	err = lookup_node(fs, number, &node);
	if (!err)
		err = timepoint_begin(fs, &txn);
	if (err) {
		pthread_mutex_unlock(&fs->lock);
		return err;
	}
	*ret_due = false;
	if (number == fs->prefetch.sending)
		*ret_read = read_prefetched(&fs->prefetch, (uint64_t)offset, buf, size);
	else
		err = node_value(fs, txn, node, offset == 0 ? size : 0, &tree, &key, ret_due);
	pthread_mutex_unlock(&fs->lock);
	if (!err && tree != NULL)
		err = kt_read(tree, key.bytes, key.size, (uint64_t)offset, buf, size, ret_read);
	kt_abort(txn);
	return err == -ENOENT ? -ESTALE : err;
}
