#include "image.h"

#include "store/tree/page.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512
#define SUBSETS_OF 6 /* all subsets of so many events */
#define RANDOM_SUBSETS 10
#define COPIES 12

const char *image_class_name(enum image_class class)
{
	static const char *const names[IMAGE_CLASSES] = {"prefix", "subset", "omission", "suffix",
		"random", "torn", "killed", "rotten", "lost", "copied"};

	return names[class];
}

/* ---- making ---------------------------------------------------------------------------------- */

static uint64_t event_end(const struct disk_event *event)
{
	return event->data != NULL ? event->offset + event->size : event->size;
}

static bool arrives(const struct image_plan *plan, size_t i)
{
	return plan->kept == NULL || plan->kept[i];
}

/* Size of the file: that of all events made, whether their data arrived or not; or, where the last
 * one is torn, perhaps in the midst of it. Only a cut may be lost by itself. */
static uint64_t new_size(const struct disk *disk, const struct image_plan *plan)
{
	uint64_t size = disk->platter_size;

	if (plan->old_size)
		return size;
	for (size_t i = 0; i < plan->issued; i++) {
		const struct disk_event *event = &disk->events[i];
		uint64_t end = event_end(event);

		if (i == plan->torn && plan->tear < event->size && i + 1 == plan->issued &&
			!plan->tail && plan->garbage)
			end = event->offset + plan->tear;
		if (end > size || (disk_event_cuts(event) && arrives(plan, i)))
			size = end;
	}
	return size;
}

/* Bytes that were never written. */
static void fill_unwritten(const struct disk *disk, const struct image_plan *plan, struct rng *rng,
	struct disk *target)
{
	uint8_t page[PAGE_SIZE];

	for (uint64_t at = disk->platter_size; plan->garbage && at < target->size;) {
		uint64_t size = PAGE_SIZE - at % PAGE_SIZE;

		if (size > target->size - at)
			size = target->size - at;
		for (size_t i = 0; i < PAGE_SIZE; i += 8)
			*(uint64_t *)(void *)(page + i) = rng_next(rng);
		disk_poke(target, at, page, size);
		at += size;
	}
}

/* Bytes of an event reach the file, as far as that reaches. */
static void poke(struct disk *target, const struct disk_event *event, uint64_t from, uint64_t to)
{
	uint64_t room = target->size > event->offset ? target->size - event->offset : 0;

	if (to > room)
		to = room;
	if (from < to)
		disk_poke(target, event->offset + from, event->data + from, to - from);
}

/* What a cut took away is zeros where the file has grown again. */
static void cut(struct disk *target, uint64_t size)
{
	static const uint8_t zeros[PAGE_SIZE];

	for (uint64_t at = size; at < target->size; at += PAGE_SIZE)
		disk_poke(target, at, zeros,
			target->size - at < PAGE_SIZE ? target->size - at : PAGE_SIZE);
}

/* Does an event come before the moment of a page, or of the size of the file (page 0)? */
static bool precedes(const struct image_plan *plan, size_t i, uint64_t page)
{
	struct rng rng = {.state = plan->salt + page};

	return i < plan->from + rng_below(&rng, plan->issued - plan->from + 1);
}

/* Each page has the moment at which it was copied, and the size of the file has one too. */
static void make_copy(const struct disk *disk, const struct image_plan *plan, struct disk *target)
{
	uint64_t size = disk->platter_size;

	for (size_t i = 0; i < plan->issued && precedes(plan, i, 0); i++) {
		uint64_t end = event_end(&disk->events[i]);

		if (end > size || disk_event_cuts(&disk->events[i]))
			size = end;
	}
	disk_rebase(target, disk);
	disk_resize(target, size);
	for (size_t i = 0; i < plan->issued; i++) {
		const struct disk_event *event = &disk->events[i];

		if (disk_event_cuts(event) && precedes(plan, i, 0))
			cut(target, event->size);
		for (uint64_t at = 0; event->data != NULL && at < event->size; at += PAGE_SIZE) {
			uint64_t left = event->size - at;

			if (precedes(plan, i, (event->offset + at) / PAGE_SIZE))
				poke(target, event, at, at + (left < PAGE_SIZE ? left : PAGE_SIZE));
		}
	}
}

void image_make(const struct disk *disk, const struct image_plan *plan, struct rng *rng,
	struct disk *target)
{
	if (plan->class == IMAGE_COPIED) {
		make_copy(disk, plan, target);
		return;
	}
	disk_rebase(target, disk);
	disk_resize(target, new_size(disk, plan));
	fill_unwritten(disk, plan, rng, target);
	for (size_t i = 0; i < plan->issued; i++) {
		const struct disk_event *event = &disk->events[i];
		bool torn = i == plan->torn && plan->tear != IMAGE_WHOLE;

		if (!arrives(plan, i))
			continue;
		if (disk_event_cuts(event) && !plan->old_size)
			cut(target, event->size);
		if (event->data == NULL)
			continue;
		poke(target, event, torn && plan->tail ? plan->tear : 0,
			torn && !plan->tail ? plan->tear : event->size);
	}
}

