/* Numbers as parts of keys, in bytes that sort as the numbers do.
 *
 *     unsigned   most significant byte first
 *     signed     the same, with the sign bit flipped: negative numbers come first
 *     double     a positive one with its sign bit flipped, a negative one with all bits flipped:
 *                -inf < -1.0 < -0.0 < 0.0 < 1.0 < inf; a NaN sorts outside of these
 */
#include "keytree.h"

#include "store/util/bytes.h"

#include <string.h>

#define SIGN (UINT64_C(1) << 63)

void kt_key_put_u64(unsigned char ret_key[KT_KEY_NUMBER_SIZE], uint64_t number)
{
	big64_store(ret_key, number);
}

uint64_t kt_key_get_u64(const unsigned char key[KT_KEY_NUMBER_SIZE])
{
	return big64_load(key);
}

void kt_key_put_i64(unsigned char ret_key[KT_KEY_NUMBER_SIZE], int64_t number)
{
	kt_key_put_u64(ret_key, (uint64_t)number ^ SIGN);
}

int64_t kt_key_get_i64(const unsigned char key[KT_KEY_NUMBER_SIZE])
{
	return (int64_t)(kt_key_get_u64(key) ^ SIGN);
}

void kt_key_put_double(unsigned char ret_key[KT_KEY_NUMBER_SIZE], double number)
{
	uint64_t bits;

	memcpy(&bits, &number, sizeof(bits));
	kt_key_put_u64(ret_key, bits & SIGN ? ~bits : bits ^ SIGN);
}

double kt_key_get_double(const unsigned char key[KT_KEY_NUMBER_SIZE])
{
	uint64_t bits = kt_key_get_u64(key);
	double number;

	bits = bits & SIGN ? bits ^ SIGN : ~bits;
	memcpy(&number, &bits, sizeof(number));
	return number;
}
