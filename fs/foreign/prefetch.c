/* What is sent ahead behind files that were read. See prefetch.h. */
#include "fs/foreign/prefetch.h"

#include "fs/core.h"
#include "fs/ops/file.h"
#include "fs/tree/lookup.h"
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

bool ahead_is_small(const struct inode *node, const struct known *known)
{
	return node->content == NULL && known->size > 0 && known->size <= AHEAD_VALUE_MAX &&
	       S_ISREG(stat_type(node->kind, &known->attr));
}

/* ---- watching -------------------------------------------------------------------------------- */

static struct ahead_place *find_place(struct ahead *ahead, uint64_t directory)
{
	for (int i = 0; i < AHEAD_PLACES; i++) {
		if (ahead->places[i].directory == directory)
			return &ahead->places[i];
	}
	return NULL;
}

bool ahead_asked(struct fs *fs, struct inode *node, const struct known *known)
{
	struct ahead *ahead = &fs->ahead;
	bool again = node->sent == known->version;
	struct ahead_place *place;

	node->sent = known->version;
	if (node->parent == NULL)
		return false;
	place = find_place(ahead, node->parent->number);
	if (place == NULL) {
		place = &ahead->places[ahead->next];
		ahead->next = (ahead->next + 1) % AHEAD_PLACES;
		*place = (struct ahead_place){
			.directory = node->parent->number,
			.count = ahead->count > COUNT_FIRST ? ahead->count : COUNT_FIRST,
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
	fs_ahead_fn *send;
	void *arg;
	struct ahead_place place; /* as it was taken */
	struct kt_txn *txn;
	struct key prefix; /* of the directory */
	struct walk walk;
	struct walk_child child; /* the file that was asked for, and then where the walk is */
	size_t bytes;		 /* sent */
};

/* Take a place where something is due. @return false there is none */
static bool take_place(struct fs *fs, struct ahead_place *ret_place)
{
	bool found = false;

	pthread_mutex_lock(&fs->lock);
	for (int i = 0; i < AHEAD_PLACES && !found; i++) {
		struct ahead_place *place = &fs->ahead.places[i];

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
static void return_place(struct fs *fs, const struct ahead_place *place)
{
	struct ahead_place *kept;

	pthread_mutex_lock(&fs->lock);
	fs->ahead.count = place->count;
	kept = find_place(&fs->ahead, place->directory);
	if (kept != NULL) {
		kept->last = place->last;
		kept->count = place->count;
		kept->busy = false;
	}
	pthread_mutex_unlock(&fs->lock);
}

/* A file's node, if it is in the directory of the run. The lock is held. */
static struct inode *file_in(const struct run *run, uint64_t number)
{
	struct inode *node = inodes_by_number(&run->fs->nodes, number);

	return node != NULL && node->kind == INODE_FILE && node->parent != NULL &&
			       node->parent->number == run->place.directory
		       ? node
		       : NULL;
}

/* Begin to walk: where the last run ended, or else behind the file that was asked for. The lock is
 * held. @return 0; -ENOENT one of them is gone */
static int begin_walk(struct run *run)
{
	struct fs *fs = run->fs;
	const struct inode *asked = file_in(run, run->place.asked), *last;
	struct place directory, place;
	struct position position;
	int err;

	if (asked == NULL || !inode_has_place(asked->parent))
		return -ENOENT;
	place = inode_place(asked);
	memcpy(run->child.bytes, place.bytes, place.size);
	run->child.size = place.size;
	last = file_in(run, run->place.last);
	if (last != NULL)
		place = inode_place(last);
	else
		run->place.last = 0;
	position.piece_count = 0;
	position_set_behind(&position, place.bytes, place.size);
	directory = inode_place(asked->parent);
	err = place_key(fs->separator, &directory, &run->prefix);
	if (!err)
		err = point_begin(fs, &run->txn);
	if (err)
		return err;
	err = walk_open(run->txn, fs->separator, &directory, &run->prefix, &run->walk);
	if (!err)
		err = walk_seek(&run->walk, &position);
	if (err) {
		walk_close(&run->walk);
		kt_abort(run->txn);
	}
	return err;
}

/* Was the file that is asked for now the next one, or nearly? Then the walk is behind it. */
static bool was_of_use(struct run *run)
{
	struct walk_child child;

	for (int i = 0; i < SKIP_MAX && walk_next(&run->walk, &child) == 0; i++) {
		if (child.kind == INODE_FILE && child.size == run->child.size &&
			!memcmp(child.bytes, run->child.bytes, child.size))
			return true;
	}
	return false;
}

/* Set the number of files to look at. @return whether to go on with the walk */
static bool judge(struct run *run)
{
	struct ahead_place *place = &run->place;

	if (place->last == 0) {
		place->last = place->asked;
		return true;
	}
	if (!was_of_use(run)) {
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
static int find_child(struct run *run, const struct walk_child *child, uint64_t *ret_number,
	struct kt_txn **ret_tree, struct key *ret_key)
{
	struct fs *fs = run->fs;
	struct place place = {.kind = child->kind, .bytes = child->bytes, .size = child->size};
	struct inode *node;
	struct known known;

	fs->ahead.sending = 0;
	place.parent = inodes_by_number(&fs->nodes, run->place.directory);
	if (place.parent == NULL || !changes_are_told(fs, run->txn))
		return -ECANCELED;
	node = inodes_find_file(&fs->nodes, &place, child->stat.shared);
	if (node == NULL)
		return -ENOENT;
	run->place.last = node->number;
	if (node->lookups == 0 || stat_known(&child->stat, &known) != 0 ||
		!ahead_is_small(node, &known) || stat_is_other(node, &known.attr))
		return -ENOENT;
	if (node->sent == known.version && !run->place.again)
		return -ENOENT;
	*ret_number = node->number;
	return inode_entry(fs->separator, node, run->txn, ret_tree, ret_key);
}

/* Say that a value is being sent, if it still can be. @return as find_child() */
static int begin_sending(
	struct run *run, uint64_t number, uint64_t version, const struct kt_slice *value)
{
	struct fs *fs = run->fs;
	struct inode *node;
	int err = -ECANCELED;

	pthread_mutex_lock(&fs->lock);
	node = inodes_by_number(&fs->nodes, number);
	if (changes_are_told(fs, run->txn))
		err = node != NULL ? 0 : -ENOENT;
	if (!err) {
		node->sent = version;
		fs->ahead.sending = number;
		fs->ahead.value = *value;
	}
	pthread_mutex_unlock(&fs->lock);
	return err;
}

/* @return 0; or an error: nothing more is to be sent. Who asks for a value that cannot be read is
 *         told so */
static int send_child(struct run *run, const struct walk_child *child)
{
	struct kt_slice value;
	struct kt_txn *tree;
	struct key key;
	uint64_t number;
	int err;

	if (child->kind != INODE_FILE)
		return 0;
	pthread_mutex_lock(&run->fs->lock);
	err = find_child(run, child, &number, &tree, &key);
	pthread_mutex_unlock(&run->fs->lock);
	if (!err)
		err = kt_get(tree, key.bytes, key.size, &value);
	if (!err)
		err = begin_sending(run, number, child->stat.version, &value);
	if (err)
		return err == -ENOENT ? 0 : err;
	run->send(run->arg, number, value.data, value.size);
	run->bytes += value.size;
	return 0;
}

static void end_sending(struct fs *fs)
{
	pthread_mutex_lock(&fs->lock);
	fs->ahead.sending = 0;
	pthread_mutex_unlock(&fs->lock);
}

static void run_place(struct run *run)
{
	int err;

	pthread_mutex_lock(&run->fs->lock);
	err = begin_walk(run);
	pthread_mutex_unlock(&run->fs->lock);
	if (err)
		return;
	if (judge(run)) {
		for (unsigned i = 0; i < run->place.count && run->bytes < BYTES_MAX && !err; i++) {
			err = walk_next(&run->walk, &run->child);
			if (!err)
				err = send_child(run, &run->child);
		}
	}
	end_sending(run->fs);
	walk_close(&run->walk);
	kt_abort(run->txn);
}

bool fs_send_ahead(struct fs *fs, fs_ahead_fn *send, void *arg)
{
	struct run run = {.fs = fs, .send = send, .arg = arg};

	if (!take_place(fs, &run.place))
		return false;
	run_place(&run);
	return_place(fs, &run.place);
	return true;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The value that is being sent, as kt_read() reads. The lock is held. */
static size_t read_sending(const struct ahead *ahead, uint64_t offset, void *buf, size_t size)
{
	if (offset >= ahead->value.size)
		return 0;
	if (size > ahead->value.size - offset)
		size = ahead->value.size - offset;
	memcpy(buf, (const char *)ahead->value.data + offset, size);
	return size;
}

/* Where the value of a node is that is asked for. The lock is held.
 * @param room     bytes that are read from its begin on; 0: it is read from elsewhere on
 * @param ret_due  as fs_read_node() */
static int find_value(struct fs *fs, struct kt_txn *txn, struct inode *node, size_t room,
	struct kt_txn **ret_tree, struct key *ret_key, bool *ret_due)
{
	struct found found;
	int err = file_find(fs, txn, node, &found);

	if (err)
		return err;
	*ret_due = room >= found.known.size && ahead_is_small(node, &found.known) &&
		   ahead_asked(fs, node, &found.known);
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
	err = find_node(fs, number, &node);
	if (!err)
		err = point_begin(fs, &txn);
	if (err) {
		pthread_mutex_unlock(&fs->lock);
		return err;
	}
	*ret_due = false;
	if (number == fs->ahead.sending)
		*ret_read = read_sending(&fs->ahead, (uint64_t)offset, buf, size);
	else
		err = find_value(fs, txn, node, offset == 0 ? size : 0, &tree, &key, ret_due);
	pthread_mutex_unlock(&fs->lock);
	if (!err && tree != NULL)
		err = kt_read(tree, key.bytes, key.size, (uint64_t)offset, buf, size, ret_read);
	kt_abort(txn);
	return err == -ENOENT ? -ESTALE : err;
}
