/* Whoever keeps all that the file system ever said, and forgets exactly what fs_invalidate() names, never
 * has anything that is not true, whatever applications do.
 *
 * The keeper does as a kernel does: names, those too that mean nothing, attributes, contents and
 * listings are kept for ever. Applications put and delete keys that are hard to tell apart, a few
 * at once, so that files become directories and turn back, link them to each other, write to what
 * is linked, make and remove directories, clear the store, and go back to what it was before; the
 * file system saves files in between. It renames what is there, and so does another file system of
 * the store.
 */
#include "tests/unit/application.h"
#include "tests/unit/rng.h"
#include "tests/unit/world.h"

#include "fs/names/names.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEEPS_MAX 4096

/* Something that is kept. */
struct keep {
	enum fs_invalidate_kind kind; /* what of the node */
	uint64_t node;		      /* with FS_INVALIDATE_NAME the directory */
	char name[256];
	uint64_t
		means; /* with FS_INVALIDATE_NAME: a node, or 0; its reference is held until the end */
	char *text;    /* with others: what was said */
};

struct fixture {
	struct world world;
	struct rng rng;
	struct application application;
	struct keep keeps[KEEPS_MAX];
	size_t count;
	size_t dropped, renames;
	struct fs *other; /* of another process, as it were */
	struct fs_entry *held;
	size_t held_count, held_capacity;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	world_open(&f->world, false);
	f->rng = rng_seed("coherence");
	assert_int_equal(fs_open(f->world.store, &f->world.options, &f->other), 0);
	assert_int_equal(fs_watch(f->world.fs, NULL), 0);
	application_init(&f->application, f->world.store, &f->rng);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < f->held_count; i++)
		world_forget(&f->world, &f->held[i]);
	for (size_t i = 0; i < f->count; i++)
		free(f->keeps[i].text);
	free(f->held);
	assert_int_equal(fs_close(f->other), 0);
	world_close(&f->world);
	free(f);
	return 0;
}

/* ---- what the file system says --------------------------------------------------------------- */

static char *say_attr(struct fixture *f, uint64_t node)
{
	struct stat stat;
	char *text = malloc(128);
	int err = fs_getattr(f->world.fs, node, &stat);

	snprintf(text, 128, "%d %o %u %llu %lld %lld", err, err ? 0 : stat.st_mode,
		err ? 0 : (unsigned)stat.st_nlink, err ? 0 : (unsigned long long)stat.st_ino,
		err ? 0 : (long long)stat.st_size,
		err ? 0 : (long long)stat.st_mtim.tv_sec * 1000000000 + stat.st_mtim.tv_nsec);
	return text;
}

static char *say_data(struct fixture *f, uint64_t node)
{
	struct fs_file *file;
	char *text = calloc(1, 256);
	size_t size = 0;
	int err = fs_open_file(f->world.fs, node, O_RDONLY, &file);

	if (!err) {
		err = fs_read(f->world.fs, file, 0, text + 16, 200, &size);
		fs_release(f->world.fs, file);
	}
	snprintf(text, 16, "%d %zu", err, size);
	text[strlen(text)] = ' ';
	for (size_t i = 0; i < 16; i++)
		text[i] = text[i] != '\0' ? text[i] : ' ';
	return text;
}

static bool add_name(void *arg, const char *name, const struct fs_entry *entry, off_t offset)
{
	char **text = arg;
	size_t size = strlen(*text);

	(void)offset;
	if (!strcmp(name, ".") || !strcmp(name, ".."))
		return true;
	*text = realloc(*text, size + strlen(name) + 20);
	sprintf(*text + size, "%s %o\n", name, entry->stat.st_mode & S_IFMT);
	return true;
}

static char *say_listing(struct fixture *f, uint64_t node)
{
	struct fs_dir *dir;
	char *text = calloc(1, 1);
	int err;

	if (fs_opendir(f->world.fs, node, &dir) != 0)
		return text;
	/* one that is gone has no names in it, as one that is empty */
	err = fs_readdir(f->world.fs, dir, 0, false, add_name, &text);
	assert_true(!err || err == -ENOENT);
	fs_releasedir(f->world.fs, dir);
	return text;
}

static char *say(struct fixture *f, enum fs_invalidate_kind kind, uint64_t node)
{
	switch (kind) {
	case FS_INVALIDATE_ATTR:
		return say_attr(f, node);
	case FS_INVALIDATE_DATA:
		return say_data(f, node);
	default:
		return say_listing(f, node);
	}
}

/* ---- keeping --------------------------------------------------------------------------------- */

static struct keep *find_keep(
	struct fixture *f, enum fs_invalidate_kind kind, uint64_t node, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->keeps[i].kind == kind && f->keeps[i].node == node &&
			strcmp(f->keeps[i].name, name) == 0)
			return &f->keeps[i];
	return NULL;
}

