/* What was answered, or moved, at a commit that is not the one from which the next comparison
 * starts. A comparison of the two ends of several commits says nothing of what was different only
 * in between: a file that was replaced, looked at, and put back. So that is written down, and told
 * without being compared.
 *
 * There is room for so much. What finds none makes all be told: the caller counts that.
 */
#ifndef FS_FOREIGN_DOUBTS_H
#define FS_FOREIGN_DOUBTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inode;
struct inodes;

/** Most nodes, and most names. */
#define DOUBTS_MAX 4096

/** What of a node is in doubt: inode.doubt. */
enum doubt {
	DOUBT_NONE,
	DOUBT_NODE,  /* itself, and its name */
	DOUBT_BELOW, /* and all that is in it: it has moved */
};

/** A name that was answered, and that no node stands for. */
struct doubt_name {
	uint64_t directory; /* node */
	char *name;
};

/** Zeroed: none. */
struct doubts {
	uint64_t *nodes;
	size_t count;
	struct doubt_name *names;
	size_t name_count;
	bool below; /* one of the nodes is DOUBT_BELOW */
};

/** A node is in doubt. @return false: there is no room */
bool doubts_add(struct doubts *doubts, struct inode *node, enum doubt what);

/** What a name means is in doubt. @return as doubts_add() */
bool doubts_add_name(struct doubts *doubts, uint64_t directory, const char *name);

bool doubts_any(const struct doubts *doubts);

/** The doubts are being told: nodes that come into doubt from now on are others. */
void doubts_take(struct doubts *doubts, struct inodes *nodes, struct doubts *ret_taken);

/** They were told. Frees what was taken. */
void doubts_end(struct doubts *taken, struct inodes *nodes);

/** Is a node among those that were taken, or below one that has moved? */
bool doubts_has(const struct inode *node);

/** Free all, with the nodes. */
void doubts_fini(struct doubts *doubts);

#endif
