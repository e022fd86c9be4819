/* The present and the snapshots of a store, as one tree. See snapshots.h. */
#include "fs/snapshots/snapshots.h"

#include "keytree.h"
#include "fs/names/names.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Snapshots that can be looked at at once. */
#define VIEWS_MAX 1024

enum { VIEW_PRESENT = 0, VIEW_LIST = 1, VIEW_FIRST = 2 };

struct view {
	struct fs *fs; /* NULL: free */
	uint64_t txn;  /* that the snapshot keeps */
};

struct views {
	struct kt_store *store;	     /* borrowed */
	struct fs_options options;   /* of the present */
	char *subtree;		     /* that of options */
	struct kt_store *list_store; /* of .snapshots */

	/* Held for writing while a view is looked up, opened or closed; for reading by who refers
	 * to a view without holding a node of it, as it may be closed then. */
	pthread_rwlock_t lock;
	struct view views[VIEWS_MAX];
};

/* Bits for the inode numbers of a file system, by a number that is its own (splitmix64). */
static uint64_t ino_flip(uint64_t number)
{
	uint64_t z = number * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t view_bits(unsigned index)
{
	return (uint64_t)index << FS_NODE_BITS;
}

/* ---- open and close -------------------------------------------------------------------------- */

static int open_list(struct views *views)
{
	struct fs_options options = views->options;
	int err = kt_open_memory(NAMES_SNAPSHOTS, &views->list_store);

	options.read_only = true;
	options.dir_mode &= ~(mode_t)0222;
	options.separator = '/';
	options.ino_flip = ino_flip(UINT64_MAX);
	return err ? err : fs_open(views->list_store, &options, &views->views[VIEW_LIST].fs);
}

int views_open(struct kt_store *store, const struct fs_options *options, struct views **ret_views)
{
	struct views *views = calloc(1, sizeof(*views));
	int err = 0;

	if (views == NULL)
		return -ENOMEM;
	views->store = store;
	views->options = *options;
	views->options.snapshot = views->options.subtree = NULL;
	pthread_rwlock_init(&views->lock, NULL);
	if (options->subtree != NULL) {
		views->subtree = strdup(options->subtree);
		err = views->subtree == NULL ? -ENOMEM : 0;
	}
	if (!err)
		err = fs_open(store, options, &views->views[VIEW_PRESENT].fs);
	if (!err && options->snapshot == NULL)
		err = open_list(views);
	if (err)
		views_close(views);
	else
		*ret_views = views;
	return err;
}

int views_close(struct views *views)
{
	int err;

	if (views == NULL)
		return 0;
	for (unsigned i = VIEW_LIST; i < VIEWS_MAX; i++)
		fs_close(views->views[i].fs);
	if (views->list_store != NULL)
		kt_close(views->list_store);
	err = fs_close(views->views[VIEW_PRESENT].fs);
	pthread_rwlock_destroy(&views->lock);
	free(views->subtree);
	free(views);
	return err;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

int views_node(struct views *views, uint64_t number, struct view_node *ret_node)
{
	uint64_t index = number >> FS_NODE_BITS;

	if (index >= VIEWS_MAX || views->views[index].fs == NULL)
		return -ESTALE;
	*ret_node = (struct view_node){
		.fs = views->views[index].fs,
		.node = number & ((UINT64_C(1) << FS_NODE_BITS) - 1),
		.view = view_bits((unsigned)index),
		.is_list = index == VIEW_LIST,
	};
	return 0;
}

void views_forget(struct views *views, uint64_t number, uint64_t count)
{
	struct view_node at;

	pthread_rwlock_rdlock(&views->lock);
	if (views_node(views, number, &at) == 0)
		fs_forget(at.fs, at.node, count);
	pthread_rwlock_unlock(&views->lock);
}

/* Give out the root of a file system. It holds one more reference then. */
static int give_root(
	struct views *views, unsigned index, struct view_node *ret_in, struct fs_entry *ret_entry)
{
	int err = views_node(views, view_bits(index) | FS_ROOT, ret_in);

	return err ? err : fs_root(ret_in->fs, ret_entry);
}

/* ---- views ----------------------------------------------------------------------------------- */

static void close_idle(struct views *views)
{
	for (unsigned i = VIEW_FIRST; i < VIEWS_MAX; i++) {
		struct view *view = &views->views[i];

		if (view->fs == NULL || !fs_is_idle(view->fs))
			continue;
		fs_close(view->fs);
		view->fs = NULL;
	}
}

static int open_view(struct views *views, const char *name, uint64_t txn, unsigned *ret_index)
{
	struct fs_options options = views->options;
	unsigned i = VIEW_FIRST;
	int err;

	close_idle(views);
	while (i < VIEWS_MAX && views->views[i].fs != NULL)
		i++;
	if (i == VIEWS_MAX)
		return -ENFILE;
	options.read_only = true;
	options.snapshot = name;
	options.subtree = views->subtree;
	options.ino_flip = ino_flip(txn);
	err = fs_open(views->store, &options, &views->views[i].fs);
	if (err)
		return err == -ENOTDIR ? -ENOENT : err; /* the subtree was not there then */
	views->views[i].txn = txn;
	*ret_index = i;
	return 0;
}

/* The commit that a snapshot keeps. One commit has one snapshot. */
static int snapshot_txn(struct views *views, const char *name, uint64_t *ret_txn)
{
	struct kt_txn *txn;
	int err = kt_snapshot_open(views->store, name, &txn);

	if (err)
		return err;
	*ret_txn = kt_txn_id(txn);
	kt_abort(txn);
	return 0;
}

/* Find the view of a snapshot, opened if need be. */
static int get_view(struct views *views, const char *name, unsigned *ret_index)
{
	uint64_t txn;
	int err = snapshot_txn(views, name, &txn);

	if (err)
		return err;
	for (unsigned i = VIEW_FIRST; i < VIEWS_MAX; i++) {
		if (views->views[i].fs != NULL && views->views[i].txn == txn) {
			*ret_index = i;
			return 0;
		}
	}
	return open_view(views, name, txn, ret_index);
}

static int lookup_snapshot(
	struct views *views, const char *name, struct view_node *ret_in, struct fs_entry *ret_entry)
{
	struct names_part part;
	char snapshot[KT_NAME_MAX + 1];
	unsigned index;
	int err = names_decode('/', false, NULL, 0, name, &part);

	if (err || part.kind != NAMES_COMPONENT || memchr(part.bytes, '\0', part.size))
		return -ENOENT;
	memcpy(snapshot, part.bytes, part.size);
	snapshot[part.size] = '\0';
	pthread_rwlock_wrlock(&views->lock);
	err = get_view(views, snapshot, &index);
	if (!err)
		err = give_root(views, index, ret_in, ret_entry);
	pthread_rwlock_unlock(&views->lock);
	return err;
}

int views_lookup(struct views *views, uint64_t parent, const char *name, struct view_node *ret_in,
	struct fs_entry *ret_entry)
{
	int err;

	if (parent == FS_ROOT && !strcmp(name, NAMES_SNAPSHOTS) && views->list_store != NULL)
		return give_root(views, VIEW_LIST, ret_in, ret_entry);
	if (parent == (view_bits(VIEW_LIST) | FS_ROOT))
		return lookup_snapshot(views, name, ret_in, ret_entry);
	err = views_node(views, parent, ret_in);
	return err ? err : fs_lookup(ret_in->fs, ret_in->node, name, ret_entry);
}

/* ---- the list -------------------------------------------------------------------------------- */

struct refresh {
	struct kt_txn *directories;
	int64_t time_ns; /* of the newest */
};

/* Make a directory of a snapshot's name and time. */
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

int views_refresh(struct views *views)
{
	struct refresh refresh = {0};
	struct kt_txn *txn;
	int err = kt_begin(views->list_store, KT_WRITE, &txn);

	if (err)
		return err;
	refresh.directories = kt_tree(txn, KT_DIRECTORIES);
	err = kt_clear(refresh.directories);
	if (!err)
		err = kt_snapshot_list(views->store, put_snapshot, &refresh);
	if (!err) /* of the directory itself */
		err = kt_put_entry(refresh.directories, NULL, 0, NULL, 0, NULL, 0, refresh.time_ns);
	if (!err)
		return kt_commit(txn, 0);
	kt_abort(txn);
	return err;
}
