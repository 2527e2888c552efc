/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/assets.h"

#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <event2/event.h>

#include "api/config.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/job_spec.h"
#include "controlplane/rules.h"
#include "controlplane/store_redis_assets.h"

#define PROBES_MAX 4 /* at a time */
#define REFRESH_S  5 /* of several nodes: what others added */

struct assets {
	const struct config *conf;
	struct store *store;
	struct jobs *probes;
	struct event *refresh;
	void *by_id; /* tsearch tree of struct asset */
	TAILQ_HEAD(, adding) adding;
	void (*then)(void *arg);
	void *then_arg;
};

/* One that is opened, then written. */
struct adding {
	TAILQ_ENTRY(adding) link;
	struct assets *owner;
	struct asset *asset;
	assets_done *done;
	void *arg;
};

/* ---- the table --------------------------------------------------------------------------------- */

static int order(const void *a, const void *b)
{
	return strcmp(((const struct asset *)a)->id, ((const struct asset *)b)->id);
}

static struct asset *asset_new(const char *id, const char *place, bool local)
{
	struct asset *a = calloc(1, sizeof(*a));

	must(a);
	snprintf(a->id, sizeof(a->id), "%s", id);
	a->place = strdup(place);
	a->local = local;
	a->shown = json_object();
	must(a->place && a->shown);
	return a;
}

static void asset_free(void *p)
{
	struct asset *a = p;

	if (!a)
		return;
	json_decref(a->shown);
	free(a->place);
	free(a);
}

static struct asset *find(const struct assets *as, const char *id)
{
	struct asset key;
	void *node;

	snprintf(key.id, sizeof(key.id), "%s", id);
	node = tfind(&key, &as->by_id, order);
	return node && strlen(id) <= ASSET_ID_MAX ? *(struct asset **)node : NULL;
}

static void put(struct assets *as, struct asset *a)
{
	struct asset *old = find(as, a->id);

	if (old) {
		tdelete(old, &as->by_id, order);
		asset_free(old);
	}
	must(tsearch(a, &as->by_id, order));
}

const struct asset *assets_find(const struct assets *as, const char *id)
{
	return find(as, id);
}

/* ---- as text ------------------------------------------------------------------------------------- */

static char *to_text(const struct asset *a)
{
	json_t *o = json_pack("{ss sO}", a->local ? "file" : "url", a->place, "media", a->shown);
	char *text = json_dumps(o, JSON_COMPACT);

	must(text);
	json_decref(o);
	return text;
}

static struct asset *from_text(const char *id, const char *text)
{
	json_t *o = json_loads(text, 0, NULL), *media = json_object_get(o, "media");
	const char *file = json_string_value(json_object_get(o, "file"));
	const char *url = json_string_value(json_object_get(o, "url"));
	struct asset *a = NULL;

	if (rule_is_word(id) && strlen(id) <= ASSET_ID_MAX && !file != !url &&
	    (!file || !asset_path_rule(file))) {
		a = asset_new(id, file ? file : url, file);
		json_object_update(a->shown, media);
	}
	json_decref(o);
	return a;
}

json_t *assets_row(const struct asset *a)
{
	char text[2200];
	const char *place = a->local ? a->place : log_url(text, sizeof(text), a->place);
	json_t *row = json_pack("{ss ss*}", "id", a->id, a->local ? "file" : "url", place);

	must(row);
	json_object_update(row, a->shown);
	return row;
}

static void add_row(const void *node, VISIT which, void *rows)
{
	if (which == postorder || which == leaf)
		json_array_append_new(rows, assets_row(*(struct asset *const *)node));
}

json_t *assets_rows(const struct assets *as)
{
	json_t *rows = json_array();

	twalk_r(as->by_id, add_row, rows);
	return rows;
}

/* ---- loading ------------------------------------------------------------------------------------ */

static void then(struct assets *as)
{
	void (*fn)(void *arg) = as->then;

	as->then = NULL;
	if (fn)
		fn(as->then_arg);
}

static void on_all(void *arg, const char *const *texts, size_t n, const char *error)
{
	struct assets *as = arg;

	/* It comes again with the connection. */
	if (error)
		return;
	tdestroy(as->by_id, asset_free);
	as->by_id = NULL;
	for (size_t i = 0; i < n; i++) {
		struct asset *a = from_text(texts[2 * i], texts[2 * i + 1]);

		if (a)
			put(as, a);
		else
			log_error("asset_unreadable", "number=%zu", i);
	}
	then(as);
}

void assets_load(struct assets *as, void (*fn)(void *arg), void *arg)
{
	as->then = fn;
	as->then_arg = arg;
	store_assets_read(as->store, on_all, as);
}

