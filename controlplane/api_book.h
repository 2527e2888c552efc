/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What handlers of actions on books and domains share.
 *
 * Threads: the event loop's.
 */
#ifndef CONTROLPLANE_API_BOOK_H
#define CONTROLPLANE_API_BOOK_H

#include "controlplane/api.h"
#include "controlplane/book.h"

/* A parameter's text, or otherwise. */
const char *api_text(const struct api_call *c, const char *name, const char *otherwise);
int64_t api_number(const struct api_call *c, const char *name, int64_t otherwise);
/* NULL: refused already, because there is no such domain or nothing is known yet. */
json_t *api_domain(struct api_call *c, const char *name);
/* The same, and it must be a streaming (play) or an ingest domain. */
json_t *api_domain_of(struct api_call *c, const char *name, bool play);
/* What was read from Redis for the call: false; error: true, and it is refused. */
bool api_unread(struct api_call *c, const char *error);
/* The ingest domain of the parameter DomainName, where its streams are published. */
const char *api_center(const struct api_call *c);
/* A name and what a parameter asks for: QueryType strict: that; otherwise: a name that holds it. */
bool api_name_fits(const struct api_call *c, const char *param, const char *name);
/* Whether the book is known; false: refused already. */
bool api_book_known(struct api_call *c, const struct book *b);
/* Commits the changes and then answers with body; both references are taken. */
void api_commit(struct api_call *c, struct book *b, json_t *changes, json_t *body);
/* The page of rows that PageNumber or PageNum and PageSize ask for; a new reference. */
json_t *api_page(json_t *rows, int64_t page, int64_t size);

#endif
