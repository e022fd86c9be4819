#include "store/tree/node.h"

#include "store/error.h"
#include "keytree.h"
#include "store/tree/overflow.h"
#include "store/tree/pager.h"

#include <string.h>

static size_t node_min_size(size_t a, size_t b)
{
	return a < b ? a : b;
}

uint32_t node_head(const uint8_t *suffix, size_t size)
{
	uint32_t head = 0;

	if (size >= 4)
		return __builtin_bswap32(load32(suffix));
	for (size_t i = 0; i < size; i++)
		head |= (uint32_t)suffix[i] << (24 - 8 * i);
	return head;
}

bool node_cell(const uint8_t *node, unsigned index, struct cell *cell)
{
	unsigned at = node_slots(node)[index];

	if (at >= PAGE_SIZE)
		return false;
	return node_header(node)->kind == PAGE_LEAF
		       ? cell_parse(node + at, PAGE_SIZE - at, cell)
		       : cell_parse_branch(node + at, PAGE_SIZE - at, cell);
}

uint64_t node_child(const uint8_t *node, unsigned index)
{
	unsigned at = node_slots(node)[index];

	return at <= PAGE_SIZE - 8 ? load64(node + at) : 0;
}

bool node_suffix(const uint8_t *node, unsigned index, uint8_t *suffix, size_t *ret_size)
{
	unsigned at = node_slots(node)[index] + LEAF_REST_AT;
	size_t size = at <= PAGE_SIZE ? load16(node + at - 2) : SUFFIX_SPILLED;
	size_t rest = rest_size(size);

	if (size > SUFFIX_MAX || at + rest > PAGE_SIZE)
		return false;
	store32(suffix, __builtin_bswap32(node_heads(node)[index]));
	if (rest <= 16 && at + 16 <= PAGE_SIZE)
		memcpy(suffix + 4, node + at, 16); /* of constant size: no call */
	else
		memcpy(suffix + 4, node + at, rest);
	*ret_size = size;
	return true;
}

bool node_is_spilled(const uint8_t *node, unsigned index)
{
	unsigned at = node_slots(node)[index];

	return at + LEAF_REST_AT > PAGE_SIZE ||
	       (load16(node + at + LEAF_REST_AT - 2) & SUFFIX_SPILLED) != 0;
}

size_t node_key_held(const uint8_t *node, unsigned index, const struct cell *cell, uint8_t *buf)
{
	size_t prefix = node_header(node)->prefix;
	uint32_t head = __builtin_bswap32(node_heads(node)[index]);

	memcpy(buf, node_prefix(node), prefix);
	memcpy(buf + prefix, &head, node_min_size(cell->suffix, 4));
	if (cell->suffix > 4)
		memcpy(buf + prefix + 4, cell->rest, cell->suffix - 4U);
	return prefix + cell->suffix;
}

static int node_damaged_cell(const uint8_t *node)
{
	return error_damaged(node_header(node)->page, "malformed cell");
}

int node_key(
	struct pager *pager, const uint8_t *node, unsigned index, uint8_t *buf, size_t *ret_size)
{
	struct cell cell;

	if (!node_cell(node, index, &cell))
		return node_damaged_cell(node);
	if (!cell.spilled) {
		*ret_size = node_key_held(node, index, &cell, buf);
		return 0;
	}
	*ret_size = cell.key_size;
	return overflow_read(pager, cell.key_overflow, buf, cell.key_size);
}

/* Order of a key against a spilled one, beyond the part that the node holds. */
static int node_compare_spilled(struct pager *pager, const struct cell *cell, const uint8_t *node,
	const uint8_t *suffix, size_t size, int *ret_order)
{
	size_t prefix = node_header(node)->prefix;
	uint8_t full[KT_KEY_MAX];
	int err;

	if (cell->key_size <= prefix)
		return node_damaged_cell(node);
	err = overflow_read(pager, cell->key_overflow, full, cell->key_size);
	if (err != 0)
		return err;
	*ret_order = memcmp(suffix, full + prefix, node_min_size(size, cell->key_size - prefix));
	if (*ret_order == 0)
		*ret_order = (size > cell->key_size - prefix) - (size < cell->key_size - prefix);
	return 0;
}