static void on_refresh(evutil_socket_t fd, short what, void *arg)
{
	struct assets *as = arg;

	if (store_ready(as->store) && !as->then)
		store_assets_read(as->store, on_all, as);
}

/* ---- use ----------------------------------------------------------------------------------------- */

const char *assets_url(const struct assets *as, const char *id, char *dst, size_t n)
{
	const struct asset *a = assets_find(as, id);

	if (!a)
		snprintf(dst, n, "missing:%s", id);
	else
		snprintf(dst, n, "%s%s", a->local ? "local:" : "", a->place);
	return dst;
}

bool assets_check(const struct assets *as, const struct task *t, struct refusal *r)
{
	json_t *ids, *id;
	bool fine = true;
	size_t i;

	if (*t->slate_url && !strstr(t->slate_url, "://") && !assets_find(as, t->slate_url))
		return refuse(r, 404, "InvalidMediaId.NotFound",
			      "SlateUrl, \"%.64s\", is not an asset.", t->slate_url);
	if (strcmp(t->source_type, "vod"))
		return true;
	ids = json_loads(t->source_urls, 0, NULL);
	json_array_foreach (ids, i, id)
		if (fine && !assets_find(as, json_string_value(id)))
			fine = refuse(r, 404, "InvalidMediaId.NotFound",
				      "SourceUrls number %zu, \"%.64s\", is not an asset; "
				      "`millrace asset list` shows what is.",
				      i, json_string_value(id));
	json_decref(ids);
	return fine;
}

/* ---- adding ---------------------------------------------------------------------------------------- */

const char *asset_path_rule(const char *path)
{
	if (!*path || strlen(path) > 1000)
		return "must have 1 to 1000 bytes";
	if (!rule_is_plain(path))
		return "must not hold control characters";
	for (const char *p = path;; p++) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && *p == '.') || (n == 2 && !strncmp(p, "..", 2)))
			return "must be a path below asset.folder, without /, . or .. that lead out "
			       "of it";
		p += n;
		if (!*p)
			return NULL;
	}
}

/* Takes the entry away and tells how it ended. */
static void settle(struct adding *ad, const struct refusal *r)
{
	struct assets *as = ad->owner;
	json_t *row = r ? NULL : assets_row(ad->asset);

	TAILQ_REMOVE(&as->adding, ad, link);
	if (r)
		asset_free(ad->asset);
	else
		put(as, ad->asset);
	ad->done(ad->arg, row, r);
	json_decref(row);
	free(ad);
}

static bool refuse_unsaved(struct refusal *r, const char *error)
{
	return refuse(r, 503, "ServiceUnavailable",
		      "Redis did not confirm the change (%.200s); it does not count.", error);
}

static bool refuse_twice(struct refusal *r, const char *id)
{
	return refuse(r, 409, "InvalidMediaId.Duplicate", "%s is an asset already.", id);
}

static void on_written(void *arg, const char *error)
{
	struct adding *ad = arg;
	struct refusal r;

	if (!error) {
		settle(ad, NULL);
		return;
	}
	if (!strcmp(error, "EXISTS"))
		refuse_twice(&r, ad->asset->id);
	else
		refuse_unsaved(&r, error);
	settle(ad, &r);
}

static struct adding *adding_of(const struct assets *as, const char *id)
{
	struct adding *ad;

	TAILQ_FOREACH (ad, &as->adding, link)
		if (!strcmp(ad->asset->id, id))
			return ad;
	return NULL;
}

static bool may_add(const struct assets *as, const char *id, const char *place, bool local,
		    struct refusal *r)
{
	const char *rule = local ? asset_path_rule(place) : rule_url(place, RULE_HTTP | RULE_HTTPS);
	unsigned open = 0;
	struct adding *ad;

	if (!rule_is_word(id) || strlen(id) > ASSET_ID_MAX)
		return refuse(r, 400, "InvalidParameter",
			      "An asset's id must have 1 to %d letters, digits, '-', '_' and '.'.",
			      ASSET_ID_MAX);
	if (rule || strlen(place) > 2000)
		return refuse(r, 400, "InvalidParameter", "%s %s; the value is \"%.100s\".",
			      local ? "file" : "url", rule ? rule : "must have at most 2000 bytes",
			      place);
	if (local && !*as->conf->asset_folder)
		return refuse(r, 403, "OperationDenied.NoFolder",
			      "asset.folder is not set: there are no files to choose from.");
	if (assets_find(as, id) || adding_of(as, id))
		return refuse_twice(r, id);
	TAILQ_FOREACH (ad, &as->adding, link)
		open++;
	if (open >= PROBES_MAX)
		return refuse(r, 503, "Throttling",
			      "%d assets are being looked at. Try again soon.", PROBES_MAX);
	return true;
}

