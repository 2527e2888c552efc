/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP/1.x heads on the data path: requests of players, and answers of servers we pull from.
 *
 * One parser for both entry points (interop H13): a head is complete or it is not; the caller keeps
 * the bytes and enforces the size cap and the deadline. Lines may end in LF alone. A request with a
 * body, an answer with both Content-Length and Transfer-Encoding, a folded line and a blank before
 * a header's colon are malformed here. Strings point into the input.
 * Source: RFC 9112, RFC 9110. Threads: pure, any.
 */
#ifndef MEDIA_HTTP_IN_H
#define MEDIA_HTTP_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

#define HTTP_HEADERS_MAX 64

enum http_method { HTTP_OTHER, HTTP_GET, HTTP_HEAD, HTTP_OPTIONS, HTTP_POST };

struct http_header {
	struct slice name, value;
};

struct http_head {
	enum http_method method; /* requests */
	struct slice method_text;
	struct slice target;	/* request target as sent: path and query, or absolute form */
	uint8_t minor;		/* HTTP/1.minor */
	uint16_t status;	/* answers: 100..599 */
	bool close;		/* the connection ends after this exchange */
	bool chunked;		/* Transfer-Encoding: chunked */
	int64_t content_length; /* -1: not given */
	unsigned headers_n;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Bytes of the whole head (>0), 0: not complete, -EINVAL: malformed. n at most INT_MAX. *out is
 * whole only with a complete head; headers beyond headers_n are not set.
 */
int http_request_parse(const uint8_t *p, size_t n, struct http_head *out);
int http_response_parse(const uint8_t *p, size_t n, struct http_head *out);
/* First header of that name, any case; an empty slice with p NULL if there is none. */
struct slice http_header_get(const struct http_head *h, const char *name);

/* Chunked transfer coding, incremental (answers of servers we pull from). */
struct http_chunked {
	uint8_t state;
	bool at_line_start; /* in the trailer */
	uint64_t left;	    /* bytes of the present chunk */
	uint32_t line_n;    /* bytes of the present line of framing */
};

void http_chunked_init(struct http_chunked *c);
/*
 * Takes bytes from p; *out is the run of body bytes among those taken (may be empty). Returns bytes
 * taken (1..n), or -EINVAL. *end is set with the last byte of the trailer after the last chunk;
 * bytes after it are malformed.
 */
int http_chunked_feed(struct http_chunked *c, const uint8_t *p, size_t n, struct slice *out,
		      bool *end);

#endif
