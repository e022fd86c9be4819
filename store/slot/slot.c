#include "store/slot/slot.h"

#include "store/error.h"
#include "store/io/io.h"
#include "store/tree/page.h"
#include "store/slot/digest.h"
#include "store/util/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

static const uint8_t zeros[PAGE_SIZE];

/* ---- header ---------------------------------------------------------------------------------- */

int slot_format(struct io *io, const uint8_t *id, const struct format_slot *content)
{
	union {
		struct format_header header;
		uint8_t bytes[PAGE_SIZE];
	} first = {.bytes = {0}};
	struct format_slot slot = {
		.txn = 1, .durable_txn = 1, .page_count = PAGE_FIRST, .next_id = 1};
	struct iovec parts[PAGE_FIRST];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	memcpy(first.header.magic, FORMAT_MAGIC, sizeof(first.header.magic));
	first.header.version = FORMAT_VERSION;
	first.header.page_size = PAGE_SIZE;
	memcpy(first.header.id, id, sizeof(first.header.id));
	first.header.created_ns = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
	first.header.checksum = XXH3_64bits(first.bytes + 8, PAGE_SIZE - 8);
	slot.time_ns = first.header.created_ns;
	if (content != NULL)
		slot = *content;
	slot.page = PAGE_DURABLE;
	slot_boot_id(slot.boot_id);
	slot.checksum = page_checksum(&slot, page_seed(id));
	for (size_t i = 0; i < PAGE_FIRST; i++)
		parts[i] = (struct iovec){(void *)zeros, PAGE_SIZE};
	parts[PAGE_HEADER].iov_base = first.bytes;
	parts[PAGE_DURABLE].iov_base = &slot;
	return io_write(io, 0, parts, PAGE_FIRST);
}

int slot_read_header(struct io *io, uint8_t *ret_id, bool *ret_readonly)
{
	union {
		struct format_header header;
		uint8_t bytes[PAGE_SIZE];
	} first;
	uint64_t size;
	int err = io_size(io, &size);

	if (err != 0)
		return err;
	if (size == 0)
		return error_set(-EMEDIUMTYPE, "the file is empty");
	memset(&first, 0, sizeof(first));
	err = io_read(io, 0, first.bytes, size < PAGE_SIZE ? (size_t)size : PAGE_SIZE);
	if (err != 0)
		return err;
	if (memcmp(first.header.magic, FORMAT_MAGIC, sizeof(first.header.magic)) != 0)
		return error_set(-EMEDIUMTYPE, "wrong magic number");
	if (size < PAGE_FIRST * PAGE_SIZE)
		return error_set(-EUCLEAN, "the file is cut off");
	if (first.header.checksum != XXH3_64bits(first.bytes + 8, PAGE_SIZE - 8))
		return error_damaged(PAGE_HEADER, "wrong checksum");
	if (first.header.version != FORMAT_VERSION || first.header.incompat != 0)
		return error_set(
			-ENOTSUP, "the store has a newer format (%u)", first.header.version);
	if (first.header.page_size != PAGE_SIZE)
		return error_set(
			-ENOTSUP, "the store has pages of %u bytes", first.header.page_size);
	memcpy(ret_id, first.header.id, sizeof(first.header.id));
	*ret_readonly = first.header.readonly != 0;
	return 0;
}

/* ---- slots ----------------------------------------------------------------------------------- */

void slot_boot_id(uint8_t *ret_id)
{
	char text[64];
	unsigned digits = 0;
	ssize_t size = -1;
	int fd = fd_above_stdio(open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));

	memset(ret_id, 0, 16);
	if (fd >= 0) {
		size = read(fd, text, sizeof(text));
		close(fd);
	}
	for (ssize_t i = 0; i < size && digits < 32; i++) {
		unsigned value;

		if (text[i] == '-' || sscanf((char[]){text[i], '\0'}, "%x", &value) != 1)
			continue;
		ret_id[digits / 2] |= (uint8_t)(value << (digits % 2 == 0 ? 4 : 0));
		digits++;
	}
}

int slot_write(struct io *io, struct format_slot *slot, uint64_t page, uint64_t seed)
{
	struct iovec part = {slot, sizeof(*slot)};

	slot->page = page;
	slot->checksum = page_checksum(slot, seed);
	return io_write(io, page * PAGE_SIZE, &part, 1);
}

/* Are root and depth of a tree possible? */
static bool slot_tree_is_plausible(const struct format_tree *tree, uint64_t page_count)
{
	if (tree->root == 0 || tree->depth == 0)
		return tree->root == 0 && tree->depth == 0;
	return tree->depth <= DEPTH_MAX && ref_is_placed(tree->root) &&
	       ref_page(tree->root) < page_count;
}

