/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same on real threads: one writes, others read what it wrote while it trims behind them. What
 * a reader gets is taken apart by the FLV reader and every payload is known from its number, so a
 * byte from a block that was given back too early is seen. Meant for MODE=tsan as well.
 */
#include "unit/core/fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "core/cursor.h"
#include "core/fanout.h"
#include "media/flv.h"

#define READERS	     2
#define CURSORS	     4
#define MESSAGES     40000u
#define KEY_EVERY    50u
#define PAYLOAD_MAX  3000u
#define PAYLOAD_HEAD 14u

/* ---- payloads that are known from their number ---- */

static uint32_t payload_bytes(uint32_t number)
{
	return PAYLOAD_HEAD + number * 2654435761u % (PAYLOAD_MAX - PAYLOAD_HEAD);
}

static bool is_key(uint32_t number)
{
	return number % KEY_EVERY == 0;
}

static void payload_fill(uint8_t *p, uint32_t number)
{
	uint32_t n = payload_bytes(number);
	uint8_t head[10] = {is_key(number) ? 0x17 : 0x27, 1, 0, 0, 0, 0, 0, 0, 0,
			    is_key(number) ? 0x65 : 0x41};

	put_be32(head + 5, n - 9);
	memcpy(p, head, sizeof(head));
	put_be32(p + sizeof(head), number);
	for (uint32_t i = PAYLOAD_HEAD; i < n; i++)
		p[i] = (uint8_t)(number + i * 7);
}

/* Reads what one viewer got. */
struct checker {
	struct flv_in in;
	struct mem mem;
	bool any, jumped; /* jumped: the next one must be a key frame */
	uint32_t last;
	uint64_t messages, wrong;
};

static void checker_init(struct checker *c)
{
	uint8_t head[FLV_HEADER_BYTES];
	struct msg m;

	memset(c, 0, sizeof(*c));
	c->mem.max = 1 << 20;
	c->jumped = true;
	flv_in_init(&c->in, &c->mem, 1 << 20);
	flv_header(head, true, true);
	flv_in_feed(&c->in, head, sizeof(head), &m);
}

static void check_message(struct checker *c, const struct msg *m)
{
	uint8_t want[PAYLOAD_MAX];
	uint32_t number;

	c->messages++;
	if (m->type != MSG_VIDEO || m->len < PAYLOAD_HEAD) {
		c->wrong++;
		return;
	}
	number = get_be32(m->data + 10);
	payload_fill(want, number);
	c->wrong += m->len != payload_bytes(number) || memcmp(m->data, want, m->len) != 0;
	/* The next one; or a key frame, after a jump or after what the writer could not keep. */
	if (c->jumped || number != c->last + 1)
		c->wrong += !is_key(number) || (c->any && number <= c->last);
	c->last = number;
	c->any = true;
	c->jumped = false;
}

static void check_bytes(struct checker *c, const uint8_t *p, size_t n)
{
	while (n) {
		struct msg m = {.type = MSG_NONE};
		int took = flv_in_feed(&c->in, p, n, &m);

		if (took <= 0) {
			c->wrong++;
			return;
		}
		if (m.type != MSG_NONE)
			check_message(c, &m);
		p += took;
		n -= (size_t)took;
	}
}

/* ---- one log ---- */

struct shared {
	struct arena arena;
	struct quiet quiet;
	struct wlog *log;
	_Atomic uint64_t now_us;
	_Atomic bool over, read, skipped; /* some reader got bytes; was moved or lost */
};

struct reader {
	pthread_t thread;
	struct shared *shared;
	unsigned core;
	uint64_t messages, wrong, skips, lost;
};

struct place {
	struct cursor cursor;
	struct checker checker;
};

static void join(struct reader *r, struct place *p)
{
	checker_init(&p->checker);
	cursor_init(&p->cursor, r->shared->log, 0);
}

static void leave_log(struct reader *r, struct place *p)
{
	flv_in_fini(&p->checker.in);
	r->messages += p->checker.messages;
	r->wrong += p->checker.wrong;
}

static void read_some(struct reader *r, struct place *p, uint32_t max)
{
	uint64_t now_us = atomic_load(&r->shared->now_us), skipped = 0;
	struct slice s[2];
	struct wlog_key key;
	unsigned n;

	switch (cursor_settle(&p->cursor, now_us, 100000, &key, &skipped)) {
	case CURSOR_SKIPPED:
		p->checker.jumped = true;
		r->skips++;
		atomic_store(&r->shared->skipped, true);
		break;
	case CURSOR_GONE:
		r->lost++;
		atomic_store(&r->shared->skipped, true);
		leave_log(r, p);
		join(r, p);
		break;
	case CURSOR_DATA:
		n = cursor_range(&p->cursor, max, s);
		atomic_store(&r->shared->read, true);
		/* Sometimes the writer gets far ahead before these bytes are looked at. */
		for (unsigned i = 0; max % 8 == 0 && i < 20; i++)
			sched_yield();
		for (unsigned i = 0; i < n; i++) {
			check_bytes(&p->checker, s[i].p, s[i].n);
			cursor_advance(&p->cursor, s[i].n);
		}
		break;
	default:
		break;
	}
}

