/* SPDX-License-Identifier: Apache-2.0 */
/* The actions on domains: made, deleted, mapped, shown. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/api_book.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/rules.h"

#define DOMAINS_MAX 1000

static int64_t now_s(void)
{
	return (int64_t)(clock_wall_ms() / 1000);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* A copy of the document to change, entered into changes. */
static json_t *changed(json_t *changes, const char *name, const json_t *doc)
{
	json_t *copy = json_deep_copy(doc);

	json_object_set_new(copy, "modified", json_integer(now_s()));
	json_object_set_new(changes, name, copy);
	return copy;
}

static void commit(struct api_call *c, json_t *changes)
{
	api_commit(c, domains_book(c->cp->domains), changes, json_object());
}

/* ---- made, deleted, started, stopped ------------------------------------------------------------ */

void domain_add(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", "");
	struct book *b = domains_book(c->cp->domains);
	struct refusal r;

	if (!api_book_known(c, b))
		return;
	if (book_get(b, name))
		refuse(&r, 400, "DomainAlreadyExist", "DomainName: there is a domain \"%.128s\".",
		       name);
	else if (json_object_size(book_all(b)) >= DOMAINS_MAX)
		refuse(&r, 403, "QuotaExceeded.Domain",
		       "There are %d domains, the most there can be.", DOMAINS_MAX);
	else {
		commit(c, json_pack("{so}", name,
				    domain_new(api_text(c, "LiveDomainType", ""),
					       api_text(c, "Region", ""), now_s())));
		return;
	}
	api_refuse(c, &r);
}

/* Other domains that point to it by that member lose it. */
static void unmap_all(struct api_call *c, json_t *changes, const char *member, const char *name)
{
	const char *other;
	json_t *doc;

	json_object_foreach (book_all(domains_book(c->cp->domains)), other, doc)
		if (!strcmp(text_of(doc, member), name))
			json_object_del(changed(changes, other, doc), member);
}

void domain_delete(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", "");
	struct refusal r;
	json_t *changes;

	if (!api_domain(c, name))
		return;
	changes = json_object();
	unmap_all(c, changes, "push", name);
	unmap_all(c, changes, "main", name);
	json_object_set_new(changes, name, json_null());
	if (json_object_size(changes) <= BOOK_CHANGES_MAX) {
		commit(c, changes);
		return;
	}
	json_decref(changes);
	refuse(&r, 400, "OperationDenied.Mapped",
	       "DomainName: %s is mapped to more than %d domains; delete mappings first.", name,
	       BOOK_CHANGES_MAX - 1);
	api_refuse(c, &r);
}

static void set_status(struct api_call *c, const char *status)
{
	const char *name = api_text(c, "DomainName", "");
	json_t *doc = api_domain(c, name), *changes;

	if (!doc)
		return;
	changes = json_object();
	json_object_set_new(changed(changes, name, doc), "status", json_string(status));
	commit(c, changes);
}

void domain_start(struct api_call *c)
{
	set_status(c, "online");
}

void domain_stop(struct api_call *c)
{
	set_status(c, "offline");
}

/* ---- shown ------------------------------------------------------------------------------------- */

static json_t *shown(const struct api_call *c, const char *name, const json_t *doc)
{
	char created[TIME_TEXT], modified[TIME_TEXT];
	json_t *row;

	time_text(created, json_integer_value(json_object_get(doc, "created")));
	time_text(modified, json_integer_value(json_object_get(doc, "modified")));
	row = json_pack("{ss ss ss ss ss ss ss}", "DomainName", name, "LiveDomainType",
			text_of(doc, "type"), "LiveDomainStatus", text_of(doc, "status"),
			"GmtCreated", created, "GmtModified", modified, "RegionName",
			text_of(doc, "region"), "Cname", "");
	must(row);
	if (domain_is_play(doc) &&
	    strcmp(domain_center(book_all(domains_book(c->cp->domains)), name), name))
		json_object_set_new(
			row, "PushDomain",
			json_string(domain_center(book_all(domains_book(c->cp->domains)), name)));
	return row;
}

void domain_detail(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", "");
	json_t *doc = api_domain(c, name), *row;

	if (!doc)
		return;
	row = shown(c, name, doc);
	json_object_set_new(row, "Region", json_string(text_of(doc, "region")));
	api_answer(c, json_pack("{so}", "DomainDetail", row));
}

