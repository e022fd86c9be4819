/* Each step of a record is a function here, in the order of format.h. */
#include "store/space/space_log_replay.h"

#include "store/error.h"
#include "store/space/space_log_code.h"

#include <errno.h>
#include <string.h>

static int bad(const struct replay *replay, const char *reason)
{
	return error_damaged(replay->page, reason);
}

static bool is_known(const struct replay *replay, const struct region *region)
{
	return replay->whole || region->known;
}

/* ---- steps of a record ----------------------------------------------------------------------- */

/* The next run of a list: within the file. */
static int next_run(
	const struct replay *replay, struct decoder *in, uint64_t *position, struct run *ret_run)
{
	struct run run = decode_run(in, position);

	if (in->failed || !space_map_contains(&replay->space->map, run))
		return bad(replay, "a record of free pages is garbled");
	*ret_run = run;
	return 0;
}

static int replay_size(struct replay *replay, struct decoder *in)
{
	struct space_map *map = &replay->space->map;
	uint64_t page_count = decode_number(in);
	uint64_t grown = decode_number(in);
	struct run run = {0};
	int err;

	if (in->failed || page_count > replay->source->page_count || page_count < PAGE_FIRST ||
		grown > page_count - PAGE_FIRST)
		return bad(replay, "a record has an impossible size of the file");
	run = (struct run){page_count - grown, grown};
	if (replay->first_txn == 0 && map->page_count == 0) {
		err = space_map_grow(map, run.start);
		if (err)
			return err;
	}
	if (run.start != map->page_count)
		return replay->first_txn == 0 ? -ESTALE
					      : bad(replay, "a record has another size of the file "
							    "than the one before");
	err = space_map_grow(map, page_count);
	if (!err)
		err = space_map_reserve(map, run);
	if (err)
		return err;
	for (uint64_t i = (run.start + REGION_PAGES - 1) / REGION_PAGES; i < space_map_regions(map);
		i++)
		map->regions[i].known = true;
	if (grown > 0)
		space_map_set(map, run, SPACE_USED, SPACE_FREE);
	return 0;
}

static int replay_drained(struct replay *replay, struct decoder *in, int which, uint64_t txn)
{
	struct space_queue *queue = &replay->space->queues[which];
	struct chunk_key key = {0};
	uint64_t age = decode_number(in);

	if (age == 0)
		return 0;
	key.index = decode_number(in);
	if (in->failed || age >= txn)
		return bad(replay, "a record of free pages is garbled");
	key.txn = txn - age;
	if (chunk_compare(key, queue->drained) <= 0)
		return bad(replay, "pages became free twice");
	while (queue->first != NULL && chunk_compare(queue->first->key, key) <= 0)
		space_drain(replay->space, queue);
	queue->drained = key;
	queue->logged = key;
	return 0;
}

/* Part of a run, in one region, is taken. What was free before the log began is in use as far as we
 * know. */
static int take_part(struct replay *replay, struct run part)
{
	struct space_map *map = &replay->space->map;
	const struct region *region = &map->regions[part.start / REGION_PAGES];
	uint64_t base = part.start / REGION_PAGES * REGION_PAGES;
	uint64_t end = part.start + part.count;
	struct run run = {part.start - base, 0};

	if (space_map_is(map, part, SPACE_FREE)) {
		space_map_set(map, part, SPACE_FREE, SPACE_USED);
		return 0;
	}
	if (is_known(replay, region))
		return bad(replay, "a page was taken that is not free");
	if (space_map_next(region, SPACE_PENDING, run.start, &run) && base + run.start < end)
		return bad(replay, "a page was taken that is not free");
	run = (struct run){part.start - base, 0};
	while (space_map_next(region, SPACE_FREE, run.start + run.count, &run) &&
		base + run.start < end) {
		run.count = run.count < end - base - run.start ? run.count : end - base - run.start;
		space_map_set(
			map, (struct run){base + run.start, run.count}, SPACE_FREE, SPACE_USED);
	}
	return 0;
}

static int take_run(struct replay *replay, struct run run)
{
	struct space_map *map = &replay->space->map;

	while (run.count > 0) {
		uint64_t room = REGION_PAGES - run.start % REGION_PAGES;
		struct run part = {run.start, run.count < room ? run.count : room};
		int err = take_part(replay, part);

		if (err)
			return err;
		space_map_trim(map, part);
		run.start += part.count;
		run.count -= part.count;
	}
	return 0;
}

static int replay_taken(struct replay *replay, struct decoder *in)
{
	size_t count = decode_count(in);
	uint64_t position = 0;
	struct run run = {0};

	for (; count > 0; count--) {
		int err = next_run(replay, in, &position, &run);

		if (!err)
			err = take_run(replay, run);
		if (err)
			return err;
	}
	return 0;
}

