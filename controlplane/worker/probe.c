/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at a file: what is in it, and whether it can be relayed. */
#include <libavcodec/avcodec.h>

#include "controlplane/worker/fault.h"
#include "controlplane/worker/input.h"
#include "controlplane/worker/relay.h"

static const char *codec_name(const struct input_track *it)
{
	return it->stream ? avcodec_get_name(it->stream->codecpar->codec_id) : "";
}

static void say(const struct input *in)
{
	const struct track *v = &in->track[TRACK_VIDEO], *a = &in->track[TRACK_AUDIO];
	int64_t duration = in->av->duration == AV_NOPTS_VALUE ? 0 : in->av->duration / 1000;

	job_say_probed(duration, codec_name(&in->in[TRACK_VIDEO]), v->width, v->height,
		       codec_name(&in->in[TRACK_AUDIO]), a->rate, a->channels);
}

void relay_probe(struct job *j)
{
	struct splice_item item;
	struct input in;
	struct fault f;

	if (input_open(&in, j, j->url[0], false, &f)) {
		job_say_failed(&f, false);
	} else if (!input_first(&in, &item)) {
		fault_set(&f, REASON_REMOTE_PROTOCOL, "there is no frame in it");
		job_say_failed(&f, false);
	} else {
		say(&in);
		job_say("finished");
	}
	input_close(&in);
}
