#include "store/tree/cell.h"

#include <assert.h>
#include <string.h>

/* Reads a cell from the front, never past its room. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool ok;
};

static const uint8_t *cell_take(struct reader *reader, size_t size)
{
	static const uint8_t zeros[16];
	const uint8_t *at = reader->at;

	if (size > reader->left) {
		reader->ok = false;
		return zeros; /* enough for the fixed-size loads; others look at ok first */
	}
	reader->at += size;
	reader->left -= size;
	return at;
}

/* Suffix size, rest, and where the whole key is. */
static void cell_parse_key(struct reader *reader, struct cell *cell)
{
	uint16_t suffix = load16(cell_take(reader, 2));

	cell->spilled = (suffix & SUFFIX_SPILLED) != 0;
	cell->suffix = suffix & (uint16_t)~SUFFIX_SPILLED;
	if (cell->suffix > SUFFIX_MAX)
		reader->ok = false;
	cell->rest = cell_take(reader, rest_size(cell->suffix));
	cell->key_size = 0;
	cell->key_overflow = 0;
	if (cell->spilled) {
		cell->key_size = load16(cell_take(reader, 2));
		cell->key_overflow = load64(cell_take(reader, 8));
		if (cell->key_overflow == 0 || cell->key_size <= cell->suffix)
			reader->ok = false;
	}
}

static void cell_parse_extent(struct reader *reader, struct value *value)
{
	value->size = load64(cell_take(reader, 8));
	value->data = cell_take(reader, EXTENT_SIZE(0));
	value->blocks = reader->ok ? load64(value->data) >> PAGE_BITS : 0;
	if (value->blocks > EXTENT_CELL_BLOCKS || value->size > value->blocks * PAGE_SIZE) {
		reader->ok = false;
		return;
	}
	cell_take(reader, EXTENT_SIZE(value->blocks) - EXTENT_SIZE(0));
}

/* The fixed part of the value; inline bytes come at the end of the cell. */
static void cell_parse_value(struct reader *reader, struct value *value)
{
	switch (value->kind) {
	case CELL_INLINE:
		value->size = load16(cell_take(reader, 2));
		break;
	case CELL_EXTENT:
		cell_parse_extent(reader, value);
		break;
	case CELL_TREE:
		value->size = load64(cell_take(reader, 8));
		value->blocks = load64(cell_take(reader, 8));
		value->root = load64(cell_take(reader, 8));
		value->depth = *cell_take(reader, 1);
		if ((value->root == 0) != (value->depth == 0) || value->depth > DEPTH_MAX ||
			value->size > INT64_MAX)
			reader->ok = false;
		break;
	default:
		value->root = load64(cell_take(reader, 8));
		value->blocks = load64(cell_take(reader, 8));
		break;
	}
}

bool cell_parse(const uint8_t *at, size_t room, struct cell *cell)
{
	struct reader reader = {at, room, true};

	cell->flags = *cell_take(&reader, 1);
	if ((cell->flags & ~CELL_KNOWN) != 0 ||
		((cell->flags & CELL_ATTR) != 0 && (cell->flags & CELL_ATTR_SPILLED) != 0))
		return false;
	cell_parse_key(&reader, cell);
	cell->refs = (size_t)(reader.at - at);
	cell->version = 0;
	cell->mtime_ns = 0;
	if (cell->flags & CELL_STAMPED) {
		cell->version = load48(cell_take(&reader, 6));
		cell->mtime_ns = (int64_t)load64(cell_take(&reader, 8));
	}
	cell->keys = cell->flags & CELL_SHARED ? load32(cell_take(&reader, 4)) : 0;
	cell->attr_size = 0;
	cell->attr_overflow = 0;
	if (cell->flags & CELL_ATTR_SPILLED) {
		cell->attr_size = load32(cell_take(&reader, 4));
		cell->attr_overflow = load64(cell_take(&reader, 8));
	} else if (cell->flags & CELL_ATTR) {
		cell->attr_size = load16(cell_take(&reader, 2));
	}
	cell->value = (struct value){.kind = cell->flags & CELL_VALUE};
	cell_parse_value(&reader, &cell->value);
	cell->attr = cell->flags & CELL_ATTR ? cell_take(&reader, cell->attr_size) : NULL;
	if (cell->value.kind == CELL_INLINE)
		cell->value.data = cell_take(&reader, cell->value.size);
	cell->size = (size_t)(reader.at - at);
	return reader.ok;
}

