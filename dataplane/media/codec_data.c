/* SPDX-License-Identifier: Apache-2.0 */
#include "media/codec.h"

#include "media/amf0.h"

#define SET_DATA_FRAME "@setDataFrame"
#define ON_METADATA    "onMetaData"

static bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && !memcmp(s.p, text, s.n);
}

static struct slice unread(const struct amf0_rd *a)
{
	return (struct slice){a->r.p, rd_left(&a->r)};
}

enum data_kind codec_data(const struct msg *m, struct slice *payload)
{
	struct slice name;
	struct amf0_rd a;

	*payload = (struct slice){m->data, m->len};
	if (!m->len)
		return DATA_OTHER;
	if (m->type == MSG_DATA_AMF3) {
		if (m->data[0])
			return DATA_OTHER;
		*payload = (struct slice){m->data + 1, m->len - 1};
	}
	amf0_rd_init(&a, payload->p, payload->n);
	if (!amf0_read_string(&a, &name))
		return DATA_OTHER;
	if (slice_is(name, SET_DATA_FRAME)) {
		*payload = unread(&a);
		if (!amf0_read_string(&a, &name))
			return DATA_OTHER;
	}
	return slice_is(name, ON_METADATA) ? DATA_METADATA : DATA_OTHER;
}

/* Reads up to the first member of onMetaData's object. */
static bool open_metadata(struct amf0_rd *a, struct slice payload)
{
	struct amf0_token t;
	struct slice name;

	amf0_rd_init(a, payload.p, payload.n);
	return amf0_read_string(a, &name) && slice_is(name, ON_METADATA) && amf0_next(a, &t) > 0 &&
	       t.kind == AMF0_OBJECT;
}

/* The next member as it stands in the input; >0, 0 after the last one, <0 malformed. */
static int next_member(struct amf0_rd *a, struct amf0_token *t, struct slice *raw)
{
	const uint8_t *start = a->r.p;

	if (amf0_next(a, t) <= 0 || t->kind == AMF0_AMF3)
		return -1;
	if (t->kind == AMF0_END)
		return 0;
	if ((t->kind == AMF0_OBJECT || t->kind == AMF0_ARRAY) && amf0_skip(a, t) < 0)
		return -1;
	*raw = (struct slice){start, (size_t)(a->r.p - start)};
	return 1;
}

/* Names that begin with one of these are about one kind. */
static const char *const server_keys[] = {"duration", "filesize", "server", NULL};
static const char *const audio_keys[] = {"hasAudio", "audio", "stereo", NULL};
static const char *const video_keys[] = {"hasVideo", "video", "width", "height", "framerate", NULL};

static bool begins_with_one(struct slice key, const char *const *names)
{
	for (; *names; names++)
		if (key.n >= strlen(*names) && !memcmp(key.p, *names, strlen(*names)))
			return true;
	return false;
}

static bool is_one(struct slice key, const char *const *names)
{
	for (; *names; names++)
		if (slice_is(key, *names))
			return true;
	return false;
}

/* What is left out of a copy. */
struct omit {
	bool server, audio, video;
};

static bool omitted(struct slice key, struct omit o)
{
	return (o.server && is_one(key, server_keys)) ||
	       (o.audio && begins_with_one(key, audio_keys)) ||
	       (o.video && begins_with_one(key, video_keys));
}

static bool copy_metadata(struct slice payload, const char *server, struct omit o, struct wr *w)
{
	uint32_t count = server ? 1 : 0;
	struct amf0_token t;
	struct amf0_rd a;
	struct slice raw;
	uint8_t *count_at;
	int more;

	if (!open_metadata(&a, payload))
		return false;
	amf0_cstring(w, ON_METADATA);
	amf0_ecma_array(w, 0);
	count_at = w->p - 4;
	/* Ours first: a last member whose end mark is missing would swallow what follows. */
	if (server) {
		amf0_key(w, "server");
		amf0_cstring(w, server);
	}
	while ((more = next_member(&a, &t, &raw)) > 0) {
		if (omitted(t.key, o))
			continue;
		wr_bytes(w, raw.p, raw.n);
		count++;
	}
	amf0_end(w);
	if (more < 0 || w->bad)
		return false;
	put_be32(count_at, count);
	return true;
}

bool codec_metadata_for_players(struct slice payload, const char *server, struct wr *w)
{
	return copy_metadata(payload, server, (struct omit){.server = true}, w);
}

bool codec_metadata_without(struct slice payload, bool audio, bool video, struct wr *w)
{
	return copy_metadata(payload, NULL, (struct omit){.audio = audio, .video = video}, w);
}

void codec_metadata_for_servers(struct slice payload, struct wr *w)
{
	amf0_cstring(w, SET_DATA_FRAME);
	wr_bytes(w, payload.p, payload.n);
}

struct slice codec_metadata_encoder(struct slice payload)
{
	struct amf0_token t;
	struct amf0_rd a;
	struct slice raw;

	if (!open_metadata(&a, payload))
		return (struct slice){NULL, 0};
	while (next_member(&a, &t, &raw) > 0) {
		if (t.kind == AMF0_STRING && slice_is(t.key, "encoder"))
			return t.str;
	}
	return (struct slice){NULL, 0};
}
