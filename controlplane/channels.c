/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/channels.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/wait.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "controlplane/object_files.h"
#include "controlplane/object_nodes.h"
#include "controlplane/oss_sign.h"
#include "controlplane/process.h"
#include "controlplane/reach.h"
#include "controlplane/store_redis_words.h"

#define LEAVE_US  5000000 /* a worker whose stream ended, from its own end to SIGTERM to SIGKILL */
#define AGAIN_US  200000
#define STEADY_US 30000000 /* having run so long, its deaths are forgotten */

struct recording {
	LIST_ENTRY(recording) link;
	struct channels *owner;
	char key[LIVE_KEY], bucket[64], channel[CHANNEL_NAME], playlist[129];
	int64_t since_ms; /* of the publisher that it was begun for */
	struct process *process;
	uint64_t started_us, due_us, leave_us; /* leave_us: when it is ended next; 0: it may stay */
	unsigned deaths;
	bool failed, killed, over; /* over: it said its last word */
	uint64_t disabled_us;
	/* as it said last, and a second or so before */
	uint64_t segments, bytes, dropped, not_kept, video, audio, pictures, said_us;
	double video_ps, audio_ps, fps;
	int audio_rate;
};

struct channels {
	struct cp *cp;
	struct buckets *buckets;
	char program[1100];
	LIST_HEAD(, recording) all;
	struct channels_count count;
};

static struct recording *find(const struct channels *cs, const char *key)
{
	struct recording *r;

	LIST_FOREACH (r, &cs->all, link)
		if (!strcmp(r->key, key))
			return r;
	return NULL;
}

static void recording_free(struct recording *r)
{
	LIST_REMOVE(r, link);
	free(r);
}

/* ---- who may publish ---- */

/* Without those that only say where to: they are no part of what is signed. */
static void without_host(struct params *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (strcmp(p->v[i].name, "vhost") != 0)
			continue;
		free(p->v[i].name);
		free(p->v[i].value);
		p->v[i--] = p->v[--p->n];
	}
}

static const char *signed_refusal(const struct params *p, const char *bucket, const char *channel,
				  const struct creds *creds, int64_t now_s, const char **text)
{
	const char *id = params_value(p, "OSSAccessKeyId");
	enum oss_rtmp rc;

	if (id && strcmp(id, creds->id) != 0) {
		*text = "there is no such OSSAccessKeyId";
		return "InvalidAccessKeyId";
	}
	rc = oss_rtmp_check(p, bucket, channel, creds->secret, now_s);
	*text = oss_rtmp_text(rc);
	if (rc == OSS_RTMP_FINE)
		return NULL;
	return *oss_rtmp_code(rc) ? oss_rtmp_code(rc) : "AccessDenied";
}

const char *channel_refusal(const char *params, const char *bucket, const char *channel,
			    enum bucket_acl acl, const struct creds *creds, int64_t now_s,
			    const char **text)
{
	struct params p = {0};
	const char *why = NULL, *name;

	*text = "";
	if (params_parse(&p, params, strlen(params), text)) {
		params_fini(&p);
		return "InvalidArgument";
	}
	without_host(&p);
	name = params_value(&p, "playlistName");
	if (name && !channel_playlist_fine(name)) {
		*text = "playlistName must have 6 to 128 characters, end with .m3u8 and hold no /";
		why = "InvalidArgument";
	} else if (acl != BUCKET_PUBLIC_WRITE) {
		why = signed_refusal(&p, bucket, channel, creds, now_s, text);
	}
	params_fini(&p);
	return why;
}

void channel_playlist(char dst[129], const char *params, const char *otherwise)
{
	struct params p = {0};
	const char *rule, *name = NULL;

	if (!params_parse(&p, params, strlen(params), &rule))
		name = params_value(&p, "playlistName");
	snprintf(dst, 129, "%s", name && channel_playlist_fine(name) ? name : otherwise);
	params_fini(&p);
}

static const char *judge(const struct channels *cs, const json_t *event, const char *bucket,
			 const char **text)
{
	const char *channel = dp_text(event, "name");
	const json_t *doc = channel_get(cs->buckets, bucket, channel);

	if (strcmp(dp_text(event, "app"), "live") != 0 || !doc) {
		*text = "the specified live channel does not exist";
		return "NoSuchLiveChannel";
	}
	if (!json_is_true(json_object_get(doc, "enabled"))) {
		*text = "live channel is disabled by owner";
		return "LiveChannelDisabled";
	}
	return channel_refusal(dp_text(event, "params"), bucket, channel,
			       buckets_acl(cs->buckets, bucket), &cs->cp->creds,
			       (int64_t)(clock_wall_ms() / 1000), text);
}

