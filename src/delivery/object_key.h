/* The names under which a run stands in a bucket of the user's own:
 *     URI/started/date=DATE/KEY.json               at the start
 *     URI/metrics/date=DATE/run=KEY/0001.csv.gz    the rows, object by object
 *     URI/runs/date=DATE/KEY.json                  at the end
 * Query engines take `date=` and `run=` for columns. DATE is the day of the start, and stays that of a run over
 * midnight. KEY is start, machine, pid and 64 random bits: containers with one host name, started in one second, have
 * the same ID. Both stand in run.jsonl from the start, so that whoever delivers the run makes the same names. Pure, but
 * for the random bits. */
// SPDX-License-Identifier: Apache-2.0
#ifndef PILLION_DELIVERY_OBJECT_KEY_H
#define PILLION_DELIVERY_OBJECT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { OBJECT_KEY_SIZE = 128, OBJECT_DATE_SIZE = 11, OBJECT_MACHINE_SIZE = 48 };

struct object_key {
    char key[OBJECT_KEY_SIZE];   /* [A-Za-z0-9._-]+ */
    char date[OBJECT_DATE_SIZE]; /* 2026-11-22 */
};

/* `machine` is a name that may go out; NULL: a hash of `boot_id` stands in its place. */
void object_key_make(int64_t started_s, const char *machine, const char *boot_id, pid_t pid, struct object_key *ret);
/* Takes over what run.jsonl has; false: one of them is missing or odd. */
bool object_key_take(const char *key, const char *date, struct object_key *ret);
/* Corrects the start in both: the clock was so many seconds behind. Before the first object is stored, never after. */
void object_key_correct(struct object_key *key, int64_t seconds);

enum object_kind { OBJECT_STARTED, OBJECT_METRICS, OBJECT_ENDED };

/* The URI; of metrics that of the folder, without a slash. 0, -ENAMETOOLONG. */
int object_key_uri(const struct object_key *key, enum object_kind kind, const char *place, char *ret, size_t size);

#endif
