#include "store/tree/node_edit.h"

#include "store/error.h"
#include "keytree.h"
#include "store/tree/node.h"
#include "store/tree/overflow.h"
#include "store/tree/pager.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- one node, in place ---------------------------------------------------------------------- */

static struct page_header *node_header_of(uint8_t *node)
{
	return (struct page_header *)(void *)node;
}

static uint32_t *node_heads_of(uint8_t *node)
{
	return (uint32_t *)(void *)(node + node_heads_at(node_header(node)->prefix));
}

static uint16_t *node_slots_of(uint8_t *node, unsigned count)
{
	return (uint16_t *)(void *)(node_heads_of(node) + count);
}

void node_init(uint8_t *node, unsigned level)
{
	struct page_header *header = node_header_of(node);

	memset(header, 0, sizeof(*header));
	header->kind = level == 0 ? PAGE_LEAF : PAGE_BRANCH;
	header->level = (uint8_t)level;
	header->heap = PAGE_SIZE;
}

size_t node_held_size(size_t size)
{
	return size < SUFFIX_MAX ? size : SUFFIX_MAX;
}

/* Free bytes between slots and cells. */
static size_t node_gap(const uint8_t *node)
{
	return node_header(node)->heap - node_heads_at(node_header(node)->prefix) -
	       6UL * node_header(node)->count;
}

static size_t node_cell_size(const uint8_t *node, unsigned index)
{
	struct cell cell;

	return node_cell(node, index, &cell) ? cell.size : 0;
}

/* Move the cells together, so that all that is free lies in the gap. */
static void node_compact(uint8_t *node)
{
	struct page_header *header = node_header_of(node);
	uint16_t *slots = node_slots_of(node, header->count);
	size_t heap = PAGE_SIZE;
	uint8_t copy[PAGE_SIZE];

	memcpy(copy, node, PAGE_SIZE);
	for (unsigned i = 0; i < header->count; i++) {
		size_t size = node_cell_size(copy, i);

		heap -= size;
		memcpy(node + heap, copy + slots[i], size);
		slots[i] = (uint16_t)heap;
	}
	header->heap = (uint16_t)heap;
	header->dead = 0;
}

/* Write a cell's bytes. */
static void node_write_cell(
	uint8_t *at, const struct image *image, const uint8_t *suffix, size_t held)
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

void node_add_cell(uint8_t *node, unsigned index, const struct image *image, const uint8_t *suffix,
	size_t suffix_size)
{
	struct page_header *header = node_header_of(node);
	unsigned count = header->count;
	size_t held = node_held_size(suffix_size);
	uint32_t *heads = node_heads_of(node);
	uint16_t *old_slots = node_slots_of(node, count);
	uint16_t *slots = node_slots_of(node, count + 1);

	header->heap =
		(uint16_t)(header->heap - image->fixed_size - rest_size(held) - image->tail_size);
	memmove(slots + index + 1, old_slots + index, 2UL * (count - index));
	memmove(slots, old_slots, 2UL * index);
	memmove(heads + index + 1, heads + index, 4UL * (count - index));
	heads[index] = node_head(suffix, held);
	slots[index] = header->heap;
	header->count++;
	node_write_cell(node + header->heap, image, suffix, held);
}

bool node_suits(const uint8_t *node, const struct image *image)
{
	size_t prefix = node_header(node)->prefix;

	return image->key_size >= prefix &&
	       (image->spilled || image->key_size - prefix <= SUFFIX_MAX) &&
	       memcmp(image->key, node_prefix(node), prefix) == 0;
}

bool node_insert(uint8_t *node, unsigned index, const struct image *image)
{
	struct page_header *header = node_header_of(node);
	size_t prefix = header->prefix;
	bool first_of_branch = header->kind == PAGE_BRANCH && header->count == 0;
	size_t suffix, size;

	if (header->count == 0 && prefix == 0 && !first_of_branch)
		return false; /* let the list find its prefix */
	if (!node_suits(node, image))
		return false;
	suffix = image->key_size - prefix;
	size = 6 + image->fixed_size + rest_size(node_held_size(suffix)) + image->tail_size;
	if (node_gap(node) < size && header->dead > 0 && node_gap(node) + header->dead >= size)
		node_compact(node);
	if (node_gap(node) < size)
		return false;
	node_add_cell(node, index, image, image->key + prefix, suffix);
	return true;
}

void node_remove(uint8_t *node, unsigned index)
{
	struct page_header *header = node_header_of(node);
	unsigned count = header->count;
	uint32_t *heads = node_heads_of(node);
	uint16_t *slots = node_slots_of(node, count);
	uint16_t *new_slots = node_slots_of(node, count - 1);
	size_t size = node_cell_size(node, index);

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
