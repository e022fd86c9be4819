/* A mount against other file systems.
 *
 *     mount_bench [--quick] --fresh COMMAND NAME=DIRECTORY...
 *
 * runs the same phases in each directory in turn, repetition by repetition, and prints for each row
 * and name a line
 *
 *     ROW <tab> NAME <tab> median <tab> least <tab> greatest
 *
 * in nanoseconds per operation (per MiB for the large file). What a row is and what is asked of it
 * stands in the file "rows".
 *
 * "COMMAND NAME" mounts a file system anew with cold caches, "COMMAND NAME ro" read-only; a row
 * whose mount fails is left out.
 */
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "mount_phases.h"

#define SIDES_MAX 4
#define REPEATS 5
#define REPEATS_QUICK 3
#define EXIT_IMPOSSIBLE 77

struct side {
	const char *name;
	const char *directory;
	char root[PATH_MAX]; /* what the phases make, in the directory */
	bool read_only;	     /* now */
	uint64_t samples[PHASES_MAX][REPEATS];
	unsigned sample_count[PHASES_MAX];
};

struct bench {
	const char *fresh;
	struct amount amount;
	unsigned repeats;
	struct side sides[SIDES_MAX];
	size_t side_count;
};

/* Bring what the phase before left behind to the disk: it must not weigh on the next one. */
static void settle(const struct bench *bench)
{
	for (size_t i = 0; i < bench->side_count; i++) {
		int fd = open(bench->sides[i].directory, O_RDONLY | O_DIRECTORY);

		bench_check(fd >= 0);
		fsync(fd);
		close(fd);
	}
	sync();
}

/* Mount a side anew. @return did it work */
static bool mount_fresh(const struct bench *bench, struct side *side, bool read_only)
{
	char command[PATH_MAX];
	int status;

	snprintf(command, sizeof(command), "%s %s %s", bench->fresh, side->name,
		read_only ? "ro" : "");
	status = system(command);
	side->read_only = read_only && status == 0;
	if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_IMPOSSIBLE))
		bench_fail("%s failed", command);
	return status == 0;
}

/* Bring a side to the state that a phase wants. @return it is in that state */
static bool prepare(const struct bench *bench, struct side *side, enum phase_state state)
{
	switch (state) {
	case PHASE_AS_IS:
		return true;
	case PHASE_STILL_READ_ONLY:
		return side->read_only;
	case PHASE_FRESH:
		return mount_fresh(bench, side, false);
	case PHASE_WALKED:
	case PHASE_READ_ONLY:
		if (!mount_fresh(bench, side, state == PHASE_READ_ONLY))
			return false;
		phase_walk(&bench->amount, side->root);
		return true;
	}
	return false;
}

static void run_phase(struct bench *bench, struct side *side, size_t index)
{
	if (!prepare(bench, side, phases[index].state))
		return;
	side->samples[index][side->sample_count[index]++] =
		phases[index].run(&bench->amount, side->root);
}

/* All phases once, each on every side before the next; another side begins each time. */
static void run_all(struct bench *bench, unsigned repeat)
{
	for (size_t index = 0; phases[index].run; index++) {
		settle(bench);
		for (size_t i = 0; i < bench->side_count; i++)
			run_phase(bench, &bench->sides[(i + repeat) % bench->side_count], index);
	}
}

static void report(struct side *side, size_t index, unsigned repeats)
{
	struct bench_summary summary;

	if (!phases[index].row || side->sample_count[index] < repeats)
		return;
	summary = bench_summarize(side->samples[index], repeats);
	printf("%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", phases[index].row, side->name,
		summary.median, summary.min, summary.max);
}

static void add_side(struct bench *bench, char *argument)
{
	struct side *side = &bench->sides[bench->side_count];
	char *equals = strchr(argument, '=');

	if (!equals || bench->side_count == SIDES_MAX)
		bench_fail("not NAME=DIRECTORY, or too many: %s", argument);
	*equals = '\0';
	side->name = argument;
	side->directory = equals + 1;
	snprintf(side->root, sizeof(side->root), "%s/bench", side->directory);
	bench->side_count++;
}

static const struct amount full = {
	.files = 10000,
	.few = 1000,
	.appends = 10000,
	.large_size = (uint64_t)256 << 20,
};

static const struct amount quick = {
	.files = 1000,
	.few = 100,
	.appends = 1000,
	.large_size = (uint64_t)64 << 20,
};

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"quick", no_argument, NULL, 'q'},
		{"fresh", required_argument, NULL, 'f'},
		{0},
	};
	static struct bench bench = {.fresh = "false", .repeats = REPEATS};
	int option;

	bench.amount = full;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'q') {
			bench.amount = quick;
			bench.repeats = REPEATS_QUICK;
		} else if (option == 'f') {
			bench.fresh = optarg;
		} else {
			return 2;
		}
	}
	for (int i = optind; i < argc; i++)
		add_side(&bench, argv[i]);
	for (unsigned repeat = 0; repeat < bench.repeats; repeat++)
		run_all(&bench, repeat);
	for (size_t index = 0; phases[index].run; index++)
		for (size_t i = 0; i < bench.side_count; i++)
			report(&bench.sides[i], index, bench.repeats);
	return 0;
}