static struct keep *add_keep(
	struct fixture *f, enum fs_invalidate_kind kind, uint64_t node, const char *name)
{
	struct keep *keep = &f->keeps[f->count++];

	assert_true(f->count < KEEPS_MAX);
	*keep = (struct keep){.kind = kind, .node = node};
	snprintf(keep->name, sizeof(keep->name), "%s", name);
	return keep;
}

static void drop_keep(struct fixture *f, struct keep *keep)
{
	if (keep == NULL)
		return;
	free(keep->text);
	*keep = f->keeps[--f->count];
	f->dropped++;
}

/* What a name means, from what is kept if it is. */
static uint64_t use_name(struct fixture *f, uint64_t node, const char *name)
{
	struct keep *keep = find_keep(f, FS_INVALIDATE_NAME, node, name);
	struct fs_entry entry = {.node = 0};
	int err;

	if (keep != NULL)
		return keep->means;
	err = fs_lookup(f->world.fs, node, name, &entry);
	if (err != 0 && err != -ENOENT)
		return 0;
	if (!err) {
		if (f->held_count == f->held_capacity) {
			f->held_capacity = 2 * f->held_capacity + 64;
			f->held = realloc(f->held, f->held_capacity * sizeof(*f->held));
			assert_non_null(f->held);
		}
		f->held[f->held_count++] = entry;
	}
	add_keep(f, FS_INVALIDATE_NAME, node, name)->means = entry.node;
	return entry.node;
}

static void use_facts(struct fixture *f, uint64_t node)
{
	enum fs_invalidate_kind kinds[] = {FS_INVALIDATE_ATTR, FS_INVALIDATE_DATA};
	struct stat stat;

	if (fs_getattr(f->world.fs, node, &stat) != 0)
		return;
	if (S_ISDIR(stat.st_mode))
		kinds[1] = FS_INVALIDATE_LISTING;
	for (int i = 0; i < 2; i++)
		if (rng_below(&f->rng, 2) && find_keep(f, kinds[i], node, "") == NULL)
			add_keep(f, kinds[i], node, "")->text = say(f, kinds[i], node);
}

/* Go down a path, and keep all that is met. */
static void use_path(struct fixture *f, char *path)
{
	uint64_t node = FS_ROOT;
	char *name, *rest = path;

	use_facts(f, node);
	while (node != 0 && (name = strsep(&rest, "/")) != NULL) {
		node = use_name(f, node, name);
		if (node != 0)
			use_facts(f, node);
	}
}

static void use_key(struct fixture *f, size_t key)
{
	static char path[NAMES_PATH_SIZE];

	assert_int_equal(names_path_of_key('/', f->application.keys[key].bytes,
				 f->application.keys[key].size, rng_below(&f->rng, 2), path),
		0);
	use_path(f, path);
}

static void forget_kind(struct fixture *f, enum fs_invalidate_kind kind)
{
	for (size_t i = 0; i < f->count;)
		if (f->keeps[i].kind == kind)
			drop_keep(f, &f->keeps[i]);
		else
			i++;
}

static void forget(void *arg, const struct fs_invalidation *notice)
{
	struct fixture *f = arg;

	if (notice->kind == FS_INVALIDATE_NAMES) {
		forget_kind(f, FS_INVALIDATE_NAME);
		return;
	}
	if (notice->kind == FS_INVALIDATE_NAME) {
		drop_keep(f, find_keep(f, FS_INVALIDATE_NAME, notice->node, notice->name));
		return;
	}
	drop_keep(f, find_keep(f, FS_INVALIDATE_ATTR, notice->node, ""));
	if (notice->kind != FS_INVALIDATE_ATTR)
		drop_keep(f, find_keep(f, notice->kind, notice->node, ""));
}

/* Everything that is kept is what the file system would say now. */
static void assert_true_still(struct fixture *f)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct keep *keep = &f->keeps[i];
		struct fs_entry entry = {.node = 0};
		char *text;

		if (keep->kind == FS_INVALIDATE_NAME) {
			int err = fs_lookup(f->world.fs, keep->node, keep->name, &entry);

			if (keep->means != entry.node)
				print_error("name '%s' in %llu\n", keep->name,
					(unsigned long long)keep->node);
			assert_int_equal(keep->means, entry.node);
			if (!err)
				fs_forget(f->world.fs, entry.node, 1);
			continue;
		}
		text = say(f, keep->kind, keep->node);
		if (strncmp(text, "-116", 4) == 0) { /* no name leads to the node any more */
			free(text);
			continue;
		}
		if (strcmp(text, keep->text) != 0)
			print_error(
				"kind %d of %llu\n", keep->kind, (unsigned long long)keep->node);
		assert_string_equal(text, keep->text);
		free(text);
	}
}

