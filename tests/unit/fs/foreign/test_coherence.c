/* Whoever keeps all that the file system ever said, and forgets exactly what fs_invalidate() names, never
 * has anything that is not true, whatever applications do.
 *
 * The keeper does as a kernel does: names, those too that mean nothing, attributes, contents and
 * listings are kept for ever. Applications put and delete keys that are hard to tell apart, a few
 * at once, so that files become directories and turn back, link them to each other, write to what
 * is linked, make and remove directories, clear the store, and go back to what it was before; the
 * file system saves files in between.
 */
#include "tests/unit/rng.h"
#include "tests/unit/weird.h"
#include "tests/unit/world.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEYS 24
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
	struct {
		char bytes[600];
		size_t size;
	} keys[KEYS];
	struct keep keeps[KEEPS_MAX];
	size_t count;
	size_t dropped;
	struct fs_entry *held;
	size_t held_count, held_capacity;
};

static const char *random_value(struct fixture *f)
{
	static const char *const values[] = {
		"", "1", "twenty-two", "a longer value, of some bytes"};

	return values[rng_below(&f->rng, 4)];
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	world_open(&f->world, false);
	f->rng = rng_seed("coherence");
	assert_int_equal(fs_watch(f->world.fs, NULL), 0);
	for (size_t i = 0; i < KEYS; i++) {
		size_t from = i > 0 && rng_below(&f->rng, 3) ? rng_below(&f->rng, i) : i;
		size_t base = from == i ? 0 : f->keys[from].size;

		if (base > 300)
			base = 0;
		memcpy(f->keys[i].bytes, f->keys[from].bytes, base);
		if (base > 0) /* something below an earlier key */
			f->keys[i].bytes[base++] = '/';
		f->keys[i].size = base + weird_bytes(&f->rng, f->keys[i].bytes + base,
						 rng_below(&f->rng, 8) ? 12 : 290);
	}
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

	assert_int_equal(names_path_of_key('/', f->keys[key].bytes, f->keys[key].size,
				 rng_below(&f->rng, 2), path),
		0);
	use_path(f, path);
}

static void forget(void *arg, const struct fs_invalidation *notice)
{
	struct fixture *f = arg;

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
		if (strcmp(text, keep->text) != 0)
			print_error(
				"kind %d of %llu\n", keep->kind, (unsigned long long)keep->node);
		assert_string_equal(text, keep->text);
		free(text);
	}
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Make the directory of a key's name, or remove it. */
static int change_directory(struct kt_txn *txn, const void *bytes, size_t size, bool make)
{
	struct kt_txn *records = kt_tree(txn, KT_DIRECTORIES);
	unsigned char record[700];

	memcpy(record, bytes, size);
	record[size++] = '/';
	return make ? kt_put(records, record, size, "", 0)
		    : kt_delete(records, record, size, KT_MISSING_OK);
}

/* Change one key, or the entry that it shares. */
static void change_key(struct fixture *f, struct kt_txn *txn, size_t key)
{
	const void *bytes = f->keys[key].bytes;
	size_t size = f->keys[key].size, other = rng_below(&f->rng, KEYS);
	const char *value = random_value(f);
	int err = 0;

	switch (rng_below(&f->rng, 10)) {
	case 0:
	case 1:
	case 2:
		err = kt_put_entry(txn, bytes, size, value, strlen(value), "", 0,
			(int64_t)rng_below(&f->rng, 1000000));
		break;
	case 3:
	case 4:
		err = kt_link(txn, bytes, size, txn, f->keys[other].bytes, f->keys[other].size);
		break;
	case 5:
		err = kt_truncate(txn, bytes, size, rng_below(&f->rng, 20));
		break;
	case 6:
	case 7:
		err = change_directory(txn, bytes, size, rng_below(&f->rng, 2));
		break;
	default:
		err = kt_delete(txn, bytes, size, 0);
		break;
	}
	assert_true(!err || err == -ENOENT || err == -EEXIST);
}

static void change(struct fixture *f)
{
	size_t count = rng_below(&f->rng, 6) ? 1 + rng_below(&f->rng, 3) : KEYS;
	struct kt_txn *txn;

	assert_int_equal(kt_begin(f->world.store, KT_WRITE, &txn), 0);
	for (size_t i = 0; i < count; i++)
		change_key(f, txn, rng_below(&f->rng, KEYS));
	if (rng_below(&f->rng, 30) == 0)
		assert_int_equal(kt_clear(txn), 0);
	assert_int_equal(kt_commit(txn, 0), 0);
}

/* Go back to a snapshot, or take it anew. */
static void go_back(struct fixture *f)
{
	struct kt_txn *point;
	int err = kt_snapshot_open(f->world.store, "before", &point);

	if (!err) {
		assert_int_equal(kt_restore(f->world.store, point), 0);
		kt_abort(point);
		assert_int_equal(kt_snapshot_delete(f->world.store, "before"), 0);
		return;
	}
	assert_int_equal(kt_snapshot_create(f->world.store, "before"), 0);
}

/* The file system saves a file, of a name that no key has. What its caller keeps of that file and
 * of the root, the caller forgets by itself. */
static void save(struct fixture *f)
{
	struct fs_invalidation root = {FS_INVALIDATE_LISTING, FS_ROOT, 0, "", false};
	struct fs_invalidation name = {FS_INVALIDATE_NAME, FS_ROOT, 0, "saved by the mount", false};

	assert_int_equal(world_write(&f->world, name.name, random_value(f)), 0);
	forget(f, &root);
	forget(f, &name);
}

static void test_coherence(void **state)
{
	struct fixture *f = *state;

	for (unsigned round = 0; round < rng_cases(400); round++) {
		for (size_t n = rng_below(&f->rng, 12); n > 0; n--)
			use_key(f, rng_below(&f->rng, KEYS));
		for (size_t n = 1 + rng_below(&f->rng, 3); n > 0; n--) {
			change(f);
			if (rng_below(&f->rng, 8) == 0)
				go_back(f);
			if (rng_below(&f->rng, 3) == 0)
				use_key(f, rng_below(&f->rng, KEYS));
			if (rng_below(&f->rng, 3) == 0)
				save(f);
		}
		assert_int_equal(fs_invalidate(f->world.fs, forget, f), 0);
		assert_true_still(f);
	}
	assert_true(f->dropped > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_coherence, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
