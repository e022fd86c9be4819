/* The detail of an error, in words, beside its number.
 *
 * The function that finds an error notes the detail for its thread and returns the number.
 * kt_strerror() joins both with the store's name.
 */
#ifndef STORE_ERROR_H
#define STORE_ERROR_H

#include <stdbool.h>
#include <stddef.h>
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

/** Note that a page which is mapped cannot be read, and log it. @return -EIO */
int error_unreadable(void);

/** Tell the log of an error that no caller hears of. @param what  has happened, in words */
void error_tell(int err, const char *what);

/** Note words that say an error better than its usual ones: "no such key".
 *  @param words  a string literal; costs no more than storing it
 *  @return err */
int error_say(int err, const char *words);

/** Note that a key is too long. @return -ENAMETOOLONG */
int error_key_too_long(size_t size);

/** Does the error mean that the disk, a quota or a limit leaves no room? */
bool error_is_full(int err);

/** Note the path that an error is about, beside its words. @return err */
int error_path(int err, const char *path);

/** The path noted for an error; "": none. */
const char *error_path_of(int err);

/** Forget the note: a call that can fail without a note begins. */
void error_clear(void);

/** Refuse flags that a call does not know.
 *  @return 0; -EINVAL, noted */
int error_unknown_flags(unsigned flags, unsigned known);

/** The note that belongs to an error, or "" if there is none. Valid until the thread's next note.
 */
const char *error_detail(int err);

/** The words noted for an error by error_say() and the like; NULL: it has its usual ones. */
const char *error_said(int err);

#endif
