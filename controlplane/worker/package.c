/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/package.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/packager.h"

#define EVENTS	  256
#define TICK_MS	  100
#define REPORT_US 1000000

struct place {
	LIST_ENTRY(place) link;
	struct packager *packager;
	int fd; /* as it is watched; -1: not */
	bool writing, news;
};

static struct {
	struct packager_world world;
	struct flvsource_place at;
	LIST_HEAD(, place) all;
	int epoll;
	bool outlet_writing;
	uint64_t tick_us, report_us;
	struct archive_stats told;
} package;

static struct place *find(const char *stream)
{
	struct place *s;

	LIST_FOREACH (s, &package.all, link)
		if (!strcmp(packager_stream(s->packager), stream))
			return s;
	return NULL;
}

/* ---- what is watched ----------------------------------------------------------------------------- */

static void watch(int op, int fd, void *what, bool writing)
{
	struct epoll_event ev = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = what};

	must(!epoll_ctl(package.epoll, op, fd, &ev));
}

/* A closed descriptor is watched no more by itself, and a turn or tick only opens or closes. */
static void rewatch(struct place *s)
{
	int fd = packager_fd(s->packager);
	bool writing = packager_wants_write(s->packager);

	if (fd >= 0 && s->fd < 0)
		watch(EPOLL_CTL_ADD, fd, s, writing);
	else if (fd >= 0 && writing != s->writing)
		watch(EPOLL_CTL_MOD, fd, s, writing);
	s->fd = fd;
	s->writing = writing;
}

static void rewatch_outlet(void)
{
	bool writing = outlet_waiting(package.world.outlet);

	if (writing != package.outlet_writing)
		watch(EPOLL_CTL_MOD, outlet_fd(package.world.outlet), package.world.outlet,
		      writing);
	package.outlet_writing = writing;
}

/* ---- reports ------------------------------------------------------------------------------------- */

static bool report(struct place *s)
{
	static const char *const states[] = {"connecting", "probing", "running", "ended", "failed"};
	const struct packager_report *r = packager_report(s->packager);

	return job_say_packet(
		json_pack("{ss ss ss ss ss sI sI sI sI sI}", "event", "package", "stream",
			  packager_stream(s->packager), "state", states[r->state], "reason",
			  reason_name(r->fault.reason), "detail", r->fault.detail, "media_seq",
			  (json_int_t)r->media_seq, "disc_seq", (json_int_t)r->disc_seq, "segments",
			  (json_int_t)r->segments, "bytes", (json_int_t)r->bytes, "dropped",
			  (json_int_t)r->dropped));
}

static void on_news(void *arg, struct packager *p)
{
	struct place *s = find(packager_stream(p));

	if (s)
		s->news = true;
}

static void remove_stream(struct place *s, bool end)
{
	packager_free(s->packager, end);
	LIST_REMOVE(s, link);
	free(s);
}

/* News are told until the control plane has taken them; what is over is told and forgotten. */
static void tell(struct place *s)
{
	enum packager_state state;

	if (!s->news)
		return;
	s->news = !report(s);
	state = packager_report(s->packager)->state;
	if (!s->news && (state == PACKAGER_ENDED || state == PACKAGER_FAILED))
		remove_stream(s, state == PACKAGER_ENDED);
}

static void report_archive(void)
{
	struct archive_stats now;

	if (!package.world.archive)
		return;
	archive_stats(package.world.archive, &now);
	if (now.files == package.told.files && now.failed == package.told.failed)
		return;
	if (job_say_packet(json_pack("{ss sI sI sI ss}", "event", "archive", "files",
				     (json_int_t)(now.files - package.told.files), "bytes",
				     (json_int_t)(now.bytes - package.told.bytes), "failed",
				     (json_int_t)(now.failed - package.told.failed), "reason",
				     reason_name(now.reason))))
		package.told = now;
}

/* ---- what the control plane wants ---------------------------------------------------------------- */

static const char *text_of(const json_t *o, const char *name)
{
	const char *text = json_string_value(json_object_get(o, name));

	return text ? text : "";
}

static int64_t int_of(const json_t *o, const char *name)
{
	return json_integer_value(json_object_get(o, name));
}

