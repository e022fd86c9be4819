/* Writing the free-space log; what it is for stands in space_log.h. */
#include "store/space/space_internal.h"
#include "store/space/space_log_record.h"

#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What a record may take beyond the parts that were measured: its size, the numbers of things, and
 * what changes when one more page is taken for the log (a run in the record, a run more in its
 * region's checkpoint). */
#define RECORD_SLACK (6 * VARINT_MAX)
#define PAGE_SLACK (8 * VARINT_MAX)

void space_log_fini(struct space_log *log)
{
	struct space_log_pending *pending = &log->pending;

	for (int i = 0; i < QUEUES; i++)
		chunk_free(pending->freed[i]);
	free(pending->pages);
	free(pending->sealed);
	free(pending->data);
	*pending = (struct space_log_pending){0};
	free(log->pages);
	log->pages = NULL;
}

int space_log_reserve(struct space_log *log, size_t more)
{
	size_t capacity = log->capacity * 2;
	struct log_page *pages;

	if (more <= log->capacity - log->count)
		return 0;
	if (capacity < log->count + more)
		capacity = log->count + more + 16;
	pages = realloc(log->pages, capacity * sizeof(*pages));
	if (pages == NULL)
		return -ENOMEM;
	log->pages = pages;
	log->capacity = capacity;
	return 0;
}

bool space_log_reaches(const struct space *space, uint64_t page)
{
	for (size_t i = 0; i < space->log.count; i++)
		if (space->log.pages[i].page >= page)
			return true;
	return false;
}

/* ---- log pages ------------------------------------------------------------------------------- */

/* Release the oldest log pages that the last complete cycle made superfluous: some more than will
 * be written, so that they become fewer. */
static int drop_pages(struct record *record, size_t writing)
{
	struct space *space = record->space;
	const struct space_log *log = &space->log;
	size_t most = record->renew ? log->count : 4 * writing + 16;
	size_t count = 0;

	while (count < log->count && count < most &&
		(record->renew || log->end.tail_seq + count < log->end.last_cycle_seq)) {
		const struct log_page *page = &log->pages[count];
		int err = space_release(space, (struct run){page->page, 1}, page->txn);

		if (err)
			return err;
		count++;
	}
	record->out->dropped = count;
	return 0;
}

static int by_page(const void *one, const void *two)
{
	const struct log_page *a = one, *b = two;

	return a->page < b->page ? -1 : a->page > b->page;
}

/* Take pages for the log, in ascending order. */
static int take_pages(struct record *record, size_t count)
{
	struct space *space = record->space;
	struct space_log_pending *out = record->out;
	int err = space_log_reserve(&space->log, count);

	if (err)
		return err;
	out->pages = calloc(count, sizeof(*out->pages));
	out->sealed = calloc(count, sizeof(*out->sealed));
	out->data = calloc(count, PAGE_SIZE);
	if (out->pages == NULL || out->sealed == NULL || out->data == NULL)
		return -ENOMEM;
	while (out->count < count) {
		struct run run;

		err = space_alloc(space, count - out->count, &run);
		if (err)
			return err;
		for (uint64_t i = 0; i < run.count; i++)
			out->pages[out->count++] =
				(struct log_page){run.start + i, space->open.txn};
	}
	qsort(out->pages, count, sizeof(*out->pages), by_page);
	return 0;
}

/* Put tail and record into the pages, each linked to the one before. Every page gets a byte at
 * least. */
static void fill_pages(struct record *record, uint64_t seed)
{
	struct space_log_pending *out = record->out;
	const uint8_t *at = record->stream.data;
	size_t left = record->stream.size;

	for (size_t i = 0; i < out->count; i++) {
		uint8_t *data = out->data + i * PAGE_SIZE;
		struct format_log *page = (struct format_log *)data;
		size_t most = left - (out->count - 1 - i);
		size_t size = most < LOG_PAYLOAD ? most : LOG_PAYLOAD;

		memcpy(data + sizeof(*page), at, size);
		page->header.kind = PAGE_LOG;
		page->header.count = (uint16_t)size;
		page->seq = ++out->end.head_seq;
		page->prev = out->end.head;
		page->first_record = i == 0 ? 0 : (uint32_t)size;
		out->end.head = page_seal(data, out->pages[i].page, out->pages[i].txn, seed);
		out->sealed[i] = (struct space_log_page){out->end.head, data};
		at += size;
		left -= size;
	}
	assert(left == 0);
}

/* ---- prepare --------------------------------------------------------------------------------- */

/* Pages that so many bytes take, whatever changes when these pages are taken. */
static size_t pages_for(size_t size)
{
	return size / (LOG_PAYLOAD - PAGE_SLACK) + 1;
}

/* The record does not fit behind the tail: write both to pages, with as many bytes of the sweep,
 * and what else the pages have room for. */
static int prepare_pages(struct record *record, uint64_t seed)
{
	const struct space_log *log = &record->space->log;
	struct space_log_pending *out = record->out;
	size_t tail_size = record->renew ? 0 : log->end.tail_size;
	size_t size, room;
	int err;

	err = drop_pages(record, record->stream.size / LOG_PAYLOAD + 1);
	if (!err)
		err = space_log_record_base(record);
	if (err)
		return err;
	size = tail_size + record->base.size + RECORD_SLACK;
	if (record->renew || pages_for(size) != pages_for(2 * size))
		err = space_log_record_sweep(record, record->renew ? SIZE_MAX : size);
	if (!err)
		err = take_pages(record, pages_for(size + space_log_record_swept(record)));
	if (!err)
		err = space_log_record_base(record);
	if (err)
		return err;
	size = tail_size + record->base.size + RECORD_SLACK;
	room = out->count * LOG_PAYLOAD;
	assert(size <= room);
	err = space_log_record_sweep(record, room - size);
	if (!err)
		err = space_log_record_compose(record);
	if (err)
		return err;
	assert(record->cycle_ends || !record->renew);
	fill_pages(record, seed);
	out->end.tail_seq = (log->end.tail_seq > 0 ? log->end.tail_seq : 1) + out->dropped;
	out->end.tail_size = 0;
	memset(out->tail, 0, sizeof(out->tail));
	if (record->cycle_ends) {
		out->end.last_cycle_seq =
			record->renew ? log->end.head_seq + 1 : out->end.cycle_seq;
		out->end.cycle_seq = out->end.head_seq + 1;
	}
	return 0;
}

static int prepare_record(struct record *record, uint64_t seed)
{
	struct space_log_pending *out = record->out;
	int err = space_log_record_base(record);

	if (!err)
		err = space_log_record_compose(record);
	if (err)
		return err;
	if (record->stream.size > SLOT_TAIL || record->renew)
		return prepare_pages(record, seed);
	memset(out->tail, 0, sizeof(out->tail));
	memcpy(out->tail, record->stream.data, record->stream.size);
	out->end.tail_size = (uint32_t)record->stream.size;
	return 0;
}

int space_log_prepare(struct space *space, uint64_t seed, struct space_log_delta *ret_delta)
{
	struct space_log_pending *out = &space->log.pending;
	struct record record = {.space = space, .out = out, .renew = space->open.cut};
	uint64_t seq = space->log.end.head_seq + 1;
	int err;

	assert(space->open.open && !out->ready);
	out->end = space->log.end;
	if (space->open.cut)
		space_shorten(space);
	for (int i = 0; i < QUEUES; i++)
		out->carry[i] = space->queues[i].carry;
	err = prepare_record(&record, seed);
	for (int i = 0; i < QUEUES && !err; i++)
		err = chunk_cut(&space->open.freed[i], space->open.txn, seq, &out->freed[i]);
	space_log_record_fini(&record);
	if (err)
		return err;
	out->ready = true;
	*ret_delta = (struct space_log_delta){
		.space = out->end,
		.tail = out->tail,
		.page_count = space->map.page_count,
		.pages = out->sealed,
		.count = out->count,
	};
	return 0;
}

/* ---- end ------------------------------------------------------------------------------------- */

static void clear_pending(struct space_log_pending *pending)
{
	for (int i = 0; i < QUEUES; i++) {
		chunk_free(pending->freed[i]);
		pending->freed[i] = NULL;
	}
	free(pending->pages);
	free(pending->sealed);
	free(pending->data);
	pending->pages = NULL;
	pending->sealed = NULL;
	pending->data = NULL;
	pending->count = 0;
	pending->dropped = 0;
	pending->ready = false;
}

/* The chunks that were logged again are in the newest record now. */
static void commit_queue(struct space *space, int which)
{
	struct space_log *log = &space->log;
	struct space_queue *queue = &space->queues[which];
	uint64_t seq = log->end.head_seq + 1;

	if (space->open.cut) /* all of them were */
		queue->carry = queue->first;
	for (; queue->carry != log->pending.carry[which]; queue->carry = queue->carry->next)
		queue->carry->seq = seq;
	space_queue_push(queue, log->pending.freed[which]);
	log->pending.freed[which] = NULL;
	if (log->pending.end.cycle_seq != log->end.cycle_seq)
		queue->carry = queue->first;
	queue->logged = queue->drained;
}

void space_log_commit(struct space *space)
{
	struct space_log *log = &space->log;
	struct space_log_pending *pending = &log->pending;

	for (int i = 0; i < QUEUES; i++)
		commit_queue(space, i);
	if (pending->count > 0) {
		log->count -= pending->dropped;
		memmove(log->pages, log->pages + pending->dropped,
			log->count * sizeof(*log->pages));
		memcpy(log->pages + log->count, pending->pages,
			pending->count * sizeof(*log->pages));
		log->count += pending->count;
	}
	log->end = pending->end;
	memcpy(log->tail, pending->tail, sizeof(log->tail));
	clear_pending(pending);
}

void space_log_abort(struct space *space)
{
	clear_pending(&space->log.pending);
}
