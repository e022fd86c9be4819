/* Directories in quantity: many files in one, many levels, long names and keys; listing while
 * entries come and go. KEYTREE_FILES says how many files (short: thousands; long: a million).
 */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FILES 10000
#define LEVELS 1000
#define CHUNKS 20

static unsigned long file_count(void)
{
	const char *count = getenv("KEYTREE_FILES");

	if (count != NULL)
		return strtoul(count, NULL, 10);
	return getenv("KEYTREE_BRIEF") != NULL ? FILES / 4 : FILES;
}

static void enter(const struct fixture *fixture)
{
	support_mount(fixture);
	assert_int_equal(chdir(fixture->mount_dir), 0);
}

static void make(const char *name)
{
	int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);

	if (fd < 0)
		fail_msg("%s: %s", name, strerror(errno));
	assert_int_equal(close(fd), 0);
}

static double now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
	qsort(values, count, sizeof(values[0]), compare_doubles);
	return values[count / 2];
}

typedef void each_fn(const char *name);

static void remove_file(const char *name)
{
	assert_int_equal(unlink(name), 0);
}

static void look(const char *name)
{
	struct stat stat;

	assert_int_equal(lstat(name, &stat), 0);
}

/* Do something with each file. What one costs must not grow with what is there: a quarter of it
 * late is compared to a quarter early, generously, as other programs run meanwhile. */
static void each_file(const char *what, unsigned long count, each_fn *each)
{
	double chunk[CHUNKS], early, late;

	for (int c = 0; c < CHUNKS; c++) {
		double begin = now_us();

		for (unsigned long i = count / CHUNKS * (unsigned long)c;
			i < count / CHUNKS * (unsigned long)(c + 1); i++) {
			char name[32];

			snprintf(name, sizeof(name), "f%lu", i * 7919 % count);
			each(name);
		}
		chunk[c] = (now_us() - begin) / (double)(count / CHUNKS);
	}
	early = median(chunk, CHUNKS / 4);
	late = median(chunk + CHUNKS - CHUNKS / 4, CHUNKS / 4);
	print_message("%s: %.1f us at first, %.1f us at last\n", what, early, late);
	assert_true(late < 5 * early + 50 && early < 5 * late + 50);
}

