/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/api_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"

const char *api_text(const struct api_call *c, const char *name, const char *otherwise)
{
	const char *text = api_arg(c, name)->text;

	return text ? text : otherwise;
}

int64_t api_number(const struct api_call *c, const char *name, int64_t otherwise)
{
	const struct api_arg *a = api_arg(c, name);

	return a->text ? a->number : otherwise;
}

bool api_unread(struct api_call *c, const char *error)
{
	struct refusal r;

	if (!error)
		return false;
	refuse_redis(&r, error);
	api_refuse(c, &r);
	return true;
}

bool api_book_known(struct api_call *c, const struct book *b)
{
	const char *why = store_trouble(c->cp->store);
	struct refusal r;

	if (book_known(b))
		return true;
	refuse(&r, 503, "ServiceUnavailable", "Redis is not available (%.200s); try again.",
	       *why ? why : "its content is being read");
	api_refuse(c, &r);
	return false;
}

json_t *api_domain(struct api_call *c, const char *name)
{
	struct refusal r;
	json_t *doc;

	if (!api_book_known(c, domains_book(c->cp->domains)))
		return NULL;
	doc = domains_get(c->cp->domains, name);
	if (doc)
		return doc;
	refuse(&r, 404, "InvalidDomain.NotFound", "There is no domain \"%.128s\".", name);
	api_refuse(c, &r);
	return NULL;
}

json_t *api_domain_of(struct api_call *c, const char *name, bool play)
{
	json_t *doc = api_domain(c, name);
	struct refusal r;

	if (!doc || domain_is_play(doc) == play)
		return doc;
	refuse(&r, 400, "InvalidParameter", "The domain %.128s is %s; this takes %s.", name,
	       play ? "an ingest domain" : "a streaming domain",
	       play ? "a streaming domain" : "an ingest domain");
	api_refuse(c, &r);
	return NULL;
}

const char *api_center(const struct api_call *c)
{
	return domain_center(book_all(domains_book(c->cp->domains)), api_text(c, "DomainName", ""));
}

bool api_name_fits(const struct api_call *c, const char *param, const char *name)
{
	const char *wanted = api_text(c, param, "");

	if (!*wanted)
		return true;
	return strcmp(api_text(c, "QueryType", "fuzzy"), "strict") ? strstr(name, wanted) != NULL
								   : !strcmp(name, wanted);
}

struct pending {
	struct api_call *call;
	json_t *body;
};

static void on_done(void *arg, const char *error)
{
	struct pending *p = arg;
	struct refusal r;

	if (!error) {
		api_answer(p->call, p->body);
	} else {
		json_decref(p->body);
		if (!strncmp(error, BOOK_BUSY, strlen(BOOK_BUSY)))
			refuse(&r, 409, "OperationConflict",
			       "Another change of the same was faster; nothing was changed.");
		else
			refuse(&r, 503, "ServiceUnavailable",
			       "Redis did not confirm the change (%.200s).", error);
		api_refuse(p->call, &r);
	}
	free(p);
}

void api_commit(struct api_call *c, struct book *b, json_t *changes, json_t *body)
{
	struct pending *p = calloc(1, sizeof(*p));
	const char *name;
	json_t *doc;

	must(p);
	*p = (struct pending){c, body};
	c->before = json_object();
	json_object_foreach (changes, name, doc)
		json_object_set(c->before, name, book_get(b, name) ?: json_null());
	c->after = json_incref(changes);
	book_commit(b, changes, on_done, p);
}

json_t *api_page(json_t *rows, int64_t page, int64_t size)
{
	json_t *out = json_array();
	size_t n = json_array_size(rows), first = n;

	if ((uint64_t)(page - 1) < n / (uint64_t)size + 1)
		first = (size_t)((page - 1) * size);
	for (size_t i = first; i < n && i < first + (size_t)size; i++)
		json_array_append(out, json_array_get(rows, i));
	return out;
}
