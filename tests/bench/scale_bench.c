/* What grows with a store: the same done to 10 million keys, 1 million and 10 thousand, by the
 * library and through a mount; large directories, and a file of 10 GB.
 *
 *     scale_bench [--quick] KEYTREE DIRECTORY
 *
 * KEYTREE is the program, which mounts. Prints lines of results as store_bench does; the largest
 * store is "keytree", and the other sides are smaller. As root, for mounts and cold caches.
 */
#include "bench.h"
#include "mounted.h"
#include "scale_crash.h"
#include "scale_keys.h"
#include "sides.h"
#include "subjects.h"

#include "keytree.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 4096

static const char *keytree; /* the program */

struct path {
	char text[2 * PATH_MAX];
};

/* ---- keys ------------------------------------------------------------------------------------ */

static void load(struct subject *subject)
{
	struct kt_txn *txn;

	subject_renew(subject);
	txn = subject_begin(subject, KT_WRITE);
	for (uint32_t i = 0; i < subject->keys; i++)
		scale_put_index(txn, i, 0);
	subject_commit(txn, KT_FLUSH);
}

static uint32_t any_index(const struct subject *subject, unsigned repeat, uint32_t n)
{
	return (uint32_t)(bench_mix((uint64_t)(repeat + 1) << 32 | n) % subject->keys);
}

/* ---- the library ----------------------------------------------------------------------------- */

#define GETS 100000
#define PUTS 2000
#define PUTS_FLUSHED 100
#define SCANS 1000

static uint64_t get(struct subject *subject, unsigned repeat)
{
	struct kt_txn *txn = subject_begin(subject, KT_READ);
	uint64_t start, sum = 0, expected = 0;
	char value[SCALE_VALUE];

	for (uint32_t i = 0; i < GETS; i++) {
		bench_value(any_index(subject, repeat, i), 0, value, sizeof(value));
		expected = bench_sum(expected, value, sizeof(value));
	}
	start = bench_now_ns();
	for (uint32_t i = 0; i < GETS; i++) {
		struct kt_slice found;
		char key[16];
		int size = scale_key_text(any_index(subject, repeat, i), key);

		bench_check(kt_get(txn, key, (size_t)size, &found) == 0);
		sum = bench_sum(sum, found.data, found.size);
	}
	start = bench_now_ns() - start;
	bench_check(sum == expected);
	kt_abort(txn);
	return start / GETS;
}

/* From the first file of a directory to its last. */
static uint64_t scan(struct subject *subject, unsigned repeat)
{
	struct kt_txn *txn = subject_begin(subject, KT_READ);
	struct kt_cursor *cursor;
	uint64_t start = bench_now_ns();

	bench_check(kt_cursor_open(txn, &cursor) == 0);
	for (uint32_t i = 0; i < SCANS; i++) {
		char key[16];
		int size = scale_key_text(
			any_index(subject, repeat, i) / SCALE_FILES * SCALE_FILES, key);
		struct kt_slice last;

		bench_check(kt_cursor_seek(cursor, key, (size_t)size) == 0);
		for (uint32_t n = 1; n < SCALE_FILES; n++)
			bench_check(kt_cursor_next(cursor) == 0);
		last = kt_cursor_key(cursor);
		bench_check(
			last.size == (size_t)size && memcmp(last.data, key, last.size - 2) == 0);
	}
	start = bench_now_ns() - start;
	kt_cursor_close(cursor);
	kt_abort(txn);
	return start / SCANS;
}

static uint64_t put_some(struct subject *subject, unsigned repeat, uint32_t count, unsigned flags)
{
	uint64_t start = bench_now_ns();

	for (uint32_t i = 0; i < count; i++) {
		struct kt_txn *txn = subject_begin(subject, KT_WRITE);

		scale_put_index(txn, any_index(subject, repeat, i), 0);
		subject_commit(txn, flags);
	}
	return (bench_now_ns() - start) / count;
}

static uint64_t put_unflushed(struct subject *subject, unsigned repeat)
{
	uint64_t taken = put_some(subject, repeat, PUTS, 0);

	bench_check(kt_flush(subject->store) == 0);
	return taken;
}

static uint64_t put_durable(struct subject *subject, unsigned repeat)
{
	return put_some(subject, repeat, PUTS_FLUSHED, KT_FLUSH);
}

/* ---- mounts ---------------------------------------------------------------------------------- */

static uint64_t mount_cold(struct subject *subject, unsigned repeat)
{
	(void)repeat;
	subject_unmount(subject);
	bench_drop_caches();
	return subject_mount(subject, keytree);
}

static struct path file_path(const struct subject *subject, uint32_t index, const char *suffix)
{
	struct path path;
	char key[16];

