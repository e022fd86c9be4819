/* The file format: every structure that is on the disk, and nothing else.
 *
 * A store is a sequence of 4 KiB pages. All integers are little-endian.
 *
 *     page 0        header: magic, format, features, id; written once
 *     page 1, 2     durable slots: the roots of a commit that was flushed, or is being flushed
 *     page 3, 4     weak slots: the roots of a commit that was not flushed
 *     page 5 - 7    reserved, zero
 *     page 8 ...    tree nodes, overflow pages, pages of the free-space log, blocks of values
 *
 * Durable slots are written in turn, so are weak slots. The newest one that proves valid is the
 * state of the store: see slot/slot.h. Nodes, overflow and log pages begin with struct page_header;
 * blocks of values are bare, their checksums are kept in the extent records.
 *
 * A page reference is 8 bytes: bits 0-39 the page number, bits 40-63 the tag, which is the low 24
 * bits of the page's checksum: a page that was lost, misplaced or left over does not match. The
 * reference 0 means none.
 */
#ifndef STORE_FORMAT_H
#define STORE_FORMAT_H

#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the file format is little-endian and read in place: a big-endian port must convert"
#endif

#define FORMAT_MAGIC "\x89keytree\r\n\x1a\n\0\0\0" /* and the terminating NUL: 16 bytes */
#define FORMAT_VERSION 1

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096

enum {
	PAGE_HEADER = 0,
	PAGE_DURABLE = 1, /* two */
	PAGE_WEAK = 3,	  /* two */
	PAGE_FIRST = 8,	  /* first page that the allocator gives out */
};

#define PAGE_BITS 40
#define PAGE_MAX ((UINT64_C(1) << 32) - 1) /* 16 TiB: what the address range is reserved for */
#define TAG_BITS 24

#define TXN_BITS 48 /* transaction numbers are stored in 6 bytes */
#define TXN_MAX ((UINT64_C(1) << TXN_BITS) - 1)

/* Page 0. A feature bit that is not known: in incompat, the store is not opened; in readonly, it is
 * opened for reading only. */
struct format_header {
	uint64_t checksum;  /* XXH3-64, seed 0, of bytes 8-4095 of the page */
	uint8_t magic[16];  /* FORMAT_MAGIC */
	uint32_t version;   /* FORMAT_VERSION */
	uint32_t page_size; /* PAGE_SIZE */
	uint64_t incompat;  /* features a reader must know */
	uint64_t readonly;  /* features a writer must know */
	uint8_t id[16];	    /* random; the seed of all other checksums is XXH3-64 of it */
	int64_t created_ns;
};

/* Root of one tree. */
struct format_tree {
	uint64_t root; /* reference of the root node; 0: the tree is empty */
	uint64_t entries;
	uint64_t key_bytes;   /* sum of the sizes of all keys */
	uint64_t value_bytes; /* sum of the sizes of all values */
	uint32_t depth;	      /* levels; 0: empty, 1: the root is a leaf */
	uint32_t reserved;
};

enum {
	TREE_ENTRIES = 0,
	TREE_DIRECTORIES = 1,
	TREE_NAMELESS = 2,
	TREE_SHARED = 3,    /* entries that several keys of TREE_ENTRIES share */
	TREE_SNAPSHOTS = 4, /* named snapshots: roots, transaction, dead list */
	TREE_RECLAIM = 5,   /* roots of dropped trees whose pages are freed in steps */
	TREE_OWNERS = 6,    /* which nameless entry belongs to whom */
	TREE_COUNT = 8,
};

/* End of the free-space log (space_log.h): full pages are a chain from the newest back, the last
 * bytes are in the slot itself. */
struct format_space {
	uint64_t head;	    /* reference of the newest log page; 0: none */
	uint64_t head_seq;  /* its sequence number; 0: none */
	uint64_t tail_seq;  /* sequence number of the oldest log page */
	uint64_t sweep;	    /* next region to checkpoint, once pending pages were logged again */
	uint64_t cycle_seq; /* sequence number that the page in which this sweep began has or will
			       have */
	uint64_t last_cycle_seq; /* the same for the sweep before it: replay begins there */
	uint32_t tail_size;	 /* bytes used of the slot's tail */
	uint32_t reserved;
};

/* TREE_SNAPSHOTS: key 's', u64 S big-endian: struct format_snapshot and the name, S being the
 * commit that is kept. Key 'd', u64 S, u64 F, both big-endian: the dead list of S for commit F,
 * dead runs of 16 bytes.
 *
 * A page that commit F frees and that a snapshot can see is not free: it dies into the dead list of
 * the newest snapshot S that sees it, that is, whose S is not below the page's birth. When S is
 * deleted, pages of its list that the snapshot before it sees too move to that one's list, the
 * others are free. (The scheme is that of ZFS.) */
enum {
	SNAPSHOT_RECORD = 's',
	SNAPSHOT_DEAD = 'd',
	SNAPSHOT_LINEAGE = 'o',
	SNAPSHOT_TREES = 4, /* the first trees are kept: up to the shared entries */
};

