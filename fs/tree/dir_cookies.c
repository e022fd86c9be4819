/* Offsets of directory listings. See dir_cookies.h.
 *
 * An offset finds its cookie in two steps, block and slot. Each of the two may hold an alias
 * instead of a pointer: the number of another offset, marked by the lowest bit. Offset 0 stands for
 * the begin of the directory. An alias leads to a smaller position, so following ends.
 */
#include "fs/tree/dir_cookies.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SLOTS 256

/* A position with the pieces that keys from there may be in: each of them begins its bytes. */
struct dir_cookie {
	struct dir_cookie *next; /* by position */
	uint64_t offset;
	uint16_t size;
	uint8_t piece_count, piece_sizes[POSITION_PIECES_MAX];
	unsigned char bytes[];
};

struct cookie_block {
	unsigned live; /* slots that are no alias */
	uintptr_t slots[BLOCK_SLOTS];
};

struct dir_cookies {
	struct dir_cookie *first;
	size_t count;	   /* of cookies in the list */
	size_t bytes;	   /* of all cookies and blocks */
	uint64_t slots;	   /* that were given out; the offset of a slot is DIR_COOKIES_FIRST more */
	uintptr_t *blocks; /* of these */
	size_t block_capacity;
};

struct dir_cookies *dir_cookies_new(void)
{
	return calloc(1, sizeof(struct dir_cookies));
}

static bool is_alias(uintptr_t value)
{
	return value & 1;
}

static uintptr_t alias_of(const struct dir_cookie *cookie)
{
	return cookie != NULL ? (uintptr_t)cookie->offset << 1 | 1 : 1;
}

void dir_cookies_free(struct dir_cookies *cookies)
{
	if (cookies == NULL)
		return;
	while (cookies->first != NULL) {
		struct dir_cookie *cookie = cookies->first;

		cookies->first = cookie->next;
		free(cookie);
	}
	for (uint64_t i = 0; i * BLOCK_SLOTS < cookies->slots; i++) {
		if (!is_alias(cookies->blocks[i]))
			free((void *)cookies->blocks[i]);
	}
	free(cookies->blocks);
	free(cookies);
}

/* ---- from offsets to cookies ----------------------------------------------------------------- */

/* Where the value of an offset stands: in its slot, or, if all of its block has one, there. */
static uintptr_t *value_of(const struct dir_cookies *cookies, uint64_t offset)
{
	uint64_t slot = offset - DIR_COOKIES_FIRST;
	uintptr_t *block = cookies->blocks + slot / BLOCK_SLOTS;

	assert(offset >= DIR_COOKIES_FIRST && slot < cookies->slots);
	return is_alias(*block) ? block
				: ((struct cookie_block *)*block)->slots + slot % BLOCK_SLOTS;
}

/* The cookie that a value leads to; NULL: the begin. Each alias on the way is made to lead there
 * at once. */
static struct dir_cookie *resolve(const struct dir_cookies *cookies, uintptr_t value)
{
	struct dir_cookie *cookie;
	uintptr_t end = value;

	while (is_alias(end) && end >> 1 != 0)
		end = *value_of(cookies, end >> 1);
	cookie = is_alias(end) ? NULL : (struct dir_cookie *)end;
	while (is_alias(value) && value >> 1 != 0 && value != alias_of(cookie)) {
		uintptr_t *step = value_of(cookies, value >> 1);

		value = *step;
		*step = is_alias(value) ? alias_of(cookie) : value;
	}
	return cookie;
}

void dir_cookies_seek(struct dir_cookies *cookies, off_t offset, struct dir_cookie **ret_at,
	struct position *ret_position)
{
	uint64_t number = (uint64_t)offset;
	const struct dir_cookie *cookie = NULL;

	if (number >= DIR_COOKIES_FIRST && number - DIR_COOKIES_FIRST < cookies->slots)
		cookie = resolve(cookies, *value_of(cookies, number));
	*ret_at = (struct dir_cookie *)cookie;
	ret_position->size = ret_position->piece_count = 0;
	if (cookie == NULL)
		return;
	ret_position->size = cookie->size;
	memcpy(ret_position->bytes, cookie->bytes, cookie->size);
	ret_position->piece_count = cookie->piece_count;
	for (unsigned i = 0; i < cookie->piece_count; i++) {
		ret_position->pieces[i].size = cookie->piece_sizes[i];
		memcpy(ret_position->pieces[i].bytes, cookie->bytes, cookie->piece_sizes[i]);
	}
}

/* ---- the end of a child ---------------------------------------------------------------------- */

/* If all slots of a block lead to one cookie, the block becomes an alias of that. */
static void block_shrink(struct dir_cookies *cookies, uint64_t index)
{
	struct cookie_block *block = (struct cookie_block *)cookies->blocks[index];
	const struct dir_cookie *cookie = resolve(cookies, block->slots[0]);

	for (unsigned i = 1; i < BLOCK_SLOTS; i++) {
		if (resolve(cookies, block->slots[i]) != cookie)
			return;
	}
	cookies->blocks[index] = alias_of(cookie);
	cookies->bytes -= sizeof(*block);
	free(block);
}

/* The child of a cookie is gone: free it. @param before  the cookie before, or NULL */
static void cookie_free(
	struct dir_cookies *cookies, struct dir_cookie *cookie, const struct dir_cookie *before)
{
	uint64_t index = (cookie->offset - DIR_COOKIES_FIRST) / BLOCK_SLOTS;
	struct cookie_block *block = (struct cookie_block *)cookies->blocks[index];

