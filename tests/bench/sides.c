/* Stores that are measured against each other, and the lines that report it. */
#include "sides.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void remove_files(const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(directory);
}

void side_close(struct side *side)
{
	if (side->db)
		side->engine->close(side->db);
	side->db = NULL;
}

void side_remove(struct side *side)
{
	side_close(side);
	remove_files(side->directory);
}

void side_renew(struct side *side)
{
	side_remove(side);
	bench_check(mkdir(side->directory, 0700) == 0);
	side->db = side->engine->open(side->directory);
}

/* Bytes of disk that the store takes. */
static uint64_t side_size(struct side *side)
{
	DIR *dir;
	struct dirent *entry;
	struct stat stat;
	uint64_t size = 0;

	side_close(side);
	sync();
	dir = opendir(side->directory);
	bench_check(dir);
	while ((entry = readdir(dir))) {
		bench_check(fstatat(dirfd(dir), entry->d_name, &stat, 0) == 0);
		if (S_ISREG(stat.st_mode))
			size += (uint64_t)stat.st_blocks * 512;
	}
	closedir(dir);
	side->db = side->engine->open(side->directory);
	return size;
}

bool bench_wants(const struct bench *bench, const char *row)
{
	return !bench->only || strstr(row, bench->only);
}

void bench_report(const char *row, const char *engine, uint64_t *samples, unsigned count)
{
	struct bench_summary summary = bench_summarize(samples, count);

	printf("%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\n", row, engine, summary.median,
		summary.min, summary.max);
	fflush(stdout);
}

void bench_measure(struct bench *bench, const char *row, workload *run, const struct work *work,
	uint64_t operations)
{
	uint64_t samples[SIDES_MAX][REPEATS_MAX];

	if (!bench_wants(bench, row))
		return;
	for (unsigned repeat = 0; repeat < bench->repeats; repeat++) {
		for (size_t i = 0; i < bench->side_count; i++) {
			if (work->mode != BENCH_READ)
				sync();
			samples[i][repeat] = run(&bench->sides[i], work, repeat) / operations;
		}
	}
	for (size_t i = 0; i < bench->side_count; i++)
		bench_report(row, bench->sides[i].engine->name, samples[i], bench->repeats);
}

void bench_measure_sizes(struct bench *bench, const char *row)
{
	uint64_t size;

	if (!bench_wants(bench, row))
		return;
	for (size_t i = 0; i < bench->side_count; i++) {
		size = side_size(&bench->sides[i]);
		bench_report(row, bench->sides[i].engine->name, &size, 1);
	}
}