	scale_key_text(index, key);
	snprintf(path.text, sizeof(path.text), "%s/%s%s", subject->dir, key, suffix);
	return path;
}

/* List a directory with what ls -l wants to know. @return how many there are */
static uint32_t list(const char *path, bool sizes)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	struct stat stat;
	uint32_t count = 0;

	bench_check(dir != NULL);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		count++;
		bench_check(!sizes ||
			    fstatat(dirfd(dir), entry->d_name, &stat, AT_SYMLINK_NOFOLLOW) == 0);
	}
	closedir(dir);
	return count;
}

/* List a directory of 100 files in a store that nobody has looked at. */
static uint64_t list_first(struct subject *subject, unsigned repeat)
{
	struct path path = file_path(subject, any_index(subject, repeat, 0), "");
	uint64_t start;

	mount_cold(subject, repeat);
	path.text[strlen(path.text) - strlen("/00")] = '\0';
	start = bench_now_ns();
	bench_check(list(path.text, true) == SCALE_FILES);
	return bench_now_ns() - start;
}

#define VISITS 500
#define RENAMES 2500 /* number of the first visit that renames: each visit is to another file */

/* A file of its own for each visit, anywhere: the golden ratio, made a number that has no factor in
 * common with those of keys. */
static uint32_t nth_visit(const struct subject *subject, uint32_t n)
{
	return (uint32_t)(n * UINT64_C(6180339887) % subject->keys);
}

/* Do something to files here and there. */
static uint64_t visit(struct subject *subject, uint32_t first,
	void (*do_one)(const struct subject *subject, uint32_t index))
{
	uint64_t start = bench_now_ns();

	for (uint32_t n = first; n < first + VISITS; n++)
		do_one(subject, nth_visit(subject, n));
	return (bench_now_ns() - start) / VISITS;
}

static void read_one(const struct subject *subject, uint32_t index)
{
	char data[SCALE_VALUE + 1], expected[SCALE_VALUE];
	int fd = open(file_path(subject, index, "").text, O_RDONLY);

	bench_check(fd >= 0 && read(fd, data, sizeof(data)) == SCALE_VALUE);
	bench_check(close(fd) == 0);
	bench_value(index, 0, expected, sizeof(expected));
	bench_check(memcmp(data, expected, sizeof(expected)) == 0);
}

static void create_one(const struct subject *subject, uint32_t index)
{
	char data[SCALE_VALUE];
	int fd = open(file_path(subject, index, "-new").text, O_WRONLY | O_CREAT | O_EXCL, 0644);

	bench_value(index, 0, data, sizeof(data));
	bench_check(fd >= 0 && write(fd, data, sizeof(data)) == sizeof(data));
	bench_check(close(fd) == 0);
}

static void unlink_one(const struct subject *subject, uint32_t index)
{
	bench_check(unlink(file_path(subject, index, "-new").text) == 0);
}

static void rename_one(const struct subject *subject, uint32_t index)
{
	bench_check(rename(file_path(subject, index, "").text,
			    file_path(subject, index, "-new").text) == 0);
}

static uint64_t read_files(struct subject *subject, unsigned repeat)
{
	return visit(subject, repeat * VISITS, read_one);
}

static uint64_t create_files(struct subject *subject, unsigned repeat)
{
	return visit(subject, repeat * VISITS, create_one);
}

static uint64_t unlink_files(struct subject *subject, unsigned repeat)
{
	return visit(subject, repeat * VISITS, unlink_one);
}

static uint64_t rename_files(struct subject *subject, unsigned repeat)
{
	return visit(subject, RENAMES + repeat * VISITS, rename_one);
}

static void report_memory(struct subject *subjects, unsigned count, const char *row)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t bytes = subject_memory(&subjects[i]);

		bench_report(row, subjects[i].engine, &bytes, 1);
	}
}

/* ---- what is measured ------------------------------------------------------------------------ */

static void init(struct subject *subject, const char *engine, uint32_t keys, const char *directory,
	const char *name)
{
	*subject = (struct subject){.engine = engine, .keys = keys};
	snprintf(subject->path, sizeof(subject->path), "%s/%s.kt", directory, name);
	snprintf(subject->dir, sizeof(subject->dir), "%s/%s", directory, name);
	bench_check(mkdir(subject->dir, 0700) == 0);
}

static void fini(struct subject *subject)
{
	subject_unmount(subject);
	bench_check(kt_close(subject->store) == 0);
	unlink(subject->path);
	rmdir(subject->dir);
}