static unsigned long count_names(const char *path)
{
	unsigned long count = 0;
	DIR *dir = opendir(path);

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* One directory takes any number of files, each at the same cost. */
static void test_many(void **state)
{
	unsigned long count = file_count();
	double begin;

	enter(*state);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(chdir("d"), 0);
	each_file("create", count, make);
	begin = now_us();
	assert_int_equal(count_names("."), count + 2);
	print_message("list: %.1f us per file\n", (now_us() - begin) / (double)count);
	support_unmount(*state);
	enter(*state);
	assert_int_equal(chdir("d"), 0);
	each_file("look up", count, look);
	each_file("unlink", count, remove_file);
	assert_int_equal(count_names("."), 2);
	support_unmount(*state);
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat;
	(void)type;
	(void)ftw;
	return remove(path);
}

/* A tree of a thousand levels is made, walked and removed. */
static void test_deep(void **state)
{
	enter(*state);
	for (int i = 0; i < LEVELS; i++) {
		assert_int_equal(mkdir("d", 0755), 0);
		assert_int_equal(chdir("d"), 0);
	}
	make("f");
	support_unmount(*state);
	enter(*state);
	for (int i = 0; i < LEVELS; i++)
		assert_int_equal(chdir("d"), 0);
	assert_int_equal(access("f", F_OK), 0);
	for (int i = 0; i < LEVELS; i++)
		assert_int_equal(chdir(".."), 0);
	assert_int_equal(access("d/d/d", F_OK), 0);
	assert_int_equal(nftw("d", remove_one, 20, FTW_DEPTH | FTW_PHYS), 0);
	assert_int_equal(count_names("."), 2);
	support_unmount(*state);
}

/* Names of 255 bytes, one in another, up to a key of 4096 bytes; one byte more is refused. */
static void test_long(void **state)
{
	char name[257];

	memset(name, 'n', sizeof(name));
	name[255] = '\0';
	enter(*state);
	for (int i = 0; i < 15; i++) { /* 15 * 256 bytes of the key */
		assert_int_equal(mkdir(name, 0755), 0);
		assert_int_equal(chdir(name), 0);
	}
	make(name); /* 4095 */
	assert_int_equal(count_names("."), 3);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(mkdir(name, 0755), 0); /* 4096 with its separator */
	assert_int_equal(chdir(name), 0);
	assert_int_equal(open("x", O_CREAT | O_WRONLY, 0644), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	assert_int_equal(mkdir("x", 0755), -1);
	assert_int_equal(errno, ENAMETOOLONG);
	support_unmount(*state);
}

/* List a directory over and over until it is empty. Nothing may fail, and no name come twice. */
static int list_until_empty(const char *path)
{
	unsigned long count = 3;

	while (count > 2) {
		DIR *dir = opendir(path);
		struct dirent *entry;
		static char seen[FILES * 100];

		if (dir == NULL)
			return errno == ENOENT ? 0 : 1;
		memset(seen, 0, sizeof(seen));
		errno = 0;
		for (count = 0; (entry = readdir(dir)) != NULL; count++) {
			unsigned long number = strtoul(entry->d_name + 1, NULL, 10);

			if (entry->d_name[0] != 'f')
				continue;
			if (number >= sizeof(seen) || seen[number]++)
				return 2;
		}
		if (errno != 0)
			return 3;
		closedir(dir);
	}
	return 0;
}

/* rm -rf succeeds while another process lists what it removes. */
static void test_remove_while_listed(void **state)
{
	unsigned long count = file_count() / 10 < FILES / 2 ? FILES / 2 : file_count() / 10;
	pid_t pid;
	int status;

	enter(*state);
	assert_int_equal(mkdir("d", 0755), 0);
	for (unsigned long i = 0; i < count; i++) {
		char name[32];

		snprintf(name, sizeof(name), "d/f%lu", i);
		make(name);
	}
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(list_until_empty("d"));
	assert_int_equal(system("rm -rf d"), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	support_unmount(*state);
}

/* A position that telldir() has told is where a listing goes on, whatever came and went before: of
 * the files that stay none is left out, and none comes twice. */
static void test_seek(void **state)
{
	enum { COUNT = 2000, AT = 1200 };
	static bool before[COUNT];
	char name[32];
	struct dirent *entry;
	unsigned seen = 0;
	long place;
	DIR *dir;

	enter(*state);
	assert_int_equal(mkdir("d", 0755), 0);
	assert_int_equal(chdir("d"), 0);
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		make(name);
	}
	dir = opendir(".");
	assert_non_null(dir);
	while (seen < AT && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != 'f')
			continue;
		before[strtoul(entry->d_name + 1, NULL, 10)] = true;
		seen++;
	}
	place = telldir(dir);
	while (readdir(dir) != NULL)
		;
	for (int i = 0; i < COUNT; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		if (before[i] && i % 2)
			assert_int_equal(unlink(name), 0);
		snprintf(name, sizeof(name), "e%d", i);
		if (i % 3 == 0)
			make(name);
	}
	seekdir(dir, place);
	while ((entry = readdir(dir)) != NULL) {
		unsigned long number = strtoul(entry->d_name + 1, NULL, 10);

		if (entry->d_name[0] != 'f')
			continue;
		if (before[number])
			fail_msg("%s comes twice", entry->d_name);
		seen++;
	}
	assert_int_equal(seen, COUNT);
	rewinddir(dir);
	for (seen = 0; readdir(dir) != NULL; seen++)
		;
	assert_int_equal(seen, count_names("."));
	closedir(dir);
	support_unmount(*state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_many, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_deep, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_long, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(
			test_remove_while_listed, support_setup, support_teardown),
		cmocka_unit_test_setup_teardown(test_seek, support_setup, support_teardown),
	};

	if (!support_has_fuse())
		return SUPPORT_SKIPPED;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
