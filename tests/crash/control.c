#include "control.h"

#include "store/io/io.h"
#include "store/tree/page.h"
#include "store/slot/slot.h"
#include "store/space/space.h"
#include "store/commit/txn.h"
#include "store/slot/digest.h"

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
	{"prove", "weak slots of this boot count without proof (I4)"},
	{"home", "weak slots count in a copy as in the file itself (I4)"},
	{"checksum", "pages are not compared with tag and checksum (I8)"},
	{"reuse-durable", "pages are reused before the disk has forgotten them (I2)"},
	{"reuse-readers", "pages are reused under the hands of readers (I2)"},
	{"wipe", "after a failed sync the slots of what it lost stay (I6)"},
	{"renew", "after a failed sync what it lost is not written again (I6)"},
	{"doubt", "after a failed sync pages are believed that were seen before it (I6)"},
	{"poison", "after a failed sync the store goes on (I6)"},
	{"dead", "pages are reused though a snapshot sees them (I2)"},
	{"cut", "the file is cut before the slot that allows it is on the disk (I1)"},
	{"dropped", "pages of a dropped tree are reused though a snapshot sees them (I2)"},
};

static const char *chosen = "";

static bool is_chosen(const char *name)
{
	return strcmp(chosen, name) == 0;
}

bool control_needs_faults(void)
{
	return is_chosen("wipe") || is_chosen("renew") || is_chosen("doubt") || is_chosen("poison");
}

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

void control_apply(struct world *world)
{
	world->disk->lies = is_chosen("sync");
	world->disk->reorder = is_chosen("order");
	world->another_boot = !is_chosen("boot");
	world->same_home = is_chosen("home");
	world->forgives = is_chosen("poison");
	world->spills = *chosen == '\0'; /* more images, and so later noticed */
}

/* ---- inside the engine: the program is linked so that these calls come here -------------------
 */

int __real_prove_commit(
	void *arg, const struct format_slot *durable, const struct format_slot *weak);
int __wrap_prove_commit(
	void *arg, const struct format_slot *durable, const struct format_slot *weak);
bool __real_digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);
bool __wrap_digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed);
int __real_page_verify(const void *page, uint64_t ref, uint64_t seed);
int __wrap_page_verify(const void *page, uint64_t ref, uint64_t seed);
void __real_space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds);
void __wrap_space_begin(struct space *space, uint64_t txn, const struct space_bounds *bounds);

void __real_slot_wipe(struct io *io, unsigned durable_page);
void __wrap_slot_wipe(struct io *io, unsigned durable_page);
void __real_slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed);
void __wrap_slot_renew(struct io *io, const uint8_t *map, unsigned durable_page, uint64_t seed);

void __real_pager_doubt(struct seen *seen);
void __wrap_pager_doubt(struct seen *seen);
int __real_snapshot_store_dead(struct txn *txn);
int __wrap_snapshot_store_dead(struct txn *txn);
int __real_snapshot_at_most(struct txn *txn, uint64_t commit, uint64_t *ret_snapshot);
int __wrap_snapshot_at_most(struct txn *txn, uint64_t commit, uint64_t *ret_snapshot);

int __wrap_prove_commit(
	void *arg, const struct format_slot *durable, const struct format_slot *weak)
{
	return is_chosen("prove") ? 0 : __real_prove_commit(arg, durable, weak);
}

void __wrap_pager_doubt(struct seen *seen)
{
	if (!is_chosen("doubt"))
		__real_pager_doubt(seen);
}

int __wrap_snapshot_store_dead(struct txn *txn)
{
	struct pager *pager = &txn->pager;
	int err = 0;

	if (!is_chosen("dead"))
		return __real_snapshot_store_dead(txn);
	for (size_t i = 0; !err && i < pager->dead_count; i++)
		err = space_release(pager->space, pager->dead[i].run, pager->dead[i].birth);
	pager->dead_count = 0;
	return err;
}

int __wrap_snapshot_at_most(struct txn *txn, uint64_t commit, uint64_t *ret_snapshot)
{
	return __real_snapshot_at_most(txn, is_chosen("dropped") ? 0 : commit, ret_snapshot);
}

int __real_slot_write(struct io *io, struct format_slot *slot, uint64_t page, uint64_t seed);
int __wrap_slot_write(struct io *io, struct format_slot *slot, uint64_t page, uint64_t seed);

/* A slot that tells of fewer pages than the file has takes effect at once. */
int __wrap_slot_write(struct io *io, struct format_slot *slot, uint64_t page, uint64_t seed)
{
	uint64_t size, end = slot->page_count * PAGE_SIZE;
	int err = __real_slot_write(io, slot, page, seed);

	if (err != 0 || !is_chosen("cut") || io_size(io, &size) != 0 || size <= end)
		return err;
	return io_truncate(io, end);
}

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

bool __wrap_digest_verify(
	const struct format_slot *slot, const uint8_t *map, uint64_t pages, uint64_t seed)
{
	return is_chosen("digest") || __real_digest_verify(slot, map, pages, seed);
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
