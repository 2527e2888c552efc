/* SPDX-License-Identifier: Apache-2.0 */
#include "session/domains.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "core/fanout.h"
#include "session/blocks.h"
#include "session/running.h"

/* Open addressing: at most half of the slots are used. */
struct table {
	struct table *next_retired;
	uint64_t stamp;
	enum domains_state state;
	unsigned n, mask, triggered_n;
	bool hls_idle;			 /* a domain has one of its own */
	bool late;			 /* a domain has viewers that are behind */
	const struct domain **triggered; /* play domains with triggered pulls */
	struct domain *slot[];
};

static struct {
	_Atomic(struct table *) now; /* NULL: open */
	struct engine *engine;
	struct table *retired_tables;
	struct domain *retired_domains;
	uint32_t marks;
} all;

static struct table *table_now(void)
{
	return atomic_load_explicit(&all.now, memory_order_acquire);
}

/* ---- readers ---- */

static unsigned hash_of(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

static struct domain **slot_of(struct table *t, const char *name)
{
	unsigned i = hash_of(name) & t->mask;

	while (t->slot[i] && strcmp(t->slot[i]->name, name) != 0)
		i = (i + 1) & t->mask;
	return &t->slot[i];
}

enum domains_state domains_state(void)
{
	const struct table *t = table_now();

	return t ? t->state : DOMAINS_OPEN;
}

const struct domain *domain_find(const char *name)
{
	struct table *t = table_now();

	return t ? *slot_of(t, name) : NULL;
}

char *domain_stream_key(char *dst, const struct stream_name *name)
{
	const struct domain *d = domain_find(name->domain);

	snprintf(dst, STREAM_KEY_MAX, "%s/%s/%s", d ? d->center : "default", name->app, name->name);
	return dst;
}

static int compare_name(const void *name, const void *app)
{
	return strcmp(name, ((const struct domain_app *)app)->name);
}

static const struct domain_app *app_of(const struct domain *d, const char *app)
{
	return d->apps_n ? bsearch(app, d->apps, d->apps_n, sizeof(*d->apps), compare_name) : NULL;
}

static const struct domain_app *stream_of(const struct domain *d, const char *app, const char *name)
{
	char text[DOMAIN_NAME_MAX + STREAM_KEY_MAX];

	if (!d->streams_n)
		return NULL;
	snprintf(text, sizeof(text), "%s/%s", app, name);
	return bsearch(text, d->streams, d->streams_n, sizeof(*d->streams), compare_name);
}

static int8_t policy_of(const char *word)
{
	if (!strcmp(word, "replace"))
		return DOMAIN_REPLACE;
	return strcmp(word, "replace_same") ? DOMAIN_REJECT : DOMAIN_REPLACE_SAME;
}

struct domain_publish domain_publish_rules(const struct domain *d, const char *app,
					   const struct config *conf)
{
	const struct domain_app *a = d ? app_of(d, app) : NULL;
	struct domain_publish r = {DOMAIN_UNSET, DOMAIN_UNSET};

	if (a)
		r = a->publish;
	if (d && r.policy == DOMAIN_UNSET)
		r.policy = d->publish.policy;
	if (d && r.hold_ms == DOMAIN_UNSET)
		r.hold_ms = d->publish.hold_ms;
	if (r.policy == DOMAIN_UNSET)
		r.policy = policy_of(conf->publish_policy);
	if (r.hold_ms == DOMAIN_UNSET)
		r.hold_ms = conf->publish_hold;
	return r;
}

/* What r does not say yet is as `other` has it. */
static void fill_play(struct domain_play *r, const struct domain_play *other)
{
	if (r->tick == DOMAIN_UNSET)
		r->tick = other->tick;
	if (r->hls == DOMAIN_UNSET)
		r->hls = other->hls;
	if (r->rtmp_s == DOMAIN_UNSET)
		r->rtmp_s = other->rtmp_s;
	if (r->flv_s == DOMAIN_UNSET)
		r->flv_s = other->flv_s;
	if (r->delay_s == DOMAIN_UNSET)
		r->delay_s = other->delay_s;
	if (r->hls_idle_ms == DOMAIN_UNSET)
		r->hls_idle_ms = other->hls_idle_ms;
}

struct domain_play domain_play_rules(const struct domain *d, const char *app, const char *name,
				     const struct config *conf)
{
	const struct domain_app *stream = d ? stream_of(d, app, name) : NULL;
	const struct domain_app *a = d ? app_of(d, app) : NULL;
	struct domain_play r = domain_play_unset;

	if (stream)
		fill_play(&r, &stream->play);
	if (a)
		fill_play(&r, &a->play);
	if (d)
		fill_play(&r, &d->play);
	r.tick_given = r.tick != DOMAIN_UNSET;
	fill_play(&r, &(struct domain_play){
			      .tick = (int8_t)tick_class_of(conf->play_tick),
			      .hls = DOMAIN_UNSET,
			      .hls_idle_ms = (int32_t)conf->hls_idle,
		      });
	return r;
}

/* The parts of "domain/app/name"; the app may have several levels. */
static void split(const char *key, char domain[DOMAIN_NAME_MAX], char app[DOMAIN_NAME_MAX])
{
	const char *first = strchr(key, '/'), *last = strrchr(key, '/');

	domain[0] = app[0] = '\0';
	if (!first || first == last)
		return;
	snprintf(domain, DOMAIN_NAME_MAX, "%.*s", (int)(first - key), key);
	snprintf(app, DOMAIN_NAME_MAX, "%.*s", (int)(last - first - 1), first + 1);
}

struct domain_publish domain_publish_of(const char *key, const struct config *conf)
{
	char domain[DOMAIN_NAME_MAX], app[DOMAIN_NAME_MAX];

	split(key, domain, app);
	return domain_publish_rules(domain_find(domain), app, conf);
}

bool domain_has_backups(const char *key)
{
	char domain[DOMAIN_NAME_MAX], app[DOMAIN_NAME_MAX];
	const struct domain *d;

	split(key, domain, app);
	d = domain_find(domain);
	return d && d->backups;
}

bool domain_switches_by_itself(const char *key)
{
	char domain[DOMAIN_NAME_MAX], app[DOMAIN_NAME_MAX];
	const struct domain *d;

	split(key, domain, app);
	d = domain_find(domain);
	for (unsigned i = 0; d && i < d->manual_n; i++)
		if (!strcmp(d->manual[i], key + strlen(domain) + 1))
			return false;
	return true;
}

uint32_t domain_pull_idle_ms(const char *key)
{
	const struct table *t = table_now();
	char domain[DOMAIN_NAME_MAX], app[DOMAIN_NAME_MAX];
	uint32_t longest = 0;

	split(key, domain, app);
	for (unsigned i = 0; t && i < t->triggered_n; i++)
		if (!strcmp(t->triggered[i]->center, domain))
			longest = max_of(longest, t->triggered[i]->pull_idle_ms);
	return longest;
}

static void add_wish(struct stream_wish *w, const struct domain *d, const char *app,
		     const char *name)
{
	struct domain_play r = domain_play_rules(d, app, name, engine_conf(all.engine));

	w->keep_s = max_of(w->keep_s, (unsigned)r.delay_s);
	w->back_s = max_of(w->back_s, (unsigned)max_of(r.delay_s, max_of(r.rtmp_s, r.flv_s)));
}

struct stream_wish domain_wish(const char *key)
{
	const struct table *t = table_now();
	char domain[DOMAIN_NAME_MAX], app[DOMAIN_NAME_MAX];
	struct stream_wish w = {0};

	if (!t || !t->late)
		return w;
	split(key, domain, app);
	for (unsigned i = 0; i <= t->mask; i++) {
		const struct domain *d = t->slot[i];

		if (d && d->type == DOMAIN_PLAY && d->enabled && !strcmp(d->center, domain))
			add_wish(&w, d, app, strrchr(key, '/') + 1);
	}
	return w;
}

static uint64_t hls_idle_of(const struct domain *d, const char *app, uint64_t otherwise_ms)
{
	const struct domain_app *a = app_of(d, app);
	int32_t own = a && a->play.hls_idle_ms != DOMAIN_UNSET ? a->play.hls_idle_ms
							       : d->play.hls_idle_ms;

	return own == DOMAIN_UNSET ? otherwise_ms : (uint64_t)own;
}

uint64_t domain_hls_idle_ms(const char *key, uint64_t otherwise_ms)
{
	const struct table *t = table_now();
	char domain[DOMAIN_NAME_MAX], app[DOMAIN_NAME_MAX];
	uint64_t longest = 0;

	if (!t || !t->hls_idle)
		return otherwise_ms;
	split(key, domain, app);
	for (unsigned i = 0; i <= t->mask; i++) {
		const struct domain *d = t->slot[i];

		if (d && d->type == DOMAIN_PLAY && d->enabled && !strcmp(d->center, domain))
			longest = max_of(longest, hls_idle_of(d, app, otherwise_ms));
	}
	return longest ? longest : otherwise_ms;
}

/* ---- making tables ---- */

static void table_free(struct table *t)
{
	if (t)
		free(t->triggered);
	free(t);
}

/* Room for n domains; empty. */
static struct table *table_new(unsigned n, enum domains_state state)
{
	unsigned slots = 16;
	struct table *t;

	while (slots < 2 * n)
		slots *= 2;
	t = calloc(1, sizeof(*t) + slots * sizeof(t->slot[0]));
	if (!t)
		return NULL;
	t->mask = slots - 1;
	t->state = state;
	t->triggered = calloc(n + 1, sizeof(*t->triggered));
	if (t->triggered)
		return t;
	free(t);
	return NULL;
}

static bool is_late(const struct domain_play *r)
{
	return r->delay_s > 0 || r->rtmp_s > 0 || r->flv_s > 0;
}

static void table_add(struct table *t, struct domain *d)
{
	*slot_of(t, d->name) = d;
	t->n++;
	t->hls_idle |= d->play.hls_idle_ms != DOMAIN_UNSET;
	t->late |= is_late(&d->play);
	for (unsigned i = 0; i < d->apps_n; i++) {
		t->hls_idle |= d->apps[i].play.hls_idle_ms != DOMAIN_UNSET;
		t->late |= is_late(&d->apps[i].play);
	}
	for (unsigned i = 0; i < d->streams_n; i++)
		t->late |= is_late(&d->streams[i].play);
	if (d->triggered && d->enabled)
		t->triggered[t->triggered_n++] = d;
}

static void retire_domain(struct domain *d)
{
	d->stamp = quiet_stamp(all.engine->quiet);
	d->next_retired = all.retired_domains;
	all.retired_domains = d;
}

/* The new table is what is read from now on. */
static void publish(struct table *next)
{
	struct table *old = table_now();

	atomic_store_explicit(&all.now, next, memory_order_release);
	if (!old)
		return;
	old->stamp = quiet_stamp(all.engine->quiet);
	old->next_retired = all.retired_tables;
	all.retired_tables = old;
}

void domains_settle(void)
{
	struct domain **d = &all.retired_domains;
	struct table **t = &all.retired_tables;

	while (*t) {
		struct table *gone = *t;

		if (!quiet_passed(all.engine->quiet, gone->stamp)) {
			t = &gone->next_retired;
			continue;
		}
		*t = gone->next_retired;
		table_free(gone);
	}
	while (*d) {
		struct domain *gone = *d;

		if (!quiet_passed(all.engine->quiet, gone->stamp)) {
			d = &gone->next_retired;
			continue;
		}
		*d = gone->next_retired;
		domain_free(gone);
	}
}

/* ---- changes ---- */

int domains_set(const char *name, const json_t *config, struct ctl_error *e)
{
	struct table *old = table_now(), *next;
	struct domain *d = domain_new(name, config, e), *before = old ? *slot_of(old, name) : NULL;

	if (!d)
		return -EINVAL;
	if (!before && old && old->n >= DOMAINS_MAX) {
		domain_free(d);
		return ctl_error_set(e, "limit", "domain", "there are %d domains already",
				     DOMAINS_MAX);
	}
	next = table_new(old ? old->n + 1 : 1, DOMAINS_SET);
	if (!next) {
		domain_free(d);
		return ctl_error_set(e, "limit", "", "no memory");
	}
	d->mark = before ? before->mark : ++all.marks;
	for (unsigned i = 0; old && i <= old->mask; i++)
		if (old->slot[i] && old->slot[i] != before)
			table_add(next, old->slot[i]);
	table_add(next, d);
	publish(next);
	if (before) {
		struct running_change changes[2];

		running_changed(all.engine, changes, running_changes(changes, before, d));
		retire_domain(before);
	}
	domains_settle();
	return 0;
}

static bool is_listed(const json_t *names, const char *name)
{
	for (size_t i = 0; i < json_array_size(names); i++)
		if (!strcmp(json_string_value(json_array_get(names, i)), name))
			return true;
	return false;
}

int domains_keep(const json_t *names, struct ctl_error *e)
{
	struct table *old = table_now(), *next;
	struct running_change *gone;
	unsigned kept = 0, gone_n = 0;

	if (!old)
		return 0;
	next = table_new(old->n, DOMAINS_SET);
	gone = calloc(2 * old->n + 1, sizeof(*gone));
	if (!next || !gone) {
		table_free(next);
		free(gone);
		return ctl_error_set(e, "limit", "", "no memory");
	}
	for (unsigned i = 0; i <= old->mask; i++) {
		if (!old->slot[i] || !is_listed(names, old->slot[i]->name))
			continue;
		table_add(next, old->slot[i]);
		kept++;
	}
	if (!kept) {
		table_free(next);
		next = NULL;
	}
	publish(next);
	for (unsigned i = 0; i <= old->mask; i++) {
		if (!old->slot[i] || is_listed(names, old->slot[i]->name))
			continue;
		gone_n += running_changes(&gone[gone_n], old->slot[i], NULL);
		retire_domain(old->slot[i]);
	}
	running_changed(all.engine, gone, gone_n);
	free(gone);
	domains_settle();
	return 0;
}

json_t *domains_list(void)
{
	const struct table *t = table_now();
	json_t *list = json_array();

	for (unsigned i = 0; t && i <= t->mask; i++) {
		const struct domain *d = t->slot[i];

		if (d)
			json_array_append_new(
				list, json_pack("{s:s, s:s, s:I}", "domain", d->name, "type",
						d->type == DOMAIN_PLAY ? "play" : "ingest",
						"version", (json_int_t)d->version));
	}
	return list;
}

/* ---- the snapshot ---- */

static int load(const json_t *file, struct ctl_error *e)
{
	const json_t *domains = json_object_get(file, "domains");
	const char *name;
	json_t *config;

	if (!json_is_object(domains))
		return ctl_error_set(e, "bad_field", "domains", "must be an object");
	json_object_foreach ((json_t *)domains, name, config)
		if (domains_set(name, config, e))
			return -EINVAL;
	return blocks_load(json_object_get(file, "blocks"), e);
}

static void close_all(void)
{
	struct table *closed = table_new(0, DOMAINS_CLOSED), *old = table_now();

	must(closed);
	publish(closed);
	for (unsigned i = 0; old && i <= old->mask; i++)
		if (old->slot[i])
			retire_domain(old->slot[i]);
	domains_settle();
}

int domains_start(struct engine *e, const char *path, bool wait)
{
	struct ctl_error error = {.code = ""};
	json_error_t why;
	json_t *file;
	int r;

	all.engine = e;
	e->wish = domain_wish;
	if (access(path, F_OK) && errno == ENOENT) {
		if (wait)
			close_all();
		return 0;
	}
	file = json_load_file(path, JSON_REJECT_DUPLICATES, &why);
	r = file ? load(file, &error) : ctl_error_set(&error, "bad_field", "", "%s", why.text);
	json_decref(file);
	if (r) {
		char text[700];

		close_all();
		log_error("domains", "file=%s field=%s message=%s effect=closed", path, error.field,
			  log_q(text, sizeof(text), error.message));
	}
	return r;
}

void domains_fini(void)
{
	struct table *last = table_now();

	if (!all.engine)
		return;
	for (unsigned i = 0; last && i <= last->mask; i++)
		if (last->slot[i])
			retire_domain(last->slot[i]);
	publish(NULL);
	domains_settle();
	all.engine = NULL;
}
