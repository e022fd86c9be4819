#include "store/compact/pack.h"

#include "store/error.h"
#include "keytree.h"
#include "store/tree/node.h"
#include "store/tree/node_list.h"
#include "store/tree/overflow.h"
#include "store/tree/pager.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Of so many children one must be saved at least. */
#define SHARE 32

/* Children of a branch: 16 bytes each at least. */
#define CHILDREN_MAX (PAGE_SIZE / 16)

struct packer {
	struct pager *pager;
	const uint8_t *branch;
	unsigned level; /* of the children */
	unsigned count; /* of them */
	bool write;	/* else only count */
	unsigned made;	/* children that there will be */
	unsigned new;	/* of these, pages to be written */
	bool kept[CHILDREN_MAX];

	struct list *list; /* cells that have no node yet */
	bool within;	   /* they begin within a child, behind the key last */
	uint8_t start[KT_KEY_MAX], last[KT_KEY_MAX];
	size_t start_size, last_size; /* start: the key of the child they begin with */

	struct list *cells; /* of the branch as it will be */
};

static bool is_shared(const struct packer *packer, const uint8_t *node)
{
	return packer->pager->internal == 0 && node_header(node)->txn <= packer->pager->snapshot;
}

static int pack_get_child(struct packer *packer, unsigned index, const uint8_t **ret_node)
{
	return pager_node(
		packer->pager, node_child(packer->branch, index), packer->level, ret_node);
}

/* ---- the branch ------------------------------------------------------------------------------ */

/* Memory beside the keys of a list. */
static uint8_t *pack_list_room(struct list *list, size_t size)
{
	uint8_t *room = list->keys + list->used;

	if (list->used + size > LIST_KEYS)
		return NULL;
	list->used += size;
	return room;
}

/* The first key of the list moves up from a branch, with its overflow. */
static int pack_lift_overflow(struct packer *packer, struct image *up)
{
	struct image *from = &packer->list->images[0];
	uint8_t *tail;

	if (packer->level == 0 || !from->spilled)
		return 0;
	tail = pack_list_room(packer->cells, from->tail_size);
	if (tail == NULL)
		return error_damaged(0, "too many cells in a node");
	up->tail = memcpy(tail, from->tail, from->tail_size);
	up->tail_size = from->tail_size;
	up->spilled = true;
	from->spilled = false;
	from->tail_size = 0;
	return 0;
}

/* The branch's cell for a node that the list begins with. */
static int pack_add_cell(struct packer *packer, uint64_t ref)
{
	const struct image *first = &packer->list->images[0];
	uint8_t *fixed = pack_list_room(packer->cells, IMAGE_FIXED_MAX);
	struct image up = {.key = packer->start,
		.key_size = packer->start_size,
		.fixed = fixed,
		.fixed_size = IMAGE_FIXED_MAX,
		.tail = fixed};
	int err;

	if (fixed == NULL)
		return error_damaged(0, "too many cells in a node");
	store64(fixed, ref);
	if (packer->cells->count == 0) {
		up.key_size = 0;
	} else if (packer->within) {
		up.key = first->key;
		up.key_size = packer->level > 0
				      ? first->key_size
				      : list_parting(packer->last, packer->last_size, first);
	}
	err = pack_lift_overflow(packer, &up);
	return err != 0 ? err : list_add(packer->cells, &up);
}

/* ---- children -------------------------------------------------------------------------------- */

/* Make a node of the first cells of the list. */
static int pack_make_node(struct packer *packer, unsigned count)
{
	struct list *list = packer->list;
	const struct image *last = &list->images[count - 1];
	uint64_t ref;
	uint8_t *page;
	int err = 0;

	packer->made++;
	packer->new ++;
	if (packer->write) {
		err = pager_new(packer->pager, &ref, &page);
		if (!err)
			err = pack_add_cell(packer, ref);
		if (!err)
			err = list_spill(packer->pager, list, count);
		if (err != 0)
			return err;
		list_build(list, 0, count, page);
	}
	memcpy(packer->last, last->key, last->key_size);
	packer->last_size = last->key_size;
	packer->within = true;
	list_drop(list, count);
	return 0;
}

/* Append the cells of a child, from the first to count, to the list. */
static int pack_take_cells(
	struct packer *packer, unsigned index, const uint8_t *child, unsigned count)
{
	uint8_t key[KT_KEY_MAX];
	struct image first = {.key = key};
	bool keyless = packer->level == 0 || index == 0;
	int err = node_key(packer->pager, packer->branch, index, key, &first.key_size);

