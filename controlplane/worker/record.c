/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/record.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/packager.h"
#include "controlplane/worker/spool.h"

#define TICK_MS	  100
#define REPORT_US 1000000
#define LOCK_US	  10000000 /* so long the folder's last writer may take to leave */
#define DRAIN_US  4500000 /* to write what waits at the end; who ends this process kills it later */

struct recording {
	struct packager *packager;
	struct spool *spool;
	bool news;
	uint64_t report_us;
};

static void on_news(void *arg, struct packager *p)
{
	struct recording *r = arg;

	r->news = true;
}

static enum reason disk_reason(int error)
{
	if (!error)
		return REASON_NONE;
	if (error == -ETIMEDOUT)
		return REASON_HLS_DISK_SLOW;
	return error == -ENOSPC || error == -EDQUOT ? REASON_HLS_DISK_FULL : REASON_HLS_DISK_ERROR;
}

static void report(struct recording *r)
{
	static const char *const states[] = {"connecting", "probing", "running", "ended", "failed"};
	const struct packager_report *p = packager_report(r->packager);
	struct reel_stats s = spool_stats(r->spool);

	r->news = !job_say_packet(
		json_pack("{ss ss ss ss sI sI sI sI ss sI sI sI si}", "event", "channel", "state",
			  states[p->state], "reason", reason_name(p->fault.reason), "detail",
			  p->fault.detail, "segments", (json_int_t)s.files, "bytes",
			  (json_int_t)s.bytes, "dropped", (json_int_t)p->dropped, "not_kept",
			  (json_int_t)s.failed, "disk", reason_name(disk_reason(s.error)),
			  "video_bytes", (json_int_t)p->track_bytes[TRACK_VIDEO], "audio_bytes",
			  (json_int_t)p->track_bytes[TRACK_AUDIO], "pictures",
			  (json_int_t)p->pictures, "audio_rate", p->audio_rate));
	r->report_us = clock_us() + REPORT_US;
}

static bool is_over(const struct recording *r)
{
	enum packager_state state = packager_report(r->packager)->state;

	return state == PACKAGER_ENDED || state == PACKAGER_FAILED;
}

static void loop(struct recording *r, struct job *j)
{
	do {
		struct pollfd p[] = {{JOB_FD, POLLIN, 0},
				     {packager_fd(r->packager),
				      packager_wants_write(r->packager) ? POLLOUT : POLLIN, 0}};

		if (poll(p, array_len(p), TICK_MS) > 0 && p[1].revents)
			packager_turn(r->packager);
		packager_tick(r->packager, clock_us());
		if (r->news || clock_us() >= r->report_us)
			report(r);
	} while (!is_over(r) && !job_stopping(j));
}

/* An earlier process may still write its last segment. */
static struct reel *open_reel(struct job *j)
{
	uint64_t until_us = clock_us() + LOCK_US;
	struct fault f;
	struct reel *r;
	int error;

	do
		r = reel_open(j->folder, j->playlist, (unsigned)j->frag_count, &error);
	while (!r && error == -EWOULDBLOCK && clock_us() < until_us &&
	       !job_wait(j, clock_us() + TICK_MS * 1000));
	if (r)
		return r;
	fault_set(&f, disk_reason(error), "%s", strerror(-error));
	log_error("channel_folder", "folder=%s why=\"%s\"", j->folder, strerror(-error));
	job_say_failed(&f, true);
	return NULL;
}

void record_run(struct job *j)
{
	struct flvsource_place place;
	struct recording r = {0};
	struct reel *reel;
	struct packager_world world = {.place = &place, .news = on_news, .arg = &r};
	/* How far key frames are apart decides nothing here, so it is not measured. */
	struct packager_wish wish = {.stream = j->stream,
				     .pass = j->pass,
				     .format = "ts",
				     .segment_ms = j->frag_ms,
				     .gop_ms = 1};

	if (!flvsource_place(&place, j->output)) {
		job_say_failed(&(struct fault){REASON_BAD_URL, "play is no address"}, false);
		return;
	}
	reel = open_reel(j);
	if (!reel)
		return;
	world.spool = r.spool = spool_new(reel);
	r.packager = packager_new(&world, &wish);
	loop(&r, j);
	packager_finish(r.packager);
	spool_drain(r.spool, DRAIN_US);
	report(&r);
	packager_free(r.packager, false);
	spool_free(r.spool);
}
