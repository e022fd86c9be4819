/* What the benchmarks share: keys and values, engines under one table of functions, time.
 *
 * Every side of a comparison gets the same keys in the same order and the same values. What is read
 * is summed, word for word, and the sum compared with the one computed beforehand: an engine that
 * skips work does not pass.
 *
 * Benchmarks are programs, not a library: an error ends them with a message.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Print "bench: MESSAGE" on standard error and exit. */
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** Fail with a condition that does not hold, where it stands, and errno in words. */
_Noreturn void bench_fail_at(const char *file, int line, const char *condition);

/** Fail unless a condition holds, a system call's success for instance. */
#define bench_check(condition)                                                                     \
	do {                                                                                       \
		if (!(condition))                                                                  \
			bench_fail_at(__FILE__, __LINE__, #condition);                             \
	} while (0)

/** Nanoseconds of the monotonic clock. */
uint64_t bench_now_ns(void);

/** A well mixed number for a number: the source of all randomness here. */
uint64_t bench_mix(uint64_t x);

/** Median, least and greatest of some samples. The samples are sorted in place. */
struct bench_summary {
	uint64_t median, min, max;
};
struct bench_summary bench_summarize(uint64_t *samples, size_t count);

/* ---- keys and values ------------------------------------------------------------------------- */

/** Two sets of keys. */
enum bench_key_set {
	BENCH_PATHS,  /* "user/0042/00000042": 10,000 users */
	BENCH_RANDOM, /* 16 random bytes */
};

#define BENCH_USERS 10000

struct bench_key {
	uint8_t size;
	char bytes[23];
};

/** Key number index of a set. */
struct bench_key bench_key(enum bench_key_set set, uint32_t index);

/** A sequence of keys to work through, and what reading their values must give. */
struct bench_plan {
	uint32_t count;
	uint32_t *indices;
	struct bench_key *keys;
	uint64_t sum; /* of bench_sum() over the values of generation 0 */
};

enum bench_order {
	BENCH_SORTED,	/* each key once, in key order; count must equal keys */
	BENCH_SHUFFLED, /* each key once; count must equal keys */
	BENCH_ANY,	/* random keys, with repetition */
};

/** Plan count accesses to the keys 0 to keys - 1 of a set.
 *  @param seed  another seed is another random sequence
 *  @return end with bench_plan_fini() */
struct bench_plan bench_plan(enum bench_key_set set, uint32_t keys, uint32_t count,
	enum bench_order order, uint64_t seed, size_t value_size);
void bench_plan_fini(struct bench_plan *plan);

/** Write the value of a key, in its generation (how often it was rewritten). */
void bench_value(uint32_t index, uint32_t generation, void *ret_value, size_t size);

/** Add a value to a sum: every whole 8-byte word of it, and its size. */
static inline uint64_t bench_sum(uint64_t sum, const void *value, size_t size)
{
	const char *bytes = value;
	uint64_t word;

	for (size_t i = 0; i + sizeof(word) <= size; i += sizeof(word)) {
		__builtin_memcpy(&word, bytes + i, sizeof(word));
		sum += word;
	}
	return sum + size;
}

/* ---- engines --------------------------------------------------------------------------------- */

/** How a transaction begins; and for a write, what its commit must have reached. */
enum bench_mode {
	BENCH_READ,
	BENCH_WRITE,	     /* visible, not flushed */
	BENCH_WRITE_FLUSHED, /* on the disk */
};

/** An open store of some engine. */
struct bench_db;

/** A key/value engine. One transaction at a time; errors end the program. */
struct bench_engine {
	const char *name;

	/** Open or make the store in a directory. */
	struct bench_db *(*open)(const char *directory);
	void (*close)(struct bench_db *db);

	void (*begin)(struct bench_db *db, enum bench_mode mode);
	void (*commit)(struct bench_db *db);

	/** The key must exist. The value is valid until the next call. */
	const void *(*get)(struct bench_db *db, const void *key, size_t key_size, size_t *ret_size);
	void (*put)(struct bench_db *db, const void *key, size_t key_size, const void *value,
		size_t value_size);
	void (*del)(struct bench_db *db, const void *key, size_t key_size);

	/** Sum the values of all keys that begin with prefix, in order.
	 *  @param ret_count  how many there were */
	uint64_t (*scan)(
		struct bench_db *db, const void *prefix, size_t prefix_size, size_t *ret_count);

	/** Overwrite part of a value. NULL: the engine cannot. */
	void (*patch)(struct bench_db *db, const void *key, size_t key_size, uint64_t offset,
		const void *data, size_t size);
};

extern const struct bench_engine bench_keytree, bench_lmdb, bench_sqlite;

#endif
