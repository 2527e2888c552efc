/* SPDX-License-Identifier: Apache-2.0 */
#include "controlplane/shm.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/reasons.h"
#include "base/check.h"

#define NODE_GEN 1 /* of rates that have one owner for ever */

/* Of a stream's paths out; as struct shm_stream_view has them. */
enum { TCP_SENT, TCP_AGAIN, TCP_RTT_N, TCP_RTT_US, TCP_RATES };

/* A growing count and its rate. */
struct rate {
	uint64_t gen, last;
	double per_s;
};

struct shm {
	const uint8_t *base;
	size_t bytes;
	struct shm_head head; /* checked copy */
	struct rate in, out;
	struct rate *stream_in, *stream_out, *relay, *busy;
	struct rate (*tcp)[TCP_RATES]; /* of each stream */
	uint64_t sampled_us;
};

/* ---- attaching ----------------------------------------------------------------------------- */

static bool fits(const struct shm_head *h, uint64_t off, uint64_t each, uint64_t n)
{
	return off <= h->total_bytes && each && n <= (h->total_bytes - off) / each &&
	       off % 8 == 0 && each % 8 == 0;
}

static const char *layout_fault(const struct shm_head *h, size_t bytes)
{
	if (h->magic != SHM_MAGIC || h->version != SHM_VERSION)
		return "the data plane's shared memory is of another version";
	if (h->counters != CTR_MAX || h->reasons != REASON_MAX)
		return "the data plane has other counters or reasons than this program";
	if (h->core_bytes < sizeof(struct shm_core) || h->relay_bytes < sizeof(struct shm_relay) ||
	    h->audience_bytes < sizeof(struct shm_audience) || h->total_bytes > bytes ||
	    h->paths_bytes < sizeof(struct shm_paths) || h->stream_paths_off % 8 ||
	    h->stream_paths_off <
		    sizeof(struct shm_stream) + (uint64_t)h->cores * h->audience_bytes ||
	    h->stream_slot_bytes <
		    h->stream_paths_off + ((uint64_t)h->cores + 1) * h->paths_bytes ||
	    !fits(h, h->paths_off, h->paths_bytes, h->cores + 1u) ||
	    !fits(h, h->core_off, h->core_bytes, h->cores) ||
	    !fits(h, h->stream_off, h->stream_slot_bytes, h->streams) ||
	    !fits(h, h->relay_off, h->relay_bytes, h->relays) ||
	    h->relay_off + (uint64_t)h->relays * h->relay_bytes > h->paths_off)
		return "the data plane's shared memory has sizes that do not fit together";
	return NULL;
}

static struct rate *rates_new(uint32_t n)
{
	struct rate *r = calloc(n ? n : 1, sizeof(*r));

	must(r);
	return r;
}

struct shm *shm_attach(int fd, char *err, size_t err_n)
{
	const char *fault = "the data plane's shared memory cannot be read";
	struct shm *s = calloc(1, sizeof(*s));
	struct stat st;
	void *p = MAP_FAILED;

	must(s);
	if (!fstat(fd, &st) && (size_t)st.st_size >= sizeof(struct shm_head)) {
		s->bytes = (size_t)st.st_size;
		p = mmap(NULL, s->bytes, PROT_READ, MAP_SHARED, fd, 0);
	}
	close(fd);
	if (p != MAP_FAILED) {
		s->base = p;
		memcpy(&s->head, p, sizeof(s->head));
		fault = layout_fault(&s->head, s->bytes);
	}
	if (fault) {
		snprintf(err, err_n, "%s", fault);
		shm_detach(s);
		return NULL;
	}
	s->stream_in = rates_new(s->head.streams);
	s->stream_out = rates_new(s->head.streams);
	s->relay = rates_new(s->head.relays);
	s->busy = rates_new(s->head.cores);
	s->tcp = calloc(s->head.streams + 1u, sizeof(*s->tcp));
	must(s->tcp);
	return s;
}

void shm_detach(struct shm *s)
{
	if (!s)
		return;
	if (s->base)
		munmap((void *)s->base, s->bytes);
	free(s->stream_in);
	free(s->stream_out);
	free(s->relay);
	free(s->busy);
	free(s->tcp);
	free(s);
}