bool cell_parse_branch(const uint8_t *at, size_t room, struct cell *cell)
{
	struct reader reader = {at, room, true};

	cell->flags = 0;
	cell->value.root = load64(cell_take(&reader, 8));
	cell_parse_key(&reader, cell);
	cell->size = (size_t)(reader.at - at);
	return reader.ok;
}

size_t cell_overhead(const struct cell *cell)
{
	size_t size = 3;

	if (cell->flags & CELL_STAMPED)
		size += 14;
	if (cell->flags & CELL_SHARED)
		size += 4;
	if (cell->flags & CELL_ATTR_SPILLED)
		size += 12;
	else if (cell->flags & CELL_ATTR)
		size += 2 + cell->attr_size;
	return size + 2; /* the size of an inline value */
}

static uint8_t *cell_put_value(uint8_t *at, const struct value *value)
{
	switch (value->kind) {
	case CELL_INLINE:
		store16(at, (uint16_t)value->size);
		return at + 2;
	case CELL_EXTENT:
		store64(at, value->size);
		memcpy(at + 8, value->data, EXTENT_SIZE(value->blocks));
		return at + 8 + EXTENT_SIZE(value->blocks);
	case CELL_TREE:
		store64(at, value->size);
		store64(at + 8, value->blocks);
		store64(at + 16, value->root);
		at[24] = value->depth;
		return at + 25;
	default:
		store64(at, value->root);
		store64(at + 8, value->blocks);
		return at + 16;
	}
}

static uint8_t *cell_put_spill(uint8_t *at, const struct cell *cell)
{
	if (!cell->spilled)
		return at;
	store16(at, cell->key_size);
	store64(at + 2, cell->key_overflow);
	return at + 10;
}

void cell_image(const struct cell *cell, struct image_buffer *buffer, struct image *image)
{
	uint8_t *at = cell_put_spill(buffer->tail, cell);

	buffer->fixed[0] = (uint8_t)((cell->flags & ~CELL_VALUE) | cell->value.kind);
	image->fixed = buffer->fixed;
	image->fixed_size = LEAF_REST_AT; /* the suffix size is set where the cell is written */
	if (cell->flags & CELL_STAMPED) {
		store48(at, cell->version);
		store64(at + 6, (uint64_t)cell->mtime_ns);
		at += 14;
	}
	if (cell->flags & CELL_SHARED) {
		store32(at, cell->keys);
		at += 4;
	}
	if (cell->flags & CELL_ATTR_SPILLED) {
		store32(at, cell->attr_size);
		store64(at + 4, cell->attr_overflow);
		at += 12;
	} else if (cell->flags & CELL_ATTR) {
		store16(at, (uint16_t)cell->attr_size);
		at += 2;
	}
	at = cell_put_value(at, &cell->value);
	if (cell->flags & CELL_ATTR) {
		memcpy(at, cell->attr, cell->attr_size);
		at += cell->attr_size;
	}
	if (cell->value.kind == CELL_INLINE && cell->value.size > 0) {
		memcpy(at, cell->value.data, cell->value.size);
		at += cell->value.size;
	}
	image->tail = buffer->tail;
	image->tail_size = (size_t)(at - buffer->tail);
	image->spilled = cell->spilled;
	assert(image->tail_size <= sizeof(buffer->tail));
}

void cell_image_branch(const struct cell *cell, struct image_buffer *buffer, struct image *image)
{
	store64(buffer->fixed, cell->value.root);
	image->fixed = buffer->fixed;
	image->fixed_size = BRANCH_REST_AT;
	image->tail = buffer->tail;
	image->tail_size = (size_t)(cell_put_spill(buffer->tail, cell) - buffer->tail);
	image->spilled = cell->spilled;
}
