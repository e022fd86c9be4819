#include "judge.h"

#include "store/share/handle.h"
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REOPEN_EVERY 8	 /* images that are opened once more */
#define DEEPER_EVERY 150 /* images whose recovery is crashed */
#define LOST_EVERY 4	 /* power cuts that are tried within one boot too */

/* The commits one of which an image may show. */
struct range {
	uint64_t least, most;
};

/* Say what an image is made of: page and size of each event, and the commit it belongs to. */
static void print_plan(const struct disk *disk, const struct image_plan *plan)
{
	fprintf(stderr, "image: %s, %zu of %zu events were made:", image_class_name(plan->class),
		plan->issued, disk->count);
	for (size_t i = 0; i < disk->count && i < 64; i++) {
		const struct disk_event *event = &disk->events[i];
		bool arrived = i < plan->issued && (plan->kept == NULL || plan->kept[i]);

		fprintf(stderr, " %s%llu+%llu(%llu)", arrived ? "" : "!",
			(unsigned long long)event->offset / PAGE_SIZE,
			(unsigned long long)event->size / PAGE_SIZE,
			(unsigned long long)event->mark.attempted);
	}
	if (plan->tear != IMAGE_WHOLE)
		fprintf(stderr, ", event %zu torn at %llu, its %s arrived", plan->torn,
			(unsigned long long)plan->tear, plan->tail ? "end" : "begin");
	fprintf(stderr, "%s%s\n", plan->old_size ? ", old size" : "",
		plan->garbage ? ", garbage" : "");
}

static void illegal(struct world *world, const struct image_plan *plan, const char *what,
	uint64_t txn, const char *why)
{
	if (world->tally->illegal < 10)
		print_plan(world->disk, plan);
	world_illegal(world, "%s, at commit %llu: %s", what, (unsigned long long)txn, why);
}

static void note_finding(void *arg, uint64_t page, const char *message)
{
	char *text = arg;

	if (*text == '\0')
		snprintf(text, 300, "check: page %llu: %s", (unsigned long long)page, message);
}

/* NULL: the store is sound; else what is not, in text. */
static const char *find_damage(struct kt_store *store, char text[300])
{
	uint64_t findings;
	int err;

	text[0] = '\0';
	err = kt_check(store, note_finding, text, &findings);
	if (err != 0)
		snprintf(text, 300, "check: %s", kt_strerror(store, err));
	return text[0] != '\0' ? text : NULL;
}

void judge_store(struct world *world, struct kt_store *store, const char *when)
{
	char text[300];

	if (find_damage(store, text) != NULL)
		world_illegal(world, "%s: %s", when, text);
}

/* ---- sound images ---------------------------------------------------------------------------- */

static struct range range_of(const struct world *world, const struct image_plan *plan)
{
	const struct disk *disk = world->disk;
	const struct disk_mark *mark =
		plan->issued < disk->count ? &disk->events[plan->issued].mark : &disk->mark;

	/* A poisoned store wipes what may not have reached the disk. */
	if (plan->class == IMAGE_KILLED && world->wiped != disk->generation)
		return (struct range){mark->committed, mark->attempted};
	return (struct range){mark->flushed, mark->attempted};
}

/* Look at the store. @return what it shows; NULL: nothing legal, and it was said */
static const struct state *look(struct world *world, const struct image_plan *plan,
	struct kt_store *store, struct range range, uint64_t *ret_txn)
{
	const struct disk *disk = world->disk;
	/* A slot whose commit failed was erased, which may be lost or not copied within one boot. */
	uint64_t made = plan->class == IMAGE_LOST || plan->class == IMAGE_COPIED
				? 0
				: disk->made - (disk->count - plan->issued);
	const struct state *state = NULL;
	struct kt_txn *txn;
	char text[300];
	const char *why = find_damage(store, text);
	int err = kt_begin(store, KT_READ, &txn);

	assert(!err);
	*ret_txn = kt_txn_id(txn);
	if (why == NULL && (*ret_txn < range.least || *ret_txn > range.most))
		why = "not one of the legal commits";
	if (why == NULL)
		state = history_find(&world->history, made, store, txn, &why);
	if (state == NULL)
		illegal(world, plan, "after the crash", *ret_txn, why);
	kt_abort(txn);
	return state;
}

