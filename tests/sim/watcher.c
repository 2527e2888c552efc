/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/world.h"

#define SLOW_BYTES_PER_S 9000u /* about half of what the world's publisher makes */
#define SLOW_BURST	 4096u
#define STUCK_AFTER_US	 3000000u
/* A viewer that reads all the time is never further behind than this, however unlucky. */
#define FAST_DELAY_US 1000000u
/* Lag bound, one GOP until there is somewhere to skip to, and the message it has to finish. */
#define SLOW_DELAY_US (8000000u + 2500000u + 3000000u)

static struct watcher *of(struct viewer *v)
{
	return container_of(v, struct watcher, v);
}

static const struct model *model_of(const struct watcher *x)
{
	return &x->stream->model[x->format];
}

static uint64_t now_us(const struct watcher *x)
{
	return x->world->b.now_us;
}

static bool lucky(struct watcher *x, unsigned one_in)
{
	return luck_below(&x->luck, one_in) == 0;
}

static void forget_event(struct watcher *x)
{
	if (x->event != EVENT_NONE)
		LIST_REMOVE(x, due);
	x->event = EVENT_NONE;
}

/* ---- what the network does with a send ---- */

/* Bytes that a slow viewer has room for. */
static uint32_t slow_room(struct watcher *x)
{
	uint64_t room = (now_us(x) - x->tokens_us) * SLOW_BYTES_PER_S / 1000000;

	return (uint32_t)min_of(room, (uint64_t)SLOW_BURST);
}

static uint32_t will_accept(struct watcher *x, uint32_t n)
{
	switch ((enum watcher_kind)x->kind) {
	case WATCHER_STUCK:
		if (now_us(x) > x->in_since_us + STUCK_AFTER_US)
			return 0;
		break;
	case WATCHER_SLOW:
		n = min_of(n, slow_room(x));
		x->tokens_us =
			now_us(x) - (uint64_t)(slow_room(x) - n) * 1000000 / SLOW_BYTES_PER_S;
		return n;
	case WATCHER_FAST:
		break;
	}
	if (lucky(x, 50))
		return 0;
	return lucky(x, 10) ? 1 + luck_below(&x->luck, n) : n;
}

/* How late the oldest of these bytes is, if it came while the viewer was there. */
static void note_delay(struct watcher *x)
{
	const struct model *m = model_of(x);
	uint64_t at_us;

	x->at_msg = model_find(m, x->pos, x->at_msg);
	at_us = m->msg[x->at_msg].at_us;
	if (at_us < x->in_since_us || x->pausing)
		return;
	x->delay_max_us = max_of(x->delay_max_us, now_us(x) - at_us);
	if (x->kind == WATCHER_FAST)
		world_check(x->world, now_us(x) - at_us <= FAST_DELAY_US);
	/* After the end there is no newer key frame to skip to. */
	if (x->kind == WATCHER_SLOW && x->stream == x->world->live)
		world_check(x->world, now_us(x) - at_us <= SLOW_DELAY_US);
}

static void accepted(struct watcher *x, uint32_t n)
{
	x->pos += n;
	x->bytes += n;
	x->trace = (x->trace ^ now_us(x)) * 0x100000001b3u + x->pos;
	viewer_sent(&x->v, n);
}

static void on_send(struct viewer *v, const struct slice *s, unsigned n)
{
	struct watcher *x = of(v);
	const struct model *m = model_of(x);
	uint64_t pos = x->pos;
	uint32_t take;

	world_check(x->world, x->state == WATCHER_IN && x->event == EVENT_NONE && x->placed);
	world_check(x->world, n >= 1 && n <= 2);
	for (unsigned i = 0; i < n; i++) {
		world_check(x->world, s[i].n > 0 && pos + s[i].n <= m->bytes_n);
		world_check(x->world, !memcmp(s[i].p, m->bytes + pos, s[i].n));
		pos += s[i].n;
	}
	world_check(x->world, pos - x->pos <= FANOUT_SEND_MAX);
	note_delay(x);
	if (x->leave_in_op && lucky(x, x->leave_in_op)) {
		watcher_leave(x);
		return;
	}
	take = will_accept(x, (uint32_t)(pos - x->pos));
	x->accepted = take;
	if (!take)
		world_due(x, EVENT_BLOCKED, 1);
	else if (lucky(x, 8))
		accepted(x, take);
	else
		world_due(x, EVENT_SENT, 1 + luck_below(&x->luck, 5));
}

/* ---- where it is put ---- */

static bool on_placed(struct viewer *v, const struct wlog_key *key, bool first, uint64_t skipped)
{
	struct watcher *x = of(v);
	const struct model_msg *want = model_key(model_of(x), key->off);
	const struct stream_headers *h = stream_headers(v->stream);

	world_check(x->world, x->event == EVENT_NONE);
	world_check(x->world, want && want->headers == key->headers);
	world_check(x->world, h && h->gen >= key->headers && h->n == 2);
	world_check(x->world, h->msg[0].type == MSG_VIDEO && h->msg[1].type == MSG_AUDIO);
	world_check(x->world, first == !x->placed);
	if (!first) {
		world_check(x->world, model_is_boundary(model_of(x), x->pos));
		world_check(x->world, key->off > x->pos && skipped == key->off - x->pos);
		x->skips++;
	}
	x->placed = true;
	x->pos = key->off;
	if (x->leave_in_op && lucky(x, x->leave_in_op)) {
		watcher_leave(x);
		return lucky(x, 2); /* nobody may listen to it any more */
	}
	if (lucky(x, 2))
		return false;
	world_due(x, EVENT_PRIVATE, 1 + luck_below(&x->luck, 30));
	return true;
}