void image_reboot(struct disk *target)
{
	const struct format_header *header = (const struct format_header *)(void *)target->cache;

	for (unsigned page = PAGE_WEAK; page < PAGE_WEAK + 2; page++) {
		struct format_slot slot;
		uint64_t at = (uint64_t)page * PAGE_SIZE;

		memcpy(&slot, target->cache + at, sizeof(slot));
		if (slot.checksum != page_checksum(&slot, page_seed(header->id)))
			continue;
		memset(slot.boot_id, 0x55, sizeof(slot.boot_id));
		slot.checksum = page_checksum(&slot, page_seed(header->id));
		disk_poke(target, at, &slot, sizeof(slot));
	}
}

/* ---- all of them ----------------------------------------------------------------------------- */

struct trial {
	const struct disk *disk;
	struct rng *rng;
	image_try_fn *try;
	void *arg;
	bool kept[1 << 16];
};

/* Try a plan; what does not matter to its class is up to chance. */
static void try_plan(struct trial *trial, struct image_plan plan)
{
	uint64_t random = rng_next(trial->rng);

	plan.old_size = (random & 3) == 0;
	plan.garbage = (random & 4) != 0;
	trial->try(trial->arg, &plan);
}

static struct image_plan whole(size_t issued, enum image_class class)
{
	return (struct image_plan){.class = class, .issued = issued, .tear = IMAGE_WHOLE};
}

static void try_kept(struct trial *trial, enum image_class class)
{
	struct image_plan plan = whole(trial->disk->count, class);

	plan.kept = trial->kept;
	try_plan(trial, plan);
}

static void try_prefixes(struct trial *trial, size_t step)
{
	for (size_t n = 0; n <= trial->disk->count; n += step)
		try_plan(trial, whole(n, IMAGE_PREFIX));
}

static void try_subsets(struct trial *trial)
{
	size_t count = trial->disk->count;

	for (unsigned mask = 0; mask < 1U << count; mask++) {
		for (size_t i = 0; i < count; i++)
			trial->kept[i] = (mask >> i & 1) != 0;
		try_kept(trial, IMAGE_SUBSET);
	}
}

static void try_omissions_and_suffixes(struct trial *trial, size_t step)
{
	for (size_t n = 0; n < trial->disk->count; n += step) {
		for (size_t i = 0; i < trial->disk->count; i++)
			trial->kept[i] = i != n;
		try_kept(trial, IMAGE_OMISSION);
		for (size_t i = 0; i < trial->disk->count; i++)
			trial->kept[i] = i > n;
		try_kept(trial, IMAGE_SUFFIX);
	}
}

static void try_random(struct trial *trial, unsigned count)
{
	for (; count > 0; count--) {
		struct image_plan plan =
			whole(1 + rng_below(trial->rng, trial->disk->count), IMAGE_RANDOM);
		uint64_t odds = rng_below(trial->rng, 9) + 1;

		for (size_t i = 0; i < plan.issued; i++)
			trial->kept[i] = rng_below(trial->rng, 10) < odds;
		plan.kept = trial->kept;
		try_plan(trial, plan);
	}
}

static void try_tear(struct trial *trial, size_t torn, size_t issued, uint64_t tear, bool tail)
{
	struct image_plan plan = whole(issued, IMAGE_TORN);

	plan.torn = torn;
	plan.tear = tear;
	plan.tail = tail;
	try_plan(trial, plan);
}

/* An event torn at a sector and at any byte: as the last one made, and before others. Of a slot,
 * at every sector. */
static void try_torn(struct trial *trial, size_t torn)
{
	const struct disk_event *event = &trial->disk->events[torn];
	size_t count = trial->disk->count;
	uint64_t sectors = (event->size + SECTOR - 1) / SECTOR;

	if (event->data == NULL)
		return;
	if (event->offset < PAGE_FIRST * PAGE_SIZE)
		for (uint64_t i = 1; i < sectors; i++)
			try_tear(trial, torn, torn + 1, i * SECTOR, i % 2 == 0);
	for (int tail = 0; tail < 2; tail++) {
		uint64_t sector = rng_below(trial->rng, (size_t)sectors) * SECTOR;

		try_tear(trial, torn, torn + 1, sector, tail != 0);
		try_tear(trial, torn, count, rng_below(trial->rng, (size_t)event->size), tail != 0);
	}
}

void image_each(
	const struct disk *disk, struct rng *rng, bool thorough, image_try_fn *try, void *arg)
{
	struct trial trial = {.disk = disk, .rng = rng, .try = try, .arg = arg};
	size_t step = thorough ? 1 : disk->count / 4 + 1;

	assert(disk->count <= sizeof(trial.kept));
	try_prefixes(&trial, step);
	if (disk->count == 0)
		return;
	if (thorough && disk->count <= SUBSETS_OF)
		try_subsets(&trial);
	try_omissions_and_suffixes(&trial, step);
	try_random(&trial, thorough ? RANDOM_SUBSETS : 2);
	for (size_t i = 0; i < disk->count; i += step)
		try_torn(&trial, i);
}

void image_each_killed(const struct disk *disk, image_try_fn *try, void *arg)
{
	for (size_t n = 0; n <= disk->count; n++) {
		struct image_plan plan = whole(n, IMAGE_KILLED);

		try(arg, &plan);
	}
}

void image_each_copied(const struct disk *disk, struct rng *rng, image_try_fn *try, void *arg)
{
	for (unsigned n = 0; n < COPIES && disk->count > 0; n++) {
		struct image_plan plan = whole(1 + rng_below(rng, disk->count), IMAGE_COPIED);

		plan.from = rng_below(rng, plan.issued + 1);
		plan.salt = rng_next(rng);
		try(arg, &plan);
	}
}