/* What the data plane says of a refusal (reasons.def). */
static const char *spoken_reason(const char *code)
{
	static const struct {
		const char *code, *reason;
	} reasons[] = {
		{"NoSuchLiveChannel", "channel_unknown"},
		{"LiveChannelDisabled", "channel_disabled"},
		{"InvalidArgument", "bad_name"},
		{"InvalidAccessKeyId", "auth_mismatch"},
		{"0002-00000805", "auth_expired"},
		{"0002-00000807", "auth_mismatch"},
	};

	for (size_t i = 0; i < array_len(reasons); i++)
		if (!strcmp(code, reasons[i].code))
			return reasons[i].reason;
	return "auth_missing";
}

static void on_told(void *arg, json_t *answer)
{
}

bool channels_ask(struct channels *cs, const json_t *event)
{
	const char *domain = dp_text(event, "domain"), *text = "", *why;
	char bucket[64], name[600];

	if (!buckets_of_domain(cs->buckets, domain, bucket) || !buckets_has(cs->buckets, bucket))
		return false;
	why = judge(cs, event, bucket, &text);
	if (why) {
		cs->count.refused++;
		log_info("channel_refused", "bucket=%s channel=%s address=%s code=%s why=\"%s\"",
			 bucket, log_q(name, sizeof(name), dp_text(event, "name")),
			 dp_text(event, "address"), why, text);
	}
	dp_request(cs->cp->dp, "auth.answer",
		   json_pack("{sO sb sI ss*}", "ask", json_object_get(event, "ask"), "allow", !why,
			     "ttl_ms", (json_int_t)0, "reason", why ? spoken_reason(why) : NULL),
		   on_told, NULL);
	return true;
}

/* ---- what a worker says ---- */

static uint64_t grown(uint64_t *old, const json_t *o, const char *name)
{
	uint64_t now = (uint64_t)json_integer_value(json_object_get(o, name));
	uint64_t more = now > *old ? now - *old : 0;

	*old = now;
	return more;
}

static void take_rates(struct recording *r, const json_t *o)
{
	uint64_t now = clock_us(), video = grown(&r->video, o, "video_bytes");
	uint64_t audio = grown(&r->audio, o, "audio_bytes");
	uint64_t pictures = grown(&r->pictures, o, "pictures");
	double s = (double)(now - r->said_us) / 1e6;

	r->audio_rate = (int)json_integer_value(json_object_get(o, "audio_rate"));
	if (r->said_us && s > 0.1) {
		/* Half of what it was, so that a key frame is not a peak. */
		r->video_ps = (r->video_ps + (double)video / s) / (r->video_ps > 0 ? 2 : 1);
		r->audio_ps = (r->audio_ps + (double)audio / s) / (r->audio_ps > 0 ? 2 : 1);
		r->fps = (r->fps + (double)pictures / s) / (r->fps > 0 ? 2 : 1);
	}
	r->said_us = now;
}

static void on_said(void *arg, const json_t *o)
{
	struct recording *r = arg;
	struct channels_count *n = &r->owner->count;
	const char *state = dp_text(o, "state");
	bool failed = !strcmp(dp_text(o, "event"), "failed") || !strcmp(state, "failed");
	char text[300];
	uint64_t lost;

	n->segments += grown(&r->segments, o, "segments");
	n->bytes += grown(&r->bytes, o, "bytes");
	n->dropped += grown(&r->dropped, o, "dropped");
	lost = grown(&r->not_kept, o, "not_kept");
	n->not_kept += lost;
	if (lost)
		log_warn("channel_not_kept", "channel=%s/%s segments=%llu reason=%s", r->bucket,
			 r->channel, (unsigned long long)lost, dp_text(o, "disk"));
	take_rates(r, o);
	r->over |= failed || !strcmp(state, "ended");
	if (!failed || r->failed)
		return;
	r->failed = true;
	log_warn("channel_failed", "channel=%s/%s reason=%s why=%s", r->bucket, r->channel,
		 dp_text(o, "reason"), log_q(text, sizeof(text), dp_text(o, "detail")));
}

static void on_gone(void *arg, int status)
{
	struct recording *r = arg;
	uint64_t now = clock_us();

	r->process = NULL;
	if (!r->over && !r->leave_us) {
		r->deaths = now - r->started_us > STEADY_US ? 1 : r->deaths + 1;
		r->owner->count.workers_lost++;
		log_warn("worker_lost", "job=channel channel=%s/%s signal=%d status=%d", r->bucket,
			 r->channel, WIFSIGNALED(status) ? WTERMSIG(status) : 0,
			 WIFEXITED(status) ? WEXITSTATUS(status) : 0);
	}
	r->due_us = now + (AGAIN_US << min_of(r->deaths, 7u));
	r->leave_us = 0;
	r->killed = r->over = false;
}

