/* The detail of an error, in words, beside its number.
 *
 * The function that finds an error notes the detail for its thread and returns the number.
 * kt_strerror() joins both with the store's name.
 */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

#include <stdint.h>

/** Note why an error happened, for kt_strerror() in this thread.
 *  @param err     the negative errno it belongs to
 *  @param format  as printf, without newline
 *  @return err */
int error_set(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/** Note that a page is damaged.
 *  @param page    its number
 *  @param reason  in words; a string literal
 *  @return -EUCLEAN */
int error_damaged(uint64_t page, const char *reason);

/** The note that belongs to an error, or "" if there is none. Valid until the thread's next note.
 */
const char *error_detail(int err);

#endif
