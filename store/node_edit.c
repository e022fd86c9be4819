#include "node_edit.h"

#include "error.h"
#include "keytree.h"
#include "node.h"
#include "overflow.h"
#include "pager.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one node, in place ---------------------------------------------------------------------- */

static struct page_header *header_of(uint8_t *node)
{
	return (struct page_header *)(void *)node;
}

static uint32_t *heads_of(uint8_t *node)
{
	return (uint32_t *)(void *)(node + node_heads_at(node_header(node)->prefix));
}

static uint16_t *slots_of(uint8_t *node, unsigned count)
{
	return (uint16_t *)(void *)(heads_of(node) + count);
}

void node_init(uint8_t *node, unsigned level)
{
	struct page_header *header = header_of(node);

	memset(header, 0, sizeof(*header));
	header->kind = level == 0 ? PAGE_LEAF : PAGE_BRANCH;
	header->level = (uint8_t)level;
	header->heap = PAGE_SIZE;
}

/* Bytes of the suffix that a cell holds when size bytes of key lie behind the prefix. */
static size_t suffix_held(size_t size)
{
	return size < SUFFIX_MAX ? size : SUFFIX_MAX;
}

/* Free bytes between slots and cells. */
static size_t node_gap(const uint8_t *node)
{
	return node_header(node)->heap - node_heads_at(node_header(node)->prefix) -
	       6UL * node_header(node)->count;
}

static size_t cell_size(const uint8_t *node, unsigned index)
{
	struct cell cell;

	return node_cell(node, index, &cell) ? cell.size : 0;
}

/* Move the cells together, so that all that is free lies in the gap. */
static void node_compact(uint8_t *node)
{
	struct page_header *header = header_of(node);
	uint16_t *slots = slots_of(node, header->count);
	size_t heap = PAGE_SIZE;
	uint8_t copy[PAGE_SIZE];

	memcpy(copy, node, PAGE_SIZE);
	for (unsigned i = 0; i < header->count; i++) {
		size_t size = cell_size(copy, i);

		heap -= size;
		memcpy(node + heap, copy + slots[i], size);
		slots[i] = (uint16_t)heap;
	}
	header->heap = (uint16_t)heap;
	header->dead = 0;
}

/* Write a cell's bytes. */
static void write_cell(uint8_t *at, const struct image *image, const uint8_t *suffix, size_t held)
{
	size_t rest = rest_size(held);

	memcpy(at, image->fixed, image->fixed_size);
	at += image->fixed_size;
	store16(at - 2, (uint16_t)(held | (image->spilled ? SUFFIX_SPILLED : 0U)));
	if (rest > 0)
		memcpy(at, suffix + 4, rest);
	if (image->tail_size > 0)
		memcpy(at + rest, image->tail, image->tail_size);
}

/* Add a cell; there is room, and suffix is what lies behind the node's prefix. */
static void add_cell(uint8_t *node, unsigned index, const struct image *image,
	const uint8_t *suffix, size_t suffix_size)
{
	struct page_header *header = header_of(node);
	unsigned count = header->count;
	size_t held = suffix_held(suffix_size);
	uint32_t *heads = heads_of(node);
	uint16_t *old_slots = slots_of(node, count);
	uint16_t *slots = slots_of(node, count + 1);

	header->heap =
		(uint16_t)(header->heap - image->fixed_size - rest_size(held) - image->tail_size);
	memmove(slots + index + 1, old_slots + index, 2UL * (count - index));
	memmove(slots, old_slots, 2UL * index);
	memmove(heads + index + 1, heads + index, 4UL * (count - index));
	heads[index] = node_head(suffix, held);
	slots[index] = header->heap;
	header->count++;
	write_cell(node + header->heap, image, suffix, held);
}

bool node_insert(uint8_t *node, unsigned index, const struct image *image)
{
	struct page_header *header = header_of(node);
	size_t prefix = header->prefix;
	bool first_of_branch = header->kind == PAGE_BRANCH && header->count == 0;
	size_t suffix, size;

	if (header->count == 0 && prefix == 0 && !first_of_branch)
		return false; /* let the list find its prefix */
	if (image->key_size < prefix || memcmp(image->key, node_prefix(node), prefix) != 0)
		return false;
	suffix = image->key_size - prefix;
	if (suffix > SUFFIX_MAX && !image->spilled)
		return false;
	size = 6 + image->fixed_size + rest_size(suffix_held(suffix)) + image->tail_size;
	if (node_gap(node) < size && header->dead > 0 && node_gap(node) + header->dead >= size)
		node_compact(node);
	if (node_gap(node) < size)
		return false;
	add_cell(node, index, image, image->key + prefix, suffix);
	return true;
}

void node_remove(uint8_t *node, unsigned index)
{
	struct page_header *header = header_of(node);
	unsigned count = header->count;
	uint32_t *heads = heads_of(node);
	uint16_t *slots = slots_of(node, count);
	uint16_t *new_slots = slots_of(node, count - 1);
	size_t size = cell_size(node, index);

	if (slots[index] == header->heap)
		header->heap = (uint16_t)(header->heap + size);
	else
		header->dead = (uint16_t)(header->dead + size);
	memmove(heads + index, heads + index + 1, 4UL * (count - index - 1));
	memmove(new_slots, slots, 2UL * index);
	memmove(new_slots + index, slots + index + 1, 2UL * (count - index - 1));
	header->count--;
}