static const struct process_ops process_ops = {on_said, on_gone};

/* ---- recording ---- */

static json_t *job_of(const struct recording *r, const struct channel_config *c)
{
	const struct cp *cp = r->owner->cp;
	char at[300], play[320], text[600], pass[DIGEST_TEXT], folder[1500];

	reach(at, sizeof(at), cp->conf.http_listen);
	snprintf(play, sizeof(play), "http://%s", at);
	/* As session/inner.h expects it of a player of our own. */
	snprintf(text, sizeof(text), "%s%s", dp_inner_key(cp->dp), r->key);
	snprintf(folder, sizeof(folder), "%s/%s/%s", buckets_folder(r->owner->buckets), r->bucket,
		 r->channel);
	return json_pack("{ss ss ss ss ss ss sI sI ss ss ss sb}", "kind", "channel", "play", play,
			 "stream", r->key, "pass", digest_text(pass, text), "folder", folder,
			 "playlist", r->playlist, "frag_ms", (json_int_t)c->frag_duration_s * 1000,
			 "frag_count", (json_int_t)c->frag_count, "log", cp->conf.log_level, "deny",
			 "", "ca", "", "verify", 1);
}

static void start(struct recording *r, const struct channel_config *c)
{
	struct channels *cs = r->owner;
	json_t *job;
	int error = object_folder_make(buckets_folder(cs->buckets), r->bucket, r->channel);

	if (!error)
		r->process = process_start(cs->cp->base, cs->program, &process_ops, r, &error);
	r->started_us = clock_us();
	r->said_us = r->segments = r->bytes = r->dropped = r->not_kept = 0;
	r->video = r->audio = r->pictures = 0;
	r->video_ps = r->audio_ps = r->fps = 0;
	if (!r->process) {
		r->deaths++;
		r->due_us = clock_us() + (AGAIN_US << min_of(r->deaths, 7u));
		log_error("worker_start", "job=channel channel=%s/%s why=\"%s\"", r->bucket,
			  r->channel, strerror(-error));
		return;
	}
	object_nodes_mark(cs->cp, r->bucket, r->channel);
	job = job_of(r, c);
	must(job);
	process_tell(r->process, job, -1);
	json_decref(job);
	log_info("channel", "channel=%s/%s pid=%d playlist=%s", r->bucket, r->channel,
		 (int)process_pid(r->process), r->playlist);
}

/* It ends by itself when its stream does; one that does not is told, and then killed. */
static void leave(struct recording *r, uint64_t wait_us)
{
	uint64_t now = clock_us();

	if (!r->leave_us) {
		r->leave_us = now + wait_us;
	} else if (now >= r->leave_us) {
		process_signal(r->process, r->killed ? SIGKILL : SIGTERM);
		r->killed = true;
		r->leave_us = now + LEAVE_US;
	}
}

/* The data plane says only that it was closed. */
static void cut(struct recording *r, bool enabled)
{
	uint64_t now = clock_us();

	if (enabled)
		r->disabled_us = 0;
	else if (!r->disabled_us)
		r->disabled_us = now;
	if (!r->disabled_us || now - r->disabled_us < CHANNEL_CUT_US)
		return;
	r->disabled_us = now; /* once more if it is still there */
	log_info("channel_cut", "channel=%s/%s why=disabled", r->bucket, r->channel);
	dp_request(r->owner->cp->dp, "stream.kick", json_pack("{ss}", "stream", r->key), on_told,
		   NULL);
}

static struct recording *recording_of(struct channels *cs, const struct live_stream *s,
				      const char *bucket)
{
	struct recording *r = find(cs, s->key);

	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	must(r);
	r->owner = cs;
	snprintf(r->key, sizeof(r->key), "%s", s->key);
	snprintf(r->bucket, sizeof(r->bucket), "%s", bucket);
	snprintf(r->channel, sizeof(r->channel), "%.*s", CHANNEL_NAME - 1, s->name);
	LIST_INSERT_HEAD(&cs->all, r, link);
	return r;
}

/* A stream of a bucket is live. */
static void look(struct channels *cs, const struct live_stream *s, const char *bucket)
{
	const json_t *doc = channel_get(cs->buckets, bucket, s->name);
	struct recording *r;
	struct channel_config c;
	char playlist[129];

	if (!doc)
		return;
	r = recording_of(cs, s, bucket);
	channel_config_of(&c, doc);
	channel_playlist(playlist, s->params, c.playlist);
	if (r->since_ms != s->since_ms) {
		r->since_ms = s->since_ms;
		r->failed = false;
		r->deaths = 0;
		r->due_us = 0;
	}
	cut(r, c.enabled);
	/* One that is to leave has a pass of a data plane that is gone, or another name's playlist. */
	if (r->process && (r->leave_us || strcmp(playlist, r->playlist) != 0)) {
		leave(r, 0);
	} else if (!r->process && !r->failed && clock_us() >= r->due_us) {
		snprintf(r->playlist, sizeof(r->playlist), "%s", playlist);
		start(r, &c);
	}
}

