/* SPDX-License-Identifier: Apache-2.0 */
#include "media/ws.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>
#include <strings.h>

#include "base/check.h"

#define FIN	     0x80
#define RESERVED     0x70
#define MASKED	     0x80
#define KEY_TEXT     24 /* 16 bytes as base64 */
#define SHA1_BYTES   20
#define HEAD_LEN(in) ((in)->head[1] & 0x7f)

static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/* ---- handshake ---- */

/* The next token of a list with commas; false after the last. */
static bool next_token(struct slice *list, struct slice *token)
{
	const uint8_t *comma, *p = list->p, *end = list->p + list->n;

	while (p < end && (*p == ' ' || *p == '\t' || *p == ','))
		p++;
	if (p == end)
		return false;
	comma = memchr(p, ',', (size_t)(end - p));
	*token = (struct slice){p, (size_t)((comma ? comma : end) - p)};
	list->p = comma ? comma : end;
	list->n = (size_t)(end - list->p);
	while (token->n && (token->p[token->n - 1] == ' ' || token->p[token->n - 1] == '\t'))
		token->n--;
	return true;
}

static bool is(struct slice s, const char *text)
{
	return s.n == strlen(text) && !strncasecmp((const char *)s.p, text, s.n);
}

/* Whether any header of that name has the token: Firefox sends `keep-alive, Upgrade` (H9). */
static bool has_token(const struct http_head *h, const char *name, const char *token)
{
	for (unsigned i = 0; i < h->headers_n; i++) {
		struct slice list = h->headers[i].value, one;

		if (!is(h->headers[i].name, name))
			continue;
		while (next_token(&list, &one))
			if (is(one, token))
				return true;
	}
	return false;
}

static bool is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_key(struct slice key)
{
	if (key.n != KEY_TEXT || memcmp(key.p + KEY_TEXT - 2, "==", 2) != 0)
		return false;
	for (unsigned i = 0; i < KEY_TEXT - 2; i++)
		if (!is_word(key.p[i]) && key.p[i] != '+' && key.p[i] != '/')
			return false;
	return true;
}

/* A browser that offers protocols gives up where none is chosen. */
static struct slice choose_protocol(const struct http_head *h)
{
	struct slice list = http_header_get(h, "Sec-WebSocket-Protocol"), one;

	if (!list.p || !next_token(&list, &one) || !one.n || one.n > WS_PROTOCOL_MAX)
		return (struct slice){NULL, 0};
	for (size_t i = 0; i < one.n; i++)
		if (!is_word(one.p[i]) && !memchr("!#$%&'*+-.^_`|~", one.p[i], 15))
			return (struct slice){NULL, 0};
	return one;
}

bool ws_wanted(const struct http_head *request)
{
	return has_token(request, "Upgrade", "websocket");
}

const char *ws_handshake(const struct http_head *request, struct ws_answer *out, unsigned *status)
{
	struct slice key = http_header_get(request, "Sec-WebSocket-Key");
	struct slice version = http_header_get(request, "Sec-WebSocket-Version");
	uint8_t text[KEY_TEXT + sizeof(guid)], hash[SHA1_BYTES];

	*status = 400;
	if (request->method != HTTP_GET || !request->minor)
		return "a WebSocket begins with GET and HTTP/1.1";
	if (!has_token(request, "Connection", "Upgrade"))
		return "Connection must say Upgrade";
	if (!version.p || !is(version, "13")) {
		*status = 426;
		return "Sec-WebSocket-Version must be 13";
	}
	if (!key.p || !is_key(key))
		return "Sec-WebSocket-Key must be 16 bytes in base64";
	memcpy(text, key.p, KEY_TEXT);
	memcpy(text + KEY_TEXT, guid, sizeof(guid) - 1);
	must(EVP_Digest(text, KEY_TEXT + sizeof(guid) - 1, hash, NULL, EVP_sha1(), NULL) == 1);
	EVP_EncodeBlock((uint8_t *)out->accept, hash, sizeof(hash));
	out->protocol = choose_protocol(request);
	return NULL;
}

/* ---- writing ---- */

size_t ws_head_size(uint64_t n)
{
	return n < 126 ? 2 : n <= UINT16_MAX ? 4 : 10;
}

size_t ws_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, uint64_t n)
{
	size_t size = ws_head_size(n);

	dst[0] = (uint8_t)(FIN | opcode);
	if (size == 2) {
		dst[1] = (uint8_t)n;
	} else if (size == 4) {
		dst[1] = 126;
		put_be16(dst + 2, (uint16_t)n);
	} else {
		dst[1] = 127;
		put_be64(dst + 2, n);
	}
	return size;
}

