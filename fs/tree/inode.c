/* Inodes. See inode.h.
 *
 * A node's number is the index of its slot and, above it, how often the slot was used before, so
 * that a number that was forgotten is not taken for another node's.
 */
#include "fs/tree/inode.h"

#include "fs/fs.h"
#include "fs/meta/stat.h"
#include "fs/names/names.h"
#include "fs/tree/dir_cookies.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How often a slot can be used before its numbers come again. */
#define GENERATIONS (UINT32_C(1) << (FS_NODE_BITS - 32))

/* Fewer nodes than this are not worth an allocator's while. */
#define MANY 100000

#define ID_HEAD (sizeof(uint64_t) + 1)

static void id_write(const struct place *place, unsigned char *id)
{
	assert(place->size <= NAMES_MAX);
	memcpy(id, &place->parent->number, sizeof(place->parent->number));
	id[ID_HEAD - 1] = (unsigned char)place->kind;
	if (place->size > 0)
		memcpy(id + ID_HEAD, place->bytes, place->size);
}

/* ---- slots ----------------------------------------------------------------------------------- */

static int slots_grow(struct inodes *nodes)
{
	uint32_t capacity = nodes->slot_capacity ? 2 * nodes->slot_capacity : 64;
	struct inode_slot *slots;

	if (nodes->first_free != 0 || nodes->slot_count < nodes->slot_capacity)
		return 0;
	if (capacity < nodes->slot_capacity)
		return -ENOMEM;
	slots = realloc(nodes->slots, capacity * sizeof(*slots));
	if (slots == NULL)
		return -ENOMEM;
	nodes->slots = slots;
	nodes->slot_capacity = capacity;
	return 0;
}

/* Give a node a number; there must be a slot. */
static void slot_take(struct inodes *nodes, struct inode *node)
{
	uint32_t index = nodes->first_free;

	if (index != 0) {
		nodes->first_free = nodes->slots[index].next_free;
	} else {
		index = nodes->slot_count++;
		nodes->slots[index] = (struct inode_slot){0};
	}
	nodes->slots[index].node = node;
	node->number = (uint64_t)nodes->slots[index].generation << 32u | index;
}

static void slot_give(struct inodes *nodes, const struct inode *node)
{
	uint32_t index = (uint32_t)node->number;

	assert(nodes->slots[index].node == node);
	nodes->slots[index].node = NULL;
	nodes->slots[index].generation = (nodes->slots[index].generation + 1) % GENERATIONS;
	nodes->slots[index].next_free = nodes->first_free;
	nodes->first_free = index;
}

struct inode *inodes_by_number(const struct inodes *nodes, uint64_t number)
{
	uint32_t index = (uint32_t)number;