bool node_overwrite(uint8_t *node, unsigned index, const struct image *image)
{
	uint8_t *at = node + node_slots(node)[index];
	struct cell cell;
	size_t before;

	if (!node_cell(node, index, &cell) || cell.spilled || image->spilled)
		return false;
	before = image->fixed_size + rest_size(cell.suffix);
	if (cell.size != before + image->tail_size)
		return false;
	memcpy(at, image->fixed, image->fixed_size - 2);
	memcpy(at + before, image->tail, image->tail_size);
	return true;
}

void node_set_child(uint8_t *node, unsigned index, uint64_t ref)
{
	store64(node + node_slots(node)[index], ref);
}

size_t node_used(const uint8_t *node)
{
	return PAGE_SIZE - node_gap(node) - node_header(node)->dead;
}

/* ---- lists ----------------------------------------------------------------------------------- */

int list_begin(struct pager *pager, unsigned level, struct list **ret_list)
{
	struct list *list;

	if (pager->scratch == NULL)
		pager->scratch = malloc(sizeof(struct list));
	if (pager->scratch == NULL)
		return -ENOMEM;
	list = (struct list *)(void *)pager->scratch;
	list->level = (uint8_t)level;
	list->append = false;
	list->count = 0;
	list->used = 0;
	*ret_list = list;
	return 0;
}

int list_add(struct list *list, const struct image *image)
{
	struct image *to = &list->images[list->count];

	if (list->count == LIST_MAX || list->used + image->key_size > LIST_KEYS)
		return error_damaged(0, "too many cells in a node");
	*to = *image;
	to->key = memcpy(list->keys + list->used, image->key, image->key_size);
	list->used += image->key_size;
	list->count++;
	return 0;
}

/* The image of a cell that exists; its key goes to the list. */
static int take_cell(struct pager *pager, struct list *list, const uint8_t *node, unsigned index)
{
	struct image *to = &list->images[list->count];
	const uint8_t *at = node + node_slots(node)[index];
	uint8_t *key = list->keys + list->used;
	struct cell cell;
	size_t fixed, used;

	if (list->count == LIST_MAX || list->used + KT_KEY_MAX > LIST_KEYS ||
		!node_cell(node, index, &cell))
		return error_damaged(node_header(node)->page, "malformed node");
	fixed = list->level == 0 ? LEAF_REST_AT : BRANCH_REST_AT;
	used = fixed + rest_size(cell.suffix);
	to->key_size = node_key_held(node, index, &cell, key);
	if (cell.spilled) {
		int err = overflow_read(pager, cell.key_overflow, key, cell.key_size);

		if (err != 0)
			return err;
		to->key_size = cell.key_size;
	}
	to->key = key;
	to->spilled = cell.spilled;
	to->fixed = at;
	to->fixed_size = fixed;
	to->tail = at + used;
	to->tail_size = cell.size - used;
	list->used += to->key_size;
	list->count++;
	return 0;
}

int list_take(struct pager *pager, struct list *list, const uint8_t *node, unsigned from,
	unsigned to, const struct image *first_key)
{
	for (unsigned i = from; i < to; i++) {
		int err = take_cell(pager, list, node, i);

		if (err != 0)
			return err;
		if (i == 0 && first_key != NULL) {
			struct image image = list->images[list->count - 1];

			list->count--;
			image.key = first_key->key;
			image.key_size = first_key->key_size;
			err = list_add(list, &image);
			if (err != 0)
				return err;
		}
	}
	return 0;
}

int image_spill(struct pager *pager, struct image *image, uint8_t tail[IMAGE_TAIL_MAX])
{
	uint64_t ref;
	int err = overflow_write(pager, image->key, image->key_size, &ref);

	if (err != 0)
		return err;
	assert(image->tail_size + 10 <= IMAGE_TAIL_MAX);
	memmove(tail + 10, image->tail, image->tail_size);
	store16(tail, (uint16_t)image->key_size);
	store64(tail + 2, ref);
	image->tail = tail;
	image->tail_size += 10;
	image->spilled = true;
	return 0;
}

static size_t common_prefix(const struct image *a, const struct image *b)
{
	size_t limit = a->key_size < b->key_size ? a->key_size : b->key_size;
	size_t size = 0;

	while (size < limit && a->key[size] == b->key[size])
		size++;
	return size;
}

/* Is this the cell of a branch that has no key? */
static bool keyless(const struct list *list, unsigned from, unsigned index)
{
	return list->level > 0 && index == from;
}

/* Longest prefix that the images [from, to) may share in one node. */
static size_t group_prefix(const struct list *list, unsigned from, unsigned to)
{
	size_t size;

	if (list->level > 0)
		from++;
	if (from >= to)
		return 0;
	size = common_prefix(&list->images[from], &list->images[to - 1]);
	return size < PREFIX_MAX ? size : PREFIX_MAX;
}