/* Pages begin to wait. */
static int hold_run(struct replay *replay, struct run run)
{
	struct space_map *map = &replay->space->map;
	int err;

	if (!space_map_is(map, run, SPACE_USED))
		return bad(replay, "a page was freed that is not in use");
	err = space_map_reserve(map, run);
	if (err)
		return err;
	space_map_set(map, run, SPACE_USED, SPACE_PENDING);
	return 0;
}

static int replay_freed(struct replay *replay, struct decoder *in, int which, uint64_t txn)
{
	struct run_list runs = {0};
	struct chunk *chunks = NULL;
	size_t count = decode_count(in);
	uint64_t position = 0;
	struct run run = {0};
	int err = 0;

	for (; count > 0 && !err; count--) {
		err = next_run(replay, in, &position, &run);
		if (!err)
			err = hold_run(replay, run);
		if (!err)
			err = run_list_reserve(&runs);
		if (!err)
			run_list_add(&runs, run);
	}
	if (!err)
		err = chunk_cut(&runs, txn, replay->seq, &chunks);
	if (!err)
		space_queue_push(&replay->space->queues[which], chunks);
	run_list_fini(&runs);
	return err;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* A chunk that is known is logged again: it must be the same. */
static int same_chunk(struct replay *replay, struct decoder *in, struct chunk *chunk, size_t count)
{
	uint64_t position = 0;
	struct run run = {0};

	if (count != chunk->count)
		return bad(replay, "pending pages differ from an earlier record");
	for (size_t i = 0; i < count; i++) {
		int err = next_run(replay, in, &position, &run);

		if (err)
			return err;
		if (run.start != chunk->runs[i].start || run.count != chunk->runs[i].count)
			return bad(replay, "pending pages differ from an earlier record");
	}
	chunk->seq = replay->seq;
	return 0;
}

/* A chunk from before the log began. */
static int new_chunk(struct replay *replay, struct decoder *in, struct chunk_key key, size_t count,
	struct chunk **ret_chunk)
{
	struct chunk *chunk;
	uint64_t position = 0;
	int err = chunk_new(key, replay->seq, count, &chunk);

	for (size_t i = 0; i < count && !err; i++) {
		err = next_run(replay, in, &position, &chunk->runs[i]);
		if (!err)
			err = hold_run(replay, chunk->runs[i]);
		if (err)
			chunk_free(chunk);
	}
	if (!err)
		*ret_chunk = chunk;
	return err;
}

static int replay_chunk(struct replay *replay, struct decoder *in, uint64_t txn)
{
	uint64_t head = decode_number(in);
	struct space_queue *queue = &replay->space->queues[head % 2];
	struct chunk_key key = {.index = decode_number(in)};
	size_t count = decode_count(in);
	struct chunk **link, *chunk = NULL;
	int err;

	if (in->failed || head / 2 == 0 || head / 2 >= txn || count == 0 || count > LOG_CHUNK)
		return bad(replay, "a record of free pages is garbled");
	key.txn = txn - head / 2;
	if (space_queue_find(queue, key, &link))
		return same_chunk(replay, in, *link, count);
	if (replay->whole || key.txn >= replay->first_txn ||
		chunk_compare(key, queue->drained) <= 0)
		return bad(replay, "pending pages come from nowhere");
	err = new_chunk(replay, in, key, count, &chunk);
	if (!err)
		space_queue_insert(queue, link, chunk);
	return err;
}

static int replay_chunks(struct replay *replay, struct decoder *in, uint64_t txn)
{
	uint64_t count = decode_count(in);
	int err = 0;

	for (; count > 0 && !err; count--)
		err = replay_chunk(replay, in, txn);
	return err;
}

/* Read the free pages of a region from runs. */
static int read_region_runs(
	const struct replay *replay, struct decoder *in, uint64_t count, uint64_t *ret_bitmap)
{
	uint64_t position = 0;

	for (; count > 0; count--) {
		struct run run = decode_run(in, &position);

		if (in->failed || position > REGION_PAGES)
			return bad(replay, "a checkpoint of free pages is garbled");
		for (uint64_t i = run.start; i < position; i++)
			ret_bitmap[i / 64] |= UINT64_C(1) << i % 64;
	}
	return 0;
}

/* Free pages that we did not know of, from before the log began. */
static int add_free(struct replay *replay, uint64_t index, struct region_bits *bits)
{
	struct space_map *map = &replay->space->map;
	const struct region added = {.bits = bits};
	struct run run = {0};
	int err;

	while (space_map_next(&added, SPACE_FREE, run.start + run.count, &run)) {
		struct run whole = {index * REGION_PAGES + run.start, run.count};

		if (is_known(replay, &map->regions[index]) || !space_map_contains(map, whole) ||
			!space_map_is(map, whole, SPACE_USED))
			return bad(replay, "a checkpoint differs from earlier records");
		err = space_map_reserve(map, whole);
		if (err)
			return err;
		space_map_set(map, whole, SPACE_USED, SPACE_FREE);
	}
	return 0;
}

/* A region's free pages are exactly these. */
static int checkpoint_region(struct replay *replay, uint64_t index, const uint64_t *bitmap)
{
	struct region *region = &replay->space->map.regions[index];
	struct region_bits added = {0};
	uint64_t now[REGION_WORDS];
	int err;

	space_map_bitmap(region, now);
	for (size_t i = 0; i < REGION_WORDS; i++) {
		if ((now[i] & ~bitmap[i]) != 0)
			return bad(replay, "a checkpoint differs from earlier records");
		added.plane[0][i] = bitmap[i] & ~now[i];
	}
	err = add_free(replay, index, &added);
	if (!err)
		region->known = true;
	return err;
}

/* One item of the checkpoints: a region, or some without free pages. */
static int replay_region(struct replay *replay, struct decoder *in, uint64_t index, uint64_t most,
	uint64_t *ret_done)
{
	uint64_t count = decode_number(in);
	uint64_t gap = count == 0 ? decode_number(in) : 0;
	uint64_t bitmap[REGION_WORDS] = {0};
	const uint8_t *raw;
	int err = 0;

	if (in->failed || gap > most || count > REGION_PAGES)
		return bad(replay, "a checkpoint of free pages is garbled");
	*ret_done = gap > 0 ? gap : 1;
	if (count > 0) {
		err = read_region_runs(replay, in, count, bitmap);
	} else if (gap == 0) {
		raw = decode_bytes(in, sizeof(bitmap));
		if (raw == NULL)
			return bad(replay, "a checkpoint of free pages is garbled");
		memcpy(bitmap, raw, sizeof(bitmap));
	}
	for (uint64_t i = 0; i < *ret_done && !err; i++)
		err = checkpoint_region(replay, index + i, bitmap);
	return err;
}

static int replay_regions(struct replay *replay, struct decoder *in)
{
	uint64_t regions = space_map_regions(&replay->space->map);
	uint64_t count = decode_number(in);
	uint64_t index = count > 0 ? decode_number(in) : 0;

	if (in->failed || index > regions || count > regions - index)
		return bad(replay, "a checkpoint is outside the file");
	while (count > 0) {
		uint64_t done;
		int err = replay_region(replay, in, index, count, &done);

		if (err)
			return err;
		index += done;
		count -= done;
	}
	return 0;
}

/* ---- records --------------------------------------------------------------------------------- */

static int replay_record(struct replay *replay, struct decoder *in)
{
	struct space *space = replay->space;
	uint64_t txn = decode_number(in);
	int err = 0;

	if (in->failed || txn == 0 || txn > replay->source->txn)
		return bad(replay, "a record bears an impossible transaction");
	if (txn <= space->txn && replay->first_txn == 0)
		return 0; /* known before the replay began */
	if (space->txn != 0 && txn != space->txn + 1)
		return replay->first_txn == 0 ? -ESTALE : bad(replay, "records are not in order");
	err = replay_size(replay, in);
	if (replay->first_txn == 0)
		replay->first_txn = txn;
	for (int i = 0; i < QUEUES && !err; i++)
		err = replay_drained(replay, in, i, txn);
	if (!err)
		err = replay_taken(replay, in);
	for (int i = 0; i < QUEUES && !err; i++)
		err = replay_freed(replay, in, i, txn);
	if (!err)
		err = replay_chunks(replay, in, txn);
	if (!err)
		err = replay_regions(replay, in);
	if (err)
		return err;
	if (in->failed || in->size != 0)
		return bad(replay, "a record of free pages is garbled");
	space->txn = txn;
	return 0;
}

int space_log_replay_bytes(
	struct replay *replay, const uint8_t *data, size_t size, uint64_t page, uint64_t seq)
{
	struct decoder in = {.at = data, .size = size};

	replay->page = page;
	replay->seq = seq;
	while (in.size > 0) {
		size_t length = (size_t)decode_number(&in);
		struct decoder record = {.at = decode_bytes(&in, length), .size = length};
		int err;

		if (in.failed)
			return bad(replay, "a record of free pages is cut off");
		err = replay_record(replay, &record);
		if (err)
			return err;
	}
	return 0;
}
