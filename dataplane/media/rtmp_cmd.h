/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RTMP commands: what a command message says, and the answers and requests as bytes.
 *
 * Parsing gives one flat struct; strings point into the message. AMF3 command messages (type 17)
 * are read when their first byte is 0 (interop C7). Unknown commands keep their name and
 * transaction so that they can be answered (C1).
 * Source: RTMP specification 7.2; Enhanced RTMP v2 "Enhancing NetConnection connect". Threads: pure.
 */
#ifndef MEDIA_RTMP_CMD_H
#define MEDIA_RTMP_CMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "media/msg.h"

enum rtmp_cmd_kind {
	RTMP_CMD_OTHER = 0,
	RTMP_CMD_CONNECT,
	RTMP_CMD_CREATE_STREAM,
	RTMP_CMD_DELETE_STREAM,
	RTMP_CMD_CLOSE_STREAM,
	RTMP_CMD_RELEASE_STREAM,
	RTMP_CMD_FC_PUBLISH,
	RTMP_CMD_FC_UNPUBLISH,
	RTMP_CMD_PUBLISH,
	RTMP_CMD_PLAY,
	RTMP_CMD_PAUSE,
	RTMP_CMD_SEEK,
	RTMP_CMD_RECEIVE_AUDIO,
	RTMP_CMD_RECEIVE_VIDEO,
	RTMP_CMD_GET_STREAM_LENGTH,
	RTMP_CMD_RESULT,
	RTMP_CMD_ERROR,
	RTMP_CMD_ON_STATUS,
	RTMP_CMD_ON_FC_PUBLISH,
};

#define RTMP_CAPS_EX_RECONNECT 1u

struct rtmp_cmd {
	enum rtmp_cmd_kind kind;
	struct slice name; /* the command's own name */
	double txn;	   /* transaction id; 0: no answer wanted */
	/* connect */
	struct slice app, tc_url, flash_ver, page_url;
	double object_encoding;
	uint32_t caps_ex; /* Enhanced RTMP capsEx */
	bool enhanced;	  /* said anything about Enhanced RTMP (interop C16) */
	/* publish, play, FCPublish, releaseStream, deleteStream */
	struct slice stream; /* first string argument, as it came: prefixes and query included */
	struct slice type;   /* publish: live, record, append */
	double number;	     /* play: start, -2 where it is not given; deleteStream: stream id;
				 pause, seek: milliseconds; results: the first number after the
				 command object (createStream's answer). May be any double. */
	bool flag;	     /* pause, receiveAudio, receiveVideo */
	/* _result, _error, onStatus */
	struct slice level, code, description;
	struct slice redirect;	   /* ex.redirect: another server's tcUrl (interop C15) */
	struct slice redirect_url; /* ex.redirect2, as some servers say: with the stream */
};

/*
 * m->type must be MSG_COMMAND or MSG_COMMAND_AMF3. 0, or -EINVAL for bad AMF or where the name or a
 * number as transaction id is missing (no transaction id at all is fine). An AMF3 value and what
 * follows it are not read.
 */
int rtmp_cmd_parse(const struct msg *m, struct rtmp_cmd *out);

/* Answers and requests: AMF0 payload of a MSG_COMMAND into w. */

/* Success. Echoes objectEncoding, and answers an Enhanced RTMP client in its terms (C7, C16). */
void rtmp_cmd_connect_result(struct wr *w, const struct rtmp_cmd *connect);
void rtmp_cmd_result_number(struct wr *w, double txn, double value);
void rtmp_cmd_result_null(struct wr *w, double txn);
void rtmp_cmd_error(struct wr *w, double txn, const char *code, const char *description);
/* connect is refused, and the client is to connect to tc_url instead (interop C15). */
void rtmp_cmd_redirect(struct wr *w, double txn, const char *tc_url, const char *description);
void rtmp_cmd_on_status(struct wr *w, const char *level, const char *code, const char *description);
/* Asks an Enhanced RTMP client to connect anew, to tc_url unless that is empty (interop C17). */
void rtmp_cmd_reconnect(struct wr *w, const char *tc_url, const char *description);
/* name: onFCPublish, onFCUnpublish. */
void rtmp_cmd_on_fc(struct wr *w, const char *name, const char *code, const char *description);
/* Client side. stream may carry a query; tc_url is rtmp://host[:port]/app. publish: to publish. */
void rtmp_cmd_connect(struct wr *w, double txn, const char *app, const char *tc_url, bool publish);
/* name(null, arg), without an argument where arg is NULL: releaseStream, FCPublish, ... */
void rtmp_cmd_call(struct wr *w, const char *name, double txn, const char *arg);
void rtmp_cmd_create_stream(struct wr *w, double txn);
void rtmp_cmd_publish(struct wr *w, double txn, const char *stream);
void rtmp_cmd_play(struct wr *w, double txn, const char *stream);
void rtmp_cmd_delete_stream(struct wr *w, double txn, double stream_id);

#endif
