/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/domains.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/domain.h"

struct domains {
	struct book *book, *blocks;
	struct dp *dp;
	char path[1200];
	json_t *more;		    /* name -> config; NULL: not known yet */
	json_t *sent, *sent_blocks; /* name -> what the present data plane was told, as text */
	bool kept;		    /* it was told which domains there are */
	bool unlisted;		    /* it may have blocks from before */
};

/* ---- the snapshot -------------------------------------------------------------------------- */

static json_t *config_of(const struct domains *d, const char *name, const json_t *doc)
{
	json_t *list = json_object_get(doc, "lazy"), *row;
	json_int_t idle_s = 1;
	size_t i;

	json_array_foreach (list, i, row)
		idle_s = max_of(idle_s, json_integer_value(json_object_get(row, "idle_s")));
	return domain_config(book_all(d->book), name, json_array_size(list), idle_s * 1000);
}

static bool is_known(const struct domains *d)
{
	return d->more && book_known(d->book) && book_known(d->blocks);
}

/* Name -> config of all; a new reference. */
static json_t *configs_of(const struct domains *d)
{
	json_t *configs = json_copy(d->more), *doc;
	const char *name;

	json_object_foreach (book_all(d->book), name, doc)
		json_object_set_new(configs, name, config_of(d, name, doc));
	return configs;
}

/* block.set's keys. */
static json_t *block_of(const char *stream, const json_t *doc)
{
	return json_pack("{ss sO*}", "stream", stream, "until_ms",
			 json_object_get(doc, "until_ms"));
}

static int write_file(const char *path, const char *text)
{
	char part[1210];
	size_t n = strlen(text);
	int fd, rc = 0;

	snprintf(part, sizeof(part), "%s.part", path);
	fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	if (fchmod(fd, 0600) || write(fd, text, n) != (ssize_t)n || fsync(fd))
		rc = errno ? -errno : -EIO;
	close(fd);
	if (!rc && rename(part, path))
		rc = -errno;
	return rc;
}

/* As dataplane/session/domains.h reads it. */
static void save_snapshot(const struct domains *d)
{
	json_t *blocks, *doc, *all;
	const char *name;
	char *text;
	int rc;

	if (!is_known(d))
		return;
	blocks = json_array();
	json_object_foreach (book_all(d->blocks), name, doc)
		json_array_append_new(blocks, block_of(name, doc));
	all = json_pack("{so so}", "domains", configs_of(d), "blocks", blocks);
	text = json_dumps(all, JSON_INDENT(1));
	must(text);
	rc = write_file(d->path, text);
	if (rc)
		log_error("domains_file", "path=%s why=\"%s\"", d->path, strerror(-rc));
	free(text);
	json_decref(all);
}

/* ---- the data plane ------------------------------------------------------------------------ */

static void on_told(void *arg, json_t *answer)
{
	json_t *error = answer ? dp_error(answer) : NULL;
	char text[300];

	if (error)
		log_error("domain_refused", "field=%s why=%s", dp_text(error, "field"),
			  log_q(text, sizeof(text), dp_text(error, "message")));
}

static void tell_one(struct domains *d, const char *name, json_t *config)
{
	char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
	const char *was = json_string_value(json_object_get(d->sent, name));

	if (!was || strcmp(was, text)) {
		json_object_set_new(d->sent, name, json_string(text));
		dp_request(d->dp, "domain.set",
			   json_pack("{ss sO}", "domain", name, "config", config), on_told, NULL);
	}
	free(text);
}

static void tell_names(struct domains *d, json_t *configs)
{
	json_t *names = json_array(), *config;
	const char *name;

	json_object_foreach (configs, name, config)
		json_array_append_new(names, json_string(name));
	dp_request(d->dp, "domain.keep", json_pack("{so}", "domains", names), on_told, NULL);
	d->kept = true;
}

static void tell(struct domains *d)
{
	bool names_differ = !d->kept;
	json_t *configs, *config;
	const char *name;
	void *next;

	if (!dp_up(d->dp) || !is_known(d))
		return;
	configs = configs_of(d);
	/* A play domain's center may be another domain's business, so all are looked at. */
	json_object_foreach (configs, name, config)
		tell_one(d, name, config);
	json_object_foreach_safe(d->sent, next, name, config)
	{
		if (json_object_get(configs, name))
			continue;
		json_object_del(d->sent, name);
		names_differ = true;
	}
	if (names_differ)
		tell_names(d, configs);
	json_decref(configs);
}

