/* SPDX-License-Identifier: Apache-2.0 */
#include "core/core.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "core/fanout.h"
#include "core/load.h"
#include "core/shm.h"

/* Mail dealt with in one turn; the rest waits for the next, so that nobody else starves. */
#define MAIL_PER_TURN 1024u

/* ---- mail ---- */

static void mailbox_init(struct mailbox *b)
{
	memset(b, 0, sizeof(*b));
	b->tail = &b->stub;
	atomic_init(&b->head, &b->stub);
	atomic_init(&b->rung, 1);
}

static void mailbox_push(struct mailbox *b, struct mail *m)
{
	struct mail *before;

	atomic_store_explicit(&m->next, NULL, memory_order_relaxed);
	before = atomic_exchange_explicit(&b->head, m, memory_order_acq_rel);
	atomic_store_explicit(&before->next, m, memory_order_release);
}

/* The oldest, or NULL: none, or its sender is between the two steps of mailbox_push(). */
static struct mail *mailbox_take(struct mailbox *b)
{
	struct mail *m = b->tail;
	struct mail *next = atomic_load_explicit(&m->next, memory_order_acquire);

	if (m == &b->stub) {
		if (!next)
			return NULL;
		b->tail = next;
		m = next;
		next = atomic_load_explicit(&m->next, memory_order_acquire);
	}
	if (!next) {
		/* m is the newest: the stub goes behind it so that m can leave. */
		if (atomic_load_explicit(&b->head, memory_order_acquire) != m)
			return NULL;
		mailbox_push(b, &b->stub);
		next = atomic_load_explicit(&m->next, memory_order_acquire);
		if (!next)
			return NULL;
	}
	b->tail = next;
	return m;
}

static bool mailbox_empty(struct mailbox *b)
{
	return b->tail == &b->stub &&
	       atomic_load_explicit(&b->head, memory_order_acquire) == &b->stub;
}

void mail_post(struct core *to, struct mail *m)
{
	mailbox_push(&to->mail, m);
	/* After the push in every order: pairs with the exchange in core_sleep(). */
	if (!atomic_exchange_explicit(&to->mail.rung, 1, memory_order_acq_rel))
		to->io.wake(to->io.net);
}

static unsigned mail_run(struct core *c)
{
	struct mail *m;
	unsigned n = 0;

	while (n < MAIL_PER_TURN && (m = mailbox_take(&c->mail))) {
		m->run(m, c);
		n++;
	}
	if (n)
		core_count(c, CTR_MAIL, n);
	return n;
}

/* ---- life ---- */

int core_init(struct core *c, struct engine *e, unsigned id)
{
	memset(c, 0, sizeof(*c));
	c->id = id;
	c->engine = e;
	c->ctr = shm_core_of(e->shm, id);
	wheel_init(&c->wheel, 0);
	mailbox_init(&c->mail);
	return fanout_init(c);
}

void core_fini(struct core *c)
{
	quiet_sleep(c->engine->quiet, c->id);
	fanout_fini(c);
}

/* ---- the loop ---- */

static uint64_t held_by_sends(const struct core *c)
{
	return c->io.held ? c->io.held(c->io.net) : UINT64_MAX;
}

int core_turn(struct core *c, uint64_t now_us)
{
	int work;

	c->now_us = now_us;
	quiet_wake(c->engine->quiet, c->id);
	if (c->io.mark)
		c->io.mark(c->io.net, quiet_now(c->engine->quiet));
	load_judge(c);
	work = (int)mail_run(c);
	work += (int)wheel_poll(&c->wheel, now_us);
	work += fanout_poll(c, now_us);
	if (c->io.turn)
		work += c->io.turn(c->io.net);
	quiet_pass_to(c->engine->quiet, c->id, held_by_sends(c));
	core_count(c, CTR_LOOPS, 1);
	shm_set(&c->ctr->ctr[CTR_ALLOCS], c->allocs);
	return work;
}

uint64_t core_next_us(const struct core *c)
{
	uint64_t timers = wheel_next(&c->wheel, c->now_us);
	uint64_t slots = fanout_next(c, c->now_us);

	return min_of(timers, slots);
}

/*
 * The exchange puts "asleep" into the order of all exchanges of `rung`. A sender whose exchange came
 * before it: its mail is seen here. One that comes after: it reads 0 and wakes.
 */
static void core_sleep(struct core *c, uint64_t until_us)
{
	atomic_exchange_explicit(&c->mail.rung, 0, memory_order_acq_rel);
	if (mailbox_empty(&c->mail) && !atomic_load_explicit(&c->stop, memory_order_acquire)) {
		if (held_by_sends(c) == UINT64_MAX)
			quiet_sleep(c->engine->quiet, c->id);
		c->io.wait(c->io.net, until_us);
	}
	/* An exchange here too: a plain store would cut the order that the next sleep relies on. */
	atomic_exchange_explicit(&c->mail.rung, 1, memory_order_acq_rel);
}

void core_run(struct core *c)
{
	uint64_t begun_us, now_us = clock_us();

	while (!atomic_load_explicit(&c->stop, memory_order_acquire)) {
		int work = core_turn(c, now_us);
		uint64_t next_us;

		begun_us = now_us;
		now_us = clock_us();
		core_count(c, CTR_BUSY_US, now_us - begun_us);
		if (work)
			shm_hist_add(&c->ctr->turn, now_us - begun_us, SHM_LOOP_SHIFT);
		next_us = core_next_us(c);
		if (work || next_us <= now_us)
			continue;
		core_sleep(c, next_us);
		now_us = clock_us();
	}
	quiet_sleep(c->engine->quiet, c->id);
}
