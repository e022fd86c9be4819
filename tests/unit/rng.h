/* Random numbers for tests: the same again for the same seed, which is printed. KEYTREE_SEED gives
 * one. The generator is splitmix64 (Steele, Lea and Flood, 2014). */
#ifndef TESTS_RNG_H
#define TESTS_RNG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct rng {
	uint64_t state;
	const uint8_t *script; /* bytes from which rng_below() decides first: a fuzzer's input */
	size_t script_left;
};

static inline struct rng rng_seed(const char *test)
{
	const char *given = getenv("KEYTREE_SEED");
	struct timespec now;
	uint64_t seed;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given ? strtoull(given, NULL, 0) : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	fprintf(stderr, "%s: KEYTREE_SEED=%llu\n", test, (unsigned long long)seed);
	return (struct rng){.state = seed};
}

/* How many of count random cases to run: where KEYTREE_BRIEF is set, as under sanitizers, an
 * eighth. */
static inline unsigned rng_cases(unsigned count)
{
	return getenv("KEYTREE_BRIEF") != NULL ? count / 8 + 1 : count;
}

static inline uint64_t rng_next(struct rng *rng)
{
	uint64_t z = (rng->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30u)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27u)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31u);
}

/* A number below limit, which is not 0. */
static inline size_t rng_below(struct rng *rng, size_t limit)
{
	uint64_t number = 0;

	if (rng->script_left == 0)
		return (size_t)(rng_next(rng) % limit);
	for (uint64_t bound = 1; bound < limit && rng->script_left > 0; bound <<= 8) {
		number = number << 8 | *rng->script++;
		rng->script_left--;
	}
	return (size_t)(number % limit);
}

#endif
