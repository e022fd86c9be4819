#include "bank.h"

#include <errno.h>
#include <string.h>

#define FIRST_BALANCE 1000

/* An account's value: its balance, and ballast that makes some values inline and some not. */
struct account {
	int64_t balance;
	uint64_t mark; /* all of the ballast consists of it */
	uint64_t ballast[700];
};

static size_t account_size(unsigned number)
{
	static const size_t words[] = {0, 3, 40, 120, 130, 520, 700};

	return 16 + 8 * words[number % 7];
}

static void account_key(unsigned number, char key[32])
{
	snprintf(key, 32, "account/%03u", number * 7919 % 1000);
}

static void customer_key(unsigned customer, char key[32])
{
	snprintf(key, 32, "customer/%u", customer);
}

static int write_account(struct kt_txn *txn, unsigned number, int64_t balance, uint64_t mark)
{
	struct account account = {.balance = balance, .mark = mark};
	char key[32];

	for (size_t i = 0; i < 700; i++)
		account.ballast[i] = mark;
	account_key(number, key);
	return kt_put(txn, key, strlen(key), &account, account_size(number));
}

static int read_account(struct kt_txn *txn, unsigned number, struct account *account)
{
	struct kt_slice value;
	char key[32];
	int err;

	account_key(number, key);
	err = kt_get(txn, key, strlen(key), &value);
	if (!err && value.size != account_size(number))
		err = -EBADMSG;
	if (!err)
		memcpy(account, value.data, value.size);
	return err;
}

int bank_found(struct kt_store *store)
{
	struct kt_txn *txn;
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	for (unsigned i = 0; !err && i < BANK_ACCOUNTS; i++)
		err = write_account(txn, i, FIRST_BALANCE, i);
	if (!err)
		return kt_commit(txn, KT_FLUSH);
	kt_abort(txn);
	return err;
}

static int move(struct kt_txn *txn, struct rng *rng)
{
	unsigned moves = 1 + (unsigned)(rng_next(rng) % 6);
	int err = 0;

	for (unsigned i = 0; !err && i < moves; i++) {
		unsigned from = (unsigned)(rng_next(rng) % BANK_ACCOUNTS);
		unsigned to = (unsigned)(rng_next(rng) % BANK_ACCOUNTS);
		int64_t amount = (int64_t)(rng_next(rng) % 100);
		struct account account;

		err = read_account(txn, from, &account);
		if (!err)
			err = write_account(txn, from, account.balance - amount, rng_next(rng));
		if (!err)
			err = read_account(txn, to, &account);
		if (!err)
			err = write_account(txn, to, account.balance + amount, rng_next(rng));
	}
	return err;
}

int bank_move(struct kt_store *store, struct rng *rng, unsigned customer, uint64_t count,
	bool flush, bool spoil)
{
	struct kt_txn *txn;
	char key[32];
	int err = kt_begin(store, KT_WRITE, &txn);

	if (err != 0)
		return err;
	customer_key(customer, key);
	err = kt_put_uint(txn, key, strlen(key), 8, count);
	if (!err)
		err = move(txn, rng);
	if (!err && spoil)
		err = -ECANCELED;
	if (!err)
		return kt_commit(txn, flush ? KT_FLUSH : 0);
	kt_abort(txn);
	return err;
}

const char *bank_look(struct kt_txn *txn)
{
	int64_t sum = 0;

	for (unsigned i = 0; i < BANK_ACCOUNTS; i++) {
		struct account account;

		if (read_account(txn, i, &account) != 0)
			return "an account cannot be read";
		for (size_t at = 0; at < (account_size(i) - 16) / 8; at++)
			if (account.ballast[at] != account.mark)
				return "the content of an account is mixed";
		sum += account.balance;
	}
	return sum == BANK_ACCOUNTS * FIRST_BALANCE ? NULL : "the sum is wrong";
}

uint64_t bank_count(struct kt_txn *txn, unsigned customer)
{
	uint64_t count = 0;
	char key[32];
	int err;

	customer_key(customer, key);
	err = kt_get_uint(txn, key, strlen(key), 8, &count);
	return !err || err == -ENOENT ? count : UINT64_MAX;
}