static void start(const json_t *o)
{
	struct packager_wish wish = {
		.stream = text_of(o, "stream"),
		.pass = text_of(o, "pass"),
		.format = text_of(o, "format"),
		.segment_ms = max_of(int_of(o, "segment_ms"), 500),
		.part_ms = int_of(o, "part_ms"),
		.gop_ms = int_of(o, "gop_ms"),
		.media_seq = int_of(o, "media_seq"),
		.disc_seq = int_of(o, "disc_seq"),
		.encrypt = json_is_true(json_object_get(o, "encrypt")),
		.key_segments = int_of(o, "key_segments"),
		.archive = package.world.archive != NULL,
		.hurry = json_is_true(json_object_get(o, "hurry")),
	};
	struct place *s = find(wish.stream);

	if (s)
		return;
	s = calloc(1, sizeof(*s));
	must(s);
	s->fd = -1;
	s->packager = packager_new(&package.world, &wish);
	s->news = true;
	LIST_INSERT_HEAD(&package.all, s, link);
	packager_tick(s->packager, clock_us());
	rewatch(s);
}

static void stop(const json_t *o)
{
	struct place *s = find(text_of(o, "stream"));

	if (s)
		remove_stream(s, json_is_true(json_object_get(o, "end")));
}

static void take_packets(void)
{
	json_t *o;

	while ((o = job_take())) {
		const char *what = text_of(o, "package");

		if (!strcmp(what, "start"))
			start(o);
		else if (!strcmp(what, "stop"))
			stop(o);
		json_decref(o);
	}
}

static void on_refused(void *arg, const char *stream, const char *code, const char *message,
		       int64_t media_seq)
{
	struct place *s = find(stream);

	if (!s)
		return;
	packager_refused(s->packager, code, message, media_seq);
	rewatch(s);
}

/* ---- the loop ------------------------------------------------------------------------------------ */

static void tick(void)
{
	struct place *s, *next;
	uint64_t now = clock_us();

	if (now < package.tick_us)
		return;
	package.tick_us = now + TICK_MS * 1000;
	for (s = LIST_FIRST(&package.all); s; s = next) {
		next = LIST_NEXT(s, link);
		packager_tick(s->packager, now);
		rewatch(s);
		tell(s);
	}
	if (now < package.report_us)
		return;
	package.report_us = now + REPORT_US;
	report_archive();
}

static bool serve(const struct epoll_event *ev, int n)
{
	struct place *s;

	for (int i = 0; i < n; i++) {
		if (!ev[i].data.ptr || ev[i].data.ptr == package.world.outlet)
			continue;
		s = ev[i].data.ptr;
		packager_turn(s->packager);
		rewatch(s);
		/* Before the outlet: what it does to a stream must not be answered by this one. */
	}
	LIST_FOREACH (s, &package.all, link)
		if (s->news && packager_report(s->packager)->state == PACKAGER_RUNNING)
			s->news = !report(s);
	if (!outlet_turn(package.world.outlet))
		return false;
	/* Last: it frees streams. */
	take_packets();
	return true;
}

static void loop(struct job *j)
{
	struct epoll_event ev[EVENTS];
	int n;

	do {
		rewatch_outlet();
		n = epoll_wait(package.epoll, ev, EVENTS, TICK_MS);
		if (!serve(ev, max_of(n, 0))) {
			log_info("package", "why=\"the data plane closed the channel\"");
			return;
		}
		tick();
	} while (!job_stopping(j));
}

static const struct outlet_ops outlet_ops = {on_refused};

void package_run(struct job *j)
{
	if (!flvsource_place(&package.at, j->output)) {
		job_say_failed(&(struct fault){REASON_BAD_URL, "play is no address"}, false);
		return;
	}
	package.epoll = epoll_create1(EPOLL_CLOEXEC);
	must(package.epoll >= 0);
	LIST_INIT(&package.all);
	package.world = (struct packager_world){
		.place = &package.at,
		.outlet = outlet_new(j->outlet, &outlet_ops, NULL),
		.archive = *j->folder ? archive_new(j->folder, j->retain_ms) : NULL,
		.news = on_news,
	};
	if (*j->folder && !package.world.archive)
		log_warn("archive", "folder=%s why=\"it cannot be written\"", j->folder);
	watch(EPOLL_CTL_ADD, JOB_FD, NULL, false);
	watch(EPOLL_CTL_ADD, outlet_fd(package.world.outlet), package.world.outlet, false);
	loop(j);
	while (!LIST_EMPTY(&package.all))
		remove_stream(LIST_FIRST(&package.all), false);
	archive_free(package.world.archive);
	outlet_free(package.world.outlet);
	close(package.epoll);
}