static void *read_log(void *arg)
{
	struct reader *r = arg;
	struct place p[CURSORS] = {0};
	unsigned seed = r->core;

	quiet_wake(&r->shared->quiet, r->core);
	for (unsigned i = 0; i < CURSORS; i++)
		join(r, &p[i]);
	while (!atomic_load(&r->shared->over)) {
		for (unsigned i = 0; i < CURSORS; i++)
			if ((unsigned)rand_r(&seed) % (1u << (3 * i)) == 0) /* faster and slower */
				read_some(r, &p[i], 1 + (uint32_t)rand_r(&seed) % 65536);
		if (rand_r(&seed) % 64) {
			quiet_pass(&r->shared->quiet, r->core);
		} else {
			quiet_sleep(&r->shared->quiet, r->core);
			sched_yield();
			quiet_wake(&r->shared->quiet, r->core);
		}
	}
	for (unsigned i = 0; i < CURSORS; i++)
		leave_log(r, &p[i]);
	quiet_sleep(&r->shared->quiet, r->core);
	return NULL;
}

static void write_log(struct shared *s)
{
	uint8_t payload[PAYLOAD_MAX];
	uint64_t now_us = 1000000;

	/* On a busy machine the readers may come late: it ends when it was worth it. */
	for (uint32_t number = 0;
	     number < MESSAGES || !atomic_load(&s->read) || !atomic_load(&s->skipped); number++) {
		struct msg m = {.type = MSG_VIDEO,
				.ts_ms = number,
				.len = payload_bytes(number),
				.data = payload};

		now_us += 1000;
		payload_fill(payload, number);
		if (is_key(number))
			wlog_begin_key(s->log, number, now_us, 1);
		while (wlog_append(s->log, &m, now_us) < 0) {
			/* All blocks wait for the readers: on with the next key frame. */
			wlog_trim(s->log, now_us);
			sched_yield();
			number = (number / KEY_EVERY + 1) * KEY_EVERY;
			payload_fill(payload, number);
			m.len = payload_bytes(number);
			wlog_begin_key(s->log, number, now_us, 1);
		}
		if (number % 4)
			continue;
		wlog_publish(s->log);
		wlog_trim(s->log, now_us);
		atomic_store(&s->now_us, now_us);
		if (number % 256 == 0)
			sched_yield();
	}
}

static void test_readers_see_whole_messages_while_the_tail_moves(void **state)
{
	struct reader readers[READERS] = {0};
	struct shared s = {0};
	uint64_t messages = 0, skips = 0;

	assert_int_equal(arena_init(&s.arena, 2 << 20, 16384, ARENA_NORMAL), 0);
	quiet_init(&s.quiet, READERS);
	s.log = wlog_new(WIRE_FLV, &s.arena, &s.quiet, 300000, 1 << 20);
	assert_non_null(s.log);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){.shared = &s, .core = i};
		assert_int_equal(pthread_create(&readers[i].thread, NULL, read_log, &readers[i]),
				 0);
	}
	write_log(&s);
	atomic_store(&s.over, true);
	for (unsigned i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		assert_int_equal(readers[i].wrong, 0);
		messages += readers[i].messages;
		skips += readers[i].skips + readers[i].lost;
	}
	assert_true(messages > 0 && skips > 0);
	wlog_check(s.log);
	wlog_free(s.log);
	assert_int_equal(arena_used(&s.arena), 0);
	arena_fini(&s.arena);
}

/* ---- whole cores: a publisher on one, viewers on all ---- */

#define CORES	3
#define VIEWERS 24 /* a core */
#define BATCHES 150u

struct fake_net {
	sem_t bell;
};

struct watcher {
	struct viewer v;
	struct checker checker;
	struct stream_open open;
	unsigned rejoins;
};

struct house {
	struct bench b;
	struct fake_net net[CORES];
	pthread_t thread[CORES];
	struct stream *stream;
	struct timer publish;
	uint32_t number;
	unsigned batches;
	struct watcher watcher[CORES][VIEWERS];
	struct mail begin[CORES];
	_Atomic unsigned gone;
	sem_t all_gone;
};

static struct house house;

static void net_wait_for(void *net, uint64_t until_us)
{
	struct timespec until = {(time_t)(until_us / 1000000), (long)(until_us % 1000000) * 1000};

	if (until_us == UINT64_MAX)
		sem_wait(&((struct fake_net *)net)->bell);
	else
		sem_clockwait(&((struct fake_net *)net)->bell, CLOCK_MONOTONIC, &until);
}

static void net_ring(void *net)
{
	sem_post(&((struct fake_net *)net)->bell);
}

static void on_send(struct viewer *v, const struct slice *s, unsigned n)
{
	struct watcher *w = container_of(v, struct watcher, v);
	uint32_t bytes = 0;

	for (unsigned i = 0; i < n; i++) {
		check_bytes(&w->checker, s[i].p, s[i].n);
		bytes += (uint32_t)s[i].n;
	}
	viewer_sent(v, bytes); /* a network that takes all at once */
}

