/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/packages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

#include <event2/event.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "controlplane/domain.h"
#include "controlplane/domains.h"
#include "controlplane/package_pool.h"
#include "controlplane/store_redis_hls.h"

#define TICK_MS	     250
#define LOOK_US	     5000000 /* what is live is looked at this often */
#define SAVE_US	     1000000
#define AGAIN_US     100000
#define FAILED_US    30000000
#define STEADY_US    60000000 /* having run so long, lost workers are forgotten */
#define ALONE_DEATHS 2
#define SEED_EPOCH_S 1735689600 /* 2025 */

enum package_state { PACKAGE_READING, PACKAGE_PLACED, PACKAGE_WAITING, PACKAGE_FAILED };

struct package {
	LIST_ENTRY(package) link;
	struct packages *owner;
	char stream[512], word[16], reason[64], detail[200];
	enum package_state state;
	struct pool_worker *worker; /* placed */
	struct store_hls numbers;
	uint64_t due_us, placed_us, saved_us, since_ms;
	uint64_t segments, bytes, dropped; /* of the present worker */
	unsigned deaths;
	bool hurry;   /* somebody waits for its first segment */
	bool again;   /* it was published anew meanwhile */
	bool unsaved; /* its numbers */
};

struct packages {
	struct cp *cp;
	struct pool *pool;
	struct event *tick;
	LIST_HEAD(, package) all;
	json_t *known; /* numbers of what the data plane held when it was connected; NULL: not up */
	uint64_t look_us;
	struct packages_count count;
	uint64_t epoch; /* of the data plane */
};

static struct package *find(const struct packages *ps, const char *stream)
{
	struct package *p;

	LIST_FOREACH (p, &ps->all, link)
		if (!strcmp(p->stream, stream))
			return p;
	return NULL;
}

/* ---- telling and saving -------------------------------------------------------------------------- */

