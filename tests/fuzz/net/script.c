/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/net/script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "fuzz/net/peer.h"
#include "session/relay.h"

#define STEPS_MAX   400u
#define PASS_MAX_MS 60000u /* of one script */

enum step {
	STEP_OPEN,    /* u8: from which address; a leg's connection: bit 1 refuses it */
	STEP_BYTES,   /* u16 n, n bytes */
	STEP_SHUT,    /* the end of its input */
	STEP_RESET,   /* */
	STEP_WINDOW,  /* u8: 255 wide open, else that many times 16 bytes */
	STEP_PASS,    /* u8: its square in milliseconds */
	STEP_CUT,     /* u8: input comes in pieces of so many bytes; 0: whole */
	STEP_SHAKE,   /* the RTMP handshake */
	STEP_COMMAND, /* u8 which, u8 stream */
	STEP_MEDIA,   /* u8 milliseconds later, u8 which */
	STEP_MESSAGE, /* u8 type, u8 n, n bytes */
	STEP_PICTURE, /* u8: bit 0 key, the rest times 512 bytes */
	STEP_HTTP,    /* u8 which, u8 stream */
	STEP_FRAME,   /* u8 first byte of a WebSocket frame, u8 n, n bytes */
	STEP_FILE,    /* u8 flags of FLV's file header */
	STEP_TIME,    /* u32: from now on messages have this time */
	STEP_LEG,     /* u8: a relay leg is made or, where it is there, removed */
	STEP_DRAIN,   /* u8: 1 new connections are refused, 0 no longer */
	STEP_KICK, /* u8: the session of that number, from the newest, is closed by an operator */
	STEP_MAX,
};

struct script {
	struct world world;
	struct peer peer[SCRIPT_PEERS];
	struct rd in;
	uint64_t passed_ms;
	unsigned legs; /* bit per leg that exists */
};

/* ---- legs ---- */

struct leg_kind {
	const char *url, *stream;
	bool push;
};

static const struct leg_kind leg_kinds[] = {
	{"rtmp://127.0.0.1/live/x", "default/live/a", false},
	{"http://127.0.0.1/live/x.flv", "default/live/a", false},
	{"rtmp://127.0.0.1/live/y?k=v", "default/live/a", true},
	{"http://u:p@[::1]:81/x.flv?q", "default/live/b", false},
};

static void leg_toggle(struct script *s, uint8_t which)
{
	unsigned i = which % array_len(leg_kinds);
	const struct leg_kind *kind = &leg_kinds[i];
	struct relay_spec spec = {.push = kind->push};
	const char *rule = "";
	bool conflict = false;

	snprintf(spec.id, sizeof(spec.id), "leg%u", i);
	snprintf(spec.url, sizeof(spec.url), "%s", kind->url);
	snprintf(spec.stream, sizeof(spec.stream), "%s", kind->stream);
	if (s->legs & 1u << i)
		must(relay_remove(&s->world.engine, spec.id, spec.push));
	else
		must(relay_create(&s->world.engine, &spec, &conflict, &rule) == REASON_NONE);
	s->legs ^= 1u << i;
	world_turn(&s->world);
}

/* ---- the operator ---- */

static void kick_nth(void *arg, struct session *s)
{
	if ((*(unsigned *)arg)-- == 0)
		session_close(s, REASON_KICKED);
}

static void step_kick(struct script *s)
{
	unsigned n = rd_u8(&s->in) % SCRIPT_PEERS;

	world_sessions(&s->world, kick_nth, &n);
	world_turn(&s->world);
}

static void drain(struct script *s, bool on)
{
	for (unsigned i = 0; i < WORLD_CORES; i++)
		sessions_drain(&s->world.core[i], on);
}

static void step_drain(struct script *s)
{
	drain(s, rd_u8(&s->in) & 1);
	world_turn(&s->world);
}

/* ---- steps ---- */

/* Up to n bytes of the input, as many as there are. */
static struct slice some(struct script *s, size_t n)
{
	size_t left = rd_left(&s->in);

	n = min_of(n, left);
	return (struct slice){rd_take(&s->in, n), n};
}

static void step_open(struct script *s, struct peer *p)
{
	uint8_t how = rd_u8(&s->in);

	peer_open(p, how);
	peer_accept(p, how & 2 ? REASON_CONNECT_REFUSED : REASON_NONE);
}

