/* The crash harness: is the store right, whatever the disk does (I1 to I6, I8)?
 *
 *     crash [--rounds N]       random worlds, all crash images of them judged; faults injected
 *     crash --control NAME     with a protection taken away: succeeds if the harness notices
 *     crash --controls         which there are
 *
 * KEYTREE_SEED gives the seed. disk.h is the disk, image.h makes what a crash leaves of it, world.h
 * runs a store on it, judge.h says what is legal, faults.h lets calls fail.
 *
 * The disk records each write, sync and change of the file's size. Of the events since the last sync
 * an image has every prefix, every subset of up to 6 events, all but one, only the last ones, or a
 * random part. Each write may be torn at a multiple of 512 bytes or at any byte, the size of the file
 * may be old or new, and what was never written may be zero or garbage. One run opens about 120,000
 * images of random stores, about 23,000 of them of stores that were recovered from an earlier crash.
 * Each image is checked as a whole, compared with a model of all entries and snapshots, written to
 * and checked again. About 600 times a run a write, a sync, a change of size or an allocation fails.
 */
#include "control.h"
#include "faults.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 8
#define STEPS 40	  /* of a world */
#define MEMORY_FAULTS 400 /* allocations that fail */
#define CONTROL_ROUNDS 4  /* of each seed that a control is tried with */
#define CONTROL_CPU_S 300 /* of the processor; by then it must be noticed */

static void run_world(struct tally *tally, uint64_t seed, struct disk *images[2], bool large)
{
	struct world world;

	world_open(&world, tally, seed);
	control_apply(&world);
	world.images[0] = images[0];
	world.images[1] = images[1];
	if (large)
		world.images[0] = NULL;
	for (int i = 0; i < (large ? 4 : STEPS) && world_goes_on(&world); i++)
		world_step(&world);
	if (large) { /* few images, of many pages */
		world.images[0] = images[0];
		world.images[1] = NULL;
		if (!world.poisoned)
			world_put_large(&world);
	}
	world_close(&world);
	disk_free(world.disk);
}

static void run_rounds(struct tally *tally, uint64_t seed, unsigned rounds)
{
	struct disk *images[2] = {disk_new(), disk_new()};

	for (unsigned i = 0; i < rounds && (tally->illegal == 0 || tally->patient); i++)
		run_world(tally, seed + i, images, i % 8 == 7);
	for (int i = 0; i < 2; i++)
		disk_free(images[i]);
}

static void run_faults(struct tally *tally, uint64_t seed)
{
	struct disk *images = disk_new();

	faults_of_calls(tally, seed, images);
	faults_of_memory(tally, seed, MEMORY_FAULTS);
	disk_free(images);
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t print_images(const struct tally *tally)
{
	uint64_t sum = 0;

	for (int i = 0; i < IMAGE_CLASSES; i++) {
		printf("%-10s %8llu\n", image_class_name((enum image_class)i),
			(unsigned long long)tally->images[i]);
		sum += tally->images[i];
	}
	return sum;
}

static int run(uint64_t seed, unsigned rounds)
{
	struct tally tally = {0};
	double begin = seconds();
	uint64_t sum;

	run_rounds(&tally, seed, rounds);
	if (tally.illegal == 0)
		run_faults(&tally, seed);
	sum = print_images(&tally);
	printf("%llu images (%llu of recoveries), %llu cuts of the file, %llu faults, "
	       "%llu illegal outcomes, %.1f s\n",
		(unsigned long long)sum, (unsigned long long)tally.nested,
		(unsigned long long)tally.cuts, (unsigned long long)tally.faults,
		(unsigned long long)tally.illegal, seconds() - begin);
	return tally.illegal == 0 ? 0 : 1;
}

/* In a process of its own: without its protection the engine may well die. */
static int run_control(const char *name, uint64_t seed)
{
	struct tally tally = {0};
	int status;
	pid_t pid;

	if (!control_choose(name)) {
		fprintf(stderr, "crash: no control %s\n", name);
		return 2;
	}
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setitimer(ITIMER_PROF, &(struct itimerval){.it_value = {CONTROL_CPU_S, 0}}, NULL);
		for (; tally.illegal == 0; seed += CONTROL_ROUNDS) {
			if (control_needs_faults())
				run_faults(&tally, seed);
			else
				run_rounds(&tally, seed, CONTROL_ROUNDS);
		}
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return 2;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPROF) {
		printf("control %s: NOT noticed\n", name);
		return 1;
	}
	printf("control %s: noticed\n", name);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t seed;

	if (argc == 2 && strcmp(argv[1], "--controls") == 0) {
		control_list();
		return 0;
	}
	seed = rng_seed("crash").state;
	if (argc == 3 && strcmp(argv[1], "--control") == 0)
		return run_control(argv[2], seed);
	if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
		return run(seed, (unsigned)strtoul(argv[2], NULL, 10));
	if (argc == 1)
		return run(seed, rng_cases(ROUNDS) < ROUNDS ? 1 : ROUNDS);
	fprintf(stderr, "usage: crash [--rounds N | --control NAME | --controls]\n");
	return 2;
}
