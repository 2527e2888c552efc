/* SPDX-License-Identifier: Apache-2.0 */
#include "session/reload.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "core/quiet.h"
#include "session/access_log.h"
#include "session/certificates.h"
#include "session/country.h"
#include "session/dial.h"

/* A configuration of ours; `conf` first, so that engine_conf() leads here. */
struct generation {
	struct config conf;
	struct generation *next; /* retired ones */
	uint64_t stamp;
};

static struct {
	pthread_mutex_t lock;
	const char *path;
	char *const *sets;
	unsigned sets_n;
	struct generation *now, *retired; /* now NULL: still the first one, which main owns */
} from = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int set_one(struct config *c, const char *text, struct conf_error *err)
{
	const char *equals = strchr(text, '=');
	char key[128];

	if (!equals || equals == text || (size_t)(equals - text) >= sizeof(key)) {
		snprintf(err->text, sizeof(err->text), "--set %.200s: must be key=value", text);
		return -EINVAL;
	}
	memcpy(key, text, (size_t)(equals - text));
	key[equals - text] = '\0';
	return conf_set(c, key, equals + 1, err);
}

static int load(struct config *c, struct conf_error *err)
{
	int r = conf_load(c, from.path, err);

	for (unsigned i = 0; !r && i < from.sets_n; i++)
		r = set_one(c, from.sets[i], err);
	return r ? r : conf_check(c, err);
}

int reload_first(struct config *c, const char *path, char *const *sets, unsigned n,
		 struct conf_error *err)
{
	from.path = path;
	from.sets = sets;
	from.sets_n = n;
	return load(c, err);
}

static size_t value_bytes(enum conf_type type)
{
	switch (type) {
	case CONF_STR:
	case CONF_ADDR:
		return sizeof(((struct config *)0)->state_dir);
	case CONF_ENUM:
		return sizeof(((struct config *)0)->log_level);
	default:
		return sizeof(((struct config *)0)->cores);
	}
}

static void keep_for_restart(struct config *to, const struct config *running)
{
	const struct conf_key *k;
	size_t n;

	k = conf_keys(&n);
	for (; n; n--, k++) {
		if (k->when == CONF_RESTART)
			memcpy((char *)to + k->offset, (const char *)running + k->offset,
			       value_bytes(k->type));
	}
}

static void free_passed(struct engine *e)
{
	struct generation **at = &from.retired, *g;

	while ((g = *at)) {
		if (!quiet_passed(e->quiet, g->stamp)) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		free(g);
	}
}

static void replace(struct engine *e, struct generation *g)
{
	__atomic_store_n(&e->conf, &g->conf, __ATOMIC_RELEASE);
	free_passed(e);
	if (from.now) {
		from.now->stamp = quiet_stamp(e->quiet);
		from.now->next = from.retired;
		from.retired = from.now;
	}
	from.now = g;
}

struct report {
	void (*each)(void *arg, const struct conf_key *k, bool applied);
	void *arg;
};

static void report_key(void *arg, const struct conf_key *k)
{
	struct report *r = arg;

	r->each(r->arg, k, k->when != CONF_RESTART);
}

int reload(struct engine *e, void (*each)(void *arg, const struct conf_key *k, bool applied),
	   void *arg, struct conf_error *err)
{
	struct generation *g = calloc(1, sizeof(*g));
	struct report r = {each, arg};
	int code;

	if (!g) {
		snprintf(err->text, sizeof(err->text), "no memory for another configuration");
		return -ENOMEM;
	}
	pthread_mutex_lock(&from.lock);
	code = load(&g->conf, err);
	if (!code)
		code = certificates_load(&g->conf, err);
	if (!code)
		code = dial_trust(&g->conf, err);
	if (!code)
		code = country_load(&g->conf, err);
	if (!code)
		code = access_log_open(&g->conf, err);
	if (code) {
		free(g);
	} else {
		conf_diff(engine_conf(e), &g->conf, report_key, &r);
		keep_for_restart(&g->conf, engine_conf(e));
		log_set_level((enum log_level)log_level_of(g->conf.log_level));
		log_set_format(g->conf.log_format);
		replace(e, g);
		country_use(e);
	}
	pthread_mutex_unlock(&from.lock);
	return code;
}

void reload_fini(struct engine *e)
{
	struct generation *g;

	free(from.now);
	from.now = NULL;
	while ((g = from.retired)) {
		from.retired = g->next;
		free(g);
	}
	e->conf = NULL;
}
