/* A file system over a store, and short words for what is done to both, by path and by key.
 *
 * What should be there is written as text: the keys of a store as "a/b=1 c=22", a listing as
 * "b/ c" with a '/' behind directories.
 */
#ifndef TESTS_WORLD_H
#define TESTS_WORLD_H

#include "fs/fs.h"
#include "keytree_fs.h"

struct world {
	char dir[64]; /* of the store's file; empty: it is in memory */
	struct kt_store *store;
	struct fs *fs;
	struct fs_options options;
	char text[65536]; /* what the last function returned */
};

/** Open a new store, in memory or as a file in a new directory, and show it. */
void world_open(struct world *world, bool in_file);

/** cmocka's setup and teardown for a test whose state is a world. */
int world_setup_memory(void **state);
int world_setup_file(void **state);
int world_teardown(void **state);

/** End all of it, after checking the store. */
void world_close(struct world *world);

/** End the file system and the store's file, and open both again. In memory, the former only. */
void world_remount(struct world *world);

/* The application's side. */
void world_put(struct world *world, const char *key, const char *value);
/** Put empty values. @param keys  ends with NULL */
void world_put_all(struct world *world, const char *const *keys);
#define WORLD_PUT(world, ...) world_put_all(world, (const char *const[]){__VA_ARGS__, NULL})
void world_delete(struct world *world, const char *key);
/** All keys and values of the store, "key=value", as committed. */
const char *world_keys(struct world *world);
/** Number of the last commit. */
uint64_t world_txn(struct world *world);
/** How many records or nameless entries there are. */
size_t world_count(struct world *world, enum kt_tree_id tree);

/* The mount's side; all by path from the root, which is "". They return what fs.h does. */
int world_lookup(struct world *world, const char *path, struct fs_entry *ret_entry);
void world_forget(struct world *world, const struct fs_entry *entry);
int world_stat(struct world *world, const char *path, struct stat *ret_stat);
int world_open_file(struct world *world, const char *path, int flags, struct fs_file **ret_file);
int world_create(struct world *world, const char *path, struct fs_file **ret_file);
/** Close as close(2) does: flush and release. Returns what the flush did. */
int world_close_file(struct world *world, struct fs_file *file);
/** Make or overwrite a file with a text, as a shell does. */
int world_write(struct world *world, const char *path, const char *text);
/** What a file has in it, or the name of the error. */
const char *world_read(struct world *world, const char *path);
/** What an open file has in it. */
const char *world_read_file(struct world *world, struct fs_file *file);
int world_mkdir(struct world *world, const char *path);
int world_rmdir(struct world *world, const char *path);
int world_unlink(struct world *world, const char *path);
int world_rename(struct world *world, const char *from, const char *to);
int world_exchange(struct world *world, const char *from, const char *to);
int world_link(struct world *world, const char *from, const char *to);
int world_symlink(struct world *world, const char *target, const char *path);
int world_setattr(struct world *world, const char *path, const struct fs_setattr *set);
/** The attributes of what is there. */
struct stat world_stat_of(struct world *world, const char *path);
/** Both names must be of one file, which has so many names. */
void world_assert_same_file(struct world *world, const char *a, const char *b, unsigned links);
/** The names in a directory, without "." and "..". Listed with plus, one name at a call, and all
 *  at once without; both must be the same. */
const char *world_list(struct world *world, const char *path);

#endif
