/* A simulated disk under the engine: the I/O table of store/io/io.h over memory.
 *
 *            write, truncate                 sync
 *     engine ---------------> cache + events -----> platter
 *                 map, read <---'                      |
 *                                      crash images <--'  (image.h)
 *
 * The cache is what programs see, the platter what a power cut cannot take. In between is the list
 * of events since the last sync, any of which may have arrived or not. Calls can be made to fail,
 * and a handle can be killed: the process is gone, the cache stays.
 */
#ifndef TESTS_CRASH_DISK_H
#define TESTS_CRASH_DISK_H

#include "store/format.h"
#include "store/io/io.h"

#define DISK_SIZE (UINT64_C(256) << 20) /* the largest file */
#define DISK_PAGES (DISK_SIZE / PAGE_SIZE)

/** Numbers of the engine's transactions at a moment. */
struct disk_mark {
	uint64_t flushed;   /* the last one of which a flush returned */
	uint64_t committed; /* the last one of which kt_commit() returned */
	uint64_t attempted; /* the newest one that kt_commit() was called for */
};

/** A change of the file. */
struct disk_event {
	uint64_t offset;
	uint64_t size;	       /* of data; with data == NULL: the file's new size */
	uint8_t *data;	       /* NULL: a truncate */
	uint64_t before;       /* size of the file */
	struct disk_mark mark; /* when it was made */
};

/** Does an event make the file smaller? */
static inline bool disk_event_cuts(const struct disk_event *event)
{
	return event->data == NULL && event->size < event->before;
}

enum disk_call {
	DISK_WRITE = 1 << 0,
	DISK_SYNC = 1 << 1,
	DISK_TRUNCATE = 1 << 2,
	DISK_CHANGE = 7, /* any of them */
};

/** What becomes of the cache when a sync fails. */
enum disk_loss {
	DISK_KEEPS,  /* it stays, and passes for written */
	DISK_DROPS,  /* it is as the platter */
	DISK_LOSSES, /* number of them */
};

/** How the n-th call fails. */
struct disk_fault {
	unsigned calls; /* enum disk_call, combined: which are counted */
	unsigned count; /* the call that fails, from 1; 0: none */
	int err;	/* what it returns */
	bool partial;	/* a write is done in part; events of a failed sync may have arrived */
	bool kill;	/* the handle is dead from then on */
	bool again;	/* faults.c: when it is opened again, the first sync fails */
	enum disk_loss loss;
};

struct disk;

/** Called before a sync takes effect. */
typedef void disk_watch_fn(void *arg, struct disk *disk);

struct disk {
	int fd;	       /* of the cache */
	uint64_t home; /* io_home() */
	uint8_t *cache;
	uint64_t size;
	uint8_t *platter;
	uint64_t platter_size;
	uint64_t generation; /* of the platter */
	struct disk_event *events;
	size_t count, capacity; /* of events */
	struct disk_mark mark;
	struct disk_fault fault;
	uint64_t random; /* for partial faults */
	bool coherent;	 /* cache == platter + events */
	bool recording;	 /* else no events, no platter */
	uint64_t writes, syncs;
	uint64_t made; /* events, ever */
	uint64_t cuts; /* of them, that made the file smaller */
	disk_watch_fn *watch;
	void *watch_arg;

	/* Of a disk that is made anew again and again (image.h): */
	uint64_t base_generation;     /* of the platter that it was made like; 0: none */
	uint32_t touched[DISK_PAGES]; /* pages in which it differs from the base, perhaps twice */
	size_t touched_count;

	/* Broken disks, for negative controls: */
	bool lies;    /* a sync does nothing */
	bool reorder; /* a sync does nothing unless a slot was written before it */
};

/** Make an empty disk. Its memory failing ends the program. */
struct disk *disk_new(void);

void disk_free(struct disk *disk);

/** A handle, to be given to store_open(). Several may follow each other. */
struct io *disk_handle(struct disk *disk);

/** Take the content for what lies on the platter, and record from now on. */
void disk_settle(struct disk *disk);

/** Put bytes into the cache without an event. */
void disk_poke(struct disk *disk, uint64_t offset, const void *data, uint64_t size);

/** Set the size without an event. */
void disk_resize(struct disk *disk, uint64_t size);

/** Make a disk like the platter of another one, quickly where it was that before. */
void disk_rebase(struct disk *disk, const struct disk *base);

#endif
