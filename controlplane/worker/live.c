/* SPDX-License-Identifier: Apache-2.0 */
/* A live source: what comes goes out at once, on a time line without jumps. */
#include "base/clock.h"
#include "controlplane/worker/input.h"
#include "controlplane/worker/output.h"
#include "controlplane/worker/relay.h"

#define NEWS_US 1000000

/* false: it is over and was said. */
static bool pass(struct input *in, struct output *out, struct splice *line, bool *running)
{
	struct fault f;
	struct unit u;
	int rc = input_next(in, &u, &f);

	if (job_stopping(in->job))
		return false;
	if (rc <= 0) {
		if (!rc)
			f = (struct fault){REASON_REMOTE_ENDED, ""};
		job_say_failed(&f, false);
		return false;
	}
	if (!splice_place(line, &u))
		return true;
	if (output_write(out, &in->track[u.kind], &u, &f)) {
		job_say_failed(&f, true);
		return false;
	}
	if (!*running)
		job_say("running");
	*running = true;
	return true;
}

static void flow(struct job *j, struct input *in, struct output *out)
{
	uint64_t news_us = clock_us();
	struct splice_item item;
	struct splice line;
	bool running = false;

	splice_init(&line);
	input_first(in, &item);
	splice_begin(&line, &item);
	while (pass(in, out, &line, &running))
		if (clock_us() - news_us >= NEWS_US) {
			news_us = clock_us();
			job_say_position(0, 0, 0, in->bytes);
		}
}

void relay_live(struct job *j)
{
	struct output out = {0};
	struct input in;
	struct fault f;

	if (j->urls > 1 || *j->slate) {
		relay_switch(j);
		return;
	}
	job_say("connecting");
	if (input_open(&in, j, j->url[0], true, &f)) {
		if (!job_stopping(j))
			job_say_failed(&f, false);
	} else if (output_open(&out, j, in.track, &f)) {
		if (!job_stopping(j))
			job_say_failed(&f, true);
	} else {
		flow(j, &in, &out);
	}
	output_close(&out);
	input_close(&in);
}