/* As node_compare_tie(), for a spilled cell whose bytes in the node equal those of the key. */
static int node_compare_tie_spilled(struct pager *pager, const uint8_t *node, unsigned index,
	const uint8_t *suffix, size_t size, int *ret_order)
{
	struct cell cell;

	if (!node_cell(node, index, &cell))
		return node_damaged_cell(node);
	/* A key may have been spilled in a node with a shorter prefix, and be held whole by this
	 * one. */
	if (node_header(node)->prefix + cell.suffix == cell.key_size)
		*ret_order = (size > cell.suffix) - (size < cell.suffix);
	else if (size > cell.suffix)
		return node_compare_spilled(pager, &cell, node, suffix, size, ret_order);
	else
		*ret_order = -1;
	return 0;
}

/* Order of a key's suffix against a cell with the same head: < 0 it comes before. */
static int node_compare_tie(struct pager *pager, const uint8_t *node, unsigned index,
	const uint8_t *suffix, size_t size, int *ret_order)
{
	unsigned rest = node_slots(node)[index] +
			(node_header(node)->kind == PAGE_LEAF ? LEAF_REST_AT : BRANCH_REST_AT);
	unsigned word = rest <= PAGE_SIZE ? load16(node + rest - 2) : 0;
	size_t held = word & ~SUFFIX_SPILLED;
	size_t both = node_min_size(size, held);

	if (rest + rest_size(held) > PAGE_SIZE)
		return node_damaged_cell(node);
	*ret_order = both > 4 ? memcmp(suffix + 4, node + rest, both - 4) : 0;
	if (*ret_order != 0)
		return 0;
	if (word & SUFFIX_SPILLED)
		return node_compare_tie_spilled(pager, node, index, suffix, size, ret_order);
	*ret_order = (size > held) - (size < held);
	return 0;
}

/* First index in [low, high) whose head is >= head. */
static unsigned node_lower_head(const uint32_t *heads, unsigned low, unsigned high, uint32_t head)
{
	const uint32_t *base = heads + low;
	unsigned left = high - low;

	while (left > 1) {
		unsigned half = left / 2;

		base += half * (base[half - 1] < head); /* no branch to mispredict */
		left -= half;
	}
	return (unsigned)(base - heads) + (left == 1 && *base < head);
}

