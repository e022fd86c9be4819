/* Keys that share an entry: random calls against a model. */
#include "tests/unit/rng.h"
#include "tests/unit/store/entry/sharing_world.h"

#include "keytree_fs.h"

#include "store/entry/shared_entry.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* ---- the model ------------------------------------------------------------------------------- */

/* Keys in and out of a collection, some of them very long. */
static void make_keys(struct sharing_world *f)
{
	for (unsigned i = 0; i < KEYS; i++) {
		f->key_size[i] = (size_t)sprintf(
			(char *)f->key[i], i % 3 == 0 ? "coll/%02u" : "key/%02u", i);
		if (i % 7 == 6) {
			size_t more = i == 6 ? KT_KEY_MAX - f->key_size[i] : 600;

			memset(f->key[i] + f->key_size[i], 'l', more);
			f->key_size[i] += more;
		}
	}
	f->key_size[1] = 0;
	for (unsigned i = 0; i < KEYS; i++)
		f->now.at[i] = -1;
	f->before = f->now;
}

static struct sharing_object *object_of(struct sharing_model *model, unsigned key)
{
	return model->at[key] < 0 ? NULL : &model->objects[model->at[key]];
}

static void leave(struct sharing_world *f, unsigned key)
{
	struct sharing_object *object = object_of(&f->now, key);

	f->now.at[key] = -1;
	if (object != NULL) {
		object->keys--;
		object->stamp = ++f->stamp;
	}
}

static void join(struct sharing_world *f, unsigned key, int index)
{
	f->now.at[key] = index;
	f->now.objects[index].keys++;
	f->now.objects[index].stamp = ++f->stamp;
}

/* The object of a key that gets one of its own, if it does not have that. */
static struct sharing_object *own(struct sharing_world *f, unsigned key, bool keep_attr)
{
	struct sharing_object *old = object_of(&f->now, key), *object;
	int index = 0;

	if (old != NULL && old->keys == 1)
		return old;
	while (f->now.objects[index].keys > 0)
		index++;
	object = &f->now.objects[index];
	object->size = object->attr_size = 0;
	if (old != NULL && keep_attr) {
		object->attr_size = old->attr_size;
		memcpy(object->attr, old->attr, ATTR_MAX);
	}
	object->copied = object->attr_size > 0;
	leave(f, key);
	join(f, key, index);
	return object;
}

static size_t random_size(struct sharing_world *f, size_t most)
{
	return rng_below(&f->rng, 3) == 0 ? rng_below(&f->rng, most + 1)
					  : rng_below(&f->rng, most / 20);
}

static void fill(struct sharing_world *f, uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)rng_next(&f->rng);
}

static void set_value(struct sharing_world *f, struct sharing_object *object)
{
	object->size = random_size(f, VALUE_MAX);
	fill(f, object->value, object->size);
	object->stamp = ++f->stamp;
}

static void set_attr(struct sharing_world *f, struct sharing_object *object)
{
	object->attr_size = random_size(f, ATTR_MAX);
	fill(f, object->attr, object->attr_size);
	object->copied = false;
	object->stamp = ++f->stamp;
}

/* ---- random calls ---------------------------------------------------------------------------- */

static void do_put(struct sharing_world *f, unsigned key)
{
	bool with_attr = rng_below(&f->rng, 2) == 0;
	struct sharing_object *object = own(f, key, !with_attr);
	int err;

	set_value(f, object);
	if (with_attr) {
		set_attr(f, object);
		err = kt_put_entry(f->txn, f->key[key], f->key_size[key], object->value,
			object->size, object->attr, object->attr_size, 1);
	} else {
		err = kt_put(f->txn, f->key[key], f->key_size[key], object->value, object->size);
	}
	assert_int_equal(err, 0);
}

/* Change a part of an entry, by one of its keys or by its id. */
static void do_change(struct sharing_world *f, unsigned key)
{
	struct sharing_object *object = object_of(&f->now, key);
	unsigned char id[KT_ID_KEY_SIZE];
	struct kt_txn *txn = f->txn;
	const void *name = f->key[key];
	size_t size = f->key_size[key], at, part;
	struct kt_entry_info stat;

	if (object == NULL)
		return;
	assert_int_equal(kt_stat(txn, name, size, &stat), 0);
	if (stat.shared != 0 && rng_below(&f->rng, 3) == 0) {
		txn = kt_tree(txn, KT_SHARED);
		kt_id_key(stat.shared, id);
		name = id;
		size = sizeof(id);
	}
	object->stamp = ++f->stamp;
	at = rng_below(&f->rng, object->size + 1);
	part = random_size(f, VALUE_MAX - at);
	switch (rng_below(&f->rng, 4)) {
	case 0:
		set_attr(f, object);
		assert_int_equal(kt_set_attr(txn, name, size, object->attr, object->attr_size), 0);
		break;
	case 1:
		assert_int_equal(kt_truncate(txn, name, size, at), 0);
		object->size = at;
		break;
	case 2:
		set_value(f, object);
		assert_int_equal(kt_truncate(txn, name, size, 0), 0);
		assert_int_equal(kt_write(txn, name, size, 0, object->value, object->size), 0);
		break;
	default:
		fill(f, object->value + at, part);
		object->size = at + part > object->size ? at + part : object->size;
		assert_int_equal(kt_write(txn, name, size, at, object->value + at, part), 0);
		break;
	}
}