static void on_reached(struct viewer *v)
{
	struct watcher *x = of(v);

	world_check(x->world, x->pausing && x->event == EVENT_NONE);
	world_check(x->world, !x->placed || model_is_boundary(model_of(x), x->pos));
	if (x->leave_in_op && lucky(x, x->leave_in_op)) {
		watcher_leave(x);
		return;
	}
	world_due(x, EVENT_RESUME, 1 + luck_below(&x->luck, lucky(x, 4) ? 1000 : 20));
}

static void on_over(struct viewer *v, enum reason why)
{
	struct watcher *x = of(v);

	if (why == REASON_STREAM_ENDED) {
		world_check(x->world, !stream_is_live(v->stream));
		/* All sent; or it had to wait for a key frame that does not come any more. */
		if (v->cursor.state == CURSOR_WAITING)
			world_check(x->world, !x->placed || model_is_boundary(model_of(x), x->pos));
		else
			world_check(x->world, x->pausing || x->pos == model_of(x)->bytes_n);
	}
	if (why == REASON_SEND_STALLED)
		world_check(x->world, x->kind == WATCHER_STUCK);
	x->over[why]++;
	watcher_leave(x);
}

static const struct viewer_ops ops = {on_send, on_placed, on_reached, on_over};

/* ---- coming and going ---- */

static void enter(struct watcher *x, struct wlog *log)
{
	struct bench *b = &x->world->b;

	world_adopt(x->world);
	x->state = WATCHER_IN;
	x->placed = false;
	x->pausing = false;
	x->at_msg = 0;
	x->in_since_us = now_us(x);
	x->tokens_us = now_us(x);
	x->joins++;
	memset(&x->v, 0, sizeof(x->v));
	x->v.stream = x->stream->stream;
	x->v.ops = &ops;
	x->v.core = watcher_core(x);
	x->v.shm = shm_audience_of(b->engine.shm, x->v.stream->shm, x->v.core->id);
	cursor_init(&x->v.cursor, log, 0);
	world_check(x->world, viewer_add(&x->v, (enum tick_class)(x->id % TICK_MAX)) == 0);
}

static void opened(struct mail *m, struct core *c)
{
	struct watcher *x = container_of(m, struct watcher, open.mail);
	struct wlog *log = x->stream->stream->log[x->format];

	world_check(x->world, c == watcher_core(x) && x->state == WATCHER_OPENING);
	if (log) {
		enter(x, log);
		return;
	}
	x->state = WATCHER_OUT;
	stream_put(x->stream->stream, c);
}

void watcher_join(struct watcher *x)
{
	struct world *w = x->world;
	struct stream *s = stream_find(w->b.engine.registry, "default/live/sim");
	struct wlog *log;

	world_check(w, x->state == WATCHER_OUT && (s != NULL) == (w->live != NULL));
	if (!s)
		return;
	world_check(w, s == w->live->stream);
	x->stream = w->live;
	x->format = w->o.flv && x->id / w->o.cores % 2 ? WIRE_FLV : WIRE_RTMP;
	x->state = WATCHER_OPENING;
	x->open.mail.run = opened;
	log = stream_log(s, watcher_core(x), x->format, &x->open);
	if (log)
		enter(x, log);
}

void watcher_leave(struct watcher *x)
{
	world_check(x->world, x->state == WATCHER_IN);
	forget_event(x);
	viewer_remove(&x->v);
	x->state = WATCHER_OUT;
	stream_put(x->stream->stream, watcher_core(x));
}

void watcher_act(struct watcher *x)
{
	unsigned what = luck_below(&x->luck, 4);

	if (x->state == WATCHER_OUT) {
		watcher_join(x);
	} else if (x->state == WATCHER_IN && x->kind != WATCHER_STUCK) {
		if (what == 0) {
			watcher_leave(x);
		} else if (what == 1 && !x->pausing) {
			x->pausing = true;
			viewer_pause(&x->v);
		}
	}
}

/* ---- events ---- */

void watcher_event(struct watcher *x)
{
	enum watcher_event event = (enum watcher_event)x->event;

	forget_event(x);
	switch (event) {
	case EVENT_SENT:
		accepted(x, x->accepted);
		break;
	case EVENT_BLOCKED:
		viewer_blocked(&x->v, 0);
		if (x->kind != WATCHER_STUCK || now_us(x) < x->in_since_us + STUCK_AFTER_US)
			world_due(x, EVENT_WRITABLE,
				  x->kind == WATCHER_SLOW ? 200 : 5 + luck_below(&x->luck, 45));
		break;
	case EVENT_WRITABLE:
	case EVENT_PRIVATE:
		viewer_kick(&x->v);
		break;
	case EVENT_RESUME:
		x->pausing = false;
		/* What came meanwhile is late for no fault of the network. */
		x->in_since_us = now_us(x);
		viewer_resume(&x->v, lucky(x, 2));
		break;
	case EVENT_NONE:
		break;
	}
}

void watcher_check(const struct watcher *x)
{
	if (x->state != WATCHER_IN)
		return;
	cursor_check(&x->v.cursor);
	if (x->placed && x->event != EVENT_SENT)
		world_check(x->world, x->v.cursor.sent == x->pos);
}
