/* A store as a sorted array: what the engine is compared with. */
#ifndef TESTS_MODEL_H
#define TESTS_MODEL_H

#include "keytree_fs.h"

struct model_entry {
	size_t key_size, size, attr_size;
	unsigned char *key, *value, *attr;
	int64_t mtime_ns; /* 0: not known */
	uint64_t link;	  /* keys with the same number share an entry; 0: this one has its own */
};

struct model {
	size_t count, capacity;
	struct model_entry *entries;
};

void model_fini(struct model *model);

/** A copy of all of it. */
struct model model_clone(const struct model *model);

/** Index of the first entry whose key is >= key. @param exact  it is key */
size_t model_find(const struct model *model, const void *key, size_t size, bool *exact);

/** The entry of a key, made if there is none. */
struct model_entry *model_edit(struct model *model, const void *key, size_t size);

/** Remove a key. @return was it there? */
bool model_delete(struct model *model, const void *key, size_t size);

/** Let an entry share what another key has. @param link  a number that no other entries have */
void model_link(struct model *model, struct model_entry *entry, const void *to, size_t to_size,
	uint64_t link);

/** An entry has changed: so it has for all keys that share it. */
void model_spread(struct model *model, const struct model_entry *entry);

/** How many keys an entry has. */
size_t model_keys(const struct model *model, const struct model_entry *entry);

/** Give an entry another size; what is added is zeros. */
void model_resize(struct model_entry *entry, size_t size);

void model_set_attr(struct model_entry *entry, const void *attr, size_t size);

/** Fail the test unless kt_diff() tells exactly what differs between two models.
 *  @param before  the one
 *  @param after   the other
 *  @param from    a transaction that shows before
 *  @param to      one that shows after */
void model_assert_diff(const struct model *before, const struct model *after, struct kt_txn *from,
	struct kt_txn *to);

/** Fail the test unless a transaction shows exactly the model: forward, backward, and by key. */
void model_assert_equal(const struct model *model, struct kt_txn *txn);

#endif
