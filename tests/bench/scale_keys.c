#include "scale_keys.h"

#include "bench.h"

#include <stdio.h>
#include <string.h>

int scale_key_text(uint32_t index, char ret_key[16])
{
	return snprintf(ret_key, 16, "%03u/%03u/%02u", index / (SCALE_FILES * 1000),
		index / SCALE_FILES % 1000, index % SCALE_FILES);
}

void scale_put(struct kt_txn *txn, const char *key, uint32_t index, uint32_t generation)
{
	char value[SCALE_VALUE];

	bench_value(index, generation, value, sizeof(value));
	bench_check(kt_put(txn, key, strlen(key), value, sizeof(value)) == 0);
}

void scale_put_index(struct kt_txn *txn, uint32_t index, uint32_t generation)
{
	char key[16];

	scale_key_text(index, key);
	scale_put(txn, key, index, generation);
}
