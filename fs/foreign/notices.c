/* Notices to be told. See notices.h. */
#include "fs/foreign/notices.h"

#include "fs/table.h"

#include <stdlib.h>
#include <string.h>

struct notices_seen {
	struct {
		uint64_t node;
		uint64_t kind;
	} key;
	UT_hash_handle hh;
};

/* What is kept of a notice. */
struct notice_head {
	struct fs_invalidation notice; /* its name is not set */
	size_t name_size;	       /* with its NUL; padded to whole heads' alignment */
};

static size_t notices_padded(size_t size)
{
	return (size + sizeof(uint64_t) - 1) & ~(sizeof(uint64_t) - 1);
}

/* Was this told of the node before? It was from now on. */
static bool notices_was_told(
	struct notices *notices, enum fs_invalidate_kind kind, uint64_t node, bool add)
{
	struct notices_seen *seen, probe = {.key = {.node = node, .kind = kind}};

	HASH_FIND(hh, notices->seen, &probe.key, sizeof(probe.key), seen);
	if (seen != NULL || !add)
		return seen != NULL;
	seen = malloc(sizeof(*seen));
	if (seen == NULL)
		return false; /* it is told twice */
	*seen = probe;
	HASH_ADD(hh, notices->seen, key, sizeof(seen->key), seen);
	if (seen->hh.tbl == NULL)
		free(seen);
	return false;
}

static bool notices_is_known(struct notices *notices, const struct fs_invalidation *notice)
{
	switch (notice->kind) {
	case FS_INVALIDATE_LISTING:
	case FS_INVALIDATE_DATA:
		return notices_was_told(notices, notice->kind, notice->node, true);
	case FS_INVALIDATE_ATTR:
		return notices_was_told(notices, FS_INVALIDATE_LISTING, notice->node, false) ||
		       notices_was_told(notices, FS_INVALIDATE_ATTR, notice->node, true);
	default:
		return false;
	}
}

static bool notices_grow(struct notices *notices, size_t size)
{
	size_t room = notices->room != 0 ? 2 * notices->room : 4096;
	unsigned char *bytes;

	if (notices->room - notices->used >= size)
		return true;
	while (room < notices->used + size)
		room *= 2;
	bytes = room <= NOTICES_BYTES ? realloc(notices->bytes, room) : NULL;
	if (bytes == NULL)
		return false;
	notices->bytes = bytes;
	notices->room = room;
	return true;
}

void notices_add(struct notices *notices, const struct fs_invalidation *notice)
{
	struct notice_head head = {.notice = *notice, .name_size = strlen(notice->name) + 1};
	size_t size = sizeof(head) + notices_padded(head.name_size);

	if (notices->full || notices_is_known(notices, notice))
		return;
	if (!notices_grow(notices, size)) {
		notices->full = true;
		return;
	}
	memcpy(notices->bytes + notices->used, &head, sizeof(head));
	memcpy(notices->bytes + notices->used + sizeof(head), notice->name, head.name_size);
	notices->used += size;
}

bool notices_next(const struct notices *notices, size_t *at, struct fs_invalidation *ret_notice)
{
	struct notice_head head;

	if (*at == notices->used)
		return false;
	memcpy(&head, notices->bytes + *at, sizeof(head));
	*ret_notice = head.notice;
	ret_notice->name = (const char *)notices->bytes + *at + sizeof(head);
	*at += sizeof(head) + notices_padded(head.name_size);
	return true;
}

void notices_fini(struct notices *notices)
{
	struct notices_seen *seen, *next;

	HASH_ITER(hh, notices->seen, seen, next)
	{
		HASH_DEL(notices->seen, seen);
		free(seen);
	}
	free(notices->bytes);
	*notices = (struct notices){0};
}
