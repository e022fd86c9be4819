/* Reading the free-space log: from its newest page back to where it begins, then forward. */
#include "store/space/space_internal.h"
#include "store/space/space_log_code.h"
#include "store/space/space_log_replay.h"

#include "store/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- pages ----------------------------------------------------------------------------------- */

/* The log pages of a source, from the oldest that is of interest. */
struct chain {
	const struct format_log **pages;
	size_t count;
	uint64_t before; /* reference to the page before the first; 0: none */
};

static int check_page(const struct space_log_source *source, uint64_t ref,
	const struct format_log *page, uint64_t seq)
{
	if (page->header.kind != PAGE_LOG || page->seq != seq)
		return error_damaged(ref_page(ref), "not the page of the free-space log expected");
	if (page->header.count == 0 || page->header.count > LOG_PAYLOAD ||
		(page->first_record != 0 && page->first_record != page->header.count) ||
		page->header.txn > source->txn)
		return error_damaged(ref_page(ref), "impossible page of the free-space log");
	return 0;
}

/* Walk from the newest page back to the one with sequence number first. */
static int read_chain(
	const struct space_log_source *source, uint64_t first, struct chain *ret_chain)
{
	uint64_t seq = source->space->head_seq;
	uint64_t ref = source->space->head;
	struct chain chain = {.count = (size_t)(seq + 1 - first)};
	int err;

	if (chain.count > source->page_count)
		return error_damaged(source->slot_page, "impossible length of the free-space log");
	chain.pages = calloc(chain.count + 1, sizeof(const struct format_log *));
	if (chain.pages == NULL)
		return -ENOMEM;
	for (size_t i = chain.count; i-- > 0; seq--) {
		const struct page_header *page;

		err = source->read(source->arg, ref, &page);
		if (!err)
			err = check_page(source, ref, (const struct format_log *)page, seq);
		if (err) {
			free(chain.pages);
			return err;
		}
		chain.pages[i] = (const struct format_log *)page;
		ref = chain.pages[i]->prev;
	}
	chain.before = ref;
	*ret_chain = chain;
	return 0;
}

/* Replay the pages that one commit wrote; the first one is at i. @return how many there are */
static int replay_group(
	struct replay *replay, const struct chain *chain, size_t i, size_t *ret_count)
{
	const struct format_log *first = chain->pages[i];
	struct encoder bytes = {0};
	size_t count = 0;
	int err;

	do {
		const struct format_log *page = chain->pages[i + count];

		encode_bytes(&bytes, page + 1, page->header.count);
		count++;
	} while (i + count < chain->count && chain->pages[i + count]->first_record != 0);
	err = bytes.failed ? -ENOMEM
			   : space_log_replay_bytes(replay, bytes.data, bytes.size,
				     first->header.page, first->seq);
	encoder_fini(&bytes);
	*ret_count = count;
	return err;
}