	*value_of(cookies, cookie->offset) = alias_of(before);
	assert(block->live > 0);
	if (--block->live == 0 && (index + 1) * BLOCK_SLOTS <= cookies->slots)
		block_shrink(cookies, index);
	cookies->bytes -= sizeof(*cookie) + cookie->size;
	cookies->count--;
	free(cookie);
}

/* ---- from positions to cookies --------------------------------------------------------------- */

/* Sizes of the pieces that matter behind a position: others are left behind by then. */
static uint8_t piece_sizes(const struct position *position, uint8_t *sizes)
{
	uint8_t count = 0;

	for (unsigned i = 0; i < position->piece_count; i++) {
		const struct position_piece *piece = &position->pieces[i];

		if (piece->size <= position->size &&
			memcmp(piece->bytes, position->bytes, piece->size) == 0)
			sizes[count++] = (uint8_t)piece->size;
	}
	return count;
}

/* Is the position of a cookie before another, behind it, or the same? At one key the one that has
 * more pieces behind it comes later. */
static int cookie_compare(const struct dir_cookie *cookie, const struct position *position,
	uint8_t piece_count, const uint8_t *sizes)
{
	size_t both = cookie->size < position->size ? cookie->size : position->size;
	int order = memcmp(cookie->bytes, position->bytes, both);

	if (order == 0)
		order = (cookie->size > position->size) - (cookie->size < position->size);
	if (order == 0)
		order = (int)cookie->piece_count - (int)piece_count;
	return order ? order : memcmp(cookie->piece_sizes, sizes, piece_count);
}

/* Make room for one offset more. @return false out of memory */
static bool reserve_slot(struct dir_cookies *cookies)
{
	uint64_t index = cookies->slots / BLOCK_SLOTS;
	struct cookie_block *block;

	if (cookies->slots % BLOCK_SLOTS != 0)
		return true;
	if (index == cookies->block_capacity) {
		size_t capacity = cookies->block_capacity ? 2 * cookies->block_capacity : 8;
		uintptr_t *blocks = realloc(cookies->blocks, capacity * sizeof(blocks[0]));

		if (blocks == NULL)
			return false;
		cookies->blocks = blocks;
		cookies->block_capacity = capacity;
	}
	block = malloc(sizeof(*block));
	if (block == NULL)
		return false;
	block->live = 0;
	cookies->blocks[index] = (uintptr_t)block;
	cookies->bytes += sizeof(*block);
	return true;
}

/* A cookie for a position, with the next offset. @return NULL out of memory */
static struct dir_cookie *cookie_new(struct dir_cookies *cookies, const struct position *position,
	uint8_t piece_count, const uint8_t *sizes)
{
	struct dir_cookie *cookie = malloc(sizeof(*cookie) + position->size);
	uint64_t slot = cookies->slots;
	struct cookie_block *block;

	if (cookie == NULL)
		return NULL;
	/* a block without slots is freed with the table only if it counts */
	if (!reserve_slot(cookies)) {
		free(cookie);
		return NULL;
	}
	cookie->offset = slot + DIR_COOKIES_FIRST;
	cookie->size = (uint16_t)position->size;
	memcpy(cookie->bytes, position->bytes, position->size);
	cookie->piece_count = piece_count;
	memcpy(cookie->piece_sizes, sizes, piece_count);
	block = (struct cookie_block *)cookies->blocks[slot / BLOCK_SLOTS];
	block->slots[slot % BLOCK_SLOTS] = (uintptr_t)cookie;
	block->live++;
	cookies->slots++;
	cookies->count++;
	cookies->bytes += sizeof(*cookie) + cookie->size;
	return cookie;
}

int dir_cookies_next(struct dir_cookies *cookies, struct dir_cookie **at,
	const struct position *position, off_t *ret_offset)
{
	uint8_t sizes[POSITION_PIECES_MAX], count = piece_sizes(position, sizes);
	struct dir_cookie *before = *at, **link, *cookie;
	/* in a damaged store keys may not be in order: then nothing is known of those between */
	bool ordered = before == NULL || cookie_compare(before, position, count, sizes) < 0;

	link = before != NULL && ordered ? &before->next : &cookies->first;
	while (*link != NULL && cookie_compare(*link, position, count, sizes) < 0) {
		cookie = *link;
		/* that of a piece says what was listed, also if its key is gone */
		if (cookie->piece_count > 0 || !ordered) {
			before = cookie;
			link = &cookie->next;
		} else {
			*link = cookie->next;
			cookie_free(cookies, cookie, before);
		}
	}
	cookie = *link;
	if (cookie == NULL || cookie_compare(cookie, position, count, sizes) > 0) {
		cookie = cookie_new(cookies, position, count, sizes);
		if (cookie == NULL)
			return -ENOMEM;
		cookie->next = *link;
		*link = cookie;
	}
	*at = cookie;
	*ret_offset = (off_t)cookie->offset;
	return 0;
}

void dir_cookies_end(struct dir_cookies *cookies, struct dir_cookie *at)
{
	struct dir_cookie **link = at != NULL ? &at->next : &cookies->first;

	while (*link != NULL) {
		struct dir_cookie *cookie = *link;

		if (cookie->piece_count > 0) {
			at = cookie;
			link = &cookie->next;
		} else {
			*link = cookie->next;
			cookie_free(cookies, cookie, at);
		}
	}
}

size_t dir_cookies_count(const struct dir_cookies *cookies)
{
	return cookies->count;
}

size_t dir_cookies_bytes(const struct dir_cookies *cookies)
{
	return sizeof(*cookies) + cookies->bytes + cookies->block_capacity * sizeof(uintptr_t);
}