	if (index == 0 || index >= nodes->slot_count)
		return NULL;
	if (nodes->slots[index].node == NULL || nodes->slots[index].node->number != number)
		return NULL;
	return nodes->slots[index].node;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Add a node with its id to the table. Returns false without memory. */
static bool table_add(struct inodes *nodes, struct inode *node, size_t id_size)
{
	node->hh.tbl = NULL;
	HASH_ADD_KEYPTR(hh, nodes->table, node->id, id_size, node);
	return node->hh.tbl != NULL;
}

/* Add a node to the table of those that share an entry. Once the root is in, it needs no memory: if
 * there is none, the table is kept from growing. */
static bool sharing_add(struct inodes *nodes, struct inode *node, uint64_t shared)
{
	node->shared = shared;
	node->hh_shared.tbl = NULL;
	HASH_ADD(hh_shared, nodes->sharing, shared, sizeof(node->shared), node);
	if (node->hh_shared.tbl == NULL && nodes->sharing != NULL) {
		nodes->sharing->hh_shared.tbl->noexpand++;
		HASH_ADD(hh_shared, nodes->sharing, shared, sizeof(node->shared), node);
		nodes->sharing->hh_shared.tbl->noexpand--;
	}
	return node->hh_shared.tbl != NULL;
}

int inodes_init(struct inodes *nodes, const struct key *prefix)
{
	struct inode *root = calloc(1, sizeof(*root));

	*nodes = (struct inodes){0};
	if (root == NULL)
		return -ENOMEM;
	root->id = calloc(1, ID_HEAD + prefix->size);
	if (root->id != NULL)
		memcpy(root->id + ID_HEAD, prefix->bytes, prefix->size);
	if (root->id == NULL || slots_grow(nodes) != 0 ||
		!table_add(nodes, root, ID_HEAD + prefix->size) || !sharing_add(nodes, root, 0)) {
		HASH_CLEAR(hh, nodes->table);
		free(root->id);
		free(root);
		free(nodes->slots);
		*nodes = (struct inodes){0};
		return -ENOMEM;
	}
	nodes->slots[0] = (struct inode_slot){0};
	nodes->slot_count = FS_ROOT;
	root->kind = INODE_DIR;
	slot_take(nodes, root);
	assert(root->number == FS_ROOT);
	nodes->root = root;
	return 0;
}

void inodes_fini(struct inodes *nodes)
{
	HASH_CLEAR(hh, nodes->table);
	HASH_CLEAR(hh_shared, nodes->sharing);
	for (uint32_t i = 0; i < nodes->slot_count; i++) {
		if (nodes->slots[i].node == NULL)
			continue;
		free(nodes->slots[i].node->id);
		free(nodes->slots[i].node->last);
		dir_cookies_free(nodes->slots[i].node->cookies);
		free(nodes->slots[i].node);
	}
	free(nodes->slots);
	*nodes = (struct inodes){0};
}

struct inode *inodes_find(const struct inodes *nodes, const struct place *place)
{
	unsigned char id[ID_HEAD + NAMES_MAX];
	struct inode *node;

	if (place->parent == NULL)
		return nodes->root;
	id_write(place, id);
	HASH_FIND(hh, nodes->table, id, ID_HEAD + place->size, node);
	return node;
}

struct inode *inodes_find_file(
	const struct inodes *nodes, const struct place *place, uint64_t shared)
{
	struct inode *node;

	if (shared == 0)
		return inodes_find(nodes, place);
	HASH_FIND(hh_shared, nodes->sharing, &shared, sizeof(shared), node);
	return node;
}

int inodes_get(struct inodes *nodes, const struct place *place, struct inode **ret_node)
{
	struct inode *node = inodes_find(nodes, place);

	if (node != NULL) {
		*ret_node = node;
		return 0;
	}
	node = calloc(1, sizeof(*node));
	if (node == NULL || slots_grow(nodes) != 0 || inodes_prepare_move(place, &node->id) != 0)
		goto nomem;
	if (!table_add(nodes, node, ID_HEAD + place->size))
		goto nomem;
	node->kind = place->kind;
	node->parent = place->parent;
	node->parent->children++;
	slot_take(nodes, node);
	*ret_node = node;
	return 0;
nomem:
	if (node != NULL)
		free(node->id);
	free(node);
	return -ENOMEM;
}

int inodes_new(struct inodes *nodes, struct inode **ret_node)
{
	struct inode *node = calloc(1, sizeof(*node));

	if (node == NULL || slots_grow(nodes) != 0) {
		free(node);
		return -ENOMEM;
	}
	node->kind = INODE_FILE;
	slot_take(nodes, node);
	*ret_node = node;
	return 0;
}

int inodes_get_file(
	struct inodes *nodes, const struct place *place, uint64_t shared, struct inode **ret_node)
{
	struct inode *node = inodes_find_file(nodes, place, shared);
	int err = 0;

