/* Scratch files. See scratch.h. */
#include "fs/editors/scratch.h"

#include "fs/core.h"
#include "fs/names/names.h"

#include <fnmatch.h>
#include <string.h>

static bool scratch_matches(const char *patterns, const char *name)
{
	char pattern[NAMES_MAX + 1];

	while (*patterns != '\0') {
		size_t size = strcspn(patterns, ":");

		if (size > 0 && size <= NAMES_MAX) {
			memcpy(pattern, patterns, size);
			pattern[size] = '\0';
			if (fnmatch(pattern, name, 0) == 0)
				return true;
		}
		patterns += size + (patterns[size] == ':');
	}
	return false;
}

static size_t count_files(const struct fs *fs)
{
	size_t count = 0;

	for (const struct dirty_file *c = fs->dirty_files; c != NULL; c = c->next)
		count += c->plan == DIRTY_SCRATCH || c->aside != NULL;
	return count;
}

unsigned scratch_plan(const struct fs *fs, const char *name)
{
	const char *patterns = fs->options.scratch != NULL ? fs->options.scratch : SCRATCH_DEFAULT;

	if (*patterns == '\0')
		return DIRTY_PUBLISH;
	if (!strcmp(name, SCRATCH_PROBE))
		return DIRTY_DELAYED;
	if (scratch_matches(patterns, name) && count_files(fs) < SCRATCH_FILES_MAX)
		return DIRTY_SCRATCH;
	return DIRTY_PUBLISH;
}
