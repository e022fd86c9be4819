#include "store/value/extent.h"

#include "store/error.h"
#include "store/tree/node.h"
#include "store/tree/pager.h"
#include "store/tree/tree_edit.h"
#include "store/util/bytes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

/* ---- records --------------------------------------------------------------------------------- */

int extent_parse(struct pager *pager, uint64_t block, const uint8_t *data, size_t size,
	struct extent *extent)
{
	uint64_t word;

	if (size < EXTENT_SIZE(1))
		return error_damaged(0, "malformed extent");
	word = load64(data);
	extent->block = block;
	extent->page = ref_page(word);
	extent->count = word >> PAGE_BITS;
	extent->birth = load48(data + 8);
	if (extent->count == 0 || extent->count > EXTENT_MAX_BLOCKS ||
		size != EXTENT_SIZE(extent->count) || block > (uint64_t)INT64_MAX / PAGE_SIZE)
		return error_damaged(extent->page, "malformed extent");
	if (extent->page < PAGE_FIRST || extent->page >= pager->page_count ||
		extent->count > pager->page_count - extent->page)
		return error_damaged(extent->page, "an extent outside the file");
	memcpy(extent->sums, data + EXTENT_SIZE(0), 4 * extent->count);
	return 0;
}

void extent_format(const struct extent *extent, uint8_t *data)
{
	store64(data, extent->page | extent->count << PAGE_BITS);
	store48(data + 8, extent->birth);
	memcpy(data + EXTENT_SIZE(0), extent->sums, 4 * extent->count);
}

void extent_slice(struct extent *extent, uint64_t from, uint64_t to)
{
	uint64_t skip = from - extent->block;

	assert(from >= extent->block && from < to && to <= extent->block + extent->count);
	memmove(extent->sums, extent->sums + skip, 4 * (to - from));
	extent->block = from;
	extent->page += skip;
	extent->count = to - from;
}

/* ---- the tree -------------------------------------------------------------------------------- */

static struct format_tree tree_of(const struct value *value)
{
	assert(value->kind == CELL_TREE);
	return (struct format_tree){.root = value->root, .depth = value->depth};
}

static void put_tree(struct value *value, const struct format_tree *tree)
{
	value->root = tree->root;
	value->depth = (uint8_t)tree->depth;
}

static void block_key(uint64_t block, uint8_t key[8])
{
	big64_store(key, block);
}

/* Decode the extent that a path leads to. */
static int extent_at(struct pager *pager, const struct path *path, struct extent *extent)
{
	const uint8_t *node = path->level[0].node;
	uint8_t key[PREFIX_MAX + SUFFIX_MAX];
	struct cell cell;
	int err = tree_cell(path, &cell);

	if (err != 0)
		return err;
	if (cell.spilled || node_header(node)->prefix + cell.suffix != 8 ||
		cell.value.kind != CELL_INLINE)
		return error_damaged(ref_page(path->level[0].ref), "malformed extent");
	node_key_held(node, path->level[0].index, &cell, key);
	return extent_parse(pager, big64_load(key), cell.value.data, cell.value.size, extent);
}

int extent_path(struct pager *pager, const struct format_tree *tree, uint64_t block,
	struct path *path, struct extent *extent)
{
	uint8_t key[8];
	bool exact;
	int err;

	block_key(block, key);
	err = tree_find(pager, tree, key, sizeof(key), path, &exact);
	if (err != 0)
		return err;
	if (path->depth == 0)
		return -ENOENT;
	if (!exact) {
		err = tree_prev(pager, path);
		if (!err)
			err = extent_at(pager, path, extent);
		if (!err && extent->block + extent->count > block)
			return 0;
		if (!err)
			err = tree_next(pager, path);
		else if (err == -ENOENT) /* before the first: the path has not moved */
			err = 0;
		if (err != 0)
			return err;
	}
	return extent_at(pager, path, extent);
}

int extent_find(
	struct pager *pager, const struct value *value, uint64_t block, struct extent *extent)
{
	struct format_tree tree = tree_of(value);
	struct path path;
	int err;

	pager->alone = true;
	err = extent_path(pager, &tree, block, &path, extent);
	pager->alone = false;
	return err;
}

