/* SPDX-License-Identifier: Apache-2.0 */
#include "session/running.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "session/auth.h"

/* To one core; sorted by domain. */
struct news {
	struct mail mail;
	unsigned n;
	struct running_change change[];
};

unsigned running_changes(struct running_change dst[2], const struct domain *before,
			 const struct domain *after)
{
	unsigned n = 0;

	if (!after || after->type != before->type) {
		dst[0] = (struct running_change){before->mark, 0, REASON_DOMAIN_UNKNOWN};
		return 1;
	}
	if (!after->enabled) {
		dst[0] = (struct running_change){before->mark, 0, REASON_DOMAIN_DISABLED};
		return before->enabled;
	}
	if (after->sign.type == SIGN_NONE) /* whoever comes now needs no key either */
		return 0;
	for (unsigned i = 0; i < array_len(before->key_mark); i++) {
		uint32_t mark = before->key_mark[i];

		if (mark && mark != after->key_mark[0] && mark != after->key_mark[1])
			dst[n++] = (struct running_change){before->mark, mark, REASON_AUTH_REVOKED};
	}
	return n;
}

static int by_domain(const void *a, const void *b)
{
	uint32_t x = ((const struct running_change *)a)->domain_mark;
	uint32_t y = ((const struct running_change *)b)->domain_mark;

	return x < y ? -1 : x > y;
}

/* A domain has two changes at most: they are neighbours. */
static const struct running_change *find(const struct news *news, const struct auth *a)
{
	const struct running_change want = {.domain_mark = a->domain_mark};
	const struct running_change *end = news->change + news->n, *one;

	one = bsearch(&want, news->change, news->n, sizeof(want), by_domain);
	if (one && one > news->change && !by_domain(one - 1, &want))
		one--;
	for (; one && one < end && one->domain_mark == a->domain_mark; one++)
		if (!one->key_mark || one->key_mark == a->key_mark)
			return one;
	return NULL;
}

/* Soon, not now: closing one session may close others, and the list is being walked. */
static void close_one(void *arg, struct session *s)
{
	const struct auth *a = s->ops->auth ? s->ops->auth(s) : NULL;
	const struct running_change *change;

	if (!a || !a->domain_mark || a->inner || s->closing || s->close_when_sent)
		return;
	change = find(arg, a);
	if (change)
		session_close_soon(s, change->why);
}

static void heard(struct mail *m, struct core *c)
{
	struct news *news = container_of(m, struct news, mail);

	sessions_each(c, close_one, news);
	free(news);
}

void running_changed(struct engine *e, const struct running_change *changes, unsigned n)
{
	if (!n || strcmp(engine_conf(e)->domain_running, "cut") != 0)
		return;
	for (unsigned i = 0; i < e->cores_n; i++) {
		struct news *news = malloc(sizeof(*news) + n * sizeof(news->change[0]));

		if (!news) {
			log_error("domains", "message=\"no memory to close who is there\"");
			return;
		}
		*news = (struct news){.mail.run = heard, .n = n};
		memcpy(news->change, changes, n * sizeof(news->change[0]));
		qsort(news->change, n, sizeof(news->change[0]), by_domain);
		mail_post(e->cores[i], &news->mail);
	}
}
