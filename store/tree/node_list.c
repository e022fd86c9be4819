#include "store/tree/node_list.h"

#include "store/error.h"
#include "keytree.h"
#include "store/tree/node.h"
#include "store/tree/node_edit.h"
#include "store/tree/overflow.h"
#include "store/tree/pager.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void list_init(struct list *list, unsigned level)
{
	list->level = (uint8_t)level;
	list->append = false;
	list->stays = false;
	list->count = 0;
	list->used = 0;
}

int list_begin(struct pager *pager, unsigned level, struct list **ret_list)
{
	struct list *list;

	if (pager->scratch == NULL)
		pager->scratch = malloc(sizeof(struct list));
	if (pager->scratch == NULL)
		return -ENOMEM;
	list = (struct list *)(void *)pager->scratch;
	list_init(list, level);
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
static int list_take_cell(
	struct pager *pager, struct list *list, const uint8_t *node, unsigned index)
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
		int err = list_take_cell(pager, list, node, i);

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

static size_t list_common_prefix(const struct image *a, const struct image *b)
{
	size_t limit = a->key_size < b->key_size ? a->key_size : b->key_size;
	size_t size = 0;

	while (size < limit && a->key[size] == b->key[size])
		size++;
	return size;
}

/* Is this the cell of a branch that has no key? */
static bool list_keyless(const struct list *list, unsigned from, unsigned index)
{
	return list->level > 0 && index == from;
}

/* Longest prefix that the images [from, to) may share in one node. */
static size_t list_group_prefix(const struct list *list, unsigned from, unsigned to)
{
	size_t size;

	if (list->level > 0)
		from++;
	if (from >= to)
		return 0;
	size = list_common_prefix(&list->images[from], &list->images[to - 1]);
	return size < PREFIX_MAX ? size : PREFIX_MAX;
}

/* Bytes that an image takes in a node with a given prefix. */
static size_t list_image_size(const struct image *image, size_t prefix)
{
	size_t suffix = image->key_size > prefix ? image->key_size - prefix : 0;

	return 6 + image->fixed_size + image->tail_size + rest_size(node_held_size(suffix));
}

/* Bytes of a node of the images [from, to). */
static size_t list_group_size(const struct list *list, unsigned from, unsigned to)
{
	size_t prefix = list_group_prefix(list, from, to);
	size_t size = node_heads_at(prefix);

	for (unsigned i = from; i < to; i++) {
		const struct image *image = &list->images[i];

		size += list_image_size(
			image, list_keyless(list, from, i) ? image->key_size : prefix);
	}
	return size;
}

bool list_fits(const struct list *list, size_t limit)
{
	return list_group_size(list, 0, list->count) <= limit;
}

/* Spill the keys that are too long for a node of the images [from, to). */
static int list_group_spill(struct pager *pager, struct list *list, unsigned from, unsigned to)
{
	size_t prefix = list_group_prefix(list, from, to);

	for (unsigned i = from; i < to; i++) {
		struct image *image = &list->images[i];
		uint8_t *tail = list->keys + list->used;
		int err;

		if (image->spilled || list_keyless(list, from, i) ||
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

int list_spill(struct pager *pager, struct list *list, unsigned count)
{
	return list_group_spill(pager, list, 0, count);
}

/* Bytes of a node of the first images, with the references to overflow that some will need. */
static size_t list_spilled_size(const struct list *list, unsigned count)
{
	size_t prefix = list_group_prefix(list, 0, count);
	size_t size = list_group_size(list, 0, count);

	for (unsigned i = 0; i < count; i++)
		if (!list->images[i].spilled && !list_keyless(list, 0, i) &&
			list->images[i].key_size - prefix > SUFFIX_MAX)
			size += 10;
	return size;
}

unsigned list_fill(const struct list *list)
{
	unsigned low = 0, high = list->count;

	while (low < high) {
		unsigned middle = (low + high + 1) / 2;

		if (list_spilled_size(list, middle) <= PAGE_SIZE)
			low = middle;
		else
			high = middle - 1;
	}
	return low;
}

/* Move the keys of the list to the front, which makes room for more. */
void list_drop(struct list *list, unsigned count)
{
	list->used = 0;
	for (unsigned i = count; i < list->count; i++) {
		struct image image = list->images[i];

		image.key = memmove(list->keys + list->used, image.key, image.key_size);
		list->used += image.key_size;
		list->images[i - count] = image;
	}
	list->count -= count;
}

/* Where to cut the images [from, to) in two: about half of the bytes each; or, when they came in
 * order, before the last. */
static unsigned list_choose_cut(const struct list *list, unsigned from, unsigned to)
{
	size_t prefix = list_group_prefix(list, from, to);
	size_t total = 0, left = 0;
	unsigned cut = from + 1;

	if (list->append && list_group_size(list, from, to - 1) <= PAGE_SIZE)
		return to - 1;
	for (unsigned i = from; i < to; i++)
		total += list_image_size(&list->images[i], prefix);
	for (unsigned i = from; i + 1 < to; i++) {
		left += list_image_size(&list->images[i], prefix);
		cut = i + 1;
		if (left >= total / 2)
			break;
	}
	return cut;
}

static int list_cut_group(struct pager *pager, struct list *list, unsigned from, unsigned to,
	unsigned *cuts, unsigned max, unsigned *count)
{
	unsigned cut;
	int err = list_group_spill(pager, list, from, to);

	if (err != 0 || list_group_size(list, from, to) <= PAGE_SIZE)
		return err;
	if (to - from < 2 || *count == max)
		return error_damaged(0, "a cell that fits no node");
	cut = list_choose_cut(list, from, to);
	err = list_cut_group(pager, list, from, cut, cuts, max, count);
	if (err != 0)
		return err;
	if (*count == max)
		return error_damaged(0, "a cell that fits no node");
	cuts[(*count)++] = cut;
	return list_cut_group(pager, list, cut, to, cuts, max, count);
}

/* Do the keys ascend? In a damaged file they may not; then the first and the last key do not tell
 * the common prefix of all. */
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
	if (list->stays) {
		assert(max > 0 && list->count > 1);
		ret_cuts[(*ret_count)++] = 1;
		return list_group_spill(pager, list, 1, list->count);
	}
	return list_cut_group(pager, list, 0, list->count, ret_cuts, max, ret_count);
}

void list_build(const struct list *list, unsigned from, unsigned to, uint8_t *node)
{
	size_t prefix = list_group_prefix(list, from, to);
	struct page_header *header = (struct page_header *)(void *)node;

	node_init(node, list->level);
	header->prefix = (uint16_t)prefix;
	memset(node + sizeof(*header), 0, node_heads_at(prefix) - sizeof(*header));
	if (prefix > 0)
		memcpy(node + sizeof(*header), list->images[to - 1].key, prefix);
	for (unsigned i = from; i < to; i++) {
		const struct image *image = &list->images[i];
		bool none = list_keyless(list, from, i);

		node_add_cell(node, i - from, image, none ? image->key : image->key + prefix,
			none ? 0 : image->key_size - prefix);
	}
}

size_t list_parting(const uint8_t *key, size_t size, const struct image *image)
{
	return list_common_prefix(&(struct image){.key = key, .key_size = size}, image) + 1;
}

size_t list_separator(const struct list *list, unsigned index)
{
	const struct image *image = &list->images[index];

	if (list->level > 0)
		return image->key_size;
	return list_parting(list->images[index - 1].key, list->images[index - 1].key_size, image);
}
