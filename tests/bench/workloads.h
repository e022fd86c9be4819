/* The workloads of the store benchmark. Each returns the nanoseconds of one repetition, and checks
 * outside of them that the store did what it was asked.
 */
#ifndef TESTS_BENCH_WORKLOADS_H
#define TESTS_BENCH_WORKLOADS_H

#include "sides.h"

#define VALUE_SIZE 100
#define BLOB_SIZE ((size_t)1 << 20)

/** Put the whole plan, as generation 0, into a store that is new. */
workload workload_load;

/** Put the next part of the plan, batch by batch. */
workload workload_put;

/** Overwrite one of 16 values of BLOB_SIZE per transaction. */
workload workload_put_blobs;

/** Get the values of the plan, batch by batch. */
workload workload_get;

/** Read everything, from the first key to the last. The plan names every key once. */
workload workload_scan;

/** Read all keys of one user after the other, users in random order, in one transaction. */
workload workload_scan_users;

/** Go on with a store whose file is two thirds in use, the free third scattered all over it. In
 *  durable transactions half as many keys again are put in random order, then every third user is
 *  deleted, then random keys are put again.
 *  @param keys  about how many keys are left */
void workload_age(struct side *side, uint32_t keys);

/** Drop from a plan over keys / 2 * 3 keys those that workload_age() has deleted. */
void workload_age_plan(struct bench_plan *plan);

/** Make one value of many MiB. */
void workload_put_huge(struct side *side, uint64_t size);

/** Overwrite 4 KiB anywhere in that value per transaction.
 *  @return nanoseconds for count of them */
uint64_t workload_patch_huge(struct side *side, uint64_t size, uint32_t count, unsigned repeat);

#endif