static void do_link(struct sharing_world *f, unsigned key)
{
	unsigned to = (unsigned)rng_below(&f->rng, KEYS);
	int err =
		kt_link(f->txn, f->key[key], f->key_size[key], f->txn, f->key[to], f->key_size[to]);

	if (f->now.at[key] < 0) {
		assert_int_equal(err, -ENOENT);
	} else if (f->now.at[to] >= 0) {
		assert_int_equal(err, -EEXIST);
	} else {
		assert_int_equal(err, 0);
		join(f, to, f->now.at[key]);
	}
}

static void do_move(struct sharing_world *f, unsigned key)
{
	unsigned to = (unsigned)rng_below(&f->rng, KEYS);
	int index = f->now.at[key];
	int err =
		kt_move(f->txn, f->key[key], f->key_size[key], f->txn, f->key[to], f->key_size[to]);

	assert_int_equal(err, index < 0 ? -ENOENT : 0);
	if (index < 0 || to == key)
		return;
	leave(f, to);
	join(f, to, index);
	leave(f, key);
}

static void do_delete(struct sharing_world *f, unsigned key)
{
	int err = kt_delete(f->txn, f->key[key], f->key_size[key], 0);

	assert_int_equal(err, f->now.at[key] < 0 ? -ENOENT : 0);
	leave(f, key);
}

static void do_clear(struct sharing_world *f)
{
	assert_int_equal(kt_clear(f->txn), 0);
	for (unsigned i = 0; i < KEYS; i++)
		leave(f, i);
}

static void do_one(struct sharing_world *f)
{
	unsigned key = (unsigned)rng_below(&f->rng, KEYS);

	switch (rng_below(&f->rng, 12)) {
	case 0:
	case 1:
	case 2:
		do_put(f, key);
		break;
	case 3:
	case 4:
	case 5:
	case 6:
		do_link(f, key);
		break;
	case 7:
	case 8:
		do_change(f, key);
		break;
	case 9:
		do_move(f, key);
		break;
	default:
		do_delete(f, key);
		break;
	}
	if (rng_below(&f->rng, 200) == 0)
		do_clear(f);
}

/* ---- comparison ------------------------------------------------------------------------------ */

static void compare_key(
	struct sharing_world *f, struct kt_txn *txn, struct sharing_model *model, unsigned key)
{
	const struct sharing_object *object = object_of(model, key);
	struct kt_slice value;
	struct kt_entry_info stat;
	int err = kt_stat(txn, f->key[key], f->key_size[key], &stat);

	assert_int_equal(err, object == NULL ? -ENOENT : 0);
	if (object == NULL)
		return;
	assert_int_equal(kt_get(txn, f->key[key], f->key_size[key], &value), 0);
	assert_int_equal(stat.size, object->size);
	assert_int_equal(value.size, object->size);
	assert_memory_equal(value.data, object->value, object->size);
	assert_int_equal(stat.attr.size, object->attr_size);
	if (object->attr_size > 0)
		assert_memory_equal(stat.attr.data, object->attr, object->attr_size);
	assert_int_equal(stat.keys, object->keys);
	assert_true(object->keys == 1 || stat.shared != 0);
	assert_int_equal((stat.flags & KT_ATTR_COPIED) != 0, object->copied);
	for (unsigned other = 0; other < key; other++) { /* the same id: the same object */
		struct kt_entry_info other_stat;

		if (model->at[other] < 0 || stat.shared == 0)
			continue;
		assert_int_equal(kt_stat(txn, f->key[other], f->key_size[other], &other_stat), 0);
		assert_int_equal(
			other_stat.shared == stat.shared, model->at[other] == model->at[key]);
	}
}

static void compare(struct sharing_world *f, struct kt_txn *txn, struct sharing_model *model)
{
	struct kt_counts count;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		compare_key(f, txn, model, i);
		bytes += model->objects[i].keys > 0 ? model->objects[i].size : 0;
	}
	assert_int_equal(kt_count(txn, &count), 0);
	assert_int_equal(count.value_bytes, bytes);
}

struct differences {
	struct sharing_world *f;
	const char *prefix;
	bool told[KEYS];
	size_t last_size;
	uint8_t last[KT_KEY_MAX];
	bool any;
};