/* Replay the pages of the chain from one on, then the slot's tail. */
static int replay_pages(struct replay *replay, const struct chain *chain, size_t begin)
{
	size_t i = begin, count;
	int err;

	if (i < chain->count && chain->pages[i]->first_record != 0)
		return error_damaged(
			chain->pages[i]->header.page, "the free-space log begins within a record");
	for (; i < chain->count; i += count) {
		err = replay_group(replay, chain, i, &count);
		if (err)
			return err;
	}
	return space_log_replay_bytes(replay, replay->source->tail,
		replay->source->space->tail_size, replay->source->slot_page,
		replay->source->space->head_seq + 1);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static int check_end(const struct space_log_source *source)
{
	const struct format_space *end = source->space;
	bool none = end->head == 0;

	if (none != (end->head_seq == 0) || none != (end->tail_seq == 0) ||
		end->tail_seq > end->head_seq || end->head_seq >= UINT64_MAX / 2 ||
		end->cycle_seq > end->head_seq + 1 || end->last_cycle_seq > end->cycle_seq ||
		end->last_cycle_seq > end->head_seq ||
		(end->tail_seq > 1 && end->tail_seq > end->last_cycle_seq) ||
		end->tail_size > SLOT_TAIL || source->page_count < PAGE_FIRST ||
		source->page_count > PAGE_MAX)
		return error_damaged(source->slot_page, "impossible state of the free-space log");
	return 0;
}

/* The state that the records led to must be the one the slot describes. */
static int check_state(const struct replay *replay)
{
	const struct space *space = replay->space;
	const struct space_log_source *source = replay->source;
	uint64_t slot = source->slot_page;

	if (space->txn != source->txn || space->map.page_count != source->page_count)
		return error_damaged(slot, "the free-space log ends at another commit");
	if (source->space->sweep >= space_map_regions(&space->map))
		return error_damaged(slot, "impossible state of the free-space log");
	for (size_t i = 0; i < space_map_regions(&space->map); i++)
		if (!replay->whole && !space->map.regions[i].known)
			return error_damaged(slot, "the free-space log is not complete");
	for (size_t i = 0; i < space->log.count; i++) {
		struct run run = {space->log.pages[i].page, 1};

		if (!space_map_contains(&space->map, run) ||
			!space_map_is(&space->map, run, SPACE_USED))
			return error_damaged(
				run.start, "a free page is part of the free-space log");
	}
	return 0;
}

/* The log's pages are now those of the chain behind the ones that were known and remain. */
static int note_pages(
	struct space *space, const struct format_space *end, const struct chain *chain)
{
	struct space_log *log = &space->log;
	size_t known = (size_t)(end->head_seq + 1 - end->tail_seq) - chain->count;
	int err;

	if (end->head_seq == 0)
		return 0;
	err = space_log_reserve(log, chain->count);
	if (err)
		return err;
	memmove(log->pages, log->pages + (log->count - known), known * sizeof(*log->pages));
	for (size_t i = 0; i < chain->count; i++)
		log->pages[known + i] = (struct log_page){
			chain->pages[i]->header.page, chain->pages[i]->header.txn};
	log->count = known + chain->count;
	return 0;
}

/* The sweep goes on where it was. */
static void set_carry(struct space_queue *queue, uint64_t cycle_seq)
{
	queue->carry = queue->first;
	while (queue->carry != NULL && queue->carry->seq >= cycle_seq)
		queue->carry = queue->carry->next;
}

/* Replay the log from a page of the chain on and take over its end. */
static int replay_from(struct replay *replay, const struct chain *chain, size_t begin)
{
	struct space *space = replay->space;
	const struct space_log_source *source = replay->source;
	int err = replay_pages(replay, chain, begin);

	if (!err)
		err = note_pages(space, source->space, chain);
	if (!err)
		err = check_state(replay);
	if (err)
		return err;
	space->log.end = *source->space;
	memcpy(space->log.tail, source->tail, SLOT_TAIL);
	for (int i = 0; i < QUEUES; i++)
		set_carry(&space->queues[i], source->space->cycle_seq);
	return 0;
}

/* A store that was never changed: every page is in use. */
static int load_new(struct replay *replay)
{
	struct space *space = replay->space;

	space->txn = replay->source->txn;
	return space_map_grow(&space->map, replay->source->page_count);
}

int space_log_load(const struct space_log_source *source, struct space **ret_space)
{
	const struct format_space *end = source->space;
	uint64_t first = end->tail_seq > 0 ? end->tail_seq : 1;
	struct replay replay = {.source = source, .whole = end->last_cycle_seq == 0};
	struct chain chain = {0};
	size_t begin = 0;
	int err = check_end(source);

	if (!err)
		err = space_new(&replay.space);
	if (err)
		return err;
	if (end->head == 0 && end->tail_size == 0)
		err = load_new(&replay);
	if (!err)
		err = read_chain(source, first, &chain);
	/* Pages from before the last complete cycle only wait for their release. */
	if (end->last_cycle_seq > first)
		begin = (size_t)(end->last_cycle_seq - first);
	if (!err)
		err = replay_from(&replay, &chain, begin);
	free(chain.pages);
	if (err) {
		space_close(replay.space);
		return err;
	}
	*ret_space = replay.space;
	return 0;
}

/* Is all that became free since the last record in one? A transaction that was given up may have
 * taken over pending pages that nobody else knows to be free. */
static bool is_logged(const struct space *space)
{
	for (int i = 0; i < QUEUES; i++)
		if (chunk_compare(space->queues[i].drained, space->queues[i].logged) != 0)
			return false;
	return true;
}

int space_log_catch_up(struct space *space, const struct space_log_source *source)
{
	const struct format_space *known = &space->log.end;
	const struct format_space *end = source->space;
	struct replay replay = {.space = space, .source = source, .whole = true};
	struct chain chain = {0};
	int err = check_end(source);

	assert(!space->open.open);
	if (err)
		return err;
	if (source->txn < space->txn || end->head_seq < known->head_seq ||
		end->tail_seq > known->head_seq + 1 || !is_logged(space))
		return -ESTALE;
	err = read_chain(source, known->head_seq + 1, &chain);
	if (!err && chain.before != known->head)
		err = -ESTALE;
	if (!err)
		err = replay_from(&replay, &chain, 0);
	free(chain.pages);
	return err;
}