static void step_window(struct script *s, struct peer *p)
{
	uint8_t n = rd_u8(&s->in);

	p->net.window = n == 255 ? FAKE_WINDOW_OPEN : n * (size_t)16;
	world_turn(&s->world);
}

static void step_pass(struct script *s)
{
	uint8_t root = rd_u8(&s->in);
	uint64_t ms = min_of((uint64_t)root * root, PASS_MAX_MS - s->passed_ms);

	s->passed_ms += ms;
	world_pass_ms(&s->world, ms);
}

static void step_message(struct script *s, struct peer *p)
{
	uint8_t type = rd_u8(&s->in);
	struct slice payload = some(s, rd_u8(&s->in));

	peer_message(p, type, payload.p, payload.n);
}

static void step(struct script *s, enum step what, struct peer *p)
{
	struct slice bytes;
	uint8_t a;

	switch (what) {
	case STEP_OPEN:
		step_open(s, p);
		break;
	case STEP_BYTES:
		bytes = some(s, rd_be16(&s->in));
		peer_bytes(p, bytes.p, bytes.n);
		break;
	case STEP_SHUT:
		p->net.shut = true;
		world_turn(&s->world);
		break;
	case STEP_RESET:
		p->net.reset = true;
		world_turn(&s->world);
		break;
	case STEP_WINDOW:
		step_window(s, p);
		break;
	case STEP_PASS:
		step_pass(s);
		break;
	case STEP_CUT:
		p->net.cut = rd_u8(&s->in);
		break;
	case STEP_SHAKE:
		peer_shake(p);
		break;
	case STEP_COMMAND:
		a = rd_u8(&s->in);
		peer_command(p, a, rd_u8(&s->in));
		break;
	case STEP_MEDIA:
		p->ts_ms += rd_u8(&s->in);
		peer_media(p, rd_u8(&s->in));
		break;
	case STEP_MESSAGE:
		step_message(s, p);
		break;
	case STEP_PICTURE:
		a = rd_u8(&s->in);
		peer_picture(p, a & 1, (a >> 1) * (size_t)512);
		break;
	case STEP_HTTP:
		a = rd_u8(&s->in);
		peer_http(p, a, rd_u8(&s->in));
		break;
	case STEP_FRAME:
		a = rd_u8(&s->in);
		bytes = some(s, rd_u8(&s->in));
		peer_frame(p, a, bytes.p, bytes.n);
		break;
	case STEP_FILE:
		peer_file(p, rd_u8(&s->in));
		break;
	case STEP_TIME:
		p->ts_ms = rd_be32(&s->in);
		break;
	case STEP_LEG:
		leg_toggle(s, rd_u8(&s->in));
		break;
	case STEP_DRAIN:
		step_drain(s);
		break;
	case STEP_KICK:
		step_kick(s);
		break;
	case STEP_MAX:
		break;
	}
}

/* Everybody leaves, the one half as one does, the other as if a cable was cut. */
static void end(struct script *s)
{
	drain(s, false);
	for (unsigned i = 0; i < array_len(leg_kinds); i++)
		if (s->legs & 1u << i)
			leg_toggle(s, (uint8_t)i);
	for (unsigned i = 0; i < SCRIPT_PEERS; i++) {
		if (i % 2)
			s->peer[i].net.shut = true;
		else
			s->peer[i].net.reset = true;
	}
	world_fini(&s->world);
	for (unsigned i = 0; i < SCRIPT_PEERS; i++)
		peer_fini(&s->peer[i]);
}

int script_run(const enum peer_role role[SCRIPT_PEERS], const uint8_t *data, size_t size)
{
	struct script *s = calloc(1, sizeof(*s));

	must(s);
	s->in = rd_of(data, size);
	world_init(&s->world, rd_u8(&s->in));
	for (unsigned i = 0; i < SCRIPT_PEERS; i++)
		peer_init(&s->peer[i], &s->world, role[i], i % WORLD_CORES);
	for (unsigned n = 0; n < STEPS_MAX && rd_left(&s->in); n++) {
		uint8_t op = rd_u8(&s->in);

		step(s, (enum step)((op >> 2) % STEP_MAX), &s->peer[op & 3]);
	}
	end(s);
	free(s);
	return 0;
}