static bool name_fits(const char *name, const char *wanted, const char *how)
{
	size_t n = strlen(name), m = strlen(wanted);

	if (!strcmp(how, "full_match"))
		return !strcmp(name, wanted);
	if (!strcmp(how, "pre_match"))
		return !strncmp(name, wanted, m);
	if (!strcmp(how, "suf_match"))
		return m <= n && !strcmp(name + n - m, wanted);
	return strstr(name, wanted);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of all domains, sorted; the caller frees the list. */
static const char **sorted_names(const json_t *all, size_t *n)
{
	const char **names = calloc(json_object_size(all) + 1, sizeof(*names)), *name;
	json_t *doc;

	must(names);
	*n = 0;
	json_object_foreach ((json_t *)all, name, doc)
		names[(*n)++] = name;
	qsort(names, *n, sizeof(*names), by_text);
	return names;
}

void domain_list(struct api_call *c)
{
	int64_t page = api_number(c, "PageNumber", 1), size = api_number(c, "PageSize", 20);
	const char *status = api_text(c, "DomainStatus", ""), **names;
	const char *type = api_text(c, "LiveDomainType", "");
	struct book *b = domains_book(c->cp->domains);
	json_t *rows, *out;
	size_t n;

	if (!api_book_known(c, b))
		return;
	rows = json_array();
	names = sorted_names(book_all(b), &n);
	for (size_t i = 0; i < n; i++) {
		json_t *doc = book_get(b, names[i]);

		if (name_fits(names[i], api_text(c, "DomainName", ""),
			      api_text(c, "DomainSearchType", "")) &&
		    (!*status || !strcmp(text_of(doc, "status"), status)) &&
		    (!*type || !strcmp(text_of(doc, "type"), type)))
			json_array_append_new(rows, shown(c, names[i], doc));
	}
	free(names);
	out = json_pack("{sI sI sI s{so}}", "PageNumber", (json_int_t)page, "PageSize",
			(json_int_t)size, "TotalCount", (json_int_t)json_array_size(rows),
			"Domains", "PageData", api_page(rows, page, size));
	json_decref(rows);
	api_answer(c, out);
}

/* ---- mapped ------------------------------------------------------------------------------------- */

void domain_map(struct api_call *c)
{
	const char *push = api_text(c, "PushDomain", ""), *pull = api_text(c, "PullDomain", "");
	json_t *doc, *changes;
	struct refusal r;

	if (!api_domain_of(c, push, false))
		return;
	doc = api_domain_of(c, pull, true);
	if (!doc)
		return;
	if (*text_of(doc, "main") ||
	    (*text_of(doc, "push") && strcmp(text_of(doc, "push"), push))) {
		refuse(&r, 400, "OperationDenied.Mapped", "PullDomain: %s is mapped to %s already.",
		       pull, *text_of(doc, "main") ? text_of(doc, "main") : text_of(doc, "push"));
		api_refuse(c, &r);
		return;
	}
	changes = json_object();
	json_object_set_new(changed(changes, pull, doc), "push", json_string(push));
	commit(c, changes);
}

void domain_unmap(struct api_call *c)
{
	const char *push = api_text(c, "PushDomain", ""), *pull = api_text(c, "PullDomain", "");
	json_t *doc = api_domain(c, pull), *changes;
	struct refusal r;

	if (!doc)
		return;
	if (strcmp(text_of(doc, "push"), push)) {
		refuse(&r, 404, "InvalidMapping.NotFound", "PullDomain: %s is not mapped to %s.",
		       pull, push);
		api_refuse(c, &r);
		return;
	}
	changes = json_object();
	json_object_del(changed(changes, pull, doc), "push");
	commit(c, changes);
}

void domain_map_play(struct api_call *c)
{
	const char *pull = api_text(c, "PullDomain", ""), *play = api_text(c, "PlayDomain", "");
	json_t *main_doc = api_domain_of(c, pull, true), *doc, *changes;
	struct refusal r;

	if (!main_doc)
		return;
	doc = api_domain_of(c, play, true);
	if (!doc)
		return;
	if (!strcmp(pull, play) || *text_of(main_doc, "main") || *text_of(doc, "main") ||
	    *text_of(doc, "push")) {
		refuse(&r, 400, "OperationDenied.Mapped",
		       "PlayDomain: %s can not belong to %s: both must be streaming domains of "
		       "their own, and %s one without an ingest domain.",
		       play, pull, play);
		api_refuse(c, &r);
		return;
	}
	changes = json_object();
	json_object_set_new(changed(changes, play, doc), "main", json_string(pull));
	commit(c, changes);
}

void domain_mapping(struct api_call *c)
{
	const char *name = api_text(c, "DomainName", ""), *center, **names;
	json_t *all, *rows;
	size_t n;

	if (!api_domain(c, name))
		return;
	all = book_all(domains_book(c->cp->domains));
	center = domain_center(all, name);
	rows = json_array();
	names = sorted_names(all, &n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(domain_center(all, names[i]), center))
			json_array_append_new(
				rows, json_pack("{ss ss}", "DomainName", names[i], "Type",
						domain_is_play(json_object_get(all, names[i]))
							? "vhost"
							: "publish"));
	free(names);
	api_answer(c, json_pack("{s{so}}", "LiveDomainModels", "LiveDomainModel", rows));
}