	if (node == NULL)
		err = inodes_get(nodes, place, &node);
	if (err)
		return err;
	if (shared != 0) {
		struct inode *outdated = inodes_find(nodes, place);

		if (node->shared == 0) {
			inodes_share(nodes, node, shared);
		} else if (outdated != NULL && outdated->dirty == NULL) {
			inodes_detach(nodes, outdated);
			inodes_tidy(nodes, outdated);
		}
	}
	*ret_node = node;
	return 0;
}

bool inodes_any_shared(const struct inodes *nodes)
{
	return HASH_CNT(hh_shared, nodes->sharing) > 1; /* the root is one */
}

void inodes_share(struct inodes *nodes, struct inode *node, uint64_t shared)
{
	struct inode *parent = node->parent;
	bool added;

	assert(node->kind == INODE_FILE && node->shared == 0 && shared != 0);
	inodes_detach(nodes, node);
	inodes_tidy(nodes, parent);
	added = sharing_add(nodes, node, shared);
	assert(added);
}

void inodes_unshare(struct inodes *nodes, struct inode *node)
{
	assert(node->shared != 0);
	HASH_DELETE(hh_shared, nodes->sharing, node);
	node->shared = 0;
	node->links = 0;
}

int inodes_attach(
	struct inodes *nodes, struct inode *node, const struct place *place, unsigned char *id)
{
	assert(node->parent == NULL && node->shared == 0 && inodes_find(nodes, place) == NULL);
	node->id = id;
	if (!table_add(nodes, node, ID_HEAD + place->size)) {
		node->id = NULL;
		return -ENOMEM;
	}
	node->parent = place->parent;
	node->parent->children++;
	return 0;
}

static bool is_used(const struct inode *node)
{
	return node->lookups > 0 || node->opens > 0 || node->children > 0 || node->touched ||
	       node->dirty != NULL || node->number == FS_ROOT;
}

void inodes_tidy(struct inodes *nodes, struct inode *node)
{
	while (node != NULL && !is_used(node)) {
		struct inode *parent = node->parent;

		inodes_detach(nodes, node);
		if (node->shared != 0)
			inodes_unshare(nodes, node);
		slot_give(nodes, node);
		free(node->last);
		dir_cookies_free(node->cookies);
		free(node);
		node = parent;
	}
}

bool inodes_are_few(struct inodes *nodes)
{
	uint32_t count = HASH_COUNT(nodes->table);

	if (count > nodes->most)
		nodes->most = count;
	if (nodes->most < MANY || count > nodes->most / 2)
		return false;
	nodes->most = count;
	return true;
}

void inodes_detach(struct inodes *nodes, struct inode *node)
{
	if (node == NULL || node->parent == NULL)
		return;
	assert(node->parent->kind != INODE_FILE && node->parent->children > 0);
	HASH_DEL(nodes->table, node);
	free(node->id);
	node->id = NULL;
	node->parent->children--;
	node->parent = NULL;
}

void inodes_vacate(struct inodes *nodes, const struct place *place)
{
	struct inode *node = inodes_find(nodes, place);

	inodes_detach(nodes, node);
	inodes_tidy(nodes, node);
}

int inodes_prepare_move(const struct place *place, unsigned char **ret_id)
{
	unsigned char *id = malloc(ID_HEAD + place->size);

	if (id == NULL)
		return -ENOMEM;
	id_write(place, id);
	*ret_id = id;
	return 0;
}

/* Give a node of the table another key in it. That needs no memory: the table is kept from growing,
 * and from being freed by the root, which is always in it. */
static void table_rekey(struct inodes *nodes, struct inode *node, unsigned char *id, size_t id_size)
{
	unsigned char *old = node->id;
	bool added;

	nodes->table->hh.tbl->noexpand++;
	HASH_DEL(nodes->table, node);
	node->id = id;
	added = table_add(nodes, node, id_size);
	assert(added);
	nodes->table->hh.tbl->noexpand--;
	free(old);
}

void inodes_move(
	struct inodes *nodes, struct inode *node, const struct place *place, unsigned char *id)
{
	struct inode *there = inodes_find(nodes, place);
	struct inode *old_parent = node->parent;

