/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on API users and their keys. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/access.h"
#include "controlplane/api_book.h"
#include "controlplane/rules.h"

static json_t *user_of(struct api_call *c)
{
	const char *name = api_text(c, "UserName", "");
	struct book *b = access_book(c->cp->access);
	struct refusal r;
	json_t *user;

	if (!api_book_known(c, b))
		return NULL;
	user = book_get(b, name);
	if (user)
		return user;
	refuse(&r, 404, "InvalidUser.NotFound", "UserName: there is no user \"%.64s\".", name);
	api_refuse(c, &r);
	return NULL;
}

static void commit(struct api_call *c, json_t *user, json_t *answer)
{
	api_commit(c, access_book(c->cp->access),
		   json_pack("{so}", api_text(c, "UserName", ""), user), answer);
}

/* "a,b" as a list; NULL: one is no domain's name. */
static json_t *domains_of(const char *text)
{
	json_t *list = json_array();

	for (const char *p = text; *p; p += *p == ',') {
		size_t n = strcspn(p, ",");
		char name[130];

		snprintf(name, sizeof(name), "%.*s", (int)min_of(n, 129u), p);
		if (rule_domain(name)) {
			json_decref(list);
			return NULL;
		}
		json_array_append_new(list, json_string(name));
		p += n;
	}
	return list;
}

void user_create(struct api_call *c)
{
	const char *name = api_text(c, "UserName", "");
	struct book *b = access_book(c->cp->access);
	json_t *domains;
	struct refusal r;

	if (!api_book_known(c, b))
		return;
	domains = domains_of(api_text(c, "Domains", ""));
	if (domains && !book_get(b, name) && json_object_size(book_all(b)) < ACCESS_USERS) {
		commit(c,
		       json_pack("{ss so s[]}", "role", api_text(c, "Role", ""), "domains", domains,
				 "keys"),
		       json_object());
		return;
	}
	if (!domains)
		refuse(&r, 400, "InvalidParameter",
		       "Domains must be host names separated by commas.");
	else if (book_get(b, name))
		refuse(&r, 400, "UserAlreadyExist", "UserName: there is a user \"%.64s\".", name);
	else
		refuse(&r, 403, "QuotaExceeded.User", "There are %d users, the most there can be.",
		       ACCESS_USERS);
	json_decref(domains);
	api_refuse(c, &r);
}

void user_delete(struct api_call *c)
{
	if (user_of(c))
		commit(c, json_null(), json_object());
}

void user_list(struct api_call *c)
{
	struct book *b = access_book(c->cp->access);
	const char *name;
	json_t *rows, *user, *key;
	size_t i;

	if (!api_book_known(c, b))
		return;
	rows = json_array();
	json_object_foreach (book_all(b), name, user) {
		json_t *ids = json_array();

		json_array_foreach (json_object_get(user, "keys"), i, key)
			json_array_append(ids, json_object_get(key, "id"));
		json_array_append_new(rows, json_pack("{ss sO sO so}", "UserName", name, "Role",
						      json_object_get(user, "role"), "Domains",
						      json_object_get(user, "domains"),
						      "AccessKeyIds", ids));
	}
	api_answer(c, json_pack("{so}", "Users", rows));
}

void key_create(struct api_call *c)
{
	json_t *user = user_of(c), *copy;
	struct refusal r;
	struct creds creds;

	if (!user)
		return;
	if (json_array_size(json_object_get(user, "keys")) >= ACCESS_KEYS) {
		refuse(&r, 403, "QuotaExceeded.AccessKey",
		       "A user has %d keys at most; delete one first.", ACCESS_KEYS);
		api_refuse(c, &r);
		return;
	}
	creds_make(&creds);
	copy = json_deep_copy(user);
	json_array_append_new(json_object_get(copy, "keys"),
			      json_pack("{ss ss sI}", "id", creds.id, "secret", creds.secret,
					"created", (json_int_t)(clock_wall_ms() / 1000)));
	commit(c, copy,
	       json_pack("{ss ss}", "AccessKeyId", creds.id, "AccessKeySecret", creds.secret));
}

void key_delete(struct api_call *c)
{
	json_t *user = user_of(c), *copy, *key;
	struct refusal r;
	size_t i;

	if (!user)
		return;
	json_array_foreach (json_object_get(user, "keys"), i, key) {
		if (strcmp(dp_text(key, "id"), api_text(c, "KeyId", "")))
			continue;
		copy = json_deep_copy(user);
		json_array_remove(json_object_get(copy, "keys"), i);
		commit(c, copy, json_object());
		return;
	}
	refuse(&r, 404, "InvalidAccessKeyId.NotFound", "KeyId: the user has no key \"%.64s\".",
	       api_text(c, "KeyId", ""));
	api_refuse(c, &r);
}