/* ---- own changes ------------------------------------------------------------------------------ */

/* The file system saves a file, of a name that no key has. What its caller keeps of that file and
 * of the root, the caller forgets by itself. */
static void save(struct fixture *f)
{
	struct fs_invalidation root = {.kind = FS_INVALIDATE_LISTING, .node = FS_ROOT, .name = ""};
	struct fs_invalidation name = {
		.kind = FS_INVALIDATE_NAME, .node = FS_ROOT, .name = "saved by the mount"};

	assert_int_equal(world_write(&f->world, name.name, application_value(&f->rng)), 0);
	forget(f, &root);
	forget(f, &name);
}

/* ---- renames --------------------------------------------------------------------------------- */

static struct keep *random_name(struct fixture *f)
{
	for (int tries = 0; tries < 20 && f->count > 0; tries++) {
		struct keep *keep = &f->keeps[rng_below(&f->rng, f->count)];

		if (keep->kind == FS_INVALIDATE_NAME && keep->means != 0)
			return keep;
	}
	return NULL;
}

/* The keeper renames what it knows, to what it knows. It knows then what the names mean; it
 * forgets what was replaced, the listings, and attributes: a directory that no record tells of has
 * those of what is in it. */
static void rename_own(struct fixture *f)
{
	struct keep *from = random_name(f), *to = random_name(f);
	bool exchange = rng_below(&f->rng, 2);
	uint64_t replaced;

	if (from == NULL || to == NULL || from->means == to->means)
		return;
	if (from->means == to->node || to->means == from->node)
		return; /* into itself */
	if (fs_rename(f->world.fs, from->node, from->name, to->node, to->name,
		    exchange ? RENAME_EXCHANGE : 0) != 0)
		return;
	replaced = to->means;
	to->means = from->means;
	from->means = replaced;
	if (!exchange) {
		drop_keep(f, from);
		drop_keep(f, find_keep(f, FS_INVALIDATE_DATA, replaced, ""));
	}
	forget_kind(f, FS_INVALIDATE_ATTR);
	forget_kind(f, FS_INVALIDATE_LISTING);
	f->renames++;
}

/* A path of the beginning of a random key. */
static void random_path(struct fixture *f, char *path)
{
	size_t key = rng_below(&f->rng, APPLICATION_KEYS);
	char *slash;

	assert_int_equal(names_path_of_key('/', f->application.keys[key].bytes,
				 f->application.keys[key].size, false, path),
		0);
	slash = strrchr(path, '/');
	if (slash != NULL && rng_below(&f->rng, 2))
		*slash = '\0';
}

/* Another mount renames. */
static void rename_other(struct fixture *f)
{
	static char from[NAMES_PATH_SIZE], to[NAMES_PATH_SIZE];
	struct world other = f->world;

	other.fs = f->other;
	random_path(f, from);
	random_path(f, to);
	if (rng_below(&f->rng, 2))
		f->renames += world_exchange(&other, from, to) == 0;
	else
		f->renames += world_rename(&other, from, to) == 0;
}

/* Ask for more names than can be in doubt. */
static void use_many(struct fixture *f)
{
	struct fs_entry entry;
	char name[32];

	for (int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "not there %d", i);
		assert_int_equal(fs_lookup(f->world.fs, FS_ROOT, name, &entry), -ENOENT);
	}
}

static void test_coherence(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < rng_cases(400); round++) {
		for (size_t n = rng_below(&f->rng, 12); n > 0; n--)
			use_key(f, rng_below(&f->rng, APPLICATION_KEYS));
		for (size_t n = 1 + rng_below(&f->rng, 3); n > 0; n--) {
			application_change(&f->application);
			if (rng_below(&f->rng, 8) == 0)
				application_go_back(&f->application);
			if (rng_below(&f->rng, 3) == 0)
				use_key(f, rng_below(&f->rng, APPLICATION_KEYS));
			if (rng_below(&f->rng, 3) == 0)
				save(f);
			if (rng_below(&f->rng, 2) == 0)
				rename_other(f);
			if (rng_below(&f->rng, 2) == 0)
				rename_own(f);
		}
		if (rng_below(&f->rng, 40) == 0)
			use_many(f);
		/* times of directories that would be recorded in the background, and foreign to us */
		assert_int_equal(fs_fsync(f->other, NULL), 0);
		assert_int_equal(fs_invalidate(f->world.fs, forget, f), 0);
		assert_true_still(f);
	}
	assert_true(f->dropped > 0 && f->renames > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_coherence, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