/* ---- where things are ---------------------------------------------------------------------- */

static const struct shm_core *core_at(const struct shm *s, uint32_t core)
{
	return (const void *)(s->base + s->head.core_off + (uint64_t)core * s->head.core_bytes);
}

static const struct shm_stream *stream_at(const struct shm *s, uint32_t slot)
{
	return (const void *)(s->base + s->head.stream_off +
			      (uint64_t)slot * s->head.stream_slot_bytes);
}

static const struct shm_relay *relay_at(const struct shm *s, uint32_t slot)
{
	return (const void *)(s->base + s->head.relay_off + (uint64_t)slot * s->head.relay_bytes);
}

static const struct shm_audience *audience_at(const struct shm *s, const struct shm_stream *st,
					      uint32_t core)
{
	return (const void *)((const uint8_t *)st->audience +
			      (uint64_t)core * s->head.audience_bytes);
}

static uint64_t gen_of(const shm_u64 *gen)
{
	return atomic_load_explicit((shm_u64 *)gen, memory_order_acquire);
}

static bool gen_same(const shm_u64 *gen, uint64_t was)
{
	atomic_thread_fence(memory_order_acquire);
	return shm_get(gen) == was;
}

/* Of a count of bytes; 0 where the slot has another owner since. */
static uint64_t rate_bps(const struct rate *r, uint64_t gen)
{
	return r->gen == gen ? (uint64_t)(r->per_s * 8) : 0;
}

static double rate_ps(const struct rate *r, uint64_t gen)
{
	return r->gen == gen ? r->per_s : 0;
}

static void copy_text(char *dst, const char *src, size_t n)
{
	memcpy(dst, src, n);
	dst[n - 1] = 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* out->gen is what was read of it before. */
static void read_stream(const struct shm *s, uint32_t slot, struct shm_stream_view *out)
{
	const struct shm_stream *st = stream_at(s, slot);

	copy_text(out->name, st->name, sizeof(out->name));
	out->internal = shm_get(&st->internal);
	out->since_ms = shm_get(&st->publish_wall_ms);
	out->last_media_us = shm_get(&st->last_media_us);
	out->bytes_in = shm_get(&st->bytes_in);
	out->msgs_video = shm_get(&st->msgs_video);
	out->msgs_audio = shm_get(&st->msgs_audio);
	out->msgs_data = shm_get(&st->msgs_data);
	out->keyframes = shm_get(&st->keyframes);
	out->gop_ms = shm_get(&st->gop_ms);
	out->video_codec = shm_get(&st->video_codec);
	out->audio_codec = shm_get(&st->audio_codec);
	out->width = shm_get(&st->width);
	out->height = shm_get(&st->height);
	out->log_bytes = shm_get(&st->log_bytes);
	for (uint32_t c = 0; c < s->head.cores; c++) {
		const struct shm_audience *a = audience_at(s, st, c);

		out->viewers_rtmp += shm_get(&a->viewers_rtmp);
		out->viewers_flv += shm_get(&a->viewers_flv);
		out->viewers_ws += shm_get(&a->viewers_ws);
		out->viewers_hls += shm_get(&a->viewers_hls);
		out->pushes += shm_get(&a->pushes);
		out->bytes_out += shm_get(&a->bytes_out);
		out->skips += shm_get(&a->skips);
		out->joins += shm_get(&a->joins);
	}
	out->in_bps = rate_bps(&s->stream_in[slot], out->gen);
	out->out_bps = rate_bps(&s->stream_out[slot], out->gen);
	out->sent_ps = rate_ps(&s->tcp[slot][TCP_SENT], out->gen);
	out->again_ps = rate_ps(&s->tcp[slot][TCP_AGAIN], out->gen);
	out->rtt_n_ps = rate_ps(&s->tcp[slot][TCP_RTT_N], out->gen);
	out->rtt_us_ps = rate_ps(&s->tcp[slot][TCP_RTT_US], out->gen);
}

bool shm_stream_at(const struct shm *s, uint32_t slot, struct shm_stream_view *out)
{
	const shm_u64 *gen = &stream_at(s, slot)->gen;

	*out = (struct shm_stream_view){.gen = gen_of(gen)};
	if (!(out->gen & 1))
		return false;
	read_stream(s, slot, out);
	return gen_same(gen, out->gen);
}

/* A slot keeps its counts until it is taken again; while that happens some are zero already. */
bool shm_stream_ended(const struct shm *s, uint32_t slot, uint64_t gen, struct shm_stream_view *out)
{
	const shm_u64 *now = &stream_at(s, slot)->gen;

	*out = (struct shm_stream_view){.gen = gen_of(now)};
	if (out->gen != gen + 1)
		return false;
	read_stream(s, slot, out);
	return gen_same(now, gen + 1);
}

/* Both are made of 64-bit counts only. */
static void add_counts(shm_u64 *to, const shm_u64 *from, size_t bytes)
{
	for (size_t i = 0; i < bytes / sizeof(*to); i++)
		shm_add(&to[i], shm_get(&from[i]));
}

static void sum_paths(const struct shm *s, const uint8_t *first, struct shm_paths *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t who = 0; who <= s->head.cores; who++)
		add_counts((shm_u64 *)out,
			   (const shm_u64 *)(first + (uint64_t)who * s->head.paths_bytes),
			   sizeof(*out));
}

