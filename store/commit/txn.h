/* Transactions: what one reads or changes, and the memory that lives as long as it. */
#ifndef STORE_COMMIT_TXN_H
#define STORE_COMMIT_TXN_H

#include "keytree_fs.h"
#include "store/share/handle.h"
#include "store/tree/pager.h"

struct txn;

/** A tree of a transaction: what the public interface calls a transaction. For a collection, the
 * part of the tree whose keys begin with a prefix, which callers leave out. */
struct kt_txn {
	struct txn *txn;
	unsigned tree;
	size_t prefix_size; /* 0: the whole tree */
	const uint8_t *prefix;
};

/** A block of memory that is freed with its transaction. */
struct txn_block {
	struct txn_block *next;
	uint8_t bytes[];
};

#define PUBLIC_TREES 4

/** A transaction. */
struct txn {
	struct kt_txn handles[PUBLIC_TREES]; /* by enum kt_tree_id */
	const struct kt_txn *begun;	     /* the handle that ends it; the others are views */
	struct kt_store *store;
	struct pager pager;
	struct format_tree *trees; /* of own, or of the root that is read; those never change */
	uint64_t number;
	uint64_t generation;	  /* grows with each change: cursors compare it */
	struct txn_block *blocks; /* freed with the transaction */
	struct txn_block *views;  /* of callers: freed by kt_drop_views(), or likewise */
	int failed;		  /* first error of a change: the transaction cannot be committed */
	bool writing;

	/* Of a read transaction: */
	int64_t time_ns;	 /* of the commit it shows */
	struct pin *pin;	 /* until it ends */
	bool cached;		 /* its memory is the pin's (pin_memory()) */
	const struct root *root; /* the commit that is pinned */

	/* Of a write transaction: */
	bool packing;		 /* it only moves pages to the lowest free ones */
	bool cleared;		 /* it dropped a tree whose pages are to be freed in steps */
	int64_t now_ns;		 /* its time */
	uint64_t snapshot;	 /* the store's newest one after the commit */
	uint64_t nameless_owner; /* the store's after the commit; 0: unchanged */
	struct root *own;	 /* the root it makes; NULL once published */
	uint64_t clean;		 /* generation in which it has changed nothing */

	struct savepoint *savepoints; /* open ones, the outermost first */
	size_t savepoint_count, savepoint_capacity;
	uint64_t savepoint_last; /* number given last */
};

/** Make a read transaction show what a snapshot keeps. */
int txn_show(struct txn *txn, const struct format_snapshot *kept);

/** Get memory that is freed with the transaction. @return NULL: none left */
void *txn_alloc(struct txn *txn, size_t size);

/** Get memory for a view of a caller, which kt_drop_views() frees before. @return NULL: none left */
void *txn_view_alloc(struct txn *txn, size_t size);

#endif
