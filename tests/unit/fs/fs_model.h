/* A plain model of a file system over a store: a list of keys with values, a list of made
 * directories, and a few open files.
 *
 * The model knows nothing of inodes, cursors or records. It works on keys, and has paths from
 * names.h. fs_model_check() compares all that the file system shows, and the keys of the store, with
 * the model.
 */
#ifndef TESTS_FS_MODEL_H
#define TESTS_FS_MODEL_H

#include "fs/names/names.h"
#include "tests/unit/rng.h"
#include "tests/unit/world.h"

#define FILES_MAX 64
#define HANDLES 4
#define KEY_SIZE 128
#define VALUE_SIZE 64

struct model_entry {
	bool used;
	char key[KEY_SIZE];
	char value[VALUE_SIZE];
};

enum model_pending { CLEAN, WHOLE, IN_PLACE };

struct model_handle {
	struct fs_file *file;	    /* NULL: not in use */
	bool removed;		    /* it has no key */
	enum model_pending pending; /* what was written and not stored */
	char key[KEY_SIZE];
	char value[VALUE_SIZE]; /* if removed, or something is pending */
};

struct fs_model {
	struct world world;
	struct rng rng;
	struct model_entry entries[FILES_MAX]; /* keys of the store */
	struct model_entry made[FILES_MAX];    /* directories, as "a/b/" */
	struct model_handle handles[HANDLES];
};

/* Entries by key. */
struct model_entry *fs_model_find(struct model_entry *entries, const char *key);
void fs_model_set(struct model_entry *entries, const char *key, const char *value);
void fs_model_erase(struct model_entry *entries, const char *key);
size_t fs_model_count(const struct model_entry *entries);

/** The open file that a key has, or NULL. */
struct model_handle *fs_model_handle(struct fs_model *m, const char *key);

/** What a file shows, or NULL without one. */
const char *fs_model_value(struct fs_model *m, const char *key);

bool fs_model_begins(const char *text, const char *prefix);

/** Is there a directory: "a/b/"? */
bool fs_model_is_directory(struct fs_model *m, const char *prefix);
/** The same of its key: "a/b". */
bool fs_model_key_is_directory(struct fs_model *m, const char *key);
/** Has a directory neither files nor directories in it? */
bool fs_model_is_empty(struct fs_model *m, const char *prefix);

/** A name has gone from a directory, which stays. */
void fs_model_keep(struct fs_model *m, const char *prefix);
/** Can a file or directory be made at a key? @return 0; -ENOENT, -ENOTDIR of what is above */
int fs_model_can_make(struct fs_model *m, const char *key);

/** The path of a directory, which is that of its key; of the root it is empty. */
void fs_model_directory_path(const char *prefix, char *path);
/** The path of a file. */
void fs_model_file_path(struct fs_model *m, const char *key, char *path);

/** Compare what the file system shows, and the store, with the model. */
void fs_model_check(struct fs_model *m);

#endif
