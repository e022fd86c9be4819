/* The table of functions that the rest of fs/ calls. See editors.h. */
#include "fs/editors/editors.h"

#include "fs/editors/aside.h"
#include "fs/editors/scratch.h"

const struct fs_editor_hooks editors_hooks = {
	.plan = scratch_plan,
	.put_aside = aside_begin,
	.nameless = aside_nameless,
	.key = aside_key,
	.hide = aside_hides,
	.wait = aside_waits,
	.take = aside_take,
	.yield = aside_yield,
	.ended = aside_end,
	.drop = aside_drop,
};