struct format_snapshot {
	uint64_t txn; /* S */
	int64_t time_ns;
	struct format_tree trees[SNAPSHOT_TREES];
	/* the name follows */
};

struct format_dead {
	uint64_t run; /* bits 0-39 first page, 40-62 pages */
	uint64_t birth;
};

/* Behind 'o' and the number of a commit, 8 bytes, big-endian: which commit of the store that this
 * is a backup of it is like, after an increment (lineage.h). */
struct format_lineage {
	uint64_t txn;
	uint64_t digest; /* XXH3-64 of its time and the roots of trees 0, 1 and 3, 8 bytes each */
};

/* TREE_RECLAIM: a number, big-endian, and this: a subtree whose pages are still to be freed. */
struct format_reclaim {
	uint64_t root;
	uint64_t snapshot; /* the newest when it was dropped; 0: there was none */
	uint32_t depth;	   /* levels; 1: a leaf */
	uint32_t reserved;
};

/* TREE_SHARED: key u64 id, big-endian: an entry that keys share; its cell has CELL_SHARED. Behind
 * it, for each of these keys, this as a key, and an empty value with the key as attribute blob. */
struct format_link {
	uint64_t id;   /* as in the cell of the key, both big-endian */
	uint64_t link; /* likewise */
};

/* TREE_OWNERS: this is a key, its value is empty. Both are big-endian. */
struct format_owned {
	uint64_t owner; /* number of an open store (nameless.h) */
	uint64_t id;	/* key in TREE_NAMELESS of an entry that belongs to it */
};

#define SLOT_RUNS 224
#define SLOT_TAIL 1784

enum {
	SLOT_DIGEST = 1 << 0, /* runs and digest cover all pages written since the last durable
				 commit; without it they were synced before this slot was written */
};

/* A slot: pages 1 to 4. */
struct format_slot {
	uint64_t checksum;    /* XXH3-64, seeded, of bytes 8-4095 */
	uint64_t page;	      /* its own number */
	uint64_t txn;	      /* the commit it describes; 0: none */
	uint64_t durable_txn; /* the durable commit that was the newest when it was written */
	uint8_t boot_id[16];  /* the boot it was written in; a weak slot counts in no other */
	int64_t time_ns;      /* when it was committed */
	uint64_t page_count;  /* pages of the file up to the last one in use */
	uint64_t next_id;     /* what kt_new_id() gives next */
	uint64_t digest; /* with SLOT_DIGEST: XXH3-64, seeded, of the sums of all pages in runs */
	uint32_t flags;	 /* SLOT_... */
	uint32_t run_count;
	struct format_space space;
	struct format_tree trees[TREE_COUNT];
	uint64_t free_pages;	/* of page_count, for information */
	uint64_t pending_pages; /* freed by this commit or before, not free yet */
	uint64_t home; /* of a weak slot: the file it was written to, io_home(); 0: unknown */
	uint64_t reserved[4];
	uint64_t runs[SLOT_RUNS]; /* ascending; bits 0-39 first page, 40-62 pages, 63 RUN_BLOCKS */
	uint8_t tail[SLOT_TAIL];  /* the newest bytes of the free-space log */
};

/* The sum of a page with a header is its header's checksum, that of a value's block is the XXH3-64,
 * seeded, of all of it. */
#define RUN_COUNT_MAX ((UINT64_C(1) << 23) - 1)
#define RUN_BLOCKS                                                                                 \
	(UINT64_C(1)                                                                               \
		<< 63) /* the run holds blocks of values, not pages with headers              \
			     */

enum page_kind {
	PAGE_LEAF = 1,
	PAGE_BRANCH = 2,
	PAGE_OVERFLOW = 3, /* rest of a long key or attribute blob */
	PAGE_LOG = 4,	   /* free-space log */
};

/* Head of every page from PAGE_FIRST on that is not a block of a value. */
struct page_header {
	uint64_t checksum; /* XXH3-64, seeded, of bytes 8-4095 */
	uint64_t page;	   /* its own number */
	uint64_t txn;	   /* the transaction that wrote it: its birth */
	uint8_t kind;	   /* enum page_kind */
	uint8_t level;	   /* nodes: 0 leaf, 1 its parent, ... */
	uint16_t count;	   /* nodes: cells; overflow, log: bytes of payload */
	uint16_t prefix;   /* nodes: size of the common prefix */
	uint16_t heap;	   /* nodes: offset of the lowest cell */
	uint16_t dead;	   /* nodes: bytes of the heap that no cell uses */
	uint16_t reserved[3];
};