static void measure_keys(const char *directory, uint32_t most)
{
	struct subject subjects[3];

	init(&subjects[0], "keytree", most, directory, "many");
	init(&subjects[1], "1 million", most / 10, directory, "some");
	init(&subjects[2], "10 thousand", 10000, directory, "few");
	for (unsigned i = 0; i < 3; i++)
		load(&subjects[i]);
	subjects_measure(subjects, 3, "scale-get", get);
	subjects_measure(subjects, 3, "scale-scan", scan);
	subjects_measure(subjects, 3, "scale-put", put_unflushed);
	subjects_measure(subjects, 3, "scale-put-durable", put_durable);
	subjects_measure(subjects, 3, "scale-mount", mount_cold);
	subjects_measure(subjects, 3, "scale-list", list_first);
	subjects_measure(subjects, 3, "scale-read", read_files);
	subjects_measure(subjects, 3, "scale-create", create_files);
	subjects_measure(subjects, 3, "scale-unlink", unlink_files);
	subjects_measure(subjects, 3, "scale-rename", rename_files);
	report_memory(subjects, 3, "scale-memory");
	for (unsigned i = 0; i < 3; i++)
		fini(&subjects[i]);
}

/* Directories of many files and of few in one store; "keytree" is the large one. */
struct directory {
	const char *name;
	uint32_t files;
};

static void load_directory(struct subject *subject, const struct directory *directory)
{
	struct kt_txn *txn = subject_begin(subject, KT_WRITE);
	char key[32];

	for (uint32_t i = 0; i < directory->files; i++) {
		snprintf(key, sizeof(key), "%s/%07u", directory->name, i);
		scale_put(txn, key, i, 0);
	}
	subject_commit(txn, KT_FLUSH);
}

static uint64_t list_directory(struct subject *subject, const struct directory *directory)
{
	struct path path;
	uint64_t start;

	subject_unmount(subject);
	subject_mount(subject, keytree);
	snprintf(path.text, sizeof(path.text), "%s/%s", subject->dir, directory->name);
	start = bench_now_ns();
	bench_check(list(path.text, false) == directory->files);
	return (bench_now_ns() - start) / directory->files;
}

static uint64_t rename_directory(struct subject *subject, const struct directory *directory)
{
	struct path from, to;
	uint64_t start;

	snprintf(from.text, sizeof(from.text), "%s/%s", subject->dir, directory->name);
	snprintf(to.text, sizeof(to.text), "%s/renamed", subject->dir);
	start = bench_now_ns();
	bench_check(rename(from.text, to.text) == 0);
	start = bench_now_ns() - start;
	bench_check(rename(to.text, from.text) == 0);
	return start / directory->files;
}

static void measure_pair(struct subject *subject, const char *row, const struct directory *large,
	const struct directory *small, uint64_t (*run)(struct subject *, const struct directory *))
{
	uint64_t samples[2][SUBJECT_REPEATS];

	for (unsigned repeat = 0; repeat < SUBJECT_REPEATS; repeat++) {
		samples[0][repeat] = run(subject, large);
		samples[1][repeat] = run(subject, small);
	}
	bench_report(row, "keytree", samples[0], SUBJECT_REPEATS);
	bench_report(row, "small ones", samples[1], SUBJECT_REPEATS);
}

static void measure_directories(const char *directory, uint32_t most)
{
	const struct directory wide = {"wide", most}, narrow = {"narrow", 1000};
	const struct directory many = {"many", most / 10}, few = {"few", 100};
	struct subject subject;

	init(&subject, "keytree", 0, directory, "wide");
	subject_renew(&subject);
	load_directory(&subject, &wide);
	load_directory(&subject, &narrow);
	load_directory(&subject, &many);
	load_directory(&subject, &few);
	measure_pair(&subject, "scale-list-wide", &wide, &narrow, list_directory);
	measure_pair(&subject, "scale-rename-wide", &many, &few, rename_directory);
	fini(&subject);
}

static void measure_files(const char *directory, uint32_t most)
{
	struct subject subjects[2];

	init(&subjects[0], "keytree", most, directory, "large");
	init(&subjects[1], "small ones", 10, directory, "small");
	for (unsigned i = 0; i < 2; i++)
		scale_load_values(&subjects[i]);
	subjects_measure(subjects, 2, "open-crashed", scale_open_after_crash);
	subjects_measure(subjects, 2, "write-crashed", scale_write_after_crash);
	subjects_measure(subjects, 2, "scale-mount-large", mount_cold);
	for (unsigned i = 0; i < 2; i++)
		fini(&subjects[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"quick", no_argument, NULL, 'q'}, {0}};
	bool quick = false;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option != 'q')
			return 2;
		quick = true;
	}
	if (optind + 2 != argc)
		bench_fail("usage: scale_bench [--quick] KEYTREE DIRECTORY");
	keytree = argv[optind];
	measure_keys(argv[optind + 1], quick ? 1000000 : 10000000);
	measure_directories(argv[optind + 1], quick ? 100000 : 1000000);
	measure_files(argv[optind + 1], quick ? 1024 : 10240);
	return 0;
}