/* Search cells [first, count) by suffix. */
static int node_search_suffix(struct pager *pager, const uint8_t *node, unsigned first,
	const uint8_t *suffix, size_t size, unsigned *ret_index, bool *ret_exact)
{
	const uint32_t *heads = node_heads(node);
	unsigned count = node_header(node)->count;
	uint32_t head = node_head(suffix, size);
	unsigned low = node_lower_head(heads, first, count, head);
	unsigned high = low;
	bool exact = false;

	if (low < count && heads[low] == head) {
		const uint8_t *cell = node + node_slots(node)[low];

		/* Rest of the key, and, most likely, the value. */
		for (unsigned at = 0; at <= 128; at += 64)
			__builtin_prefetch(cell + at);
		high = low + 1;
		if (high < count && heads[high] == head)
			high = head == UINT32_MAX ? count
						  : node_lower_head(heads, high, count, head + 1);
	}
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		int order;
		int err = node_compare_tie(pager, node, middle, suffix, size, &order);

		if (err != 0)
			return err;
		if (order == 0)
			exact = true;
		if (order > 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_index = low;
	*ret_exact = exact;
	return 0;
}

/* Compare a key with the node's prefix: 0 it begins with it, < 0 it comes before all cells. */
static int node_compare_prefix(const uint8_t *node, const void *key, size_t size)
{
	size_t prefix = node_header(node)->prefix;
	int order;

	if (prefix == 0)
		return 0;
	order = memcmp(key, node_prefix(node), node_min_size(size, prefix));
	return order == 0 && size < prefix ? -1 : order;
}

int node_search(struct pager *pager, const uint8_t *node, const void *key, size_t size,
	unsigned *ret_index, bool *ret_exact)
{
	int order = node_compare_prefix(node, key, size);
	size_t prefix = node_header(node)->prefix;

	if (order != 0) {
		*ret_index = order < 0 ? 0 : node_header(node)->count;
		*ret_exact = false;
		return 0;
	}
	return node_search_suffix(
		pager, node, 0, (const uint8_t *)key + prefix, size - prefix, ret_index, ret_exact);
}

int node_is_behind(
	struct pager *pager, const uint8_t *node, const void *key, size_t size, bool *ret_behind)
{
	unsigned last = node_last(node);
	const uint8_t *suffix = (const uint8_t *)key + node_header(node)->prefix;
	int order = node_compare_prefix(node, key, size);
	uint32_t head;
	int err = 0;

	if (order == 0) {
		size -= node_header(node)->prefix;
		head = node_head(suffix, size);
		order = (head > node_heads(node)[last]) - (head < node_heads(node)[last]);
		if (order == 0)
			err = node_compare_tie(pager, node, last, suffix, size, &order);
	}
	if (!err)
		*ret_behind = order > 0;
	return err;
}

int node_search_child(
	struct pager *pager, const uint8_t *node, const void *key, size_t size, unsigned *ret_index)
{
	int order = node_compare_prefix(node, key, size);
	size_t prefix = node_header(node)->prefix;
	unsigned index;
	bool exact;
	int err;

	if (order != 0) {
		*ret_index = order < 0 ? 0 : node_last(node);
		return 0;
	}
	err = node_search_suffix(
		pager, node, 1, (const uint8_t *)key + prefix, size - prefix, &index, &exact);
	if (!err)
		*ret_index = exact ? index : index - 1;
	return err;
}

/* Do all references of a leaf cell lead to page numbers that a file can have? */
static bool cell_refers_to_file(const struct cell *cell)
{
	if (cell->spilled && !ref_is_placed(cell->key_overflow))
		return false;
	if ((cell->flags & CELL_ATTR_SPILLED) && !ref_is_placed(cell->attr_overflow))
		return false;
	if (cell->value.kind == CELL_TREE && cell->value.root != 0)
		return ref_is_placed(cell->value.root);
	return true;
}

/* Note the bytes of a cell in a bitmap of the page's. @return false: some are of another cell */
static bool node_claim(uint64_t taken[PAGE_SIZE / 64], unsigned at, size_t size)
{
	size_t end = at + size;

	while (at < end) {
		unsigned bit = at % 64;
		size_t count = end - at < 64 - bit ? end - at : 64 - bit;
		uint64_t mask = (count == 64 ? UINT64_MAX : (UINT64_C(1) << count) - 1) << bit;

		if (taken[at / 64] & mask)
			return false;
		taken[at / 64] |= mask;
		at += (unsigned)count;
	}
	return true;
}

/* used: of the page's bytes by cells so far, and which. */
static const char *node_validate_cell(
	const uint8_t *node, unsigned index, size_t *used, uint64_t taken[PAGE_SIZE / 64])
{
	const struct page_header *header = node_header(node);
	struct cell cell;

	if (node_slots(node)[index] < header->heap || !node_cell(node, index, &cell))
		return "malformed cell";
	if (header->prefix + cell.suffix > KT_KEY_MAX || cell.key_size > KT_KEY_MAX)
		return "a key that is too long";
	if (cell.spilled && cell.suffix < SUFFIX_MAX &&
		header->prefix + cell.suffix != cell.key_size)
		return "malformed cell";
	if (index > 0 && node_heads(node)[index] < node_heads(node)[index - 1] &&
		(header->kind == PAGE_LEAF || index > 1))
		return "keys out of order";
	if (header->kind == PAGE_LEAF ? !cell_refers_to_file(&cell)
				      : !ref_is_placed(cell.value.root))
		return "a reference to a page that cannot be";
	if (!node_claim(taken, node_slots(node)[index], cell.size))
		return "cells that overlap";
	*used += cell.size;
	return NULL;
}

const char *node_validate(const uint8_t *node)
{
	const struct page_header *header = node_header(node);
	uint64_t taken[PAGE_SIZE / 64] = {0};
	size_t used = 0;

	if (header->kind == PAGE_LEAF ? header->level != 0 : header->level == 0)
		return "a node on the wrong level";
	if (header->count == 0 || header->prefix > PREFIX_MAX)
		return "malformed node";
	if (header->heap > PAGE_SIZE ||
		node_heads_at(header->prefix) + 6UL * header->count > header->heap)
		return "malformed node";
	for (unsigned i = 0; i < header->count; i++) {
		const char *wrong = node_validate_cell(node, i, &used, taken);

		if (wrong != NULL)
			return wrong;
	}
	if (used + header->dead != PAGE_SIZE - (size_t)header->heap)
		return "bytes that are of no cell";
	return NULL;
}
