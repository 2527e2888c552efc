/* SPDX-License-Identifier: Apache-2.0 */
#include "session/path.h"

#include <errno.h>

#include "base/check.h"
#include "core/shm.h"
#include "session/feed.h"
#include "session/session.h"

#define ROUND_US   1000000u
#define SLOT_BITS  20
#define GEN_BITS   8
#define ROLE_BITS  4
#define SLOT_SHIFT (GEN_BITS + ROLE_BITS)

static_assert(SHM_ROLES <= 1 << ROLE_BITS, "roles have 4 bits");

static int notes = -1;

void path_notes(int map)
{
	notes = map;
}

/* ---- notes ---- */

/* A role that is known is not 0, so neither is the note. */
uint32_t path_note_of(uint32_t slot, uint64_t gen, enum shm_role role)
{
	must(slot < 1u << SLOT_BITS);
	return slot << SLOT_SHIFT | (uint32_t)path_note_gen(gen) << ROLE_BITS | role;
}

struct path_note path_note_read(uint32_t note)
{
	return (struct path_note){
		.slot = note >> SLOT_SHIFT,
		.gen = (uint8_t)(note >> ROLE_BITS),
		.role = note & ((1u << ROLE_BITS) - 1),
	};
}

/* ---- counting ---- */

static bool is_counted_here(const struct session *s)
{
	return (notes < 0 || s->path.unseen) && s->conn && !s->connecting;
}

static void count_path(struct shm_path *to, const struct net_path *now, const struct net_path *was)
{
	shm_add(&to->sent, now->sent - was->sent);
	shm_add(&to->retransmitted, now->retransmitted - was->retransmitted);
	shm_add(&to->duplicate, now->duplicate - was->duplicate);
	shm_add(&to->delivered, now->delivered - was->delivered);
	shm_add(&to->acked_bytes, now->acked_bytes - was->acked_bytes);
}

static void count_look(struct shm_paths *to, uint8_t role, const struct net_path *now,
		       const struct net_path *was)
{
	enum shm_way way = role_way(role);
	uint32_t sent = now->sent - was->sent, again = now->retransmitted - was->retransmitted;

	count_path(&to->role[role], now, was);
	if (now->srtt_us)
		shm_hist_add(&to->rtt[way], now->srtt_us, SHM_RTT_SHIFT);
	if (sent)
		shm_add(&to->ratio[way][shm_ratio_bucket(sent, again)], 1);
}

/* Only sessions that are counted here pay for it. */
static bool begin_counting(struct session *s)
{
	struct path *p = &s->path;

	if (p->counted)
		return true;
	p->counted = mem_resize(&s->mem, NULL, 0, sizeof(*p->counted));
	if (p->counted)
		*p->counted = (struct net_path){0};
	return p->counted;
}

static bool look(struct session *s)
{
	struct shm_head *shm = s->core->engine->shm;
	struct path *p = &s->path;
	struct net_path now;

	if (!net_path(s->conn, &now) || !begin_counting(s))
		return false;
	count_look(shm_paths_of(shm, s->core->id), p->role, &now, p->counted);
	/* The stream may have ended, and its slot be another's. */
	if (p->shm && shm_stream_enter(p->shm, p->gen)) {
		count_look(shm_stream_paths_of(shm, p->shm, s->core->id), p->role, &now,
			   p->counted);
		shm_stream_leave();
	}
	*p->counted = now;
	return true;
}

/* ---- a session ---- */

void path_role(struct session *s, struct stream *stream, enum shm_role role)
{
	struct path *p = &s->path;

	if (is_counted_here(s))
		look(s); /* what was until now is not this stream's */
	p->shm = stream->shm;
	p->gen = shm_get(&stream->shm->gen);
	p->role = (uint8_t)role;
	if (notes >= 0 && s->conn)
		p->unseen = net_note(s->conn, notes, path_note_of(stream->slot, p->gen, role)) ==
			    -EOPNOTSUPP;
}

void path_asked(struct session *s)
{
	s->path.since_us = s->core->now_us;
}

void path_end(struct session *s, struct path_end *out)
{
	*out = (struct path_end){0};
	if (s->feed) {
		out->skips = s->feed->viewer.cursor.skips;
		if (s->feed->active)
			out->lag_ms =
				(uint32_t)(cursor_lag_us(&s->feed->viewer.cursor, s->core->now_us) /
					   1000);
	}
	if (!s->conn || s->connecting)
		return;
	if (is_counted_here(s) && look(s))
		out->tcp = *s->path.counted; /* the line says what was counted */
	else
		net_path(s->conn, &out->tcp);
	if (s->path.counted)
		mem_free(&s->mem, s->path.counted, sizeof(*s->path.counted));
	s->path.counted = NULL;
}

/* ---- looking in turn ---- */

/* One per core. */
struct watch {
	struct timer timer;
	struct core *core;
	uint64_t round, every; /* a session is looked at in one round of so many */
	uint64_t alive;
};

static void visit(void *arg, struct session *s)
{
	struct watch *w = arg;

	w->alive++;
	if ((s->id >> 8) % w->every != w->round % w->every)
		return;
	if (is_counted_here(s))
		look(s);
	if (s->feed && s->feed->active && s->feed->ops->role == FEED_VIEWER)
		shm_hist_add(&s->feed->viewer.shm->lag,
			     cursor_lag_us(&s->feed->viewer.cursor, s->core->now_us),
			     SHM_LAG_SHIFT);
}

static void round_fired(struct timer *t, uint64_t now_us)
{
	struct watch *w = container_of(t, struct watch, timer);

	w->alive = 0;
	sessions_each(w->core, visit, w);
	w->every = w->alive / PATH_LOOKS + 1;
	w->round++;
	wheel_arm(&w->core->wheel, t, now_us + ROUND_US);
}

void path_watch(struct core *c)
{
	static struct watch watches[ENGINE_CORES_MAX];
	struct watch *w = &watches[c->id];

	must(c->id < array_len(watches));
	*w = (struct watch){.timer.fire = round_fired, .core = c, .every = 1};
	wheel_arm(&c->wheel, &w->timer, c->now_us + ROUND_US);
}