void ws_frame(struct sink *to, enum ws_opcode opcode, const void *p, size_t n)
{
	uint8_t head[WS_HEAD_MAX];

	to->write(to, head, ws_head(head, opcode, n));
	if (n)
		to->write(to, p, n);
}

void ws_close(struct sink *to, uint16_t code)
{
	uint8_t text[2];

	put_be16(text, code);
	ws_frame(to, WS_CLOSE, text, sizeof(text));
}

/* ---- reading ---- */

void ws_in_init(struct ws_in *in)
{
	*in = (struct ws_in){.left = 0};
}

static enum ws_opcode opcode_of(const struct ws_in *in)
{
	return (enum ws_opcode)(in->head[0] & 15);
}

static bool is_control(enum ws_opcode opcode)
{
	return opcode & 8;
}

/* Bytes of the head as far as it is known; more than head_n: go on reading. */
static uint8_t head_want(const struct ws_in *in)
{
	if (in->head_n < 2)
		return 2;
	return (uint8_t)(HEAD_LEN(in) == 126 ? 8 : HEAD_LEN(in) == 127 ? 14 : 6);
}

/* What the first two bytes already tell. */
static bool head_is_odd(const struct ws_in *in)
{
	enum ws_opcode opcode = opcode_of(in);
	bool fin = in->head[0] & FIN;

	if (in->head[0] & RESERVED || !(in->head[1] & MASKED))
		return true;
	switch (opcode) {
	case WS_CONTINUATION:
		return !in->in_message;
	case WS_TEXT:
	case WS_BINARY:
		return in->in_message;
	case WS_CLOSE:
	case WS_PING:
	case WS_PONG:
		return !fin || HEAD_LEN(in) > WS_CONTROL_MAX;
	}
	return true;
}

/* The head is whole. */
static int begin_payload(struct ws_in *in)
{
	uint8_t len = HEAD_LEN(in);

	in->left = len == 126 ? get_be16(in->head + 2) : len == 127 ? get_be64(in->head + 2) : len;
	/* Shortest form only, and a length that is not negative. */
	if ((len == 126 && in->left < 126) || (len == 127 && in->left <= UINT16_MAX) ||
	    in->left >> 63)
		return -REASON_BAD_WEBSOCKET;
	in->in_payload = true;
	in->masked = 0;
	in->control_n = 0;
	if (is_control(opcode_of(in)))
		return 0;
	if (opcode_of(in) != WS_CONTINUATION)
		in->dropped = 0;
	if (in->left > WS_DROPPED_MAX - in->dropped)
		return -REASON_MESSAGE_TOO_BIG;
	in->dropped += in->left;
	return 0;
}

/* Codes that a peer may put into a close frame (7.4). */
static bool is_code(uint16_t code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	       (code >= 3000 && code <= 4999);
}

static int end_frame(struct ws_in *in, struct ws_event *out)
{
	enum ws_opcode opcode = opcode_of(in);

	in->in_payload = false;
	in->head_n = 0;
	if (!is_control(opcode)) {
		in->in_message = !(in->head[0] & FIN);
		return 0;
	}
	out->opcode = opcode;
	out->payload = (struct slice){in->control, in->control_n};
	if (opcode != WS_CLOSE)
		return 0;
	out->code = in->control_n < 2 ? WS_NO_CODE : get_be16(in->control);
	if (in->control_n == 1 || (in->control_n && !is_code(out->code)))
		return -REASON_BAD_WEBSOCKET;
	return 0;
}

static size_t take_payload(struct ws_in *in, const uint8_t *p, size_t n)
{
	const uint8_t *mask = in->head + head_want(in) - 4;

	n = min_of(n, in->left);
	if (is_control(opcode_of(in)))
		for (size_t i = 0; i < n; i++)
			in->control[in->control_n++] = p[i] ^ mask[in->masked++ & 3];
	in->left -= n;
	return n;
}

int ws_in_feed(struct ws_in *in, const uint8_t *p, size_t n, struct ws_event *out)
{
	size_t taken = 0;
	int r = 0;

	*out = (struct ws_event){.opcode = WS_CONTINUATION};
	n = min_of(n, (size_t)INT_MAX);
	while (!in->in_payload && taken < n) {
		in->head[in->head_n++] = p[taken++];
		if (in->head_n == 2 && head_is_odd(in))
			return -REASON_BAD_WEBSOCKET;
		if (in->head_n == head_want(in))
			r = begin_payload(in);
		if (r < 0)
			return r;
	}
	if (in->in_payload) {
		taken += take_payload(in, p + taken, n - taken);
		if (!in->left)
			r = end_frame(in, out);
	}
	return r < 0 ? r : (int)taken;
}
