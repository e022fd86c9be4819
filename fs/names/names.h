/* Keys and paths: a bijection, computed from the bytes alone.
 *
 * A key is split at the separator into components, and its path has one name for each. A name
 * equals its component except here:
 *
 *     component or case                     name
 *     byte NUL                              %00 in place
 *     byte '/', when it does not separate   %2F in place
 *     empty                                 %empty
 *     . and ..                              %2E and %2E%2E
 *     .snapshots, the first of a key        %2Esnapshots
 *     value of a key that is a directory    %value in that directory; the root has none
 *     name over 255 bytes, or over 252      pieces: names of directories, each of as much as fits
 *     and ending in "%+"                    in 253 bytes and then "%+"; the rest is the last name,
 *                                           and is never empty
 *     text that reads like one of those     one "25" more after its (first) "%"
 *
 * Each piece is escaped by itself, so no escape is ever cut, and the bytes of the key before any
 * name of its path are a prefix of the key: a piece, like a directory, is a range of keys.
 *
 * For each key k key(path(k)) == k. A name of up to 255 bytes that the kernel may pass is a
 * component or a piece, so a file of any name can be made anywhere, with these exceptions, which
 * are -EINVAL: %value in the root and in a piece; .snapshots in the root, where the snapshots are
 * shown (snapdir.h), and in its pieces; a name with the separator, if that is not '/'; and in a
 * piece a name whose component would be cut otherwise. For each other path p path(key(p)) == p.
 *
 * The folder, in reading order: key.h (a key in memory), names (keys and paths), escape (the
 * escapes of a name).
 */
#ifndef FS_NAMES_NAMES_H
#define FS_NAMES_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/** The name in the root behind which snapshots are. No key has it there. */
#define NAMES_SNAPSHOTS ".snapshots"

/** Longest name, in bytes. */
#define NAMES_MAX 255

/** Most and fewest bytes of one piece, with its escapes: an escape that is not cut takes three. */
#define NAMES_PIECE_MAX 253
#define NAMES_PIECE_MIN (NAMES_PIECE_MAX - 2)

/** Room for the longest path, with its NUL: a key of separators alone, each component "%empty". */
#define NAMES_PATH_SIZE (7 * (4096 + 1) + sizeof("%value"))

/** What a name stands for. */
enum names_kind {
	NAMES_COMPONENT, /* a component, or the last piece of one */
	NAMES_PIECE,	 /* a piece that others follow */
	NAMES_VALUE,	 /* the value of the key that the directory is */
};

/** The bytes of a key that a name stands for. */
struct names_part {
	enum names_kind kind;
	size_t size;
	unsigned char bytes[NAMES_MAX];
};

/** The name of a component, or of its first piece.
 *  @param separator  that of the key
 *  @param in_root    the component is the first of the key
 *  @param rest       the component, or what follows its pieces so far; without separator; borrowed
 *  @param ret_name   NUL-terminated
 *  @return how many bytes of rest the name stands for: all, or it is a piece */
size_t names_encode(
	char separator, bool in_root, const void *rest, size_t size, char ret_name[NAMES_MAX + 1]);

/** How much of a component that goes on behind the given bytes its first piece takes.
 *  @param rest  not empty, at least one piece; borrowed */
size_t names_cut(char separator, const void *rest, size_t size);

/** Is the beginning of a component nothing but whole pieces? Then its last piece can be made as a
 *  directory, and its record is this.
 *  @param rest  as in names_encode() */
bool names_are_pieces(char separator, const void *rest, size_t size);

/** The name of a piece.
 *  @param piece  what names_decode() gave for it; borrowed */
void names_encode_piece(
	char separator, const void *piece, size_t size, char ret_name[NAMES_MAX + 1]);

/** What a name stands for in a directory.
 *  @param in_root  the directory is the root, or it is a piece of a component in the root
 *  @param piece    the bytes of the directory, if that is a piece; else NULL; borrowed
 *  @return 0; -ENAMETOOLONG; -EINVAL the name stands for nothing there */
int names_decode(char separator, bool in_root, const void *piece, size_t piece_size,
	const char *name, struct names_part *ret_part);

/** The path of a key, without a leading '/'.
 *  @param value     the key is a directory: the path of its value in there
 *  @param ret_path  NUL-terminated; room for NAMES_PATH_SIZE bytes
 *  @return 0; -ENAMETOOLONG the key has over KT_KEY_MAX bytes */
int names_path_of_key(char separator, const void *key, size_t key_size, bool value, char *ret_path);

/** The key of a path.
 *  @param path       without a leading '/', its names separated by one '/'; borrowed
 *  @param ret_key    room for KT_KEY_MAX bytes
 *  @param ret_value  the path names the value in a directory
 *  @return 0; -ENAMETOOLONG a name or the key; -EINVAL there is no such path */
int names_key_of_path(
	char separator, const char *path, void *ret_key, size_t *ret_key_size, bool *ret_value);

#endif
