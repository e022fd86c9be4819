/* Increments: what differs between two points in time of one store, as a stream that brings a
 * backup from the first to the second. increment.c writes them, increment_apply.c puts them into a
 * store.
 *
 *     magic | HEAD | changed keys of one tree | changed keys of the other | END
 *
 * After the magic come frames (frame_stream.h). Keys come in the order of each tree. A changed key
 * is
 *
 *     DELETE                       it is gone
 *     ENTRY                        it has an entry, whose value stands there
 *     ENTRY, DATA and HOLE ...     the same of a larger value: those ranges of it that are stored;
 *                                  or, where INCREMENT_KEEP says so, those that are not as before
 *     LINK                         it shares the entry of a key before
 *
 * Integers are little-endian.
 *
 * The main header of the folder, which in reading order has:
 *
 *     reachable        every page that a commit reaches
 *     backup           a copy of the store
 *     frame_stream     frames with checksums
 *     increment        writing an increment; increment_apply applies one, increment_receive reads it
 */
#ifndef STORE_COPY_INCREMENT_H
#define STORE_COPY_INCREMENT_H

#include "keytree_fs.h"

#include "store/history/lineage.h"

#include <assert.h>

#define INCREMENT_VERSION 1

/** Kinds of frames. */
enum {
	INCREMENT_HEAD = 1,
	INCREMENT_DELETE,
	INCREMENT_ENTRY,
	INCREMENT_LINK,
	INCREMENT_DATA,
	INCREMENT_HOLE,
	INCREMENT_END,
};

/** What a point in time holds, to compare. */
struct increment_sums {
	uint64_t entries, key_bytes, value_bytes; /* as kt_count() of KT_ENTRIES */
	uint64_t directories;
};

struct increment_point {
	struct lineage_point at;
	struct increment_sums sums;
};

/** Payload of HEAD. The names of the snapshots that keep base and end follow, of the sizes given.
 */
struct increment_head {
	uint32_t version;
	uint16_t base_name, end_name; /* sizes; 0: none keeps it */
	uint8_t id[16];		      /* of the store */
	struct increment_point base, end;
	uint64_t next_id; /* at least, afterwards */
};

/** Payload of DELETE: the tree, 1 byte; the key. */

#define INCREMENT_WHOLE 1  /* the value stands behind the attributes */
#define INCREMENT_KEEP 2   /* the value there is is changed in parts */
#define INCREMENT_COPIED 4 /* the attributes are a copy: see struct kt_entry_info */

/** Payload of ENTRY. Key, attributes and, with INCREMENT_WHOLE, value follow. */
struct increment_entry {
	uint8_t tree;  /* KT_ENTRIES, KT_DIRECTORIES */
	uint8_t flags; /* INCREMENT_... */
	uint16_t key_size;
	uint32_t attr_size;
	int64_t mtime_ns;
	uint64_t size;	 /* of the value */
	uint64_t shared; /* names the entry, for LINK; 0: no key shares it */
};

/** Payload of LINK: the number of struct increment_entry, 8 bytes; the key.
 *  Payload of DATA: where in the value, 8 bytes; the bytes. */

/** Payload of HOLE. */
struct increment_hole {
	uint64_t offset, size;
};

/** Payload of END. */
struct increment_end {
	uint64_t frames; /* in front of this one, HEAD included */
};

_Static_assert(sizeof(struct increment_head) == 128, "no padding");
_Static_assert(sizeof(struct increment_entry) == 32, "no padding");

/** Values up to this size stand in their ENTRY. */
#define INCREMENT_WHOLE_MAX ((size_t)64 << 10)

/** Most bytes of one DATA. */
#define INCREMENT_DATA_MAX ((size_t)1 << 20)

/** What a transaction holds. */
int increment_sum(struct kt_txn *txn, struct increment_sums *ret_sums);

#endif