/* Bytes that an image takes in a node with a given prefix. */
static size_t image_size(const struct image *image, size_t prefix)
{
	size_t suffix = image->key_size > prefix ? image->key_size - prefix : 0;

	return 6 + image->fixed_size + image->tail_size + rest_size(suffix_held(suffix));
}

/* Bytes of a node of the images [from, to). */
static size_t group_size(const struct list *list, unsigned from, unsigned to)
{
	size_t prefix = group_prefix(list, from, to);
	size_t size = node_heads_at(prefix);

	for (unsigned i = from; i < to; i++) {
		const struct image *image = &list->images[i];

		size += image_size(image, keyless(list, from, i) ? image->key_size : prefix);
	}
	return size;
}

bool list_fits(const struct list *list, size_t limit)
{
	return group_size(list, 0, list->count) <= limit;
}

/* Spill the keys that are too long for a node of the images [from, to). */
static int group_spill(struct pager *pager, struct list *list, unsigned from, unsigned to)
{
	size_t prefix = group_prefix(list, from, to);

	for (unsigned i = from; i < to; i++) {
		struct image *image = &list->images[i];
		uint8_t *tail = list->keys + list->used;
		int err;

		if (image->spilled || keyless(list, from, i) ||
			image->key_size - prefix <= SUFFIX_MAX)
			continue;
		if (list->used + IMAGE_TAIL_MAX > LIST_KEYS)
			return error_damaged(0, "too many cells in a node");
		err = image_spill(pager, image, tail);
		if (err != 0)
			return err;
		list->used += image->tail_size;
	}
	return 0;
}

/* Where to cut the images [from, to) in two: about half of the bytes each; or, when they came in
 * order, before the last. */
static unsigned choose_cut(const struct list *list, unsigned from, unsigned to)
{
	size_t prefix = group_prefix(list, from, to);
	size_t total = 0, left = 0;
	unsigned cut = from + 1;

	if (list->append && group_size(list, from, to - 1) <= PAGE_SIZE)
		return to - 1;
	for (unsigned i = from; i < to; i++)
		total += image_size(&list->images[i], prefix);
	for (unsigned i = from; i + 1 < to; i++) {
		left += image_size(&list->images[i], prefix);
		cut = i + 1;
		if (left >= total / 2)
			break;
	}
	return cut;
}

static int cut_group(struct pager *pager, struct list *list, unsigned from, unsigned to,
	unsigned *cuts, unsigned max, unsigned *count)
{
	unsigned cut;
	int err = group_spill(pager, list, from, to);

	if (err != 0 || group_size(list, from, to) <= PAGE_SIZE)
		return err;
	if (to - from < 2 || *count == max)
		return error_damaged(0, "a cell that fits no node");
	cut = choose_cut(list, from, to);
	err = cut_group(pager, list, from, cut, cuts, max, count);
	if (err != 0)
		return err;
	if (*count == max)
		return error_damaged(0, "a cell that fits no node");
	cuts[(*count)++] = cut;
	return cut_group(pager, list, cut, to, cuts, max, count);
}

/* Do the keys ascend? In a damaged file they may not, and then the first and the last do not tell
 * what prefix all have. */
static bool list_ascends(const struct list *list)
{
	for (unsigned i = list->level > 0 ? 2 : 1; i < list->count; i++) {
		const struct image *a = &list->images[i - 1], *b = &list->images[i];
		size_t both = a->key_size < b->key_size ? a->key_size : b->key_size;
		int order = memcmp(a->key, b->key, both);

		if (order > 0 || (order == 0 && a->key_size >= b->key_size))
			return false;
	}
	return true;
}

int list_cut(struct pager *pager, struct list *list, unsigned *ret_cuts, unsigned max,
	unsigned *ret_count)
{
	*ret_count = 0;
	if (!list_ascends(list))
		return error_damaged(0, "keys out of order");
	return cut_group(pager, list, 0, list->count, ret_cuts, max, ret_count);
}

void list_build(const struct list *list, unsigned from, unsigned to, uint8_t *node)
{
	size_t prefix = group_prefix(list, from, to);
	struct page_header *header = header_of(node);

	node_init(node, list->level);
	header->prefix = (uint16_t)prefix;
	memset(node + sizeof(*header), 0, node_heads_at(prefix) - sizeof(*header));
	if (prefix > 0)
		memcpy(node + sizeof(*header), list->images[to - 1].key, prefix);
	for (unsigned i = from; i < to; i++) {
		const struct image *image = &list->images[i];
		bool none = keyless(list, from, i);

		add_cell(node, i - from, image, none ? image->key : image->key + prefix,
			none ? 0 : image->key_size - prefix);
	}
}

size_t list_separator(const struct list *list, unsigned index)
{
	const struct image *image = &list->images[index];

	if (list->level > 0)
		return image->key_size;
	return common_prefix(&list->images[index - 1], image) + 1;
}