/* Write something with a flush: the store must take it and stay sound. */
static void go_on(struct world *world, const struct image_plan *plan, struct kt_store *store,
	const struct state *state, uint64_t before)
{
	static unsigned char value[5 * PAGE_SIZE];
	struct kt_txn *txn;
	char text[300];
	const char *why = NULL;
	uint64_t id;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (!err) {
		(void)kt_put(txn, "~after", 6, value, sizeof(value));
		if (kt_new_id(txn, &id) == 0 && id <= state->last_id)
			illegal(world, plan, "after the crash", before, "an id is given twice");
		err = kt_commit(txn, KT_FLUSH);
	}
	if (err != 0) {
		illegal(world, plan, "writing after the crash", before, kt_strerror(store, err));
		return;
	}
	err = kt_begin(store, KT_READ, &txn);
	assert(!err);
	if (kt_txn_id(txn) != before + 1)
		why = "not the next commit";
	if (why == NULL)
		why = find_damage(store, text);
	if (why == NULL && state_equals(state, txn, "~after", false, &why))
		state_snapshots_equal(state, store, false, &why);
	if (why != NULL)
		illegal(world, plan, "after a write after the crash", before, why);
	kt_abort(txn);
}

static struct kt_store *open_image(
	struct world *world, const struct image_plan *plan, struct disk *target)
{
	struct kt_store *store;
	uint64_t writes = target->writes;
	int err = store_open(disk_handle(target), "disk", "image", 0, &store);

	if (err != 0) {
		illegal(world, plan, "opening after the crash", 0, kt_strerror(NULL, err));
		return NULL;
	}
	if (target->writes != writes)
		illegal(world, plan, "opening", 0, "it wrote");
	return store;
}

/* Crash while the recovered store is used: another world, whose first state is this image. */
static void go_deeper(struct world *world, const struct state *state, uint64_t txn)
{
	struct disk *disk = disk_new();
	struct world deeper;

	disk_poke(disk, 0, world->images[0]->cache, world->images[0]->size);
	disk->home = world->images[0]->home;
	disk_settle(disk);
	world_adopt(&deeper, world->tally, rng_next(&world->rng), disk, state, txn);
	deeper.snapshots = world->snapshots;
	deeper.images[0] = world->images[1];
	deeper.recovered = true;
	deeper.another_boot = world->another_boot;
	deeper.same_home = world->same_home;
	for (int i = 0; i < 6 && world_goes_on(&deeper); i++)
		world_step(&deeper);
	judge_images(&deeper);
	world_close(&deeper);
	disk_free(disk);
}

/* Does it pass for the file that was written to, in the same mount? Another boot gives the same
 * numbers to its mounts. */
static bool is_at_home(const struct world *world, const struct image_plan *plan)
{
	return plan->class <= IMAGE_KILLED || world->same_home;
}

static void judge_sound(struct world *world, const struct image_plan *plan)
{
	struct disk *target = world->images[0];
	struct range range = range_of(world, plan);
	const struct state *state;
	struct kt_store *store;
	uint64_t txn;

	if (image_is_power_cut(plan) && world->another_boot)
		image_reboot(target);
	target->home = world->disk->home + !is_at_home(world, plan);
	store = open_image(world, plan, target);
	if (store == NULL)
		return;
	state = look(world, plan, store, range, &txn);
	if (state != NULL && plan->class != IMAGE_KILLED && world->images[1] != NULL &&
		atomic_load(&store->area->durable_txn) == txn && /* what is deeper begins with it */
		rng_below(&world->rng, DEEPER_EVERY) == 0) {
		go_deeper(world, state, txn);
	} else if (state != NULL) {
		go_on(world, plan, store, state, txn);
	}
	kt_close(store);
	if (state == NULL || !world_goes_on(world) || rng_below(&world->rng, REOPEN_EVERY) != 0)
		return;
	store = open_image(world, plan, target);
	if (store != NULL) {
		judge_store(world, store, "opened once more");
		kt_close(store);
	}
}

/* ---- rotten images --------------------------------------------------------------------------- */

