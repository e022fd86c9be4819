/* Prefetch: values of small files are sent to the kernel's cache before they are read.
 *
 * The value of a file that is opened goes with the answer (fs_open_prefetch()). In a read-only file
 * system the kernel opens no files, so reads are watched there. After two files of a directory were
 * read, the files behind the second one are sent, in key order, by a thread that answers no
 * requests (fs_prefetch()):
 *
 *     read        a b                  s
 *     sent            c d e ... r (16)   t u v ... (64)   w ...
 *
 * A reader that goes on where the sent files end is sent more the next time; a reader that reads
 * elsewhere is sent less, and then nothing. A file that was sent is not read from here, so the
 * first file behind those says whether they were of use. If they were, the next directory begins
 * with as many, and behind its first file.
 *
 * What is sent stays true: all foreign commits up to then were invalidated before (foreign.h), and
 * later ones are invalidated after it, by the same thread. A file that is read while it is sent
 * gets the value that is sent: else the newer value could arrive first and be replaced by the
 * older one.
 */
#ifndef FS_OPS_PREFETCH_H
#define FS_OPS_PREFETCH_H

#include "keytree.h"

#include <stdbool.h>
#include <stdint.h>

struct fs;
struct inode;
struct known;

/** Values up to this size are sent ahead: that costs less than to be asked for them. */
#define PREFETCH_VALUE_MAX 65536

/** Directories in which reading is watched at once. */
#define PREFETCH_DIRS 16

/** Reading in one directory. */
struct prefetch_dir {
	uint64_t directory; /* its node; 0: free */
	uint64_t asked;	    /* a file: those behind it are due; 0: nothing is */
	uint64_t last;	    /* of the files behind the one that was due last, up to where they were
			       looked at; 0: none was due yet */
	unsigned count;	    /* files to be looked at next time */
	unsigned missed;    /* files asked for since that became 0 */
	bool again;	    /* asked had been sent before: so what else was may be kept no more */
	bool busy;	    /* some are being sent */
};

struct prefetch {
	struct prefetch_dir dirs[PREFETCH_DIRS];
	unsigned next;	       /* place to be given up next */
	unsigned count;	       /* of the place where some were sent last: others begin so */
	uint64_t sending;      /* the node whose value is being sent; 0: none is */
	struct kt_slice value; /* that is sent, of a transaction that lasts as long */
};

/** Is a file one whose value is sent ahead? The lock is held.
 *  @param known  what is known of it now */
bool prefetch_is_small(const struct inode *node, const struct known *known);

/** A file was asked for, as a whole. The lock is held.
 *  @param known  as above
 *  @return whether that makes others due, so that fs_prefetch() is to be called */
bool prefetch_note_read(struct fs *fs, struct inode *node, const struct known *known);

#endif
