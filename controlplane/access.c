/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/access.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/audit.h"

/* The requests of one key: a bucket that fills with api.rate a second and holds one second's. */
struct rate {
	char key_id[129];
	double tokens;
	uint64_t at_us;
};

struct access {
	struct cp *cp;
	struct book *book;
	void *rates; /* tsearch tree of struct rate, of keys that were right at least once */
};

/* ---- what is allowed --------------------------------------------------------------------------- */

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

static bool role_allows(const char *role, const char *action)
{
	static const char *const admins[] = {
		"DescribeAuditRecords",	     "CreateApiUser",	      "DeleteApiUser",
		"DescribeApiUsers",	     "CreateApiKey",	      "DeleteApiKey",
		"DescribeNodeConfiguration", "ApplyNodeConfiguration"};
	static const char *const secrets[] = {"DescribeLiveDomainConfigs",
					      "DescribeLiveStreamsNotifyUrlConfig",
					      "GenerateLiveUrls"};

	if (!strcmp(role, "admin"))
		return true;
	if (is_one_of(action, admins, array_len(admins)))
		return false;
	if (!strcmp(role, "operator"))
		return true;
	return !strcmp(role, "viewer") && !audit_is_change(action) &&
	       !is_one_of(action, secrets, array_len(secrets));
}

static bool has_domain(const json_t *domains, const char *name, size_t n)
{
	json_t *one;
	size_t i;

	json_array_foreach ((json_t *)domains, i, one)
		if (json_string_length(one) == n && !strncmp(json_string_value(one), name, n))
			return true;
	return false;
}

/* Every name of a comma list. */
static bool has_all(const json_t *domains, const char *list)
{
	for (const char *p = list;; p++) {
		size_t n = strcspn(p, ","), skip = strspn(p, " ");

		if (skip > n || !has_domain(domains, p + skip, n - skip))
			return false;
		p += n;
		if (!*p)
			return true;
	}
}

static bool scope_allows(const json_t *domains, const struct api_action *action,
			 const struct api_arg *args)
{
	static const char *const params[] = {"DomainName", "DomainNames", "Domain",
					     "PushDomain", "PullDomain",  "PlayDomain"};
	bool named = false;

	if (!json_array_size(domains))
		return true;
	for (size_t i = 0; action->params[i].name; i++) {
		if (!args[i].text || !is_one_of(action->params[i].name, params, array_len(params)))
			continue;
		if (!has_all(domains, args[i].text))
			return false;
		named = true;
	}
	/* A list of all domains takes DomainName as a part of names. */
	return named && strcmp(action->name, "DescribeLiveUserDomains") != 0;
}

bool access_allows(const json_t *user, const struct api_action *action, const struct api_arg *args,
		   struct refusal *r)
{
	const char *role = json_string_value(json_object_get(user, "role"));

	if (!user)
		return true;
	if (!role || !role_allows(role, action->name))
		return refuse(r, 403, "Forbidden.RAM", "The role %s does not allow %s.",
			      role ? role : "(none)", action->name);
	if (!scope_allows(json_object_get(user, "domains"), action, args))
		return refuse(
			r, 403, "Forbidden.RAM",
			"This key is for some domains only, and %s must name them and no other.",
			action->name);
	return true;
}

/* ---- keys ----------------------------------------------------------------------------------------- */

const json_t *access_find(const struct access *a, const char *key_id, struct creds *creds)
{
	const char *name;
	json_t *user, *key;
	size_t i;

	json_object_foreach (book_all(a->book), name, user)
		json_array_foreach (json_object_get(user, "keys"), i, key) {
			if (strcmp(dp_text(key, "id"), key_id))
				continue;
			snprintf(creds->id, sizeof(creds->id), "%s", key_id);
			snprintf(creds->secret, sizeof(creds->secret), "%s",
				 dp_text(key, "secret"));
			return user;
		}
	return NULL;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(((const struct rate *)a)->key_id, ((const struct rate *)b)->key_id);
}

static struct rate *rate_get(struct access *a, const char *key_id, double full, uint64_t now_us)
{
	struct rate *s = calloc(1, sizeof(*s)), **found;

	must(s);
	snprintf(s->key_id, sizeof(s->key_id), "%s", key_id);
	s->tokens = full;
	s->at_us = now_us;
	found = tsearch(s, &a->rates, by_key);
	must(found);
	if (*found != s)
		free(s);
	return *found;
}

bool access_rate(struct access *a, const char *key_id, uint64_t now_us, struct refusal *r)
{
	double full = (double)a->cp->conf.api_rate;
	struct rate *s;

	if (full <= 0)
		return true;
	s = rate_get(a, key_id, full, now_us);
	s->tokens = min_of(full, s->tokens + (double)(now_us - s->at_us) / 1e6 * full);
	s->at_us = now_us;
	if (s->tokens < 1)
		return refuse(r, 503, "Throttling.User",
			      "This key made more than %lld requests in a second (api.rate).",
			      (long long)a->cp->conf.api_rate);
	s->tokens--;
	return true;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static void on_changed(void *arg)
{
}

struct access *access_new(struct cp *cp)
{
	struct access *a = calloc(1, sizeof(*a));

	must(a);
	a->cp = cp;
	a->book = book_new(cp->store, "users", on_changed, a);
	return a;
}

void access_free(struct access *a)
{
	if (!a)
		return;
	while (a->rates) {
		struct rate *s = *(struct rate **)a->rates;

		tdelete(s, &a->rates, by_key);
		free(s);
	}
	book_free(a->book);
	free(a);
}

struct book *access_book(const struct access *a)
{
	return a->book;
}
