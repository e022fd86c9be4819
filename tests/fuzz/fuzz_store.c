/* A fuzzer's bytes decide what is done to a store; a model says what it must show.
 *
 * The world of the crash harness runs on them: each byte or two are a decision that it takes, which
 * operation, which key, how large, and so for transactions, snapshots, restore, clear, readers,
 * kill -9 and reopening. What the bytes are read as follows from the code in world.c and
 * operation.c; any bytes mean something.
 */
#include "fuzz.h"

#include "tests/crash/judge.h"
#include "tests/crash/world.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally tally = {0};
	struct world world;

	world_open(&world, &tally, 1);
	world.rng.script = data;
	world.rng.script_left = size;
	while (world.rng.script_left > 0 && world_goes_on(&world))
		world_step(&world);
	world_reopen(&world);
	world_close(&world);
	disk_free(world.disk);
	if (tally.illegal > 0)
		abort();
	return 0;
}
