/* What a fuzz target is: libFuzzer calls it, or replay.c. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/** Try one input. It does not return if something is wrong.
 *  @return 0 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
