#include "store/space/space_log_record.h"

#include <errno.h>
#include <stdlib.h>

/* Regions that one commit's sweep looks at. */
#define SWEEP_VISITS 16384

void space_log_record_fini(struct record *record)
{
	run_list_fini(&record->taken);
	encoder_fini(&record->base);
	encoder_fini(&record->chunks);
	encoder_fini(&record->regions);
	encoder_fini(&record->stream);
}

/* ---- what the transaction did ---------------------------------------------------------------- */

static int by_index(const void *one, const void *two)
{
	const size_t *a = one, *b = two;

	return *a < *b ? -1 : *a > *b;
}

/* List the runs that the transaction took and kept. */
static int collect_taken(struct record *record)
{
	const struct space *space = record->space;
	const struct space_txn *open = &space->open;

	record->taken.count = 0;
	if (open->touched_count > 1)
		qsort(open->touched, open->touched_count, sizeof(*open->touched), by_index);
	for (size_t i = 0; i < open->touched_count; i++) {
		uint64_t base = (uint64_t)open->touched[i] * REGION_PAGES;
		const struct region *region = &space->map.regions[open->touched[i]];
		struct run run = {0};

		while (space_map_next(region, SPACE_TAKEN, (size_t)(run.start + run.count), &run)) {
			if (run_list_reserve(&record->taken) < 0)
				return -ENOMEM;
			run_list_add(&record->taken, (struct run){base + run.start, run.count});
		}
	}
	return 0;
}

static void encode_list(struct encoder *out, const struct run_list *runs)
{
	encode_number(out, runs->count);
	encode_runs(out, runs->at, runs->count);
}

static void encode_drained(struct encoder *out, const struct space_queue *queue, uint64_t txn)
{
	if (chunk_compare(queue->drained, queue->logged) == 0) {
		encode_number(out, 0);
		return;
	}
	encode_number(out, txn - queue->drained.txn);
	encode_number(out, queue->drained.index);
}

int space_log_record_base(struct record *record)
{
	struct space *space = record->space;
	struct space_txn *open = &space->open;
	struct encoder *out = &record->base;
	int err = collect_taken(record);

	if (err)
		return err;
	out->size = 0;
	encode_number(out, open->txn);
	encode_number(out, space->map.page_count);
	encode_number(out, record->renew ? 0 : space->map.page_count - open->page_count);
	for (int i = 0; i < QUEUES; i++)
		encode_drained(out, &space->queues[i], open->txn);
	encode_list(out, &record->taken);
	for (int i = 0; i < QUEUES; i++) {
		run_list_sort(&open->freed[i]);
		encode_list(out, &open->freed[i]);
	}
	return out->failed ? -ENOMEM : 0;
}

/* ---- the sweep ------------------------------------------------------------------------------- */

size_t space_log_record_swept(const struct record *record)
{
	return record->chunks.size + record->regions.size;
}

/* Log pending chunks again, from where the sweep is in each queue. @return are all done? */
static bool sweep_chunks(struct record *record, size_t room)
{
	const struct space *space = record->space;
	uint64_t cycle_seq = record->renew ? UINT64_MAX : space->log.end.cycle_seq;

	for (int i = 0; i < QUEUES; i++) {
		const struct space_queue *queue = &space->queues[i];
		struct chunk *chunk = record->renew ? queue->first : queue->carry;

		for (; chunk != NULL && chunk->seq < cycle_seq; chunk = chunk->next) {
			size_t mark = record->chunks.size;

			encode_number(&record->chunks,
				(space->open.txn - chunk->key.txn) * 2 + (unsigned)i);
			encode_number(&record->chunks, chunk->key.index);
			encode_number(&record->chunks, chunk->count);
			encode_runs(&record->chunks, chunk->runs, chunk->count);
			if (space_log_record_swept(record) > room) {
				record->chunks.size = mark;
				record->out->carry[i] = chunk;
				return false;
			}
			record->chunk_count++;
		}
		record->out->carry[i] = chunk;
	}
	return true;
}