static bool on_placed(struct viewer *v, const struct wlog_key *key, bool first, uint64_t skipped)
{
	struct watcher *w = container_of(v, struct watcher, v);
	const struct stream_headers *h = stream_headers(v->stream);

	w->checker.jumped = true;
	w->checker.wrong += !h || h->n != 1 || h->data[0] != 0x17;
	return false;
}

static void on_reached(struct viewer *v)
{
	viewer_resume(v, false);
}

static void leave(struct watcher *w)
{
	flv_in_fini(&w->checker.in);
	viewer_remove(&w->v);
	stream_put(w->v.stream, w->v.core);
	if (atomic_fetch_add(&house.gone, 1) + 1 == CORES * VIEWERS)
		sem_post(&house.all_gone);
}

static void on_over(struct viewer *v, enum reason why)
{
	struct watcher *w = container_of(v, struct watcher, v);

	w->checker.wrong += why != REASON_STREAM_ENDED || cursor_behind(&v->cursor);
	leave(w);
}

static const struct viewer_ops ops = {on_send, on_placed, on_reached, on_over};

static void enter(struct mail *m, struct core *c)
{
	struct watcher *w = container_of(m, struct watcher, open.mail);
	struct wlog *log = atomic_load(&w->v.stream->log[WIRE_FLV]);

	if (!log) { /* ended before it could be opened */
		w->checker.wrong++;
		leave(w);
		return;
	}
	cursor_init(&w->v.cursor, log, 0);
	w->checker.wrong += viewer_add(&w->v, (enum tick_class)((w - house.watcher[c->id]) % 3));
	viewer_pause(&w->v);
}

static void begin(struct mail *m, struct core *c)
{
	for (unsigned i = 0; i < VIEWERS; i++) {
		struct watcher *w = &house.watcher[c->id][i];

		checker_init(&w->checker);
		w->open.mail.run = enter;
		w->v.stream = stream_get(house.stream);
		w->v.ops = &ops;
		w->v.core = c;
		w->v.shm = shm_audience_of(c->engine->shm, house.stream->shm, c->id);
		if (stream_log(house.stream, c, WIRE_FLV, &w->open))
			enter(&w->open.mail, c);
	}
}

static void publish(struct timer *t, uint64_t now_us)
{
	struct core *home = &house.b.core[0];
	uint8_t payload[PAYLOAD_MAX];

	for (int i = 0; i < 20; i++, house.number++) {
		struct msg m = {.type = MSG_VIDEO,
				.ts_ms = house.number,
				.len = payload_bytes(house.number),
				.data = payload};

		payload_fill(payload, house.number);
		stream_append(house.stream, home, &m);
	}
	stream_flush(house.stream, home);
	if (++house.batches == 10)
		for (unsigned i = 0; i < CORES; i++)
			mail_post(&house.b.core[i], &house.begin[i]);
	if (house.batches < BATCHES)
		wheel_arm(&home->wheel, t, now_us + 4000);
	else
		stream_end(house.stream, home, REASON_UNPUBLISHED);
}

static void open_house(struct mail *m, struct core *home)
{
	struct test_msg t;

	must(stream_publish(home->engine->registry, home, "d/a/n", false, &house.stream) == 0);
	stream_append(house.stream, home, test_video_header(&t, 0, 1));
	house.publish.fire = publish;
	publish(&house.publish, home->now_us);
}

static void *run(void *core)
{
	core_run(core);
	return NULL;
}

static void test_cores_serve_one_stream_and_all_get_every_byte(void **state)
{
	struct mail start = {.run = open_house};
	uint64_t messages = 0;

	bench_up(&house.b, (struct bench_options){CORES, 4, 64 << 20, 65536});
	sem_init(&house.all_gone, 0, 0);
	for (unsigned i = 0; i < CORES; i++) {
		sem_init(&house.net[i].bell, 0, 0);
		house.begin[i].run = begin;
		house.b.core[i].io = (struct core_io){
			.net = &house.net[i], .wait = net_wait_for, .wake = net_ring};
	}
	for (unsigned i = 0; i < CORES; i++)
		assert_int_equal(pthread_create(&house.thread[i], NULL, run, &house.b.core[i]), 0);
	mail_post(&house.b.core[0], &start);
	sem_wait(&house.all_gone);
	for (unsigned i = 0; i < CORES; i++) {
		atomic_store(&house.b.core[i].stop, true);
		net_ring(&house.net[i]);
	}
	for (unsigned i = 0; i < CORES; i++)
		pthread_join(house.thread[i], NULL);
	for (unsigned i = 0; i < CORES; i++) {
		for (unsigned k = 0; k < VIEWERS; k++) {
			struct checker *c = &house.watcher[i][k].checker;

			assert_int_equal(c->wrong, 0);
			assert_int_equal(c->last, house.number - 1);
			messages += c->messages;
		}
		sem_destroy(&house.net[i].bell);
	}
	assert_true(messages >= CORES * VIEWERS * 20ull * (BATCHES - 12));
	sem_destroy(&house.all_gone);
	bench_down(&house.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_readers_see_whole_messages_while_the_tail_moves),
		cmocka_unit_test(test_cores_serve_one_stream_and_all_get_every_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