	if (!err && packer->list->count == 0) {
		memcpy(packer->start, key, first.key_size);
		packer->start_size = first.key_size;
		packer->within = false;
	}
	return err != 0 ? err
			: list_take(packer->pager, packer->list, child, 0, count,
				  keyless ? NULL : &first);
}

/* Is a child as full as it can be, when the list is empty: does the next cell not fit? */
static int is_full(struct packer *packer, unsigned index, const uint8_t *child, bool *ret_full)
{
	const uint8_t *next;
	int err;

	*ret_full = true;
	if (index + 1 == packer->count)
		return 0;
	err = pack_get_child(packer, index + 1, &next);
	if (err != 0 || is_shared(packer, next))
		return err;
	err = pack_take_cells(packer, index, child, node_header(child)->count);
	if (!err)
		err = pack_take_cells(packer, index + 1, next, 1);
	*ret_full = list_fill(packer->list) < packer->list->count;
	list_drop(packer->list, packer->list->count);
	return err;
}

/* Leave a child as it is; what the list holds becomes a node before it. */
static int pack_keep_child(struct packer *packer, unsigned index)
{
	int err = packer->list->count > 0 ? pack_make_node(packer, packer->list->count) : 0;

	packer->made++;
	packer->kept[index] = true;
	if (err != 0 || !packer->write)
		return err;
	return list_take(packer->pager, packer->cells, packer->branch, index, index + 1, NULL);
}

static int pack_child(struct packer *packer, unsigned index)
{
	const uint8_t *child;
	bool keep;
	int err = pack_get_child(packer, index, &child);

	if (err != 0)
		return err;
	keep = is_shared(packer, child);
	if (!keep && packer->list->count == 0)
		err = is_full(packer, index, child, &keep);
	if (!err && keep)
		return pack_keep_child(packer, index);
	packer->kept[index] = false;
	if (!err)
		err = pack_take_cells(packer, index, child, node_header(child)->count);
	while (!err) {
		unsigned count = list_fill(packer->list);

		if (count == packer->list->count)
			break;
		err = count > 0 ? pack_make_node(packer, count)
				: error_damaged(0, "a cell that fits no node");
	}
	return err;
}

static int pack_all(struct packer *packer, bool write)
{
	int err = list_begin(packer->pager, packer->level, &packer->list);

	packer->write = write;
	packer->made = 0;
	packer->new = 0;
	for (unsigned i = 0; !err && i < packer->count; i++)
		err = pack_child(packer, i);
	if (!err && packer->list->count > 0)
		err = pack_make_node(packer, packer->list->count);
	return err;
}

/* Free the children that were replaced, and the overflow of their keys in the branch. */
static int pack_free_children(struct packer *packer)
{
	int err = 0;

	for (unsigned i = 0; !err && i < packer->count; i++) {
		struct cell cell;

		if (packer->kept[i])
			continue;
		if (!node_cell(packer->branch, i, &cell))
			return error_damaged(node_header(packer->branch)->page, "malformed cell");
		if (cell.spilled)
			err = overflow_free(packer->pager, cell.key_overflow, cell.key_size);
		if (!err)
			err = pager_free(packer->pager, cell.value.root);
	}
	return err;
}

/* ---- all ------------------------------------------------------------------------------------- */

static int pack_rewrite(struct packer *packer, struct format_tree *tree, struct path *path)
{
	unsigned level = packer->level + 1;
	int err = tree_touch(packer->pager, tree, path, level);

	if (err != 0)
		return err;
	packer->branch = path->level[level].node;
	packer->cells = malloc(sizeof(*packer->cells));
	if (packer->cells == NULL)
		return -ENOMEM;
	list_init(packer->cells, level);
	packer->cells->append = true;
	err = pack_all(packer, true);
	if (!err)
		err = pack_free_children(packer);
	return err != 0 ? err : tree_rebuild(packer->pager, tree, path, level, packer->cells);
}

int pack_children(struct pager *pager, struct format_tree *tree, struct path *path, unsigned level,
	uint64_t room, bool *ret_fit)
{
	struct packer *packer = calloc(1, sizeof(*packer));
	int err;

	assert(level > 0 && level < path->depth);
	*ret_fit = true;
	if (packer == NULL)
		return -ENOMEM;
	packer->pager = pager;
	packer->branch = path->level[level].node;
	packer->level = level - 1;
	packer->count = node_header(packer->branch)->count;
	err = is_shared(packer, packer->branch) ? 0 : pack_all(packer, false);
	if (!err && packer->made < packer->count &&
		(packer->count - packer->made) * SHARE >= packer->count) {
		*ret_fit = packer->new + path->depth <= room;
		if (*ret_fit)
			err = pack_rewrite(packer, tree, path);
	}
	free(packer->cells);
	free(packer);
	return err;
}
