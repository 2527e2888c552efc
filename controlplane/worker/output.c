/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/worker/output.h"

#include <string.h>

#include <libavutil/dict.h>

#include "base/check.h"
#include "base/clock.h"
#include "controlplane/worker/fault.h"
#include "controlplane/worker/flvtag.h"

#define TAG_MAX (CONFIG_MAX + 1024)
#define WAIT_US 5000000 /* the data plane is on this machine */

static int interrupted(void *arg)
{
	struct output *o = arg;

	return clock_us() >= o->deadline_us || (!o->closing && job_stopping(o->job));
}

static int check(struct output *o, struct fault *f)
{
	avio_flush(o->av);
	if (o->av->error >= 0)
		return 0;
	fault_of(f, o->av->error, false);
	return -1;
}

static void send_head(struct output *o, const struct track tracks[TRACKS])
{
	uint8_t text[1024];
	size_t n = flv_head(text, tracks[TRACK_VIDEO].codec, tracks[TRACK_AUDIO].codec);

	avio_write(o->av, text, (int)n);
	n = flv_metadata(text, sizeof(text), tracks);
	avio_write(o->av, text, (int)n);
}

int output_open(struct output *o, struct job *job, const struct track tracks[TRACKS],
		struct fault *f)
{
	AVIOInterruptCB callback = {interrupted, o};
	AVDictionary *options = NULL;
	int rc;

	*o = (struct output){.job = job, .deadline_us = clock_us() + WAIT_US};
	for (int kind = 0; kind < TRACKS; kind++)
		o->codec[kind] = tracks[kind].codec;
	av_dict_set(&options, "rtmp_flush_interval", "1", 0);
	av_dict_set(&options, "tcp_nodelay", "1", 0);
	rc = avio_open2(&o->av, job->output, AVIO_FLAG_WRITE, &callback, &options);
	av_dict_free(&options);
	if (rc < 0) {
		fault_of(f, rc, true);
		return -1;
	}
	send_head(o, tracks);
	return check(o, f);
}

void output_renew(struct output *o)
{
	memset(o->told, 0, sizeof(o->told));
}

static void send_config(struct output *o, const struct track *t, const struct unit *u)
{
	uint8_t tag[TAG_MAX];
	size_t n;

	if (o->told[u->kind] == t->changes)
		return;
	o->told[u->kind] = t->changes;
	n = flv_header_tag(tag, sizeof(tag), t, u->kind, u->dts_us);
	avio_write(o->av, tag, (int)n);
}

int output_write(struct output *o, const struct track *t, const struct unit *u, struct fault *f)
{
	uint8_t head[FLV_TAG_ROOM], tail[4];
	size_t n;

	o->deadline_us = clock_us() + WAIT_US;
	send_config(o, t, u);
	n = flv_unit_tag(head, tail, t, u);
	avio_write(o->av, head, (int)n);
	avio_write(o->av, u->data, (int)u->n);
	avio_write(o->av, tail, sizeof(tail));
	return check(o, f);
}

void output_close(struct output *o)
{
	o->deadline_us = clock_us() + WAIT_US;
	o->closing = true;
	if (o->av && !job_orphaned())
		avio_close(o->av);
	o->av = NULL;
}