static bool bucket_of(const struct channels *cs, const struct live_stream *s, char bucket[64])
{
	return !strcmp(s->app, "live") && buckets_of_domain(cs->buckets, s->domain, bucket) &&
	       buckets_has(cs->buckets, bucket);
}

void channels_tick(struct channels *cs)
{
	struct recording *r, *next;
	struct live_stream *s;
	char bucket[64];

	if (!dp_up(cs->cp->dp))
		return;
	for (s = live_first(cs->cp->live); s; s = live_next(s))
		if (bucket_of(cs, s, bucket))
			look(cs, s, bucket);
	for (r = LIST_FIRST(&cs->all); r; r = next) {
		next = LIST_NEXT(r, link);
		if (live_find(cs->cp->live, r->key))
			continue;
		if (r->process)
			leave(r, LEAVE_US);
		else
			recording_free(r);
	}
}

void channels_down(struct channels *cs)
{
	struct recording *r;

	LIST_FOREACH (r, &cs->all, link)
		if (r->process && !r->leave_us)
			leave(r, LEAVE_US);
}

/* ---- history ---- */

void channels_ended(struct channels *cs, const struct live_stream *s)
{
	char bucket[64], channel[CHANNEL_KEY], key[CHANNEL_KEY + 32], last[24], *text;
	json_t *row;

	if (!bucket_of(cs, s, bucket))
		return;
	snprintf(key, sizeof(key), "mr:channel:{%s}:history",
		 channel_key(channel, bucket, s->name));
	snprintf(last, sizeof(last), "%d", CHANNEL_HISTORY - 1);
	row = json_pack("{sI sI ss}", "start", (json_int_t)s->since_ms, "end",
			(json_int_t)clock_wall_ms(), "address", s->address);
	text = row ? json_dumps(row, JSON_COMPACT) : NULL;
	if (text) {
		store_tell(cs->cp->store, STORE_WORDS("LPUSH", key, text));
		store_tell(cs->cp->store, STORE_WORDS("LTRIM", key, "0", last));
	}
	free(text);
	json_decref(row);
}

/* ---- what is told ---- */

const struct live_stream *channel_live(const struct channels *cs, const char *bucket,
				       const char *channel)
{
	char key[512];

	return live_find(cs->cp->live, channel_stream(cs->buckets, key, bucket, channel));
}

bool channel_media(const struct channels *cs, const char *bucket, const char *channel,
		   struct channel_media *out)
{
	const struct recording *r;
	struct shm_stream_view v = {0};
	uint32_t slot;

	*out = (struct channel_media){.stream = channel_live(cs, bucket, channel)};
	if (!out->stream)
		return false;
	if (cs->cp->shm && shm_stream_find(cs->cp->shm, out->stream->key, &v, &slot)) {
		out->width = v.width;
		out->height = v.height;
	}
	r = find(cs, out->stream->key);
	if (r) {
		out->video_fps = r->fps;
		out->video_bytes_ps = r->video_ps;
		out->audio_bytes_ps = r->audio_ps;
		out->audio_rate = r->audio_rate;
	}
	return true;
}

struct channels_count channels_count(const struct channels *cs)
{
	struct channels_count n = cs->count;
	const struct recording *r;

	LIST_FOREACH (r, &cs->all, link) {
		n.recording += r->process != NULL;
		n.failed += r->failed;
	}
	return n;
}

/* ---- life ---- */

static void on_changed(void *arg)
{
	struct channels *cs = arg;

	if (cs->cp->live)
		channels_tick(cs);
}

struct buckets *channels_buckets(const struct channels *cs)
{
	return cs->buckets;
}

struct channels *channels_new(struct cp *cp, const char *program)
{
	struct channels *cs = calloc(1, sizeof(*cs));

	must(cs);
	cs->cp = cp;
	snprintf(cs->program, sizeof(cs->program), "%s", program);
	LIST_INIT(&cs->all);
	cs->buckets = buckets_new(cp, on_changed, cs);
	return cs;
}

void channels_free(struct channels *cs)
{
	struct recording *r;

	if (!cs)
		return;
	while ((r = LIST_FIRST(&cs->all))) {
		if (r->process)
			process_free(r->process);
		recording_free(r);
	}
	buckets_free(cs->buckets);
	free(cs);
}
