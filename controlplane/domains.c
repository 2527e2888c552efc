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
#include "base/log.h"
#include "controlplane/domain.h"

#define IDLE_MS 60000 /* a triggered pull ends when nobody watched it for so long */

struct domains {
	struct book *book;
	struct dp *dp;
	char path[1200];
	json_t *sent; /* name -> config as text, of the present data plane */
	bool kept;    /* it was told which domains there are */
};

/* ---- the snapshot -------------------------------------------------------------------------- */

static json_t *config_of(const struct domains *d, const char *name, const json_t *doc)
{
	return domain_config(book_all(d->book), name, json_array_size(json_object_get(doc, "lazy")),
			     IDLE_MS);
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

static void save_snapshot(const struct domains *d)
{
	json_t *list = json_array(), *doc, *all;
	const char *name;
	char *text;
	int rc;

	json_object_foreach (book_all(d->book), name, doc)
		json_array_append_new(list, json_pack("{ss so}", "domain", name, "config",
						      config_of(d, name, doc)));
	all = json_pack("{si so}", "version", 1, "domains", list);
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

static bool tell_one(struct domains *d, const char *name, const json_t *doc)
{
	json_t *config = config_of(d, name, doc);
	char *text = json_dumps(config, JSON_COMPACT | JSON_SORT_KEYS);
	const char *was = json_string_value(json_object_get(d->sent, name));
	bool same = was && !strcmp(was, text);

	if (!same) {
		json_object_set_new(d->sent, name, json_string(text));
		dp_request(d->dp, "domain.set",
			   json_pack("{ss sO}", "domain", name, "config", config), on_told, NULL);
	}
	free(text);
	json_decref(config);
	return !same;
}

static void tell_names(struct domains *d)
{
	json_t *names = json_array(), *doc;
	const char *name;

	json_object_foreach (book_all(d->book), name, doc)
		json_array_append_new(names, json_string(name));
	dp_request(d->dp, "domain.keep", json_pack("{so}", "domains", names), on_told, NULL);
	d->kept = true;
}

static void tell(struct domains *d)
{
	bool names_differ = !d->kept;
	const char *name;
	json_t *doc;
	void *next;

	if (!dp_up(d->dp) || !book_known(d->book))
		return;
	/* A play domain's center may be another domain's business, so all are looked at. */
	json_object_foreach (book_all(d->book), name, doc)
		tell_one(d, name, doc);
	json_object_foreach_safe(d->sent, next, name, doc)
	{
		if (book_get(d->book, name))
			continue;
		json_object_del(d->sent, name);
		names_differ = true;
	}
	if (names_differ)
		tell_names(d);
}

static void on_changed(void *arg)
{
	struct domains *d = arg;

	save_snapshot(d);
	tell(d);
}

void domains_up(struct domains *d)
{
	json_object_clear(d->sent);
	d->kept = false;
	tell(d);
}

void domains_tick(struct domains *d)
{
	book_poll(d->book);
}

/* ---- life ---------------------------------------------------------------------------------- */

struct domains *domains_new(struct store *store, struct dp *dp, const char *state_dir)
{
	struct domains *d = calloc(1, sizeof(*d));

	must(d);
	d->dp = dp;
	d->sent = json_object();
	snprintf(d->path, sizeof(d->path), "%s/domains.json", state_dir);
	d->book = book_new(store, "domains", on_changed, d);
	return d;
}

void domains_free(struct domains *d)
{
	if (!d)
		return;
	book_free(d->book);
	json_decref(d->sent);
	free(d);
}

struct book *domains_book(const struct domains *d)
{
	return d->book;
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
