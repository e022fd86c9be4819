/* Compaction: pages move to the lowest free ones, and the file is cut off behind them. See
 * compact.c. */
#ifndef STORE_COMPACT_COMPACT_H
#define STORE_COMPACT_COMPACT_H

/** Free pages that a compact store may have: the reserve for a full disk, and what the last steps
 * leave behind. */
#define SLACK_PAGES 32

#endif