void assets_add(struct assets *as, const char *id, const char *place, bool local, assets_done *done,
		void *arg)
{
	struct adding *ad;
	struct refusal r;
	char url[2100];

	if (!may_add(as, id, place, local, &r)) {
		done(arg, NULL, &r);
		return;
	}
	ad = calloc(1, sizeof(*ad));
	must(ad);
	ad->owner = as;
	ad->asset = asset_new(id, place, local);
	ad->done = done;
	ad->arg = arg;
	TAILQ_INSERT_TAIL(&as->adding, ad, link);
	snprintf(url, sizeof(url), "%s%s", local ? "local:" : "", place);
	jobs_start(as->probes, id, job_spec_probe(url, as->conf));
}

/* ---- from the worker that looks at it --------------------------------------------------------------- */

static void on_state(void *arg, const char *id, enum leg_state state, enum reason reason,
		     const char *detail)
{
	struct assets *as = arg;
	struct adding *ad = adding_of(as, id);
	struct refusal r;
	char *text;

	if (state != LEG_FAILED && state != LEG_FINISHED)
		return;
	jobs_stop(as->probes, id);
	if (!ad)
		return;
	if (state == LEG_FAILED) {
		refuse(&r, 400, "InvalidMedia", "%s cannot be played: %s%s%s.", id,
		       reason_name(reason), *detail ? ": " : "", detail);
		settle(ad, &r);
		return;
	}
	json_object_set_new(ad->asset->shown, "added_ms",
			    json_integer((json_int_t)clock_wall_ms()));
	text = to_text(ad->asset);
	store_asset_add(as->store, id, text, on_written, ad);
	free(text);
}

/* {"event":"probed", ...} of worker/job.h. */
static void on_told(void *arg, const char *id, const json_t *o)
{
	static const char *const kept[] = {"duration_ms", "video", "width",   "height",
					   "audio",	  "rate",  "channels"};
	struct adding *ad = adding_of(arg, id);

	for (size_t i = 0; ad && i < array_len(kept); i++)
		json_object_set(ad->asset->shown, kept[i], json_object_get(o, kept[i]));
}

static void on_progress(void *arg, const char *id, const struct job_progress *p)
{
}

static void on_skipped(void *arg, const char *id, int64_t file, const char *reason,
		       const char *detail)
{
}

static const struct jobs_ops probe_ops = {on_state, on_progress, on_skipped, on_told};

/* ---- removing ----------------------------------------------------------------------------------------- */

struct removal {
	struct assets *owner;
	char id[ASSET_ID_MAX + 1];
	assets_done *done;
	void *arg;
};

static void on_removed(void *arg, const char *error)
{
	struct removal *rm = arg;
	struct asset *a = find(rm->owner, rm->id);
	struct refusal r;

	if (!error && a) {
		tdelete(a, &rm->owner->by_id, order);
		asset_free(a);
	}
	if (error)
		refuse_unsaved(&r, error);
	rm->done(rm->arg, NULL, error ? &r : NULL);
	free(rm);
}

void assets_remove(struct assets *as, const char *id, assets_done *done, void *arg)
{
	struct removal *rm;
	struct refusal r;

	if (!assets_find(as, id)) {
		refuse(&r, 404, "InvalidMediaId.NotFound", "\"%.64s\" is not an asset.", id);
		done(arg, NULL, &r);
		return;
	}
	rm = calloc(1, sizeof(*rm));
	must(rm);
	*rm = (struct removal){.owner = as, .done = done, .arg = arg};
	snprintf(rm->id, sizeof(rm->id), "%s", id);
	store_asset_remove(as->store, id, on_removed, rm);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

struct assets *assets_new(struct event_base *base, const struct config *conf,
			  const char *worker_program)
{
	struct assets *as = calloc(1, sizeof(*as));
	struct timeval tv = {REFRESH_S, 0};

	must(as);
	as->conf = conf;
	TAILQ_INIT(&as->adding);
	as->probes = jobs_new(base, worker_program, &probe_ops, as);
	as->refresh = event_new(base, -1, EV_PERSIST, on_refresh, as);
	must(as->refresh);
	if (conf->cluster_enabled)
		event_add(as->refresh, &tv);
	return as;
}

void assets_free(struct assets *as)
{
	struct adding *ad;

	if (!as)
		return;
	while ((ad = TAILQ_FIRST(&as->adding))) {
		struct refusal r;

		refuse(&r, 503, "ServiceUnavailable", "Millrace is stopping.");
		settle(ad, &r);
	}
	jobs_free(as->probes);
	event_free(as->refresh);
	tdestroy(as->by_id, asset_free);
	free(as);
}

void assets_connect(struct assets *as, struct store *store)
{
	as->store = store;
}