/* Is the checksum of a slot right, and can the file hold what it describes? */
static bool slot_is_plausible(
	const struct format_slot *slot, uint64_t page, uint64_t file_pages, uint64_t seed)
{
	for (unsigned i = 0; i < TREE_COUNT; i++)
		if (!slot_tree_is_plausible(&slot->trees[i], slot->page_count))
			return false;
	return slot->checksum == page_checksum(slot, seed) && slot->page == page &&
	       slot->txn != 0 && slot->txn <= TXN_MAX && slot->page_count >= PAGE_FIRST &&
	       slot->page_count <= file_pages && slot->page_count <= PAGE_MAX + 1;
}

int slot_erase(struct io *io, uint64_t page)
{
	struct iovec part = {(void *)zeros, PAGE_SIZE};

	return io_write(io, page * PAGE_SIZE, &part, 1);
}

/* Make a slot void unless its commit is the newest one, or older. */
static int slot_void_newer(struct io *io, const struct format_slot *slots, uint64_t page,
	uint64_t txn, uint64_t seed, bool *wiped)
{
	struct format_slot slot;

	memcpy(&slot, &slots[page], sizeof(slot));
	if (slot.txn <= txn || slot.checksum != page_checksum(&slot, seed))
		return 0;
	*wiped = true;
	if (page < PAGE_WEAK)
		return slot_erase(io, page);
	slot.txn = 0;
	return slot_write(io, &slot, page, seed);
}

int slot_wipe_newer(struct io *io, const uint8_t *map, uint64_t txn, uint64_t seed, bool *ret_wiped)
{
	const struct format_slot *slots = (const struct format_slot *)(const void *)map;
	bool wiped = false;
	int err = 0;

	for (uint64_t page = PAGE_DURABLE; !err && page < PAGE_DURABLE + SLOT_COUNT; page++)
		err = slot_void_newer(io, slots, page, txn, seed, &wiped);
	if (!err)
		*ret_wiped = wiped;
	return err;
}

/* Write a page after a failed sync. The store takes no more writes, so an error changes nothing. */
static void slot_last_write(struct io *io, uint64_t page, const void *data)
{
	struct iovec part = {(void *)data, PAGE_SIZE};

	(void)io_write(io, page * PAGE_SIZE, &part, 1);
}

/* Erase the older slot first: left alone it would be valid, although some of its pages were used
 * again. */
static void slot_wipe_weak(struct io *io)
{
	struct format_slot slots[2];
	unsigned older = 0;

	if (io_read(io, PAGE_WEAK * PAGE_SIZE, slots, sizeof(slots)) == 0)
		older = slots[0].txn > slots[1].txn;
	slot_last_write(io, PAGE_WEAK + older, zeros);
	slot_last_write(io, PAGE_WEAK + !older, zeros);
}

void slot_wipe(struct io *io, unsigned durable_page)
{
	slot_wipe_weak(io);
	slot_last_write(io, PAGE_DURABLE + (durable_page == PAGE_DURABLE), zeros);
}

static void slot_renew_page(struct io *io, const uint8_t *map, uint64_t page)
{
	uint8_t copy[PAGE_SIZE];

	slot_last_write(io, page, memcpy(copy, map + page * PAGE_SIZE, PAGE_SIZE));
}

void slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed)
{
	struct format_slot slot;
	uint64_t size;

	slot_wipe_weak(io);
	memcpy(&slot, map + durable_page * PAGE_SIZE, sizeof(slot));
	if (io_size(io, &size) != 0 ||
		!slot_is_plausible(&slot, durable_page, size / PAGE_SIZE, seed) ||
		!digest_verify(&slot, map, slot.page_count, seed))
		return;
	for (uint32_t i = 0; i < slot.run_count; i++)
		for (uint64_t n = 0; n < run_size(slot.runs[i]); n++)
			slot_renew_page(io, map, ref_page(slot.runs[i]) + n);
	slot_renew_page(io, map, slot.page_count - 1); /* the file's size may be lost as well */
	slot_last_write(io, durable_page, &slot);
}

/* Find the newest durable commit that a weak slot names, or 0. */
static uint64_t slot_confirmed(const struct format_slot slots[2], uint64_t seed)
{
	uint64_t txn = 0;

	for (unsigned i = 0; i < 2; i++)
		if (slots[i].checksum == page_checksum(&slots[i], seed) &&
			slots[i].page == PAGE_WEAK + i && slots[i].durable_txn > txn)
			txn = slots[i].durable_txn;
	return txn;
}

bool slot_read(struct io *io, const uint8_t *map, uint64_t seed, uint64_t page, uint64_t txn,
	struct format_slot *ret_slot)
{
	uint64_t size;

