/* Scratch files. See scratch.h. */
#include "fs/editors/scratch.h"

#include "fs/ops/update.h"
#include "fs/core.h"

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

enum dirty_plan scratch_fate(const struct fs *fs, const char *name)
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

bool scratch_is(const struct inode *node)
{
	return node->dirty != NULL && node->dirty->plan != DIRTY_PUBLISH && inode_has_place(node);
}

void scratch_spill(struct fs *fs, struct inode *node)
{
	uint64_t nameless = 0;
	struct kt_txn *txn;
	bool still;
	int err = 0;

	if (update_begin(fs, &txn) != 0)
		return;						/* it stays in memory */
	still = scratch_is(node) && node->dirty->aside == NULL; /* else it was saved meanwhile */
	if (still)
		err = dirty_spill(node->dirty, txn, NULL, 0, NULL, 0, &nameless);
	err = update_commit(fs, txn, err);
	if (still && !err)
		dirty_spilled(node->dirty, nameless, 0, 0);
	update_end(fs, err);
}
