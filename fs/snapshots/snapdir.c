/* The present and the snapshots of a store, as one tree. See snapdir.h. */
#include "fs/snapshots/snapdir.h"

#include "keytree_fs.h"
#include "fs/names/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Most file systems that are open at once. */
#define SNAPDIR_MAX 1024

enum { SNAPDIR_PRESENT = 0, SNAPDIR_LIST = 1, SNAPDIR_FIRST = 2 };

struct shown_fs {
	struct fs *fs; /* NULL: free */
	uint64_t txn;  /* commit that the snapshot keeps */
};

struct snapdir {
	struct kt_store *store;	     /* borrowed */
	struct fs_options options;   /* of the present */
	char *subtree;		     /* that of options */
	struct kt_store *list_store; /* of .snapshots */

	/* Held for writing while a snapshot is looked up, opened or closed. Held for reading by
	 * a thread that uses a snapshot without a node of it: the snapshot could be closed
	 * meanwhile. */
	pthread_rwlock_t lock;
	struct shown_fs shown[SNAPDIR_MAX];
};

/* Bits that are flipped in the inode numbers of a file system, from a number of its own
 * (splitmix64). */
static uint64_t ino_flip(uint64_t number)
{
	uint64_t z = number * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t snapdir_bits(unsigned index)
{
	return (uint64_t)index << FS_NODE_BITS;
}

/* ---- open and close -------------------------------------------------------------------------- */

static int open_list(struct snapdir *snapdir)
{
	struct fs_options options = snapdir->options;
	int err = kt_open_memory(NAMES_SNAPSHOTS, &snapdir->list_store);

	options.read_only = true;
	options.dir_mode &= ~(mode_t)0222;
	options.separator = '/';
	options.ino_flip = ino_flip(UINT64_MAX);
	return err ? err : fs_open(snapdir->list_store, &options, &snapdir->shown[SNAPDIR_LIST].fs);
}

int snapdir_open(
	struct kt_store *store, const struct fs_options *options, struct snapdir **ret_snapdir)
{
	struct snapdir *snapdir = calloc(1, sizeof(*snapdir));
	int err = 0;

	if (snapdir == NULL)
		return -ENOMEM;
	snapdir->store = store;
	snapdir->options = *options;
	snapdir->options.snapshot = snapdir->options.subtree = NULL;
	pthread_rwlock_init(&snapdir->lock, NULL);
	if (options->subtree != NULL) {
		snapdir->subtree = strdup(options->subtree);
		err = snapdir->subtree == NULL ? -ENOMEM : 0;
	}
	if (!err)
		err = fs_open(store, options, &snapdir->shown[SNAPDIR_PRESENT].fs);
	if (!err && options->snapshot == NULL)
		err = open_list(snapdir);
	if (err)
		snapdir_close(snapdir);
	else
		*ret_snapdir = snapdir;
	return err;
}

int snapdir_close(struct snapdir *snapdir)
{
	int err;

	if (snapdir == NULL)
		return 0;
	for (unsigned i = SNAPDIR_LIST; i < SNAPDIR_MAX; i++)
		fs_close(snapdir->shown[i].fs);
	if (snapdir->list_store != NULL)
		kt_close(snapdir->list_store);
	err = fs_close(snapdir->shown[SNAPDIR_PRESENT].fs);
	pthread_rwlock_destroy(&snapdir->lock);
	free(snapdir->subtree);
	free(snapdir);
	return err;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int snapdir_resolve(struct snapdir *snapdir, uint64_t number, struct snapdir_node *ret_node)
{
	uint64_t index = number >> FS_NODE_BITS;

	if (index >= SNAPDIR_MAX || snapdir->shown[index].fs == NULL)
		return -ESTALE;
	*ret_node = (struct snapdir_node){
		.fs = snapdir->shown[index].fs,
		.node = number & ((UINT64_C(1) << FS_NODE_BITS) - 1),
		.node_bits = snapdir_bits((unsigned)index),
		.is_list = index == SNAPDIR_LIST,
	};
	return 0;
}

void snapdir_forget(struct snapdir *snapdir, uint64_t number, uint64_t count)
{
	struct snapdir_node at;

	pthread_rwlock_rdlock(&snapdir->lock);
	if (snapdir_resolve(snapdir, number, &at) == 0)
		fs_forget(at.fs, at.node, count);
	pthread_rwlock_unlock(&snapdir->lock);
}

/* Give out the root of a file system, with one reference more. */
static int give_root(struct snapdir *snapdir, unsigned index, struct snapdir_node *ret_in,
	struct fs_entry *ret_entry)
{
	int err = snapdir_resolve(snapdir, snapdir_bits(index) | FS_ROOT, ret_in);

	return err ? err : fs_root(ret_in->fs, ret_entry);
}

/* ---- snapshots ------------------------------------------------------------------------------- */

static void close_idle(struct snapdir *snapdir)
{
	for (unsigned i = SNAPDIR_FIRST; i < SNAPDIR_MAX; i++) {
		struct shown_fs *shown = &snapdir->shown[i];

		if (shown->fs == NULL || !fs_is_idle(shown->fs))
			continue;
		fs_close(shown->fs);
		shown->fs = NULL;
	}
}

static int open_snapshot(
	struct snapdir *snapdir, const char *name, uint64_t txn, unsigned *ret_index)
{
	struct fs_options options = snapdir->options;
	unsigned i = SNAPDIR_FIRST;
	int err;

	close_idle(snapdir);
	while (i < SNAPDIR_MAX && snapdir->shown[i].fs != NULL)
		i++;
	if (i == SNAPDIR_MAX)
		return -ENFILE;
	options.read_only = true;
	options.snapshot = name;
	options.subtree = snapdir->subtree;
	options.ino_flip = ino_flip(txn);
	err = fs_open(snapdir->store, &options, &snapdir->shown[i].fs);
	if (err)
		return err == -ENOTDIR ? -ENOENT : err; /* the subtree did not exist at that time */
	snapdir->shown[i].txn = txn;
	*ret_index = i;
	return 0;
}

/* Find the commit that a snapshot keeps. Two snapshots never keep the same commit. */
static int snapshot_txn(struct snapdir *snapdir, const char *name, uint64_t *ret_txn)
{
	struct kt_txn *txn;
	int err = kt_snapshot_open(snapdir->store, name, &txn);

	if (err)
		return err;
	*ret_txn = kt_txn_id(txn);
	kt_abort(txn);
	return 0;
}

/* Find the file system of a snapshot; open it if need be. */
static int get_snapshot(struct snapdir *snapdir, const char *name, unsigned *ret_index)
{
	uint64_t txn;
	int err = snapshot_txn(snapdir, name, &txn);

	if (err)
		return err;
	for (unsigned i = SNAPDIR_FIRST; i < SNAPDIR_MAX; i++) {
		if (snapdir->shown[i].fs != NULL && snapdir->shown[i].txn == txn) {
			*ret_index = i;
			return 0;
		}
	}
	return open_snapshot(snapdir, name, txn, ret_index);
}

static int lookup_snapshot(struct snapdir *snapdir, const char *name, struct snapdir_node *ret_in,
	struct fs_entry *ret_entry)
{
	struct names_part part;
	char snapshot[KT_NAME_MAX + 1];
	unsigned index;
	int err = names_decode('/', false, NULL, 0, name, &part);

	if (err || part.kind != NAMES_COMPONENT || memchr(part.bytes, '\0', part.size))
		return -ENOENT;
	memcpy(snapshot, part.bytes, part.size);
	snapshot[part.size] = '\0';
	pthread_rwlock_wrlock(&snapdir->lock);
	err = get_snapshot(snapdir, snapshot, &index);
	if (!err)
		err = give_root(snapdir, index, ret_in, ret_entry);
	pthread_rwlock_unlock(&snapdir->lock);
	return err;
}

int snapdir_lookup(struct snapdir *snapdir, uint64_t parent, const char *name,
	struct snapdir_node *ret_in, struct fs_entry *ret_entry)
{
	int err;

	if (parent == FS_ROOT && !strcmp(name, NAMES_SNAPSHOTS) && snapdir->list_store != NULL)
		return give_root(snapdir, SNAPDIR_LIST, ret_in, ret_entry);
	if (parent == (snapdir_bits(SNAPDIR_LIST) | FS_ROOT))
		return lookup_snapshot(snapdir, name, ret_in, ret_entry);
	err = snapdir_resolve(snapdir, parent, ret_in);
	return err ? err : fs_lookup(ret_in->fs, ret_in->node, name, ret_entry);
}

/* ---- the list -------------------------------------------------------------------------------- */

struct refresh {
	struct kt_txn *directories;
	int64_t time_ns; /* of the newest */
};

/* Record a directory with the name and time of a snapshot. */
static int put_snapshot(void *arg, const struct kt_snapshot *snapshot)
{
	struct refresh *refresh = arg;
	char key[KT_NAME_MAX + 1];
	size_t size = strlen(snapshot->name);

	memcpy(key, snapshot->name, size);
	key[size++] = '/';
	refresh->time_ns = snapshot->time_ns;
	return kt_put_entry(refresh->directories, key, size, NULL, 0, NULL, 0, snapshot->time_ns);
}

int snapdir_refresh(struct snapdir *snapdir)
{
	struct refresh refresh = {0};
	struct kt_txn *txn;
	int err = kt_begin(snapdir->list_store, KT_WRITE, &txn);

	if (err)
		return err;
	refresh.directories = kt_tree(txn, KT_DIRECTORIES);
	err = kt_clear(refresh.directories);
	if (!err)
		err = kt_snapshot_list(snapdir->store, put_snapshot, &refresh);
	if (!err) /* of the directory itself */
		err = kt_put_entry(refresh.directories, NULL, 0, NULL, 0, NULL, 0, refresh.time_ns);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}