void shm_stream_paths(const struct shm *s, uint32_t slot, struct shm_paths *out)
{
	sum_paths(s, (const uint8_t *)stream_at(s, slot) + s->head.stream_paths_off, out);
}

void shm_node_paths(const struct shm *s, struct shm_paths *out)
{
	sum_paths(s, s->base + s->head.paths_off, out);
}

void shm_stream_hists(const struct shm *s, uint32_t slot, struct shm_hist *join,
		      struct shm_hist *lag)
{
	memset(join, 0, sizeof(*join));
	memset(lag, 0, sizeof(*lag));
	for (uint32_t c = 0; c < s->head.cores; c++) {
		const struct shm_audience *a = audience_at(s, stream_at(s, slot), c);

		add_counts((shm_u64 *)join, (const shm_u64 *)&a->join, sizeof(*join));
		add_counts((shm_u64 *)lag, (const shm_u64 *)&a->lag, sizeof(*lag));
	}
}

void shm_node_join(const struct shm *s, struct shm_hist *out)
{
	memset(out, 0, sizeof(*out));
	for (uint32_t c = 0; c < s->head.cores; c++)
		add_counts((shm_u64 *)out, (const shm_u64 *)&core_at(s, c)->join, sizeof(*out));
}

const struct shm_hist *shm_turn(const struct shm *s, uint32_t core)
{
	return &core_at(s, core)->turn;
}

const struct shm_head *shm_head_now(const struct shm *s)
{
	return (const struct shm_head *)s->base;
}

bool shm_stream_find(const struct shm *s, const char *name, struct shm_stream_view *out,
		     uint32_t *slot)
{
	for (uint32_t i = 0; i < s->head.streams; i++)
		if (shm_stream_at(s, i, out) && !strcmp(out->name, name)) {
			*slot = i;
			return true;
		}
	return false;
}

bool shm_relay_at(const struct shm *s, uint32_t slot, const char *id, struct shm_relay_view *out)
{
	const struct shm_relay *r;

	if (slot >= s->head.relays)
		return false;
	r = relay_at(s, slot);
	*out = (struct shm_relay_view){.gen = gen_of(&r->gen)};
	if (!(out->gen & 1))
		return false;
	copy_text(out->id, r->id, sizeof(out->id));
	out->state = shm_get(&r->state);
	out->reason = shm_get(&r->reason);
	out->first_media_ms = shm_get(&r->first_media_wall_ms);
	out->last_media_us = shm_get(&r->last_media_us);
	out->bytes = shm_get(&r->bytes);
	out->messages = shm_get(&r->messages);
	out->skips = shm_get(&r->skips);
	out->bps = rate_bps(&s->relay[slot], out->gen);
	return gen_same(&r->gen, out->gen) && !strcmp(out->id, id);
}

