/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/publish_codes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/domains.h"
#include "controlplane/history.h"

#define MINUTE_MS 60000

struct publish_codes {
	struct cp *cp;
	json_t *domains; /* name -> {code: how often}, of this minute; configured domains only */
	int64_t minute_ms;
};

int publish_code(const char *reason, bool refused)
{
	static const struct {
		const char *begins;
		int code;
	} known[] = {{"bad_name", 401},	     {"auth_", 403},	 {"ip_denied", 403},
		     {"remote_denied", 403}, {"forbidden", 403}, {"domain_", 403},
		     {"no_memory", 500},     {"internal", 500},	 {"remote_unanswered", 502},
		     {"cap_asking", 502}};

	if (!refused)
		return !strcmp(reason, "media_timeout") || !strcmp(reason, "first_media_timeout")
			       ? 3
			       : 0;
	for (size_t i = 0; i < array_len(known); i++)
		if (!strncmp(reason, known[i].begins, strlen(known[i].begins)))
			return known[i].code;
	return 501;
}

static int64_t minute_now(void)
{
	int64_t now_ms = (int64_t)clock_wall_ms();

	return now_ms - now_ms % MINUTE_MS;
}

static void keep(struct publish_codes *p)
{
	const char *domain;
	json_t *codes;

	json_object_foreach (p->domains, domain, codes)
		history_add(p->cp->store, HISTORY_CODES, domain,
			    json_pack("{sI sO}", "t", (json_int_t)p->minute_ms, "codes", codes));
	json_object_clear(p->domains);
}

void publish_codes_tick(struct publish_codes *p)
{
	int64_t minute_ms = minute_now();

	if (minute_ms == p->minute_ms)
		return;
	keep(p);
	p->minute_ms = minute_ms;
}

static void add(struct publish_codes *p, const char *stream, int code, json_int_t n)
{
	size_t domain_n = strcspn(stream, "/");
	char domain[129], name[16];
	json_t *codes;

	snprintf(domain, sizeof(domain), "%.*s", (int)min_of(domain_n, sizeof(domain) - 1), stream);
	if (!domains_get(p->cp->domains, domain))
		return;
	publish_codes_tick(p);
	codes = json_object_get(p->domains, domain);
	if (!codes) {
		codes = json_object();
		json_object_set_new(p->domains, domain, codes);
	}
	snprintf(name, sizeof(name), "%d", code);
	n += json_integer_value(json_object_get(codes, name));
	json_object_set_new(codes, name, json_integer(n));
}

void publish_codes_event(struct publish_codes *p, const char *name, const json_t *event)
{
	bool refused = !strcmp(name, "publish.refused");
	int code = 0;

	if (json_is_true(json_object_get(event, "internal")))
		return;
	if (!strcmp(name, "stream.publish"))
		code = 200;
	else if (refused || !strcmp(name, "stream.unpublish"))
		code = publish_code(dp_text(event, "reason"), refused);
	if (code)
		add(p, dp_text(event, "stream"), code,
		    1 + json_integer_value(json_object_get(event, "missed")));
}

json_t *publish_codes_now(const struct publish_codes *p, const char *domain)
{
	json_t *codes = json_object_get(p->domains, domain);

	return codes ? json_pack("{sI sO}", "t", (json_int_t)p->minute_ms, "codes", codes) : NULL;
}

struct publish_codes *publish_codes_new(struct cp *cp)
{
	struct publish_codes *p = calloc(1, sizeof(*p));

	must(p);
	p->cp = cp;
	p->domains = json_object();
	p->minute_ms = minute_now();
	must(p->domains);
	return p;
}

void publish_codes_free(struct publish_codes *p)
{
	if (!p)
		return;
	keep(p);
	json_decref(p->domains);
	free(p);
}