static int note(void *arg, const struct kt_slice *key, const struct kt_entry_info *from,
	const struct kt_entry_info *to)
{
	struct differences *differences = arg;
	size_t prefix = strlen(differences->prefix);
	size_t both = key->size < differences->last_size ? key->size : differences->last_size;
	int order = memcmp(key->data, differences->last, both);

	if (differences->any)
		assert_true(order > 0 || (order == 0 && key->size > differences->last_size));
	differences->any = true;
	differences->last_size = key->size;
	memcpy(differences->last, key->data, key->size);
	for (unsigned i = 0; i < KEYS; i++) {
		struct sharing_world *f = differences->f;

		if (f->key_size[i] != prefix + key->size ||
			memcmp(f->key[i], differences->prefix, prefix) != 0 ||
			memcmp(f->key[i] + prefix, key->data, key->size) != 0)
			continue;
		differences->told[i] = true;
		assert_int_equal(from == NULL, f->before.at[i] < 0);
		assert_int_equal(to == NULL, f->now.at[i] < 0);
	}
	return 0;
}

/* Just the keys whose entries differ are told, in order, also within a collection. */
static void compare_difference(struct sharing_world *f, struct kt_txn *from, struct kt_txn *to)
{
	struct differences whole = {.f = f, .prefix = ""}, part = {.f = f, .prefix = "coll/"};
	struct kt_collection *collection;

	assert_int_equal(kt_diff(from, to, note, &whole), 0);
	if (kt_collection_open(f->store, "coll", 4, 0, &collection) == 0) {
		assert_int_equal(kt_collection_view(collection, from, &from), 0);
		assert_int_equal(kt_collection_view(collection, to, &to), 0);
		assert_int_equal(kt_diff(from, to, note, &part), 0);
		kt_collection_close(collection);
		for (unsigned i = 0; i < KEYS; i += 3)
			assert_int_equal(part.told[i], whole.told[i]);
	}
	for (unsigned i = 0; i < KEYS; i++) {
		const struct sharing_object *a = object_of(&f->before, i),
					    *b = object_of(&f->now, i);
		bool differs = a == NULL || b == NULL ? a != b : a->stamp != b->stamp;

		assert_int_equal(whole.told[i], differs);
	}
}

/* ---- the test -------------------------------------------------------------------------------- */

/* Take or drop the snapshot, or go back to it. */
static void do_snapshot(struct sharing_world *f)
{
	struct kt_txn *point;

	if (!f->has_snapshot) {
		assert_int_equal(kt_snapshot_create(f->store, "s"), 0);
		f->kept = f->now;
		f->has_snapshot = true;
		return;
	}
	assert_int_equal(kt_snapshot_open(f->store, "s", &point), 0);
	compare(f, point, &f->kept);
	if (rng_below(&f->rng, 2) == 0) {
		assert_int_equal(kt_restore(f->store, point), 0);
		f->now = f->before = f->kept;
	}
	kt_abort(point);
	if (rng_below(&f->rng, 2) == 0) {
		assert_int_equal(kt_snapshot_delete(f->store, "s"), 0);
		f->has_snapshot = false;
	}
	sharing_begin(f, KT_READ);
	compare(f, f->txn, &f->now);
	sharing_end(f);
}

static void one_transaction(struct sharing_world *f)
{
	struct kt_txn *before;

	assert_int_equal(kt_begin(f->store, KT_READ, &before), 0);
	sharing_begin(f, KT_WRITE);
	for (unsigned i = (unsigned)rng_below(&f->rng, 20); i > 0; i--)
		do_one(f);
	compare(f, f->txn, &f->now);
	compare_difference(f, before, f->txn);
	if (rng_below(&f->rng, 8) == 0) {
		sharing_end(f);
		f->now = f->before;
	} else {
		sharing_commit(f);
	}
	sharing_begin(f, KT_READ);
	compare(f, f->txn, &f->now);
	compare_difference(f, before, f->txn);
	sharing_end(f);
	kt_abort(before);
	f->before = f->now;
}

/* Keys, entries, counts and differences agree with the model, through snapshots, going back, and
 * opening again. */
static void random_calls(void **state)
{
	struct sharing_world *f = *state;

	f->rng = rng_seed("shared");
	make_keys(f);
	for (unsigned i = rng_cases(400); i > 0; i--) {
		one_transaction(f);
		if (rng_below(&f->rng, 6) == 0)
			do_snapshot(f);
		if (rng_below(&f->rng, 4) == 0)
			sharing_assert_sound(f);
		if (!f->memory && rng_below(&f->rng, 30) == 0) {
			assert_int_equal(kt_close(f->store), 0);
			f->store = NULL;
			assert_int_equal(kt_open(f->temp.path, NULL, &f->store), 0);
		}
	}
	sharing_assert_sound(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHARING_TEST(random_calls),
	};

	return cmocka_run_group_tests_name("shared_entry_random", tests, NULL, NULL);
}