/* A page is not what was written: lost, zeroed, another one, or with a bit flipped. */
static void rot(struct world *world, struct disk *target)
{
	struct rng *rng = &world->rng;
	const struct disk *disk = world->disk;
	uint64_t pages = target->size / PAGE_SIZE;
	uint64_t page = PAGE_FIRST + rng_below(rng, (size_t)(pages - PAGE_FIRST));
	uint64_t other = PAGE_FIRST + rng_below(rng, (size_t)(pages - PAGE_FIRST));
	static const uint8_t zeros[PAGE_SIZE];
	uint8_t bytes[PAGE_SIZE];

	memcpy(bytes, target->cache + page * PAGE_SIZE, PAGE_SIZE);
	switch (rng_below(rng, 4)) {
	case 0:
		if (disk->count > 0) {
			const struct disk_event *event = &disk->events[rng_below(rng, disk->count)];

			if (event->data != NULL && event->offset >= PAGE_FIRST * PAGE_SIZE)
				page = event->offset / PAGE_SIZE;
		}
		memcpy(bytes, disk->platter + page * PAGE_SIZE, PAGE_SIZE);
		break;
	case 1:
		memcpy(bytes, zeros, PAGE_SIZE);
		break;
	case 2:
		memcpy(bytes, target->cache + other * PAGE_SIZE, PAGE_SIZE);
		break;
	default:
		bytes[rng_below(rng, PAGE_SIZE)] ^= (uint8_t)(1U << rng_below(rng, 8));
		break;
	}
	disk_poke(target, page * PAGE_SIZE, bytes, PAGE_SIZE);
}

/* Right data or an error, never other data. While it cannot be told from a commit that was cut off,
 * a page of the last commit leads back to the one before, perhaps one before this world began. */
static const char *look_at_rotten(
	const struct world *world, struct kt_store *store, struct kt_txn *txn)
{
	const char *why = "nobody committed this transaction";

	if (kt_txn_id(txn) < world->history.at[0].txn)
		return NULL;
	for (size_t i = world->history.count; i-- > 0;)
		if (world->history.at[i].txn == kt_txn_id(txn) &&
			state_equals(&world->history.at[i].state, txn, NULL, true, &why) &&
			state_snapshots_equal(&world->history.at[i].state, store, true, &why))
			return NULL;
	return why;
}

static void judge_rotten(struct world *world, const struct image_plan *plan)
{
	struct disk *target = world->images[0];
	struct kt_store *store;
	struct kt_txn *txn;
	const char *why;
	uint64_t findings;
	int err;

	if (target->size / PAGE_SIZE <= PAGE_FIRST)
		return;
	rot(world, target);
	if (rng_below(&world->rng, 2) == 0)
		image_reboot(target);
	target->home = world->disk->home + rng_below(&world->rng, 2);
	err = store_open(disk_handle(target), "disk", "rotten", 0, &store);
	if (err != 0) {
		if (err != -EUCLEAN)
			illegal(world, plan, "opening what is rotten", 0, strerror(-err));
		return;
	}
	err = kt_begin(store, KT_READ | KT_VERIFY, &txn);
	assert(!err);
	why = look_at_rotten(world, store, txn);
	if (why != NULL)
		illegal(world, plan, "what is rotten shows other data", kt_txn_id(txn), why);
	kt_abort(txn);
	if (kt_check(store, NULL, NULL, &findings) != 0)
		illegal(world, plan, "checking what is rotten", 0, "it failed");
	kt_close(store);
}

/* ---- all ------------------------------------------------------------------------------------- */

static void judge(void *arg, const struct image_plan *plan)
{
	struct world *world = arg;
	struct image_plan lost = *plan;

	if (!world_goes_on(world))
		return;
	world->tally->images[plan->class]++;
	world->tally->nested += world->recovered;
	image_make(world->disk, plan, &world->rng, world->images[0]);
	if (plan->class == IMAGE_ROTTEN)
		judge_rotten(world, plan);
	else
		judge_sound(world, plan);
	if (image_is_power_cut(plan) && rng_below(&world->rng, LOST_EVERY) == 0) {
		lost.class = IMAGE_LOST;
		judge(world, &lost);
	}
}

void judge_images(struct world *world)
{
	struct image_plan rotten = {
		.class = IMAGE_ROTTEN, .issued = world->disk->count, .tear = IMAGE_WHOLE};

	if (world->images[0] == NULL)
		return;
	image_each(world->disk, &world->rng, world->images[1] != NULL, judge, world);
	if (world->disk->coherent) {
		image_each_killed(world->disk, judge, world);
		image_each_copied(world->disk, &world->rng, judge, world);
	}
	for (int i = 0; i < 6; i++)
		judge(world, &rotten);
}