/* ---- streams that nobody may publish ---------------------------------------------------------- */

static void tell_block(struct domains *d, const char *stream, const json_t *doc)
{
	json_t *keys = block_of(stream, doc);
	char *text = json_dumps(keys, JSON_COMPACT | JSON_SORT_KEYS);
	const char *was = json_string_value(json_object_get(d->sent_blocks, stream));

	if (!was || strcmp(was, text)) {
		json_object_set_new(d->sent_blocks, stream, json_string(text));
		dp_request(d->dp, "block.set", json_incref(keys), on_told, NULL);
	}
	free(text);
	json_decref(keys);
}

static void untell_block(struct domains *d, const char *stream)
{
	json_object_del(d->sent_blocks, stream);
	dp_request(d->dp, "block.remove", json_pack("{ss}", "stream", stream), on_told, NULL);
}

/* What the data plane has from before and nobody wants any more. */
static void on_block_list(void *arg, json_t *answer)
{
	struct domains *d = arg;
	json_t *row;
	size_t i;

	if (!answer || dp_error(answer))
		return;
	json_array_foreach (json_object_get(answer, "blocks"), i, row)
		if (!book_get(d->blocks, dp_text(row, "stream")))
			untell_block(d, dp_text(row, "stream"));
}

static void tell_blocks(struct domains *d)
{
	const char *stream;
	json_t *doc;
	void *next;

	if (!dp_up(d->dp) || !book_known(d->blocks))
		return;
	if (d->unlisted)
		dp_request(d->dp, "block.list", NULL, on_block_list, d);
	d->unlisted = false;
	json_object_foreach (book_all(d->blocks), stream, doc)
		tell_block(d, stream, doc);
	json_object_foreach_safe(d->sent_blocks, next, stream,
				 doc) if (!book_get(d->blocks, stream)) untell_block(d, stream);
}

static void on_expired(void *arg, const char *error)
{
}

/* The data plane forgets them by itself. */
static void expire_blocks(struct domains *d)
{
	json_int_t now = (json_int_t)clock_wall_ms();
	json_t *changes = json_object(), *doc;
	const char *stream;

	json_object_foreach (book_all(d->blocks), stream, doc) {
		json_int_t until = json_integer_value(json_object_get(doc, "until_ms"));

		if (until && until <= now && json_object_size(changes) < BOOK_CHANGES_MAX)
			json_object_set_new(changes, stream, json_null());
	}
	if (json_object_size(changes))
		book_commit(d->blocks, changes, on_expired, NULL);
	else
		json_decref(changes);
}

static void on_changed(void *arg)
{
	struct domains *d = arg;

	save_snapshot(d);
	tell(d);
	tell_blocks(d);
}

void domains_set_more(struct domains *d, json_t *more)
{
	json_decref(d->more);
	d->more = more;
	on_changed(d);
}

void domains_up(struct domains *d)
{
	json_object_clear(d->sent);
	json_object_clear(d->sent_blocks);
	d->kept = false;
	d->unlisted = true;
	tell(d);
	tell_blocks(d);
}

void domains_tick(struct domains *d)
{
	book_poll(d->book);
	book_poll(d->blocks);
	expire_blocks(d);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct domains *domains_new(struct store *store, struct dp *dp, const char *state_dir)
{
	struct domains *d = calloc(1, sizeof(*d));

	must(d);
	d->dp = dp;
	d->sent = json_object();
	snprintf(d->path, sizeof(d->path), "%s/domains.json", state_dir);
	d->sent_blocks = json_object();
	d->book = book_new(store, "domains", on_changed, d);
	d->blocks = book_new(store, "blocks", on_changed, d);
	return d;
}

void domains_free(struct domains *d)
{
	if (!d)
		return;
	book_free(d->book);
	book_free(d->blocks);
	json_decref(d->sent);
	json_decref(d->sent_blocks);
	json_decref(d->more);
	free(d);
}

struct book *domains_book(const struct domains *d)
{
	return d->book;
}

struct book *domains_blocks(const struct domains *d)
{
	return d->blocks;
}

json_t *domains_get(const struct domains *d, const char *name)
{
	return book_get(d->book, name);
}

char *domains_stream(const struct domains *d, char *dst, size_t n, const char *domain,
		     const char *app, const char *name)
{
	snprintf(dst, n, "%s/%s/%s", domain_center(book_all(d->book), domain), app, name);
	return dst;
}