/* Encode the free pages of a region that has some: as runs or as a bitmap, whichever is shorter. */
static void encode_region(struct encoder *out, const struct region *region)
{
	uint64_t bitmap[REGION_WORDS];
	size_t count = space_map_count_runs(region);
	size_t mark = out->size;
	uint64_t position = 0;
	struct run run = {0};

	if (count <= sizeof(bitmap) / 2) {
		encode_number(out, count);
		while (space_map_next(region, SPACE_FREE, (size_t)position, &run)) {
			encode_number(out, run.start - position);
			encode_number(out, run.count);
			position = run.start + run.count;
		}
		if (out->size - mark <= sizeof(bitmap) + 2)
			return;
		out->size = mark;
	}
	space_map_bitmap(region, bitmap);
	encode_number(out, 0);
	encode_number(out, 0);
	encode_bytes(out, bitmap, sizeof(bitmap));
}

/* Write down the regions passed over since the last one with free pages. */
static void encode_gap(struct encoder *out, uint64_t *gap)
{
	if (*gap == 0)
		return;
	encode_number(out, 0);
	encode_number(out, *gap);
	*gap = 0;
}

/* The region that is checkpointed next. */
static uint64_t sweep_begin(const struct record *record)
{
	return record->renew ? 0 : record->space->log.end.sweep;
}

/* Checkpoint regions, from where the sweep is. */
static void sweep_regions(struct record *record, size_t room)
{
	const struct space_map *map = &record->space->map;
	uint64_t first = sweep_begin(record);
	uint64_t end = space_map_regions(map);
	uint64_t at = first, gap = 0;

	if (end - first > SWEEP_VISITS && !record->renew)
		end = first + SWEEP_VISITS;
	for (; at < end; at++) {
		size_t mark = record->regions.size;
		uint64_t gap_before = gap;

		if (map->regions[at].free == 0) {
			gap++;
			continue;
		}
		encode_gap(&record->regions, &gap);
		encode_region(&record->regions, &map->regions[at]);
		if (space_log_record_swept(record) > room) {
			record->regions.size = mark;
			gap = gap_before;
			break;
		}
	}
	encode_gap(&record->regions, &gap);
	record->region_count = at - first;
	record->cycle_ends = at == space_map_regions(map);
	record->out->end.sweep = record->cycle_ends ? 0 : at;
}

int space_log_record_sweep(struct record *record, size_t room)
{
	record->chunks.size = 0;
	record->regions.size = 0;
	record->chunk_count = 0;
	record->region_count = 0;
	record->cycle_ends = false;
	record->out->end.sweep = record->space->log.end.sweep;
	for (int i = 0; i < QUEUES; i++)
		record->out->carry[i] = record->space->queues[i].carry;
	if (sweep_chunks(record, room))
		sweep_regions(record, room);
	return record->chunks.failed || record->regions.failed ? -ENOMEM : 0;
}

/* ---- the whole ------------------------------------------------------------------------------- */

int space_log_record_compose(struct record *record)
{
	const struct space_log *log = &record->space->log;
	struct encoder *out = &record->stream;
	struct encoder counts[2] = {{0}, {0}};
	int err = 0;

	encode_number(&counts[0], record->chunk_count);
	encode_number(&counts[1], record->region_count);
	if (record->region_count > 0)
		encode_number(&counts[1], sweep_begin(record));
	out->size = 0;
	if (!record->renew)
		encode_bytes(out, log->tail, log->end.tail_size);
	encode_number(out, record->base.size + counts[0].size + record->chunks.size +
				   counts[1].size + record->regions.size);
	encode_bytes(out, record->base.data, record->base.size);
	encode_bytes(out, counts[0].data, counts[0].size);
	encode_bytes(out, record->chunks.data, record->chunks.size);
	encode_bytes(out, counts[1].data, counts[1].size);
	encode_bytes(out, record->regions.data, record->regions.size);
	if (counts[0].failed || counts[1].failed || out->failed)
		err = -ENOMEM;
	encoder_fini(&counts[0]);
	encoder_fini(&counts[1]);
	return err;
}
