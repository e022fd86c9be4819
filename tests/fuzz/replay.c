/* Gives files to a fuzz target, where there is no libFuzzer.
 *
 *     PROGRAM FILE|DIRECTORY...
 */
#include "fuzz.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 65536

/* What is tried when it dies. */
static void try_file(const char *path)
{
	static uint8_t bytes[INPUT_MAX];
	FILE *file = fopen(path, "rb");
	size_t size;
	uint8_t *input;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(3);
	}
	size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	fprintf(stderr, "%s\n", path);
	input = malloc(size + 1); /* so that a sanitizer sees its end */
	if (input == NULL)
		exit(3);
	memcpy(input, bytes, size);
	LLVMFuzzerTestOneInput(input, size);
	free(input);
}

int main(int argc, char **argv)
{
	unsigned count = 0;
	FTSENT *entry;
	FTS *tree;

	if (argc < 2) {
		fprintf(stderr, "usage: %s FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	tree = fts_open(argv + 1, FTS_LOGICAL, NULL);
	if (tree == NULL)
		return 3;
	while ((entry = fts_read(tree)) != NULL)
		if (entry->fts_info == FTS_F) {
			try_file(entry->fts_accpath);
			count++;
		}
	fts_close(tree);
	printf("%u inputs\n", count);
	return count > 0 ? 0 : 1;
}
