/* Nameless entries: values without a key, for as long as somebody works on them.
 *
 *     TREE_NAMELESS   id            the entry
 *     TREE_OWNERS     owner, id     it belongs to the opening of the store with this number
 *
 * An owner is an opening of the store (kt_opener_id()), by this process or another. No other one,
 * of this boot or any other, ever gets the same number, so a number is either that of one who has
 * the store open now or of nobody. What belongs to nobody is dropped when the store is opened next;
 * what belongs to a store, when it is closed. All of it is found by its owner, so nothing else is
 * looked at, and where there is nothing, nothing is written.
 */
#ifndef STORE_ENTRY_NAMELESS_H
#define STORE_ENTRY_NAMELESS_H

struct kt_store;

/** Drop what belongs to nobody any more. To be called when a store that can be written has been
 * opened. @return 0 or an error, after which it is left to the next time; -EAGAIN somebody writes
 */
int nameless_drop_dead(struct kt_store *store);

/** Drop what belongs to this open store, which is about to be closed. Waits for the turn.
 *  @return as nameless_drop_dead(); -EDEADLK a write transaction is open */
int nameless_drop_own(struct kt_store *store);

#endif
