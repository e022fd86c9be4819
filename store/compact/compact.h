/* Compaction: pages are moved to the lowest free ones, and the file is cut off behind them.
 *
 * The folder, in reading order:
 *
 *     compact          the steps, and when to end
 *     relocate         moving nodes and overflow pages; relocate_blocks moves blocks of values
 *     pack             filling half-full nodes
 */
#ifndef STORE_COMPACT_COMPACT_H
#define STORE_COMPACT_COMPACT_H

/** Free pages that a compact store may have: the reserve for a full disk, and what the last steps
 * leave behind. */
#define SLACK_PAGES 32

#endif