uint64_t shm_counter(const struct shm *s, uint32_t core, enum counter c)
{
	return shm_get(&core_at(s, core)->ctr[c]);
}

uint64_t shm_total(const struct shm *s, enum counter c)
{
	uint64_t sum = 0;

	for (uint32_t core = 0; core < s->head.cores; core++)
		sum += shm_counter(s, core, c);
	return sum;
}

double shm_busy_share(const struct shm *s, uint32_t core)
{
	return min_of(s->busy[core].per_s / 1e6, 1.0);
}

uint64_t shm_beat_us(const struct shm *s)
{
	return shm_get(&((const struct shm_head *)s->base)->beat_us);
}

uint64_t shm_closes(const struct shm *s, uint32_t reason)
{
	uint64_t sum = 0;

	must(reason < array_len(((struct shm_core *)0)->closes));
	for (uint32_t core = 0; core < s->head.cores; core++)
		sum += shm_get(&core_at(s, core)->closes[reason]);
	return sum;
}

const struct shm_head *shm_head(const struct shm *s)
{
	return &s->head;
}

uint32_t shm_streams(const struct shm *s)
{
	return s->head.streams;
}

uint64_t shm_in_bps(const struct shm *s)
{
	return rate_bps(&s->in, NODE_GEN);
}

uint64_t shm_out_bps(const struct shm *s)
{
	return rate_bps(&s->out, NODE_GEN);
}

/* ---- rates --------------------------------------------------------------------------------- */

static void rate_note(struct rate *r, uint64_t gen, uint64_t count, uint64_t dt_us)
{
	bool same = r->gen == gen && count >= r->last && dt_us;

	r->per_s = same ? (double)(count - r->last) * 1e6 / (double)dt_us : 0;
	r->gen = gen;
	r->last = count;
}

static void sample_tcp(struct shm *s, uint32_t slot, uint64_t gen, uint64_t dt_us)
{
	uint64_t count[TCP_RATES] = {0};
	struct shm_paths p;

	shm_stream_paths(s, slot, &p);
	for (unsigned role = 0; role < SHM_ROLES; role++) {
		if (role_way(role) != WAY_OUT)
			continue;
		count[TCP_SENT] += shm_get(&p.role[role].sent);
		count[TCP_AGAIN] += shm_get(&p.role[role].retransmitted);
	}
	for (unsigned i = 0; i < SHM_HIST_BUCKETS; i++)
		count[TCP_RTT_N] += shm_get(&p.rtt[WAY_OUT].n[i]);
	count[TCP_RTT_US] = shm_get(&p.rtt[WAY_OUT].sum_us);
	for (unsigned i = 0; i < TCP_RATES; i++)
		rate_note(&s->tcp[slot][i], gen, count[i], dt_us);
}

void shm_sample(struct shm *s, uint64_t now_us)
{
	uint64_t dt_us = s->sampled_us ? now_us - s->sampled_us : 0;

	s->sampled_us = now_us;
	rate_note(&s->in, NODE_GEN, shm_total(s, CTR_BYTES_IN), dt_us);
	rate_note(&s->out, NODE_GEN, shm_total(s, CTR_BYTES_OUT), dt_us);
	for (uint32_t i = 0; i < s->head.cores; i++)
		rate_note(&s->busy[i], NODE_GEN, shm_counter(s, i, CTR_BUSY_US), dt_us);
	for (uint32_t i = 0; i < s->head.streams; i++) {
		struct shm_stream_view v;

		if (!shm_stream_at(s, i, &v))
			continue;
		rate_note(&s->stream_in[i], v.gen, v.bytes_in, dt_us);
		rate_note(&s->stream_out[i], v.gen, v.bytes_out, dt_us);
		sample_tcp(s, i, v.gen, dt_us);
	}
	for (uint32_t i = 0; i < s->head.relays; i++) {
		const struct shm_relay *r = relay_at(s, i);
		uint64_t gen = gen_of(&r->gen);

		if (gen & 1)
			rate_note(&s->relay[i], gen, shm_get(&r->bytes), dt_us);
	}
}
