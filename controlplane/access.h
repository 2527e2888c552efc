/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what by the API: users with a role, perhaps for some domains only, and their keys.
 *
 *   viewer    questions that show no secret
 *   operator  everything but users and the audit log
 *   admin     everything
 *
 * A user for some domains is refused whatever names no domain, or another one. A user has two keys
 * at most, so that one can be replaced by the other while it is used. The key pair of
 * STATE/credentials.json is an admin's. Every key has its own rate (api.rate). Users are a book:
 * `mr:{users}`, name -> {"role","domains":[],"keys":[{"id","secret","created"}]}. Threads: the
 * event loop's.
 */
#ifndef CONTROLPLANE_ACCESS_H
#define CONTROLPLANE_ACCESS_H

#include "controlplane/api.h"
#include "controlplane/book.h"

#define ACCESS_KEYS  2
#define ACCESS_USERS 1000

struct access;

struct access *access_new(struct cp *cp);
/* After the store is freed. */
void access_free(struct access *a);
struct book *access_book(const struct access *a);
/* The user that has this key, and the key pair; NULL: nobody. */
const json_t *access_find(const struct access *a, const char *key_id, struct creds *creds);
/* One more request by that key; false with *r: more than api.rate. */
bool access_rate(struct access *a, const char *key_id, uint64_t now_us, struct refusal *r);

/* Pure. user: a document, or NULL: an admin without bounds. args: checked, in the action's order. */
bool access_allows(const json_t *user, const struct api_action *action, const struct api_arg *args,
		   struct refusal *r);

#endif