	assert(old_parent != NULL && there != node && node->kind == place->kind);
	if (there != NULL) {
		inodes_detach(nodes, there);
		inodes_tidy(nodes, there);
	}
	table_rekey(nodes, node, id, ID_HEAD + place->size);
	place->parent->children++;
	old_parent->children--;
	node->parent = place->parent;
	inodes_tidy(nodes, old_parent);
}

void inodes_swap(struct inodes *nodes, struct inode *a, struct inode *b, unsigned char *a_id,
	unsigned char *b_id)
{
	size_t a_size = a->hh.keylen, b_size = b->hh.keylen;
	struct inode *parent = a->parent;

	assert(a != b && a->kind == b->kind && a->parent != NULL && b->parent != NULL);
	table_rekey(nodes, a, a_id, b_size);
	table_rekey(nodes, b, b_id, a_size);
	a->parent = b->parent;
	b->parent = parent;
}

/* ---- places and keys ------------------------------------------------------------------------- */

bool inode_has_place(const struct inode *node)
{
	while (node->parent != NULL)
		node = node->parent;
	return node->number == FS_ROOT;
}

bool inode_is_other(const struct inode *node, const struct attr *attr)
{
	return node->type != 0 && node->type != stat_type(node->kind, attr);
}

struct place inode_place(const struct inode *node)
{
	if (node->id == NULL)
		return (struct place){.kind = INODE_DIR};
	return (struct place){.parent = node->parent,
		.kind = node->kind,
		.bytes = node->id + ID_HEAD,
		.size = node->hh.keylen - ID_HEAD};
}

/* Put the bytes of a place before the end of a key. Returns the place's share. */
static size_t prepend(char separator, const struct place *place, unsigned char *end)
{
	size_t tail = place->kind == INODE_DIR ? 1 : 0;

	if (tail)
		end[-1] = (unsigned char)separator;
	if (place->size > 0)
		memcpy(end - tail - place->size, place->bytes, place->size);
	return tail + place->size;
}

int place_key(char separator, const struct place *place, struct key *ret_key)
{
	struct place at = *place;
	size_t size = 0;

	for (; at.parent != NULL; at = inode_place(at.parent))
		size += at.size + (at.kind == INODE_DIR);
	size += at.size;
	if (place->parent != NULL && !inode_has_place(place->parent))
		return -ENOENT;
	if (size > KT_KEY_MAX)
		return -ENAMETOOLONG;
	ret_key->size = size;
	for (at = *place; at.parent != NULL; at = inode_place(at.parent))
		size -= prepend(separator, &at, ret_key->bytes + size);
	if (at.size > 0)
		memcpy(ret_key->bytes, at.bytes, at.size);
	return 0;
}

int inode_key(char separator, const struct inode *node, struct key *ret_key)
{
	struct place place = inode_place(node);

	return place_key(separator, &place, ret_key);
}

bool inode_has_name(const struct inode *node)
{
	return node->shared != 0 || inode_has_place(node);
}

int inode_entry(char separator, const struct inode *node, struct kt_txn *txn,
	struct kt_txn **ret_tree, struct key *ret_key)
{
	*ret_tree = kt_tree(txn, node->shared != 0 ? KT_SHARED : KT_ENTRIES);
	if (node->shared == 0)
		return inode_key(separator, node, ret_key);
	kt_id_key(node->shared, ret_key->bytes);
	ret_key->size = KT_ID_KEY_SIZE;
	return 0;
}

bool inode_begins_keys(const struct inode *directory)
{
	while (directory->kind == INODE_PIECE && directory->parent != NULL)
		directory = directory->parent;
	return directory->parent == NULL;
}

bool inode_is_below(const struct inode *node, const struct inode *directory)
{
	for (; node != NULL; node = node->parent) {
		if (node == directory)
			return true;
	}
	return false;
}
