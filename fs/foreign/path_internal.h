/* Private to this folder: the path of a key that differs, from the root down, as far as nodes are
 * known. */
#ifndef FS_FOREIGN_PATH_INTERNAL_H
#define FS_FOREIGN_PATH_INTERNAL_H

#include "fs/fs.h"
#include "fs/names/key.h"
#include "fs/names/names.h"

#include <stdbool.h>

struct kt_txn;
struct notices;

/* A comparison. */
struct diff {
	struct fs *fs;
	struct kt_txn *from, *to; /* that are compared */
	bool records;		  /* of made directories; else entries */
	int64_t end_ms;		  /* when it is given up */
	struct notices *notices;  /* where they go; NULL: the caller is told at once: */
	fs_invalidate_fn *invalidate;
	void *arg;
	struct key before; /* the key that was invalidated last */
	bool told_root;	   /* its times may be those of any key */
};

/* One key that differs, on the way down. */
struct path {
	struct diff *diff;
	const unsigned char *key;
	size_t size;
	size_t same;	/* bytes that it shares with the key before */
	bool revived;	/* it is back: all on the way may differ */
	bool had_value; /* before, so the client cache may have pages of it */
	bool appeared;	/* it was added, removed, or made another type of file, or another's name */
	uint64_t entry_from,
		entry; /* number of its entry, before and now, if keys share it; else 0 */
	size_t at;     /* how far the way went: where the next name begins */
	uint64_t node; /* the directory there */
};

/* Nodes that one name of a file may have, and have had: see files_at(). */
#define FILES_MAX 3

/* One name on the way. */
struct component {
	size_t end;	/* of the component in the key, without separator */
	bool is_piece;	/* the name is one of a piece, which ends at used */
	bool is_last;	/* the key of an entry ends here */
	bool is_record; /* that of a record of this directory does */
	size_t used;	/* bytes of the name's place */
	bool was_dir, is_dir;
	bool has_changed; /* it means something else than before */
	char name[NAMES_MAX + 1];
	bool is_known;			      /* a node has the name */
	uint64_t files[FILES_MAX], directory; /* nodes that are known there; 0: none */
	uint64_t given;			      /* as of the directory's node */
};

/** Find the next name of a way, and the nodes that it means. No lock is held.
 *  @return 0; -ENOENT nothing is known below any more */
int path_enter(struct path *path, struct component *component);

/** Find out what changed in what the component of a stage means. */
int path_compare(const struct path *path, struct component *component);

#endif