/* Write a record at its key. */
static int put_record(struct pager *pager, struct value *value, const struct extent *extent)
{
	struct format_tree tree = tree_of(value);
	uint8_t key[8], data[EXTENT_SIZE(EXTENT_MAX_BLOCKS)];
	struct cell cell = {.flags = 0};
	struct image_buffer buffer;
	struct image image;
	struct path path;
	bool exact;
	int err;

	extent_format(extent, data);
	cell.value = (struct value){
		.kind = CELL_INLINE, .size = EXTENT_SIZE(extent->count), .data = data};
	cell_image(&cell, &buffer, &image);
	block_key(extent->block, key);
	image.key = key;
	image.key_size = sizeof(key);
	err = tree_find(pager, &tree, key, sizeof(key), &path, &exact);
	if (!err)
		err = tree_put(pager, &tree, &path, exact, &image);
	put_tree(value, &tree);
	return err;
}

/* Does b begin where a ends, in the value and in the file? */
static bool joins(const struct extent *a, const struct extent *b)
{
	return a->block + a->count == b->block && a->page + a->count == b->page &&
	       a->birth == b->birth && a->count + b->count <= EXTENT_MAX_BLOCKS;
}

int extent_add(struct pager *pager, struct value *value, const struct extent *extent)
{
	struct extent before;
	int err = -ENOENT;

	value->blocks += extent->count;
	if (extent->block > 0)
		err = extent_find(pager, value, extent->block - 1, &before);
	if (err != 0 && err != -ENOENT)
		return err;
	if (!err && joins(&before, extent)) {
		memcpy(before.sums + before.count, extent->sums, 4 * extent->count);
		before.count += extent->count;
		return put_record(pager, value, &before);
	}
	return put_record(pager, value, extent);
}

int extent_add_run(struct pager *pager, struct value *value, uint64_t block, const struct run *run,
	const uint32_t *sums)
{
	for (uint64_t done = 0; done < run->count;) {
		uint64_t left = run->count - done;
		struct extent extent = {.block = block + done,
			.page = run->start + done,
			.count = left < EXTENT_MAX_BLOCKS ? left : EXTENT_MAX_BLOCKS,
			.birth = pager->txn};
		int err;

		memcpy(extent.sums, sums + done, 4 * extent.count);
		err = extent_add(pager, value, &extent);
		if (err != 0)
			return err;
		done += extent.count;
	}
	return 0;
}

int extent_update(struct pager *pager, struct value *value, const struct extent *extent)
{
	return put_record(pager, value, extent);
}

/* Remove an extent from the tree, and add the parts of it outside [from, to) again. */
static int cut_extent(struct pager *pager, struct value *value, struct path *path,
	const struct extent *extent, uint64_t from, uint64_t to)
{
	struct format_tree tree = tree_of(value);
	uint64_t end = extent->block + extent->count;
	uint64_t first = extent->block > from ? extent->block : from;
	uint64_t last = end < to ? end : to;
	struct extent part;
	int err = tree_remove(pager, &tree, path);

	put_tree(value, &tree);
	if (!err)
		err = pager_release(
			pager, extent->page + (first - extent->block), last - first, extent->birth);
	value->blocks -= last - first;
	if (!err && extent->block < first) {
		part = *extent;
		extent_slice(&part, extent->block, first);
		err = put_record(pager, value, &part);
	}
	if (!err && last < end) {
		part = *extent;
		extent_slice(&part, last, end);
		err = put_record(pager, value, &part);
	}
	return err;
}

int extent_remove(struct pager *pager, struct value *value, uint64_t from, uint64_t to)
{
	while (from < to) {
		struct format_tree tree = tree_of(value);
		struct extent extent;
		struct path path;
		int err = extent_path(pager, &tree, from, &path, &extent);

		if (err == -ENOENT || (!err && extent.block >= to))
			return 0;
		if (!err)
			err = cut_extent(pager, value, &path, &extent, from, to);
		if (err != 0)
			return err;
		from = extent.block + extent.count;
	}
	return 0;
}

static int release_record(void *arg, const struct cell *cell)
{
	struct pager *pager = arg;
	struct extent extent;
	int err = extent_parse(pager, 0, cell->value.data, cell->value.size, &extent);

	return err != 0 ? err : pager_release(pager, extent.page, extent.count, extent.birth);
}

int extent_free(struct pager *pager, const struct value *value)
{
	return tree_free(pager, value->root, value->depth, release_record, pager);
}
