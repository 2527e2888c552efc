/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The RTMP client that pulls and pushes share: handshake, connect, control messages, commands.
 *
 *   handshake --S2--> connecting --_result--> creating --_result--> started (the role's publish or
 *   play is out)
 *
 * A server that refuses with another one's address is left for that (interop C15; leg_redirect()).
 * What follows is the role's: struct rtmp_role gets statuses and messages. Every refusal of the
 * server becomes a reason, its own words the leg's detail.
 *
 * Threads: one core.
 */
#ifndef SESSION_RTMP_CLIENT_H
#define SESSION_RTMP_CLIENT_H

#include "media/rtmp_cmd.h"
#include "media/rtmp_hs.h"
#include "media/rtmp_in.h"
#include "session/leg.h"

#define RTMP_CLIENT_COMMAND_MAX 6144 /* stream name, tcUrl and app at their longest */

struct rtmp_client;

struct rtmp_role {
	bool publish;
	/* connect is accepted: what goes out before createStream. */
	void (*accepted)(struct rtmp_client *c, const char *stream);
	/* createStream is answered: publish or play. */
	void (*created)(struct rtmp_client *c, const char *stream);
	/* A good onStatus; NONE or why to end (optional). */
	enum reason (*status)(struct rtmp_client *c, struct slice code);
	/* Audio, video, data, aggregate (optional). */
	enum reason (*message)(struct rtmp_client *c, const struct msg *m);
	/* All messages of one batch of input were handed over (optional). */
	void (*batch)(struct rtmp_client *c);
};

enum rtmp_client_stage { RTMP_C_HANDSHAKE, RTMP_C_CONNECT, RTMP_C_CREATE, RTMP_C_STARTED };

struct rtmp_client {
	struct leg_session base;
	const struct rtmp_role *role;
	struct rtmp_hs *hs; /* until the handshake is done */
	struct rtmp_in in;
	uint64_t acked;	 /* bytes received that were acknowledged */
	uint32_t window; /* acknowledge at least this often */
	uint32_t chunk;	 /* size of our chunks */
	uint32_t stream_id;
	uint32_t calls; /* the last transaction id used */
	uint32_t create_call;
	uint8_t stage;
};

static inline struct rtmp_client *rtmp_client_of(struct session *s)
{
	return (struct rtmp_client *)s;
}

/* A session with these ops and role, or NULL. */
struct rtmp_client *rtmp_client_new(struct leg *leg, const struct session_ops *ops,
				    const struct rtmp_role *role);
/* For the roles' session_ops. */
void rtmp_client_connected(struct session *s, enum reason why);
enum reason rtmp_client_received(struct session *s, const uint8_t *p, size_t n);
void rtmp_client_gone(struct session *s);
/* Sends a command that was written into w, on message stream stream_id. */
void rtmp_client_send(struct rtmp_client *c, const struct wr *w, uint32_t stream_id);
/* A fresh transaction id. */
double rtmp_client_call(struct rtmp_client *c);
/* The stream's name for the server, with its query (interop P10). NONE or BAD_URL. */
enum reason rtmp_client_stream(struct rtmp_client *c, char stream[2048]);
/* From now on chunks have the size of the RTMP wire log. */
void rtmp_client_set_chunk(struct rtmp_client *c);
/* The reason behind a refusal's code and text; NONE where it is none. Pure. */
enum reason rtmp_client_refusal(struct slice level, struct slice code, struct slice text);

#endif
