/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list of files as one live stream: played in real time, one after the other, round after round.
 *
 * A file that cannot be played, or has other codecs than the first one, is left out and the list goes
 * on; a whole round without a single frame is a failure, unless another list waits. Such a list is
 * played after the round, or at once if it is told so.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/input.h"
#include "controlplane/worker/output.h"
#include "controlplane/worker/pace.h"
#include "controlplane/worker/relay.h"

#define NEWS_US 1000000
#define TAIL_US 300000 /* after the last frame, so that it has left the data plane */

enum played { PLAYED, LEFT_OUT, OVER };

struct list {
	struct job *job;
	struct output out;
	struct splice line;
	struct pace pace;
	uint64_t news_us, bytes;
	int64_t file, round;
	struct fault why;  /* the last file that was left out */
	bool running, any; /* any: a frame in this round */
};

static bool same_codecs(const struct list *l, const struct input *in)
{
	for (int kind = 0; kind < TRACKS; kind++)
		if (l->out.codec[kind] != in->track[kind].codec)
			return false;
	return true;
}

static enum played fail(struct list *l, const struct fault *f, bool output)
{
	if (!job_stopping(l->job))
		job_say_failed(f, output);
	return OVER;
}

static enum played leave_out(struct list *l, const struct fault *f)
{
	if (job_stopping(l->job))
		return OVER;
	l->why = *f;
	log_warn("file_skipped", "file=%lld reason=%s detail=\"%s\"", (long long)l->file,
		 reason_name(f->reason), f->detail);
	job_say_skipped(l->file, f);
	return LEFT_OUT;
}

static void news(struct list *l, const struct input *in, int64_t pts_us)
{
	uint64_t now = clock_us();

	if (l->running && now - l->news_us < NEWS_US)
		return;
	if (!l->running)
		job_say("running");
	l->running = true;
	l->news_us = now;
	job_say_position(l->file, input_offset_us(in, pts_us) / 1000, l->round,
			 l->bytes + in->bytes);
}

static bool is_replaced(const struct list *l)
{
	return l->job->next_urls && l->job->next_now;
}

/* On the line, or not; another list that is to be played now ends the file, without a hole. */
static enum splice_finish place(struct list *l, struct unit *u)
{
	if (is_replaced(l))
		return splice_finish(&l->line, u);
	return splice_place(&l->line, u) ? SPLICE_PLACED : SPLICE_LEFT_OUT;
}

static enum played play_units(struct list *l, struct input *in)
{
	enum splice_finish how;
	struct unit u;
	struct fault f;
	int64_t pts_us;
	int rc;

	while ((rc = input_next(in, &u, &f)) > 0) {
		pts_us = u.pts_us;
		how = place(l, &u);
		if (how == SPLICE_ENDED)
			break;
		if (how == SPLICE_LEFT_OUT)
			continue;
		if (job_wait(l->job, pace_due_us(&l->pace, u.dts_us, clock_us())))
			return OVER;
		if (output_write(&l->out, &in->track[u.kind], &u, &f))
			return fail(l, &f, true);
		l->any = true;
		news(l, in, pts_us);
	}
	return rc < 0 ? leave_out(l, &f) : PLAYED;
}

static enum played play_open(struct list *l, struct input *in, int64_t offset_us)
{
	struct splice_item item;
	struct fault f;

	if (offset_us && input_seek(in, offset_us, &f))
		return leave_out(l, &f);
	if (!input_first(in, &item)) {
		fault_set(&f, REASON_REMOTE_PROTOCOL, "there is no frame in it");
		return leave_out(l, &f);
	}
	if (!l->out.av && output_open(&l->out, l->job, in->track, &f))
		return fail(l, &f, true);
	if (!same_codecs(l, in)) {
		fault_set(&f, REASON_CODEC_REFUSED, "its codecs are not those of the files before");
		return leave_out(l, &f);
	}
	output_renew(&l->out);
	splice_begin(&l->line, &item);
	return play_units(l, in);
}

static enum played play(struct list *l, int64_t offset_us)
{
	enum played how;
	struct input in;
	struct fault f;

	if (input_open(&in, l->job, l->job->url[l->file], false, &f))
		how = leave_out(l, &f);
	else
		how = play_open(l, &in, offset_us);
	l->bytes += in.bytes;
	input_close(&in);
	return how;
}

/* One round, from a place in the list; false: it is over and was said. */
static bool play_round(struct list *l, int64_t file, int64_t offset_ms)
{
	l->any = false;
	for (l->file = file; l->file < l->job->urls && !is_replaced(l); l->file++) {
		if (play(l, offset_ms * 1000) == OVER)
			return false;
		offset_ms = 0;
	}
	/* What began in the middle may have had nothing left to play. */
	if (l->any || file || is_replaced(l))
		return true;
	if (!job_stopping(l->job) && job_has_next(l->job)) {
		l->job->next_now = true;
		return true;
	}
	fail(l, &l->why, false);
	return false;
}

static bool again(const struct list *l)
{
	return is_replaced(l) || l->job->repeat < 0 || l->round < l->job->repeat;
}

static void play_all(struct list *l)
{
	struct job *j = l->job;

	if (!play_round(l, j->file, j->offset_ms))
		return;
	while (again(l)) {
		l->round = is_replaced(l) ? 0 : l->round + 1;
		job_take_next(j);
		if (!play_round(l, 0, 0))
			return;
	}
	if (job_wait(j, clock_us() + TAIL_US))
		return;
	output_close(&l->out);
	job_say("finished");
}

void relay_list(struct job *j)
{
	struct list *l = calloc(1, sizeof(*l));

	if (!l)
		return;
	l->job = j;
	l->round = j->round;
	splice_init(&l->line);
	job_say("connecting");
	play_all(l);
	output_close(&l->out);
	free(l);
}