	if (page < PAGE_DURABLE || page >= PAGE_DURABLE + SLOT_COUNT)
		return false;
	memcpy(ret_slot, map + page * PAGE_SIZE, sizeof(*ret_slot));
	return ret_slot->txn == txn && io_size(io, &size) == 0 &&
	       slot_is_plausible(ret_slot, page, size / PAGE_SIZE, seed);
}

void slot_checksums(const uint8_t *map, uint64_t ret_sums[SLOT_COUNT])
{
	for (unsigned i = 0; i < SLOT_COUNT; i++) {
		const void *at = map + (PAGE_DURABLE + i) * PAGE_SIZE;

		ret_sums[i] = atomic_load((const _Atomic uint64_t *)at);
	}
}

/* Is a weak slot one that may be newer than the durable state that was found? */
static bool slot_is_candidate(const struct format_slot *slot, uint64_t page, uint64_t file_pages,
	uint64_t seed, const struct slot_rules *rules, const struct slot_state *state)
{
	return slot_is_plausible(slot, page, file_pages, seed) &&
	       memcmp(slot->boot_id, rules->boot_id, sizeof(slot->boot_id)) == 0 &&
	       slot->txn > state->durable_txn && slot->durable_txn == state->durable_txn;
}

/* Does this file hold what was written before a weak slot, in memory if not on the disk? */
static bool slot_is_at_home(
	const struct format_slot *slot, unsigned index, const struct slot_rules *rules)
{
	return slot->checksum != rules->found[index] ||
	       (slot->home != 0 && slot->home == rules->home);
}

/* Find the newest weak slot whose pages are in the file. The state is that of the durable slot. */
static int slot_judge_weak(const struct format_slot slots[SLOT_COUNT], uint64_t seed,
	const struct slot_rules *rules, uint64_t file_pages, struct slot_state *state)
{
	const struct format_slot durable = state->slot;
	unsigned newer = slots[3].txn > slots[2].txn ? 3 : 2;

	if (memcmp(rules->boot_id, (uint8_t[16]){0}, 16) == 0)
		return 0;
	for (unsigned tries = 0; tries < 2 && !state->weak; tries++) {
		unsigned i = tries == 0 ? newer : 5 - newer;
		int err = 0;

		if (!slot_is_candidate(&slots[i], PAGE_DURABLE + i, file_pages, seed, rules, state))
			continue;
		if (!slot_is_at_home(&slots[i], i, rules))
			err = rules->prove(rules->arg, &durable, &slots[i]);
		if (err == -ENOMEM)
			return err;
		if (err)
			continue;
		state->slot = slots[i];
		state->weak = true;
	}
	return 0;
}

/* Find the newest valid state in four slots. */
static int slot_judge(const struct format_slot slots[SLOT_COUNT], const uint8_t *map, uint64_t seed,
	const struct slot_rules *rules, uint64_t file_pages, struct slot_state *state)
{
	bool found = false;

	state->confirmed_txn = slot_confirmed(slots + 2, seed);
	for (unsigned i = 0; i < 2; i++) {
		const struct format_slot *slot = &slots[i];

		if (!slot_is_plausible(slot, PAGE_DURABLE + i, file_pages, seed) ||
			(found && slot->txn < state->slot.txn) ||
			(slot->txn > state->confirmed_txn && slot->txn > rules->sound &&
				!digest_verify(slot, map, slot->page_count, seed)))
			continue;
		state->slot = *slot;
		state->weak = false;
		state->durable_page = PAGE_DURABLE + i;
		state->durable_txn = slot->txn;
		found = true;
	}
	if (!found)
		return error_damaged(
			PAGE_DURABLE, "no valid commit, the file is damaged or cut off");
	if (state->slot.txn < state->confirmed_txn)
		return error_damaged(
			PAGE_DURABLE, "the slot of the last flushed commit is damaged");
	return slot_judge_weak(slots, seed, rules, file_pages, state);
}

int slot_recover(struct io *io, const uint8_t *map, uint64_t seed, const struct slot_rules *rules,
	struct slot_state *state)
{
	struct format_slot slots[SLOT_COUNT], again[SLOT_COUNT];
	const size_t size = sizeof(slots);
	uint64_t file_size;
	int judged = 0;
	int err = io_read(io, PAGE_DURABLE * PAGE_SIZE, slots, size);

	while (!err) {
		err = io_size(io, &file_size);
		if (err != 0)
			break;
		judged = slot_judge(slots, map, seed, rules, file_size / PAGE_SIZE, state);
		if (!rules->moving)
			break;
		/* A writer may have overwritten a slot while it was read, or the pages that it
		 * lists. */
		err = io_read(io, PAGE_DURABLE * PAGE_SIZE, again, size);
		if (!err && memcmp(slots, again, size) == 0)
			break;
		memcpy(slots, again, size);
	}
	return err != 0 ? err : judged;
}