static void tell(const struct package *p, const char *event)
{
	const struct cp *cp = p->owner->cp;
	char now[24], seq[24];
	struct task_field f[] = {{"Event", event},	{"Time", now},	       {"Node", cp->node},
				 {"Stream", p->stream}, {"Reason", p->reason}, {"MediaSeq", seq}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(seq, sizeof(seq), "%lld", (long long)p->numbers.media_seq);
	store_event(cp->store, f, array_len(f));
}

static void tell_archive(const struct packages *ps, const char *reason, uint64_t n)
{
	char now[24], lost[24];
	struct task_field f[] = {{"Event", "hls.not_kept"},
				 {"Time", now},
				 {"Node", ps->cp->node},
				 {"Reason", reason},
				 {"Segments", lost}};

	snprintf(now, sizeof(now), "%llu", (unsigned long long)clock_wall_ms());
	snprintf(lost, sizeof(lost), "%llu", (unsigned long long)n);
	store_event(ps->cp->store, f, array_len(f));
	log_warn("hls_folder", "reason=%s segments=%s", reason, lost);
}

static void save(struct package *p, bool running)
{
	p->numbers.running = running;
	p->unsaved = false;
	p->saved_us = clock_us();
	store_hls_save(p->owner->cp->store, p->stream, p->owner->cp->node, &p->numbers);
}

static void leave(struct package *p)
{
	if (p->worker)
		pool_leave(p->worker);
	p->worker = NULL;
}

static void package_remove(struct package *p)
{
	leave(p);
	LIST_REMOVE(p, link);
	free(p);
}

static void wait_until(struct package *p, enum package_state state, uint64_t us)
{
	leave(p);
	p->state = state;
	p->due_us = clock_us() + us;
}

/* ---- starting ------------------------------------------------------------------------------------ */

static const json_t *domains(const struct packages *ps)
{
	return book_all(domains_book(ps->cp->domains));
}

static json_t *start_packet(const struct package *p)
{
	const struct cp *cp = p->owner->cp;
	const struct config *c = &cp->conf;
	char text[600], pass[DIGEST_TEXT];
	struct shm_stream_view v = {0};
	uint32_t slot;

	/* As session/inner.h expects it of a player of our own. */
	snprintf(text, sizeof(text), "%s%s", dp_inner_key(cp->dp), p->stream);
	if (cp->shm)
		shm_stream_find(cp->shm, p->stream, &v, &slot);
	return json_pack(
		"{ss ss ss ss sI sI sI sI sI sb sI sb}", "package", "start", "stream", p->stream,
		"pass", digest_text(pass, text), "format", c->hls_format, "segment_ms",
		(json_int_t)domains_hls_segment(domains(p->owner), p->stream, c->hls_segment),
		"part_ms", (json_int_t)c->hls_part, "gop_ms", (json_int_t)v.gop_ms, "media_seq",
		(json_int_t)p->numbers.media_seq, "disc_seq", (json_int_t)p->numbers.disc_seq,
		"encrypt", (int)c->hls_encrypt, "key_segments", (json_int_t)c->hls_key_segments,
		"hurry", (int)p->hurry);
}

static void place(struct package *p)
{
	p->worker = pool_place(p->owner->pool, p->deaths >= ALONE_DEATHS);
	p->state = PACKAGE_PLACED;
	p->placed_us = clock_us();
	p->segments = p->bytes = p->dropped = 0;
	pool_tell(p->worker, start_packet(p));
	log_debug("package", "stream=%s media_seq=%lld", p->stream,
		  (long long)p->numbers.media_seq);
}

/* Half seconds of the wall clock: no stream has used as many numbers, and none goes back. */
static int64_t seed(void)
{
	return ((int64_t)time(NULL) - SEED_EPOCH_S) * 2;
}

struct asked {
	struct packages *ps;
	uint64_t epoch;
	char stream[512];
};

static void on_numbers(void *arg, bool found, const struct store_hls *h)
{
	struct asked *a = arg;
	struct package *p = a->epoch == a->ps->epoch ? find(a->ps, a->stream) : NULL;

	if (p && p->state == PACKAGE_READING) {
		p->numbers = *h;
		if (found && h->running)
			p->numbers.media_seq += STORE_HLS_MARGIN;
		if (found)
			p->numbers.disc_seq++; /* the data plane has nothing of it any more */
		else if (!store_ready(a->ps->cp->store))
			p->numbers.media_seq = seed();
		place(p);
	}
	free(a);
}

static void read_numbers(struct package *p)
{
	struct packages *ps = p->owner;
	const json_t *known = json_object_get(ps->known, p->stream);
	struct asked *a;

	if (known) {
		p->numbers.media_seq = json_integer_value(json_object_get(known, "media_seq"));
		p->numbers.disc_seq = json_integer_value(json_object_get(known, "disc_seq")) + 1;
		json_object_del(ps->known, p->stream);
		place(p);
		return;
	}
	a = calloc(1, sizeof(*a));
	must(a);
	*a = (struct asked){.ps = ps, .epoch = ps->epoch};
	snprintf(a->stream, sizeof(a->stream), "%s", p->stream);
	store_hls_read(ps->cp->store, p->stream, on_numbers, a);
}

static void want(struct packages *ps, const char *stream, bool hurry)
{
	struct package *p = find(ps, stream);

	if (!ps->known || p || !*stream || *stream == '_' || strlen(stream) >= sizeof(p->stream))
		return;
	p = calloc(1, sizeof(*p));
	must(p);
	p->owner = ps;
	snprintf(p->stream, sizeof(p->stream), "%s", stream);
	snprintf(p->word, sizeof(p->word), "connecting");
	p->hurry = hurry;
	p->since_ms = clock_wall_ms();
	LIST_INSERT_HEAD(&ps->all, p, link);
	read_numbers(p);
}

/* ---- what workers say ---------------------------------------------------------------------------- */

static int64_t int_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static uint64_t grown(uint64_t *old, const json_t *o, const char *name)
{
	uint64_t now = (uint64_t)int_of(o, name), more = now > *old ? now - *old : 0;

	*old = now;
	return more;
}

static void take_numbers(struct package *p, const json_t *o)
{
	struct packages_count *n = &p->owner->count;

	p->numbers.media_seq = max_of(p->numbers.media_seq, int_of(o, "media_seq"));
	p->numbers.disc_seq = max_of(p->numbers.disc_seq, int_of(o, "disc_seq"));
	n->segments += grown(&p->segments, o, "segments");
	n->bytes += grown(&p->bytes, o, "bytes");
	n->dropped += grown(&p->dropped, o, "dropped");
	p->unsaved = true;
}

static void over(struct package *p)
{
	struct packages *ps = p->owner;
	bool again = p->again;
	char stream[512];

	snprintf(stream, sizeof(stream), "%s", p->stream);
	save(p, false);
	tell(p, "hls.ended");
	package_remove(p);
	if (again)
		want(ps, stream, false);
}

static void take_report(struct package *p, const json_t *o)
{
	const char *word = dp_text(o, "state");
	bool changed = strcmp(word, p->word) != 0;

	take_numbers(p, o);
	snprintf(p->word, sizeof(p->word), "%s", word);
	snprintf(p->reason, sizeof(p->reason), "%s", dp_text(o, "reason"));
	snprintf(p->detail, sizeof(p->detail), "%s", dp_text(o, "detail"));
	if (!strcmp(word, "ended")) {
		over(p);
	} else if (!strcmp(word, "failed")) {
		p->owner->count.failures++;
		log_warn("package_failed", "stream=%s reason=%s", p->stream, p->reason);
		save(p, false);
		tell(p, "hls.failed");
		wait_until(p, PACKAGE_FAILED, FAILED_US);
	} else if (changed && !strcmp(word, "running")) {
		save(p, true);
		tell(p, "hls.running");
	}
}

static void take_archive(struct packages *ps, const json_t *o)
{
	struct packages_count *n = &ps->count;
	uint64_t failed = (uint64_t)int_of(o, "failed");

	n->files += (uint64_t)int_of(o, "files");
	n->files_bytes += (uint64_t)int_of(o, "bytes");
	n->files_failed += failed;
	if (failed)
		tell_archive(ps, dp_text(o, "reason"), failed);
}

static void on_said(void *arg, struct pool_worker *w, const json_t *packet)
{
	struct packages *ps = arg;
	const char *event = dp_text(packet, "event");
	struct package *p;

	if (!strcmp(event, "archive")) {
		take_archive(ps, packet);
		return;
	}
	if (strcmp(event, "package") != 0)
		return;
	p = find(ps, dp_text(packet, "stream"));
	if (p && p->worker == w)
		take_report(p, packet);
}

static void on_gone(void *arg, struct pool_worker *w)
{
	struct packages *ps = arg;
	struct package *p;
	uint64_t now = clock_us();

	LIST_FOREACH (p, &ps->all, link) {
		if (p->worker != w)
			continue;
		p->deaths = now - p->placed_us > STEADY_US ? 1 : p->deaths + 1;
		snprintf(p->reason, sizeof(p->reason), "worker_lost");
		snprintf(p->word, sizeof(p->word), "waiting");
		tell(p, "hls.worker_lost");
		p->hurry = false;
		p->numbers.disc_seq++; /* the data plane sets the mark by itself */
		wait_until(p, PACKAGE_WAITING, (uint64_t)AGAIN_US << min_of(p->deaths - 1, 8u));
	}
}

static const struct pool_ops pool_ops = {on_said, on_gone};

/* ---- what is live, what is asked for ------------------------------------------------------------- */

/* The stream's: its domains', or else the configuration's. */
static bool mode_is(const struct packages *ps, const char *stream, const char *mode)
{
	return !strcmp(domains_hls(domains(ps), stream, ps->cp->conf.hls_mode), mode);
}

static void on_live(void *arg, json_t *answer)
{
	struct asked *a = arg;
	const json_t *row;
	size_t i;

	if (answer && !dp_error(answer) && a->epoch == a->ps->epoch)
		json_array_foreach (json_object_get(answer, "streams"), i, row)
			if (json_is_string(json_object_get(row, "publisher")) &&
			    mode_is(a->ps, dp_text(row, "stream"), "always"))
				want(a->ps, dp_text(row, "stream"), false);
	free(a);
}

static void look(struct packages *ps)
{
	struct asked *a;

	ps->look_us = clock_us();
	if (strcmp(ps->cp->conf.hls_mode, "always") != 0 && !domains_name_hls(domains(ps)))
		return;
	a = calloc(1, sizeof(*a));
	must(a);
	*a = (struct asked){.ps = ps, .epoch = ps->epoch};
	dp_request(ps->cp->dp, "stream.list", NULL, on_live, a);
}

/* What it holds goes on at once where somebody may still be watching. */
static void on_held(void *arg, json_t *answer)
{
	struct asked *a = arg;
	struct packages *ps = a->ps;
	const json_t *row;
	size_t i;

	if (!answer || a->epoch != ps->epoch)
		goto out;
	ps->known = json_object();
	json_array_foreach (json_object_get(answer, "streams"), i, row)
		json_object_set(ps->known, dp_text(row, "stream"), (json_t *)(uintptr_t)row);
	json_array_foreach (json_object_get(answer, "streams"), i, row)
		if (mode_is(ps, dp_text(row, "stream"), "on_demand") &&
		    int_of(row, "idle_ms") < domains_hls_idle(domains(ps), dp_text(row, "stream"),
							      ps->cp->conf.hls_idle))
			want(ps, dp_text(row, "stream"), false);
	look(ps);
out:
	free(a);
}

void packages_up(struct packages *ps)
{
	struct asked *a = calloc(1, sizeof(*a));

	must(a);
	ps->epoch++;
	*a = (struct asked){.ps = ps, .epoch = ps->epoch};
	dp_request(ps->cp->dp, "hls.list", NULL, on_held, a);
}

void packages_down(struct packages *ps)
{
	struct package *p;

	ps->epoch++;
	json_decref(ps->known);
	ps->known = NULL;
	pool_close(ps->pool);
	while ((p = LIST_FIRST(&ps->all))) {
		if (p->state != PACKAGE_READING)
			save(p, true);
		p->worker = NULL; /* closed with the pool */
		package_remove(p);
	}
}

void packages_event(struct packages *ps, const char *name, const json_t *event)
{
	const char *stream = dp_text(event, "stream");
	struct package *p = find(ps, stream);

	if (!strcmp(name, "stream.publish") && mode_is(ps, stream, "always")) {
		if (p && p->state == PACKAGE_FAILED)
			package_remove(p);
		else if (p)
			p->again = true;
		if (!json_is_true(json_object_get(event, "internal")))
			want(ps, stream, false);
	} else if (!strcmp(name, "hls.wanted") && !mode_is(ps, stream, "off")) {
		want(ps, stream, true);
	} else if (!strcmp(name, "hls.idle") && p && !mode_is(ps, stream, "always")) {
		if (p->worker)
			pool_tell(p->worker, json_pack("{ss ss sb}", "package", "stop", "stream",
						       stream, "end", 0));
		if (p->state != PACKAGE_READING)
			save(p, false);
		package_remove(p);
	}
}

/* ---- time ---------------------------------------------------------------------------------------- */

static void package_tick(struct package *p, uint64_t now)
{
	if (p->state == PACKAGE_FAILED && now >= p->due_us) {
		package_remove(p);
		return;
	}
	if (p->state == PACKAGE_WAITING && now >= p->due_us)
		place(p);
	if (p->unsaved && now - p->saved_us >= SAVE_US)
		save(p, true);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct packages *ps = arg;
	struct package *p, *next;
	uint64_t now = clock_us();

	for (p = LIST_FIRST(&ps->all); p; p = next) {
		next = LIST_NEXT(p, link);
		package_tick(p, now);
	}
	pool_tick(ps->pool);
	if (ps->known && now - ps->look_us > LOOK_US)
		look(ps);
}

/* ---- what is told -------------------------------------------------------------------------------- */

struct packages_count packages_count(const struct packages *ps)
{
	struct packages_count n = ps->count;
	struct pool_count pool = pool_count(ps->pool);
	const struct package *p;

	n.workers = pool.workers;
	n.workers_lost = pool.lost;
	LIST_FOREACH (p, &ps->all, link) {
		n.placed += p->state == PACKAGE_PLACED;
		n.waiting += p->state == PACKAGE_WAITING || p->state == PACKAGE_READING;
		n.failed += p->state == PACKAGE_FAILED;
	}
	return n;
}

json_t *packages_list(const struct packages *ps)
{
	json_t *list = json_array();
	const struct package *p;

	LIST_FOREACH (p, &ps->all, link)
		json_array_append_new(
			list, json_pack("{ss ss ss ss sI sI sI sI si sI}", "stream", p->stream,
					"state", p->word, "reason", p->reason, "detail", p->detail,
					"media_seq", (json_int_t)p->numbers.media_seq, "disc_seq",
					(json_int_t)p->numbers.disc_seq, "segments",
					(json_int_t)p->segments, "bytes", (json_int_t)p->bytes,
					"pid", p->worker ? pool_pid(p->worker) : 0, "since",
					(json_int_t)p->since_ms));
	return list;
}

/* ---- life ---------------------------------------------------------------------------------------- */

struct packages *packages_new(struct cp *cp, const char *program)
{
	struct packages *ps = calloc(1, sizeof(*ps));
	struct timeval tv = {0, TICK_MS * 1000};

	must(ps);
	ps->cp = cp;
	LIST_INIT(&ps->all);
	ps->pool = pool_new(cp->base, cp->dp, &cp->conf, program, &pool_ops, ps);
	ps->tick = event_new(cp->base, -1, EV_PERSIST, on_tick, ps);
	must(ps->tick);
	event_add(ps->tick, &tv);
	return ps;
}

void packages_free(struct packages *ps)
{
	if (!ps)
		return;
	while (!LIST_EMPTY(&ps->all)) {
		struct package *p = LIST_FIRST(&ps->all);

		LIST_REMOVE(p, link);
		free(p);
	}
	pool_free(ps->pool);
	event_free(ps->tick);
	json_decref(ps->known);
	free(ps);
}
