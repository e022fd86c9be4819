#include "control.h"

#include "store/page.h"
#include "store/slot.h"
#include "store/space.h"
#include "store/written.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	const char *what;
} controls[] = {
	{"sync", "a sync does nothing (I3)"},
	{"order", "a slot without digest reaches the disk before its pages (I3)"},
	{"digest", "recovery does not compare the digest (I3)"},
	{"boot", "weak slots count in another boot (I4)"},
	{"checksum", "pages are not compared with tag and checksum (I8)"},
	{"reuse-durable", "pages are reused before the disk has forgotten them (I2)"},
	{"reuse-readers", "pages are reused under the hands of readers (I2)"},
	{"wipe", "after a failed sync the slots of what it lost stay (I6)"},
	{"renew", "after a failed sync what it lost is not written again (I6)"},
};

static const char *chosen = "";

bool control_choose(const char *name)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		if (strcmp(controls[i].name, name) == 0) {
			chosen = controls[i].name;
			return true;
		}
	return false;
}

void control_list(void)
{
	for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
		printf("%-14s %s\n", controls[i].name, controls[i].what);
}

static bool is_chosen(const char *name)
{
	return strcmp(chosen, name) == 0;
}

void control_apply(struct world *world)
{
	world->disk->lies = is_chosen("sync");
	world->disk->reorder = is_chosen("order");
	world->another_boot = !is_chosen("boot");
}

/* ---- inside the engine: the program is linked so that these calls come here -------------------
 */

bool __real_written_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);
bool __wrap_written_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);
int __real_page_verify(const void *page, uint64_t ref, uint64_t seed);
int __wrap_page_verify(const void *page, uint64_t ref, uint64_t seed);
void __real_space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds);
void __wrap_space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds);

void __real_slot_wipe(struct io *io, unsigned durable_page);
void __wrap_slot_wipe(struct io *io, unsigned durable_page);
void __real_slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed);
void __wrap_slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed);

void __wrap_slot_wipe(struct io *io, unsigned durable_page)
{
	if (!is_chosen("wipe"))
		__real_slot_wipe(io, durable_page);
}

void __wrap_slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed)
{
	if (!is_chosen("renew"))
		__real_slot_renew(io, map, durable_page, seed);
}

bool __wrap_written_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed)
{
	return is_chosen("digest") || __real_written_verify(slot, map, pages, seed);
}

int __wrap_page_verify(const void *page, uint64_t ref, uint64_t seed)
{
	return is_chosen("checksum") ? 0 : __real_page_verify(page, ref, seed);
}

void __wrap_space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds)
{
	struct space_bounds broken = *bounds;

	if (is_chosen("reuse-durable"))
		broken.old = txn - 1;
	if (is_chosen("reuse-readers"))
		broken.young = txn - 1;
	__real_space_begin(space, txn, &broken);
}