/* Nodes (leaf and branch):
 *
 *     0        header
 *     40       the common prefix, padded with zeros to a multiple of 4 bytes
 *     ...      heads[count], 4 bytes each: the first 4 bytes of the key behind the common prefix,
 * as a big-endian number, padded with zeros; ascending, searched without touching the cells
 *     ...      slots[count], 2 bytes each: offset of the cell
 *     ...      free
 *     heap     cells, in any order, bytes 0-3 of their keys not repeated
 *
 * A key is: prefix, head (min(4, suffix) bytes), rest. A suffix of over SUFFIX_MAX bytes is cut
 * there, and the whole key stands in overflow pages.
 *
 * Branch cell:  u64 child  u16 suffix  rest  [SUFFIX_SPILLED: u16 key size, u64 overflow]
 *     Keys in the child are >= the key of its cell and < that of the next. The first cell of a
 * branch has an empty suffix and stands for everything below.
 *
 * Leaf cell:    u8 flags  u16 suffix  rest  [SUFFIX_SPILLED: u16 key size, u64 overflow]
 *     [CELL_STAMPED: u48 version, i64 mtime]
 *     [CELL_SHARED: u32 keys that share the entry]
 *     [CELL_ATTR: u16 size  or  CELL_ATTR_SPILLED: u32 size, u64 overflow]
 *     value: CELL_INLINE   u16 size
 *            CELL_EXTENT   u64 size, extent record
 *            CELL_TREE     u64 size, u64 stored blocks, u64 root, u8 depth
 *            CELL_LINK     u64 id of a shared entry, u64 number of the link to it
 *     [CELL_ATTR: attr bytes]  [CELL_INLINE: value bytes]
 *
 * Extent record: u64 first page | blocks << 40, u48 birth, u32 checksum[blocks] (low half of the
 * XXH3-64). A value's extent tree has the same nodes; its keys are block numbers in the value, 8
 * bytes, big-endian; its leaf cells are not stamped and their inline value is one extent record. A
 * missing range is a hole.
 */
#define PREFIX_MAX 512
#define SUFFIX_MAX 256
#define SUFFIX_SPILLED 0x8000 /* of the 16-bit suffix size */
#define CELL_MAX 1100	/* a new leaf cell is at most so large; else its value goes to extents */
#define INLINE_MAX 1024 /* bytes of an inline value */
#define ATTR_INLINE_MAX 256
#define DEPTH_MAX 24

enum {
	CELL_INLINE = 0,
	CELL_EXTENT = 1,
	CELL_TREE = 2,
	CELL_LINK = 3,
	CELL_VALUE = 3, /* mask of the above */
	CELL_STAMPED = 1 << 2,
	CELL_ATTR = 1 << 3,
	CELL_ATTR_SPILLED = 1 << 4,
	CELL_SHARED = 1 << 5,
	CELL_ATTR_COPIED =
		1 << 6, /* the blob is a copy of that of an entry the key shared before */
	CELL_KNOWN = 127,
};

#define EXTENT_SIZE(blocks) (14 + 4 * (uint64_t)(blocks))
#define EXTENT_CELL_BLOCKS 94 /* most blocks of a CELL_EXTENT value */
#define EXTENT_MAX_BLOCKS 200 /* most blocks of one record in an extent tree */

/* Overflow page: header, u64 reference of the next page or 0, count bytes of payload. */
#define OVERFLOW_PAYLOAD (PAGE_SIZE - sizeof(struct page_header) - 8)

/* Log page: header, u64 sequence number, u64 reference of the page before it or 0, u32 offset in
 * the payload of the first record that begins in it (or of its end), u32 0, count bytes of payload.
 *
 * The log is a sequence of records, one for each commit. A commit that writes log pages fills them
 * with the slot's tail and its own record, so a record begins at the start of the first of them,
 * and none in the others; the tail is then empty. Numbers are varints: 7 bits per byte, least
 * significant first, bit 7 set in all bytes but the last.
 *
 *     size of what follows
 *     txn
 *     page_count after the commit, and by how much it grew
 *     old drained, young drained: 0 none; else txn - t, index: chunks up to (t, index) became free
 *     runs taken; old runs freed; young runs freed
 *     number of pending chunks logged again; each: (txn - t) * 2 + young, index, its runs
 *     number of regions checkpointed; if any, the first region and for each region:
 *         n        n > 0: its free pages are n runs, relative to the region; they follow
 *         0 0      its free pages as a bitmap: LOG_REGION / 8 bytes, page 0 first, low bit first
 *         0 n      n > 0: n regions in a row have no free pages
 *
 * Replay begins with the last complete cycle of the sweep, which tells all there was before: first
 * the pending chunks, then the regions. Steps apply in the order given.
 *
 * Runs, of a list: their number (not for the n above), then for each the distance from the end of
 * the one before (or from 0), and its pages. Pages freed by one commit make chunks of LOG_CHUNK
 * runs, numbered from 0, separately for old and young.
 */
#define LOG_REGION 4096 /* pages of a region */
#define LOG_CHUNK 128	/* runs of a chunk */

struct format_log {
	struct page_header header;
	uint64_t seq;
	uint64_t prev;
	uint32_t first_record;
	uint32_t reserved;
};
#define LOG_PAYLOAD (PAGE_SIZE - sizeof(struct format_log))

_Static_assert(sizeof(struct page_header) == 40, "page header");
_Static_assert(sizeof(struct format_slot) == PAGE_SIZE, "a slot fills its page");
_Static_assert(sizeof(struct format_header) <= PAGE_SIZE, "the header fits its page");

#endif
