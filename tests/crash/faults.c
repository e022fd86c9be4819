#include "faults.h"

#include "control.h"
#include "judge.h"
#include "memory.h"

#include <errno.h>

#define STEPS 30      /* of a run, within which something fails */
#define STEPS_AFTER 8 /* with all well again */
#define STEPS_BEFORE 12

/* What became of the failure must be legal, and the world goes on as if nothing had been. */
static void go_on(struct world *world, struct disk *images)
{
	struct disk_fault *fault = &world->disk->fault;

	world->tally->faults++;
	world->images[0] = images;
	judge_images(world);
	if (fault->kill)
		world_kill(world);
	if (fault->again)
		*fault = (struct disk_fault){.calls = DISK_SYNC,
			.count = 1,
			.err = -EIO,
			.loss = fault->loss,
			.partial = fault->partial};
	else
		*fault = (struct disk_fault){0};
	for (int i = 0; i < STEPS_AFTER && world_goes_on(world); i++) {
		world->faulty = world->poisoned || fault->count > 0;
		world_step(world);
	}
	*fault = (struct disk_fault){0};
	judge_images(world);
}

/* Run until a call fails. @return false: none did */
static bool run_calls(
	struct tally *tally, uint64_t seed, struct disk *images, const struct disk_fault *fault)
{
	struct world world;
	bool fired = false;

	world_open(&world, tally, seed);
	control_apply(&world);
	world.faulty = true;
	world.disk->fault = *fault;
	world.disk->random = seed + fault->count;
	for (int i = 0; i < STEPS && !fired && world_goes_on(&world); i++) {
		world_step(&world);
		fired = world.disk->fault.count == 0;
	}
	if (fired)
		go_on(&world, images);
	world.images[0] = NULL;
	world_close(&world);
	disk_free(world.disk);
	return fired;
}

void faults_of_calls(struct tally *tally, uint64_t seed, struct disk *images)
{
	static const struct disk_fault faults[] = {
		{.calls = DISK_SYNC, .err = -EIO, .loss = DISK_KEEPS},
		{.calls = DISK_SYNC, .err = -EIO, .loss = DISK_DROPS},
		{.calls = DISK_SYNC, .err = -EIO, .loss = DISK_KEEPS, .partial = true},
		{.calls = DISK_SYNC, .err = -EIO, .loss = DISK_DROPS, .partial = true},
		{.calls = DISK_SYNC, .kill = true, .again = true, .loss = DISK_KEEPS},
		{.calls = DISK_SYNC, .kill = true, .again = true, .loss = DISK_DROPS},
		{.calls = DISK_SYNC,
			.kill = true,
			.again = true,
			.loss = DISK_KEEPS,
			.partial = true},
		{.calls = DISK_SYNC,
			.kill = true,
			.again = true,
			.loss = DISK_DROPS,
			.partial = true},
		{.calls = DISK_WRITE, .err = -EIO, .partial = true},
		{.calls = DISK_WRITE, .err = -EIO},
		{.calls = DISK_WRITE, .err = -ENOSPC},
		{.calls = DISK_WRITE, .err = -ENOSPC, .partial = true},
		{.calls = DISK_TRUNCATE, .err = -ENOSPC},
		{.calls = DISK_TRUNCATE, .err = -EIO},
		{.calls = DISK_CHANGE, .err = -EIO, .kill = true},
		{.calls = DISK_WRITE, .err = -EIO, .kill = true, .partial = true},
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct disk_fault fault = faults[i];

		do
			fault.count++;
		while (run_calls(tally, seed + i, images, &fault));
	}
}

/* Run until an allocation fails: of an open of a store with something in it, or later.
 * @return false: none did */
static bool run_memory(struct tally *tally, uint64_t seed, unsigned long n)
{
	struct world world;
	bool fired = false;

	world_open(&world, tally, seed);
	world.disk->watch = NULL;
	for (int i = 0; i < STEPS_BEFORE; i++)
		world_step(&world);
	world.faulty = true;
	memory_fail_at(n);
	world_reopen(&world);
	fired = memory_failed();
	for (int i = 0; i < STEPS && !fired && world_goes_on(&world); i++) {
		world_step(&world);
		fired = memory_failed();
	}
	memory_fail_at(0);
	world.faulty = false;
	if (fired) {
		tally->faults++;
		judge_store(&world, world.store, "out of memory");
		for (int i = 0; i < STEPS_AFTER && world_goes_on(&world); i++)
			world_step(&world);
		world_reopen(&world);
	}
	world_close(&world);
	disk_free(world.disk);
	return fired;
}

void faults_of_memory(struct tally *tally, uint64_t seed, unsigned most)
{
	unsigned long n = 1;

	for (unsigned i = 0; i < most && run_memory(tally, seed, n); i++)
		n += 1 + i / 100;
}
